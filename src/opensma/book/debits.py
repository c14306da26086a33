"""Debits of management fees and what custodians made of them: rows are only ever added (B27, B37).

The cash itself moves in the journal, by an entry of kind `fee` for every result that paid; this
table says for which invoice. `fee_findings` proves that both tell the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, func, select

from opensma.book import schema
from opensma.book.journal import Entry, Kind
from opensma.book.store import insert_rows, row_of
from opensma.errors import Finding
from opensma.units import dollars

_CHUNK = 500
_RESTORE = "Restore journal and debits from the same copy of the book."


@dataclass(frozen=True, slots=True)
class DebitRow:
    """One instruction: take the amount from the account, or give it back where negative."""

    debit_id: str  # the idempotency key
    invoice_id: str
    paying_account_id: str
    period: str
    attempt: int
    day: str
    amount_cents: int
    recorded_at: str


@dataclass(frozen=True, slots=True)
class ResultRow:
    """What the custodian did with one instruction."""

    debit_id: str
    status: str  # accepted, partial or rejected
    paid_cents: int
    reason: str
    day: str
    recorded_at: str


def debit_key(invoice_id: str, account_id: str, attempt: int) -> str:
    """The key by which a custodian knows an instruction again (B27)."""
    text = f"debit {invoice_id} {account_id} {attempt}"
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def fee_entry(account_key: int, debit: DebitRow, cents: int, day: int) -> Entry:
    """The journal entry by which a fee leaves the account's cash, or comes back."""
    body = {"cents": cents, "invoice": debit.invoice_id, "debit": debit.debit_id}
    source = f"fee/{debit.invoice_id}/{debit.debit_id}"
    return Entry(account_key, Kind.FEE, day, day, source, body)


def put_debits(
    connection: Connection, debits: Sequence[DebitRow], results: Sequence[ResultRow]
) -> None:
    """Append instructions and results."""
    insert_rows(connection, schema.debits, [row_of(row) for row in debits])
    insert_rows(connection, schema.debit_results, [row_of(row) for row in results])


def all_debits(connection: Connection) -> list[tuple[DebitRow, ResultRow | None]]:
    """Every instruction in the order of its sending, with its result where there is one."""
    results = {r[0]: ResultRow(*r) for r in connection.execute(select(schema.debit_results))}
    rows = [DebitRow(*row) for row in connection.execute(select(schema.debits))]
    rows.sort(key=lambda d: (d.day, d.invoice_id, d.paying_account_id, d.attempt))
    return [(row, results.get(row.debit_id)) for row in rows]


def charges(connection: Connection) -> dict[tuple[str, str], int]:
    """Cents of every invoice by (invoice, paying account)."""
    ledger = schema.fee_ledger
    total = func.sum(ledger.c.amount_cents)
    query = select(ledger.c.invoice_id, ledger.c.paying_account_id, total)
    query = query.group_by(ledger.c.invoice_id, ledger.c.paying_account_id)
    return {(r[0], r[1]): int(r[2]) for r in connection.execute(query)}


def fees_due(connection: Connection) -> dict[str, int]:
    """Cents billed and not collected by paying account, refunds and reversals taken off (B26)."""
    due: dict[str, int] = {}
    for (_, account_id), cents in charges(connection).items():
        due[account_id] = due.get(account_id, 0) + cents
    for debit, result in all_debits(connection) if due else ():
        if result is not None:
            due[debit.paying_account_id] -= result.paid_cents
    return {account_id: cents for account_id, cents in sorted(due.items()) if cents > 0}


def newest_day(connection: Connection) -> tuple[date | None, date | None]:
    """The newest day that was measured, and the newest day of the journal."""
    days = schema.account_days.c.day, schema.journal.c.trade_day
    found = [connection.execute(select(func.max(day))).scalar() for day in days]
    one, other = (None if day is None else date.fromisoformat(day) for day in found)
    return one, other


def fee_cash(
    connection: Connection, account_keys: Sequence[int]
) -> dict[int, list[tuple[int, int]]]:
    """Day and cents of fees that left each account's cash; what came back is negative."""
    table = schema.journal
    found: dict[int, list[tuple[int, int]]] = {}
    for start in range(0, len(account_keys), _CHUNK):
        some = list(account_keys[start : start + _CHUNK])
        query = (
            select(table.c.account_key, table.c.trade_day, table.c.body)
            .where(table.c.account_key.in_(some), table.c.kind == Kind.FEE.value)
            .order_by(table.c.account_key, table.c.seq)
        )
        for key, day, body in connection.execute(query):
            cents = int(json.loads(body)["cents"])
            found.setdefault(key, []).append((date.fromisoformat(day).toordinal(), cents))
    return found


def collected_days(connection: Connection) -> dict[str, int]:
    """Day on which the last cent of an invoice was collected, as ordinal, by invoice paid whole."""
    due: dict[str, int] = {}
    for (invoice_id, _), cents in charges(connection).items():
        due[invoice_id] = due.get(invoice_id, 0) + cents
    last: dict[str, str] = {}
    for debit, result in all_debits(connection):
        if result is not None and result.paid_cents:
            due[debit.invoice_id] -= result.paid_cents
            last[debit.invoice_id] = max(last.get(debit.invoice_id, ""), result.day)
    return {
        name: date.fromisoformat(day).toordinal() for name, day in last.items() if not due[name]
    }


def fee_findings(connection: Connection) -> list[Finding]:
    """Fees of the journals against the results of debits: every cent stands in both (B37)."""
    account, journal = schema.accounts, schema.journal
    query = (
        select(account.c.account_id, journal.c.body)
        .join(account, account.c.account_key == journal.c.account_key)
        .where(journal.c.kind == Kind.FEE.value)
    )
    booked: dict[tuple[str, str], int] = {}
    for account_id, text in connection.execute(query):
        try:
            body = json.loads(text)
            booked[account_id, str(body["debit"])] = int(body["cents"])
        except (KeyError, ValueError, TypeError):
            continue  # told as an entry that was changed
    paid = {
        (debit.paying_account_id, debit.debit_id): result.paid_cents
        for debit, result in all_debits(connection)
        if result is not None and result.paid_cents
    }
    found = []
    for place in sorted(booked.keys() | paid.keys()):
        one, other = booked.get(place, 0), paid.get(place, 0)
        if one != other:
            what = f"The journal took {dollars(one)}, the debit's result says {dollars(other)}."
            where = f"{place[0]}, debit {place[1]}"
            found.append(Finding("error", "fee.unequal", where, what, _RESTORE))
    return found
