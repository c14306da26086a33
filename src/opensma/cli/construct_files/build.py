"""Columns of the files to the arrays of the decision, with every check on their values.

Decided here: weights of targets sum to at most 1, the rest is cash; a restriction whose key names a
sector covers all its securities; loss sales of taxpayers without an account here are ignored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from opensma.cli.construct_files.layout import bad
from opensma.cli.construct_files.reader import Columns, Files
from opensma.cli.construct_files.wishes import account_limits
from opensma.construct.check import WINDOW_DAYS
from opensma.construct.prepare import account_value
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
from opensma.tax.holding import is_long_term

_SUM = 1e-6  # weights written as decimals add up to 1 only this well
_SYMMETRIC = 1e-9  # of the largest covariance

Ids = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """A folder or a part of it, checked: what to solve, and how to name the answer."""

    universe: Universe
    taxpayers: list[Taxpayer]
    as_of_day: int
    account_ids: list[str]  # in the order of the file
    lot_ids: dict[str, Ids]  # by account, row for row as in its LotColumns
    id_types: dict[str, str]


def build_problem(files: Files) -> Problem:
    """Check every value and make the arrays; InputError names the first that is wrong."""
    (problem,) = build_parts(files, len(files.tables["accounts"]["account_id"]))
    return problem


def build_parts(files: Files, accounts: int) -> Iterator[Problem]:
    """The same in parts of whole taxpayers with about so many accounts, at least one part."""
    universe = _universe(files.tables, files.factors)
    table = files.tables["accounts"]
    _check_accounts(table)
    part_of = _parts(table, accounts)
    owners = table["taxpayer_id"].astype(str)
    part = np.array([part_of[owner] for owner in owners], dtype=np.int64)
    part_of_account = dict(zip(table["account_id"].astype(str), part.tolist(), strict=True))
    files.split({"account_id": part_of_account, "taxpayer_id": part_of})
    for number in range(int(part.max(initial=0)) + 1):
        mine = {column: values[part == number] for column, values in table.items()}
        yield _problem(universe, files, {**files.part(number), "accounts": mine})


def _parts(accounts: Columns, size: int) -> dict[str, int]:
    """The part of every taxpayer, in the order of their names."""
    owners, members = np.unique(accounts["taxpayer_id"].astype(str), return_counts=True)
    before = np.cumsum(members) - members
    return {
        str(owner): int(first) // max(size, 1) for owner, first in zip(owners, before, strict=True)
    }


def _problem(universe: Universe, files: Files, tables: dict[str, Columns]) -> Problem:
    row_of = {name: row for row, name in enumerate(universe.security)}
    accounts = tables["accounts"]
    names = [str(name) for name in accounts["account_id"]]
    position = {name: row for row, name in enumerate(names)}
    lots = _lots(tables["lots"], row_of, position, files.as_of_day)
    targets = _targets(tables["targets"], row_of, position)
    wishes = account_limits(tables["restrictions"], universe, row_of, position)
    made = {
        name: _account(universe, accounts, row, lots[row][0], targets[row], wishes[row])
        for row, name in enumerate(names)
    }
    lost = _loss_groups(tables["loss_sales"], universe, row_of, files.as_of_day)
    members: dict[str, list[str]] = {}
    for name, owner in zip(names, accounts["taxpayer_id"], strict=True):
        members.setdefault(str(owner), []).append(name)
    taxpayers = [
        Taxpayer(
            owner,
            tuple(made[name] for name in sorted(members[owner])),
            np.array(sorted(lost.get(owner, ())), dtype=np.int64),
        )
        for owner in sorted(members)
    ]
    lot_ids = {name: lots[row][1] for row, name in enumerate(names)}
    return Problem(universe, taxpayers, files.as_of_day, names, lot_ids, files.id_types)


# --- checks that every table shares ------------------------------------------------------------


def require(table: Columns, name: str, column: str, good: Mask, needed: str) -> None:
    """Every value of a column is as needed (empty ones pass); the first that is not is named."""
    values = table[column]
    empty = np.isnan(values) if values.dtype.kind == "f" else np.zeros(len(values), dtype=bool)
    for row in np.flatnonzero(~(good | empty)):
        raise bad(
            "value_range", f"{column} is {values[row]:g}; it must be {needed}.",
            f"{name}.parquet:{column}, row {table['row'][row]}", "Correct the value.",
        )  # fmt: skip


def _unique(table: Columns, name: str, *columns: str) -> None:
    seen = set()
    for row, key in enumerate(zip(*(table[column] for column in columns), strict=True)):
        if key in seen:
            raise bad(
                "duplicate", f"{', '.join(str(part) for part in key)} appears twice.",
                f"{name}.parquet:{','.join(columns)}, row {table['row'][row]}",
                "Keep one of the rows.",
            )  # fmt: skip
        seen.add(key)


def look_up(table: Columns, column: str, known: dict[str, int], file: str) -> Codes:
    """Rows of a column's ids in a dictionary; an id that it does not hold is an error."""
    ids = table[column]
    rows = np.array([known.get(name, -1) for name in ids], dtype=np.int64)
    for row in np.flatnonzero(rows < 0):
        noun = column.removesuffix("_id")
        home = "accounts" if noun == "account" else "securities"
        raise bad(
            f"unknown_{noun}", f"There is no {noun} '{ids[row]}' in {home}.parquet.",
            f"{file}.parquet:{column}, row {table['row'][row]}",
            f"Correct the {noun}, or add it to {home}.parquet.",
        )  # fmt: skip
    return rows


