"""OpenID Connect: what is sent to a provider, and what its answer must prove (RFC 7636, OIDC core).

Signatures and claims are checked by `joserfc`; the requests themselves are the web room's.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.book.store import insert_rows
from opensma.errors import InputError

ALGORITHMS = ["RS256", "ES256", "PS256", "EdDSA"]  # never "none", never a shared secret
_LEEWAY = 60  # seconds


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider as configured: its issuer, our client, and what counts as two factors."""

    issuer: str
    client_id: str
    client_secret: str
    name: str = "your organisation"
    claim: str = "sub"  # names the user of the book; empty: only who was bound comes in
    factors: tuple[str, ...] = ()  # one of these `amr` or `acr` must be there; empty: not asked


@dataclass(frozen=True, slots=True)
class Endpoints:
    """What discovery says."""

    authorization: str
    token: str
    keys: str


def read_providers(paths: Sequence[Path]) -> tuple[Provider, ...]:
    """The providers of some files. InputError where two are the same issuer.

    One of several names users of the book only where its own file says by which claim: a provider
    that was meant for some people could else let itself in as anybody.
    """
    found = [read_provider(path, "sub" if len(paths) == 1 else "") for path in paths]
    issuers = [one.issuer for one in found]
    if twice := sorted({one for one in issuers if issuers.count(one) > 1}):
        raise InputError(
            "access.oidc", "Two files name the same issuer.", where=twice[0],
            remedy="Leave one of them out.",
        )  # fmt: skip
    return tuple(found)


def read_provider(path: Path, claim: str = "sub") -> Provider:
    """The provider of a JSON file; InputError names what is wrong."""
    try:
        document = json.loads(path.read_text("utf-8"))
        secret = document.get("client_secret_file")
        return Provider(
            issuer=str(document["issuer"]).rstrip("/"),
            client_id=str(document["client_id"]),
            client_secret=(path.parent / secret).read_text("utf-8").strip() if secret else "",
            name=str(document.get("name", "your organisation")),
            claim=str(document.get("claim", claim)),
            factors=tuple(document.get("factors", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "access.oidc",
            f"The provider cannot be read: {error}.",
            where=str(path),
            remedy='Write {"issuer": "https://…", "client_id": "…", "client_secret_file": "…"}.',
        ) from None


def endpoints(provider: Provider, document: Mapping[str, Any]) -> Endpoints:
    """From the discovery document; InputError where it is another issuer's."""
    if str(document.get("issuer", "")).rstrip("/") != provider.issuer:
        raise InputError(
            "access.oidc",
            "The discovery document names another issuer.",
            where=provider.issuer,
            remedy="Use the issuer exactly as the provider spells it.",
        )
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if missing := [name for name in names if name not in document]:
        raise InputError(
            "access.oidc", f"The discovery document lacks {', '.join(missing)}.",
            where=provider.issuer, remedy="Check the issuer; it may be no OpenID provider.",
        )  # fmt: skip
    return Endpoints(*(str(document[name]) for name in names))


def challenge_of(verifier: str) -> str:
    """S256 code challenge (PKCE)."""
    hashed = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(hashed).rstrip(b"=").decode()


def authorize_url(
    provider: Provider,
    found: Endpoints,
    back: str,
    state: str,
    nonce: str,
    verifier: str,
    again: bool,
) -> str:
    """Where the browser goes; `again` asks the person to prove themselves once more."""
    words = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": back,
        "scope": "openid profile",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
    }
    if again:
        words |= {"prompt": "login", "max_age": "0"}
    return f"{found.authorization}?{urlencode(words)}"


def claims_of(
    provider: Provider, id_token: str, keys: Mapping[str, Any], nonce: str, now: int
) -> dict[str, Any]:
    """The claims of a token whose signature, issuer, audience, times and nonce are right.

    InputError access.oidc_token otherwise, which names the rule and no value.
    """
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet

    try:
        known: Any = dict(keys)
        token = jwt.decode(id_token, KeySet.import_key_set(known), algorithms=ALGORITHMS)
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise _refused("its signature is not the provider's") from error
    claims = dict(token.claims)
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if str(claims.get("iss", "")).rstrip("/") != provider.issuer:
        raise _refused("it is of another issuer")
    if provider.client_id not in named or (
        len(named) > 1 and claims.get("azp") != provider.client_id
    ):
        raise _refused("it is for another client")
    if not _number(claims.get("exp")) > now - _LEEWAY:
        raise _refused("it has expired")
    if _number(claims.get("iat")) > now + _LEEWAY:
        raise _refused("it is from the future")
    if claims.get("nonce") != nonce:
        raise _refused("it answers another request")
    used = claims.get("amr")
    ways = {str(claims.get("acr")), *map(str, used if isinstance(used, list) else ())}
    if provider.factors and not ways & set(provider.factors):
        raise _refused("the provider asked for one factor only")
    return claims


def identity(connection: Connection, issuer: str, subject: str) -> str | None:
    """The user to whom a subject was bound."""
    table = schema.identities
    where = (table.c.issuer == issuer) & (table.c.subject == subject)
    found = connection.execute(select(table.c.user_id).where(where)).scalar()
    return None if found is None else str(found)


def bind(connection: Connection, issuer: str, subject: str, user_id: str) -> None:
    """Bind a subject of a provider to a user."""
    table = schema.identities
    where = (table.c.issuer == issuer) & (table.c.subject == subject)
    connection.execute(table.delete().where(where))
    insert_rows(connection, table, [(issuer, subject, user_id)])


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _refused(why: str) -> InputError:
    return InputError(
        "access.oidc_token",
        f"The provider's answer was refused: {why}.",
        where="id_token",
        remedy="Sign in again; if it stays, tell your administrator.",
    )
