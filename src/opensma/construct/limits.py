"""Limits over the whole account, each with its price: tracking error, turnover, gains per term.

A limit that would be exceeded gets the price at which the relaxed plan just keeps it (for the
tracking-error cap that is the risk aversion itself). At any prices the dual is a valid bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba import njit

from opensma.construct.columns import Columns
from opensma.construct.decide import measures, relax
from opensma.construct.names import worths
from opensma.construct.prepare import Desk, count_before
from opensma.construct.problem import Codes, Floats

FREE_AVERSION = 0.05  # where a tracking-error cap does not bind: risk all but ignored
_MOST = 1e5
_CLOSE = 2e-3  # of a limit
_DEAR = 5.0  # a price of turnover or gains that outweighs any tax
_CYCLES = 3
_NAME_STEPS = 10


@dataclass(frozen=True, slots=True)
class Prices:
    """What one unit more of each limit would be worth, in shares of V."""

    aversion: float
    turnover: float = 0.0
    short_gain: float = 0.0
    long_gain: float = 0.0
    names: float = 0.0

    @property
    def plain(self) -> bool:
        """True when lots and tolls are at their true cost."""
        return self.turnover == self.short_gain == self.long_gain == self.names == 0.0


@dataclass(frozen=True, slots=True)
class Relaxed:
    """A desk at the prices of its limits, with the dual's multipliers and its weights."""

    desk: Desk
    prices: Prices
    dual: Floats  # (k + r,)
    centre: Floats  # (r,)
    weight: Floats  # (n,)


def relaxed(desk: Desk, warm: Relaxed | None = None) -> Relaxed:
    """The relaxation of an account at prices that keep its limits, perhaps from an earlier one."""
    account = desk.account
    first = warm.prices if warm else Prices(account.risk_aversion or 50.0)
    found = _solve(desk, first, warm)
    limits = desk.limits
    if max(first.turnover, first.short_gain, first.long_gain) > _DEAR:
        return found  # searched before, in vain
    for _ in range(_CYCLES):
        before = found.prices
        if account.te_cap is not None:
            found = _root(desk, found, "aversion", 0, limits.max_variance)
        for name, place, limit in (
            ("turnover", 1, limits.max_turnover),
            ("short_gain", 2, limits.short_gain),
            ("long_gain", 3, limits.long_gain),
        ):
            if np.isfinite(limit):
                found = _root(desk, found, name, place, limit)
                if _hopeless(found, name, place, limit):
                    return found
        if np.isfinite(limits.max_names):
            found = _few_names(desk, found)
        if found.prices == before or _alone(desk):
            break
    return found


def _hopeless(found: Relaxed, name: str, place: int, limit: float) -> bool:
    """Whether a limit is exceeded at a price that outweighs any tax: it cannot be kept."""
    if getattr(found.prices, name) <= _DEAR:
        return False
    return float(measures(found.desk.data, found.weight)[place]) > limit + _CLOSE * abs(limit)


def _alone(desk: Desk) -> bool:
    """One limit or none: nothing to go round for."""
    return int(np.isfinite(np.array(desk.limits)).sum()) < 2


def limits_worth(found: Relaxed) -> float:
    """Prices times limits, in shares of V: what the bound takes off."""
    prices, limits = found.prices, found.desk.limits
    worth = 0.0
    if found.desk.account.te_cap is not None:
        worth += 0.5 * prices.aversion * limits.max_variance
    for price, limit in (
        (prices.turnover, limits.max_turnover),
        (prices.short_gain, limits.short_gain),
        (prices.long_gain, limits.long_gain),
        (prices.names, limits.max_names),
    ):
        worth += price * limit if price else 0.0
    return float(worth)


def _solve(desk: Desk, prices: Prices, warm: Relaxed | None) -> Relaxed:
    priced = desk if prices.plain else reprice(desk, prices)
    data = priced.data
    size, k = data.factor.shape[1] + len(data.row_low), data.factor.shape[1]
    if warm is None:
        dual, centre = np.zeros(size), np.zeros(size - k)
    else:
        dual, centre = warm.dual.copy(), warm.centre.copy()
        dual[:k] *= prices.aversion / warm.prices.aversion
    weight = np.zeros(len(data.security))
    relax(data, prices.aversion, dual, centre, weight, warm is None)
    return Relaxed(priced, prices, dual, centre, weight)


