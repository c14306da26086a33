"""Parquet to numpy columns through DuckDB: files, columns and types are checked here.

Dates become ordinals, empty numbers NaN, empty texts None; `row` is the row in the file, from 1.
Securities and accounts are read whole, what belongs to accounts part by part, so that memory does
not grow with the accounts. DuckDB is imported inside functions: `sma --help` must not pay for it.
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
_MEMORY = "64MB"  # for sorting rows by part; what is beyond goes to disk
# What belongs to accounts, by the column that says to whom.
_OWNED = {
    "lots": "account_id",
    "loss_sales": "taxpayer_id",
    "targets": "account_id",
    "restrictions": "account_id",
}
_EVERY_PART = -1  # targets of every account without its own


@dataclass(frozen=True, slots=True)
class Files:
    """A folder whose files and types are right; ids as text, with the types that they had."""

    tables: dict[str, Columns]  # those that are read whole
    factors: tuple[str, ...]  # names of the factor columns, in order
    id_types: dict[str, str]
    as_of_day: int
    folder: Path
    types: dict[str, dict[str, str]]
    connection: duckdb.DuckDBPyConnection

    def split(self, parts: dict[str, dict[str, int]]) -> None:
        """Sort what belongs to accounts by part; `parts` by account_id and by taxpayer_id.

        Rows of owners that are not there go to part 0, where they are found and named.
        """
        for key, part_of in parts.items():
            self.connection.execute(f"CREATE TABLE of_{key} (id VARCHAR, part INTEGER)")
            if part_of:
                handed_over = {
                    "id": np.array(list(part_of), dtype=np.object_),
                    "part": np.array(list(part_of.values()), dtype=np.int64),
                }
                self.connection.register("handed_over", handed_over)
                self.connection.execute(f"INSERT INTO of_{key} SELECT id, part FROM handed_over")
                self.connection.unregister("handed_over")
        for table in INPUTS:
            if table.name in _OWNED and self.types[table.name]:
                self._sort(table, _OWNED[table.name])

    def _sort(self, table: Table, key: str) -> None:
        part = "coalesce(p.part, 0)"
        if table.name == "targets":
            part = f"CASE WHEN f.{key} IS NULL THEN {_EVERY_PART} ELSE {part} END"
        columns = _query(table, self.factors, self.types[table.name])
        query = (
            f"CREATE TABLE sorted_{table.name} AS SELECT f.*, {part} AS part "
            f"FROM ({columns}) f LEFT JOIN of_{key} p ON f.{key} = p.id "
            "ORDER BY part, file_row"
        )
        _execute(self.connection, query, self.folder / f"{table.name}.parquet")

    def part(self, number: int) -> dict[str, Columns]:
        """Rows of the accounts of one part, in the order of the files."""
        found = {}
        for table in INPUTS:
            if table.name not in _OWNED:
                continue
            if not self.types[table.name]:
                found[table.name] = _nothing(table)
                continue
            data = self.connection.execute(
                f"SELECT * EXCLUDE (part) FROM sorted_{table.name} "
                f"WHERE part IN ({_EVERY_PART}, {number}) ORDER BY file_row"
            ).fetchnumpy()
            found[table.name] = _columns(table, self.factors, data)
        return found


def read_files(folder: Path, scratch: Path | None = None) -> Files:
    """Check every file of the folder; InputError names what is missing or wrong.

    With a scratch folder, which must outlive the answer, what is sorted is kept there.
    """
    import duckdb

    if not folder.is_dir():
        raise bad(
            "folder_missing", "There is no such folder.", str(folder),
            "Give the folder that holds accounts.parquet, lots.parquet and the others.",
        )  # fmt: skip
    as_of_day = _as_of_day(folder / "params.json")
    connection = duckdb.connect(str(scratch / "inputs.duckdb") if scratch else ":memory:")
    connection.execute("SET threads = 1")  # rows keep the order of the file
    if scratch:
        connection.execute(f"SET memory_limit = '{_MEMORY}'")
    types = {table.name: _types(connection, folder, table) for table in INPUTS}
    factors = _factors(types)
    tables = {
        table.name: _read(connection, folder, table, factors, types[table.name])
        for table in INPUTS
        if table.name not in _OWNED
    }
    ids = {"account_id": "accounts", "lot_id": "lots", "security_id": "securities"}
    id_types = {name: _id_type(types[table][name]) for name, table in ids.items()}
    return Files(tables, factors, id_types, as_of_day, folder, types, connection)


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
    if column.name not in found and column.optional:
        return
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
    factors: tuple[str, ...],
    types: dict[str, str],
) -> Columns:
    path = folder / f"{table.name}.parquet"
    data = _execute(connection, _query(table, factors, types), path).fetchnumpy()
    return _columns(table, factors, data)


def _query(table: Table, factors: tuple[str, ...], types: dict[str, str]) -> str:
    """All columns in their types and the row of the file, of a path still to be given."""
    picks = ", ".join(
        f"CAST({_quoted(column.name) if column.name in types else 'NULL'} "
        f"AS {SQL_TYPE[column.kind]}) AS {_quoted(column.name)}"
        for column in _all_columns(table, factors)
    )
    return (
        f"SELECT {picks}, file_row_number + 1 AS file_row "
        "FROM read_parquet(?, file_row_number = true)"
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _execute(
    connection: duckdb.DuckDBPyConnection, query: str, path: Path
) -> duckdb.DuckDBPyConnection:
    import duckdb

    try:
        return connection.execute(query, [str(path)])
    except duckdb.Error as error:
        message = str(error).splitlines()[0]
        raise bad("file_unreadable", message, path.name, "Write it as Parquet again.") from error


def _all_columns(table: Table, factors: tuple[str, ...]) -> tuple[Column, ...]:
    return table.columns + tuple(
        Column(name, "number") for name in (factors if table.factors else ())
    )


def _columns(table: Table, factors: tuple[str, ...], data: Columns) -> Columns:
    rows = np.asarray(data["file_row"], dtype=np.int64)
    found = {
        column.name: _column(f"{table.name}.parquet", column, data[column.name], rows)
        for column in _all_columns(table, factors)
    }
    return {**found, "row": rows}


def _nothing(table: Table) -> Columns:
    """Columns of a file that is absent."""
    kinds = {"number": np.float64, "date": np.int64, "flag": np.bool_}
    found: Columns = {"row": np.zeros(0, dtype=np.int64)}
    for column in table.columns:
        found[column.name] = np.zeros(0, dtype=kinds.get(column.kind, np.object_))
    return found


def _column(
    file: str, column: Column, values: npt.NDArray[Any], rows: npt.NDArray[np.int64]
) -> npt.NDArray[Any]:
    """Plain numpy values; an empty value where none may be, or an infinite one, is an error."""
    missing = np.ma.getmaskarray(values)
    plain = np.ma.getdata(values)
    if column.kind == "number":
        plain = np.where(missing, np.nan, plain).astype(np.float64)
        missing = np.isnan(plain)
        for row in np.flatnonzero(np.isinf(plain)):
            raise bad(
                "value_infinite", "A number is infinite.", f"{file}:{column.name}, row {rows[row]}",
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
            f"{file}:{column.name}, row {rows[first]}", "Fill it in.",
        )  # fmt: skip
    return np.asarray(plain)


def _id_type(found: str) -> str:
    """Ids come back with the type they had; enumerations as text."""
    return "VARCHAR" if found.startswith("ENUM") else found
