"""Who may see which account: the one predicate that every read for a person goes through.

`None` stands for the operator at the machine (the command line), who sees the whole book. What a
user may not see is answered exactly like what does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from opensma.book.master import (
    AccountRecord,
    Grant,
    Strategy,
    User,
    all_records,
    find_account,
    some_records,
    unknown_account,
)
from opensma.book.rights import Right, Viewer, allowed, in_force


def visible_accounts(
    connection: Connection,
    viewer: Viewer | None,
    right: Right = Right.HOLDINGS,
    year: int | None = None,
) -> list[AccountRecord]:
    """Accounts on which the viewer has the right, in order of account id."""
    accounts = all_records(connection, AccountRecord)
    programs = _program_of_strategy(connection)
    return [a for a in accounts if allowed(viewer, a, programs[a.strategy_id], right, year)]


def visible_siblings(
    connection: Connection,
    account: AccountRecord,
    viewer: Viewer | None,
    right: Right = Right.HOLDINGS,
) -> tuple[AccountRecord, ...]:
    """Other accounts of the same taxpayer that the viewer may see, in order of account id."""
    programs = _program_of_strategy(connection)
    same = some_records(connection, AccountRecord, "taxpayer_id", [account.taxpayer_id])
    return tuple(
        a
        for a in same
        if a.account_id != account.account_id and allowed(viewer, a, programs[a.strategy_id], right)
    )


def visible_among(
    connection: Connection,
    account_ids: Iterable[str],
    viewer: Viewer | None,
    right: Right = Right.HOLDINGS,
) -> list[AccountRecord]:
    """Of these accounts those that the viewer may see, in order of account id."""
    programs = _program_of_strategy(connection)
    named = some_records(connection, AccountRecord, "account_id", sorted(account_ids))
    return [a for a in named if allowed(viewer, a, programs[a.strategy_id], right)]


def seen_account(
    connection: Connection,
    account_id: str,
    viewer: Viewer | None,
    right: Right = Right.HOLDINGS,
    year: int | None = None,
) -> AccountRecord:
    """One account; BookError account.unknown when it does not exist or the right is missing."""
    account = find_account(connection, account_id)
    program = _program_of_strategy(connection)[account.strategy_id]
    if not allowed(viewer, account, program, right, year):
        raise unknown_account(account_id)
    return account


def find_viewer(connection: Connection, user_id: str, day: str) -> Viewer | None:
    """A user with the grants in force on an ISO day, None where the book knows no such user."""
    found = some_records(connection, User, "user_id", [user_id])
    if not found:
        return None
    grants = some_records(connection, Grant, "user_id", [user_id])
    return Viewer(found[0].user_id, found[0].name, in_force(grants, day), day)


def _program_of_strategy(connection: Connection) -> dict[str, str]:
    return {s.strategy_id: s.program_id for s in all_records(connection, Strategy)}


def program_of(connection: Connection, account: AccountRecord) -> str:
    """The program whose strategy an account follows."""
    return _program_of_strategy(connection)[account.strategy_id]
