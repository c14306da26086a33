"""Tickets: random words that count once and not for long (invitations, challenges, states)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.store import digest
from opensma.book.store import insert_rows

INVITATION, CHALLENGE, PROVIDER = "invitation", "challenge", "provider"
_KEPT = 86_400  # seconds for which a ticket that is over stays on record, for whoever looks into it
LASTS = {INVITATION: 3 * 86_400, CHALLENGE: 300, PROVIDER: 600}  # seconds


@dataclass(frozen=True, slots=True)
class Ticket:
    """What a ticket stands for."""

    purpose: str
    user_id: str
    data: str


def issue(connection: Connection, secret: str, ticket: Ticket, now: int) -> int:
    """Remember a ticket by its digest; returns when it expires. Old ones go with it."""
    table = schema.tickets
    connection.execute(table.delete().where(table.c.expires_at < now - _KEPT))
    expires = now + LASTS[ticket.purpose]
    row = (digest(secret), ticket.purpose, ticket.user_id, ticket.data, expires, None)
    insert_rows(connection, schema.tickets, [row])
    return expires


def look(connection: Connection, secret: str, purpose: str, now: int) -> Ticket | None:
    """The ticket of a secret while it stands."""
    table = schema.tickets
    row = connection.execute(select(table).where(table.c.digest == digest(secret))).first()
    if row is None or row.purpose != purpose or row.used_at is not None or row.expires_at < now:
        return None
    return Ticket(row.purpose, row.user_id, row.data)


def redeem(connection: Connection, secret: str, purpose: str, now: int) -> Ticket | None:
    """The same, once: the second time there is none. Run in a write transaction."""
    found = look(connection, secret, purpose, now)
    if found is not None:
        table = schema.tickets
        where = (table.c.digest == digest(secret)) & table.c.used_at.is_(None)
        if connection.execute(table.update().where(where).values(used_at=now)).rowcount != 1:
            return None
    return found
