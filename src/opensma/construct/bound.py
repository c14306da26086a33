"""The certificate: a lower bound on the J of a taxpayer's accounts, whole shares and law included.

At any multipliers every identical group goes one way, the same in all accounts (W27): `KEEP` sells
nothing at a loss, `WASHED` counts no loss that it sells, `COUNTED` counts some. The best of the
three, each at its true minimum over legal trades, is below every legal plan.

In `COUNTED` shares of the last 30 days that are kept wash losses in order of acquisition, up to a
last one. So for some loss: those before it count nothing, those after it in full, and it bears what
is left of the shares kept. These have a price (`relief`): a loss before the last one and a recent
share earn it when they are sold. Any price is valid; the one with the highest bound is searched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from opensma.construct.branch import value_at
from opensma.construct.columns import LOT, Record
from opensma.construct.grid import CANDIDATES, candidates, fixed_cost, weight_of
from opensma.construct.prepare import Desk, Prepared
from opensma.construct.problem import Codes, Floats, Mask

KEEP, WASHED, COUNTED = 0, 1, 2
_PRICES = 8  # tried for the shares kept of a group
_LEAST = 1e-6  # price, of the highest tax
_EXACT = 1e-10  # of V: how near the highest bound of a group must come


@njit(cache=True)
def _lots_for(t: Table, i: int, way: int, relief: float, last: int, lots: Any) -> int:
    """Copy a security's lots as one way prices them, by rising price; returns how many."""
    name, count = t.security[i], 0
    for at in range(name.start, name.stop):
        lot = t.lot[at]
        if way == KEEP and lot.gain < 0.0:
            continue
        price = lot.tax
        if lot.gain < 0.0 and way == WASHED:
            price = 0.0
        elif lot.gain < 0.0 and way == COUNTED and lot.turn <= last:
            price = -relief if lot.turn < last else min(lot.tax, -relief)
        if way == COUNTED and lot.recent:
            price -= relief
        place = count
        while place > 0 and lots[place - 1].guide > price:
            lots[place] = lots[place - 1]
            place -= 1
        lots[place] = lot
        lots[place].guide = price
        count += 1
    before = 0
    for at in range(count):
        lots[at].before = before
        before += lots[at].units
    return count


@njit(cache=True)
def _restrict(name: Record, way: int, lots: Any, count: int) -> None:
    """Bounds of a copied security that goes one way: only those lots, and no buys with losses."""
    if way != KEEP:
        name.high = min(name.high, name.held)
    elif count < name.stop - name.start:
        width, units = 0.0, 0
        for at in range(count):
            width += lots[at].width
            units += lots[at].units
        name.low = max(name.low, name.held - width)
        if name.low < 1e-12:
            name.low = 0.0
        name.part_units = min(name.part_units, units)
    name.start, name.stop = 0, count


class Table(NamedTuple):
    """The securities of all accounts of a taxpayer, one below the other, for the kernel."""

    security: Any  # (N,) SECURITY
    lot: Any  # (M,) LOT
    account: Codes  # (N,)
    exposure: Floats  # (N,) price of a weight's factors
    pull: Floats  # (N,) and of its sector row
    cash: Floats  # (N,) price of cash use
    curve: Floats  # (N,)
    value: Floats  # (N,) V in dollars
    price: Floats  # (N,) dollars of a share
    start: Codes  # (G + 1,) rows of each group
    row: Codes  # (N,)


@njit(cache=True)
def _least(
    t: Table, r: int, way: int, relief: float, last: int, lots: Any, one: Any
) -> tuple[float, float]:
    """Least value of one security's legal trades in one way, in dollars; and what it earns."""
    one[0] = t.security[r]
    name, price = one[0], relief / t.price[r]
    count = _lots_for(t, r, way, price, last, lots)
    _restrict(name, way, lots, count)
    out, best, sold = np.empty(CANDIDATES, dtype=np.int64), np.inf, 0.0
    centre, curve, pull, cash = name.target, t.curve[r], t.pull[r], t.cash[r]
    for c in range(candidates(name, lots, centre, curve, pull, cash, out)):
        w = weight_of(name, out[c])
        value = value_at(name, lots, w, centre, curve, pull, cash) + fixed_cost(name, out[c], cash)
        if value < best:
            best, sold = value, name.held - w
    earned = _earned(name, lots, sold, price, last) if way == COUNTED and last >= 0 else 0.0
    return float((best - t.exposure[r] * centre) * t.value[r]), earned


