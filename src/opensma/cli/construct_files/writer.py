"""Results as Parquet, complete or not at all; and problems as example inputs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from opensma.cli.construct_files.build import Ids
from opensma.cli.construct_files.layout import (
    ACCOUNT_FIGURES,
    ACCOUNTS,
    INPUTS,
    SQL_TYPE,
    TRADES,
    bad,
)
from opensma.construct.plan import Plan
from opensma.construct.prepare import account_value
from opensma.construct.problem import Account, Taxpayer, Universe

if TYPE_CHECKING:
    import duckdb

_BETWEEN = "\x1f"  # separates names of constraints on their way into a list
_MEMORY = "64MB"  # for gathering results in the order of the input; what is beyond goes to disk
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()

Columns = dict[str, npt.NDArray[Any]]


def check_out(folder: Path) -> None:
    """Refuse a place that cannot hold results, before anything is solved."""
    if folder.exists() and not folder.is_dir():
        remedy = "Name a folder; it is made where it is missing."
        raise bad("out", "There is a file of this name.", str(folder), remedy)


class Results:
    """trades.parquet and accounts.parquet, handed over in pieces and written as one.

    Pieces are gathered in a scratch folder; both files are complete before either gets its name.
    """

    def __init__(
        self,
        folder: Path,
        scratch: Path,
        securities: Sequence[str],
        account_ids: Sequence[str],
        id_types: dict[str, str],
    ) -> None:
        self._folder = folder
        self._securities = np.array(securities, dtype=object)
        self._position = {name: row for row, name in enumerate(account_ids)}
        self._casts = {
            "trades": {name: id_types.get(kind, kind) for name, kind in TRADES},
            "accounts": {name: id_types.get(kind, kind) for name, kind in ACCOUNTS},
        }
        self._connection = _connect(scratch / "results.duckdb")
        self._rows = 0
        for name, columns in (("trades", self._trades([], {})), ("accounts", _accounts([]))):
            self._gather(f"CREATE TABLE {name} AS", name, columns, [])

    def __enter__(self) -> Results:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._finish()
        self._connection.close()

    def add(self, plans: Sequence[Plan], lot_ids: dict[str, Ids]) -> None:
        """Plans of any accounts, with the names of their lots."""
        where = [self._position[plan.account_id] for plan in plans]
        sizes = [len(plan.trades.shares) for plan in plans]
        trades = self._trades(plans, lot_ids)
        self._gather("INSERT INTO trades", "trades", trades, np.repeat(where, sizes).tolist())
        self._gather("INSERT INTO accounts", "accounts", _accounts(plans), where)

    def _trades(self, plans: Sequence[Plan], lot_ids: dict[str, Ids]) -> Columns:
        columns: dict[str, list[Any]] = {name: [] for name, _ in TRADES}
        for plan in plans:
            trades, lots = plan.trades, lot_ids[plan.account_id]
            columns["account_id"] += [plan.account_id] * len(trades.shares)
            columns["lot_id"] += [str(lots[lot]) if lot >= 0 else None for lot in trades.lot]
            columns["security_id"] += self._securities[trades.security].tolist()
            columns["reason"] += [reason.value for reason in trades.reason]
            for name in ("shares", "notional", "tax", "cost", "risk"):
                columns[name] += getattr(trades, name).tolist()
        return _as_arrays(columns, {name: kind == "DOUBLE" for name, kind in TRADES})

    def _gather(self, verb: str, name: str, columns: Columns, where: Sequence[int]) -> None:
        """`where` is the account's place in the input: the order of the output."""
        rows = self._rows + np.arange(len(where))
        self._rows += len(where)
        handed_over = {**columns, "place": np.array(where, dtype=np.int64), "piece": rows}
        self._connection.register("handed_over", handed_over)
        self._connection.execute(
            f"{verb} SELECT {_picks(self._casts[name])}, place, piece FROM handed_over"
        )
        self._connection.unregister("handed_over")

    def _finish(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        query = "SELECT * EXCLUDE (place, piece) FROM {} ORDER BY place, piece"
        parts = [
            _copy(self._connection, self._folder / f"{name}.parquet", query.format(name))
            for name in ("trades", "accounts")
        ]
        for part, path in parts:
            os.replace(part, path)


def _connect(path: Path | str = ":memory:") -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(str(path))
    connection.execute("SET threads = 1")
    if path != ":memory:":
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
    return connection


def _accounts(plans: Sequence[Plan]) -> Columns:
    columns: dict[str, list[Any]] = {
        "account_id": [plan.account_id for plan in plans],
        "status": [plan.status.value for plan in plans],
        "message": [plan.message for plan in plans],
        "binding": [_BETWEEN.join(plan.binding) for plan in plans],
    }
    for name in (*ACCOUNT_FIGURES, "seconds"):
        columns[name] = [getattr(plan, name) for plan in plans]
    return _as_arrays(columns, {name: kind == "DOUBLE" for name, kind in ACCOUNTS})


def _as_arrays(columns: dict[str, list[Any]], numeric: dict[str, bool]) -> Columns:
    return {
        name: np.array(values, dtype=np.float64 if numeric[name] else object)
        for name, values in columns.items()
    }


def _write(
    connection: duckdb.DuckDBPyConnection, path: Path, columns: Columns, casts: dict[str, str]
) -> tuple[Path, Path]:
    """Write under a temporary name; returns it with the name to come."""
    connection.register("handed_over", columns)
    written = _copy(connection, path, f"SELECT {_picks(casts)} FROM handed_over")
    connection.unregister("handed_over")
    return written


def _copy(connection: duckdb.DuckDBPyConnection, path: Path, query: str) -> tuple[Path, Path]:
    part = path.with_name(f".{path.name}.part")
    target = str(part).replace("'", "''")
    connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    return part, path


def _picks(casts: dict[str, str]) -> str:
    return ", ".join(f'{_pick(name, kind)} AS "{name}"' for name, kind in casts.items())


def _pick(name: str, kind: str) -> str:
    if kind == "VARCHAR[]":
        split = f"string_split(\"{name}\", '{_BETWEEN}')"
        return f"CASE WHEN \"{name}\" = '' THEN CAST([] AS VARCHAR[]) ELSE {split} END"
    if kind == "DOUBLE":  # what was not computed is empty, not a NaN
        return f'CASE WHEN isfinite("{name}") THEN CAST("{name}" AS DOUBLE) END'
    return f'CAST("{name}" AS {kind})'


# --- example inputs ----------------------------------------------------------------------------


def write_inputs(
    folder: Path, universe: Universe, taxpayers: Sequence[Taxpayer], as_of_day: int
) -> None:
    """Problems as a folder of the contract, so that `solve` can read them back."""
    folder.mkdir(parents=True, exist_ok=True)
    k = universe.factor_cov.shape[0]
    factors = [f"f{j}" for j in range(k)]
    rows = {
        "accounts": [_account_row(universe, t, a) for t in taxpayers for a in t.accounts],
        "lots": [row for t in taxpayers for a in t.accounts for row in _lot_rows(universe, a)],
        "loss_sales": [row for t in taxpayers for row in _loss_rows(universe, t, as_of_day)],
        "securities": _security_rows(universe),
        "loadings": [
            (name, *line)
            for name, line in zip(universe.security, universe.loadings.tolist(), strict=True)
        ],
        "factor_cov": [tuple(line) for line in universe.factor_cov.tolist()],
        "targets": [
            row for t in taxpayers for a in t.accounts for row in _target_rows(universe, a)
        ],
        "restrictions": [
            row for t in taxpayers for a in t.accounts for row in _wish_rows(universe, a)
        ],
    }
    with _connect() as connection:
        for table in INPUTS:
            kinds = [(c.name, c.kind) for c in table.columns]
            kinds += [(name, "number") for name in factors] if table.factors else []
            columns = _input_columns(kinds, rows[table.name])
            casts = {name: SQL_TYPE[kind] for name, kind in kinds}
            part, path = _write(connection, folder / f"{table.name}.parquet", columns, casts)
            os.replace(part, path)
    params = {"as_of": date.fromordinal(as_of_day).isoformat()}
    (folder / "params.json").write_text(json.dumps(params) + "\n", encoding="utf-8")


def _input_columns(kinds: list[tuple[str, str]], rows: list[tuple[Any, ...]]) -> Columns:
    columns: Columns = {}
    for position, (name, kind) in enumerate(kinds):
        values = [row[position] for row in rows]
        if kind == "number":
            columns[name] = np.array([np.nan if v is None else v for v in values], dtype=np.float64)
        elif kind == "date":
            days = np.array(values, dtype=np.int64) - _EPOCH_ORDINAL
            columns[name] = days.astype("datetime64[D]").astype("datetime64[us]")
        else:
            columns[name] = np.array(values, dtype=bool if kind == "flag" else object)
    return columns


def _account_row(universe: Universe, taxpayer: Taxpayer, a: Account) -> tuple[Any, ...]:
    return (
        *(a.account_id, taxpayer.taxpayer_id, a.cash, a.cash_low, a.cash_high),
        *(a.risk_aversion, a.te_cap, a.st_rate, a.lt_rate, a.min_trade, a.max_turnover),
        *(a.st_gain_budget, a.lt_gain_budget, a.whole_shares, a.max_names),
        a.ticket_cost or None,
        round(a.min_position * account_value(universe, a), 2) if a.min_position else None,
    )


def _lot_rows(universe: Universe, account: Account) -> Iterable[tuple[Any, ...]]:
    lots = account.lots
    for row in range(len(lots.quantity)):
        yield (
            account.account_id,
            f"L{row + 1:05d}",
            universe.security[lots.security[row]],
            lots.acquired_day[row],
            lots.quantity[row],
            lots.basis[row],
        )


def _loss_rows(universe: Universe, taxpayer: Taxpayer, as_of_day: int) -> Iterable[tuple[Any, ...]]:
    for group in taxpayer.loss_groups:
        row = int(np.flatnonzero(universe.group == group)[0])
        yield taxpayer.taxpayer_id, universe.security[row], as_of_day - 10, 5.0


def _security_rows(universe: Universe) -> list[tuple[Any, ...]]:
    names = universe.security
    first = {int(g): names[i] for i, g in reversed(list(enumerate(universe.group)))}
    alone = np.bincount(np.unique(universe.group, return_inverse=True)[1])
    codes = np.unique(universe.group, return_inverse=True)[1]
    return [
        (
            name,
            universe.price[i],
            universe.cost_bps[i],
            universe.sector_name[universe.sector[i]],
            None if alone[codes[i]] == 1 else first[int(universe.group[i])],
            universe.specific_var[i],
        )
        for i, name in enumerate(names)
    ]


def _target_rows(universe: Universe, account: Account) -> Iterable[tuple[Any, ...]]:
    for row in np.flatnonzero(account.target > 0.0):
        yield account.account_id, universe.security[row], account.target[row]


def _wish_rows(universe: Universe, account: Account) -> Iterable[tuple[Any, ...]]:
    limits, names = account.limits, universe.security
    for kind in ("exclude", "no_buy", "no_sell"):
        for row in np.flatnonzero(getattr(limits, kind)):
            yield account.account_id, kind, names[row], None
    for row in np.flatnonzero(limits.max_weight < np.inf):
        yield account.account_id, "max_weight", names[row], limits.max_weight[row]
    for code in np.flatnonzero(limits.sector_max < np.inf):
        yield account.account_id, "sector_max", universe.sector_name[code], limits.sector_max[code]
    for code in np.flatnonzero(limits.sector_min > 0.0):
        yield account.account_id, "sector_min", universe.sector_name[code], limits.sector_min[code]
