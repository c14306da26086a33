"""An account's lots and positions as a person reads them: prices, gains, terms, wash windows.

Values are exact cents: a position rounds once (D3) and its lots share that amount (D4), so the
parts on a page always add up to the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from opensma.book.master import Security
from opensma.book.state import AccountState
from opensma.tax.wash import WINDOW_DAYS
from opensma.units import Ints, notional_cents, split_cents


@dataclass(frozen=True, slots=True)
class LotRow:
    """One open lot at the day's price; a price of 0 means that the market has none."""

    lot: int
    security_key: int
    symbol: str
    name: str
    sector: str
    acquired: date
    holding_from: date  # earlier than `acquired` where a wash sale moved it back (W10)
    quantity_micros: int
    basis_cents: int
    wash_cents: int  # disallowed losses inside the basis
    price_micros: int
    value_cents: int
    long_term: bool
    long_from: date  # first day on which a sale is long-term
    replaces: bool  # these shares have absorbed a loss (W7)

    @property
    def gain_cents(self) -> int:
        """Unrealised gain, negative for a loss."""
        return self.value_cents - self.basis_cents


@dataclass(frozen=True, slots=True)
class PositionRow:
    """All lots of one security, beside its weight in the model."""

    security_key: int
    symbol: str
    name: str
    sector: str
    quantity_micros: int
    price_micros: int
    value_cents: int
    basis_cents: int
    lots: int
    weight: float  # of account value
    target: float  # of the benchmark

    @property
    def gain_cents(self) -> int:
        """Unrealised gain, negative for a loss."""
        return self.value_cents - self.basis_cents


@dataclass(frozen=True, slots=True)
class WashWindow:
    """A loss that buying the security again would still defer, through `until`."""

    security_key: int
    symbol: str
    name: str
    lot: int
    sold: date
    until: date  # last day of the window (W1)
    quantity_micros: int
    loss_cents: int  # positive
    harvest: bool


@dataclass(frozen=True, slots=True)
class Unrealised:
    """Open gains and losses by term; losses negative."""

    short_gain_cents: int
    short_loss_cents: int
    long_gain_cents: int
    long_loss_cents: int

    @property
    def total_cents(self) -> int:
        """All of it."""
        short = self.short_gain_cents + self.short_loss_cents
        return short + self.long_gain_cents + self.long_loss_cents


def lot_rows(
    state: AccountState, prices: Ints, securities: Mapping[int, Security], day: int
) -> tuple[LotRow, ...]:
    """Open lots by symbol and lot number; `prices` (largest key + 1,) in micros by book key."""
    lots = state.lots
    value = _lot_values(state, prices).tolist()
    turns = lots.long_from.tolist()
    found = []
    for i, key in enumerate(lots.security.tolist()):
        security = securities[key]
        found.append(
            LotRow(
                int(lots.lot[i]),
                key,
                security.symbol,
                security.name,
                security.sector,
                date.fromordinal(int(lots.acquired_day[i])),
                date.fromordinal(int(lots.holding_day[i])),
                int(lots.quantity_micros[i]),
                int(lots.basis_cents[i]),
                int(lots.wash_cents[i]),
                int(prices[key]),
                value[i],
                turns[i] <= day,
                date.fromordinal(turns[i]),
                bool(lots.used[i]),
            )
        )
    return tuple(sorted(found, key=lambda row: (row.symbol, row.security_key, row.lot)))


def _lot_values(state: AccountState, prices: Ints) -> Ints:
    """(lots,) cents: each position rounded once and shared by quantity."""
    lots = state.lots
    value = np.zeros(len(lots), dtype=np.int64)
    order = np.argsort(lots.security, kind="stable")
    ends = np.flatnonzero(np.diff(lots.security[order])) + 1
    for rows in np.split(order, ends):
        if len(rows):
            quantity = lots.quantity_micros[rows].tolist()
            total = notional_cents(sum(quantity), int(prices[lots.security[rows[0]]]))
            value[rows] = split_cents(total, quantity)
    return value


def position_rows(
    lots: tuple[LotRow, ...],
    value_cents: int,
    target: Mapping[int, float],
    securities: Mapping[int, Security],
) -> tuple[PositionRow, ...]:
    """Positions by descending value, members of the benchmark that are not held included."""
    grouped: dict[int, list[LotRow]] = {key: [] for key, weight in target.items() if weight > 0}
    for lot in lots:
        grouped.setdefault(lot.security_key, []).append(lot)
    found = []
    for key, held in grouped.items():
        security, worth = securities[key], sum(lot.value_cents for lot in held)
        found.append(
            PositionRow(
                key,
                security.symbol,
                security.name,
                security.sector,
                sum(lot.quantity_micros for lot in held),
                held[0].price_micros if held else 0,
                worth,
                sum(lot.basis_cents for lot in held),
                len(held),
                worth / value_cents if value_cents else 0.0,
                target.get(key, 0.0),
            )
        )
    return tuple(sorted(found, key=lambda row: (-row.value_cents, -row.target, row.symbol)))


def wash_windows(
    state: AccountState, securities: Mapping[int, Security], day: int
) -> tuple[WashWindow, ...]:
    """Losses whose window is still open on `day`, the first to close first."""
    losses = state.losses
    found = []
    for i in np.flatnonzero((losses.quantity_micros > 0) & (losses.sold_day + WINDOW_DAYS >= day)):
        security = securities[int(losses.security[i])]
        sold = int(losses.sold_day[i])
        found.append(
            WashWindow(
                security.security_key,
                security.symbol,
                security.name,
                int(losses.lot[i]),
                date.fromordinal(sold),
                date.fromordinal(sold + WINDOW_DAYS),
                int(losses.quantity_micros[i]),
                int(losses.loss_cents[i]),
                bool(losses.harvest[i]),
            )
        )
    return tuple(sorted(found, key=lambda row: (row.until, row.symbol, row.lot)))


def unrealised(lots: tuple[LotRow, ...]) -> Unrealised:
    """Gains and losses of the lots by term."""
    total = {(term, sign): 0 for term in (False, True) for sign in (False, True)}
    for lot in lots:
        total[lot.long_term, lot.gain_cents < 0] += lot.gain_cents
    return Unrealised(
        total[False, False], total[False, True], total[True, False], total[True, True]
    )
