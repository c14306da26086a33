"""From the value at a period's start to the value at its end, to the cent, told twice.

Once from the outside (values, flows, income, costs: the market is what remains) and once from tax
lots (realised results and the change of unrealised ones, with every basis that a wash sale or a
payment moved). A statement shows the first and needs the second to agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from opensma.book.fold import fold
from opensma.book.journal import ARRIVALS, DEPARTURES, SALES, Booked, Entry, Kind
from opensma.book.moves import column
from opensma.book.names import key_map
from opensma.book.state import YEAR_COLUMNS, AccountState, new_account
from opensma.book.store import Connection
from opensma.errors import InputError
from opensma.market import Market
from opensma.measure.valuation import account_cents, carried_closes, positions
from opensma.units import Ints, notional_cents_array

_GAINS = {
    "short_gain_cents": 1,
    "short_loss_cents": -1,
    "long_gain_cents": 1,
    "long_loss_cents": -1,
}
_CASH_FOR_BASIS = frozenset({Kind.RETURN_OF_CAPITAL, Kind.STOCK_MERGER})
_REWRITES = frozenset({Kind.RESTATEMENT, Kind.REVERSAL})
_CASH_ALONE = frozenset({Kind.DEPOSIT, Kind.WITHDRAWAL, Kind.FEE, Kind.DIVIDEND})
_KNOWN_CASH = SALES | _CASH_FOR_BASIS | _CASH_ALONE | {Kind.BUY}
_KNOWN = (
    _KNOWN_CASH
    | ARRIVALS
    | DEPARTURES
    | {Kind.SPLIT, Kind.SPIN_OFF, Kind.EXCHANGE, Kind.SYMBOL_CHANGE, Kind.LOT_METHOD}
    | {Kind.LOT_CHOICE, Kind.GAIN_BUDGET, Kind.WASH_ADJUSTMENT, Kind.LOSS_DISALLOWED}
)


@dataclass(frozen=True, slots=True)
class Sold:
    """One lot, or a part of it, that left for money in the period."""

    entry: Entry
    row: int
    acquired_day: int
    long_term: bool
    taxed: bool
    security: int
    quantity_micros: int
    proceeds_cents: int
    basis_cents: int

    @property
    def gain_cents(self) -> int:
        """Proceeds less basis, before wash sales."""
        return self.proceeds_cents - self.basis_cents


@dataclass
class Sums:
    """What moved in the period, cents; costs and payments out are positive."""

    contributed: int = 0
    withdrawn: int = 0
    received: int = 0  # in kind, at the close of its day
    delivered: int = 0
    dividends: int = 0
    capital_returned: int = 0
    trading_costs: int = 0
    management_fees: int = 0
    untaxed_gain: int = 0  # retirement accounts keep no totals of years
    wash_in: int = 0  # deferred losses that came into basis here
    arrived_gain: int = 0  # value less basis of what came in kind
    departed_gain: int = 0


@dataclass(frozen=True, slots=True)
class Bridge:
    """One account over a period; `lots_market_cents` is None where facts were rewritten in it."""

    start_cents: int
    end_cents: int
    sums: Sums
    lots_market_cents: int | None
    before: AccountState
    after: AccountState
    entries: tuple[Booked, ...]
    sold: tuple[Sold, ...]

    @property
    def flows_cents(self) -> int:
        """What came from outside less what went there."""
        sums = self.sums
        return sums.contributed - sums.withdrawn + sums.received - sums.delivered

    @property
    def income_cents(self) -> int:
        """Dividends and capital returned."""
        return self.sums.dividends + self.sums.capital_returned

    @property
    def fees_cents(self) -> int:
        """Trading costs and fees that were taken from the account."""
        return self.sums.trading_costs + self.sums.management_fees

    @property
    def market_cents(self) -> int:
        """Change of prices before costs: what the other items leave of the change of value."""
        change = self.end_cents - self.start_cents
        return change - self.flows_cents - self.income_cents + self.fees_cents

    @property
    def checked(self) -> bool:
        """Whether tax lots give the same market result to the cent."""
        return self.lots_market_cents == self.market_cents


@dataclass(frozen=True)
class Prices:
    """Closes by book key over sessions: (sessions, keys), gaps carried; days as ordinals."""

    days: Ints
    closes: Ints

    def at(self, day: int) -> Ints:
        """The closes of the last session until a day."""
        row = int(np.searchsorted(self.days, day, side="right")) - 1
        if row < 0:
            raise InputError(
                "measure.no_prices",
                "The market begins after this day.",
                where=str(day),
                remedy="Choose a later period.",
            )
        prices: Ints = self.closes[row]
        return prices


@dataclass
class _Fold:
    """Folds one journal and keeps what happened from the period's first day on."""

    state: AccountState
    prices: Prices
    first_day: int
    watch: Callable[[Booked, AccountState], None]
    sums: Sums = field(default_factory=Sums)
    before: AccountState | None = None
    entries: list[Booked] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)
    rewritten: bool = False

    def take(self, booked: Booked) -> None:
        inside = booked.entry.trade_day >= self.first_day
        if inside and self.before is None:
            self.before = self.state
        after = fold(self.state, booked)
        if inside:
            self.entries.append(booked)
            self._add(booked, after)
        self.state = after
        self.watch(booked, after)

    def _add(self, booked: Booked, after: AccountState) -> None:
        entry, sums, body = booked.entry, self.sums, booked.entry.body
        sums.trading_costs += after.fees_cents - self.state.fees_cents
        sums.contributed += after.deposited_cents - self.state.deposited_cents
        sums.withdrawn += after.withdrawn_cents - self.state.withdrawn_cents
        kind = entry.kind
        self.rewritten |= kind in _REWRITES or kind not in _KNOWN
        if kind in SALES:
            self._sale(entry)
        elif kind is Kind.FEE:
            sums.management_fees += body["cents"]
        elif kind is Kind.DIVIDEND:
            sums.dividends += sum(body["cents"])
        elif kind in _CASH_FOR_BASIS and "cash" in body:
            paid = sum(body["cash"])
            if kind is Kind.RETURN_OF_CAPITAL:
                sums.capital_returned += paid
            if not body["taxed"]:
                sums.untaxed_gain += sum(body["gain"])
        elif kind is Kind.WASH_ADJUSTMENT:
            sums.wash_in += int(after.lots.basis_cents.sum() - self.state.lots.basis_cents.sum())
        elif kind in ARRIVALS or kind in DEPARTURES:
            self._in_kind(entry)

    def _sale(self, entry: Entry) -> None:
        body, lots = entry.body, self.state.lots
        rows = np.searchsorted(lots.lot, column(body, "lot"))
        acquired = lots.acquired_day[rows].tolist()
        for row, day in enumerate(acquired):
            one = Sold(
                entry, row, day, body["long"][row] == 1, bool(body["taxed"]),
                body["security"][row], body["quantity"][row], body["proceeds"][row],
                body["basis"][row],
            )  # fmt: skip
            self.sold.append(one)
            self.sums.untaxed_gain += 0 if one.taxed else one.gain_cents

    def _in_kind(self, entry: Entry) -> None:
        body = entry.body
        held, quantity = positions(column(body, "security"), column(body, "quantity"))
        prices = self.prices.at(entry.trade_day)[held]
        value = int(notional_cents_array(quantity, prices).sum())
        gain = value - sum(body["basis"])
        if entry.kind in ARRIVALS:
            self.sums.received += value
            self.sums.arrived_gain += gain
        else:
            self.sums.delivered += value
            self.sums.departed_gain += gain


