"""Fee terms, billing runs, invoices with lines, and the fee ledger: rows are only ever added.

A correction is a reversal, which names the invoice it takes back, and then a new invoice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from opensma.book import schema
from opensma.book.store import insert_rows, row_of
from opensma.errors import BookError, ensure

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class TermsRow:
    """One version of a schedule or an agreement, as it was loaded."""

    kind: str
    name: str
    version: int
    valid_from: str
    valid_to: str | None
    hash: str
    recorded_at: str
    body: str


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """What one agreement is billed for one period; a reversal or refund names its origin."""

    invoice_id: str
    run_id: str
    kind: str
    agreement: str
    agreement_version: int
    agreement_hash: str
    period: str
    service_start: str
    service_end: str
    timing: str
    value_cents: int
    excluded_cents: int
    amount_cents: int
    credit_left_cents: int
    reversal_of: str | None
    follows: str | None


@dataclass(frozen=True, slots=True)
class InvoiceLineRow:
    """How one amount of an invoice came about."""

    invoice_id: str
    position: int
    account_id: str
    kind: str
    base_cents: int
    rate_e8: int
    days: int
    days_in_period: int
    tier: int
    schedule: str
    schedule_version: int
    flow_day: str | None
    amount_cents: int
    sentence: str


@dataclass(frozen=True, slots=True)
class FeeLedgerRow:
    """What one payee gets of one account's part of an invoice, for the days served."""

    invoice_id: str
    account_id: str
    payee: str
    role: str
    paying_account_id: str
    service_start: str
    service_end: str
    amount_cents: int


def terms_row(
    kind: str, name: str, version: int, dates: tuple[str, str | None], recorded_at: str, body: str
) -> TermsRow:
    """A version with the hash of its body."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    return TermsRow(kind, name, version, *dates, digest, recorded_at, body)


def put_terms(connection: Connection, rows: Sequence[TermsRow]) -> None:
    """Append versions of terms."""
    insert_rows(connection, schema.fee_terms, [row_of(row) for row in rows])


def all_terms(
    connection: Connection, kinds: Sequence[str] = ("schedule", "agreement")
) -> list[TermsRow]:
    """Every version of some kinds ever loaded, in order of kind, name and version."""
    query = select(schema.fee_terms).where(schema.fee_terms.c.kind.in_(kinds))
    rows = [TermsRow(*row) for row in connection.execute(query)]
    return sorted(rows, key=lambda r: (r.kind, r.name, r.version))


def next_run_id(connection: Connection, period: str) -> str:
    """The id that the next run of a period gets."""
    table = schema.billing_runs
    query = select(func.count()).select_from(table).where(table.c.period == period)
    return f"bill-{period}-{int(connection.execute(query).scalar_one()) + 1}"


def put_run(connection: Connection, period: str, recorded_at: str, findings: str) -> str:
    """Open a new run of a period; its id."""
    run_id = next_run_id(connection, period)
    insert_rows(connection, schema.billing_runs, [(run_id, period, recorded_at, findings)])
    return run_id


def runs_of(connection: Connection, period: str) -> list[tuple[str, str]]:
    """Id and findings of every run of a period."""
    table = schema.billing_runs
    query = select(table.c.run_id, table.c.findings).where(table.c.period == period)
    return [(str(run), str(text)) for run, text in connection.execute(query)]


def put_invoice(
    connection: Connection,
    invoice: InvoiceRow,
    lines: Sequence[InvoiceLineRow],
    ledger: Sequence[FeeLedgerRow],
) -> None:
    """Append an invoice with all that belongs to it; lines and payouts must sum to its amount."""
    billed = sum(line.amount_cents for line in lines)
    paid = sum(part.amount_cents for part in ledger)
    ensure(
        billed == paid == invoice.amount_cents,
        "an invoice does not add up",
        invoice=invoice.invoice_id,
        lines=billed,
        payouts=paid,
    )
    insert_rows(connection, schema.invoices, [row_of(invoice)])
    insert_rows(connection, schema.invoice_lines, [row_of(line) for line in lines])
    insert_rows(connection, schema.fee_ledger, [row_of(row) for row in ledger])


def all_invoices(connection: Connection) -> list[InvoiceRow]:
    """Every invoice and reversal, in order of service and id."""
    rows = [InvoiceRow(*row) for row in connection.execute(select(schema.invoices))]
    return sorted(rows, key=lambda r: (r.service_start, r.invoice_id))


def live_invoices(connection: Connection) -> list[InvoiceRow]:
    """Invoices that stand: no reversals, and nothing that was reversed."""
    rows = all_invoices(connection)
    reversed_ids = {row.reversal_of for row in rows}
    return [r for r in rows if r.reversal_of is None and r.invoice_id not in reversed_ids]


def find_invoice(connection: Connection, invoice_id: str) -> InvoiceRow:
    """One invoice; BookError invoice.unknown where there is none."""
    table = schema.invoices
    row = connection.execute(select(table).where(table.c.invoice_id == invoice_id)).first()
    if row is None:
        raise BookError(
            "invoice.unknown",
            f"The book has no invoice '{invoice_id}'.",
            where=invoice_id,
            remedy="sma bill preview --period PERIOD --json lists those of a period.",
        )
    return InvoiceRow(*row)


def lines_of(connection: Connection, invoice_id: str) -> list[InvoiceLineRow]:
    """The lines of one invoice in their order."""
    table = schema.invoice_lines
    query = select(table).where(table.c.invoice_id == invoice_id).order_by(table.c.position)
    return [InvoiceLineRow(*row) for row in connection.execute(query)]


def ledger_of(connection: Connection, invoice_id: str) -> list[FeeLedgerRow]:
    """The fee ledger's rows of one invoice, by account and payee."""
    table = schema.fee_ledger
    rows = connection.execute(select(table).where(table.c.invoice_id == invoice_id))
    return sorted((FeeLedgerRow(*r) for r in rows), key=lambda r: (r.account_id, r.payee))


