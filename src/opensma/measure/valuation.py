"""What accounts are worth: exact cents from integer quantities and closes, many days at once."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from opensma.book.journal import ARRIVALS, DEPARTURES, SALES, Booked, Kind
from opensma.book.moves import column
from opensma.book.names import KeyMap
from opensma.book.series import DailyValues
from opensma.book.state import AccountState
from opensma.market import Market
from opensma.units import Ints, notional_cents_array

_RATIOS = {Kind.SPLIT, Kind.SPIN_OFF, Kind.STOCK_MERGER, Kind.EXCHANGE, Kind.REVERSAL}
_RATIOS |= {Kind.RESTATEMENT}
_MOVES_SHARES = frozenset({Kind.BUY, *_RATIOS, *SALES, *ARRIVALS, *DEPARTURES})


@dataclass
class Track:
    """Positions and cash of one account at the end of each day on which they changed."""

    positions: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)
    cash: dict[int, int] = field(default_factory=dict)
    inflow: dict[int, int] = field(default_factory=dict)
    outflow: dict[int, int] = field(default_factory=dict)
    moved: list[tuple[int, Ints, Ints]] = field(default_factory=list)  # in kind; out is negative
    _in_kind: dict[int, tuple[Ints, Ints]] = field(default_factory=dict)  # by position

    def add(self, booked: Booked, after: AccountState) -> None:
        """Note the state after one entry."""
        entry = booked.entry
        day = entry.trade_day
        self.cash[day] = after.cash_cents
        if entry.kind in _MOVES_SHARES:
            self.positions[day] = (after.lots.security, after.lots.quantity_micros)
        if entry.kind is Kind.RESTATEMENT:
            # A deposit that came late is no gain of the day on which it is told.
            flow = entry.body["deposited"] - entry.body["withdrawn"]
            self.inflow[day] = self.inflow.get(day, 0) + max(0, flow)
            self.outflow[day] = self.outflow.get(day, 0) + max(0, -flow)
        elif entry.kind is Kind.DEPOSIT:
            self.inflow[day] = self.inflow.get(day, 0) + entry.body["cents"]
        elif entry.kind is Kind.WITHDRAWAL:
            self.outflow[day] = self.outflow.get(day, 0) + entry.body["cents"]
        elif entry.kind in ARRIVALS or entry.kind in DEPARTURES:
            sign = 1 if entry.kind in ARRIVALS else -1
            lots = positions(column(entry.body, "security"), sign * column(entry.body, "quantity"))
            self._in_kind[booked.seq] = lots
            self.moved.append((day, *lots))
        elif entry.kind is Kind.REVERSAL:
            for seq in entry.body["of"]:
                if seq in self._in_kind:  # they go back where they came from
                    security, quantity = self._in_kind[seq]
                    self.moved.append((day, security, -quantity))

    def flows(
        self, closes: Ints, market_days: Ints, keys: KeyMap
    ) -> tuple[dict[int, int], dict[int, int]]:
        """Cents in and out by day: cash, and shares in kind at the newest close then (M6).

        `closes` (days, securities) as from `carried_closes`, in the market's order of securities.
        """
        inflow, outflow = dict(self.inflow), dict(self.outflow)
        for day, security, quantity in self.moved:
            row = max(0, int(np.searchsorted(market_days, day, side="right")) - 1)
            prices = closes[row, keys.rows(security)]
            cents = int(notional_cents_array(np.abs(quantity), prices).sum())
            side = inflow if quantity.sum() > 0 else outflow  # one entry goes one way
            side[day] = side.get(day, 0) + cents
        return inflow, outflow


def holdings_cents(state: AccountState, close_by_key: Ints) -> Ints:
    """(lots,) value of every lot at its position's share of the close; floors never enter."""
    prices = close_by_key[state.lots.security]
    return notional_cents_array(state.lots.quantity_micros, prices)


def positions(security: Ints, quantity: Ints) -> tuple[Ints, Ints]:
    """Book keys held and total micros of each, by key."""
    keys, inverse = np.unique(security, return_inverse=True)
    total = np.zeros(len(keys), dtype=np.int64)
    np.add.at(total, inverse, quantity)
    return keys, total


def account_cents(state: AccountState, close_by_key: Ints) -> int:
    """Cash plus every position at its close, each rounded once (D3)."""
    keys, quantity = positions(state.lots.security, state.lots.quantity_micros)
    return state.cash_cents + int(notional_cents_array(quantity, close_by_key[keys]).sum())


def carried_closes(market: Market) -> Ints:
    """(days, securities) closes with gaps filled by the close before; 0 before the first."""
    closes = market.close_micros
    rows = np.where(closes > 0, np.arange(len(closes))[:, None], 0)
    filled: Ints = np.take_along_axis(closes, np.maximum.accumulate(rows, axis=0), axis=0)
    return filled


def daily_values(
    track: Track, closes: Ints, market_days: Ints, keys: KeyMap, until: int
) -> DailyValues:
    """Value on every session from the first entry until a day, by segments of equal holdings.

    `closes` (days, securities) as from `carried_closes`, in the market's order of securities.
    """
    first = int(np.searchsorted(market_days, min(track.cash)))
    last = int(np.searchsorted(market_days, until, side="right"))
    days = market_days[first:last]
    value = _step(track.cash, days)
    changes = sorted(day for day in track.positions if day <= until)
    for change, following in zip(changes, [*changes[1:], until + 1], strict=True):
        start, stop = np.searchsorted(days, [change, following])
        held, quantity = positions(*track.positions[change])
        if stop > start and len(held):
            prices = closes[first + start : first + stop][:, keys.rows(held)]
            value[start:stop] += notional_cents_array(quantity[None, :], prices).sum(axis=1)
    inflow, outflow = track.flows(closes, market_days, keys)
    return DailyValues(days, value, _on_days(inflow, days), _on_days(outflow, days))


def _step(amounts: dict[int, int], days: Ints) -> Ints:
    """The newest amount known on each day."""
    known = np.array(sorted(amounts), dtype=np.int64)
    newest = np.searchsorted(known, days, side="right") - 1
    table = np.array([amounts[int(day)] for day in known], dtype=np.int64)
    result: Ints = table[newest]
    return result


def _on_days(amounts: dict[int, int], days: Ints) -> Ints:
    found = np.zeros(len(days), dtype=np.int64)
    for day, cents in amounts.items():
        position = int(np.searchsorted(days, day))
        if position < len(days):
            found[position] += cents
    return found