# --- securities and the risk model -------------------------------------------------------------


def _universe(tables: dict[str, Columns], factors: tuple[str, ...]) -> Universe:
    table, name = tables["securities"], "securities"
    _unique(table, name, "security_id")
    require(table, name, "price", table["price"] > 0.0, "above 0")
    require(table, name, "cost_bps", table["cost_bps"] >= 0.0, "at least 0")
    require(table, name, "specific_var", table["specific_var"] > 0.0, "above 0")
    order = np.argsort(table["security_id"].astype(str))  # the file's order never matters
    table = {column: values[order] for column, values in table.items()}
    ids = tuple(str(name) for name in table["security_id"])
    sectors, sector = np.unique(table["sector"].astype(str), return_inverse=True)
    own = [i if g is None else str(g) for i, g in zip(ids, table["group"], strict=True)]
    _, group = np.unique(np.array(own, dtype=object).astype(str), return_inverse=True)
    return Universe(
        security=ids,
        price=table["price"],
        cost_bps=table["cost_bps"],
        sector=sector.astype(np.int64),
        sector_name=tuple(str(name) for name in sectors),
        group=group.astype(np.int64),
        loadings=_loadings(tables["loadings"], factors, ids),
        factor_cov=_factor_cov(tables["factor_cov"], factors),
        specific_var=table["specific_var"],
    )


def _loadings(table: Columns, factors: tuple[str, ...], ids: tuple[str, ...]) -> Floats:
    _unique(table, "loadings", "security_id")
    known = {name: row for row, name in enumerate(ids)}
    rows = look_up(table, "security_id", known, "loadings")
    missing = set(range(len(ids))) - set(rows.tolist())
    if missing:
        raise bad(
            "loadings_missing", f"'{ids[min(missing)]}' has no loadings ({len(missing)} in all).",
            "loadings.parquet:security_id", "Add a row for every security.",
        )  # fmt: skip
    loadings = np.zeros((len(ids), len(factors)))
    loadings[rows] = np.stack([table[name] for name in factors], axis=1)
    return loadings


