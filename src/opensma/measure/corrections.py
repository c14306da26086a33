"""When a reported figure turns out wrong: what changed, by how much, and what replaces it (M37)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from opensma.measure.conventions import Materiality
from opensma.measure.length import years_later
from opensma.measure.refusals import refuse


@dataclass(frozen=True, slots=True)
class Figure:
    """One printed number: a return as a fraction, or an amount."""

    name: str
    value: float | None
    is_return: bool = True


@dataclass(frozen=True, slots=True)
class Issue:
    """A report as issued. The same inputs give the same hash, and nothing is overwritten."""

    report_id: str
    issued: date
    figures: tuple[Figure, ...]
    inputs_sha256: str
    supersedes: str | None = None

    @property
    def output_sha256(self) -> str:
        """Hash of the figures in full precision."""
        return sha256({f.name: f.value for f in self.figures})


@dataclass(frozen=True, slots=True)
class Change:
    """One figure that differs between two issues; `difference` in bp for returns."""

    name: str
    old: float | None
    new: float | None
    difference: float | None
    material: bool


@dataclass(frozen=True, slots=True)
class Correction:
    """An entry of the error-correction log."""

    report_id: str
    supersedes: str
    reason: str
    by: str
    changes: tuple[Change, ...]
    disclose_until: date | None  # twelve months where something material changed

    @property
    def material(self) -> bool:
        """True when any change is."""
        return any(change.material for change in self.changes)


def sha256(document: Mapping[str, object]) -> str:
    """Hash of a document in canonical JSON."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def correct(old: Issue, new: Issue, reason: str, by: str, materiality: Materiality) -> Correction:
    """The log entry for a reissued report; the old one is kept and named (M37)."""
    if new.supersedes != old.report_id or new.issued < old.issued:
        refuse(
            "correction_order",
            f"Report {new.report_id} does not supersede {old.report_id}.",
            where=new.report_id,
            remedy="Name the replaced report in `supersedes` and issue the new one later.",
        )
    if not reason.strip():
        refuse("correction_reason", "A correction needs a reason.", where=new.report_id)
    changes = tuple(differences(old.figures, new.figures, materiality))
    until = years_later(new.issued) if any(c.material for c in changes) else None
    return Correction(new.report_id, old.report_id, reason, by, changes, until)


def differences(
    old: Sequence[Figure], new: Sequence[Figure], materiality: Materiality
) -> list[Change]:
    """Figures that differ, appeared or went; one that appears or goes is always material."""
    before, after = {f.name: f for f in old}, {f.name: f for f in new}
    found = []
    for name in dict.fromkeys([*before, *after]):
        was, now = before.get(name), after.get(name)
        a, b = (None if f is None else f.value for f in (was, now))
        if a == b and (was is None) == (now is None):
            continue
        is_return = bool((now or was or Figure(name, None)).is_return)
        gap = None if a is None or b is None else (b - a) * (10_000 if is_return else 1)
        limit = materiality.return_bp if is_return else materiality.value
        found.append(Change(name, a, b, gap, gap is None or abs(gap) >= limit))
    return found
