"""Webhooks: what happened, told to another program once it is due, signed, tried again if lost.

Events are read off the book and the requests, never sent from inside a change: a program that does
not answer cannot hold up a trading day. What a hook is told is what its user may see.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.happened import happened
from opensma.access.store import Access
from opensma.book.rights import Viewer
from opensma.book.store import insert_rows
from opensma.errors import InputError

MOST_TRIES = 8
FIRST_PAUSE = 60  # seconds; doubles with every try


class Event(StrEnum):
    """What may be told."""

    DAY_FINISHED = "day.finished"
    REQUEST_MADE = "request.made"
    REQUEST_DECIDED = "request.decided"
    EXCEPTION_OPENED = "exception.opened"
    INVOICE_RELEASED = "invoice.released"
    INVOICE_REVERSED = "invoice.reversed"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events go; times in seconds of the epoch."""

    webhook_id: str
    user_id: str
    url: str
    secret: str
    events: tuple[str, ...]
    created_at: int
    ended_at: int | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event for one hook."""

    hook: Webhook
    event_id: str
    body: str
    tries: int


def add(connection: Connection, hook: Webhook) -> None:
    """Keep a hook; InputError for an unknown event or an address that is not https or http."""
    if unknown := [e for e in hook.events if e not in list(Event)] or not hook.events:
        raise InputError(
            "webhook.event", f"Unknown events: {unknown if hook.events else 'none'}.",
            where="event", remedy=f"Use some of: {', '.join(Event)}.",
        )  # fmt: skip
    if not hook.url.startswith(("https://", "http://")) or len(hook.url) > 500:
        raise InputError(
            "webhook.url", "This is no address to send to.", where=hook.url[:80],
            remedy="As https://example.com/hook.",
        )  # fmt: skip
    row = (hook.webhook_id, hook.user_id, hook.url, hook.secret, " ".join(hook.events),
           hook.created_at, None)  # fmt: skip
    insert_rows(connection, schema.webhooks, [row])


def end(connection: Connection, webhook_id: str, now: int) -> bool:
    """Send nothing more; whether there was one to end."""
    table = schema.webhooks
    where = (table.c.webhook_id == webhook_id) & table.c.ended_at.is_(None)
    return connection.execute(table.update().where(where).values(ended_at=now)).rowcount == 1


def standing(connection: Connection) -> list[Webhook]:
    """Hooks that were not ended, the oldest first."""
    table = schema.webhooks
    query = select(table).where(table.c.ended_at.is_(None)).order_by(table.c.created_at)
    return [
        Webhook(r.webhook_id, r.user_id, r.url, r.secret, tuple(r.events.split()), r.created_at,
                r.ended_at)
        for r in connection.execute(query)
    ]  # fmt: skip


def gather(access: Access, hook: Webhook, viewer: Viewer | None, now: int) -> int:
    """Put what happened since a hook was made into its queue; returns how much was new."""
    if viewer is None:
        return 0
    all_told = happened(access, viewer, hook.created_at)
    found = [told for told in all_told if told[1]["event"] in hook.events]
    table = schema.deliveries
    with access.write() as connection:
        query = select(table.c.event_id).where(table.c.webhook_id == hook.webhook_id)
        known = set(connection.execute(query).scalars())
        rows = [
            (hook.webhook_id, name, json.dumps(body, sort_keys=True), now, 0, now, None, "")
            for name, body in found if name not in known
        ]  # fmt: skip
        insert_rows(connection, table, rows)
    return len(rows)


def due(connection: Connection, hooks: Sequence[Webhook], now: int) -> list[Delivery]:
    """Deliveries to try now, the oldest first."""
    by_id, table = {hook.webhook_id: hook for hook in hooks}, schema.deliveries
    query = (
        select(table)
        .where(table.c.delivered_at.is_(None), table.c.next_at <= now, table.c.tries < MOST_TRIES)
        .order_by(table.c.made_at, table.c.event_id)
    )
    return [
        Delivery(by_id[r.webhook_id], r.event_id, r.body, r.tries)
        for r in connection.execute(query)
        if r.webhook_id in by_id
    ]


def tried(connection: Connection, one: Delivery, answer: str, good: bool, now: int) -> None:
    """Note a try: delivered, or due again after a pause that doubles."""
    table = schema.deliveries
    where = (table.c.webhook_id == one.hook.webhook_id) & (table.c.event_id == one.event_id)
    values: dict[str, Any] = {"tries": one.tries + 1, "answer": answer[:200]}
    values |= {"delivered_at": now} if good else {"next_at": now + FIRST_PAUSE * 2**one.tries}
    connection.execute(table.update().where(where).values(values))


def signature(secret: str, at: int, body: str) -> str:
    """What the header `Opensma-Signature` says: the time, and HMAC-SHA256 over time and body."""
    word = hmac.new(secret.encode(), f"{at}.{body}".encode(), hashlib.sha256).hexdigest()
    return f"t={at},v1={word}"