def _factor_cov(table: Columns, factors: tuple[str, ...]) -> Floats:
    where = "factor_cov.parquet"
    covariance: Floats = np.stack([table[name] for name in factors], axis=1)
    if covariance.shape != (len(factors), len(factors)):
        what = f"{covariance.shape[0]} rows for {len(factors)} factors."
        raise bad("factor_cov", what, where, "Give one row per factor, in the order f0, f1, …")
    scale = float(np.abs(covariance).max())
    off = float(np.abs(covariance - covariance.T).max())
    if off > _SYMMETRIC * scale:
        what = f"The matrix is not symmetric (largest difference {off:g})."
        raise bad("factor_cov", what, where, "Write the whole covariance matrix.")
    lowest = float(np.linalg.eigvalsh(covariance)[0])
    if lowest < -_SYMMETRIC * scale:
        what = f"The matrix is not positive semidefinite (smallest eigenvalue {lowest:g})."
        raise bad("factor_cov", what, where, "Use a covariance matrix.")
    return (covariance + covariance.T) / 2.0


# --- accounts ----------------------------------------------------------------------------------


def _check_accounts(table: Columns) -> None:
    name = "accounts"
    _unique(table, name, "account_id")
    for column in ("cash_low", "cash_high", "st_rate", "lt_rate"):
        values = table[column]
        require(table, name, column, (values >= 0.0) & (values <= 1.0), "between 0 and 1")
    high = table["cash_high"] >= table["cash_low"]
    require(table, name, "cash_high", high, "at least cash_low")
    for column in ("min_trade", "risk_aversion", "max_turnover"):
        require(table, name, column, table[column] >= 0.0, "at least 0")
    require(table, name, "risk_aversion", table["risk_aversion"] > 0.0, "above 0")
    require(table, name, "te_cap", table["te_cap"] > 0.0, "above 0")
    for column in ("max_names", "ticket_cost", "min_position"):
        require(table, name, column, table[column] >= 0.0, "at least 0")
    whole = np.isnan(table["max_names"]) | (np.mod(table["max_names"], 1.0) == 0.0)
    require(table, name, "max_names", whole, "a whole number")
    given = ~np.isnan(table["risk_aversion"]) & ~np.isnan(table["te_cap"])
    none = np.isnan(table["risk_aversion"]) & np.isnan(table["te_cap"])
    for row in np.flatnonzero(given | none):
        what = "Both risk_aversion and te_cap are set." if given[row] else "Neither is set."
        raise bad(
            "risk_choice", f"{what} Exactly one of the two says how risk counts.",
            f"accounts.parquet:risk_aversion,te_cap, row {table['row'][row]}",
            "Leave one of them empty.",
        )  # fmt: skip


def _account(
    universe: Universe,
    table: Columns,
    row: int,
    lots: LotColumns,
    target: Floats,
    limits: Limits,
) -> Account:
    def number(column: str) -> float:
        return float(table[column][row])

    def optional(column: str) -> float | None:
        value = number(column)
        return None if np.isnan(value) else value

    names = optional("max_names")
    made = Account(
        account_id=str(table["account_id"][row]),
        lots=lots,
        cash=number("cash"),
        cash_low=number("cash_low"),
        cash_high=number("cash_high"),
        target=target,
        limits=limits,
        st_rate=number("st_rate"),
        lt_rate=number("lt_rate"),
        min_trade=number("min_trade"),
        whole_shares=bool(table["whole_shares"][row]),
        risk_aversion=optional("risk_aversion"),
        te_cap=optional("te_cap"),
        max_turnover=optional("max_turnover"),
        st_gain_budget=optional("st_gain_budget"),
        lt_gain_budget=optional("lt_gain_budget"),
        ticket_cost=optional("ticket_cost") or 0.0,
        max_names=None if names is None else int(names),
    )
    dollars = optional("min_position") or 0.0
    return replace(made, min_position=dollars / account_value(universe, made)) if dollars else made


