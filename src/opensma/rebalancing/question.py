"""From arguments to the decision's own arrays: every value is checked here, by name and row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from opensma.construct.check import WINDOW_DAYS
from opensma.construct.problem import (
    Account,
    Codes,
    Floats,
    Limits,
    LotColumns,
    Mask,
    Taxpayer,
    Universe,
)
from opensma.rebalancing import tables
from opensma.rebalancing.risk import FactorModel
from opensma.rebalancing.tables import bad
from opensma.tax.holding import is_long_term

_SUM = 1e-6  # weights written as decimals add up to 1 only this well
_NO_SECTOR = "(none)"
ALONE = "account"  # id of the account where there is only one


@dataclass(frozen=True, slots=True)
class Held:
    """The lots of the whole call, row for row as they were given."""

    security: list[str]
    quantity: Floats
    basis: Floats
    acquired_day: Codes
    long_term: Mask
    lot: list[Any]  # the caller's ids, or the row's number
    account: list[str]


def read_lots(given: Any, as_of_day: int, owners: Sequence[str]) -> Held:
    """Lots with their total basis; `owners` are the ids of the accounts that may hold them."""
    where = "lots"
    columns = tables.columns_of(given, where)
    security = tables.texts(tables.need(columns, tables.SECURITY, where), f"{where}: security")
    quantity = _numbers(columns, tables.QUANTITY, "quantity")
    if tables.pick(columns, tables.BASIS) is None and tables.pick(columns, tables.UNIT_COST):
        basis = quantity * _numbers(columns, tables.UNIT_COST, "unit_cost")
    else:
        basis = _numbers(columns, tables.BASIS, "basis")
    _require(quantity > 0.0, quantity, "lots: quantity", "above 0")
    _require(basis >= 0.0, basis, "lots: basis", "at least 0")
    acquired = tables.days(tables.need(columns, tables.ACQUIRED, where), "lots: acquired")
    for row in np.flatnonzero(acquired > as_of_day):
        raise bad(
            "acquired_after", "The lot was acquired after as_of.", f"lots: acquired, row {row}",
            "Correct the date, or as_of.",
        )  # fmt: skip
    told, lot = (tables.pick(columns, names) for names in (tables.LONG_TERM, tables.LOT))
    long_term = is_long_term(acquired, as_of_day) if told is None else columns[told]
    ids = list(range(len(security))) if lot is None else columns[lot].tolist()
    return Held(
        security, quantity, basis, acquired, np.asarray(long_term, dtype=bool), ids,
        _owners(columns, owners, len(security)),
    )  # fmt: skip


def _owners(columns: tables.Columns, owners: Sequence[str], rows: int) -> list[str]:
    named = tables.pick(columns, tables.ACCOUNT)
    if named is None or owners == [ALONE]:
        if len(owners) == 1:
            return [owners[0]] * rows
        raise bad(
            "column_missing", f"There are {len(owners)} accounts, and no column says whose a lot "
            "is.", "lots", "Add a column account_id.",
        )  # fmt: skip
    found = tables.texts(columns[named], "lots: account_id")
    for row, name in enumerate(found):
        if name not in owners:
            raise bad(
                "unknown_account", f"There is no account '{name}'.", f"lots: account_id, row {row}",
                "Add it to accounts, or correct the id.",
            )  # fmt: skip
    return found


def _numbers(columns: tables.Columns, names: Sequence[str], label: str) -> Floats:
    return tables.numbers(tables.need(columns, names, "lots"), f"lots: {label}")


def _require(good: Mask, values: Floats, where: str, needed: str) -> None:
    for row in np.flatnonzero(~good):
        raise bad(
            "value_range", f"It is {values[row]:g}; it must be {needed}.", f"{where}, row {row}",
            "Correct the value.",
        )  # fmt: skip


# --- securities --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Names:
    """Where a name stands: rows of securities, codes of sectors."""

    universe: Universe

    def rows(self, given: Any, where: str) -> Mask:
        """Securities named; a name that is a sector's covers all its securities."""
        mask = np.zeros(len(self.universe.security), dtype=bool)
        for name in tables.names_of(given, where):
            if name in self.universe.security:
                mask[self.universe.security.index(name)] = True
            elif name in self.universe.sector_name:
                mask[self.universe.sector == self.universe.sector_name.index(name)] = True
            else:
                raise self.unknown(name, where)
        return mask

    def unknown(self, name: str, where: str) -> Exception:
        """The error for a name that is neither a security nor a sector."""
        return bad(
            "unknown_name", f"There is no security or sector '{name}'.", where,
            "Correct the name; a security needs a price and a place in the risk model.",
        )  # fmt: skip


