"""A report issued again: the file before is kept, and what changed is told (M37).

Beside `FILE.pdf` stands `FILE.pdf.json` with every issue's figures in full precision and the log
of corrections. A figure that was printed and comes out differently needs a reason and a name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from opensma.errors import InputError
from opensma.measure.conventions import Materiality
from opensma.measure.corrections import Change, Correction, Figure, Issue, correct, sha256

Make = Callable[[Sequence[Correction]], bytes]


@dataclass(frozen=True, slots=True)
class Why:
    """Who corrects, why, and what the firm calls material."""

    reason: str
    by: str
    materiality: Materiality


def issue_report(
    file: Path, figures: tuple[Figure, ...], issued: date, make: Make, why: Why | None
) -> Issue:
    """Write the report and its record; `make` draws it with the corrections that it must show.

    InputError documents.correction_reason where printed figures changed and `why` is missing.
    """
    record = file.with_name(f"{file.name}.json")
    issues, log = _read(record)
    inputs = sha256({f.name: f.value for f in figures})
    if issues and issues[-1].inputs_sha256 == inputs:
        file.write_bytes(make(_shown(log, issued)))
        return issues[-1]
    number = len(issues) + 1
    old = issues[-1] if issues else None
    name = f"{file.stem}-{number}"
    new = Issue(name, issued, figures, inputs, old.report_id if old else None)
    if old is not None:
        if _printed_changed(old, new):
            log = [*log, _corrected(old, new, why, file)]
        if file.exists():
            file.rename(file.with_name(f"{old.report_id}.pdf"))
    file.write_bytes(make(_shown(log, issued)))
    document = {"issues": [asdict(i) for i in (*issues, new)], "log": [asdict(c) for c in log]}
    record.write_text(json.dumps(document, indent=1, default=str) + "\n", "utf-8")
    return new


def _printed_changed(old: Issue, new: Issue) -> bool:
    """Whether a number that was printed before is another one now; new years are no correction."""
    now = {f.name: f.value for f in new.figures}
    return any(f.name not in now or now[f.name] != f.value for f in old.figures)


def _corrected(old: Issue, new: Issue, why: Why | None, file: Path) -> Correction:
    if why is None:
        raise InputError(
            "documents.correction_reason",
            f"Figures of {old.report_id} come out differently now, so this is a correction.",
            where=str(file),
            remedy="Give --reason, --by and --material-bps, or write to another file.",
        )
    printed = {f.name for f in old.figures}
    same = Issue(
        new.report_id,
        max(new.issued, old.issued),
        tuple(f for f in new.figures if f.name in printed),
        new.inputs_sha256,
        new.supersedes,
    )
    return correct(old, same, why.reason, why.by, why.materiality)


def _shown(log: Sequence[Correction], issued: date) -> list[Correction]:
    """Corrections that a report of this day still has to show."""
    return [c for c in log if c.disclose_until is not None and issued <= c.disclose_until]


def _read(record: Path) -> tuple[list[Issue], list[Correction]]:
    if not record.exists():
        return [], []
    try:
        document = json.loads(record.read_text("utf-8"))
        issues = [_issue(row) for row in document["issues"]]
        return issues, [_correction(row) for row in document["log"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "documents.record",
            f"The record of earlier issues cannot be read: {error}.",
            where=str(record),
            remedy="Put it back as it was written, or write to another file.",
        ) from error


def _issue(row: dict[str, object]) -> Issue:
    figures = row["figures"]
    assert isinstance(figures, list)
    given = row | {
        "issued": date.fromisoformat(str(row["issued"])),
        "figures": tuple(Figure(**f) for f in figures),
    }
    return Issue(**given)  # type: ignore[arg-type]


def _correction(row: dict[str, object]) -> Correction:
    changes, until = row["changes"], row["disclose_until"]
    assert isinstance(changes, list)
    given = row | {
        "changes": tuple(Change(**c) for c in changes),
        "disclose_until": None if until is None else date.fromisoformat(str(until)),
    }
    return Correction(**given)  # type: ignore[arg-type]