@njit(cache=True)
def _earned(name: Record, lots: Any, sold: float, relief: float, last: int) -> float:
    """Shares that earn the price of a recent share when this weight is sold."""
    shares = 0.0
    for at in range(name.start, name.stop):
        if sold <= 0.0:
            break
        lot, width = lots[at], min(sold, lots[at].width)
        if lot.recent:
            shares += width * name.shares
        if lot.gain < 0.0 and (lot.turn < last or (lot.turn == last and -relief < lot.tax)):
            shares += width * name.shares
        sold -= width
    return shares


@njit(cache=True)
def _group(
    t: Table, g: int, way: int, relief: float, last: int, lots: Any, one: Any, into: Floats
) -> tuple[float, float]:
    """Value of a group in one way, in dollars, and what it earns; each row's part goes `into`."""
    total, earned = 0.0, 0.0
    for at in range(t.start[g], t.start[g + 1]):
        into[at], more = _least(t, t.row[at], way, relief, last, lots, one)
        total += into[at]
        earned += more
    return total, earned


@njit(cache=True)
def _recent(t: Table, r: int) -> float:
    """Shares of one security bought in the last 30 days."""
    name, total = t.security[r], 0.0
    for lot in range(name.start, name.stop):
        if t.lot[lot].recent:
            total += t.lot[lot].width * name.shares
    return total


@njit(cache=True)
def _losses(t: Table, g: int, turn: Codes, tax: Floats) -> int:
    """Fill turn and tax per share of the group's lots at a loss; returns how many."""
    count = 0
    for at in range(t.start[g], t.start[g + 1]):
        r = t.row[at]
        name = t.security[r]
        for lot in range(name.start, name.stop):
            if t.lot[lot].gain < 0.0:
                turn[count], tax[count] = t.lot[lot].turn, -t.lot[lot].tax * t.price[r]
                count += 1
    return count


@njit(cache=True)
def _up_to(
    t: Table,
    g: int,
    last: int,
    relief: float,
    most: float,
    recent: float,
    known: float,
    lots: Any,
    one: Any,
    into: Floats,
    trial: Floats,
) -> tuple[float, float]:
    """The highest bound where washing ends with this loss, or one above `known`; and its price.

    The bound is concave in the price of a share kept: where two tangents meet is tried next.
    """
    best, earned = _group(t, g, COUNTED, relief, last, lots, one, into)
    best += relief * recent
    price, at, value, slope = relief, relief, best, recent - earned
    left, right = (0.0, 0.0, 0.0), (0.0, 0.0, 0.0)  # price, value, slope
    near = _EXACT * t.value[t.row[t.start[g]]]
    for step in range(_PRICES):
        if slope > 0.0:
            left = (at, value, slope)
        else:
            right = (at, value, slope)
        if slope == 0.0 or best >= known:
            break
        if left[2] == 0.0:
            at = _LEAST * most  # not nothing: of equal lots those that wash are sold first
        elif right[2] == 0.0:
            at = most
        else:
            rest = right[1] - left[1] + left[2] * left[0] - right[2] * right[0]
            at = rest / (left[2] - right[2])
            if left[1] + left[2] * (at - left[0]) <= best + near:
                break
        if step > 0 and at in (left[0], right[0]):
            break
        value, earned = _group(t, g, COUNTED, at, last, lots, one, trial)
        value, slope = value + at * recent, recent - earned
        if value > best + near:
            best, price = value, at
            into[t.start[g] : t.start[g + 1]] = trial[t.start[g] : t.start[g + 1]]
    return best, price


@njit(cache=True)
def _ways(
    t: Table, washed: Mask, keep: Floats, harvest: Floats, relief: Floats, last: Codes
) -> None:
    """Fill (accounts, G) dollars and (G,) prices; see `Ways`."""
    rows = t.row.shape[0]
    room = 1
    for r in range(rows):
        room = max(room, t.security[r].stop - t.security[r].start)
    lots, one = np.zeros(room, dtype=LOT), t.security[:1].copy()
    into, best, trial = np.zeros(rows), np.zeros(rows), np.zeros(rows)
    turn, tax = np.zeros(t.lot.shape[0], dtype=np.int64), np.zeros(t.lot.shape[0])
    for g in range(washed.shape[0]):
        span = range(t.start[g], t.start[g + 1])
        kept, _ = _group(t, g, KEEP, 0.0, -1, lots, one, into)
        for at in span:
            keep[t.account[t.row[at]], g] += into[at]
        count, last[g] = _losses(t, g, turn, tax), -1
        if count == 0:
            harvest[:, g] = np.inf
            continue
        value, _ = _group(t, g, COUNTED, 0.0, -1, lots, one, best)
        if washed[g]:
            full = value
            value, _ = _group(t, g, WASHED, 0.0, -1, lots, one, best)
            relief[g] = -1.0
            most = 1.1 * np.max(tax[:count]) + 1e-9
            recent = 0.0
            for at in span:
                recent += _recent(t, t.row[at])
            for at in range(count if full < min(kept, value) else 0):
                known = min(kept, value)
                price = max(tax[at], 0.0)
                found, price = _up_to(
                    t, g, turn[at], price, most, recent, known, lots, one, into, trial
                )
                if found < known:
                    value, relief[g], last[g] = found, price, turn[at]
                    for row in span:
                        best[row] = into[row]
        price = relief[g] if last[g] >= 0 else 0.0
        for at in span:
            r = t.row[at]
            harvest[t.account[r], g] += best[at] + price * _recent(t, r)


