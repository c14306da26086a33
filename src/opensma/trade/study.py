"""A study for somebody who is no client yet: typed holdings, what the engine would do with them.

Pure. Hypothetical by its nature: the reader's own assumptions, prices of one day that stand still.
Nothing is read from accounts and nothing is kept.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from opensma.construct.motion.moving import Moving, tracking_error
from opensma.construct.motion.transition import Path, transition
from opensma.construct.problem import Account, Limits, LotColumns
from opensma.errors import InputError
from opensma.tax.holding import long_term_from
from opensma.tax.rates import MarginalRates
from opensma.trade.standing import ReadyDay

MOST_LOTS = 200
COLUMNS = ("symbol", "shares", "cost", "acquired")
RISK_AVERSION = 60.0  # as opensma.rebalance: a 2 % tracking error costs 1.2 % a year
_MOST = 1e9


@dataclass(frozen=True, slots=True)
class TypedLot:
    """One line of the reader's holdings; the cost is that of the whole lot, in dollars."""

    row: int  # in the universe
    shares: float
    cost: float
    acquired: int


@dataclass(frozen=True, slots=True)
class ExclusionPrice:
    """What leaving a sector out would cost: the plan with it beside the plan without."""

    sector: str
    te_bps: float
    tax: float
    cost: float


@dataclass(frozen=True, slots=True)
class Study:
    """The answer in dollars; tracking error a year."""

    value: float
    gains: float  # unrealised, of lots above their cost
    losses: float  # below zero
    te_before: float
    harvested: float  # losses that the first day's plan realises net, below zero
    harvest_tax: float  # of that plan: below zero is tax saved at the rates given
    paths: tuple[Path, ...]
    prices: tuple[ExclusionPrice, ...]


def read_holdings(text: str, ready: ReadyDay, most: int = MOST_LOTS) -> list[TypedLot]:
    """Lots from CSV with the columns of `COLUMNS`; InputError names line and field."""
    lines = list(csv.reader(io.StringIO(text.strip())))
    if not lines or [cell.strip().lower() for cell in lines[0]] != list(COLUMNS):
        raise _wrong("The first line must be symbol,shares,cost,acquired.", 1)
    if len(lines) == 1 or len(lines) > most + 1:
        raise _wrong(f"Give 1 to {most:,} lots.", len(lines))
    row_of = {symbol.upper(): row for row, symbol in enumerate(ready.symbols)}
    return [_lot(cells, i, row_of, ready) for i, cells in enumerate(lines[1:], 2) if cells]


def _lot(cells: Sequence[str], line: int, row_of: dict[str, int], ready: ReadyDay) -> TypedLot:
    if len(cells) != len(COLUMNS):
        raise _wrong(f"{len(cells)} fields instead of {len(COLUMNS)}.", line)
    symbol, shares, cost, acquired = (cell.strip() for cell in cells)
    if symbol.upper() not in row_of:
        raise _wrong(f"'{symbol}' is no security of this market.", line)
    numbers = []
    for name, text in (("shares", shares), ("cost", cost)):
        try:
            value = float(text.replace("$", "").replace(" ", ""))
        except ValueError:
            raise _wrong(f"{name}: '{text}' is no number.", line) from None
        if not 0.0 < value < _MOST:
            raise _wrong(f"{name}: '{text}' must be above zero and below a billion.", line)
        numbers.append(value)
    try:
        day = date.fromisoformat(acquired).toordinal()
    except ValueError:
        raise _wrong(f"acquired: '{acquired}' is no date as 2021-03-15.", line) from None
    if day > ready.ordinal:
        raise _wrong(f"acquired: {acquired} is after the prices' day.", line)
    return TypedLot(row_of[symbol.upper()], numbers[0], numbers[1], day)


def _wrong(what: str, line: int) -> InputError:
    return InputError(
        "study.holdings", what, where=f"holdings, line {line}",
        remedy="One lot a line: symbol, shares, what the lot cost, and the day it was bought.",
    )  # fmt: skip


def study(
    ready: ReadyDay, lots: Sequence[TypedLot], rates: MarginalRates, years: int,
    sectors: Sequence[str],
) -> Study:  # fmt: skip
    """Harvest, the choices of speed, and the price of leaving sectors out."""
    account, long_from = _account(ready, lots, rates)
    prepared, day = ready.prepared, ready.ordinal
    moving = Moving.start(account, long_from, np.zeros(0, dtype=np.int64), day)
    price = prepared.universe.price
    worth = account.lots.quantity * price[account.lots.security]
    gain = worth - account.lots.basis
    # Gains cost nothing to leave: a budget of zero harvests losses and realises no net gain.
    paths = transition(prepared, moving, day, years)
    careful = min((p for p in paths if p.budget == 0.0), key=lambda p: p.total, default=paths[0])
    first = careful.years[0]
    return Study(
        value=float(worth.sum()),
        gains=float(gain[gain > 0].sum()),
        losses=float(gain[gain < 0].sum()),
        te_before=tracking_error(prepared, account),
        harvested=min(0.0, first.st_gain + first.lt_gain),
        harvest_tax=first.tax,
        paths=paths,
        prices=tuple(_price(ready, moving, sector) for sector in sectors),
    )


def _account(
    ready: ReadyDay, lots: Sequence[TypedLot], rates: MarginalRates
) -> tuple[Account, np.ndarray]:
    universe = ready.prepared.universe
    acquired = np.array([lot.acquired for lot in lots], dtype=np.int64)
    long_from = long_term_from(acquired)
    columns = LotColumns(
        security=np.array([lot.row for lot in lots], dtype=np.int64),
        quantity=np.array([lot.shares for lot in lots]),
        basis=np.array([lot.cost for lot in lots]),
        acquired_day=acquired,
        long_term=long_from <= ready.ordinal,
    )
    count, sectors = len(universe.price), len(universe.sector_name)
    nothing = np.zeros(count, dtype=bool)
    limits = Limits(nothing, nothing, nothing, np.full(count, np.inf), np.full(sectors, np.inf),
                    np.zeros(sectors))  # fmt: skip
    account = Account(
        account_id="study", lots=columns, cash=0.0, cash_low=0.0, cash_high=0.02,
        target=ready.day.view.target, limits=limits,
        st_rate=rates.short_millionths / 1e6, lt_rate=rates.long_millionths / 1e6,
        min_trade=0.0, whole_shares=True, risk_aversion=RISK_AVERSION,
    )  # fmt: skip
    return account, long_from


def _price(ready: ReadyDay, moving: Moving, sector: str) -> ExclusionPrice:
    universe = ready.prepared.universe
    if sector not in universe.sector_name:
        raise InputError(
            "study.sector", f"'{sector}' is no sector of this market.", where="exclude",
            remedy=f"Choose from {', '.join(universe.sector_name)}.",
        )  # fmt: skip
    out = universe.sector == universe.sector_name.index(sector)
    account = moving.account
    limited = replace(account, limits=replace(account.limits, exclude=out))
    plain = moving.decide(ready.prepared, ready.ordinal)
    without = replace(moving, account=limited).decide(ready.prepared, ready.ordinal)
    for plan in (plain, without):
        if plan.status.value != "solved":
            raise InputError(
                "study.not_solved", ready.named(plan.message), where=f"without {sector}",
                remedy="Leave the sector in, or type more of the holdings.",
            )  # fmt: skip
    return ExclusionPrice(
        sector, (without.te_after - plain.te_after) * 1e4, without.tax - plain.tax,
        without.cost - plain.cost,
    )  # fmt: skip
