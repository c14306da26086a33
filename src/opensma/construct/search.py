"""Local search over whole units: one trade at a time, then pairs, with exact differences."""

from __future__ import annotations

import numpy as np
from numba import njit

from opensma.construct.columns import Columns, Limits
from opensma.construct.grid import CANDIDATES, empties, stub, weight_of
from opensma.construct.pairs import pairs
from opensma.construct.problem import Floats
from opensma.construct.state import (
    GAIN,
    PENALTY,
    TOTALS,
    Goal,
    State,
    apply,
    broken_after,
    broken_of,
    change_of,
    excess,
    inside,
    least_gain,
    legal,
    propose,
    slope_of,
)
from opensma.construct.wash import tax_alone

SWEEPS = 12
_PASSES = 6  # of single trades, before pairs are tried
_FAR = 3e-7  # of V: trades further from helping than this wait for the last sweep
_WORTH = 3  # pairs made, from which another round pays


@njit(cache=True)
def repair(data: Columns, limits: Limits, goal: Goal, state: State) -> None:
    """Bring rounded trades back inside the limits by single units, so that no choice is undone."""
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    for _ in range(SWEEPS):
        broken, changed = broken_of(data, limits, state.level, state.total), False
        if broken <= 0.0:
            return
        for i in range(data.security.shape[0]):
            now, name = state.units[i], data.security[i]
            if now == 0 or (now < 0 and empties(name, now)):
                continue
            slope = slope_of(data, state, i, weight_of(name, now))
            best, trade = -GAIN, now
            for other in (now - 1, now + 1):
                if abs(other) * name.step < name.least or other < -name.part_units or other == 0:
                    continue
                w = weight_of(name, other)
                if stub(name, other):
                    continue
                if w > name.high + 1e-12 or w < name.low - 1e-12:
                    continue
                change = change_of(data, state, i, other, slope)
                worse = broken_after(data, limits, state, i, change, scratch, sums) - broken
                gain = goal.aversion * 0.5 * change.variance + change.tax + PENALTY * worse
                if gain < best and legal(data, state, i, other, change.loss):
                    best, trade = gain, other
            if trade != now:
                apply(data, state, i, trade, change_of(data, state, i, trade, slope))
                broken, changed = broken_of(data, limits, state.level, state.total), True
                if broken <= 0.0:
                    return
        if not changed:
            return


@njit(cache=True)
def singles(
    data: Columns, limits: Limits, goal: Goal, state: State, margin: Floats, full: bool
) -> int:
    """Improve one trade at a time until nothing helps; returns how many were changed.

    `margin[i]` is how far security i was from a better trade; after the first sweep (or at once,
    unless `full`) only those that were near are looked at.
    """
    out = np.zeros(CANDIDATES, dtype=np.int64)
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    changed, n = 0, data.security.shape[0]
    broken = broken_of(data, limits, state.level, state.total)
    for sweep in range(_PASSES):
        before = changed
        for i in range(n):
            name = data.security[i]
            if name.low >= name.held and name.high <= name.held:
                continue
            if margin[i] > _FAR and not (full and sweep == 0):
                continue
            slope = slope_of(data, state, i, weight_of(name, state.units[i]))
            best, trade, found, nearest = -GAIN, 0, False, np.inf
            now = state.units[i]
            plain = broken <= 0.0 and not data.washed[name.group] and inside(name, now)
            tax = tax_alone(name, data.lot, now) if plain else 0.0
            count = propose(data, state, goal, i, slope, out)
            for c in range(count):
                if out[c] == now:
                    continue
                if plain:
                    least, _ = least_gain(data, goal.aversion, i, now, tax, slope, out[c])
                    if least >= best:
                        nearest = min(nearest, least)
                        continue
                change = change_of(data, state, i, out[c], slope)
                worse = broken_after(data, limits, state, i, change, scratch, sums) - broken
                gain = goal.aversion * 0.5 * change.variance + change.tax + PENALTY * worse
                nearest = min(nearest, gain)
                if gain < best and legal(data, state, i, out[c], change.loss):
                    best, trade, found = gain, out[c], True
            margin[i] = nearest
            if found:
                apply(data, state, i, trade, change_of(data, state, i, trade, slope))
                broken = broken_of(data, limits, state.level, state.total)
                changed += 1
        if changed == before:
            break
    return changed


@njit(cache=True)
def improve(data: Columns, limits: Limits, goal: Goal, state: State) -> float:
    """Singles and pairs until neither helps; returns by how much limits are still broken."""
    margin, near = np.zeros(data.security.shape[0]), np.full(data.security.shape[0], -np.inf)
    repair(data, limits, goal, state)
    for _ in range(3):
        for again in range(2):
            singles(data, limits, goal, state, margin, again == 0)
            if pairs(data, limits, goal, state, 3, near) < _WORTH:
                break
        if singles(data, limits, goal, state, margin, True) == 0:
            break
    return excess(data, limits, state)