@dataclass(frozen=True, slots=True)
class Priced:
    """An account at multipliers: its desk priced by its limits, and what the limits take off."""

    desk: Desk
    aversion: float
    dual: Floats  # (k + r,)
    limits: float  # prices times limits, in shares of V
    cash_slack: float
    row_slack: float

    def constant(self) -> float:
        """What factors, rows and limits take off, in dollars."""
        data, k = self.desk.data, self.desk.data.factor.shape[1]
        price = self.dual[k:]
        slack = np.full(len(price), self.row_slack)
        slack[0] = self.cash_slack
        edge = np.where(price > 0.0, data.row_high + slack, data.row_low - slack)
        risk = 0.5 * float(self.dual[:k] @ self.dual[:k]) / self.aversion
        return float(-risk - price @ edge - self.limits) * self.desk.value


@dataclass(frozen=True, slots=True)
class Ways:
    """What each identical group costs in the best way, in dollars; G groups."""

    constant: Floats  # (accounts,)
    keep: Floats  # (accounts, G)
    harvest: Floats  # (accounts, G) in the better of the two other ways
    relief: Floats  # (G,) price per share kept; -1 where washed losses cost least
    last: Codes  # (G,) turn of the last loss that is washed

    @property
    def kept(self) -> Mask:
        """(G,) groups that better sell nothing at a loss."""
        mask: Mask = self.keep.sum(axis=0) <= self.harvest.sum(axis=0)
        return mask

    @property
    def shares(self) -> Floats:
        """(accounts,) parts of the bound, in dollars."""
        parts: Floats = np.where(self.kept, self.keep, self.harvest).sum(axis=1) + self.constant
        return parts


def ways(prepared: Prepared, accounts: Sequence[Priced]) -> Ways:
    """The bound of these accounts of one taxpayer at their multipliers, group by group."""
    groups, count = len(prepared.group_code), len(accounts)
    keep, harvest = np.zeros((count, groups)), np.zeros((count, groups))
    relief, last = np.zeros(groups), np.full(groups, -1)
    washed = accounts[0].desk.data.washed
    _ways(_table(prepared, accounts), washed, keep, harvest, relief, last)
    constant = np.array([account.constant() for account in accounts])
    return Ways(constant, keep, harvest, relief, last)


def _table(prepared: Prepared, accounts: Sequence[Priced]) -> Table:
    """All accounts' securities, one account below the other, and their rows group by group."""
    n, price, before = len(prepared.group), prepared.universe.price, 0
    security, account, prices = [], [], []
    for place, a in enumerate(accounts):
        data, k = a.desk.data, a.desk.data.factor.shape[1]
        own = data.security
        if place:
            own = own.copy()
            own["start"] += before
            own["stop"] += before
        before += len(data.lot)
        exposure = data.factor @ a.dual[:k]
        row = own["row"]
        pull = exposure + np.where(row >= 0, a.dual[k + np.maximum(row, 0)], 0.0)
        curve, one = a.aversion * own["specific"], np.ones(n)
        security.append(own)
        account.append(np.full(n, place))
        prices.append([exposure, pull, a.dual[k] * one, curve, a.desk.value * one, price])
    group = np.tile(prepared.group, len(accounts))
    row = np.argsort(group, kind="stable")
    start = np.searchsorted(group[row], np.arange(len(prepared.group_code) + 1))
    lots = [a.desk.data.lot for a in accounts]
    exposure, pull, cash, curve, value, price = np.concatenate(prices, axis=1)
    return Table(
        np.concatenate(security) if len(security) > 1 else security[0],
        np.concatenate(lots) if len(lots) > 1 else lots[0],
        np.concatenate(account),
        *(exposure, pull, cash, curve, value, price),
        start.astype(np.int64),
        row.astype(np.int64),
    )
