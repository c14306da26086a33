"""Who looks after an exception: taken, with a note, or done; every word is kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from opensma.access import schema
from opensma.access.audit import Action, Line, append
from opensma.access.store import Access
from opensma.book.store import insert_rows

STATES = ("taken", "done")


@dataclass(frozen=True, slots=True)
class Care:
    """One word; `at` in seconds of the epoch."""

    account_id: str
    code: str
    number: int
    user_id: str
    state: str
    note: str
    at: int


def newest(access: Access) -> dict[tuple[str, str], Care]:
    """The last word on every exception, by account and code."""
    table = schema.cares
    with access.read() as connection:
        rows = connection.execute(select(table).order_by(table.c.number))
        return {(row.account_id, row.code): Care(*row) for row in rows}


def say(
    access: Access, account_id: str, code: str, user_id: str, state: str, note: str, now: int
) -> Care:
    """Keep a word with its line in the audit log."""
    table = schema.cares
    with access.lock, access.write() as connection:
        where = (table.c.account_id == account_id) & (table.c.code == code)
        number = len(connection.execute(select(table).where(where)).all()) + 1
        care = Care(account_id, code, number, user_id, state, note.strip()[:500], now)
        row = (account_id, code, number, user_id, state, care.note, now)
        insert_rows(connection, table, [row])
        line = Line(now, user_id, Action.CHANGE, f"exception-{state}", account_id, code)
        append(access, connection, line)
    return care
