"""One account from columns to whole units: relax, bound, choose modes, solve again, round, improve.

Compiled end to end. `Prices` are the dual's multipliers; they warm-start the next solve.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from opensma.construct.columns import Columns, Limits
from opensma.construct.dual import climb
from opensma.construct.grid import cheapest, holds, modes_of, round_to
from opensma.construct.names import pick, swaps, trim
from opensma.construct.problem import Codes, Floats, Mask
from opensma.construct.search import improve
from opensma.construct.state import TAX, VARIANCE, Goal, State, excess, part_groups, start
from opensma.construct.thorough import FEW, thorough

_SOFT = 1e-3
_BLUR = 1e-5
_NEAR = 1e-9
_SWAPPED = 4  # rounds of swaps where names are limited


@njit(cache=True)
def first_rows(
    data: Columns, aversion: float, mode: Codes, prices: Floats, centre: Floats, weight: Floats
) -> int:
    """Put rows at today's level or, where that breaks a band, where they would go without bands.

    From cold prices, which take a first climb then; returns Newton steps.
    """
    weight[:] = data.security["held"]
    if _level_rows(data, weight, centre):
        return 0
    _, _, steps = climb(data, aversion, mode, prices, _BLUR, 0.0, centre, weight, 2e-3)
    _level_rows(data, weight, centre)
    return steps


@njit(cache=True)
def _level_rows(data: Columns, weight: Floats, centre: Floats) -> bool:
    """Fill the level of every row at these weights, moved into its band; whether none was moved."""
    centre[:] = 0.0
    for i in range(data.security.shape[0]):
        name = data.security[i]
        centre[0] += weight[i] + name.cost * abs(weight[i] - name.held)
        if name.row >= 0:
            centre[name.row] += weight[i]
    kept = True
    for r in range(centre.shape[0]):
        level = centre[r]
        centre[r] = min(max(level, data.row_low[r]), data.row_high[r])
        kept = kept and level == centre[r]
    return kept


@njit(cache=True)
def settle_rows(data: Columns, prices: Floats, centre: Floats) -> float:
    """Move each row's centre to where its price holds it; returns the largest move."""
    k, moved = data.factor.shape[1], 0.0
    for r in range(centre.shape[0]):
        level = centre[r] + prices[k + r] / _SOFT
        level = min(max(level, data.row_low[r]), data.row_high[r])
        moved = max(moved, abs(level - centre[r]))
        centre[r] = level
    return moved


@njit(cache=True)
def relax(
    data: Columns, aversion: float, prices: Floats, centre: Floats, weight: Floats, cold: bool
) -> int:
    """Maximise the dual of the account with every mode open; returns Newton steps.

    `cold`: prices are 0 and nothing is known of the rows' levels yet.
    """
    mode = np.zeros(weight.shape[0], dtype=np.int64)
    steps, blur = 0, _BLUR
    if cold:
        steps += first_rows(data, aversion, mode, prices, centre, weight)
    for near in (1e-4, 1e-6):
        _, _, done = climb(data, aversion, mode, prices, blur, _SOFT, centre, weight, near)
        steps += done
        settle_rows(data, prices, centre)
        blur *= 0.03
    return steps


@njit(cache=True)
def fixed(
    data: Columns, aversion: float, mode: Codes, prices: Floats, centre: Floats, weight: Floats
) -> tuple[float, float, int]:
    """Solve with modes fixed (convex) to the last digit; dual value, residual, Newton steps."""
    steps, height, residual = 0, 0.0, 0.0
    for _ in range(20):
        height, residual, done = climb(
            data, aversion, mode, prices, 1e-9, _SOFT, centre, weight, _NEAR
        )
        steps += done
        if settle_rows(data, prices, centre) < 1e-9 or residual > 1e-6:
            break
    return height, residual, steps


