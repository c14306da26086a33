"""Where only so many securities may be held: which to hold, which to close, which to swap.

A name is worth what holding it takes off the relaxation, its best weight against none. The names
held in a plan are those worth most; then single names are closed and others opened in their place.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from opensma.construct.branch import value_at
from opensma.construct.columns import Columns, Limits, product
from opensma.construct.grid import CANDIDATES, candidates, fixed_cost, holds, weight_of
from opensma.construct.problem import Codes, Floats
from opensma.construct.state import (
    GAIN,
    NAMES,
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

_OPENED = 40  # names that are tried in place of one that is held


@njit(cache=True)
def _both_ways(
    data: Columns, aversion: float, prices: Floats, worth: Floats, hold: Codes, close: Codes
) -> None:
    """Fill what holding each name is worth, and its best legal trades with and without it.

    Infinite where it cannot be closed, and minus infinity where it cannot be held.
    """
    out, k = np.zeros(CANDIDATES, dtype=np.int64), data.factor.shape[1]
    cash = float(prices[k])
    for i in range(worth.shape[0]):
        name, pull = data.security[i], product(data.factor, i, prices)
        if name.row >= 0:
            pull += prices[k + name.row]
        centre, curve = name.target, aversion * name.specific
        with_it, without = np.inf, np.inf
        hold[i] = close[i] = 0
        for c in range(candidates(name, data.lot, centre, curve, pull, cash, out)):
            w = weight_of(name, out[c])
            value = value_at(name, data.lot, w, centre, curve, pull, cash)
            value += fixed_cost(name, out[c], cash)
            if holds(name, w):
                if value - name.keep < with_it:
                    with_it, hold[i] = value - name.keep, out[c]
            elif value < without:
                without, close[i] = value, out[c]
        worth[i] = -np.inf if with_it == np.inf else without - with_it


@njit(cache=True)
def worths(data: Columns, aversion: float, prices: Floats) -> Floats:
    """(n,) what holding each name is worth at these multipliers, its own price left out."""
    n = data.security.shape[0]
    worth = np.zeros(n)
    hold, close = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
    _both_ways(data, aversion, prices, worth, hold, close)
    return worth


@njit(cache=True)
def pick(data: Columns, aversion: float, prices: Floats, most: float, units: Codes) -> float:
    """Fill the best trades that hold at most so many names; returns the price of a name."""
    n = data.security.shape[0]
    worth, hold = np.zeros(n), np.zeros(n, dtype=np.int64)
    _both_ways(data, aversion, prices, worth, hold, units)
    order, left = np.argsort(-worth, kind="mergesort"), most
    for at in range(n):
        i = order[at]
        if worth[i] == np.inf or (left >= 1.0 and worth[i] > 0.0):
            units[i] = hold[i]
            left -= 1.0
    return float(data.security[0].keep) if n else 0.0


@njit(cache=True)
def _full_sale(data: Columns, i: int) -> int:
    """Units that sell all of a security; 0 where it may not be."""
    name = data.security[i]
    if not holds(name, name.held) or name.low > 0.0:
        return 0
    return int(-name.empty_units - (0 if name.whole else 1))


@njit(cache=True)
def trim(data: Columns, limits: Limits, goal: Goal, state: State) -> None:
    """Close the names that are worth least until no more are held than may be."""
    while state.total[NAMES] > limits.max_names:
        best, closed, trade = np.inf, -1, 0
        for i in range(data.security.shape[0]):
            name, now = data.security[i], state.units[i]
            w = weight_of(name, now)
            if not holds(name, w):
                continue
            other = _full_sale(data, i)
            if other == 0 and name.held > 0.0 and holds(name, name.held):
                continue
            change = change_of(data, state, i, other, slope_of(data, state, i, w))
            gain = goal.guide * 0.5 * change.variance + change.tax + goal.cash * change.use
            gain += goal.turnover * change.traded + PENALTY * change.outside
            gain += goal.short_gain * change.short + goal.long_gain * change.long
            if gain < best and legal(data, state, i, other, change.loss):
                best, closed, trade = gain, i, other
        if closed < 0:
            return
        slope = slope_of(data, state, closed, weight_of(data.security[closed], state.units[closed]))
        apply(data, state, closed, trade, change_of(data, state, closed, trade, slope))


@njit(cache=True)
def _openings(data: Columns, goal: Goal, state: State) -> Codes:
    """The names not held that would help most, were one more allowed; and what is bought."""
    n = data.security.shape[0]
    score = np.full(n, np.inf)
    out = np.zeros(CANDIDATES, dtype=np.int64)
    for i in range(n):
        name = data.security[i]
        w = weight_of(name, state.units[i])
        if holds(name, w) or name.high <= 0.0:
            continue
        slope = slope_of(data, state, i, w)
        for c in range(propose(data, state, goal, i, slope, out)):
            if out[c] == state.units[i] or not holds(name, weight_of(name, out[c])):
                continue
            change = change_of(data, state, i, out[c], slope)
            if legal(data, state, i, out[c], change.loss):
                gain = goal.guide * 0.5 * change.variance + change.tax + goal.cash * change.use
                score[i] = min(score[i], gain)
    order = np.argsort(score, kind="mergesort")[:_OPENED]
    return order[score[order] < np.inf]


@njit(cache=True)
def swaps(data: Columns, limits: Limits, goal: Goal, state: State) -> int:
    """Close a name and open the best other in its place while that helps; returns how many.

    What is bought is the best by itself, or as much as the sale has paid for.
    """
    if state.total[NAMES] < limits.max_names:
        return 0
    made, opened = 0, _openings(data, goal, state)
    out = np.zeros(CANDIDATES + 1, dtype=np.int64)
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    for i in range(data.security.shape[0]):
        name, old = data.security[i], state.units[i]
        w = weight_of(name, old)
        if not holds(name, w):
            continue
        trade = _full_sale(data, i)
        if trade == 0 and holds(name, name.held):
            continue
        broken = broken_by(data, limits, state)
        first = change_of(data, state, i, trade, slope_of(data, state, i, w))
        if not legal(data, state, i, trade, first.loss):
            continue
        owed = goal.aversion * 0.5 * first.variance + first.tax + PENALTY * first.outside
        apply(data, state, i, trade, first)
        best, other, units = -GAIN, -1, 0
        for at in range(opened.shape[0]):
            j = opened[at]
            theirs, now = data.security[j], state.units[j]
            if j == i or holds(theirs, weight_of(theirs, now)):
                continue
            slope = slope_of(data, state, j, weight_of(theirs, now))
            count = propose(data, state, goal, j, slope, out)
            paid = int((min(-first.weight, theirs.high) - theirs.held) / theirs.step)
            if paid * theirs.step >= max(theirs.least, theirs.smallest - theirs.held) and paid > 0:
                out[count] = paid
                count += 1
            for c in range(count):
                if out[c] == now:
                    continue
                change = change_of(data, state, j, out[c], slope)
                worse = broken_after(data, limits, state, j, change, scratch, sums) - broken
                gain = owed + goal.aversion * 0.5 * change.variance + change.tax + PENALTY * worse
                if gain < best and legal(data, state, j, out[c], change.loss):
                    best, other, units = gain, j, out[c]
        if other >= 0:
            slope = slope_of(
                data, state, other, weight_of(data.security[other], state.units[other])
            )
            apply(data, state, other, units, change_of(data, state, other, units, slope))
            made += 1
        else:
            slope = slope_of(data, state, i, weight_of(name, trade))
            apply(data, state, i, old, change_of(data, state, i, old, slope))
    return made
