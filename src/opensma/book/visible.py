"""Who may see which account: the one predicate that every read for a person goes through.

`None` stands for the operator at the machine (the command line), who sees the whole book. What a
user may not see is answered exactly like what does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.master import (
    AccountRecord,
    Strategy,
    User,
    all_records,
    find_account,
    some_records,
    unknown_account,
)


def visible_accounts(connection: Connection, viewer: User | None) -> list[AccountRecord]:
    """Accounts that the viewer may see, in order of account id."""
    accounts = all_records(connection, AccountRecord)
    programs = _program_of_strategy(connection)
    return [a for a in accounts if may_see(viewer, a, programs[a.strategy_id])]


def visible_siblings(
    connection: Connection, account: AccountRecord, viewer: User | None
) -> tuple[AccountRecord, ...]:
    """Other accounts of the same taxpayer that the viewer may see, in order of account id."""
    programs = _program_of_strategy(connection)
    same = some_records(connection, AccountRecord, "taxpayer_id", [account.taxpayer_id])
    return tuple(
        a
        for a in same
        if a.account_id != account.account_id and may_see(viewer, a, programs[a.strategy_id])
    )


def visible_among(
    connection: Connection, account_ids: Iterable[str], viewer: User | None
) -> list[AccountRecord]:
    """Of these accounts those that the viewer may see, in order of account id."""
    programs = _program_of_strategy(connection)
    named = some_records(connection, AccountRecord, "account_id", sorted(account_ids))
    return [a for a in named if may_see(viewer, a, programs[a.strategy_id])]


def may_see(viewer: User | None, account: AccountRecord, program_id: str) -> bool:
    """Managers see their program, advisors and owners what is theirs; other roles nothing."""
    if viewer is None:
        return True
    own = {
        "manager": program_id,
        "advisor": account.advisor_id,
        "owner": account.owner_id,
    }
    return viewer.role in own and own[viewer.role] == viewer.scope_id


def seen_account(connection: Connection, account_id: str, viewer: User | None) -> AccountRecord:
    """One account; BookError account.unknown when it does not exist or is not the viewer's."""
    account = find_account(connection, account_id)
    program = _program_of_strategy(connection)[account.strategy_id]
    if not may_see(viewer, account, program):
        raise unknown_account(account_id)
    return account


def find_user(connection: Connection, user_id: str) -> User | None:
    """A user by id, None where the book knows no such user."""
    table = schema.users
    row = connection.execute(select(table).where(table.c.user_id == user_id)).first()
    return None if row is None else User(*row)


def _program_of_strategy(connection: Connection) -> dict[str, str]:
    return {s.strategy_id: s.program_id for s in all_records(connection, Strategy)}
