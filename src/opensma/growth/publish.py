"""What the book lends to growth: accounts, account-months and fee lines, read and never changed.

Growth sees account ids, flows, values and fees; no holdings, no lots, no names (P8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np

from opensma.book.invoices import FeeLedgerRow, InvoiceRow, all_invoices, rows_since
from opensma.book.master import AccountRecord, Advisor, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.growth.journeys import Rules, fill_temp, put_rows
from opensma.growth.warehouse.derive import derive
from opensma.growth.warehouse.schema import table_named
from opensma.growth.warehouse.store import one_transaction
from opensma.measure.household_book import Move, moves_of_owners

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

# Who stands between the programme and the client: their part of a fee is no revenue of ours.
PLATFORM_ROLES = ("platform", "sponsor")
_SEGMENTS = ((25_000_000, "up to $250k"), (100_000_000, "$250k to $1m"))
_LARGEST_SEGMENT = "over $1m"
SEGMENT_ORDER = (*(name for _, name in _SEGMENTS), _LARGEST_SEGMENT)

AccountRow = tuple[str, str, str, str, str, date, date | None]
MonthRow = tuple[str, date, int, int, int, int, int]
FeeRow = tuple[str, str, str, str, int, int, str | None, date, date]


@dataclass(frozen=True, slots=True)
class Published:
    """What the book gave."""

    accounts: Sequence[AccountRow]
    months: Sequence[MonthRow]
    fees: Sequence[FeeRow]

    @property
    def as_of(self) -> date:
        """The last day of the newest month."""
        last = max(row[1] for row in self.months)
        return date(last.year + last.month // 12, last.month % 12 + 1, 1) - timedelta(days=1)


def read_book(book: Book) -> Published:
    """Accounts, account-months and fee lines of a book."""
    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
        firms = {a.advisor_id: a.firm for a in all_records(connection, Advisor)}
        series = account_series(connection, [a.account_key for a in accounts])
        inside = _inside(moves_of_owners(connection, accounts, series))
        invoices = all_invoices(connection)
        _, ledger = rows_since(connection, "0000-00-00")
    rows, months = [], []
    for account in accounts:
        if account.account_key not in series:
            continue
        key = account.account_key
        mine = account_months(account.account_id, series[key], inside.get(key, {}))
        months += mine
        rows.append(_account(account, firms[account.advisor_id], series[account.account_key], mine))
    if not months:
        raise InputError(
            "growth.empty_book",
            "The book has no account with a value yet.",
            where=book.label,
            remedy="Run a trading day first, or make a book with sma demo.",
        )
    return Published(rows, months, fee_rows(invoices, ledger))


def _account(
    account: AccountRecord, firm: str, values: DailyValues, months: Sequence[MonthRow]
) -> AccountRow:
    first = next((row[3] for row in months if row[3] > 0), 0)
    segment = next((name for top, name in _SEGMENTS if first < top), _LARGEST_SEGMENT)
    closed = date.fromordinal(int(values.days[-1])) if account.status == "closed" else None
    opened = date.fromisoformat(account.opened)
    return (account.account_id, firm, account.advisor_id, account.strategy_id, segment, opened,
            closed)  # fmt: skip


def _inside(moves: Sequence[Move]) -> dict[int, dict[int, int]]:
    """By account and month: cents that came from other accounts of the owner, or went there."""
    found: dict[int, dict[int, int]] = {}
    for move in moves:
        month = _month_key(date.fromordinal(move.day))
        for key, cents in ((move.from_key, -move.cents), (move.to_key, move.cents)):
            mine = found.setdefault(key, {})
            mine[month] = mine.get(month, 0) + cents
    return found


def _month_key(day: date) -> int:
    return day.year * 12 + day.month - 1


def account_months(
    account_id: str, values: DailyValues, inside: Mapping[int, int]
) -> list[MonthRow]:
    """Begin, flow, market, end and what moved inside of every month; each ties to the cent (E1)."""
    days = [date.fromordinal(int(day)) for day in values.days]
    keys = np.array([_month_key(day) for day in days])
    flows = values.inflow_cents - values.outflow_cents
    rows: list[MonthRow] = []
    begin = 0
    for key in range(int(keys[0]), int(keys[-1]) + 1):
        some = np.flatnonzero(keys == key)
        end = int(values.value_cents[some[-1]]) if len(some) else begin
        flow = int(flows[some].sum())
        month = date(key // 12, key % 12 + 1, 1)
        rows.append((account_id, month, begin, flow, end - begin - flow, end, inside.get(key, 0)))
        begin = end
    return rows


def fee_rows(invoices: Sequence[InvoiceRow], ledger: Sequence[FeeLedgerRow]) -> list[FeeRow]:
    """A line for each account of each invoice; its id is both, a reversal names its line (R1)."""
    heads = {row.invoice_id: row for row in invoices}
    parts: dict[tuple[str, str], list[FeeLedgerRow]] = {}
    for part in ledger:
        parts.setdefault((part.invoice_id, part.account_id), []).append(part)
    rows = []
    for (invoice_id, account_id), some in sorted(parts.items()):
        head = heads[invoice_id]
        back = f"{head.reversal_of}:{account_id}" if head.reversal_of else None
        share = sum(p.amount_cents for p in some if p.role in PLATFORM_ROLES)
        rows.append(
            (f"{invoice_id}:{account_id}", account_id, head.period, head.kind,
             sum(p.amount_cents for p in some), share, back,
             date.fromisoformat(some[0].service_start), date.fromisoformat(some[0].service_end))
        )  # fmt: skip
    return rows


def publish(connection: Connection, published: Published, rules: Rules) -> Mapping[str, int]:
    """Replace the core's tables and derive everything again, in one transaction."""
    given = {
        "account": published.accounts,
        "account_month": published.months,
        "fee_ledger": published.fees,
    }
    with one_transaction(connection):
        for name, rows in given.items():
            put_table(connection, name, rows)
        derive(connection, rules)
    return {name: len(rows) for name, rows in given.items()}


def put_table(connection: Connection, name: str, rows: Sequence[Sequence[object]]) -> None:
    """Replace a warehouse table by rows in its columns' order."""
    table = table_named(name)
    if table is None:
        raise KeyError(name)
    columns = [(c, [row[i] for row in rows]) for i, c in enumerate(table.columns)]
    texts = {c.name: [None if v is None else str(v) for v in column] for c, column in columns}
    fill_temp(connection, "new_table", ", ".join(
        ["SELECT " + ", ".join(f'CAST(NULL AS VARCHAR) AS "{c.name}"' for c in table.columns)]
    ) + " LIMIT 0")  # fmt: skip
    put_rows(connection, "new_table", table.names, list(zip(*texts.values(), strict=True)))
    connection.execute(f"DELETE FROM {name}")
    casts = ", ".join(f'CAST("{c.name}" AS {c.kind.value})' for c in table.columns)
    connection.execute(f"INSERT INTO {name} SELECT {casts} FROM new_table")
    connection.execute("DROP TABLE new_table")
