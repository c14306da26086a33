"""The billing desk: load terms, preview a period, release it, take it back.

A run releases what the checks let through and holds the rest; what was released is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from opensma.billing.bridge import Bridge, bridge
from opensma.billing.clearing import (
    Clearing,
    check_preparer,
    clear,
    clearings,
    let_through,
)
from opensma.billing.cycle import Period
from opensma.billing.disclosed import AccountFacts, Brochure
from opensma.billing.drafts import Draft, Drafts, draft_period
from opensma.billing.exact import refuse
from opensma.billing.reperform import Evidence, sample
from opensma.billing.sources import read_sources
from opensma.billing.termfile import Record, read_terms, stored, stored_facts
from opensma.billing.terms import Agreement, FeeSchedule, closed_versions
from opensma.book.invoices import (
    InvoiceRow,
    TermsRow,
    all_terms,
    find_invoice,
    ledger_of,
    lines_of,
    live_invoices,
    next_run_id,
    put_invoice,
    put_run,
    put_terms,
    reversal_id,
    terms_row,
)
from opensma.book.journal import canonical
from opensma.book.master import AccountRecord, all_records
from opensma.book.store import Book, Connection
from opensma.errors import Finding
from opensma.units import dollars

_KIND_OF: dict[type, str] = {
    FeeSchedule: "schedule", Agreement: "agreement", Brochure: "brochure", AccountFacts: "account",
}  # fmt: skip
_KINDS = tuple(_KIND_OF.values())


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a file of terms added; versions that were there already are counted apart."""

    added: tuple[TermsRow, ...]
    known: int
    inversions: tuple[str, ...]  # cliffs that charge less one cent above a bound (B1)


@dataclass(frozen=True, slots=True)
class Released:
    """A run of a period: its id is empty where there was nothing to release."""

    run_id: str
    drafts: Drafts
    sample: tuple[Evidence, ...] = ()  # accounts recomputed by the slow path (B32)
    bridge: Bridge | None = None  # why the fees are not those of the period before (B33)

    @property
    def invoices(self) -> list[Draft]:
        """What was released, or would be."""
        return [d for d in self.drafts.drafts if not d.held]

    @property
    def held(self) -> list[Draft]:
        """What waits for a person."""
        return [d for d in self.drafts.drafts if d.held]


def load_terms(book: Book, path: Path, recorded_at: str) -> Loaded:
    """Add the versions of a file to the book, all of them or none.

    InputError where a version is already there with other content, where two hold on the same
    day, or where an agreement names an account or schedule that does not exist.
    """
    records = read_terms(path)
    with book.write() as connection:
        kept = {(row.kind, row.name, row.version): row for row in all_terms(connection, _KINDS)}
        added: list[TermsRow] = []
        for record in records:
            row = _row(record, recorded_at)
            before = kept.get((row.kind, row.name, row.version))
            if before is None:
                kept[row.kind, row.name, row.version] = row
                added.append(row)
            elif before.hash != row.hash:
                refuse(
                    "version_changed",
                    f"Version {row.version} of '{row.name}' is in the book with other terms.",
                    where=row.name,
                    remedy="A version never changes: give the new terms the next number.",
                )
        _check_all(connection, list(kept.values()))
        put_terms(connection, added)
    return Loaded(tuple(added), len(records) - len(added), tuple(_inversions(records)))


def _row(record: Record, recorded_at: str) -> TermsRow:
    made = record.terms
    kind = _KIND_OF[type(made)]
    last = made.dates.last.isoformat() if made.dates.last else None
    dates = (made.dates.first.isoformat(), last)
    return terms_row(kind, made.name, made.version, dates, recorded_at, record.body)


def _check_all(connection: Connection, rows: Sequence[TermsRow]) -> None:
    """Versions do not overlap, and what agreements name is there."""
    schedules: dict[str, list[FeeSchedule]] = {}
    agreements: dict[str, list[Agreement]] = {}
    told: dict[tuple[str, str], list[Brochure | AccountFacts]] = {}
    for row in rows:
        if row.kind in ("brochure", "account"):
            told.setdefault((row.kind, row.name), []).append(stored_facts(row.kind, row.body))
            continue
        made = stored(row.kind, row.body)
        if isinstance(made, FeeSchedule):
            schedules.setdefault(made.name, []).append(made)
        else:
            agreements.setdefault(made.name, []).append(made)
    for versions in schedules.values():
        closed_versions(versions)
    accounts = {a.account_id for a in all_records(connection, AccountRecord)}
    for (kind, name), facts in told.items():
        closed_versions(facts)
        if kind == "account" and name not in accounts:
            refuse(
                "account_unknown",
                f"The book has no account '{name}'.",
                where=name,
                remedy="Correct the account's name, or open the account.",
            )
    brochures = {name for kind, name in told if kind == "brochure"}
    for name, terms in agreements.items():
        for agreement in closed_versions(terms):
            _check_names(name, agreement, accounts, set(schedules))
            if agreement.brochure and agreement.brochure not in brochures:
                refuse(
                    "brochure_unknown",
                    f"There is no brochure '{agreement.brochure}'.",
                    where=name,
                    remedy="Load its terms in the list brochures of the same file.",
                )


