"""From the question to the kernels' columns: everything in shares of V, lots by rising tax.

`Prepared` holds what all accounts of a day share. `columns` makes one account's arrays; whatever
forbids a trade (wishes, wash windows, a household's choice) ends up in `low`, `high` and lots.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numba import njit

from opensma.construct.columns import FOREIGN, LOT, SECURITY, Columns, Limits
from opensma.construct.problem import Account, Codes, Floats, LotColumns, Mask, Taxpayer, Universe

WINDOW_DAYS = 30  # W1
_MOST_ACCOUNTS, _MOST_LOTS = 1 << 10, 1 << 22  # room of each in a turn
UNIT = 1e-6  # shares, where fractions are allowed


@dataclass(frozen=True, slots=True)
class Prepared:
    """The universe with what is computed once a day."""

    universe: Universe
    factor: Floats = field(init=False)  # (n, k) L chol(C): Sigma = factor factor' + D
    factor_square: Floats = field(init=False)
    cost: Floats = field(init=False)
    group: Codes = field(init=False)  # 0 .. G - 1
    group_code: Codes = field(init=False)  # (G,) the universe's code of each

    def __post_init__(self) -> None:
        u = self.universe
        factor = np.ascontiguousarray(u.loadings @ _root(u.factor_cov))
        code, group = np.unique(u.group, return_inverse=True)
        for name, value in (
            ("factor", factor),
            ("factor_square", (factor * factor).sum(axis=1)),
            ("cost", u.cost_bps / 1e4),
            ("group", group.astype(np.int64)),
            ("group_code", code),
        ):
            object.__setattr__(self, name, value)

    def variance(self, active: Floats) -> float:
        """Annual variance of active weights."""
        exposure = self.factor.T @ active
        return float(exposure @ exposure + (active * active) @ self.universe.specific_var)


def _root(covariance: Floats) -> Floats:
    """A square root C = R R'; works where C is only semidefinite."""
    values, vectors = np.linalg.eigh(covariance)
    root: Floats = vectors * np.sqrt(np.maximum(values, 0.0))
    return root


@dataclass(frozen=True, slots=True)
class Choice:
    """What the household has decided for identical groups, by universe row; True forbids."""

    no_buy: Mask
    no_loss: Mask  # no sale of a lot below its basis


@dataclass(frozen=True, slots=True)
class Desk:
    """One account ready for the kernels, with the way back to its lots."""

    account: Account
    data: Columns
    limits: Limits
    lot: Codes  # (m,) row in the account's LotColumns
    value: float  # V, dollars
    unit: float  # shares
    whole: bool  # trades in whole shares
    relief: Floats  # (n,) price of a recent share kept, over its price; -1: losses sold are washed
    last: Codes  # (n,) turn of the last loss that is washed


def account_value(universe: Universe, account: Account) -> float:
    """V: cash plus lots at today's prices; 1 for an empty account, whose weights are all 0."""
    lots = account.lots
    # In order of size: the order of lots must not decide the last digit, nor a trade hang on it.
    value = account.cash + float(np.sort(lots.quantity * universe.price[lots.security]).sum())
    return value if value > 0.0 else 1.0


def held_shares(account: Account, count: int) -> Floats:
    """(n,) shares before trading, summed in an order that does not depend on the lots' own."""
    lots = account.lots
    order = np.lexsort((lots.quantity, lots.security))
    total: Floats = np.bincount(lots.security[order], lots.quantity[order], minlength=count).astype(
        np.float64
    )
    return total


def bounds(
    prepared: Prepared, account: Account, held: Floats, choice: Choice
) -> tuple[Floats, Floats]:
    """Weights after trading, at least and at most; where they cross, wishes conflict."""
    wish = account.limits
    high = np.minimum(np.where(wish.exclude, 0.0, wish.max_weight), 1e3)
    high = np.where(wish.no_buy | choice.no_buy, np.minimum(high, held), high)
    low = np.where(wish.no_sell, held, 0.0)
    return low, high


def under(table: Desk, choice: Choice) -> Desk:
    """The desk with more forbidden: what its accounts may not buy, nor sell at a loss."""
    data = table.data
    security, lot = data.security.copy(), data.lot
    no_buy = choice.no_buy
    security["high"][no_buy] = np.minimum(security["high"], security["held"])[no_buy]
    kept = ~(choice.no_loss[lot["security"]] & (lot["gain"] < 0.0))
    if kept.all():
        return replace(table, data=data._replace(security=security))
    lot, n = lot[kept], len(security)
    count_before(lot)
    width = np.bincount(lot["security"], lot["width"], minlength=n)
    low = np.maximum(security["low"], security["held"] - width - 1e-15)
    security["low"] = np.where(low < 1e-12, 0.0, low)
    security["part_units"] = np.bincount(lot["security"], lot["units"], minlength=n)
    edges = np.searchsorted(lot["security"], np.arange(n + 1))
    security["start"], security["stop"] = edges[:-1], edges[1:]
    place, own = np.cumsum(kept) - 1, kept[data.wash_lot]
    group = np.repeat(np.arange(len(data.washed)), np.diff(data.wash_start))[own]
    start = np.searchsorted(group, np.arange(len(data.wash_start))).astype(np.int64)
    data = data._replace(
        security=security, lot=lot, wash_start=start, wash_lot=place[data.wash_lot[own]]
    )
    return replace(table, data=data, lot=table.lot[kept])


