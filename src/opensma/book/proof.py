"""One hash over the whole content of a book, the same on every store and machine.

Tables in order of name, rows in order of primary key, each row one line of canonical JSON. What
depends on the clock or the machine is left out (`schema.VOLATILE`, `schema.PLACES`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, Connection, Table, Text, select

from opensma.book import schema
from opensma.book.journal import canonical
from opensma.book.store import Book

_ROWS = 5_000  # fetched at once: a book of any size hashes in little memory


def book_hash(book: Book) -> str:
    """SHA-256 of everything the book holds."""
    with book.read() as connection:
        parts = [canonical([name, digest]) for name, digest in table_hashes(connection).items()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def table_hashes(connection: Connection) -> dict[str, str]:
    """SHA-256 of each table's content, by table name: tells where two books differ."""
    found = {}
    for name, table in sorted(schema.metadata.tables.items()):
        digest = hashlib.sha256()
        for row in ordered_rows(connection, table, hashed_columns(table)):
            digest.update(canonical([_plain(value) for value in row]).encode() + b"\n")
        found[name] = digest.hexdigest()
    return found


def hashed_columns(table: Table) -> list[Column[Any]]:
    """Columns whose content is the book's, not the clock's or the machine's."""
    return [c for c in table.columns if (table.name, c.name) not in schema.VOLATILE]


def ordered_rows(
    connection: Connection, table: Table, columns: list[Column[Any]], where: Any = None
) -> Iterator[tuple[Any, ...]]:
    """Rows by primary key, text compared bytewise on both stores, a few thousand at a time."""
    bytewise = connection.dialect.name != "sqlite"
    order = [
        column.collate("C") if bytewise and isinstance(column.type, Text) else column
        for column in table.primary_key.columns
    ]
    query = select(*columns).order_by(*order)
    if table is schema.settings:
        query = query.where(table.c.name.not_in(sorted(schema.PLACES)))
    if where is not None:
        query = query.where(where)
    for row in connection.execution_options(yield_per=_ROWS).execute(query):
        yield tuple(row)


def _plain(value: object) -> object:
    return bytes(value).hex() if isinstance(value, bytes | memoryview) else value
