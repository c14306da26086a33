"""`sma access webhook`: tell other programs what happened; `deliver` sends what is due."""

from __future__ import annotations

import ipaddress
import secrets
import socket
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from opensma.cli.output import book_option, emit_json, json_option, note, table

if TYPE_CHECKING:
    from opensma.access.webhooks import Delivery

_SECONDS = 10


@click.group("webhook")
def group() -> None:
    """Webhooks: where events go, signed; sent by `deliver`, from a timer."""


@group.command("add")
@book_option
@click.option("--user", required=True, metavar="ID", help="Whose rights decide what is sent.")
@click.option("--url", required=True, help="Where to.")
@click.option("--event", "events", multiple=True, required=True, metavar="EVENT",
              help="day.finished, request.made or request.decided; repeatable.")  # fmt: skip
@json_option
def add_command(book: str, user: str, url: str, events: tuple[str, ...], as_json: bool) -> None:
    """Add a webhook and print the secret that signs, once."""
    from opensma.access.store import Access
    from opensma.access.webhooks import Webhook, add
    from opensma.book.store import open_book

    secret, name = secrets.token_urlsafe(32), f"wh-{secrets.token_hex(6)}"
    with Access(open_book(book)).write() as connection:
        add(connection, Webhook(name, user, url, secret, events, int(time.time()), None))
    if as_json:
        emit_json({"webhook_id": name, "secret": secret})
        return
    click.echo(secret)
    note(f"{name} sends {', '.join(events)} to {url}. The secret is not shown again.")


@group.command("list")
@book_option
@json_option
def list_command(book: str, as_json: bool) -> None:
    """Webhooks that stand."""
    from opensma.access.store import Access
    from opensma.access.webhooks import standing
    from opensma.book.store import open_book

    with Access(open_book(book)).read() as connection:
        found = standing(connection)
    rows = [(h.webhook_id, h.user_id, h.url, " ".join(h.events)) for h in found]
    head = ("webhook", "user", "url", "events")
    if as_json:
        emit_json([dict(zip(head, row, strict=True)) for row in rows])
        return
    table("", head, rows)


@group.command("end")
@book_option
@click.argument("webhook_id")
def end_command(book: str, webhook_id: str) -> None:
    """Send nothing more to one."""
    from opensma.access.store import Access
    from opensma.access.webhooks import end
    from opensma.book.store import open_book
    from opensma.errors import InputError

    with Access(open_book(book)).write() as connection:
        if not end(connection, webhook_id, int(time.time())):
            raise InputError(
                "webhook.unknown", f"No webhook '{webhook_id}' stands.", where=webhook_id,
                remedy="sma access webhook list shows them.",
            )  # fmt: skip
    note(f"{webhook_id} is sent nothing more.")


@group.command("deliver")
@book_option
@click.option("--allow-local", is_flag=True, help="Send to this machine and private networks too.")
@json_option
def deliver_command(book: str, allow_local: bool, as_json: bool) -> int:
    """Send what is due, once; exit code 1 where something was not taken."""
    from datetime import UTC, datetime

    from opensma.access.store import Access
    from opensma.access.webhooks import due, gather, standing, tried
    from opensma.book.store import open_book
    from opensma.book.visible import find_viewer

    opened, now = open_book(book), int(time.time())
    access, day = Access(opened), datetime.fromtimestamp(now, UTC).date().isoformat()
    with access.read() as connection:
        hooks = standing(connection)
    for hook in hooks:
        with opened.read() as connection:
            viewer = find_viewer(connection, hook.user_id, day)
        gather(access, hook, viewer, now)
    with access.read() as connection:
        waiting = due(connection, hooks, now)
    done = []
    for one in waiting:
        good, answer = _send(one, now, allow_local)
        with access.write() as connection:
            tried(connection, one, answer, good, now)
        done.append({"event_id": one.event_id, "webhook_id": one.hook.webhook_id,
                     "delivered": good, "answer": answer})  # fmt: skip
    if as_json:
        emit_json(done)
    else:
        for line in done:
            note(f"{line['event_id']} to {line['webhook_id']}: {line['answer']}")
        note(f"{sum(bool(d['delivered']) for d in done)} of {len(done)} delivered")
    return 0 if all(d["delivered"] for d in done) else 1


def _send(one: Delivery, now: int, allow_local: bool) -> tuple[bool, str]:
    """Whether it was taken, and what was answered; redirects are not followed."""
    import httpx

    from opensma.access.webhooks import signature

    if not allow_local and not _public(one.hook.url):
        return False, "refused: not a public address"
    headers = {
        "Content-Type": "application/json",
        "Opensma-Signature": signature(one.hook.secret, now, one.body),
    }
    try:
        answer = httpx.post(
            one.hook.url, content=one.body, headers=headers, timeout=_SECONDS,
            follow_redirects=False,
        )  # fmt: skip
    except httpx.HTTPError as error:
        return False, type(error).__name__
    return answer.is_success, str(answer.status_code)


def _public(url: str) -> bool:
    """Whether every address of a host is on the public internet."""
    parts = urlsplit(url)
    try:
        found = socket.getaddrinfo(parts.hostname or "", parts.port or 443)
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(a[4][0]).is_global for a in found)
