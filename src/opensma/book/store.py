"""The door to the database: where a book is, transactions, migrations, locks, plain errors.

Every writer goes through `Book.write()`, one transaction that is kept whole or not at all. What a
driver raises becomes a BookError here, so that no other room knows the driver.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import NullPool, QueuePool

from opensma.book import schema
from opensma.errors import BookError, InputError

if TYPE_CHECKING:
    from opensma.book.rights import Viewer

HEAD = "0006"  # newest migration; a test keeps it true
_BUSY_MILLISECONDS = 10_000
__all__ = [
    "HEAD",
    "Book",
    "Connection",
    "book_url",
    "get_setting",
    "init_book",
    "insert_rows",
    "open_book",
    "put_setting",
    "row_of",
]
_LOCK_KEY = 0x6F70736D61  # 'opsma': PostgreSQL advisory lock of one day run per book


def book_url(text: str) -> str:
    """A file path, `sqlite:///path` or `postgresql://…` as an SQLAlchemy URL."""
    if "://" not in text:
        return f"sqlite:///{text}"
    scheme, rest = text.split("://", 1)
    if scheme in ("postgresql", "postgres"):
        return f"postgresql+psycopg://{rest}"
    if scheme in ("sqlite", "postgresql+psycopg"):
        return text
    raise InputError(
        "book.url",
        f"'{scheme}' is no store that opensma knows.",
        where=text,
        remedy="Use a file path, sqlite:///path or postgresql://user@host/name.",
    )


def _anywhere(url: str) -> str:
    """A file's URL that means the same in a worker with another working folder."""
    parts = make_url(url)
    if parts.get_backend_name() != "sqlite" or parts.database in (None, "", ":memory:"):
        return url
    return f"sqlite:///{Path(str(parts.database)).absolute()}"


class Book:
    """One open book. Safe to open again in another process; connections are never shared."""

    def __init__(self, url: str, pooled: bool = False) -> None:
        """`pooled` keeps connections open: for a store that is written with every page."""
        self.url = _anywhere(book_url(url))
        self.engine = _engine(self.url, pooled)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        self._reader: Viewer | None = None

    def seen_by(self, viewer: Viewer | None) -> Book:
        """The same book as a person reads it: on PostgreSQL behind the second wall (`walls.py`)."""
        bound = copy(self)
        bound._reader = viewer
        return bound

    @property
    def path(self) -> Path | None:
        """The file of an SQLite book."""
        name = make_url(self.url).database
        return Path(name) if self.is_sqlite and name else None

    @property
    def label(self) -> str:
        """The address as shown to people: no password."""
        return make_url(self.url).render_as_string(hide_password=True)

    def exists(self) -> bool:
        """Whether a book has been made at this address."""
        if self.path is not None and not self.path.exists():
            return False
        with self.read() as connection:
            return inspect(connection).has_table("journal")

    def missing(self) -> BookError:
        """What is said where no book is."""
        return BookError(
            "book.missing", "There is no book here.", where=self.label, remedy="sma book init"
        )

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view; nothing can be written through it."""
        if self.path is not None and not self.path.exists():
            raise self.missing()  # the driver would make an empty file
        with self._plain_errors(), self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN" if self.is_sqlite else _PG_READ)
            if self._reader is not None and not self.is_sqlite:
                from opensma.book.walls import (
                    stand_behind,  # it knows the master data, as we must not
                )

                stand_behind(connection, self._reader.user_id, self._reader.day)
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: all of it is kept, or none. Waits up to 10 s for another writer."""
        with self._plain_errors(), self.engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            try:
                yield connection
            except BaseException:
                # A full disk or a lost server has rolled back already; the first error counts.
                with suppress(DBAPIError):
                    connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")

    @contextmanager
    def only_run(self) -> Iterator[None]:
        """One day run per book at a time; the lock falls with the process that holds it."""
        with self._file_lock() if self.path is not None else self._advisory_lock():
            yield

    @contextmanager
    def _file_lock(self) -> Iterator[None]:
        handle = os.open(f"{self.path}.lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise _locked(self.label) from None
        finally:
            os.close(handle)

    @contextmanager
    def _advisory_lock(self) -> Iterator[None]:
        with self._plain_errors(), self.engine.connect() as connection:
            taken = connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LOCK_KEY})")
            if not taken.scalar():
                raise _locked(self.label)
            yield

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _translated(error, self.label) from error


