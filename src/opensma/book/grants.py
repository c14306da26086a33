"""Giving and taking access: users, and grants that begin and end (P28)."""

from __future__ import annotations

from datetime import date
from typing import TypeVar

from sqlalchemy import Connection

from opensma.book import schema
from opensma.book.master import (
    AccountRecord,
    Advisor,
    Grant,
    Owner,
    Program,
    TaxpayerRecord,
    User,
    add_records,
    all_records,
    some_records,
)
from opensma.book.rights import REACHES, Right, Role, Scope, Viewer, allowed, in_force
from opensma.book.visible import program_of
from opensma.errors import InputError

_Word = TypeVar("_Word", Role, Scope)
_OF_SCOPE = {
    Scope.PROGRAM: (Program, "program_id"),
    Scope.ADVISOR: (Advisor, "advisor_id"),
    Scope.TAXPAYER: (TaxpayerRecord, "taxpayer_id"),
    Scope.OWNER: (Owner, "owner_id"),
    Scope.ACCOUNT: (AccountRecord, "account_id"),
}


def add_user(connection: Connection, user_id: str, name: str) -> User:
    """A new user; InputError access.user where the id cannot be used or is taken."""
    plain = user_id.replace("-", "").replace("_", "").replace(".", "").replace("@", "")
    if not (plain.isascii() and plain.isalnum()) or len(user_id) > 100 or not name.strip():
        raise InputError(
            "access.user", "A user needs a name and an id of letters, digits and -_.@.",
            where=user_id, remedy="For example: --user jane.doe --name 'Jane Doe'.",
        )  # fmt: skip
    if some_records(connection, User, "user_id", [user_id]):
        raise InputError(
            "access.user_known", "There is such a user already.", where=user_id,
            remedy="sma access users shows all of them.",
        )  # fmt: skip
    user = User(user_id, name.strip())
    add_records(connection, [user])
    return user


def add_grant(connection: Connection, grant: Grant) -> Grant:
    """Give a role over a scope; InputError names what does not fit."""
    role, scope = _known(Role, grant.role, "role"), _known(Scope, grant.scope, "scope")
    if scope not in REACHES[role]:
        reach = ", ".join(sorted(REACHES[role]))
        raise _wrong("scope", f"The role {role} does not reach a {scope}.", f"Use one of: {reach}.")
    if not some_records(connection, User, "user_id", [grant.user_id]):
        raise _wrong("user", f"There is no user '{grant.user_id}'.", "sma access invite makes one.")
    if scope is not Scope.BOOK:
        kind, column = _OF_SCOPE[scope]
        if not some_records(connection, kind, column, [grant.scope_id]):
            raise _wrong(
                "scope_id", f"The book has no {scope} '{grant.scope_id}'.", "Check the id."
            )
    for day in (grant.valid_from, grant.valid_to):
        _check_day(day)
    if grant.valid_to is not None and grant.valid_to < grant.valid_from:
        raise _wrong("valid_to", "It would end before it begins.", "Give a later last day.")
    if role in (Role.ACCOUNTANT, Role.HOUSEHOLD) and grant.valid_to is None:
        raise _wrong("valid_to", f"A grant to a {role} needs a last day.", "Give one (P28).")
    add_records(connection, [grant])
    return grant


def end_grant(connection: Connection, grant_id: str, day: date) -> Grant:
    """Take a grant back: it no longer holds on `day`. InputError where there is none to end."""
    found = some_records(connection, Grant, "grant_id", [grant_id])
    last = date.fromordinal(day.toordinal() - 1).isoformat()
    if not found or (found[0].valid_to is not None and found[0].valid_to <= last):
        raise _wrong("grant", f"No grant '{grant_id}' is in force.", "sma access users lists them.")
    table = schema.grants
    change = table.update().where(table.c.grant_id == grant_id)
    connection.execute(change.values(valid_to=last))
    return found[0]


def people(connection: Connection) -> list[tuple[User, tuple[Grant, ...]]]:
    """Every user with all grants, ended ones too, by user id."""
    grants = all_records(connection, Grant)
    return [
        (user, tuple(g for g in grants if g.user_id == user.user_id))
        for user in all_records(connection, User)
    ]


def reaching(
    connection: Connection, account: AccountRecord, day: str | None = None
) -> list[tuple[User, Grant]]:
    """Who may see something of an account: grants that reach it, on an ISO day or ever."""
    program = program_of(connection, account)
    found = []
    for user, grants in people(connection):
        standing = grants if day is None else in_force(grants, day)
        for grant in standing:
            viewer = Viewer(user.user_id, user.name, (grant,))
            about = (right for right in Right if right is not Right.GROWTH)
            if any(allowed(viewer, account, program, right, grant.tax_year) for right in about):
                found.append((user, grant))
    return found


def _known(kind: type[_Word], text: str, name: str) -> _Word:
    options = [one.value for one in kind]
    if text not in options:
        raise _wrong(name, f"'{text}' is no {name}.", f"Use one of: {', '.join(options)}.")
    return kind(text)


def _check_day(day: str | None) -> None:
    try:
        if day is not None:
            date.fromisoformat(day)
    except ValueError:
        raise _wrong("day", f"'{day}' is no day.", "Write it as 2026-12-31.") from None


def _wrong(where: str, what: str, remedy: str) -> InputError:
    return InputError(f"access.{where}", what, where=where, remedy=remedy)
