"""Four eyes: a second person lets a held agreement through, with a reason (F26).

What was cleared is kept word for word. A finding that comes later, or says other amounts, holds
the agreement again. What the arithmetic itself got wrong cannot be let through.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from opensma.billing.cycle import Period
from opensma.billing.drafts import Draft, Drafts
from opensma.billing.exact import refuse
from opensma.book.invoices import TermsRow, all_terms, put_terms, runs_of, terms_row
from opensma.book.journal import canonical
from opensma.book.store import Connection
from opensma.errors import Finding

KIND = "release"
_NEVER = {"F06", "F19", "F22"}  # the engine is wrong, not the data


@dataclass(frozen=True, slots=True)
class Clearing:
    """Who let which findings of an agreement through in a period, and why."""

    agreement: str
    period: str
    by: str
    reason: str
    cleared: tuple[tuple[str, str, str], ...]  # code, where, what

    @property
    def person(self) -> str:
        """The name as it is compared: case and spaces make no second person."""
        return same_person(self.by)


def same_person(name: str) -> str:
    """A name without case and outer or doubled spaces."""
    return " ".join(name.split()).casefold()


def clearings(connection: Connection, period: Period) -> list[Clearing]:
    """Everything that was cleared for a period, oldest first by agreement."""
    found = []
    for row in all_terms(connection, (KIND,)):
        body = json.loads(row.body)
        if body["period"] == period.name:
            cleared = tuple((c, w, t) for c, w, t in body["cleared"])
            found.append(
                Clearing(
                    body["agreement"], body["period"], body["by"], body["reason"], cleared
                )
            )  # fmt: skip
    return found


def preparers(connection: Connection, period: Period) -> set[str]:
    """Who prepared runs of the period that released something."""
    found = set()
    for _, text in runs_of(connection, period.name):
        found |= {
            same_person(str(f["prepared_by"])) for f in json.loads(text) if "prepared_by" in f
        }
    return found


def clear(
    connection: Connection, drafts: Drafts, agreement: str, by: str, reason: str, recorded_at: str
) -> tuple[Clearing, TermsRow]:
    """Keep that a person lets a held agreement through; InputError where that cannot be."""
    period = drafts.period
    if not by.strip() or not reason.strip():
        refuse("reason_missing", "A name and a reason are needed.", where=agreement)
    held = [d for d in drafts.drafts if d.held and d.agreement == agreement]
    if not held:
        refuse(
            "not_held",
            f"'{agreement}' is not held in {period.name}.",
            where=agreement,
            remedy=f"sma bill preview --period {period.name} lists what is held.",
        )
    errors = [f for d in held for f in d.findings if f.severity == "error"]
    broken = sorted({f.code for f in errors if f.code in _NEVER})
    if broken or any(d.invoice is None for d in held):
        code = broken[0] if broken else errors[0].code
        refuse(
            "not_releasable",
            f"{code} cannot be let through: there is no invoice that could be right.",
            where=agreement,
            remedy="Correct the data, then run the period again.",
        )
    if same_person(by) in preparers(connection, period):
        _same(by, agreement)
    cleared = tuple((f.code, f.where, f.what) for f in errors)
    made = Clearing(agreement, period.name, by, reason, cleared)
    name = f"{period.name} {agreement}"
    count = sum(row.name == name for row in all_terms(connection, (KIND,)))
    body = canonical(
        {
            "agreement": agreement, "by": by, "cleared": [list(c) for c in cleared],
            "period": period.name, "reason": reason,
        }
    )  # fmt: skip
    dates = (period.start.isoformat(), period.end.isoformat())
    row = terms_row(KIND, name, count + 1, dates, recorded_at, body)
    put_terms(connection, [row])
    return made, row


def _same(by: str, agreement: str) -> None:
    refuse(
        "same_person",
        f"'{by}' prepared the run of '{agreement}' and cannot be its second person.",
        where=agreement,
        remedy="Let somebody else release it, or run it by another name with --by.",
    )


def let_through(drafts: Drafts, known: Sequence[Clearing]) -> Drafts:
    """Held drafts whose every hold was cleared become releasable; the record says by whom."""
    by_agreement: dict[str, list[Clearing]] = {}
    for clearing in known:
        by_agreement.setdefault(clearing.agreement, []).append(clearing)
    done = tuple(_cleared(d, by_agreement) for d in drafts.drafts)
    return replace(drafts, drafts=done)


def _cleared(draft: Draft, known: Mapping[str, Sequence[Clearing]]) -> Draft:
    if not draft.held or draft.invoice is None:
        return draft
    errors = {(f.code, f.where, f.what) for f in draft.findings if f.severity == "error"}
    fitting = [
        c for c in known.get(draft.agreement, ()) if errors <= set(c.cleared)
    ]  # fmt: skip
    if not fitting or {code for code, _, _ in errors} & _NEVER:
        return draft
    last = fitting[-1]
    what = f"Released by {last.by}: {last.reason}"
    note = Finding("warning", "F26", draft.agreement, what, "Kept with the run.")
    findings = (*(replace(f, severity="warning") for f in draft.findings), note)
    return replace(draft, findings=findings, cleared_by=last.by)


def check_preparer(drafts: Drafts, prepared_by: str) -> None:
    """Whoever runs what a person let through is another person, and has a name."""
    for draft in drafts.drafts:
        if not draft.cleared_by:
            continue
        if not prepared_by.strip():
            refuse(
                "preparer_missing",
                f"'{draft.agreement}' was let through by {draft.cleared_by}: say who runs it.",
                where=draft.agreement,
                remedy="Add --by NAME, another person's than the one who released it.",
            )
        if same_person(prepared_by) == same_person(draft.cleared_by):
            _same(prepared_by, draft.agreement)
