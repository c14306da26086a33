"""Answers to changes that were asked with a key: the same key and request, the same answer."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.store import digest
from opensma.book.store import insert_rows


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer; `same` is False where the key was used for another request."""

    status: int
    answer: str
    same: bool


def find(connection: Connection, user_id: str, word: str, request: str) -> Kept | None:
    """The answer that a user's key got before."""
    table = schema.idempotency
    where = (table.c.user_id == user_id) & (table.c.word == word)
    row = connection.execute(select(table).where(where)).first()
    if row is None:
        return None
    return Kept(row.status, row.answer, row.request == digest(request))


def keep(
    connection: Connection,
    user_id: str,
    word: str,
    request: str,
    status: int,
    answer: str,
    now: int,
) -> None:
    """Remember an answer under its key."""
    row = (user_id, word, digest(request), status, answer, now)
    insert_rows(connection, schema.idempotency, [row])
