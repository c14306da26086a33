"""Proposed corrections: what standing invoices would be on today's values and terms (B40).

Late prices, flows and memberships change what a period should have cost. Nothing is written: a
person decides, takes the invoice back and runs the period again, which posts the pair (B18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from opensma.billing.cycle import Period
from opensma.billing.drafts import Draft, draft_period
from opensma.billing.sources import Sources, read_sources
from opensma.book.invoices import FeeLedgerRow, InvoiceRow
from opensma.book.store import Book
from opensma.errors import Finding

Findings = tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class AccountChange:
    """An account's part of an invoice, as billed (refunds taken off) and as it would be now."""

    account_id: str
    billed_cents: int
    now_cents: int


@dataclass(frozen=True, slots=True)
class Correction:
    """A standing invoice that today's book would not bill as it did.

    Where today's draft is held, `holds` says why and no amount is proposed.
    """

    invoice: InvoiceRow
    accounts: tuple[AccountChange, ...]
    value_now_cents: int | None
    holds: Findings = ()

    @property
    def difference_cents(self) -> int | None:
        """What the client would pay more; None where today's draft is held."""
        if self.holds:
            return None
        return sum(a.now_cents - a.billed_cents for a in self.accounts)


def propose(book: Book, period: Period) -> tuple[Correction, ...]:
    """Invoices of the period that would be billed otherwise now, in order of agreement."""
    with book.read() as connection:
        sources = read_sources(connection, period)
    standing = {
        row.agreement: row
        for row in sources.live
        if row.kind == "fee" and row.period == period.name
    }
    drafts = {
        d.agreement: d
        for d in draft_period(_unbilled(sources, period)).drafts
        if d.invoice is None or d.invoice.kind == "fee"
    }
    found = (_compared(sources, row, drafts.get(name)) for name, row in sorted(standing.items()))
    return tuple(c for c in found if c is not None)


def _unbilled(sources: Sources, period: Period) -> Sources:
    """The same book as if the period had not been billed; earlier periods stay."""
    gone = {r.invoice_id for r in sources.live if r.period == period.name and r.kind == "fee"}
    left = [r for r in sources.live if r.invoice_id not in gone and r.follows not in gone]
    fees: Mapping[str, Sequence[InvoiceRow]] = {
        name: [r for r in rows if r.invoice_id not in gone] for name, rows in sources.fees.items()
    }
    return replace(sources, live=left, fees=fees)


def _compared(sources: Sources, row: InvoiceRow, draft: Draft | None) -> Correction | None:
    if draft is not None and draft.held:
        return Correction(row, (), None, tuple(f for f in draft.findings if f.severity == "error"))
    refunds = [
        r.invoice_id for r in sources.live if r.kind == "refund" and r.follows == row.invoice_id
    ]
    billed = _by_account([p for i in (row.invoice_id, *refunds) for p in sources.ledger.get(i, ())])
    now = _by_account(draft.ledger if draft is not None else ())
    changes = tuple(
        AccountChange(account, billed.get(account, 0), now.get(account, 0))
        for account in sorted({*billed, *now})
        if billed.get(account, 0) != now.get(account, 0)
    )
    if not changes:
        return None
    value = draft.invoice.value_cents if draft is not None and draft.invoice else 0
    return Correction(row, changes, value)


def _by_account(parts: Sequence[FeeLedgerRow]) -> dict[str, int]:
    cents: dict[str, int] = {}
    for part in parts:
        cents[part.account_id] = cents.get(part.account_id, 0) + part.amount_cents
    return cents
