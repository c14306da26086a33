"""Search where names are few: one share weighs much there and rounding leads astray.

Every pair of wide moves is tried, and where names are very few every three.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from opensma.construct.columns import Columns, Limits
from opensma.construct.grid import CANDIDATES, stub, weight_of
from opensma.construct.problem import Codes, Floats
from opensma.construct.search import SWEEPS
from opensma.construct.state import (
    GAIN,
    PENALTY,
    TOTALS,
    Goal,
    State,
    apply,
    broken_after,
    broken_by,
    change_of,
    legal,
    propose,
    slope_of,
)

FEW = 24  # names up to which it runs
_VERY_FEW = 6  # names up to which it tries three trades at once
_REACH = 3  # units either way


@njit(cache=True)
def _wide(data: Columns, state: State, goal: Goal, i: int, out: Codes) -> int:
    """Many trades of one security: what `propose` gives, and a few units either way."""
    name, now = data.security[i], state.units[i]
    slope = slope_of(data, state, i, weight_of(name, now))
    count = propose(data, state, goal, i, slope, out)
    smallest = max(1, int(np.ceil(name.least / name.step * (1.0 - 1e-12))))
    for away in range(-_REACH, _REACH + 1):
        trade = now + away
        if abs(trade) < smallest or away == 0:
            trade = smallest * away
        if trade == 0 or trade < -name.part_units or stub(name, trade):
            continue
        w = weight_of(name, trade)
        if name.low - 1e-12 <= w <= name.high + 1e-12 or (trade < 0 and name.high < name.held):
            out[count] = trade
            count += 1
    return count


@njit(cache=True)
def thorough(data: Columns, limits: Limits, goal: Goal, state: State) -> int:
    """Every pair of wide moves, where names are few and one share weighs much; moves made.

    Where they are very few, every three at once.
    """
    n, made = data.security.shape[0], 0
    room = CANDIDATES + 2 * _REACH + 1
    mine, second, third = (
        np.zeros(room, dtype=np.int64),
        np.zeros(room, dtype=np.int64),
        np.zeros(room, dtype=np.int64),
    )
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    for _ in range(SWEEPS):
        before = made
        for i in range(n):
            broken = broken_by(data, limits, state)
            count = _wide(data, state, goal, i, mine)
            for c in range(count):
                made += _with_partner(
                    data, limits, goal, state, i, mine[c], second, 0.0, broken, scratch, sums
                )
                broken = broken_by(data, limits, state)
                if n <= _VERY_FEW:
                    made += _with_two(
                        data, limits, goal, state, i, mine[c], second, third, scratch, sums
                    )
                    broken = broken_by(data, limits, state)
        if made == before:
            break
    return made


@njit(cache=True)
def _with_two(
    data: Columns,
    limits: Limits,
    goal: Goal,
    state: State,
    i: int,
    trade: int,
    second: Codes,
    third: Codes,
    scratch: Floats,
    sums: Floats,
) -> int:
    """Make this trade with the first two others found that make it worth while; 1 when made."""
    old = state.units[i]
    if trade == old:
        return 0
    broken = broken_by(data, limits, state)
    first = change_of(
        data, state, i, trade, slope_of(data, state, i, weight_of(data.security[i], old))
    )
    if not legal(data, state, i, trade, first.loss):
        return 0
    owed = goal.aversion * 0.5 * first.variance + first.tax + PENALTY * first.outside
    apply(data, state, i, trade, first)
    for j in range(data.security.shape[0]):
        if j == i:
            continue
        count = _wide(data, state, goal, j, second)
        for c in range(count):
            if _with_partner(
                data, limits, goal, state, j, second[c], third, owed, broken, scratch, sums
            ):
                return 1
    slope = slope_of(data, state, i, weight_of(data.security[i], trade))
    apply(data, state, i, old, change_of(data, state, i, old, slope))
    return 0


@njit(cache=True)
def _with_partner(
    data: Columns,
    limits: Limits,
    goal: Goal,
    state: State,
    i: int,
    trade: int,
    theirs: Codes,
    owed: float,
    broken: float,
    scratch: Floats,
    sums: Floats,
) -> int:
    """Make this trade, alone or with the best second one, when that helps; 1 when made.

    `owed` is what an earlier trade of the same move has cost, `broken` what was broken before it.
    """
    old = state.units[i]
    if trade == old:
        return 0
    first = change_of(
        data, state, i, trade, slope_of(data, state, i, weight_of(data.security[i], old))
    )
    if not legal(data, state, i, trade, first.loss):
        return 0
    gain = owed + goal.aversion * 0.5 * first.variance + first.tax + PENALTY * first.outside
    apply(data, state, i, trade, first)
    best = gain + PENALTY * (broken_by(data, limits, state) - broken)
    partner, with_trade = -1, 0
    for j in range(data.security.shape[0]):
        if j == i:
            continue
        slope = slope_of(data, state, j, weight_of(data.security[j], state.units[j]))
        count = _wide(data, state, goal, j, theirs)
        for c in range(count):
            if theirs[c] == state.units[j]:
                continue
            second = change_of(data, state, j, theirs[c], slope)
            worse = broken_after(data, limits, state, j, second, scratch, sums) - broken
            both = gain + goal.aversion * 0.5 * second.variance + second.tax + PENALTY * worse
            if both < best - 1e-15 and legal(data, state, j, theirs[c], second.loss):
                best, partner, with_trade = both, j, theirs[c]
    if best < -GAIN:
        if partner >= 0:
            slope = slope_of(
                data, state, partner, weight_of(data.security[partner], state.units[partner])
            )
            change = change_of(data, state, partner, with_trade, slope)
            apply(data, state, partner, with_trade, change)
        return 1
    slope = slope_of(data, state, i, weight_of(data.security[i], trade))
    apply(data, state, i, old, change_of(data, state, i, old, slope))
    return 0