def tighter(desk: Desk, found: Relaxed, times: float) -> Relaxed:
    """The relaxation at a multiple of the prices of its limits."""
    prices = found.prices
    capped = desk.account.te_cap is not None
    dearer = Prices(
        prices.aversion * times if capped else prices.aversion,
        prices.turnover * times,
        prices.short_gain * times,
        prices.long_gain * times,
        prices.names,
    )
    return _solve(desk, dearer, found)


def _few_names(desk: Desk, found: Relaxed) -> Relaxed:
    """At the price at which as many names are worth holding as may be held.

    At given multipliers that price lies between two names' worth; the multipliers follow it.
    """
    most, low, high = int(desk.limits.max_names), 0.0, np.inf
    for _ in range(_NAME_STEPS):
        price, data = found.prices.names, found.desk.data
        worth = np.sort(worths(data, found.prices.aversion, found.dual))[::-1]
        if most >= len(worth):
            return found
        least, next_one = worth[max(most - 1, 0)], max(worth[most], 0.0)
        if next_one == np.inf:  # more names than that can never be closed
            return found
        aim = 0.5 * (min(least, 2.0 * next_one + 1e-9) + next_one) if next_one > 0.0 else 0.0
        if aim == price or abs(aim - price) <= _CLOSE * price:
            break
        low, high = (price, high) if aim > price else (low, price)
        if aim <= low or aim >= high:
            aim = 0.5 * (low + high)
        found = _solve(desk, replace(found.prices, names=aim), found)
    return found


def _root(desk: Desk, found: Relaxed, name: str, place: int, limit: float) -> Relaxed:
    """The smallest price at which the measure keeps its limit, by false position in its log."""

    def at(price: float, warm: Relaxed) -> tuple[float, Relaxed]:
        after = _solve(desk, replace(found.prices, **{name: price}), warm)
        return float(measures(after.desk.data, after.weight)[place]), after

    floor = FREE_AVERSION if name == "aversion" else 0.0
    now = float(measures(found.desk.data, found.weight)[place])
    price = float(getattr(found.prices, name))
    if now <= limit and price <= floor:
        return found
    return _bracket(at, found, price, now, limit, floor)


def _bracket(
    at: Callable[[float, Relaxed], tuple[float, Relaxed]],
    found: Relaxed,
    price: float,
    now: float,
    limit: float,
    floor: float,
) -> Relaxed:
    kept = found if now <= limit else None
    low, high = (floor, price) if now <= limit else (price, _MOST)
    reached: dict[float, float] = {price: now}
    for _ in range(14):
        if now <= limit and limit - now <= _CLOSE * max(abs(limit), 1e-9):
            break
        if now <= limit:
            high, kept = price, found
        else:
            low = price
        if high <= floor * 1.01 + 1e-9:
            break
        price = _between(low, high, reached, limit, floor)
        now, found = at(price, found)
        reached[price] = now
    if now <= limit or kept is None:
        return found
    return kept


def _between(
    low: float, high: float, reached: dict[float, float], limit: float, floor: float
) -> float:
    """A next price: large steps until both sides are known, then false position in logs."""
    if high >= _MOST and low in reached:
        over = reached[low] / limit if limit > 0.0 else 8.0
        return max(low, 5e-3) * min(max(over, 1.5), 8.0)
    if low not in reached:
        under = reached[high] / limit if limit > 0.0 else 0.0
        return max(high * min(max(under, 0.25), 0.8), floor)
    x0, x1 = np.log(max(low, 1e-4)), np.log(high)
    part = 0.5
    if limit > 0.0 and reached[high] > 0.0:
        y0, y1 = np.log(reached[low] / limit), np.log(reached[high] / limit)
        if y0 > y1:
            part = min(max(y0 / (y0 - y1) + 0.02, 0.1), 0.9)  # a hair to the side that keeps it
    return float(np.exp(x0 + part * (x1 - x0)))


