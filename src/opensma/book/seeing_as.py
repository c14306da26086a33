"""What an owner sees, for somebody who serves them: never more than both of them may see."""

from __future__ import annotations

from sqlalchemy import Connection

from opensma.book.grants import reaching
from opensma.book.master import AccountRecord, Grant, User
from opensma.book.rights import Right, Role, Scope, Viewer
from opensma.book.visible import find_viewer, visible_accounts


def owners_of(connection: Connection, account: AccountRecord, day: str) -> list[User]:
    """Users who own an account on an ISO day, by user id."""
    found = [user for user, grant in reaching(connection, account, day) if grant.role == Role.OWNER]
    return sorted(set(found), key=lambda user: user.user_id)


def seen_as(connection: Connection, actor: Viewer, owner_id: str, day: str) -> Viewer | None:
    """The owner's view, of the accounts on which `actor` may see as them; None without any."""
    owner = find_viewer(connection, owner_id, day)
    if owner is None:
        return None
    mine = {a.account_id for a in visible_accounts(connection, actor, Right.SEE_AS)}
    owned = Viewer(
        owner.user_id, owner.name, tuple(g for g in owner.grants if g.role == Role.OWNER), day
    )
    both = [a for a in visible_accounts(connection, owned) if a.account_id in mine]
    grants = tuple(
        Grant(
            f"as-{a.account_id}", owner.user_id, Role.OWNER.value, Scope.ACCOUNT.value,
            a.account_id, None, day, day, actor.user_id,
        )
        for a in both
    )  # fmt: skip
    return Viewer(owner.user_id, owner.name, grants, day) if grants else None
