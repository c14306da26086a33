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
from typing import Any

import numpy as np
from numba import njit

from opensma.construct.branch import value_at
from opensma.construct.columns import LOT, Columns, Record
from opensma.construct.grid import CANDIDATES, candidates, weight_of
from opensma.construct.prepare import Desk, Prepared
from opensma.construct.problem import Codes, Floats, Mask

KEEP, WASHED, COUNTED = 0, 1, 2
_PRICES = 7  # tried for the shares kept of a group
_GOLDEN = 0.6180339887498949


@njit(cache=True)
def _lots_for(data: Columns, i: int, way: int, relief: float, last: int, lots: Any) -> int:
    """Copy a security's lots as one way prices them, by rising price; returns how many."""
    name, count = data.security[i], 0
    for at in range(name.start, name.stop):
        lot = data.lot[at]
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


@njit(cache=True)
def least(
    data: Columns,
    aversion: float,
    prices: Floats,
    way: int,
    relief: Floats,
    last: Codes,
    skip: Mask,
) -> Floats:
    """(n,) least value of each security's legal trades in one way; 0 where skipped."""
    n, k = data.factor.shape
    room = 1
    for i in range(n):
        room = max(room, data.security[i].stop - data.security[i].start)
    lots = np.zeros(room, dtype=LOT)
    one = data.security[:1].copy()
    out, found = np.zeros(CANDIDATES, dtype=np.int64), np.zeros(n)
    cash = float(prices[k])
    for i in range(n):
        if skip[i]:
            continue
        one[0] = data.security[i]
        name = one[0]
        count = _lots_for(data, i, way, relief[i], last[i], lots)
        _restrict(name, way, lots, count)
        exposure = 0.0
        for f in range(k):
            exposure += data.factor[i, f] * prices[f]
        pull = exposure
        if name.row >= 0:
            pull += prices[k + name.row]
        centre, curve, best = name.target, aversion * name.specific, np.inf
        for c in range(candidates(name, lots, centre, curve, pull, cash, out)):
            w = weight_of(name, out[c])
            best = min(best, value_at(name, lots, w, centre, curve, pull, cash))
        found[i] = best - exposure * centre
    return found


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
    table = _Table(prepared, accounts)
    groups = len(prepared.group_code)
    keep = table.least(KEEP, np.ones(groups, dtype=bool))
    harvest = table.least(COUNTED, table.lossy)
    harvest[:, ~table.lossy] = np.inf
    relief, last = np.zeros(groups), np.full(groups, -1)
    washed = accounts[0].desk.data.washed & table.lossy
    if washed.any():
        free = table.least(WASHED, washed)
        relief[washed] = -1.0
        known = np.minimum(keep.sum(axis=0), free.sum(axis=0))
        promising = washed & (harvest.sum(axis=0) < known)
        harvest = np.where(washed, free, harvest)
        for turn, price in table.losses(promising):
            _count_up_to(table, turn, price, keep, harvest, relief, last)
    constant = np.array([account.constant() for account in accounts])
    return Ways(constant, keep, harvest, relief, last)


class _Table:
    """A taxpayer's accounts, valued group by group."""

    def __init__(self, prepared: Prepared, accounts: Sequence[Priced]) -> None:
        self.prepared, self.accounts = prepared, accounts
        self.groups = len(prepared.group_code)
        self.lossy = np.zeros(self.groups, dtype=bool)  # (G,) something could be sold at a loss
        self.recent = np.zeros((len(accounts), self.groups))  # shares of the last 30 days
        for place, account in enumerate(accounts):
            lot, name = account.desk.data.lot, account.desk.data.security
            group = prepared.group[lot["security"]]
            self.lossy[group[lot["gain"] < 0.0]] = True
            shares = lot["width"] * name["shares"][lot["security"]] * lot["recent"]
            self.recent[place] = np.bincount(group, shares, minlength=self.groups)

    def least(
        self, way: int, active: Mask, relief: Floats | None = None, last: Codes | None = None
    ) -> Floats:
        """(accounts, G) dollars; 0 where not active."""
        group, groups = self.prepared.group, self.groups
        relief = np.zeros(groups) if relief is None else relief
        last = np.full(groups, -1) if last is None else last
        price, turn, skip = (
            relief[group] / self.prepared.universe.price,
            last[group],
            ~active[group],
        )
        found = np.empty((len(self.accounts), groups))
        for place, a in enumerate(self.accounts):
            values = least(a.desk.data, a.aversion, a.dual, way, price, turn, skip)
            found[place] = np.bincount(group, values * a.desk.value, minlength=groups)
        return found + np.where(active, relief * self.recent, 0.0)

    def losses(self, active: Mask) -> list[tuple[Codes, Floats]]:
        """(G,) turn and tax per share of each group's next loss, in order; turn -1 for none."""
        rows = []
        for account in self.accounts:
            lot = account.desk.data.lot
            own = lot[(lot["gain"] < 0.0) & active[self.prepared.group[lot["security"]]]]
            dollars = -own["tax"] * self.prepared.universe.price[own["security"]]
            rows.append(np.array([self.prepared.group[own["security"]], own["turn"], dollars]))
        group, turn, price = np.concatenate(rows, axis=1)
        order = np.lexsort((turn, group))
        group, turn, price = group[order].astype(np.int64), turn[order], price[order]
        place = np.arange(len(group)) - np.searchsorted(group, group)
        steps = []
        for step in range(int(place.max()) + 1 if len(place) else 0):
            at = place == step
            turns, prices = np.full(self.groups, -1), np.zeros(self.groups)
            turns[group[at]], prices[group[at]] = turn[at].astype(np.int64), price[at]
            steps.append((turns, prices))
        return steps


def _count_up_to(
    table: _Table,
    last: Codes,
    price: Floats,
    keep: Floats,
    harvest: Floats,
    best_relief: Floats,
    best_last: Codes,
) -> None:
    """Lower `harvest` where washing ends with this loss of each group: in place.

    The price of a share kept is the tax of that loss unless another one gives a higher bound.
    """
    known = np.minimum(keep.sum(axis=0), harvest.sum(axis=0))
    relief = np.maximum(price, 0.0)
    found = table.least(COUNTED, last >= 0, relief, last)
    active = (last >= 0) & (found.sum(axis=0) < known)
    if not active.any():
        return
    low, high = np.zeros(len(price)), 2.0 * relief + 1e-9
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    on_left, on_right = (table.least(COUNTED, active, at, last) for at in (left, right))
    for _ in range(_PRICES):
        for at, value in ((left, on_left), (right, on_right)):
            higher = active & (value.sum(axis=0) > found.sum(axis=0))
            found, relief = np.where(higher, value, found), np.where(higher, at, relief)
        active &= found.sum(axis=0) < known
        if not active.any():
            return
        down = on_left.sum(axis=0) >= on_right.sum(axis=0)
        low, high = np.where(down, low, left), np.where(down, right, high)
        fresh = np.where(down, high - _GOLDEN * (high - low), low + _GOLDEN * (high - low))
        value = table.least(COUNTED, active, fresh, last)
        left, right = np.where(down, fresh, right), np.where(down, left, fresh)
        on_left, on_right = (
            np.where(down, value, on_right),
            np.where(down, on_left, value),
        )
    harvest[:] = np.where(active, found, harvest)
    best_relief[active], best_last[active] = relief[active], last[active]