def make_universe(
    prices: dict[str, float],
    risk: FactorModel,
    needed: dict[str, str],
    *,
    cost_bps: Any,
    sectors: Any,
    groups: Any,
) -> Universe:
    """Every security with a price and a risk; `needed` are those that must have both, and why."""
    known = set(risk.securities)
    for name, why in needed.items():
        if name not in prices:
            raise bad("price_missing", f"'{name}' has no price.", why, "Add it to prices.")
        if name not in known:
            raise bad(
                "risk_missing", f"'{name}' is not in the risk model.", why,
                "Add it to the risk model, or take the security out.",
            )  # fmt: skip
    ids = tuple(sorted(known & set(prices)))
    if not ids:
        raise bad("empty", "No security has both a price and a risk.", "prices", "Use one naming.")
    price = np.array([prices[name] for name in ids])
    for row in np.flatnonzero(price <= 0.0):
        raise bad(
            "value_range", f"The price of '{ids[row]}' is {price[row]:g}.", "prices",
            "Prices are above 0.",
        )  # fmt: skip
    sector_name, sector = np.unique(_labels(sectors, ids, "sectors"), return_inverse=True)
    _, group = np.unique(_labels(groups, ids, "groups"), return_inverse=True)
    aligned = risk.rows(ids)
    return Universe(
        ids, price, _costs(cost_bps, ids), sector.astype(np.int64),
        tuple(str(name) for name in sector_name), group.astype(np.int64),
        aligned.loadings, aligned.factor_cov, aligned.specific_var,
    )  # fmt: skip


def _labels(given: Any, ids: tuple[str, ...], where: str) -> list[str]:
    """A text per security: one sector for all where nothing is said, itself as its group."""
    if given is None:
        return [_NO_SECTOR] * len(ids) if where == "sectors" else list(ids)
    if isinstance(given, Mapping):
        found = {str(name): str(value) for name, value in given.items()}
    elif hasattr(given, "index") and not hasattr(given, "columns"):
        found = dict(zip(map(str, given.index), map(str, given), strict=True))
    else:
        columns = tables.columns_of(given, where)
        names = tables.texts(tables.need(columns, tables.SECURITY, where), where)
        label = (where.removesuffix("s"), where, "gicssector", "label")
        values = tables.texts(tables.need(columns, label, where), where)
        found = dict(zip(names, values, strict=True))
    return [found.get(name, _NO_SECTOR if where == "sectors" else name) for name in ids]


def _costs(given: Any, ids: tuple[str, ...]) -> Floats:
    if isinstance(given, int | float):
        costs = np.full(len(ids), float(given))
    else:
        found = tables.named_numbers(given, "cost_bps", ("costbps", "cost"))
        costs = np.array([found.get(name, np.nan) for name in ids])
    if not (costs >= 0.0).all():
        name = ids[int(np.flatnonzero(~(costs >= 0.0))[0])]
        raise bad(
            "value_range", f"'{name}' has no cost, or one below 0.", "cost_bps",
            "Give basis points of notional, one way, for every security.",
        )  # fmt: skip
    return costs


# --- limits and accounts -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wishes:
    """Arguments of one account that limit it, as they were given."""

    exclude: Any = ()
    no_buy: Any = ()
    no_sell: Any = ()
    max_weight: Any = None
    sector_min: Any = None
    sector_max: Any = None


def make_limits(universe: Universe, wishes: Wishes) -> Limits:
    """Masks and bounds by universe row and sector code."""
    names = Names(universe)
    return Limits(
        names.rows(wishes.exclude, "exclude"),
        names.rows(wishes.no_buy, "no_buy"),
        names.rows(wishes.no_sell, "no_sell"),
        _weights(universe, wishes.max_weight, names),
        _sector_bounds(universe, wishes.sector_max, "sector_max", np.inf),
        _sector_bounds(universe, wishes.sector_min, "sector_min", 0.0),
    )


def _weights(universe: Universe, given: Any, names: Names) -> Floats:
    bounds: Floats = np.full(len(universe.security), np.inf)
    if given is None:
        return bounds
    if isinstance(given, int | float):
        bounds[:] = _weight(float(given), "max_weight")
        return bounds
    for name, value in tables.named_numbers(given, "max_weight", tables.WEIGHT).items():
        rows = names.rows(name, "max_weight")
        bounds[rows] = np.minimum(bounds[rows], _weight(value, "max_weight"))
    return bounds


def _sector_bounds(universe: Universe, given: Any, where: str, nothing: float) -> Floats:
    bounds = np.full(len(universe.sector_name), nothing)
    for name, value in ({} if given is None else dict(given)).items():
        if str(name) not in universe.sector_name:
            raise bad(
                "unknown_sector", f"There is no sector '{name}'.", where,
                "Give sectors={security: sector}, and one of its names.",
            )  # fmt: skip
        bounds[universe.sector_name.index(str(name))] = _weight(float(value), where)
    return bounds


def _weight(value: float, where: str) -> float:
    if not 0.0 <= value <= 1.0:
        raise bad(
            "value_range", f"It is {value:g}; a weight lies between 0 and 1.", where,
            "0.05 means five percent.",
        )  # fmt: skip
    return value