def _check_names(name: str, agreement: Agreement, accounts: set[str], schedules: set[str]) -> None:
    for member in agreement.members:
        for account in (member.account_id, member.pays_from):
            if account not in accounts:
                refuse(
                    "member_unknown",
                    f"The member '{account}' has no account in the book.",
                    where=name,
                    remedy="Correct the agreement's members, or open the account.",
                )
        used = member.schedule or agreement.schedule
        if used not in schedules:
            refuse(
                "schedule_unknown",
                f"There is no schedule '{used}'.",
                where=name,
                remedy=f"Known are {', '.join(sorted(schedules)) or 'none'}.",
            )
    for exclusion in agreement.exclusions:
        if exclusion.account_id not in {m.account_id for m in agreement.members}:
            refuse(
                "exclusion_unknown",
                f"'{exclusion.account_id}' has an exclusion and is no member.",
                where=name,
                remedy="Exclude value of member accounts only.",
            )


def _inversions(records: Sequence[Record]) -> list[str]:
    found = []
    for made in (r.terms for r in records):
        if isinstance(made, FeeSchedule) and made.tiers and made.style.value == "cliff":
            found += [
                f"{made.name} version {made.version}: a year costs {dollars(at)} at "
                f"{dollars(int(bound * 100))} and {dollars(above)} one cent above"
                for bound, at, above in made.tiers.inversions()
            ]
    return found


def preview(book: Book, period: Period) -> Released:
    """What a run would release and hold; writes nothing."""
    with book.read() as connection:
        sources = read_sources(connection, period)
        drafts = let_through(draft_period(sources), clearings(connection, period))
        run_id = next_run_id(connection, period.name)
    chosen = [d for d in drafts.drafts if not d.held]
    return Released("", drafts, sample(sources, chosen, run_id), bridge(sources, drafts))


def release(book: Book, period: Period, recorded_at: str, prepared_by: str = "") -> Released:
    """Write every invoice that the checks let through, in one transaction.

    Where nothing is new, nothing is written: running a period again changes nothing (B19).
    No trading day and no other billing run may work on the book meanwhile.
    """
    with book.only_run():
        made = preview(book, period)
        if not made.invoices:
            return made
        check_preparer(made.drafts, prepared_by)
        findings = [
            {"agreement": d.agreement, "held": d.held, **f.as_dict()}
            for d in made.drafts.drafts
            for f in d.findings
        ]
        record = canonical([*findings, _run_record(made, prepared_by)])
        with book.write() as connection:
            run_id = put_run(connection, period.name, recorded_at, record)
            drafts = tuple(_write(connection, draft, run_id) for draft in made.drafts.drafts)
    return replace(made, run_id=run_id, drafts=replace(made.drafts, drafts=drafts))


def _run_record(made: Released, prepared_by: str) -> dict[str, object]:
    """Who prepared a run and what was recomputed, kept beside its findings (F26, B32)."""
    by = f"Prepared by {prepared_by}." if prepared_by else "Prepared by nobody who gave a name."
    differ = sum(e.recomputed_cents != e.billed_cents for e in made.sample)
    what = f"{by} {len(made.sample):,} accounts recomputed, {differ:,} differ."
    finding = Finding("warning", "F26", made.drafts.period.name, what, "Kept with the run.")
    record: dict[str, object] = {"agreement": "", "held": False, **finding.as_dict()}
    record["sample"] = [asdict(e) for e in made.sample]
    return {**record, "prepared_by": prepared_by} if prepared_by else record


def release_held(
    book: Book, period: Period, agreement: str, by: str, reason: str, recorded_at: str
) -> Clearing:
    """A second person lets a held agreement through; the next run then includes it (F26)."""
    with book.only_run():
        drafts = preview(book, period).drafts
        with book.write() as connection:
            return clear(connection, drafts, agreement, by, reason, recorded_at)[0]


