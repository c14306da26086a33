"""The state of a search over whole units, and what one more trade changes in it, exactly.

The state carries active factor exposures, row levels and gains, so that a trade's effect costs
O(k). Limits enter as a penalty far above any gain, which makes repair and improvement one thing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from opensma.construct.columns import Columns, Limits, Record, product
from opensma.construct.grid import candidates, holds, weight_of
from opensma.construct.problem import Codes, Floats, Mask
from opensma.construct.wash import group_parts, parts_of, tax_alone

VARIANCE, TAX, TRADED, SHORT, LONG, NAMES = 0, 1, 2, 3, 4, 5  # places in `State.total`
TOTALS = 6
PENALTY = 300.0  # per weight: a basis point of a broken limit costs 3 % of account value
GAIN = 5e-10  # of V: half a cent on ten million dollars
NAME = 0.02  # weight that a name too many counts as


class State(NamedTuple):
    """Trades and what follows from them; changed in place."""

    units: Codes  # (n,)
    exposure: Floats  # (k,) F'(w - b)
    level: Floats  # (r,) cash use and sector weights
    total: Floats  # (6,) variance, tax with tolls, traded weight, short gains, long gains, names
    buys: Codes  # (G,) members that are bought
    losses: Codes  # (G,) members that are sold at a loss
    loss: Mask  # (n,) this security is


class Goal(NamedTuple):
    """What the search minimises: risk, tax and toll, with the prices that guide it."""

    aversion: float  # of variance in the objective
    guide: float  # of variance in the proposals
    cash: float  # price of cash use in the proposals
    turnover: float  # prices of limits over the account, to rank pairs by
    short_gain: float
    long_gain: float
    names: float


class Change(NamedTuple):
    """One trade replaced by another: the differences."""

    weight: float
    use: float
    variance: float
    tax: float
    traded: float
    short: float
    long: float
    outside: float  # how far the security's own bounds are exceeded
    loss: bool
    names: int  # held after trading


@njit(cache=True)
def part_groups(data: Columns, units: Codes, kept: Mask) -> None:
    """Nothing is bought in a group that is sold at a loss: drop the losses where `kept` (G,)."""
    groups = data.washed.shape[0]
    losses, buys = np.zeros(groups, dtype=np.bool_), np.zeros(groups, dtype=np.bool_)
    for i in range(units.shape[0]):
        name = data.security[i]
        losses[name.group] |= parts_of(name, data.lot, units[i])[3]
        buys[name.group] |= units[i] > 0
    for i in range(units.shape[0]):
        name = data.security[i]
        if losses[name.group] and buys[name.group]:
            dropped = units[i] < 0 if kept[name.group] else units[i] > 0
            if dropped:
                units[i] = 0


@njit(cache=True)
def start(data: Columns, units: Codes) -> State:
    """The state of these trades."""
    n, k = data.factor.shape
    groups = data.washed.shape[0]
    exposure, level = np.zeros(k), np.zeros(data.row_low.shape[0])
    total = np.zeros(TOTALS)
    buys, losses = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)
    sold_low = np.zeros(n, dtype=np.bool_)
    for i in range(n):
        name = data.security[i]
        w = weight_of(name, units[i])
        gap, traded = w - name.target, abs(w - name.held)
        exposure += data.factor[i] * gap
        ticket = name.ticket if units[i] != 0 else 0.0
        level[0] += w + name.cost * traded + ticket
        if name.row >= 0:
            level[name.row] += w
        total[VARIANCE] += name.specific * gap * gap
        total[TRADED] += traded
        total[NAMES] += holds(name, w)
        g = name.group
        tax, short, long, loss = parts_of(name, data.lot, units[i])
        buys[g] += units[i] > 0
        losses[g] += loss
        sold_low[i] = loss
        total[TAX] += name.toll * traded + ticket
        if not data.washed[g]:
            _add_parts(total, tax, short, long)
    for f in range(k):
        total[VARIANCE] += exposure[f] * exposure[f]
    for g in range(groups):
        if data.washed[g] and data.wash_start[g] < data.wash_start[g + 1]:
            tax, short, long, _ = group_parts(data, units, g, -1, 0)
            _add_parts(total, tax, short, long)
    return State(units, exposure, level, total, buys, losses, sold_low)


@njit(cache=True)
def _add_parts(total: Floats, tax: float, short: float, long: float) -> None:
    total[TAX] += tax
    total[SHORT] += short
    total[LONG] += long


@njit(cache=True, forceinline=True)
def slope_of(data: Columns, state: State, i: int, w: float) -> float:
    """Half of d variance / d weight."""
    exposure, name = product(data.factor, i, state.exposure), data.security[i]
    return float(exposure + name.specific * (w - name.target))


@njit(cache=True, forceinline=True)
def _outside(name: Record, weight: float) -> float:
    return float(max(weight - name.high, 0.0) + max(name.low - weight, 0.0))


@njit(cache=True, forceinline=True)
def inside(name: Record, units: int) -> bool:
    """Whether a trade keeps the security's own bounds."""
    return bool(_outside(name, weight_of(name, units)) <= 0.0)