def make_target(universe: Universe, weights: dict[str, float]) -> Floats:
    """(n,) target weights; they sum to at most 1, the rest is cash."""
    target = np.zeros(len(universe.security))
    for name, weight in weights.items():
        if weight != 0.0:
            target[universe.security.index(name)] = _weight(weight, f"targets: {name}")
    total = float(target.sum())
    if total > 1.0 + _SUM:
        raise bad(
            "targets_sum", f"The target weights sum to {total:.8g}.", "targets",
            "Let them sum to at most 1; what is left is cash.",
        )  # fmt: skip
    return target


def make_lots(universe: Universe, held: Held, owner: str) -> tuple[LotColumns, list[Any]]:
    """One account's lots in an order that does not depend on the caller's, with their ids."""
    row_of = {name: row for row, name in enumerate(universe.security)}
    own = np.array([r for r, name in enumerate(held.account) if name == owner], dtype=np.int64)
    security = np.array([row_of[held.security[r]] for r in own], dtype=np.int64)
    keys = (held.quantity[own], held.basis[own], held.acquired_day[own], security)
    order = np.lexsort(keys)
    rows = own[order]
    columns = LotColumns(
        security[order], held.quantity[rows], held.basis[rows], held.acquired_day[rows],
        held.long_term[rows],
    )  # fmt: skip
    return columns, [held.lot[r] for r in rows]


def check_account(account: Account) -> Account:
    """Numbers of an account in their ranges; InputError names the argument."""
    for name, value, low, high in (
        ("cash", account.cash, 0.0, np.inf),
        ("cash_band", account.cash_low, 0.0, account.cash_high),
        ("cash_band", account.cash_high, 0.0, 1.0),
        ("st_rate", account.st_rate, 0.0, 1.0),
        ("lt_rate", account.lt_rate, 0.0, 1.0),
        ("min_trade", account.min_trade, 0.0, np.inf),
        ("turnover", account.max_turnover, 0.0, np.inf),
        ("risk_aversion", account.risk_aversion, np.nextafter(0.0, 1.0), np.inf),
        ("te_cap", account.te_cap, np.nextafter(0.0, 1.0), np.inf),
        ("st_gain_budget", account.st_gain_budget, -np.inf, np.inf),
        ("lt_gain_budget", account.lt_gain_budget, -np.inf, np.inf),
        ("ticket_cost", account.ticket_cost, 0.0, np.inf),
        ("min_position", account.min_position, 0.0, 1.0),
        ("max_names", account.max_names, 0, np.inf),
    ):
        if value is not None and not low <= value <= high:
            raise bad(
                "value_range", f"It is {value:g}; it must lie between {low:g} and {high:g}.",
                name if account.account_id == ALONE else f"{name} of {account.account_id}",
                "Correct the value.",
            )  # fmt: skip
    if (account.risk_aversion is None) == (account.te_cap is None):
        raise bad(
            "risk_choice", "Exactly one of risk_aversion and te_cap says how risk counts.",
            "risk_aversion, te_cap", "Leave one of them out.",
        )  # fmt: skip
    if account.cash == 0.0 and not len(account.lots.quantity):
        raise bad(
            "empty", "The account has neither cash nor lots.", account.account_id, "Give cash=."
        )
    return account


def with_more(account: Account, more: Mapping[str, Any]) -> Account:
    """Limits that this version of the engine knows besides, by the names of `Account`'s fields."""
    known = {field.name for field in fields(Account)}
    unknown = sorted(set(more) - known)
    if unknown:
        raise bad(
            "unknown_argument", f"There is no argument '{unknown[0]}'.", unknown[0],
            "help(opensma.rebalance) lists them.",
        )  # fmt: skip
    return replace(account, **more)


def loss_groups(universe: Universe, given: Any, as_of_day: int) -> Codes:
    """Groups that the taxpayer sold at a loss on one of the last 30 days (W1): names, or a table
    with dates, of which those outside the window no longer count.
    """
    if hasattr(given, "columns") or hasattr(given, "to_pydict") or isinstance(given, Mapping):
        columns = tables.columns_of(given, "loss_sales")
        names = tables.texts(tables.need(columns, tables.SECURITY, "loss_sales"), "loss_sales")
        dates = tables.need(columns, ("sold", "solddate", "datesold", "date"), "loss_sales")
        sold = tables.days(dates, "loss_sales: sold")
        names = [n for n, day in zip(names, sold, strict=True) if day >= as_of_day - WINDOW_DAYS]
    else:
        names = list(tables.names_of(given, "loss_sales"))
    rows = [universe.security.index(name) for name in names if name in universe.security]
    return np.unique(universe.group[np.array(rows, dtype=np.int64)])


def taxpayer_of(accounts: Sequence[Account], losses: Codes) -> Taxpayer:
    """All accounts of the call belong to one taxpayer, in order of their ids."""
    return Taxpayer("taxpayer", tuple(sorted(accounts, key=lambda a: a.account_id)), losses)