def _write(connection: Connection, draft: Draft, run_id: str) -> Draft:
    if draft.held or draft.invoice is None:
        return draft
    row = replace(draft.invoice, run_id=run_id)
    put_invoice(connection, row, draft.lines, draft.ledger)
    return replace(draft, invoice=row)


@dataclass(frozen=True, slots=True)
class Reversed:
    """What was taken back: pairs of the invoice and its reversal."""

    run_id: str
    pairs: tuple[tuple[InvoiceRow, InvoiceRow], ...]


def take_back(
    book: Book, period: Period, recorded_at: str, invoice_ids: Sequence[str] = ()
) -> Reversed:
    """Reverse the period's standing invoices, or some of them, by new entries (B18)."""
    with book.only_run(), book.write() as connection:
        live = live_invoices(connection)
        chosen = [r for r in live if r.period == period.name]
        if unknown := set(invoice_ids) - {r.invoice_id for r in chosen}:
            refuse(
                "invoice_unknown",
                f"No standing invoice of {period.name} has the id {sorted(unknown)[0]}.",
                where=period.name,
                remedy=f"sma bill preview --period {period.name} lists them.",
            )
        if invoice_ids:
            chosen = [r for r in chosen if r.invoice_id in invoice_ids]
        ids = {r.invoice_id for r in chosen}
        for row in live:
            if row.kind == "refund" and row.follows in ids and row.invoice_id not in ids:
                refuse(
                    "refunded",
                    f"The refund {row.invoice_id} of {row.period} gives back a part of it.",
                    where=row.follows or "",
                    remedy=f"Reverse the refund first: sma bill reverse --period {row.period}.",
                )
        if not chosen:
            return Reversed("", ())
        run_id = put_run(connection, period.name, recorded_at, canonical([]))
        pairs = tuple((row, _reverse(connection, row, run_id)) for row in chosen)
    return Reversed(run_id, pairs)


def _reverse(connection: Connection, row: InvoiceRow, run_id: str) -> InvoiceRow:
    """The invoice with every amount turned; both stay in the book and sum to zero."""
    identity = reversal_id(row)
    made = replace(
        row, invoice_id=identity, run_id=run_id, kind="reversal", amount_cents=-row.amount_cents,
        credit_left_cents=-row.credit_left_cents, reversal_of=row.invoice_id, follows=None,
    )  # fmt: skip
    lines = [
        replace(
            line, invoice_id=identity, amount_cents=-line.amount_cents,
            sentence=f"taken back: {line.sentence}",
        )
        for line in lines_of(connection, row.invoice_id)
    ]  # fmt: skip
    ledger = [
        replace(part, invoice_id=identity, amount_cents=-part.amount_cents)
        for part in ledger_of(connection, row.invoice_id)
    ]
    put_invoice(connection, made, lines, ledger)
    return made


def invoice_document(book: Book, invoice_id: str) -> dict[str, object]:
    """A released invoice as plain data, with its lines, its payouts and whether it stands."""
    with book.read() as connection:
        row = find_invoice(connection, invoice_id)
        standing = {live.invoice_id for live in live_invoices(connection)}
        return {
            "invoice": asdict(row),
            "stands": invoice_id in standing,
            "lines": [asdict(line) for line in lines_of(connection, invoice_id)],
            "payouts": [asdict(part) for part in ledger_of(connection, invoice_id)],
        }


def payee_totals(drafts: Sequence[Draft]) -> list[dict[str, object]]:
    """What each payee gets over all drafts, by role and name."""
    totals: dict[tuple[str, str], int] = {}
    for part in (p for d in drafts for p in d.ledger):
        totals[part.role, part.payee] = totals.get((part.role, part.payee), 0) + part.amount_cents
    return [{"payee": p, "role": r, "cents": c} for (r, p), c in sorted(totals.items())]


def as_document(draft: Draft) -> dict[str, object]:
    """A draft as plain data: invoice, lines, payouts and findings."""
    return {
        "agreement": draft.agreement,
        "held": draft.held,
        "invoice": asdict(draft.invoice) if draft.invoice else None,
        "lines": [asdict(line) for line in draft.lines],
        "payouts": [asdict(part) for part in draft.ledger],
        "findings": [finding.as_dict() for finding in draft.findings],
    }
