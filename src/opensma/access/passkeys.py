"""Passkeys (WebAuthn): keys of a person's device, checked by the `webauthn` library.

The device asks for a fingerprint or a PIN (user verification), so a passkey alone is two factors.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.store import digest
from opensma.book.store import insert_rows


@dataclass(frozen=True, slots=True)
class Site:
    """Where passkeys belong to: the host name and the origin of the portal."""

    host: str
    origin: str


@dataclass(frozen=True, slots=True)
class Passkey:
    """A key that was added; times in seconds of the epoch."""

    credential_id: str
    name: str
    added_at: int
    used_at: int | None


def registration(site: Site, user_id: str, name: str, challenge: str) -> str:
    """Options for the browser to make a key, as JSON."""
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers import structs

    chosen = structs.AuthenticatorSelectionCriteria(
        resident_key=structs.ResidentKeyRequirement.REQUIRED,
        user_verification=structs.UserVerificationRequirement.REQUIRED,
    )
    options = generate_registration_options(
        rp_id=site.host,
        rp_name="opensma",
        user_name=user_id,
        user_display_name=name,
        user_id=digest(user_id).encode()[:32],
        challenge=challenge.encode(),
        authenticator_selection=chosen,
    )
    return str(options_to_json(options))


def add(
    connection: Connection, site: Site, user_id: str, challenge: str, answer: str, now: int
) -> bool:
    """Keep the key that a browser made for this challenge; False where the answer is not right."""
    from webauthn import verify_registration_response
    from webauthn.helpers.exceptions import WebAuthnException

    try:
        made = verify_registration_response(
            credential=answer,
            expected_challenge=challenge.encode(),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return False
    own = made.credential_id.hex()
    table = schema.passkeys
    if connection.execute(select(table).where(table.c.credential_id == own)).first():
        return False
    name = f"Passkey {len(keys_of(connection, user_id)) + 1}"
    row = (own, user_id, made.credential_public_key.hex(), made.sign_count, name, now, None)
    insert_rows(connection, table, [row])
    return True


def request(site: Site, challenge: str) -> str:
    """Options for the browser to use any key of this site, as JSON."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=site.host,
        challenge=challenge.encode(),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return str(options_to_json(options))


def user_of(
    connection: Connection, site: Site, challenge: str, answer: str, now: int
) -> str | None:
    """Whose key answered the challenge, None where it is unknown or wrong. In a write transaction.

    A counter that does not rise means that the key was copied: it is refused.
    """
    from webauthn import verify_authentication_response
    from webauthn.helpers.exceptions import WebAuthnException

    table, own = schema.passkeys, _credential(answer)
    row = connection.execute(select(table).where(table.c.credential_id == own)).first()
    if row is None:
        return None
    try:
        proof = verify_authentication_response(
            credential=answer,
            expected_challenge=challenge.encode(),
            expected_rp_id=site.host,
            expected_origin=site.origin,
            credential_public_key=bytes.fromhex(row.public_key),
            credential_current_sign_count=row.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError):
        return None
    change = table.update().where(table.c.credential_id == own)
    connection.execute(change.values(sign_count=proof.new_sign_count, used_at=now))
    return str(row.user_id)


def keys_of(connection: Connection, user_id: str) -> list[Passkey]:
    """A user's keys, oldest first."""
    table = schema.passkeys
    query = select(table).where(table.c.user_id == user_id).order_by(table.c.added_at)
    return [
        Passkey(row.credential_id, row.name, row.added_at, row.used_at)
        for row in connection.execute(query)
    ]


def remove(connection: Connection, user_id: str, credential_id: str) -> bool:
    """Forget one key of a user."""
    table = schema.passkeys
    where = (table.c.user_id == user_id) & (table.c.credential_id == credential_id)
    return connection.execute(table.delete().where(where)).rowcount == 1


def remove_all(connection: Connection, user_id: str) -> None:
    """Forget every key of a user."""
    connection.execute(schema.passkeys.delete().where(schema.passkeys.c.user_id == user_id))


def _credential(answer: str) -> str:
    from webauthn.helpers import base64url_to_bytes

    try:
        document: Any = json.loads(answer)
        return base64url_to_bytes(str(document["id"])).hex()
    except (ValueError, KeyError, TypeError):
        return ""