def blocked(prepared: Prepared, taxpayer: Taxpayer) -> Mask:
    """(n,) securities whose group the taxpayer sold at a loss in the last 30 days (W27)."""
    mask: Mask = np.isin(prepared.universe.group, taxpayer.loss_groups)
    return mask


def desk(prepared: Prepared, taxpayer: Taxpayer, position: int, as_of: int, choice: Choice) -> Desk:
    """The columns of the taxpayer's account at `position`."""
    universe, account = prepared.universe, taxpayer.accounts[position]
    value = account_value(universe, account)
    unit = 1.0 if account.whole_shares else UNIT
    order, lots = _sorted_lots(universe, account, as_of, choice)
    n = len(universe.price)
    shares = value / universe.price
    owned = held_shares(account, n)
    held = owned / shares
    low, high = bounds(prepared, account, held, choice)
    sellable = np.bincount(lots.security, lots.quantity, minlength=n) / shares
    low = np.maximum(low, held - sellable - 1e-15)
    row, row_low, row_high = rows(universe, account)
    empty = np.floor(owned / unit + 1e-9).astype(np.int64)
    securities = np.zeros(n, dtype=SECURITY)
    units = np.floor(lots.quantity / unit + 1e-9).astype(np.int64)
    start = np.searchsorted(lots.security, np.arange(n + 1))
    for name, column in (
        ("target", account.target),
        ("cost", prepared.cost),
        ("toll", prepared.cost),
        ("held", held),
        ("low", np.where(low < 1e-12, 0.0, low)),
        ("high", high),
        ("step", unit / shares),
        ("least", account.min_trade / value),
        ("ticket", account.ticket_cost / value),
        ("smallest", account.min_position),
        ("specific", universe.specific_var),
        ("factor_square", prepared.factor_square),
        ("shares", shares),
        ("part_units", np.bincount(lots.security, units, minlength=n)),
        ("empty_units", empty),
        ("whole", np.abs(empty * unit - owned) <= 1e-9 * np.maximum(owned, 1.0)),
        ("start", start[:-1]),
        ("stop", start[1:]),
        ("group", prepared.group),
        ("row", row),
    ):
        securities[name] = column
    recent = lots.acquired_day >= as_of - WINDOW_DAYS
    wash = _wash(prepared, taxpayer, position, as_of, lots)
    turns = _turns(lots, position, wash[0][prepared.group[lots.security]])
    data = Columns(
        prepared.factor,
        securities,
        _lot_records(universe, account, lots, units, recent, shares, turns),
        row_low,
        row_high,
        *wash,
        np.zeros(0, dtype=FOREIGN),
    )
    limits = whole_limits(account, value)
    relief, last = np.zeros(n), np.full(n, -1)
    return Desk(account, data, limits, order, value, unit, unit == 1.0, relief, last)


def _sorted_lots(
    universe: Universe, account: Account, as_of: int, choice: Choice
) -> tuple[Codes, LotColumns]:
    """Lots that may be sold, by security, then by tax per dollar, then by age."""
    lots = account.lots
    gain = universe.price[lots.security] - lots.basis / lots.quantity
    rate = np.where(lots.long_term, account.lt_rate, account.st_rate)
    tax = rate * gain / universe.price[lots.security]
    # Where nothing is taxed, gains go first: a loss sale would keep the household from buying.
    tie = np.where(rate == 0.0, -gain, 0.0)
    order = np.argsort(lots.security, kind="stable")
    order = order[~(choice.no_loss[lots.security] & (gain < 0.0))[order]]
    order = _within(order, lots.security, tax + tie, lots.acquired_day, lots.basis)
    return order, LotColumns(
        lots.security[order],
        lots.quantity[order],
        lots.basis[order],
        lots.acquired_day[order],
        lots.long_term[order],
    )


@njit(cache=True)
def _within(order: Codes, security: Codes, tax: Floats, acquired: Codes, basis: Floats) -> Codes:
    """Rows in order of securities, then by tax, day and basis; each security has few lots."""
    for at in range(1, len(order)):
        row, place = order[at], at
        while place > 0 and security[order[place - 1]] == security[row]:
            other = order[place - 1]
            if tax[other] < tax[row] or (
                tax[other] == tax[row]
                and (
                    acquired[other] < acquired[row]
                    or (acquired[other] == acquired[row] and basis[other] <= basis[row])
                )
            ):
                break
            order[place] = other
            place -= 1
        order[place] = row
    return order