def reprice(desk: Desk, prices: Prices) -> Desk:
    """The desk with tolls and lots at the prices of its limits, lots in their new order."""
    data = desk.data
    lot, order = data.lot, np.arange(len(data.lot))
    tolls, gains = 0.5 * prices.turnover, (prices.short_gain, prices.long_gain)
    security, lot, wash_lot = _repriced(
        data.security, lot, data.wash_lot, desk.relief, desk.last, tolls, *gains, order
    )
    security["keep"] = prices.names
    moved = data._replace(security=security, lot=lot, wash_lot=wash_lot)
    return replace(desk, data=moved, lot=desk.lot[order])


@njit(cache=True)
def _repriced(
    security: Any,
    lot: Any,
    wash_lot: Codes,
    relief: Floats,
    last: Codes,
    toll: float,
    short: float,
    long: float,
    order: Codes,
) -> tuple[Any, Any, Codes]:
    """Copies of these tables at other prices; `order` (m,) becomes the lots' new order."""
    security, lot = _true_copies(security, lot, relief, last, short, long)
    for i in range(security.shape[0]):
        security[i].toll += toll
    if not _by_guide(security, lot, order):
        return security, lot, wash_lot
    moved, place = np.empty_like(lot), np.empty_like(order)
    for at in range(lot.shape[0]):
        moved[at] = lot[order[at]]
        place[order[at]] = at
    count_before(moved)
    wash_lot = wash_lot.copy()
    for at in range(wash_lot.shape[0]):
        if wash_lot[at] >= 0:
            wash_lot[at] = place[wash_lot[at]]
    return security, moved, wash_lot


@njit(cache=True)
def _true_copies(
    security: Any, lot: Any, relief: Floats, last: Codes, short: float, long: float
) -> tuple[Any, Any]:
    """Copies with tolls at cost and lots at these prices of gains."""
    securities, lots = np.empty_like(security), np.empty_like(lot)
    for i in range(security.shape[0]):
        securities[i] = security[i]
        securities[i].toll = security[i].cost
    for at in range(lot.shape[0]):
        lots[at] = lot[at]
    _price(lots, relief, last, short, long)
    return securities, lots


@njit(cache=True)
def _by_guide(security: Any, lot: Any, order: Codes) -> bool:
    """Order lots of each security by guide, then by tax, else as they are; False if they were."""
    moved = False
    for i in range(security.shape[0]):
        for at in range(security[i].start + 1, security[i].stop):
            row, place = order[at], at
            guide, tax = lot[row].guide, lot[row].tax
            while place > security[i].start:
                other = lot[order[place - 1]]
                if other.guide < guide or (other.guide == guide and other.tax <= tax):
                    break
                order[place] = order[place - 1]
                place -= 1
                moved = True
            order[place] = row
    return moved


@njit(cache=True)
def _price(lot: Any, relief: Floats, last: Codes, short: float, long: float) -> None:
    """Tax with the price of gain budgets, and what selling costs with the wash rule priced in."""
    for at in range(lot.shape[0]):
        one = lot[at]
        tax = one.gain * (one.rate + (long if one.long_term else short))
        price, end, guide = relief[one.security], last[one.security], tax
        if one.gain < 0.0 and price < 0.0:
            guide = 0.0
        elif one.gain < 0.0 and one.turn <= end:
            guide = -price if one.turn < end else min(tax, -price)
        if price > 0.0 and one.recent:
            guide -= price
        one.tax, one.guide = tax, guide


def guided(desk: Desk, relief: Floats, last: Codes) -> Desk:
    """The desk as relaxations should see it where recent shares have a price, or wash all losses.

    (n,) each: the price of a recent share kept over the security's price, -1 where losses that are
    sold count nothing; and the turn of the last loss that is washed.
    """
    return reprice(replace(desk, relief=relief, last=last), Prices(0.0))


def true_costs(desk: Desk) -> Columns:
    """The same lots in the same order at what they really cost."""
    data = desk.data
    security, lot = _true_copies(data.security, data.lot, desk.relief, desk.last, 0.0, 0.0)
    return data._replace(security=security, lot=lot)