def rows_since(connection: Connection, day: str) -> tuple[list[InvoiceLineRow], list[FeeLedgerRow]]:
    """Lines and ledger rows of invoices whose service ends on or after a day."""
    table, line, ledger = schema.invoices, schema.invoice_lines, schema.fee_ledger
    recent = select(table.c.invoice_id).where(table.c.service_end >= day)
    lines = select(line).where(line.c.invoice_id.in_(recent))
    parts = select(ledger).where(ledger.c.invoice_id.in_(recent))
    return (
        [InvoiceLineRow(*row) for row in connection.execute(lines)],
        [FeeLedgerRow(*row) for row in connection.execute(parts)],
    )


def account_charges(
    connection: Connection, account_ids: Sequence[str]
) -> list[tuple[str, InvoiceRow, int]]:
    """Account, standing invoice and cents charged for that account, in order of service."""
    table, ledger = schema.invoices, schema.fee_ledger
    turned = {r[0] for r in connection.execute(select(table.c.reversal_of)) if r[0] is not None}
    total = func.sum(ledger.c.amount_cents)
    found = []
    for start in range(0, len(account_ids), _CHUNK):
        query = (
            select(ledger.c.account_id, total, table)
            .join(table, table.c.invoice_id == ledger.c.invoice_id)
            .where(ledger.c.account_id.in_(list(account_ids[start : start + _CHUNK])))
            .where(table.c.reversal_of.is_(None))
            .group_by(ledger.c.account_id, *table.c)
        )
        for account_id, cents, *columns in connection.execute(query):
            row = InvoiceRow(*columns)
            if row.invoice_id not in turned:
                found.append((account_id, row, int(cents)))
    return sorted(found, key=lambda f: (f[1].service_start, f[0], f[1].invoice_id))


def values_between(
    connection: Connection, first: str, last: str
) -> dict[int, list[tuple[str, int, int]]]:
    """Day, end-of-day value and net flow in cents, by account key, in order of days."""
    table = schema.account_days
    query = (
        select(
            table.c.account_key,
            table.c.day,
            table.c.value_cents,
            table.c.inflow_cents - table.c.outflow_cents,
        )
        .where(table.c.day >= first, table.c.day <= last)
        .order_by(table.c.account_key, table.c.day)
    )
    found: dict[int, list[tuple[str, int, int]]] = {}
    for key, day, value, flow in connection.execute(query):
        found.setdefault(key, []).append((day, value, flow))
    return found


def reversal_id(row: InvoiceRow) -> str:
    """The id of the reversal of an invoice; an invoice can be reversed once."""
    return hashlib.sha256(f"reversal {row.invoice_id}".encode()).hexdigest()[:24]
