"""`sma access token`: keys for programs that call the API."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import click

from opensma.cli.output import book_option, emit_json, json_option, note, table


@click.group("token")
def group() -> None:
    """API tokens: a user's rights narrowed by scopes, until a day."""


@group.command("create")
@book_option
@click.option("--user", required=True, metavar="ID", help="Whose rights it has.")
@click.option("--name", required=True, help="What it is for.")
@click.option("--scope", "scopes", multiple=True, required=True, metavar="SCOPE",
              help="As read:accounts; repeatable.")  # fmt: skip
@click.option("--days", type=int, default=90, show_default=True, help="How long it stands.")
@json_option
def create_command(
    book: str, user: str, name: str, scopes: tuple[str, ...], days: int, as_json: bool
) -> None:
    """Make a token and print it once; only its digest is kept."""
    from opensma.access import tokens
    from opensma.access.audit import Action, Line, append
    from opensma.access.store import Access
    from opensma.book.master import User, some_records
    from opensma.book.store import open_book
    from opensma.errors import InputError

    opened, now = open_book(book), int(time.time())
    with opened.read() as connection:
        if not some_records(connection, User, "user_id", [user]):
            raise InputError(
                "access.user", f"There is no user '{user}'.", where="--user",
                remedy="sma access users lists them.",
            )  # fmt: skip
    secret, access = tokens.PREFIX + secrets.token_urlsafe(32), Access(opened)
    with access.lock, access.write() as connection:
        made = tokens.create(connection, secret, user, name, scopes, days, now)
        line = Line(now, "operator", Action.CHANGE, "token", "", f"{user} {made.token_id}")
        append(access, connection, line)
    if as_json:
        emit_json({"token": secret, "token_id": made.token_id, "expires": _day(made.expires_at)})
        return
    click.echo(secret)
    note(f"{made.token_id} for {user} until {_day(made.expires_at)}; it is not shown again.")


@group.command("list")
@book_option
@json_option
def list_command(book: str, as_json: bool) -> None:
    """Every token with its scopes, end and last use."""
    from dataclasses import asdict

    from opensma.access.store import Access
    from opensma.access.tokens import all_tokens
    from opensma.book.store import open_book

    with Access(open_book(book)).read() as connection:
        found = all_tokens(connection)
    if as_json:
        emit_json([asdict(one) for one in found])
        return
    rows = [
        (t.token_id, t.user_id, t.name, " ".join(t.scopes), _day(t.expires_at),
         _day(t.used_at), _day(t.revoked_at))
        for t in found
    ]  # fmt: skip
    table("", ("token", "user", "for", "scopes", "until", "last used", "revoked"), rows)


@group.command("revoke")
@book_option
@click.argument("token_id")
@json_option
def revoke_command(book: str, token_id: str, as_json: bool) -> None:
    """End a token at once."""
    from opensma.access.audit import Action, Line, append
    from opensma.access.store import Access
    from opensma.access.tokens import revoke
    from opensma.book.store import open_book
    from opensma.errors import InputError

    access, now = Access(open_book(book)), int(time.time())
    with access.lock, access.write() as connection:
        if not revoke(connection, token_id, now):
            raise InputError(
                "token.unknown", f"No token '{token_id}' stands.", where=token_id,
                remedy="sma access token list shows them.",
            )  # fmt: skip
        append(access, connection, Line(now, "operator", Action.CHANGE, "token-end", "", token_id))
    if as_json:
        emit_json({"token_id": token_id})
        return
    note(f"{token_id} no longer opens anything.")


def _day(seconds: int | None) -> str:
    return "" if seconds is None else datetime.fromtimestamp(seconds, UTC).date().isoformat()
