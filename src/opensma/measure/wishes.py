"""What owners ask for, as bounds on weights, and the model bent to fit them: the personal target.

Pure. The target is a benchmark for attribution (M65), not what the solver trades towards: weights
outside a bound are set to it, and all others are scaled alike until the whole is one again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.book.master import Restriction
from opensma.market import Market
from opensma.measure.refusals import Floats

Bools = npt.NDArray[np.bool_]
_EDGE = 1e-12  # a weight closer to its bound than this is at it


def in_force(wishes: Iterable[Restriction], day: str) -> list[Restriction]:
    """Wishes that are valid on an ISO day."""
    return [
        wish
        for wish in wishes
        if wish.valid_from <= day and (wish.valid_to is None or day <= wish.valid_to)
    ]


def named(market: Market, wish: Restriction) -> Bools:
    """Securities (securities,) that a wish is about; none where its name is unknown."""
    mask = np.zeros(len(market.security_id), dtype=bool)
    if wish.scope == "security" and wish.scope_key in market.index:
        mask[market.index[wish.scope_key]] = True
    elif wish.scope == "issuer" and wish.scope_key in market.index:
        mask |= market.group == market.group[market.index[wish.scope_key]]
    elif wish.scope == "sector" and wish.scope_key in market.sector_name:
        mask |= market.sector_code == market.sector_name.index(wish.scope_key)
    elif wish.scope == "theme" and wish.scope_key in market.themes:
        mask |= market.themes[wish.scope_key]
    return mask


@dataclass(frozen=True, slots=True)
class Bounds:
    """Least and most weight of every security, and of groups of them."""

    low: Floats  # (securities,)
    high: Floats
    groups: tuple[tuple[Bools, float, float], ...]  # who, least, most


def bounds(market: Market, wishes: Sequence[Restriction], held: Floats) -> Bounds:
    """Wishes as bounds; what may not be bought or sold is bound by what is held."""
    low, high = np.zeros(len(held)), np.full(len(held), np.inf)
    groups: list[tuple[Bools, float, float]] = []
    for wish in wishes:
        who, share = named(market, wish), (wish.value_bps or 0) / 1e4
        if wish.kind == "exclude":
            high[who] = 0.0
        elif wish.kind == "max_weight":
            high[who] = np.minimum(high[who], share)
        elif wish.kind == "no_buy":
            high[who] = np.minimum(high[who], held[who])
        elif wish.kind == "no_sell":
            low[who] = np.maximum(low[who], held[who])
        elif wish.kind == "sector_max":
            groups.append((who, 0.0, share))
        elif wish.kind == "sector_min":
            groups.append((who, share, np.inf))
    return Bounds(np.minimum(low, high), high, tuple(groups))


def personal_target(model: Floats, wanted: Bounds) -> Floats:
    """The model inside the bounds; sums to one, or to less where they allow no more."""
    weights = model.copy()
    fixed = np.zeros(len(model), dtype=bool)
    # Each pass fixes at least one weight more, or ends.
    for _ in range(len(model) + len(wanted.groups) + 1):
        outside = ~fixed & ((weights > wanted.high + _EDGE) | (weights < wanted.low - _EDGE))
        weights = np.where(fixed, weights, np.clip(weights, wanted.low, wanted.high))
        fixed |= outside
        grouped = _bound_group(weights, fixed, wanted)
        if not outside.any() and not grouped:
            break
        _fill(weights, fixed)
    return weights


def _bound_group(weights: Floats, fixed: Bools, wanted: Bounds) -> bool:
    """Scale the first group that is outside its bounds into them, and fix it."""
    for who, least, most in wanted.groups:
        free, total = who & ~fixed, float(weights[who].sum())
        loose = float(weights[free].sum())
        goal = min(max(total, least), most)
        if loose <= 0 or abs(goal - total) <= _EDGE:
            continue
        weights[free] *= max(0.0, goal - (total - loose)) / loose
        fixed |= free
        return True
    return False


def _fill(weights: Floats, fixed: Bools) -> None:
    """Scale what is free so that the whole is one again."""
    loose = float(weights[~fixed].sum())
    if loose > 0:
        weights[~fixed] *= max(0.0, 1.0 - float(weights[fixed].sum())) / loose
