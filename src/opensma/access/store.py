"""Where access is kept: beside an SQLite book in a file of its own, or in the book's PostgreSQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, event

from opensma.access import schema
from opensma.book.store import Book

_CHAIN_KEY = 0x6F70736D62  # PostgreSQL advisory lock: one writer of the audit chain at a time


def digest(secret: str) -> str:
    """What is kept of a session cookie or token."""
    return hashlib.sha256(secret.encode()).hexdigest()


class Access:
    """The access store of a book; opening makes its tables where they are missing."""

    def __init__(self, book: Book) -> None:
        self.book = book
        own = book.path
        self.store = Book(book.url if own is None else str(_beside(own)), pooled=True)
        self.lock = Lock()  # of the audit chain, in this process
        self._make()

    def _make(self) -> None:
        if self.store.path is not None:
            self.store.path.touch(mode=0o600)
        if self.store.is_sqlite:
            event.listen(self.store.engine, "connect", _hurry)
        with self.store.write() as connection:
            schema.metadata.create_all(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view."""
        with self.store.read() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction."""
        with self.store.write() as connection:
            yield connection

    def chain(self, connection: Connection) -> None:
        """Keep other processes from the end of the audit chain until this transaction ends."""
        if not self.store.is_sqlite:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_CHAIN_KEY})")


def _hurry(connection: Any, _record: object) -> None:
    """A line on what was looked at is worth no wait for the disk; the file stays whole."""
    connection.execute("PRAGMA synchronous=NORMAL")


def _beside(book: Path) -> Path:
    return book.with_name(f"{book.stem}.access{book.suffix or '.db'}")