@njit(cache=True, forceinline=True)
def change_of(data: Columns, state: State, i: int, trade: int, slope: float) -> Change:
    """What changes when security i trades `trade` instead of what it does now."""
    name = data.security[i]
    old = weight_of(name, state.units[i])
    new = weight_of(name, trade)
    delta, held = new - old, name.held
    traded = abs(new - held) - abs(old - held)
    variance = (2.0 * slope + (name.factor_square + name.specific) * delta) * delta
    g = name.group
    if data.washed[g]:
        before = group_parts(data, state.units, g, i, state.units[i])
        after = group_parts(data, state.units, g, i, trade)
    else:
        before = parts_of(name, data.lot, state.units[i])
        after = parts_of(name, data.lot, trade)
    ticket = 0.0
    if name.ticket > 0.0:
        ticket = name.ticket * (int(trade != 0) - int(state.units[i] != 0))
    return Change(
        delta,
        delta + name.cost * traded + ticket,
        variance,
        after[0] - before[0] + name.toll * traded + ticket,
        traded,
        after[1] - before[1],
        after[2] - before[2],
        _outside(name, new) - _outside(name, old),
        after[3],
        int(holds(name, new)) - int(holds(name, old)),
    )


@njit(cache=True, forceinline=True)
def least_gain(
    data: Columns, aversion: float, i: int, now: int, tax: float, slope: float, trade: int
) -> tuple[float, float]:
    """Change of risk, tax and toll alone, in a group that nothing washes; and of cash use.

    `tax` is that of the trade made now. A trade that gains nothing here need not be looked at.
    """
    name = data.security[i]
    old, new, held = weight_of(name, now), weight_of(name, trade), name.held
    delta, traded = new - old, abs(new - held) - abs(old - held)
    variance = (2.0 * slope + (name.factor_square + name.specific) * delta) * delta
    ticket = 0.0
    if name.ticket > 0.0:
        ticket = name.ticket * (int(trade != 0) - int(now != 0))
    cost = tax_alone(name, data.lot, trade) - tax + name.toll * traded + ticket
    return aversion * 0.5 * variance + cost, delta + name.cost * traded + ticket


@njit(cache=True, forceinline=True)
def legal(data: Columns, state: State, i: int, trade: int, loss: bool) -> bool:
    """Nothing is bought in a group that is sold at a loss (W27)."""
    g, now = data.security[i].group, state.units[i]
    if trade > 0 and state.losses[g] - state.loss[i] > 0:
        return False
    return not (loss and state.buys[g] - (now > 0) > 0)


@njit(cache=True, forceinline=True)
def broken_of(data: Columns, limits: Limits, level: Floats, total: Floats) -> float:
    """How far limits are exceeded, as weights."""
    broken = 0.0
    for r in range(level.shape[0]):
        broken += max(level[r] - data.row_high[r], 0.0) + max(data.row_low[r] - level[r], 0.0)
    if total[VARIANCE] > limits.max_variance:
        broken += np.sqrt(total[VARIANCE]) - np.sqrt(limits.max_variance)
    broken += max(0.5 * total[TRADED] - limits.max_turnover, 0.0)
    broken += max(total[SHORT] - limits.short_gain, 0.0)
    broken += NAME * max(total[NAMES] - limits.max_names, 0.0)
    return float(broken + max(total[LONG] - limits.long_gain, 0.0))


@njit(cache=True, forceinline=True)
def broken_after(
    data: Columns, limits: Limits, state: State, i: int, c: Change, scratch: Floats, sums: Floats
) -> float:
    """The same after one change."""
    scratch[:] = state.level
    sums[:] = state.total
    scratch[0] += c.use
    row = data.security[i].row
    if row >= 0:
        scratch[row] += c.weight
    sums[VARIANCE] += c.variance
    sums[TRADED] += c.traded
    sums[SHORT] += c.short
    sums[LONG] += c.long
    sums[NAMES] += c.names
    return c.outside + broken_of(data, limits, scratch, sums)


@njit(cache=True)
def apply(data: Columns, state: State, i: int, trade: int, c: Change) -> None:
    """Make the trade."""
    g, now = data.security[i].group, state.units[i]
    state.losses[g] += int(c.loss) - int(state.loss[i])
    state.loss[i] = c.loss
    state.buys[g] += int(trade > 0) - int(now > 0)
    for f in range(state.exposure.shape[0]):
        state.exposure[f] += data.factor[i, f] * c.weight
    state.level[0] += c.use
    row = data.security[i].row
    if row >= 0:
        state.level[row] += c.weight
    state.total[VARIANCE] += c.variance
    state.total[TAX] += c.tax
    state.total[TRADED] += c.traded
    state.total[SHORT] += c.short
    state.total[LONG] += c.long
    state.total[NAMES] += c.names
    state.units[i] = trade


@njit(cache=True, forceinline=True)
def propose(data: Columns, state: State, goal: Goal, i: int, slope: float, out: Codes) -> int:
    """Candidate trades of one security while the others stay, one unit either way included."""
    name = data.security[i]
    w = weight_of(name, state.units[i])
    curve = goal.guide * (name.factor_square + name.specific)
    centre = w - goal.guide * slope / curve
    return candidates(name, data.lot, centre, curve, 0.0, goal.cash, out)


@njit(cache=True)
def excess(data: Columns, limits: Limits, state: State) -> float:
    """By how much limits and the securities' own bounds are exceeded, as weights."""
    broken = broken_of(data, limits, state.level, state.total)
    for i in range(data.security.shape[0]):
        name = data.security[i]
        broken += max(_outside(name, weight_of(name, state.units[i])) - 1e-9, 0.0)
    return broken


@njit(cache=True)
def broken_by(data: Columns, limits: Limits, state: State) -> float:
    """How far limits over the whole account are exceeded, as weights."""
    return broken_of(data, limits, state.level, state.total)
