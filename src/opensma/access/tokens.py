"""API tokens: a user's rights narrowed by scopes, until a day, kept as digests (P25)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, Row, select

from opensma.access import schema
from opensma.access.store import digest
from opensma.book.rights import Right
from opensma.book.store import insert_rows
from opensma.errors import InputError

LONGEST_DAYS = 366
PREFIX = "sma_"
_TOUCH_SECONDS = 60


class TokenScope(StrEnum):
    """What a token may be used for; never more than its user may do."""

    ACCOUNTS = "read:accounts"
    HOLDINGS = "read:holdings"
    PERFORMANCE = "read:performance"
    TAXES = "read:taxes"
    FEES = "read:fees"
    DAY = "read:day"
    REQUESTS = "write:requests"


RIGHT_OF: dict[TokenScope, Right] = {
    TokenScope.ACCOUNTS: Right.HOLDINGS,
    TokenScope.HOLDINGS: Right.HOLDINGS,
    TokenScope.PERFORMANCE: Right.PERFORMANCE,
    TokenScope.TAXES: Right.TAXES,
    TokenScope.FEES: Right.FEES,
    TokenScope.DAY: Right.EXCEPTIONS,
    TokenScope.REQUESTS: Right.PERSONALISE,
}


@dataclass(frozen=True, slots=True)
class Token:
    """A token as people see it; times in seconds of the epoch."""

    token_id: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    created_at: int
    expires_at: int
    revoked_at: int | None
    used_at: int | None


def create(
    connection: Connection,
    secret: str,
    user_id: str,
    name: str,
    scopes: Sequence[str],
    days: int,
    now: int,
) -> Token:
    """Keep a new token by its digest; InputError for an unknown scope or too long a life."""
    known = [scope.value for scope in TokenScope]
    if not scopes or (unknown := [s for s in scopes if s not in known]):
        wrong = ", ".join(unknown) if scopes else "none"
        raise InputError(
            "token.scope", f"Unknown scopes: {wrong}.", where="scope",
            remedy=f"Use some of: {', '.join(known)}.",
        )  # fmt: skip
    if not 1 <= days <= LONGEST_DAYS:
        raise InputError(
            "token.days", f"A token cannot live {days} days.", where="days",
            remedy=f"Use 1 to {LONGEST_DAYS}.",
        )  # fmt: skip
    own = digest(secret)
    token = Token(
        own[:12], user_id, name, tuple(dict.fromkeys(scopes)), now, now + days * 86_400, None, None
    )
    row = (own, token.token_id, user_id, name, " ".join(token.scopes), now, token.expires_at,
           None, None)  # fmt: skip
    insert_rows(connection, schema.tokens, [row])
    return token


def find(connection: Connection, secret: str, now: int) -> Token | None:
    """The token of a secret while it stands."""
    table = schema.tokens
    row = connection.execute(select(table).where(table.c.digest == digest(secret))).first()
    if row is None or row.revoked_at is not None or row.expires_at < now:
        return None
    return _token(row)


def wants_touch(token: Token, now: int) -> bool:
    """Whether `touch` would move anything."""
    return token.used_at is None or now - token.used_at >= _TOUCH_SECONDS


def touch(connection: Connection, token: Token, now: int) -> None:
    """The token was used."""
    table = schema.tokens
    change = table.update().where(table.c.token_id == token.token_id)
    connection.execute(change.values(used_at=now))


def revoke(connection: Connection, token_id: str, now: int) -> bool:
    """End a token at once; whether there was one to end."""
    table = schema.tokens
    where = (table.c.token_id == token_id) & table.c.revoked_at.is_(None)
    return connection.execute(table.update().where(where).values(revoked_at=now)).rowcount == 1


def all_tokens(connection: Connection) -> list[Token]:
    """Every token, the newest first."""
    table = schema.tokens
    return [
        _token(r) for r in connection.execute(select(table).order_by(table.c.created_at.desc()))
    ]


def _token(row: Row[tuple[object, ...]]) -> Token:
    return Token(
        row.token_id, row.user_id, row.name, tuple(row.scopes.split()), row.created_at,
        row.expires_at, row.revoked_at, row.used_at,
    )  # fmt: skip