@njit(cache=True)
def choose(
    data: Columns,
    limits: Limits,
    aversion: float,
    prices: Floats,
    centre: Floats,
    weight: Floats,
    kept: Mask,
) -> tuple[State, float]:
    """Whole units near the relaxation at `prices`, improved; and what limits are still broken.

    `kept` (G,) are groups that better sell nothing at a loss than buy nothing.
    """
    n, k = data.factor.shape
    units, mode = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    keep = 0.0
    if limits.max_names < np.inf:
        keep = pick(data, aversion, prices, limits.max_names, units)
    else:
        cheapest(data, aversion, prices, units)
    modes_of(data, units, mode)
    settled = prices.copy()
    _, residual, _ = fixed(data, aversion, mode, settled, centre, weight)
    if residual < 1e-6:
        round_to(data, mode, weight, units)
        prices[:] = settled
    part_groups(data, units, kept)
    state = start(data, units)
    goal = Goal(aversion, aversion, float(prices[k]), 0.0, 0.0, 0.0, keep)
    broken = _improve(data, limits, goal, state)
    if n <= FEW:  # a share weighs much and rounding leads astray: start from nothing as well
        idle = np.zeros(n, dtype=np.int64)
        state, broken = _better(data, limits, goal, state, broken, idle)
    return state, broken


@njit(cache=True)
def _better(
    data: Columns, limits: Limits, goal: Goal, state: State, broken: float, units: Codes
) -> tuple[State, float]:
    """The given state, or what another start leads to where that is better."""
    other = start(data, units)
    again = _improve(data, limits, goal, other)
    if again < broken or (again == broken and _value(goal, other) < _value(goal, state)):
        return other, again
    return state, broken


@njit(cache=True)
def _improve(data: Columns, limits: Limits, goal: Goal, state: State) -> float:
    """Search from here; returns by how much limits are still broken."""
    if limits.max_names < np.inf:
        trim(data, limits, goal, state)
    broken = improve(data, limits, goal, state)
    if limits.max_names < np.inf:
        for _ in range(_SWAPPED):
            if swaps(data, limits, goal, state) == 0:
                break
            broken = improve(data, limits, goal, state)
    if data.security.shape[0] <= FEW:
        thorough(data, limits, goal, state)
        broken = excess(data, limits, state)
    return broken


@njit(cache=True)
def _value(goal: Goal, state: State) -> float:
    return float(0.5 * goal.aversion * state.total[VARIANCE] + state.total[TAX])


@njit(cache=True)
def rounded(data: Columns, weight: Floats, kept: Mask) -> Codes:
    """Whole units near these weights, as far as no group sells at a loss what it buys."""
    units, free = np.zeros(weight.shape[0], np.int64), np.zeros(weight.shape[0], np.int64)
    round_to(data, free, weight, units)
    part_groups(data, units, kept)
    return units


@njit(cache=True)
def finish(data: Columns, limits: Limits, units: Codes, goal: Goal) -> tuple[State, float]:
    """Improve given trades under another objective; and what limits are still broken."""
    state = start(data, units.copy())
    return state, _improve(data, limits, goal, state)


@njit(cache=True)
def measures(data: Columns, weight: Floats) -> Floats:
    """(5,) variance, one-way turnover, short and long gains, losses counted, and names held."""
    n, k = data.factor.shape
    exposure, found = np.zeros(k), np.zeros(5)
    for i in range(n):
        name = data.security[i]
        gap, sold = weight[i] - name.target, name.held - weight[i]
        for f in range(k):
            exposure[f] += data.factor[i, f] * gap
        found[0] += name.specific * gap * gap
        found[1] += 0.5 * abs(sold)
        found[4] += holds(name, weight[i])
        for at in range(name.start, name.stop):
            if sold <= 0.0:
                break
            lot = data.lot[at]
            width = min(sold, lot.width)
            found[3 if lot.long_term else 2] += lot.gain * width
            sold -= width
    for f in range(k):
        found[0] += exposure[f] * exposure[f]
    return found
