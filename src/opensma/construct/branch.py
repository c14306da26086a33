"""One security at given prices: the best weight below, at and above today's holding.

Minimises `curve/2 (w - centre)^2 + tax(held - w) + toll |w - held| + pull w + cash (w + cost |w -
held|)`. Each side of today's weight is convex and solved exactly; `tax` is the lots' `guide`.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from opensma.construct.columns import Record

Point = tuple[float, float, float]  # weight, value, -dw/dpull (0 at a kink or a bound)


@njit(cache=True, forceinline=True)
def tax_of(name: Record, lots: Any, sold: float) -> float:
    """Tax on selling this weight, cheapest lots first, as relaxations see it."""
    left, total = sold, 0.0
    for lot in range(name.start, name.stop):
        if left <= 0.0:
            break
        width = min(left, lots[lot].width)
        total += lots[lot].guide * width
        left -= width
    return total


@njit(cache=True, forceinline=True)
def sell_side(
    name: Record, lots: Any, centre: float, curve: float, pull: float, cash: float, top: float
) -> Point:
    """Best weight in [low, top], top at or below today's weight."""
    held, bottom = name.held, name.low
    slope, loose = pull + cash * (1.0 - name.cost) - name.toll, 1.0 / curve
    here, weight, stiff = held, min(top, held), 0.0
    for lot in range(name.start, name.stop):
        left = here - lots[lot].width
        if left < weight:
            best = centre - (slope - lots[lot].guide) * loose
            if best >= weight:
                break
            edge = max(left, bottom)
            weight = max(best, edge)
            if best > edge:
                stiff = loose
                break
            if edge <= bottom:
                break
        here = left
    gap, sold = weight - centre, held - weight
    value = 0.5 * curve * gap * gap + name.toll * sold + pull * weight
    value += cash * (weight + name.cost * sold)
    return weight, value + tax_of(name, lots, sold), stiff


@njit(cache=True, forceinline=True)
def buy_side(
    name: Record,
    lots: Any,
    centre: float,
    curve: float,
    pull: float,
    cash: float,
    floor: float,
) -> Point:
    """Best weight in [floor, high], floor at or above today's weight."""
    slope = pull + cash * (1.0 + name.cost) + name.toll
    stiff = 1.0 / curve
    best = centre - slope * stiff
    if best >= name.high:
        best, stiff = name.high, 0.0
    if best <= floor:
        best, stiff = floor, 0.0
    gap, bought = best - centre, best - name.held
    value = 0.5 * curve * gap * gap + name.toll * bought + pull * best
    return best, value + cash * (best + name.cost * bought), stiff


@njit(cache=True, forceinline=True)
def value_at(
    name: Record,
    lots: Any,
    weight: float,
    centre: float,
    curve: float,
    pull: float,
    cash: float,
) -> float:
    """The same function at one weight."""
    gap, change = weight - centre, weight - name.held
    traded = abs(change)
    total = 0.5 * curve * gap * gap + pull * weight + name.toll * traded
    total += cash * (weight + name.cost * traded)
    if change < 0.0:
        total += tax_of(name, lots, -change)
    return float(total)
