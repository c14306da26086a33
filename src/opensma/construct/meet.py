"""Whether limits over the whole account can be kept together, without a full solve.

Turnover and gain budgets are linear in the lots sold: their least mixture at given prices is found
by sorting slopes within sectors, then over the account. A tracking-error cap adds the relaxation.
Mixtures are tried until their points span the limits, or until one mixture proves them too tight.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.decide import measures, relax
from opensma.construct.limits import Prices, reprice
from opensma.construct.prepare import Desk
from opensma.construct.problem import Codes, Floats, Mask

Cheapest = Callable[[Floats], Floats]  # prices (4,) to the measures (4,) of the least mixture
_ROUNDS = 40
_CLOSE = 1e-6
_LEAST_SCALE = 1e-3  # of V, for limits near zero
_SURE = 20.0  # prices of other limits over the aversion, at most


@dataclass(frozen=True, slots=True)
class Room:
    """Weights that bounds, sector bands and the cash band leave; all in shares of V."""

    low: Floats  # (n,)
    high: Floats  # (n,)
    held: Floats  # (n,)
    sector: Codes  # (n,)
    sector_low: Floats
    sector_high: Floats
    invested_low: float
    invested_high: float


@dataclass(frozen=True, slots=True)
class Sales:
    """Lots of one account; every column (m,)."""

    security: Codes
    width: Floats  # shares of V
    gain: Floats  # per dollar sold
    long_term: Mask


def limits_meet(cheapest: Cheapest, limits: Floats) -> bool:
    """Whether some mixture of plans keeps all four limits (variance, turnover, gains per term)."""
    finite = np.flatnonzero(np.isfinite(limits))
    scale = np.maximum(np.abs(limits[finite]), _LEAST_SCALE)
    if 0 in finite:
        scale[0] = max(abs(float(limits[0])), 1e-8)
    points: list[Floats] = []
    push = np.full(len(finite), 1.0 / max(len(finite), 1))
    for _ in range(_ROUNDS):
        prices = np.zeros(4)
        prices[finite] = push / scale
        point = (cheapest(prices)[finite] - limits[finite]) / scale
        if (point <= _CLOSE).all():
            return True
        if push @ point > _CLOSE * push.sum():
            return False
        points.append(point)
        push = _apart(np.array(points).T)
        if push.sum() <= _CLOSE:
            return True
        push = push / push.sum()
    return False


def _apart(points: Floats) -> Floats:
    """(d,) prices that part zero from the points and all above them; zeros if nothing does."""
    count, found = points.shape
    table = np.zeros((count + 1, found + count))
    table[:count, :found], table[:count, found:] = points, np.eye(count)
    table[count, :found] = 1.0
    wanted = np.zeros(count + 1)
    wanted[count] = 1.0
    left = wanted - table @ _not_negative(table, wanted)
    return np.maximum(-left[:count], 0.0)


def _not_negative(table: Floats, wanted: Floats) -> Floats:
    """Least squares over weights of zero or more, by adding and dropping columns."""
    weight = np.zeros(table.shape[1])
    used = np.zeros(table.shape[1], dtype=bool)
    for _ in range(10 * table.shape[1]):
        slope = table.T @ (wanted - table @ weight)
        slope[used] = -np.inf
        best = int(np.argmax(slope))
        if slope[best] <= 1e-12:
            break
        used[best] = True
        while True:
            tried = np.zeros_like(weight)
            tried[used] = np.linalg.lstsq(table[:, used], wanted, rcond=None)[0]
            bad = used & (tried <= 0.0)
            if not bad.any():
                break
            part = float((weight[bad] / np.maximum(weight[bad] - tried[bad], 1e-300)).min())
            weight = weight + min(part, 1.0) * (tried - weight)
            used &= weight > 1e-14
            weight[~used] = 0.0
        weight = tried
    return weight


def by_sorting(room: Room, sales: Sales) -> Cheapest:
    """The least mixture of turnover and gains: exact, since bands are nested."""

    def cheapest(prices: Floats) -> Floats:
        toll = 0.5 * float(prices[1])
        cost = toll + sales.gain * np.where(sales.long_term, prices[3], prices[2])
        order = np.lexsort((cost, sales.security))
        return _measured(room, sales, order, _filled(room, sales, order, cost, toll))

    return cheapest


def _before(sales: Sales, order: Codes) -> Floats:
    """(m,) width of the same security's lots that are sold earlier, in this order."""
    security, width = sales.security[order], sales.width[order]
    reached = np.cumsum(width) - width
    found: Floats = reached - reached[np.searchsorted(security, security)]
    return found