_PG_READ = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


def _engine(url: str, pooled: bool) -> Engine:
    try:
        pool = QueuePool if pooled else NullPool
        engine = create_engine(url, poolclass=pool, isolation_level="AUTOCOMMIT")
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise InputError(
            "book.url", str(error), where=url, remedy="Use a file path or postgresql://…"
        ) from None
    except ModuleNotFoundError:
        raise InputError(
            "book.driver",
            "The PostgreSQL driver is not installed.",
            where=make_url(url).render_as_string(),
            remedy="pip install 'opensma[postgres]'",
        ) from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_settings)
    return engine


def _sqlite_settings(connection: Any, _record: object) -> None:
    for pragma in (
        f"busy_timeout={_BUSY_MILLISECONDS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _locked(label: str) -> BookError:
    return BookError(
        "book.locked",
        "Another process is working on this book.",
        where=label,
        remedy="Wait until it has finished, or end it; then run the same command again.",
    )


def _translated(error: DBAPIError, label: str) -> BookError:
    """What went wrong in words an operations desk can act on."""
    text = str(error.orig)
    low = text.lower()
    if "database is locked" in low or "could not obtain lock" in low:
        return _locked(label)
    if "disk is full" in low or "no space left" in low:
        return BookError(
            "book.disk_full",
            "The disk is full; the transaction was rolled back.",
            where=label,
            remedy="Free space, then run the same command again: it resumes where it stopped.",
        )
    if "no such table" in low or "does not exist" in low or "unable to open" in low:
        return BookError(
            "book.missing", "There is no book here.", where=label, remedy="sma book init"
        )
    if "connection refused" in low or "could not translate host" in low or "timeout" in low:
        return BookError(
            "book.unreachable",
            f"The database does not answer: {text.splitlines()[0]}",
            where=label,
            remedy="Check host, port and network, and that the server runs.",
        )
    if "malformed" in low or "not a database" in low:
        return BookError(
            "book.corrupt",
            f"The file is damaged: {text}",
            where=label,
            remedy="Restore the last copy of the book, then run the missing days again.",
        )
    if isinstance(error, IntegrityError):
        return BookError(
            "book.duplicate",
            f"The book already holds a different fact under this id: {text}",
            where=label,
            remedy="Compare both sources; a correction is a new fact with its own id.",
        )
    return BookError("book.database", text, where=label, remedy="See the database's own message.")


def init_book(url: str) -> Book:
    """Make a book or bring an older one to the newest schema. Running it again changes nothing."""
    from alembic import command
    from alembic.config import Config

    book = Book(url)
    if book.path is not None:
        try:
            book.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise BookError(
                "book.path", os.strerror(error.errno or errno.EIO), where=str(book.path)
            ) from None
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with book.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if not book.is_sqlite:
            from opensma.book.walls import raise_wall

            raise_wall(connection)
    return book


def open_book(url: str) -> Book:
    """An existing book of this version's schema; BookError when missing or older."""
    book = Book(url)
    if not book.exists():
        raise book.missing()
    with book.read() as connection:
        version = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    if version != HEAD:
        raise BookError(
            "book.schema",
            f"The book has schema {version}; this opensma needs {HEAD}.",
            where=book.label,
            remedy="sma book init brings it to the newest schema and loses nothing.",
        )
    return book


def insert_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append full rows in column order; thousands at once, at the speed of the driver."""
    if not rows:
        return
    names = ", ".join(column.name for column in table.columns)
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(table.columns))
        connection.exec_driver_sql(
            f"INSERT INTO {table.name} ({names}) VALUES ({marks})", list(rows)
        )
        return
    driver = cast(Any, connection.connection.driver_connection)
    with driver.cursor().copy(f"COPY {table.name} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def row_of(record: Any) -> tuple[Any, ...]:
    """A frozen record's fields in order, ready for `insert_rows`."""
    return tuple(getattr(record, name) for name in record.__slots__)


def get_setting(connection: Connection, name: str) -> str | None:
    """One setting of the book, None where it was never set."""
    query = select(schema.settings.c.value).where(schema.settings.c.name == name)
    return connection.execute(query).scalar()


def put_setting(connection: Connection, name: str, value: str) -> None:
    """Set or replace one setting."""
    connection.execute(schema.settings.delete().where(schema.settings.c.name == name))
    insert_rows(connection, schema.settings, [(name, value)])
