"""Legal trades of one security: whole units, smallest trade, full liquidation.

A trade is a number of units, negative for a sale. Selling more units than `empty_units` (or just
as many, where the position is whole) means selling all of it, a fraction included.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from opensma.construct.branch import buy_side, sell_side, value_at
from opensma.construct.columns import Columns, Record, product
from opensma.construct.dual import BUY, EMPTY, FREE, NONE, SELL
from opensma.construct.problem import Codes, Floats

CANDIDATES = 7
_EDGE = 1e-6  # units: what floating point may lose


@njit(cache=True, forceinline=True)
def empties(name: Record, units: int) -> bool:
    """Whether this trade leaves nothing."""
    if name.whole:
        return bool(units == -name.empty_units and units < 0)
    return bool(units < -name.empty_units)


@njit(cache=True, forceinline=True)
def weight_of(name: Record, units: int) -> float:
    """Weight after the trade."""
    if units < 0 and empties(name, units):
        return 0.0
    return float(name.held + units * name.step)


@njit(cache=True, forceinline=True)
def candidates(
    name: Record,
    lots: Any,
    centre: float,
    curve: float,
    pull: float,
    cash: float,
    out: Codes,
) -> int:
    """Legal trades among which the best for this convex-by-sides problem is; returns how many."""
    held, low, high, step = name.held, name.low, name.high, name.step
    count = 0
    if high >= held - 1e-12:
        out[count] = 0
        count += 1
    smallest = max(1, int(np.ceil(name.least / step * (1.0 - 1e-12))))
    if low < held:
        if low <= 0.0:
            out[count] = -name.empty_units - (0 if name.whole else 1)
            count += 1
        bottom = -min(name.part_units, most_sold(name, low))
        top = -smallest
        if high < held:
            top = min(top, int(np.floor((high - held) / step + _EDGE)))
        if bottom <= top:
            w, _, _ = sell_side(name, lots, centre, curve, pull, cash, held + top * step)
            count = _neighbours(w, held, step, bottom, top, out, count)
    if high > held:
        top = int(np.floor((high - held) / step + _EDGE))
        smallest = max(smallest, int(np.ceil((name.smallest - held) / step - _EDGE)))
        if smallest <= top:
            w, _, _ = buy_side(name, lots, centre, curve, pull, cash, held + smallest * step)
            count = _neighbours(w, held, step, smallest, top, out, count)
    return count


@njit(cache=True, forceinline=True)
def most_sold(name: Record, low: float) -> int:
    """Units that may be sold of a position that stays."""
    return int(np.floor((name.held - max(low, name.smallest)) / name.step + _EDGE))


@njit(cache=True, forceinline=True)
def stub(name: Record, units: int) -> bool:
    """Whether a trade leaves a position that is too small to keep."""
    w = weight_of(name, units)
    return bool(units != 0 and 0.0 < w < name.smallest - 1e-12)


@njit(cache=True, forceinline=True)
def fixed_cost(name: Record, units: int, cash: float) -> float:
    """The ticket, with the price of the cash that it takes, and that of a name that is held."""
    ticket = 0.0 if units == 0 else float(name.ticket * (1.0 + cash))
    if name.keep > 0.0 and holds(name, weight_of(name, units)):
        ticket += name.keep
    return ticket


@njit(cache=True, forceinline=True)
def holds(name: Record, weight: float) -> bool:
    """Whether this weight counts as holding the security; a millionth of a share does not."""
    return bool(weight * name.shares > 1.5e-6)


@njit(cache=True, forceinline=True)
def _neighbours(
    weight: float, held: float, step: float, bottom: int, top: int, out: Codes, count: int
) -> int:
    exact = (weight - held) / step
    below = min(max(int(np.floor(exact + _EDGE)), bottom), top)
    out[count] = below
    if below < top and exact > below + _EDGE:
        out[count + 1] = below + 1
        return count + 2
    return count + 1


@njit(cache=True)
def cheapest(data: Columns, aversion: float, prices: Floats, units: Codes) -> None:
    """Fill each security's best legal trade at these prices."""
    n, k = data.factor.shape
    security, lots = data.security, data.lot
    out = np.zeros(CANDIDATES, dtype=np.int64)
    cash = float(prices[k])
    for i in range(n):
        pull = product(data.factor, i, prices)
        name = security[i]
        if name.row >= 0:
            pull += prices[k + name.row]
        centre, curve = name.target, aversion * name.specific
        best = np.inf
        count = candidates(name, lots, centre, curve, pull, cash, out)
        for c in range(count):
            w = weight_of(name, out[c])
            value = value_at(name, lots, w, centre, curve, pull, cash)
            value += fixed_cost(name, out[c], cash)
            if value < best:
                best = value
                units[i] = out[c]


@njit(cache=True)
def modes_of(data: Columns, units: Codes, mode: Codes) -> None:
    """What each security does in these trades, as the dual's modes."""
    for i in range(units.shape[0]):
        if units[i] == 0:
            mode[i] = NONE
        elif units[i] > 0:
            mode[i] = BUY
        elif empties(data.security[i], units[i]):
            mode[i] = EMPTY
        else:
            mode[i] = SELL


@njit(cache=True)
def round_to(data: Columns, mode: Codes, weight: Floats, units: Codes) -> None:
    """Whole units near these weights; modes that have no legal trade become no trade."""
    for i in range(units.shape[0]):
        name = data.security[i]
        held, step = name.held, name.step
        smallest = max(1, int(np.ceil(name.least / step * (1.0 - 1e-12))))
        near = int(np.rint((weight[i] - held) / step))
        if mode[i] == EMPTY:
            units[i] = -name.empty_units - (0 if name.whole else 1)
        elif mode[i] == BUY or (mode[i] == FREE and near > 0):
            top = int(np.floor((name.high - held) / step + _EDGE))
            smallest = max(smallest, int(np.ceil((name.smallest - held) / step - _EDGE)))
            units[i] = min(max(near, smallest), top) if top >= smallest else 0
        elif mode[i] == SELL or (mode[i] == FREE and near < 0):
            bottom = min(name.part_units, most_sold(name, name.low))
            forced = int(np.ceil((held - name.high) / step - _EDGE))
            smallest = max(smallest, forced)
            units[i] = -min(max(-near, smallest), bottom) if bottom >= smallest else 0
        else:
            units[i] = 0
