"""Failed tries: each makes the next wait longer, by address and by user; a success forgives.

The wait is bounded, so a stranger who guesses cannot lock an owner out for ever.
"""

from __future__ import annotations

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.book.store import insert_rows

FREE_TRIES = 4
LONGEST_WAIT = 300  # seconds
_FORGOTTEN = 3600  # seconds after which old failures do not count


def wait(connection: Connection, subjects: tuple[str, ...], now: int) -> int:
    """Seconds until the next try of any of these subjects counts; 0 when it does now."""
    table = schema.attempts
    rows = connection.execute(select(table).where(table.c.subject.in_(subjects)))
    return max((_wait(int(row.failures), int(row.last_at), now) for row in rows), default=0)


def failed(connection: Connection, subjects: tuple[str, ...], now: int) -> None:
    """Count a failure for each subject; those long forgotten go."""
    table = schema.attempts
    connection.execute(table.delete().where(table.c.last_at < now - _FORGOTTEN))
    for subject in subjects:
        row = connection.execute(select(table).where(table.c.subject == subject)).first()
        fresh = row is not None and now - row.last_at <= _FORGOTTEN
        connection.execute(table.delete().where(table.c.subject == subject))
        count = row.failures + 1 if row is not None and fresh else 1
        insert_rows(connection, table, [(subject, count, now)])


def forgive(connection: Connection, subjects: tuple[str, ...]) -> None:
    """After a success nothing is held against them."""
    table = schema.attempts
    connection.execute(table.delete().where(table.c.subject.in_(subjects)))


def _wait(failures: int, last_at: int, now: int) -> int:
    if failures < FREE_TRIES or now - last_at > _FORGOTTEN:
        return 0
    pause = min(1 << min(failures - FREE_TRIES + 1, 30), LONGEST_WAIT)
    return max(0, last_at + pause - now)
