"""Sessions: a random cookie for a person who proved who they are, for a short time (P25)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.store import digest
from opensma.book.store import insert_rows

IDLE_SECONDS = 30 * 60
LONGEST_SECONDS = 12 * 3600
FRESH_SECONDS = 15 * 60  # for what asks for a step up
_KEPT_SECONDS = 30 * 86_400
_TOUCH_SECONDS = 60  # `seen_at` moves no more often


@dataclass(frozen=True, slots=True)
class Session:
    """A session that stands; times in seconds of the epoch."""

    session_id: str
    user_id: str
    method: str
    begun_at: int
    seen_at: int
    fresh_at: int

    def fresh(self, now: int) -> bool:
        """Whether the person proved who they are recently enough for an export or a change."""
        return now - self.fresh_at <= FRESH_SECONDS


def begin(connection: Connection, secret: str, user_id: str, method: str, now: int) -> Session:
    """A new session for this cookie value; its public id is derived from the secret's digest.

    Sessions that were over a month ago are deleted: the audit log has what they did.
    """
    table = schema.sessions
    connection.execute(table.delete().where(table.c.seen_at < now - _KEPT_SECONDS))
    own = digest(secret)
    session = Session(own[:12], user_id, method, now, now, now)
    row = (own, session.session_id, user_id, method, now, now, now, None)
    insert_rows(connection, schema.sessions, [row])
    return session


def find(connection: Connection, secret: str, now: int) -> Session | None:
    """The session of a cookie value unless it ended, idled or grew too old."""
    table = schema.sessions
    row = connection.execute(select(table).where(table.c.digest == digest(secret))).first()
    if row is None or row.ended_at is not None:
        return None
    if now - row.seen_at > IDLE_SECONDS or now - row.begun_at > LONGEST_SECONDS:
        return None
    return Session(row.session_id, row.user_id, row.method, row.begun_at, row.seen_at, row.fresh_at)


def wants_touch(session: Session, now: int) -> bool:
    """Whether `touch` would move anything."""
    return now - session.seen_at >= _TOUCH_SECONDS


def touch(connection: Connection, session: Session, now: int) -> None:
    """The person is still there."""
    table = schema.sessions
    change = table.update().where(table.c.session_id == session.session_id)
    connection.execute(change.values(seen_at=now))


def renew(connection: Connection, old: str, secret: str, method: str, now: int) -> Session:
    """After a step up: a new cookie value for the same session, which is fresh again."""
    table = schema.sessions
    row = connection.execute(select(table).where(table.c.digest == digest(old))).one()
    end(connection, old, now)
    session = begin(connection, secret, row.user_id, method, now)
    change = table.update().where(table.c.digest == digest(secret))
    connection.execute(change.values(begun_at=row.begun_at))
    return session


def proved(connection: Connection, secret: str, at: int) -> None:
    """When the person last proved who they are, where that was not when the session began."""
    table = schema.sessions
    change = table.update().where(table.c.digest == digest(secret))
    connection.execute(change.values(fresh_at=at))


def end(connection: Connection, secret: str, now: int) -> None:
    """Sign out."""
    table = schema.sessions
    change = table.update().where((table.c.digest == digest(secret)) & table.c.ended_at.is_(None))
    connection.execute(change.values(ended_at=now))


def end_all(connection: Connection, user_id: str, now: int) -> None:
    """Sign a person out everywhere."""
    table = schema.sessions
    where = (table.c.user_id == user_id) & table.c.ended_at.is_(None)
    connection.execute(table.update().where(where).values(ended_at=now))


def end_one(connection: Connection, user_id: str, session_id: str, now: int) -> None:
    """End one session of a user by its public id."""
    table = schema.sessions
    where = (table.c.user_id == user_id) & (table.c.session_id == session_id)
    connection.execute(
        table.update().where(where & table.c.ended_at.is_(None)).values(ended_at=now)
    )


def end_others(connection: Connection, user_id: str, session_id: str, now: int) -> None:
    """Sign a person out everywhere but here."""
    table = schema.sessions
    where = (table.c.user_id == user_id) & (table.c.session_id != session_id)
    connection.execute(
        table.update().where(where & table.c.ended_at.is_(None)).values(ended_at=now)
    )


def standing(connection: Connection, now: int, user_id: str = "") -> list[Session]:
    """Sessions that stand, of one user or of all, the newest first."""
    table = schema.sessions
    wanted = [
        table.c.ended_at.is_(None),
        table.c.seen_at >= now - IDLE_SECONDS,
        table.c.begun_at >= now - LONGEST_SECONDS,
    ]
    if user_id:
        wanted.append(table.c.user_id == user_id)
    rows = connection.execute(select(table).where(*wanted).order_by(table.c.seen_at.desc()))
    return [
        Session(r.session_id, r.user_id, r.method, r.begun_at, r.seen_at, r.fresh_at) for r in rows
    ]
