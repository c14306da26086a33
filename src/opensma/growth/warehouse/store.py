"""The warehouse's file: one DuckDB database; every change is one transaction or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.warehouse.schema import TABLES, add_sql, create_sql

if TYPE_CHECKING:
    import duckdb

    Connection = duckdb.DuckDBPyConnection


def open_warehouse(path: Path | None, *, create: bool = False) -> Connection:
    """The warehouse in a file (None: in memory); InputError where there is none to read."""
    import duckdb

    if path is not None and not create and not path.is_file():
        raise InputError(
            "growth.no_warehouse",
            "There is no growth warehouse.",
            where=str(path),
            remedy="Load files first: sma growth load FOLDER; or sma growth demo.",
        )
    try:
        connection = duckdb.connect(":memory:" if path is None else str(path))
    except duckdb.Error as error:
        raise InputError(
            "growth.warehouse_unreadable",
            str(error).splitlines()[0],
            where=str(path),
            remedy="Close the other program that has it open, or name a warehouse of ours.",
        ) from error
    _bring_up_to_date(connection, create or path is None)
    return connection


def _bring_up_to_date(connection: Connection, create: bool) -> None:
    """Create what a new warehouse lacks, or one of ours that is older than a table or a column."""
    rows = connection.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall()
    known: dict[str, set[str]] = {}
    for table_name, column_name in rows:
        known.setdefault(table_name, set()).add(column_name)
    if not create and "setting" not in known:
        return  # a file of somebody else: what is asked of it will say so
    for table in TABLES:
        if table.name not in known:
            connection.execute(create_sql(table))
            continue
        for column in table.columns:
            if column.name not in known[table.name]:
                connection.execute(add_sql(table, column))


@contextmanager
def one_transaction(connection: Connection) -> Iterator[None]:
    """Everything inside is written, or nothing."""
    connection.execute("BEGIN TRANSACTION")
    done = False
    try:
        yield
        done = True
    finally:
        connection.execute("COMMIT" if done else "ROLLBACK")


def sql_text(name: str) -> str:
    """One of our queries, in DuckDB's dialect, without its comments."""
    text = files("opensma.growth").joinpath(f"sql/{name}.sql").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    return "\n".join(lines).strip().rstrip(";")


def quoted(name: str) -> str:
    """A name of a column as SQL reads it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def query(connection: Connection, sql: str, values: Sequence[object] = ()) -> list[dict[str, Any]]:
    """Rows of a query as dictionaries."""
    cursor = connection.execute(sql, list(values))
    names = [column[0] for column in cursor.description or ()]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def first_row(
    connection: Connection, sql: str, values: Sequence[object] = ()
) -> tuple[Any, ...] | None:
    """The first row of a query, read to its end: DuckDB keeps a half-read result open."""
    rows = connection.execute(sql, list(values)).fetchall()
    return rows[0] if rows else None


def changed(connection: Connection, sql: str, values: Sequence[object] = ()) -> int:
    """Run a statement; how many rows it changed."""
    row = first_row(connection, sql, values)
    return int(row[0]) if row else 0


def put_setting(connection: Connection, values: Mapping[str, object]) -> None:
    """Keep settings of the derivation beside what was derived with them."""
    for name, value in values.items():
        connection.execute('DELETE FROM setting WHERE "name" = ?', [name])
        connection.execute("INSERT INTO setting VALUES (?, ?)", [name, str(value)])


def setting(connection: Connection, name: str, default: str = "") -> str:
    """A kept setting."""
    row = first_row(connection, 'SELECT value FROM setting WHERE "name" = ?', [name])
    return str(row[0]) if row else default