def _lot_records(
    universe: Universe,
    account: Account,
    lots: LotColumns,
    units: Codes,
    recent: Mask,
    shares: Floats,
    turns: Codes,
) -> Any:
    records = np.zeros(len(lots.quantity), dtype=LOT)
    for name, column in (
        ("turn", turns),
        ("units", units),
        ("long_term", lots.long_term),
        ("recent", recent),
        ("security", lots.security),
    ):
        records[name] = column
    rates = (account.st_rate, account.lt_rate)
    _fill(records, lots.quantity, lots.basis, universe.price, shares, *rates)
    return records


@njit(cache=True)
def _fill(
    records: Any,
    quantity: Floats,
    basis: Floats,
    price: Floats,
    shares: Floats,
    short_rate: float,
    long_rate: float,
) -> None:
    """Weights, gains and tax of lots that are in order of their securities."""
    for at in range(records.shape[0]):
        one = records[at]
        i = one.security
        one.width = quantity[at] / shares[i]
        one.gain = 1.0 - basis[at] / (quantity[at] * price[i])
        one.rate = long_rate if one.long_term else short_rate
        one.tax = one.guide = one.gain * one.rate
    count_before(records)


def _turns(lots: LotColumns, position: int, washed: Mask) -> Codes:
    """(m,) by day of acquisition, then account, security, dearest first, as the check has it.

    Only lots of washed groups are put in order.
    """
    rows = np.flatnonzero(washed)
    unit = lots.basis[rows] / lots.quantity[rows]
    keys = (lots.quantity[rows], -unit, lots.security[rows], lots.acquired_day[rows])
    rank = np.zeros(len(washed), dtype=np.int64)
    rank[rows[np.lexsort(keys)]] = np.arange(len(rows))
    turns: Codes = (lots.acquired_day * _MOST_ACCOUNTS + position) * _MOST_LOTS + rank
    return turns


@njit(cache=True)
def count_before(lot: Any) -> None:
    """Units of the same security in earlier lots; lots sorted by security."""
    for at in range(lot.shape[0]):
        same = at > 0 and lot[at - 1].security == lot[at].security
        lot[at].before = lot[at - 1].before + lot[at - 1].units if same else 0


def rows(universe: Universe, account: Account) -> tuple[Codes, Floats, Floats]:
    """Band rows: cash use first, then one per sector with a bound."""
    limits = account.limits
    bound = np.flatnonzero((limits.sector_max < np.inf) | (limits.sector_min > 0.0))
    number = np.full(len(limits.sector_max), -1, dtype=np.int64)
    number[bound] = np.arange(1, len(bound) + 1)
    low = np.concatenate([[1.0 - account.cash_high], limits.sector_min[bound]])
    most = 1.0 - account.cash_low  # of everything, so of each sector: the bound counts on it
    high = np.concatenate([[most], np.minimum(limits.sector_max[bound], most)])
    return number[universe.sector], low, high


def whole_limits(account: Account, value: float) -> Limits:
    """Limits over the whole account in shares of V, infinite where there is none."""

    def or_inf(limit: float | None, scale: float = 1.0) -> float:
        return np.inf if limit is None else limit * scale

    return Limits(
        # A hair inside, since sums of floats drift by less than this.
        max_variance=np.inf if account.te_cap is None else account.te_cap**2 * (1.0 - 1e-9),
        max_turnover=or_inf(account.max_turnover),
        short_gain=or_inf(account.st_gain_budget, 1.0 / value),
        long_gain=or_inf(account.lt_gain_budget, 1.0 / value),
        max_names=or_inf(account.max_names),
    )


def _wash(
    prepared: Prepared,
    taxpayer: Taxpayer,
    position: int,
    as_of: int,
    lots: LotColumns,
) -> tuple[Mask, Floats, Codes, Codes]:
    """Groups with shares bought in the last 30 days, and their lots in order of acquisition."""
    count = len(prepared.group_code)
    inside, elsewhere = np.zeros(count), np.zeros(count)
    for number, account in enumerate(taxpayer.accounts):
        recent = np.flatnonzero(account.lots.acquired_day >= as_of - WINDOW_DAYS)
        recent = recent[np.argsort(account.lots.quantity[recent], kind="stable")]
        group = prepared.group[account.lots.security[recent]]
        here = inside if number == position else elsewhere
        here += np.bincount(group, account.lots.quantity[recent], minlength=count)
    washed = inside + elsewhere > 0.0
    group = prepared.group[lots.security]
    touched = np.flatnonzero(washed[group])
    unit = lots.basis / lots.quantity  # on one day the dearest first, as the check has it
    keys = (lots.quantity, -unit, lots.security, lots.acquired_day, group)
    by_age = touched[np.lexsort(tuple(column[touched] for column in keys))]
    start = np.searchsorted(group[by_age], np.arange(count + 1)).astype(np.int64)
    return washed, elsewhere, start, by_age
