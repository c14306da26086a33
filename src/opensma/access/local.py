"""Local accounts: a password and a time-based code together, or a recovery code for the second.

Hashes by argon2, codes by pyotp (RFC 6238); each code counts once. Whoever is unknown takes as long
to refuse as whoever is known.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Table, select

from opensma.access import schema
from opensma.access.store import digest
from opensma.book.store import insert_rows
from opensma.errors import InputError

SHORTEST = 12
LONGEST = 256
_JUDGED = 72  # characters whose strength is judged: more make it no weaker
_STRONG = 4  # the best: at least 10^10 guesses
_STEP = 30  # seconds of a code
_DRIFT = 1  # codes before and after that a clock may be off


@dataclass(frozen=True, slots=True)
class Ways:
    """How a user can sign in."""

    password: bool
    authenticator: bool
    passkeys: int
    recovery_codes: int  # not used yet


def set_password(connection: Connection, user_id: str, password: str, now: int) -> None:
    """Replace a password; InputError when it is too short, too long or soon guessed."""
    check_password(password, (user_id,))
    from argon2 import PasswordHasher

    table = schema.passwords
    connection.execute(table.delete().where(table.c.user_id == user_id))
    insert_rows(connection, table, [(user_id, PasswordHasher().hash(password), now)])


def check_password(password: str, words: tuple[str, ...] = ()) -> None:
    """InputError access.password where it may not be used; `words` are known of its owner."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise _refused(f"It has {len(password)} characters.")
    from zxcvbn import zxcvbn

    found = zxcvbn(password[:_JUDGED], user_inputs=[*words, "opensma"])
    if found["score"] < _STRONG:
        warning = found["feedback"]["warning"]
        raise _refused(warning or "It would be guessed too soon.")


def _refused(what: str) -> InputError:
    return InputError(
        "access.password",
        f"This password cannot be used. {what}",
        where="password",
        remedy=f"Use {SHORTEST} to {LONGEST} characters, such as four words that do not belong "
        "together.",
    )


def set_authenticator(connection: Connection, user_id: str, secret: str, now: int) -> None:
    """Replace the secret of a user's authenticator app."""
    table = schema.authenticators
    connection.execute(table.delete().where(table.c.user_id == user_id))
    insert_rows(connection, table, [(user_id, secret, now, 0)])


def forget(connection: Connection, user_id: str) -> None:
    """No password, no authenticator, no recovery codes any more."""
    for table in (schema.passwords, schema.authenticators, schema.recovery_codes):
        connection.execute(table.delete().where(table.c.user_id == user_id))


def set_recovery_codes(connection: Connection, user_id: str, codes: list[str]) -> None:
    """Replace a user's recovery codes; digests are kept."""
    table = schema.recovery_codes
    connection.execute(table.delete().where(table.c.user_id == user_id))
    rows = [(user_id, digest(_plain(code)), None) for code in codes]
    insert_rows(connection, table, rows)


def proves(connection: Connection, user_id: str, password: str, code: str, now: int) -> bool:
    """Whether both are right. Uses the code up; run in a write transaction that is kept."""
    right = password_right(connection, user_id, password)
    return right and use_code(connection, user_id, code, now)


def use_code(connection: Connection, user_id: str, code: str, now: int) -> bool:
    """Whether a code of the authenticator, or a recovery code, is right and was not used yet."""
    word = _plain(code)
    step = _step_of(connection, user_id, word, now)
    if step is not None:
        table = schema.authenticators
        where = (table.c.user_id == user_id) & (table.c.last_step < step)
        return connection.execute(table.update().where(where).values(last_step=step)).rowcount == 1
    codes = schema.recovery_codes
    where = (codes.c.user_id == user_id) & (codes.c.digest == digest(word))
    where &= codes.c.used_at.is_(None)
    return connection.execute(codes.update().where(where).values(used_at=now)).rowcount == 1


def ways_of(connection: Connection, user_id: str) -> Ways:
    """What a user has set up."""

    def count(table: Table, *more: ColumnElement[bool]) -> int:
        rows = connection.execute(select(table).where(table.c.user_id == user_id, *more))
        return len(rows.all())

    codes = schema.recovery_codes
    return Ways(
        bool(count(schema.passwords)),
        bool(count(schema.authenticators)),
        count(schema.passkeys),
        count(codes, codes.c.used_at.is_(None)),
    )


def right_code(secret: str, code: str, now: int) -> bool:
    """Whether a code fits a secret that is being set up."""
    return _step(secret, _plain(code), now) is not None


def password_right(connection: Connection, user_id: str, password: str) -> bool:
    """Whether a password is right; takes as long for a user whom nobody knows."""
    from argon2 import PasswordHasher
    from argon2.exceptions import InvalidHashError, VerificationError

    table = schema.passwords
    known = connection.execute(select(table.c.hash).where(table.c.user_id == user_id)).scalar()
    try:
        PasswordHasher().verify(known or _nobody(), password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return known is not None


_NOBODY: list[str] = []


def _nobody() -> str:
    """A hash that no password fits; made once, so that refusing takes as long as for anybody."""
    if not _NOBODY:
        from argon2 import PasswordHasher

        _NOBODY.append(PasswordHasher().hash("nobody has this password"))
    return _NOBODY[0]


def _step_of(connection: Connection, user_id: str, code: str, now: int) -> int | None:
    table = schema.authenticators
    row = connection.execute(select(table).where(table.c.user_id == user_id)).first()
    return None if row is None else _step(row.secret, code, now)


def _step(secret: str, code: str, now: int) -> int | None:
    """The time step of a code near now."""
    from pyotp import TOTP

    found = None
    for step in range(now // _STEP - _DRIFT, now // _STEP + _DRIFT + 1):
        if hmac.compare_digest(TOTP(secret).generate_otp(step).encode(), code.encode()):
            found = step
    return found


def _plain(code: str) -> str:
    """As typed by people: spaces and dashes do not count."""
    return "".join(c for c in code.casefold() if c.isalnum())
