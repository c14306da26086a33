"""One account over a period, read from the book before it becomes words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opensma.book.journal import Booked
from opensma.book.ledger import read_journal
from opensma.book.lotviews import LotRow, PositionRow, lot_rows, position_rows
from opensma.book.master import AccountRecord
from opensma.book.plans import PlanTrade, day_trades
from opensma.book.series import DailyValues, account_series
from opensma.book.state import AccountState, new_account
from opensma.book.store import Connection
from opensma.errors import InputError
from opensma.measure.bridge import Bridge, bridge
from opensma.measure.performance import RealisedDays
from opensma.report.documents.desk import Desk, last_session
from opensma.report.words import percent
from opensma.units import Ints


@dataclass(frozen=True)
class Facts:
    """One account over the period, before it becomes words."""

    desk: Desk
    account: AccountRecord
    bridge: Bridge
    series: DailyValues  # until the period's last session
    realised: Ints  # (3, days of the series) cents: short, long, dividends
    trades: dict[str, PlanTrade]  # decided by plans, by trade id
    lots: tuple[LotRow, ...]
    positions: tuple[PositionRow, ...]

    @property
    def end_day(self) -> int:
        """The session whose closes the statement uses, as an ordinal."""
        return last_session(self.desk.period.end).toordinal()


def read_facts(desk: Desk, account_id: str) -> Facts:
    """Fold the account's journal to the period's end; InputError where there is nothing in it."""
    if account_id not in desk.accounts:
        raise refused("account.unknown", account_id, f"The book has no account '{account_id}'.")
    account, period = desk.accounts[account_id], desk.period
    with desk.book.read() as connection:
        journal = read_journal(connection, [account.account_key])
        trades = _decided(connection, account_id, journal, period.start.toordinal())
        series = account_series(connection, [account.account_key]).get(account.account_key)
    last = period.end.toordinal()
    if not journal or journal[0].entry.trade_day > last or series is None:
        raise refused(
            "statement.not_funded",
            account_id,
            f"The account holds nothing by the end of {period.name}.",
        )
    day = last_session(period.end).toordinal()
    series = until(series, day)
    realised = RealisedDays(new_account(account.account_key), series.days)
    watch = realised.take if len(series.days) else _nothing
    made = bridge(account.account_key, journal, desk.prices, period.start.toordinal(), last, watch)
    prices = desk.prices.at(last)
    lots = lot_rows(made.after, prices, desk.securities, day)
    positions = position_rows(lots, made.end_cents, {}, desk.securities)
    return Facts(desk, account, made, series, realised.cents, trades, lots, positions)


def _nothing(_booked: Booked, _after: AccountState) -> None:
    """An account without valued days has no days to add results to."""


def until(series: DailyValues, day: int) -> DailyValues:
    """The days of a series until one."""
    stop = int(np.searchsorted(series.days, day, side="right"))
    columns = (series.days, series.value_cents, series.inflow_cents, series.outflow_cents)
    return DailyValues(*(column[:stop] for column in columns))


def _decided(
    connection: Connection, account_id: str, journal: list[Booked], first_day: int
) -> dict[str, PlanTrade]:
    """Trades of the plans behind the period's purchases and sales."""
    ids = {b.entry.source_id.split("/")[0] for b in journal if b.entry.trade_day >= first_day}
    found: dict[str, PlanTrade] = {}
    for run_id in sorted(one for one in ids if one.startswith("day-")):
        found |= {t.trade_id: t for t in day_trades(connection, run_id, account_id)}
    return found


def weight(cents: int, of_cents: int) -> str:
    """A share of the account's value."""
    return percent(cents / of_cents if of_cents else None)


def price(micros: int) -> str:
    """A price in dollars: two decimals, more only where it has them."""
    whole, rest = divmod(micros, 1_000_000)
    return f"${whole:,}." + f"{rest:06d}".rstrip("0").ljust(2, "0")


def refused(code: str, account_id: str, what: str, remedy: str = "") -> InputError:
    """A document that is not made, and why."""
    remedy = remedy or "sma account list shows the accounts with their values."
    return InputError(code, what, where=account_id, remedy=remedy)
