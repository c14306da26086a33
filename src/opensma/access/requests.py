"""Requests of owners: what they want different, what it would have cost, who answered and why.

Kept for ever: the record of reasonable restrictions that rule 3a-4 of the Investment Company Act
asks for. What approving one changes in the book is decided by `trade.personalise`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from opensma.access import schema
from opensma.access.audit import Action, Line, append
from opensma.access.store import Access
from opensma.book.store import insert_rows
from opensma.errors import InputError

LONGEST_NOTE = 2_000


class State(StrEnum):
    """Where a request stands."""

    ASKED = "asked"
    WITHDRAWN = "withdrawn"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; times in seconds of the epoch."""

    request_id: str
    account_id: str
    user_id: str
    asked_at: int
    fields: Mapping[str, str]  # of `trade.change_text.FIELDS`
    note: str
    preview: Mapping[str, Any]
    state: State = State.ASKED
    decided_by: str = ""
    decided_at: int | None = None
    reason: str = ""
    applied: tuple[str, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it waits for an answer."""
        return self.state is State.ASKED


def ask(access: Access, request: Request) -> None:
    """Keep a new request; InputError request.empty where nothing is asked for."""
    if not any(request.fields.values()) and not request.note.strip():
        raise InputError(
            "request.empty", "Nothing is asked for.", where="request",
            remedy="Fill in a field, or write what you would like.",
        )  # fmt: skip
    if len(request.note) > LONGEST_NOTE:
        raise InputError(
            "request.long", f"The note has {len(request.note):,} characters.", where="note",
            remedy=f"Use at most {LONGEST_NOTE:,}.",
        )  # fmt: skip
    with access.lock, access.write() as connection:
        insert_rows(connection, schema.requests, [_row(request)])
        _log(access, connection, request, request.user_id, request.asked_at, "request")


def decide(
    access: Access,
    request: Request,
    state: State,
    by: str,
    reason: str,
    now: int,
    applied: Sequence[str] = (),
) -> Request:
    """Answer or withdraw an open request; a refusal gives its reason. InputError otherwise."""
    if state is State.REFUSED and not reason.strip():
        raise InputError(
            "request.reason", "A refusal needs a reason.", where="reason",
            remedy="Write what speaks against it: the owner reads it.",
        )  # fmt: skip
    table = schema.requests
    where = (table.c.request_id == request.request_id) & (table.c.state == State.ASKED.value)
    with access.lock, access.write() as connection:
        change = table.update().where(where).values(
            state=state.value, decided_by=by, decided_at=now, reason=reason.strip()[:LONGEST_NOTE],
            applied=json.dumps(list(applied)),
        )  # fmt: skip
        if connection.execute(change).rowcount != 1:
            raise InputError(
                "request.closed", "This request was answered before.", where=request.request_id,
                remedy="Look at the answer; a new wish is a new request.",
            )  # fmt: skip
        _log(access, connection, request, by, now, f"request-{state}")
        return _found(connection, request.request_id)


def find(access: Access, request_id: str) -> Request | None:
    """One request by id."""
    with access.read() as connection:
        table = schema.requests
        row = connection.execute(select(table).where(table.c.request_id == request_id)).first()
    return None if row is None else _request(row)


def of_accounts(access: Access, account_ids: Sequence[str] | None) -> list[Request]:
    """Requests about these accounts (None: all), open ones first, then the newest."""
    table = schema.requests
    query = select(table).order_by(table.c.asked_at.desc(), table.c.request_id)
    if account_ids is not None:
        query = query.where(table.c.account_id.in_(account_ids))
    with access.read() as connection:
        found = [_request(row) for row in connection.execute(query)]
    return sorted(found, key=lambda one: not one.open)


def _log(
    access: Access, connection: Connection, request: Request, by: str, now: int, screen: str
) -> None:
    line = Line(now, by, Action.CHANGE, screen, request.account_id, request.request_id)
    append(access, connection, line)


def _found(connection: Connection, request_id: str) -> Request:
    table = schema.requests
    return _request(connection.execute(select(table).where(table.c.request_id == request_id)).one())


def _row(request: Request) -> tuple[Any, ...]:
    return (
        request.request_id, request.account_id, request.user_id, request.asked_at,
        json.dumps(dict(request.fields)), request.note.strip(), json.dumps(dict(request.preview)),
        request.state.value, request.decided_by, request.decided_at, request.reason,
        json.dumps(list(request.applied)),
    )  # fmt: skip


def _request(row: Row[Any]) -> Request:
    return Request(
        row.request_id, row.account_id, row.user_id, row.asked_at, json.loads(row.fields),
        row.note, json.loads(row.preview), State(row.state), row.decided_by, row.decided_at,
        row.reason, tuple(json.loads(row.applied)),
    )  # fmt: skip
