"""Parquet to numpy columns through DuckDB: files, columns and types are checked here.

Dates become ordinals, empty numbers NaN, empty texts None. DuckDB is imported inside functions:
`sma --help` must not pay for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from opensma.calendar import parse_date
from opensma.cli.construct_files.layout import ACCEPTED, INPUTS, SQL_TYPE, Column, Table, bad
from opensma.errors import InputError

if TYPE_CHECKING:
    import duckdb

Columns = dict[str, npt.NDArray[Any]]

_FACTOR = re.compile(r"f\d+")
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Files:
    """Everything in the folder as columns; ids as text, with the types that they had."""

    tables: dict[str, Columns]
    factors: tuple[str, ...]  # names of the factor columns, in order
    id_types: dict[str, str]
    as_of_day: int


def read_files(folder: Path) -> Files:
    """Read and type every file of the folder; InputError names what is missing or wrong."""
    import duckdb

    if not folder.is_dir():
        raise bad(
            "folder_missing", "There is no such folder.", str(folder),
            "Give the folder that holds accounts.parquet, lots.parquet and the others.",
        )  # fmt: skip
    as_of_day = _as_of_day(folder / "params.json")
    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")  # rows keep the order of the file
    types = {table.name: _types(connection, folder, table) for table in INPUTS}
    factors = _factors(types)
    tables = {
        table.name: _read(connection, folder, table, types[table.name], factors) for table in INPUTS
    }
    ids = {"account_id": "accounts", "lot_id": "lots", "security_id": "securities"}
    id_types = {name: _id_type(types[table][name]) for name, table in ids.items()}
    return Files(tables, factors, id_types, as_of_day)


def _as_of_day(path: Path) -> int:
    example = 'Write {"as_of": "YYYY-MM-DD"} into it.'
    if not path.is_file():
        raise bad("file_missing", "The file is missing.", path.name, example)
    try:
        params = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise bad("params", f"The file is no JSON: {error}.", path.name, example) from error
    as_of = params.get("as_of") if isinstance(params, dict) else None
    if not isinstance(as_of, str):
        raise bad("params", "The file gives no as_of date.", path.name, example)
    try:
        return parse_date(as_of, where="params.json:as_of").toordinal()
    except InputError as error:
        raise bad("params", error.message, "params.json:as_of", example) from error


def _types(connection: duckdb.DuckDBPyConnection, folder: Path, table: Table) -> dict[str, str]:
    """Column types of one file; empty where an optional file is absent."""
    import duckdb

    path = folder / f"{table.name}.parquet"
    if not path.is_file():
        if not table.required:
            return {}
        raise bad("file_missing", "The file is missing.", path.name, "Add the file.")
    try:
        rows = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise bad("file_unreadable", message, path.name, "Write it as Parquet again.") from error
    found = {str(row[0]): str(row[1]) for row in rows}
    for column in table.columns:
        _check_type(path.name, column, found)
    return found


def _check_type(file: str, column: Column, found: dict[str, str]) -> None:
    where = f"{file}:{column.name}"
    if column.name not in found:
        raise bad("column_missing", "The column is missing.", where, "Add the column.")
    kind = found[column.name]
    # A column that is empty throughout has no useful type of its own.
    nothing = column.nullable and kind in ('"NULL"', "NULL", "INTEGER")
    if not (kind.startswith(ACCEPTED[column.kind]) and not kind.endswith("]")) and not nothing:
        raise bad(
            "column_type", f"The column has type {kind}; {SQL_TYPE[column.kind]} is needed.",
            where, "Write the column with the needed type.",
        )  # fmt: skip


def _factors(types: dict[str, dict[str, str]]) -> tuple[str, ...]:
    """Names f0 … fK: the same in both files, all of them numbers."""
    files = ("factor_cov", "loadings")
    named = [sorted(n for n in types[file] if _FACTOR.fullmatch(n)) for file in files]
    if not named[0] or named[0] != named[1]:
        raise bad(
            "factors", f"factor_cov has {len(named[0])} factor columns, loadings {len(named[1])}.",
            "loadings.parquet, factor_cov.parquet", "Give both files the columns f0, f1, …",
        )  # fmt: skip
    for file in files:
        for name in named[0]:
            _check_type(f"{file}.parquet", Column(name, "number"), types[file])
    return tuple(sorted(named[0], key=lambda name: int(name[1:])))


def _read(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    table: Table,
    found: dict[str, str],
    factors: tuple[str, ...],
) -> Columns:
    columns = table.columns
    if table.factors:
        columns += tuple(Column(name, "number") for name in factors)
    if not found:
        return {column.name: _empty(column) for column in columns}
    path = folder / f"{table.name}.parquet"
    picks = ", ".join(
        f'CAST("{column.name}" AS {SQL_TYPE[column.kind]}) AS "{column.name}"' for column in columns
    )
    import duckdb

    try:
        data = connection.execute(f"SELECT {picks} FROM read_parquet(?)", [str(path)]).fetchnumpy()
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise bad("file_unreadable", message, path.name, "Write it as Parquet again.") from error
    return {c.name: _column(path.name, c, data[c.name]) for c in columns}


def _empty(column: Column) -> npt.NDArray[Any]:
    kinds = {"number": np.float64, "date": np.int64, "flag": np.bool_}
    return np.zeros(0, dtype=kinds.get(column.kind, np.object_))


def _column(file: str, column: Column, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Plain numpy values; an empty value where none may be, or an infinite one, is an error."""
    missing = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if column.kind == "number":
        plain = np.where(missing, np.nan, plain).astype(np.float64)
        missing = np.isnan(plain)
        for row in np.flatnonzero(np.isinf(plain)):
            raise bad(
                "value_infinite", "A number is infinite.", f"{file}:{column.name}, row {row + 1}",
                "Give a finite number.",
            )  # fmt: skip
    elif column.kind == "date":
        plain = plain.astype("datetime64[D]").astype(np.int64) + _EPOCH_ORDINAL
    elif column.kind != "flag":
        plain = plain.astype(np.object_)
        plain[missing] = None
    if missing.any() and not column.nullable:
        first = int(np.flatnonzero(missing)[0])
        raise bad(
            "value_missing", "A value is missing, or not a number.",
            f"{file}:{column.name}, row {first + 1}", "Fill it in.",
        )  # fmt: skip
    return np.asarray(plain)


def _id_type(found: str) -> str:
    """Ids come back with the type they had; enumerations as text."""
    return "VARCHAR" if found.startswith("ENUM") else found
