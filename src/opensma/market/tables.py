"""Parquet in and out through DuckDB; the only file of this room that opens table files.

A set of seven tables lives in one in-memory connection under a prefix (`new_prices`, `old_prices`).
DuckDB is imported inside functions: `sma --help` must not pay for it.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from opensma.errors import Finding, InputError, MarketError
from opensma.market.layout import ACCEPTED_TYPES, SQL_TYPE, TABLE, TABLES, Column, Table

if TYPE_CHECKING:
    import duckdb

Columns = dict[str, npt.NDArray[Any]]

EPOCH_ORDINAL = 719_163  # date(1970, 1, 1).toordinal()


def connect() -> duckdb.DuckDBPyConnection:
    """An empty in-memory database with one thread, so that the order of rows is reproducible."""
    import duckdb

    connection = duckdb.connect(":memory:")
    connection.execute("SET threads = 1")
    return connection


def load_folder(connection: duckdb.DuckDBPyConnection, folder: Path, prefix: str) -> list[Finding]:
    """Read the seven files of `folder` into `prefix` tables, typed; findings about the layout.

    Tables with a finding are left out, so callers stop on errors before using them.
    """
    if not folder.is_dir():
        raise InputError(
            "market.folder_missing",
            "There is no such folder.",
            where=str(folder),
            remedy="Give the folder that holds securities.parquet, prices.parquet and the others.",
        )
    findings: list[Finding] = []
    for table in TABLES:
        findings += _load_table(connection, folder / f"{table.name}.parquet", table, prefix)
    return findings


def _load_table(
    connection: duckdb.DuckDBPyConnection, path: Path, table: Table, prefix: str
) -> list[Finding]:
    import duckdb

    if not path.is_file():
        return [_layout_error("file.missing", path.name, "The file is missing.", "Add the file.")]
    try:
        rows = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(path)]).fetchall()
        found = {str(row[0]): str(row[1]) for row in rows}
        findings = [
            finding for column in table.columns for finding in _check_column(path, column, found)
        ]
        if not findings:
            _create(connection, path, table, prefix, found)
    except duckdb.Error as error:
        remedy = "Write the file again as Parquet in the import layout."
        return [_layout_error("file.unreadable", path.name, str(error).splitlines()[0], remedy)]
    return findings


def _check_column(path: Path, column: Column, found: dict[str, str]) -> list[Finding]:
    where = f"{path.name}:{column.name}"
    if column.name not in found:
        if column.optional:
            return []
        return [_layout_error("column.missing", where, "The column is missing.", "Add the column.")]
    kind = found[column.name]
    # An all-null column of an optional fact has no useful type of its own.
    nothing = column.nullable and kind in ('"NULL"', "NULL", "INTEGER")
    if kind.startswith(ACCEPTED_TYPES[column.kind]) or nothing:
        return []
    what = f"The column has type {kind}; {SQL_TYPE[column.kind]} is needed."
    return [_layout_error("column.type", where, what, "Write the column with the needed type.")]


def _create(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    table: Table,
    prefix: str,
    found: dict[str, str],
) -> None:
    picks = ", ".join(
        f"CAST({column.name if column.name in found else 'NULL'} AS {SQL_TYPE[column.kind]})"
        f" AS {column.name}"
        for column in table.columns
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE {prefix}{table.name} AS SELECT {picks} FROM read_parquet(?)",
        [str(path)],
    )


def _layout_error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding("error", code, where, what, remedy)


def empty_tables(connection: duckdb.DuckDBPyConnection, prefix: str) -> None:
    """Create the seven tables without rows, as the past of a store that does not exist yet."""
    for table in TABLES:
        columns = ", ".join(f"{c.name} {SQL_TYPE[c.kind]}" for c in table.columns)
        connection.execute(f"CREATE OR REPLACE TABLE {prefix}{table.name} ({columns})")


def fill_table(
    connection: duckdb.DuckDBPyConnection, prefix: str, name: str, rows: list[tuple[Any, ...]]
) -> None:
    """A table from Python rows, handed over as columns: row-wise inserts would take seconds."""
    table = TABLE[name]
    columns = {
        column.name: _column([row[position] for row in rows], column.kind)
        for position, column in enumerate(table.columns)
    }
    picks = ", ".join(
        f"CAST({column.name} AS {SQL_TYPE[column.kind]}) AS {column.name}"
        for column in table.columns
    )
    create_from(connection, f"{prefix}{name}", picks, columns)


def _column(values: list[Any], kind: str) -> npt.NDArray[Any]:
    if kind == "date":
        return np.array([None if v is None else str(v) for v in values], dtype="datetime64[us]")
    numeric = {"count": np.int64, "number": np.float64}
    return np.array(values, dtype=object if None in values else numeric.get(kind, object))


def create_from(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    picks: str,
    columns: dict[str, npt.NDArray[Any]],
) -> None:
    """A table from numpy columns by SQL that picks and casts them from `handed_over`."""
    connection.register("handed_over", columns)
    connection.execute(f"CREATE TABLE {name} AS SELECT {picks} FROM handed_over")
    connection.unregister("handed_over")


def write_tables(connection: duckdb.DuckDBPyConnection, prefix: str, folder: Path) -> None:
    """Write the seven tables sorted by key; same rows give the same bytes."""
    for table in TABLES:
        names = ", ".join(column.name for column in table.columns)
        order = ", ".join(table.key)
        query = f"SELECT {names} FROM {prefix}{table.name} ORDER BY {order}"
        copy_query(connection, query, folder / f"{table.name}.parquet")


def copy_query(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write one query as Parquet; a full disk becomes a clear MarketError."""
    import duckdb

    target = str(path).replace("'", "''")
    try:
        connection.execute(f"COPY ({query}) TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
    except duckdb.Error as error:
        if "space" in str(error).lower():
            raise disk_full(path) from error
        raise MarketError(
            "market.write_failed",
            str(error).splitlines()[0],
            where=str(path),
            remedy="Check that the folder exists and may be written.",
        ) from error
    except OSError as error:
        raise _os_error(error, path) from error


def _os_error(error: OSError, path: Path) -> MarketError:
    if error.errno == errno.ENOSPC:
        return disk_full(path)
    return MarketError(
        "market.write_failed", str(error), where=str(path), remedy="Check the folder's rights."
    )


def disk_full(path: Path) -> MarketError:
    """The disk is full; nothing that was readable before has changed."""
    return MarketError(
        "market.disk_full",
        "The disk is full. The store is as it was before.",
        where=str(path.parent),
        remedy="Free some space and run the command again.",
    )


def fetch(connection: duckdb.DuckDBPyConnection, query: str) -> Columns:
    """Columns of a query as numpy arrays; text as object arrays with None for null."""
    nothing = {"O": None, "i": 0, "u": 0, "M": np.datetime64("NaT"), "f": np.nan}
    result: Columns = {}
    for name, values in connection.execute(query).fetchnumpy().items():
        if isinstance(values, np.ma.MaskedArray):
            result[name] = values.filled(nothing[values.dtype.kind])
        else:
            result[name] = np.asarray(values)
    return result
