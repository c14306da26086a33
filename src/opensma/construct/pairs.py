"""Two trades at once: one that frees cash and one that uses it, the best pair of a short list.

What every listed move would change is kept up to date while pairs are made.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from opensma.construct.columns import Columns, Limits, product
from opensma.construct.grid import CANDIDATES, weight_of
from opensma.construct.problem import Codes, Floats
from opensma.construct.state import (
    GAIN,
    LONG,
    NAMES,
    PENALTY,
    SHORT,
    TOTALS,
    TRADED,
    VARIANCE,
    Change,
    Goal,
    State,
    apply,
    broken_of,
    change_of,
    inside,
    least_gain,
    legal,
    propose,
    slope_of,
)
from opensma.construct.wash import tax_alone

_PAIRS = 24
_FIELDS = 10  # of a `Change`, as a row of a table


@njit(cache=True)
def _best_moves(
    data: Columns,
    goal: Goal,
    state: State,
    security: Codes,
    trade: Codes,
    near: Floats,
    most: float,
) -> tuple[int, int]:
    """The most promising trades that use cash (first half) and free it (second half).

    `near[i]` is how promising security i was when it was looked at; above `most` it is passed by.
    """
    half = security.shape[0] // 2
    score = np.full(security.shape[0], np.inf)
    out = np.zeros(CANDIDATES + 2, dtype=np.int64)
    unpriced = goal.turnover == goal.names == goal.short_gain == goal.long_gain == 0.0
    for i in range(data.security.shape[0]):
        name = data.security[i]
        if near[i] > most or (name.low >= name.held and name.high <= name.held):
            continue
        near[i] = np.inf
        slope = slope_of(data, state, i, weight_of(name, state.units[i]))
        now = state.units[i]
        plain = unpriced and not data.washed[name.group] and inside(name, now)
        tax = tax_alone(name, data.lot, now) if plain else 0.0
        count = propose(data, state, goal, i, slope, out)
        for c in range(count):
            if out[c] == now:
                continue
            if plain:
                gain, use = least_gain(data, goal.guide, i, now, tax, slope, out[c])
                gain += goal.cash * use
                if gain >= score[(half if use > 0.0 else 2 * half) - 1]:
                    near[i] = min(near[i], gain)
                    continue
            change = change_of(data, state, i, out[c], slope)
            gain = goal.guide * 0.5 * change.variance + change.tax + goal.cash * change.use
            gain += goal.turnover * change.traded + PENALTY * change.outside
            gain += goal.short_gain * change.short + goal.long_gain * change.long
            gain += goal.names * change.names
            near[i] = min(near[i], gain)
            side = 0 if change.use > 0.0 else half
            if legal(data, state, i, out[c], change.loss):
                _insert(score, security, trade, side, half, gain, i, out[c])
    up = np.sum(score[:half] < np.inf)
    return int(up), int(np.sum(score[half:] < np.inf))


@njit(cache=True)
def _cutoff(near: Floats, wanted: int) -> float:
    """How promising a security must be to be looked at again: those listed, and as many more."""
    if near.shape[0] <= wanted:
        return np.inf
    return float(np.partition(near, wanted)[wanted])


@njit(cache=True, forceinline=True)
def _insert(
    score: Floats,
    security: Codes,
    trade: Codes,
    first: int,
    room: int,
    gain: float,
    i: int,
    units: int,
) -> None:
    """Keep the list of the best moves in order."""
    if gain >= score[first + room - 1]:
        return
    place = first + room - 1
    while place > first and score[place - 1] > gain:
        score[place] = score[place - 1]
        security[place] = security[place - 1]
        trade[place] = trade[place - 1]
        place -= 1
    score[place], security[place], trade[place] = gain, i, units


@njit(cache=True)
def pairs(
    data: Columns, limits: Limits, goal: Goal, state: State, rounds: int, near: Floats
) -> int:
    """Two trades at once, one that frees cash and one that uses it; returns how many pairs.

    `near` (n,) remembers how promising each security is; start with minus infinity.
    """
    security = np.zeros(2 * _PAIRS, dtype=np.int64)
    trade = np.zeros(2 * _PAIRS, dtype=np.int64)
    covariance = np.zeros((2 * _PAIRS, 2 * _PAIRS))
    one = np.zeros((2 * _PAIRS, _FIELDS))
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    made = 0
    for _ in range(rounds):
        most = _cutoff(near, 6 * _PAIRS)
        up, down = _best_moves(data, goal, state, security, trade, near, most)
        before = made
        _products(data, security, up, down, covariance)
        for m in range(2 * _PAIRS):
            if m < up or _PAIRS <= m < _PAIRS + down:
                _look(data, state, security, trade, one, m)
        while made < before + _PAIRS:
            left, right = _best_pair(
                data, limits, goal, state, security, trade, covariance, one, up, down, scratch, sums
            )
            if left < 0:
                break
            _make(data, state, security, trade, covariance, one, up, down, left, right)
            made += 1
        if made == before:
            break
    return made


@njit(cache=True)
def _look(data: Columns, state: State, security: Codes, trade: Codes, one: Floats, m: int) -> None:
    """Fill a row with what changes when a listed move is made."""
    i = security[m]
    slope = slope_of(data, state, i, weight_of(data.security[i], state.units[i]))
    _write(one, m, change_of(data, state, i, trade[m], slope))


@njit(cache=True)
def _products(data: Columns, security: Codes, up: int, down: int, covariance: Floats) -> None:
    """Factor covariance of all listed securities."""
    for a in range(2 * _PAIRS):
        if up <= a < _PAIRS or a >= _PAIRS + down:
            continue
        for b in range(a + 1):
            if up <= b < _PAIRS:
                continue
            both = product(data.factor, security[a], data.factor[security[b]])
            covariance[a, b] = covariance[b, a] = both


@njit(cache=True)
def _make(
    data: Columns,
    state: State,
    security: Codes,
    trade: Codes,
    covariance: Floats,
    one: Floats,
    up: int,
    down: int,
    left: int,
    right: int,
) -> None:
    """Make a pair, and bring what the other listed moves would change up to date."""
    first, second = one[left, 0], one[right, 0]
    for m in (left, right):
        i = security[m]
        slope = slope_of(data, state, i, weight_of(data.security[i], state.units[i]))
        apply(data, state, i, trade[m], change_of(data, state, i, trade[m], slope))
    one_group = data.security[security[left]].group
    two_group = data.security[security[right]].group
    for m in range(2 * _PAIRS):
        if up <= m < _PAIRS or m >= _PAIRS + down:
            continue
        group = data.security[security[m]].group
        if group in (one_group, two_group):
            _look(data, state, security, trade, one, m)
        else:
            moved = covariance[m, left] * first + covariance[m, right] * second
            one[m, 2] += 2.0 * one[m, 0] * moved


@njit(cache=True)
def _best_pair(
    data: Columns,
    limits: Limits,
    goal: Goal,
    state: State,
    security: Codes,
    trade: Codes,
    covariance: Floats,
    one: Floats,
    up: int,
    down: int,
    scratch: Floats,
    sums: Floats,
) -> tuple[int, int]:
    """The best pair of the listed moves; -1 when none helps."""
    broken = broken_of(data, limits, state.level, state.total)
    best, left, right = -GAIN, -1, -1
    for a in range(up):
        i = security[a]
        if state.units[i] == trade[a]:
            continue
        for b in range(_PAIRS, _PAIRS + down):
            j = security[b]
            cross = 2.0 * covariance[a, b] * one[a, 0] * one[b, 0]
            gain = goal.aversion * 0.5 * (one[a, 2] + one[b, 2] + cross) + one[a, 3] + one[b, 3]
            if gain >= best and broken <= 0.0 and one[a, 8] + one[b, 8] >= 0.0:
                continue
            if state.units[j] == trade[b] or data.security[i].group == data.security[j].group:
                continue
            _shift(data, state, i, one[a], scratch, sums, True)
            _shift(data, state, j, one[b], scratch, sums, False)
            sums[VARIANCE] += cross
            gain += PENALTY * (broken_of(data, limits, scratch, sums) - broken)
            gain += PENALTY * (one[a, 8] + one[b, 8])
            if gain < best and _both_legal(data, state, i, trade[a], one[a], j, trade[b], one[b]):
                best, left, right = gain, a, b
    return left, right


@njit(cache=True)
def _both_legal(
    data: Columns, state: State, i: int, buy: int, one: Floats, j: int, sale: int, other: Floats
) -> bool:
    first = legal(data, state, i, buy, one[7] > 0.0)
    return bool(first and legal(data, state, j, sale, other[7] > 0.0))


@njit(cache=True)
def _write(table: Floats, m: int, c: Change) -> None:
    table[m, 0], table[m, 1], table[m, 2], table[m, 3] = c.weight, c.use, c.variance, c.tax
    table[m, 4], table[m, 5], table[m, 6] = c.traded, c.short, c.long
    table[m, 7], table[m, 8] = 1.0 if c.loss else 0.0, c.outside
    table[m, 9] = c.names


@njit(cache=True, forceinline=True)
def _shift(
    data: Columns, state: State, i: int, c: Floats, scratch: Floats, sums: Floats, anew: bool
) -> None:
    """Row levels and totals after one more change."""
    if anew:
        scratch[:] = state.level
        sums[:] = state.total
    scratch[0] += c[1]
    row = data.security[i].row
    if row >= 0:
        scratch[row] += c[0]
    sums[VARIANCE] += c[2]
    sums[TRADED] += c[4]
    sums[SHORT] += c[5]
    sums[LONG] += c[6]
    sums[NAMES] += c[9]
