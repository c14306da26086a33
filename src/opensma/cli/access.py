"""`sma access`: who may see what: users, invitations, grants, the audit log."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime

import click

from opensma.cli._access_token import group as token_group
from opensma.cli._access_webhook import group as webhook_group
from opensma.cli.output import book_option, emit_json, json_option, note, table


@click.group("access")
def group() -> None:
    """Users, what they may see, and what they looked at."""


@group.command("users")
@book_option
@json_option
def users_command(book: str, as_json: bool) -> None:
    """List users with their grants."""
    from opensma.book.grants import people
    from opensma.book.store import open_book, row_of

    with open_book(book).read() as connection:
        found = people(connection)
    if as_json:
        names = ("grant_id", "user_id", "role", "scope", "scope_id", "tax_year", "valid_from",
                 "valid_to", "granted_by")  # fmt: skip
        emit_json(
            [
                {"user_id": u.user_id, "name": u.name,
                 "grants": [dict(zip(names, row_of(g), strict=True)) for g in grants]}
                for u, grants in found
            ]
        )  # fmt: skip
        return
    rows = [
        (u.user_id, u.name, g.role, g.scope, g.scope_id, g.tax_year or "", g.valid_from,
         g.valid_to or "", g.grant_id)
        for u, grants in found for g in grants
    ]  # fmt: skip
    head = ("user", "name", "role", "scope", "of", "tax year", "from", "to", "grant")
    table("", head, rows)


@group.command("invite")
@book_option
@click.option("--user", required=True, metavar="ID", help="Whom to invite.")
@click.option("--name", default=None, help="Makes a new user of this name.")
@click.option("--site", default="http://localhost:8000", show_default=True, metavar="URL")
@json_option
def invite_command(book: str, user: str, name: str | None, site: str, as_json: bool) -> None:
    """Write a link that lets a person set a password and an authenticator, once."""
    from opensma.access.audit import Action, Line, append
    from opensma.access.store import Access
    from opensma.access.tickets import INVITATION, Ticket, issue
    from opensma.book.grants import add_user
    from opensma.book.master import User, some_records
    from opensma.book.store import open_book
    from opensma.errors import InputError

    opened = open_book(book)
    with opened.write() as connection:
        if name is not None:
            add_user(connection, user, name)
        elif not some_records(connection, User, "user_id", [user]):
            raise InputError(
                "access.user", f"There is no user '{user}'.", where="--user",
                remedy="Add --name to make one.",
            )  # fmt: skip
    word, now, access = secrets.token_urlsafe(24), int(time.time()), Access(opened)
    with access.lock, access.write() as connection:
        expires = issue(connection, word, Ticket(INVITATION, user, ""), now)
        append(access, connection, Line(now, "operator", Action.CHANGE, "invite", "", user))
    until = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M UTC")
    link = f"{site.rstrip('/')}/invitation#{word}"
    if as_json:
        emit_json({"user_id": user, "link": link, "invitation": word, "expires": until})
        return
    click.echo(link)
    note(f"For {user}, once, until {until}. Give it to nobody else: no mail is sent from here.")


@group.command("grant")
@book_option
@click.option("--user", required=True, metavar="ID")
@click.option("--role", required=True, help="owner, household, accountant, advisor, sponsor, "
              "manager, operations, growth or auditor.")  # fmt: skip
@click.option("--scope", required=True, help="book, program, advisor, taxpayer, owner or account.")
@click.option("--of", "scope_id", default="book", metavar="ID", help="Which one of the scope.")
@click.option("--tax-year", type=int, default=None, help="The only year that is seen.")
@click.option("--from", "first", default=None, metavar="DAY", help="[default: today]")
@click.option("--to", "last", default=None, metavar="DAY", help="The last day.  [default: open]")
@json_option
def grant_command(
    book: str,
    user: str,
    role: str,
    scope: str,
    scope_id: str,
    tax_year: int | None,
    first: str | None,
    last: str | None,
    as_json: bool,
) -> None:
    """Give a user a role over a scope, between two days."""
    from opensma.access.audit import Action, Line, record
    from opensma.access.store import Access
    from opensma.book.grants import add_grant
    from opensma.book.master import Grant
    from opensma.book.store import open_book

    today, opened = datetime.now(UTC).date().isoformat(), open_book(book)
    name = f"g-{secrets.token_hex(6)}"
    grant = Grant(name, user, role, scope, scope_id, tax_year, first or today, last, "operator")
    with opened.write() as connection:
        add_grant(connection, grant)
    line = Line(int(time.time()), "operator", Action.CHANGE, "grant", "", f"{user} {name}")
    record(Access(opened), line)
    if as_json:
        emit_json({"grant_id": name})
        return
    note(f"{user} is {role} of {scope} {scope_id} from {grant.valid_from} ({name}).")


@group.command("revoke")
@book_option
@click.argument("grant_id")
@json_option
def revoke_command(book: str, grant_id: str, as_json: bool) -> None:
    """Take a grant back at once, and sign its user out everywhere."""
    from opensma.access import sessions
    from opensma.access.audit import Action, Line, append
    from opensma.access.store import Access
    from opensma.book.grants import end_grant
    from opensma.book.store import open_book

    opened, now = open_book(book), int(time.time())
    with opened.write() as connection:
        grant = end_grant(connection, grant_id, datetime.now(UTC).date())
    access = Access(opened)
    with access.lock, access.write() as connection:
        sessions.end_all(connection, grant.user_id, now)
        append(access, connection, Line(now, "operator", Action.CHANGE, "revoke", "", grant_id))
    if as_json:
        emit_json({"grant_id": grant_id, "user_id": grant.user_id})
        return
    note(f"{grant_id} is over; {grant.user_id} was signed out.")


@group.command("sessions")
@book_option
@click.option("--user", "user_id", default="", metavar="ID", help="One user alone.")
@click.option("--end", "session_id", default=None, metavar="ID", help="End this session.")
@click.option("--end-all", is_flag=True, help="Sign the user out everywhere.")
@json_option
def sessions_command(
    book: str, user_id: str, session_id: str | None, end_all: bool, as_json: bool
) -> None:
    """Who is signed in; end one session, or all of a user."""
    from dataclasses import asdict

    from opensma.access import sessions
    from opensma.access.audit import Action, Line, append
    from opensma.access.store import Access
    from opensma.book.store import open_book
    from opensma.errors import InputError

    access, now = Access(open_book(book)), int(time.time())
    with access.read() as connection:
        found = sessions.standing(connection, now, user_id)
    over = [one for one in found if end_all or one.session_id == session_id]
    if end_all and not user_id:
        raise InputError("access.user", "Whose sessions?", where="--end-all",
                         remedy="Name the user with --user.")  # fmt: skip
    if session_id is not None and not over:
        raise InputError("access.session", f"No session '{session_id}' stands.", where="--end",
                         remedy="sma access sessions lists them.")  # fmt: skip
    if over:
        with access.lock, access.write() as connection:
            for one in over:
                sessions.end_one(connection, one.user_id, one.session_id, now)
                line = Line(now, "operator", Action.CHANGE, "end-session", "", one.session_id)
                append(access, connection, line)
        found = over
    if as_json:
        emit_json({"ended": bool(over), "sessions": [asdict(one) for one in found]})
        return
    rows = [
        (s.session_id, s.user_id, s.method, *(_moment(t) for t in (s.begun_at, s.seen_at)))
        for s in found
    ]
    title = "Ended" if over else "Sessions that stand"
    table(title, ("session", "user", "by", "begun (UTC)", "last seen"), rows)


@group.command("bind")
@book_option
@click.option("--user", required=True, metavar="ID")
@click.option("--issuer", required=True, metavar="URL", help="As in the provider's file.")
@click.option("--subject", required=True, metavar="SUB", help="The provider's id of the person.")
@json_option
def bind_command(book: str, user: str, issuer: str, subject: str, as_json: bool) -> None:
    """Tie a person of an OpenID provider to a user, where their ids differ."""
    from opensma.access import oidc
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
                remedy="sma access invite --name makes one.",
            )  # fmt: skip
    access = Access(opened)
    with access.lock, access.write() as connection:
        oidc.bind(connection, issuer.rstrip("/"), subject, user)
        append(access, connection, Line(now, "operator", Action.CHANGE, "bind", "", user))
    if as_json:
        emit_json({"user_id": user, "issuer": issuer.rstrip("/"), "subject": subject})
        return
    note(f"{subject} of {issuer.rstrip('/')} signs in as {user}.")


@group.command("audit")
@book_option
@click.option("--account", "account_id", default=None, metavar="ID", help="One account alone.")
@click.option("--lines", type=click.IntRange(min=1), default=50, show_default=True)
@json_option
def audit_command(book: str, account_id: str | None, lines: int, as_json: bool) -> None:
    """Who saw and who changed what, newest first."""
    from dataclasses import asdict

    from opensma.access.audit import lines_of
    from opensma.access.store import Access
    from opensma.book.store import open_book

    accounts = None if account_id is None else [account_id]
    found = lines_of(Access(open_book(book)), accounts, size=lines)
    if as_json:
        emit_json([{"seq": one.seq, **asdict(one.line), "hash": one.hash} for one in found])
        return
    rows = [
        (one.seq, _moment(one.line.at),
         one.line.user_id, one.line.action, one.line.screen, one.line.account_id, one.line.detail)
        for one in found
    ]  # fmt: skip
    table("", ("line", "at (UTC)", "user", "action", "screen", "account", "detail"), rows)


@group.command("verify-audit")
@book_option
@json_option
def verify_command(book: str, as_json: bool) -> None:
    """Read the audit log's chain from its beginning; exit code 1 where it is broken."""
    from opensma.access.audit import length, verify
    from opensma.access.store import Access
    from opensma.book.store import open_book

    access = Access(open_book(book))
    broken, lines = verify(access), length(access)
    if as_json:
        emit_json({"lines": lines, "broken": [{"seq": b.seq, "what": b.message} for b in broken]})
    else:
        for one in broken:
            note(f"line {one.seq} {one.message}")
        note(f"{lines:,} lines, {'the chain holds' if not broken else f'{len(broken)} breaks'}")
    if broken:
        raise SystemExit(1)


def _moment(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


group.add_command(token_group)
group.add_command(webhook_group)