def _lots(
    table: Columns, row_of: dict[str, int], position: dict[str, int], as_of_day: int
) -> list[tuple[LotColumns, Ids]]:
    """Lots of every account by date and id, so that the order of the file never matters."""
    name = "lots"
    _unique(table, name, "account_id", "lot_id")
    require(table, name, "quantity", table["quantity"] > 0.0, "above 0")
    require(table, name, "basis", table["basis"] >= 0.0, "at least 0")
    for row in np.flatnonzero(table["acquired"] > as_of_day):
        raise bad(
            "acquired_after", "The lot was acquired after as_of.",
            f"lots.parquet:acquired, row {table['row'][row]}",
            "Correct the date, or as_of in params.json.",
        )  # fmt: skip
    account = look_up(table, "account_id", position, "lots")
    security = look_up(table, "security_id", row_of, "lots")
    lot = table["lot_id"].astype(str)
    order = np.lexsort((lot, table["acquired"], account))
    edges = np.searchsorted(account[order], np.arange(len(position) + 1))
    long_term = np.asarray(is_long_term(table["acquired"], as_of_day), dtype=bool)
    found = []
    for start, end in pairwise(edges.tolist()):
        rows = order[start:end]
        columns = LotColumns(
            security[rows],
            table["quantity"][rows],
            table["basis"][rows],
            table["acquired"][rows],
            long_term[rows],
        )
        found.append((columns, lot[rows]))
    return found


def _targets(table: Columns, row_of: dict[str, int], position: dict[str, int]) -> list[Floats]:
    """Target weights of every account: its own, or those without an account."""
    name = "targets"
    _unique(table, name, "account_id", "security_id")
    require(table, name, "weight", table["weight"] >= 0.0, "at least 0")
    security = look_up(table, "security_id", row_of, "targets")
    named = np.array([name is not None for name in table["account_id"]], dtype=bool)
    own = np.flatnonzero(named)
    account = np.full(len(named), -1, dtype=np.int64)
    mine = {column: values[own] for column, values in table.items()}
    account[own] = look_up(mine, "account_id", position, "targets")
    common = _weights(security, table["weight"], account == -1, len(row_of), "(every account)")
    has_own = np.unique(account[own])
    targets = []
    for account_id, row in position.items():
        if row in has_own:
            weights = _weights(security, table["weight"], account == row, len(row_of), account_id)
        elif len(own) == len(named):
            raise bad(
                "targets_missing", f"Account '{account_id}' has no targets.", "targets.parquet",
                "Add rows for it, or rows without an account_id that hold for all.",
            )  # fmt: skip
        else:
            weights = common
        targets.append(weights)
    return targets


def _weights(security: Codes, weight: Floats, rows: Mask, size: int, account_id: str) -> Floats:
    weights: Floats = np.bincount(security[rows], weight[rows], minlength=size).astype(np.float64)
    total = float(weights.sum())
    if total > 1.0 + _SUM:
        raise bad(
            "targets_sum", f"The weights of account {account_id} sum to {total:.8g}.",
            "targets.parquet:weight", "Let them sum to at most 1; what is left is cash.",
        )  # fmt: skip
    return weights


def _loss_groups(
    table: Columns, universe: Universe, row_of: dict[str, int], as_of_day: int
) -> dict[str, set[int]]:
    """By taxpayer the groups sold at a loss from 30 days ago to now (W1: day 30 counts)."""
    where = "loss_sales.parquet"
    require(table, "loss_sales", "quantity", table["quantity"] >= 0.0, "at least 0")
    security = look_up(table, "security_id", row_of, "loss_sales")
    for row in np.flatnonzero(table["sold"] > as_of_day):
        raise bad(
            "sold_after", "The sale is after as_of.", f"{where}:sold, row {table['row'][row]}",
            "Correct the date, or as_of in params.json.",
        )  # fmt: skip
    live = (table["sold"] >= as_of_day - WINDOW_DAYS) & (table["quantity"] > 0.0)
    lost: dict[str, set[int]] = {}
    for row in np.flatnonzero(live):
        groups = lost.setdefault(str(table["taxpayer_id"][row]), set())
        groups.add(int(universe.group[security[row]]))
    return lost