def book_prices(connection: Connection, market: Market) -> Prices:
    """The market's closes in the order of the book's keys; 0 for what the market lacks."""
    row = key_map(connection, market).row_of_key
    closes = np.where(row >= 0, carried_closes(market)[:, np.maximum(row, 0)], 0)
    return Prices(market.days, closes)


def bridge(
    account_key: int,
    journal: Sequence[Booked],
    prices: Prices,
    first_day: int,
    last_day: int,
    watch: Callable[[Booked, AccountState], None] = lambda _booked, _after: None,
) -> Bridge:
    """The bridge from the close before `first_day` to the close of `last_day` (ordinals).

    `watch` sees every entry until then with the state after it, so that nobody folds twice.
    """
    run = _Fold(new_account(account_key), prices, first_day, watch)
    for booked in journal:
        if booked.entry.trade_day > last_day:
            break
        run.take(booked)
    before = run.state if run.before is None else run.before
    start = account_cents(before, prices.at(first_day - 1)) if before.seq else 0
    end = account_cents(run.state, prices.at(last_day))
    market = None if run.rewritten else _from_lots(run, before, start, end)
    return Bridge(
        start, end, run.sums, market, before, run.state, tuple(run.entries), tuple(run.sold)
    )


def _from_lots(run: _Fold, before: AccountState, start: int, end: int) -> int:
    """Prices' part of the result by lots: realised, plus what unrealised gains changed by."""
    sums, after = run.sums, run.state
    opened = start - before.cash_cents - int(before.lots.basis_cents.sum())
    closed = end - after.cash_cents - int(after.lots.basis_cents.sum())
    realised = _gains(after) - _gains(before) + sums.untaxed_gain
    moved = sums.wash_in - sums.capital_returned - sums.arrived_gain + sums.departed_gain
    return closed - opened + realised + moved + sums.trading_costs


def _gains(state: AccountState) -> int:
    """Gains less losses of all years, before wash sales."""
    signs = np.array([_GAINS.get(name, 0) for name in YEAR_COLUMNS], dtype=np.int64)
    return int((state.years @ signs).sum()) if len(state.years) else 0
