"""What a billing run reads from the book, once: terms, accounts, values, invoices that stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from opensma.billing.bases import AccountValues
from opensma.billing.cycle import Period
from opensma.billing.disclosed import AccountFacts, Brochure
from opensma.billing.termfile import stored, stored_facts
from opensma.billing.terms import Agreement, Exclusion, FeeSchedule, Timing
from opensma.book.invoices import (
    FeeLedgerRow,
    InvoiceLineRow,
    InvoiceRow,
    all_invoices,
    all_terms,
    live_invoices,
    rows_since,
    values_between,
)
from opensma.book.master import AccountRecord, all_records
from opensma.book.store import Connection
from opensma.units import CENTS

_BEFORE = timedelta(days=10)  # the last session before a period is nearer than this


@dataclass(frozen=True, slots=True)
class Sources:
    """Everything that decides the invoices of one period."""

    period: Period
    schedules: Sequence[FeeSchedule]
    agreements: Mapping[str, Sequence[Agreement]]
    accounts: Mapping[str, AccountRecord]
    values: Mapping[int, Sequence[tuple[str, int, int]]]  # day, value, net flow by account key
    live: Sequence[InvoiceRow]
    fees: Mapping[str, Sequence[InvoiceRow]]  # that stand, by agreement
    taken_back: Mapping[str, Sequence[InvoiceRow]]  # fee invoices, by agreement
    refunds: Mapping[str, Sequence[InvoiceRow]]  # by the invoice they give back, reversed or not
    lines: Mapping[str, Sequence[InvoiceLineRow]]
    ledger: Mapping[str, Sequence[FeeLedgerRow]]
    brochures: Mapping[str, Sequence[Brochure]]
    facts: Mapping[str, Sequence[AccountFacts]]  # by account

    def account_values(self, account_id: str, exclusions: Sequence[Exclusion]) -> AccountValues:
        """End-of-day values of an account by day."""
        rows = self.values.get(self.accounts[account_id].account_key, ())
        cents = {date.fromisoformat(day): value for day, value, _ in rows}
        return AccountValues(account_id, cents, exclusions)

    def flows(self, account_id: str, first: date, last: date) -> list[tuple[date, Fraction]]:
        """Net flows in dollars inside a range; the deposit that opened the account is none."""
        account = self.accounts[account_id]
        rows = self.values.get(account.account_key, ())
        return [
            (date.fromisoformat(day), Fraction(flow, CENTS))
            for day, _, flow in rows
            if flow and first.isoformat() <= day <= last.isoformat() and day > account.opened
        ]

    def fee_invoices(self, agreement: str) -> list[InvoiceRow]:
        """Invoices of an agreement that stand, refunds left out, oldest first."""
        return list(self.fees.get(agreement, ()))

    def billed_days(self) -> dict[str, list[tuple[date, date]]]:
        """The days each account is billed for, cut where a refund gave days back."""
        back = {
            (row.follows, part.account_id): part.service_start
            for row in self.live
            if row.kind == "refund"
            for part in self.ledger.get(row.invoice_id, ())
        }
        found: dict[str, set[tuple[date, date]]] = {}
        for row in self.live:
            if row.kind != "fee":
                continue
            for part in self.ledger.get(row.invoice_id, ()):
                cut = back.get((row.invoice_id, part.account_id))
                last = date.fromisoformat(part.service_end)
                if cut is not None:
                    last = min(last, date.fromisoformat(cut) - timedelta(days=1))
                first = date.fromisoformat(part.service_start)
                if first <= last:
                    found.setdefault(part.account_id, set()).add((first, last))
        return {account: sorted(ranges) for account, ranges in found.items()}

    def advance_invoices(self) -> list[InvoiceRow]:
        """Standing fee invoices that were billed before their service."""
        advance = Timing.ADVANCE.value
        return [r for r in self.live if r.kind == "fee" and r.timing == advance]


def read_sources(connection: Connection, period: Period) -> Sources:
    """Read what a run of the period needs; nothing older than the period before it."""
    since = period.previous.start - _BEFORE
    schedules: list[FeeSchedule] = []
    agreements: dict[str, list[Agreement]] = {}
    for row in all_terms(connection):
        made = stored(row.kind, row.body)
        if isinstance(made, FeeSchedule):
            schedules.append(made)
        else:
            agreements.setdefault(made.name, []).append(made)
    brochures: dict[str, list[Brochure]] = {}
    facts: dict[str, list[AccountFacts]] = {}
    for row in all_terms(connection, ("brochure", "account")):
        told = stored_facts(row.kind, row.body)
        if isinstance(told, Brochure):
            brochures.setdefault(told.name, []).append(told)
        else:
            facts.setdefault(told.name, []).append(told)
    lines, parts = rows_since(connection, since.isoformat())
    by_invoice: dict[str, list[InvoiceLineRow]] = {}
    for line in sorted(lines, key=lambda x: (x.invoice_id, x.position)):
        by_invoice.setdefault(line.invoice_id, []).append(line)
    ledger: dict[str, list[FeeLedgerRow]] = {}
    for part in sorted(parts, key=lambda x: (x.invoice_id, x.account_id, x.payee)):
        ledger.setdefault(part.invoice_id, []).append(part)
    every, live = all_invoices(connection), live_invoices(connection)
    standing = {r.invoice_id for r in live}
    fees = [r for r in every if r.kind == "fee"]
    return Sources(
        period,
        schedules,
        agreements,
        {a.account_id: a for a in all_records(connection, AccountRecord)},
        values_between(connection, since.isoformat(), period.end.isoformat()),
        live,
        _grouped([r for r in fees if r.invoice_id in standing], "agreement"),
        _grouped([r for r in fees if r.invoice_id not in standing], "agreement"),
        _grouped([r for r in every if r.kind == "refund"], "follows"),
        by_invoice,
        ledger,
        brochures,
        facts,
    )


def _grouped(rows: Sequence[InvoiceRow], name: str) -> dict[str, list[InvoiceRow]]:
    found: dict[str, list[InvoiceRow]] = {}
    for row in rows:
        found.setdefault(getattr(row, name), []).append(row)
    return found
