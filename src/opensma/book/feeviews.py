"""What people see of fees: an account's invoices with lines and payees, and the runs they are of.

Every read goes by an index to the invoices it needs, so a page costs the same in a large book.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, func, select

from opensma.book import schema
from opensma.book.invoices import FeeLedgerRow, InvoiceLineRow, InvoiceRow

_CHUNK = 500
T = TypeVar("T", InvoiceLineRow, FeeLedgerRow)


@dataclass(frozen=True, slots=True)
class Bill:
    """One invoice, refund or reversal with all that belongs to it."""

    invoice: InvoiceRow
    lines: tuple[InvoiceLineRow, ...]
    parts: tuple[FeeLedgerRow, ...]  # by account and payee
    recorded_at: str
    reversed_by: str | None

    @property
    def stands(self) -> bool:
        """Whether it is due: neither taken back nor a taking back."""
        return self.invoice.reversal_of is None and self.reversed_by is None

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account that it names."""
        named = {line.account_id for line in self.lines} | {p.account_id for p in self.parts}
        return tuple(sorted(named))


@dataclass(frozen=True, slots=True)
class BillingRun:
    """One release or taking back of a period's invoices, with what the checks said then."""

    run_id: str
    period: str
    recorded_at: str
    findings: tuple[dict[str, Any], ...]
    invoices: int
    amount_cents: int

    @property
    def held(self) -> tuple[dict[str, Any], ...]:
        """Findings that kept an agreement back."""
        return tuple(f for f in self.findings if f.get("held"))

    @property
    def notes(self) -> tuple[dict[str, Any], ...]:
        """Findings of what was released."""
        return tuple(f for f in self.findings if not f.get("held"))


@dataclass(frozen=True, slots=True)
class PayeeRevenue:
    """What one payee gets of the invoices of a period, reversals and refunds taken off."""

    period: str
    role: str
    payee: str
    amount_cents: int


def bills_of(connection: Connection, account_id: str) -> list[Bill]:
    """Invoices that name the account, and all others of their agreements; the newest first."""
    table, line = schema.invoices, schema.invoice_lines
    named = select(line.c.invoice_id).where(line.c.account_id == account_id)
    agreements = select(table.c.agreement).where(table.c.invoice_id.in_(named))
    found = connection.execute(select(table).where(table.c.agreement.in_(agreements)))
    rows = [InvoiceRow(*row) for row in found]
    ids = [row.invoice_id for row in rows]
    lines = _grouped(connection, schema.invoice_lines, InvoiceLineRow, ids)
    parts = _grouped(connection, schema.fee_ledger, FeeLedgerRow, ids)
    recorded = _recorded(connection, {row.run_id for row in rows})
    taken = {row.reversal_of: row.invoice_id for row in rows if row.reversal_of is not None}
    bills = [
        Bill(
            row,
            tuple(sorted(lines.get(row.invoice_id, ()), key=lambda x: x.position)),
            tuple(sorted(parts.get(row.invoice_id, ()), key=lambda x: (x.account_id, x.payee))),
            recorded[row.run_id],
            taken.get(row.invoice_id),
        )
        for row in rows
    ]
    return sorted(bills, key=_newest_first, reverse=True)


def _newest_first(bill: Bill) -> tuple[str, str, bool, str]:
    row = bill.invoice
    return row.service_end, bill.recorded_at, row.reversal_of is None, row.invoice_id


def agreements_naming(connection: Connection, account_id: str) -> list[tuple[str, int, str]]:
    """(agreement, version, valid from) of the terms that have the account as a member."""
    table = schema.fee_terms
    quoted = json.dumps(account_id, ensure_ascii=False)
    query = select(table.c.name, table.c.version, table.c.valid_from, table.c.body).where(
        table.c.kind == "agreement", table.c.body.contains(quoted, autoescape=True)
    )
    return sorted(
        (str(name), int(version), str(start))
        for name, version, start, body in connection.execute(query)
        if account_id in _member_names(json.loads(body))
    )


def _member_names(body: dict[str, Any]) -> list[str]:
    members = body.get("members", [])
    return [str(m["account"]) if isinstance(m, dict) else str(m) for m in members]


def billing_runs(connection: Connection) -> list[BillingRun]:
    """Every run, the newest first."""
    run, table = schema.billing_runs, schema.invoices
    sums = select(table.c.run_id, func.count(), func.sum(table.c.amount_cents))
    made = {
        name: (int(count), int(cents))
        for name, count, cents in connection.execute(sums.group_by(table.c.run_id))
    }
    found = [
        BillingRun(run_id, period, at, tuple(json.loads(text)), *made.get(run_id, (0, 0)))
        for run_id, period, at, text in connection.execute(select(run))
    ]
    return sorted(found, key=lambda r: (r.recorded_at, r.run_id), reverse=True)


def payee_revenue(connection: Connection) -> list[PayeeRevenue]:
    """What every payee gets, by the period of the invoice, the newest first."""
    table, ledger = schema.invoices, schema.fee_ledger
    total = func.sum(ledger.c.amount_cents)
    query = (
        select(table.c.period, ledger.c.role, ledger.c.payee, total)
        .join(table, table.c.invoice_id == ledger.c.invoice_id)
        .group_by(table.c.period, ledger.c.role, ledger.c.payee)
    )
    found = [PayeeRevenue(p, r, who, int(cents)) for p, r, who, cents in connection.execute(query)]
    by_name = sorted(found, key=lambda r: (r.role, r.payee))
    return sorted(by_name, key=lambda r: r.period, reverse=True)


def _grouped(
    connection: Connection, table: Any, kind: Callable[..., T], ids: Sequence[str]
) -> dict[str, list[T]]:
    found: dict[str, list[T]] = {}
    for start in range(0, len(ids), _CHUNK):
        query: Select[Any] = select(table)
        query = query.where(table.c.invoice_id.in_(list(ids[start : start + _CHUNK])))
        for row in connection.execute(query):
            found.setdefault(row.invoice_id, []).append(kind(*row))
    return found


def _recorded(connection: Connection, run_ids: set[str]) -> dict[str, str]:
    table = schema.billing_runs
    query = select(table.c.run_id, table.c.recorded_at)
    rows = connection.execute(query.where(table.c.run_id.in_(sorted(run_ids))))
    return {str(run): str(at) for run, at in rows}
