"""Who looks at the portal as an owner just now: bound to one session, over when it is."""

from __future__ import annotations

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.sessions import LONGEST_SECONDS
from opensma.book.store import insert_rows


def begin(connection: Connection, session_id: str, owner_id: str, now: int) -> None:
    """From now on this session sees as the owner; viewings of sessions long over are deleted."""
    table = schema.viewings
    connection.execute(table.delete().where(table.c.begun_at < now - LONGEST_SECONDS))
    end(connection, session_id)
    insert_rows(connection, schema.viewings, [(session_id, owner_id, now)])


def owner_of(connection: Connection, session_id: str) -> str | None:
    """As whom a session sees, None where as itself."""
    table = schema.viewings
    where = table.c.session_id == session_id
    found = connection.execute(select(table.c.owner_id).where(where)).scalar()
    return None if found is None else str(found)


def end(connection: Connection, session_id: str) -> None:
    """The session sees as itself again."""
    table = schema.viewings
    connection.execute(table.delete().where(table.c.session_id == session_id))
