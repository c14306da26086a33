"""The audit log: who saw and who changed what, each line hashed onto the one before it (P27).

It names ids and screens, never values. Owners read the lines of their accounts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, func, select

from opensma.access import schema
from opensma.access.store import Access
from opensma.book.journal import canonical
from opensma.book.store import insert_rows

FIRST = "0" * 64  # what the first line is hashed onto


class Action(StrEnum):
    """What was done."""

    VIEW = "view"
    EXPORT = "export"
    CHANGE = "change"
    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Line:
    """One line before it has a place; `account_id` is empty where no account is named."""

    at: int  # seconds of the epoch
    user_id: str
    action: Action
    screen: str
    account_id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Logged:
    """A line in its place in the chain."""

    seq: int
    line: Line
    previous_hash: str
    hash: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain does not hold: a line changed, removed or put in."""

    seq: int
    message: str


def record(access: Access, line: Line) -> None:
    """Append one line."""
    with access.lock, access.write() as connection:
        append(access, connection, line)


def append(access: Access, connection: Connection, line: Line) -> None:
    """Append within a transaction, so that a change and its line are kept together or not at all.

    The caller holds `access.lock`.
    """
    access.chain(connection)
    table = schema.audit
    last = connection.execute(
        select(table.c.seq, table.c.hash).order_by(table.c.seq.desc()).limit(1)
    ).first()
    seq, before = (last.seq + 1, last.hash) if last else (1, FIRST)
    row = (seq, *asdict(line).values(), before, _hash(before, seq, line))
    insert_rows(connection, table, [row])


def lines_of(
    access: Access,
    account_ids: Sequence[str] | None = None,
    before: int | None = None,
    size: int = 50,
) -> list[Logged]:
    """Newest lines first, of some accounts or of all; `before` a seq for the next page."""
    table = schema.audit
    query = select(table).order_by(table.c.seq.desc()).limit(size)
    if account_ids is not None:
        query = query.where(table.c.account_id.in_(account_ids))
    if before is not None:
        query = query.where(table.c.seq < before)
    with access.read() as connection:
        return [_logged(row) for row in connection.execute(query)]


def exports_of(access: Access, account_id: str, screens: Sequence[str]) -> list[Logged]:
    """Downloads of an account by these screens, newest first."""
    table = schema.audit
    query = (
        select(table)
        .where(
            table.c.account_id == account_id, table.c.action == Action.EXPORT.value,
            table.c.screen.in_(screens),
        )
        .order_by(table.c.seq.desc())
    )  # fmt: skip
    with access.read() as connection:
        return [_logged(row) for row in connection.execute(query)]


def length(access: Access) -> int:
    """Lines in all."""
    with access.read() as connection:
        return int(connection.execute(select(func.count()).select_from(schema.audit)).scalar_one())


def verify(access: Access) -> list[Broken]:
    """Read the chain from its beginning; every place where it does not hold."""
    found, before, expected = [], FIRST, 1
    with access.read() as connection:
        for row in connection.execute(select(schema.audit).order_by(schema.audit.c.seq)):
            logged = _logged(row)
            if logged.seq != expected:
                found.append(Broken(logged.seq, f"line {expected} is missing"))
            if logged.previous_hash != before:
                found.append(Broken(logged.seq, "does not follow the line before it"))
            if logged.hash != _hash(logged.previous_hash, logged.seq, logged.line):
                found.append(Broken(logged.seq, "was changed"))
            before, expected = logged.hash, logged.seq + 1
    return found


def _hash(before: str, seq: int, line: Line) -> str:
    return hashlib.sha256(canonical([before, seq, asdict(line)]).encode()).hexdigest()


def _logged(row: Row[Any]) -> Logged:
    line = Line(row.at, row.user_id, Action(row.action), row.screen, row.account_id, row.detail)
    return Logged(row.seq, line, row.previous_hash, row.hash)