def _filled(room: Room, sales: Sales, order: Codes, cost: Floats, toll: float) -> Floats:
    """(m + n,) weight of each lot kept above `low`, and of each security bought, at least cost.

    Slopes in order within sectors, then over the account. A loss may be sold and bought again
    here, so what cannot be kept even then is proven.
    """
    n = len(room.held)
    owner = sales.security[order]
    top = room.held[owner] - _before(sales, order)
    low = np.maximum(top - sales.width[order], room.low[owner])
    size = np.minimum(top, room.high[owner]) - low
    owner = np.concatenate([owner, np.arange(n)])
    size = np.concatenate([size, room.high - np.maximum(room.held, room.low)])
    slope = np.concatenate([-cost[order], np.full(n, toll)])
    size = np.maximum(size, 0.0)
    count = len(room.sector_low)
    least = np.bincount(room.sector, room.low, minlength=count)
    by_sector = np.lexsort((slope, room.sector[owner]))
    owner, size, slope = owner[by_sector], size[by_sector], slope[by_sector]
    sector = room.sector[owner]
    start = np.cumsum(size) - size
    start = least[sector] + start - start[np.searchsorted(sector, sector)]
    must = np.clip(room.sector_low[sector] - start, 0.0, size)
    may = np.clip(room.sector_high[sector] - start, must, size) - must
    spare = room.invested_high - float(room.low.sum() + must.sum())
    wanted = room.invested_low - float(room.low.sum() + must.sum())
    rank = np.argsort(slope, kind="stable")
    good = float(may[slope < 0.0].sum())
    total = max(min(good, spare), wanted, 0.0)
    filled = np.cumsum(may[rank]) - may[rank]
    taken = np.empty_like(may)
    taken[rank] = np.clip(total - filled, 0.0, may[rank])
    filled_up: Floats = np.empty_like(may)
    filled_up[by_sector] = must + taken
    return filled_up


def _measured(room: Room, sales: Sales, order: Codes, filled: Floats) -> Floats:
    """(4,) what these fills sell and buy."""
    owner, width = sales.security[order], sales.width[order]
    bottom = room.held[owner] - _before(sales, order) - width
    kept = np.clip(room.low[owner] - bottom, 0.0, width) + filled[: len(order)]
    sold = np.maximum(width - kept, 0.0)
    gain, long = sold * sales.gain[order], sales.long_term[order]
    turnover = 0.5 * float(sold.sum() + filled[len(order) :].sum())
    return np.array([0.0, turnover, gain[~long].sum(), gain[long].sum()])


def by_relaxing(desk: Desk) -> Cheapest:
    """The least mixture with variance in it, by the relaxation; nothing else has a cost."""
    security, lot = desk.data.security.copy(), desk.data.lot.copy()
    security["cost"] = security["toll"] = 0.0
    lot["rate"] = 0.0
    data = desk.data._replace(security=security, lot=lot)
    k = data.factor.shape[1]
    dual, centre = np.zeros(k + len(data.row_low)), np.zeros(len(data.row_low))
    before = [0.0]  # aversion of the last solve

    def cheapest(prices: Floats) -> Floats:
        most = float(prices[1:].max())
        aversion = max(2.0 * float(prices[0]), most / _SURE, 1e-9)
        # In units in which nothing is much dearer than a year's risk.
        size = max(aversion, most) / 50.0
        aversion, scaled = aversion / size, prices / size
        turned = Prices(aversion, float(scaled[1]), float(scaled[2]), float(scaled[3]))
        priced = reprice(replace(desk, data=data), turned).data
        dual[:k] *= aversion / before[0] if before[0] else 1.0
        weight = np.zeros(len(security))
        relax(priced, aversion, dual, centre, weight, not before[0])
        before[0] = aversion
        found: Floats = measures(priced, weight)
        return found

    return cheapest
