"""Tables of the access store, one description for SQLite and PostgreSQL.

Times are whole seconds of the epoch; secrets are kept as SHA-256 only (`digest`), so that a copy of
the store opens nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

metadata = MetaData()
Whole: Any = BigInteger().with_variant(Integer(), "sqlite")


def table(name: str, *columns: Any) -> Table:
    """A table of the access store; STRICT on SQLite, as the book's."""
    return Table(f"access_{name}", metadata, *columns, sqlite_strict=True)


def key(name: str, kind: Any = Text) -> Column[Any]:
    """A column of the primary key."""
    return Column(name, kind, primary_key=True, autoincrement=False)


def need(name: str, kind: Any = Text) -> Column[Any]:
    """A column that always has a value."""
    return Column(name, kind, nullable=False)


audit = table(
    "audit",
    key("seq", Whole),
    need("at", Whole),
    need("user_id"),
    need("action"),  # view, export, change, sign_in, sign_out, refused
    need("screen"),
    need("account_id"),  # empty where none is named
    need("detail"),  # ids only, never values (P27)
    need("previous_hash"),
    need("hash"),
    Index("ix_access_audit_account_id", "account_id", "seq"),
    Index("ix_access_audit_user_id", "user_id", "seq"),
)
sessions = table(
    "sessions",
    key("digest"),
    need("session_id"),  # what people see of it
    need("user_id"),
    need("method"),  # password, passkey, oidc
    need("begun_at", Whole),
    need("seen_at", Whole),
    need("fresh_at", Whole),  # when the person last proved who they are
    Column("ended_at", Whole),
    Index("ix_access_sessions_user_id", "user_id"),
)
viewings = table("viewings", key("session_id"), need("owner_id"), need("begun_at", Whole))
passwords = table("passwords", key("user_id"), need("hash"), need("changed_at", Whole))
authenticators = table(
    "authenticators",
    key("user_id"),
    need("secret"),  # base32; a time-based code cannot be checked without it
    need("added_at", Whole),
    need("last_step", Whole),  # the newest code that was used: each counts once
)
recovery_codes = table("recovery_codes", key("user_id"), key("digest"), Column("used_at", Whole))
passkeys = table(
    "passkeys",
    key("credential_id"),
    need("user_id"),
    need("public_key"),
    need("sign_count", Whole),
    need("name"),
    need("added_at", Whole),
    Column("used_at", Whole),
    Index("ix_access_passkeys_user_id", "user_id"),
)
identities = table("identities", key("issuer"), key("subject"), need("user_id"))
# Secrets that count once and not for long: invitations, challenges, states of a provider.
tickets = table(
    "tickets",
    key("digest"),
    need("purpose"),
    need("user_id"),  # empty where nobody is known yet
    need("data"),
    need("expires_at", Whole),
    Column("used_at", Whole),
)
attempts = table("attempts", key("subject"), need("failures", Whole), need("last_at", Whole))
requests = table(
    "requests",
    key("request_id"),
    need("account_id"),
    need("user_id"),
    need("asked_at", Whole),
    need("fields"),  # JSON: the form of a what-if, as typed
    need("note"),
    need("preview"),  # JSON: what the engine said then
    need("state"),  # asked, withdrawn, approved, refused
    need("decided_by"),
    Column("decided_at", Whole),
    need("reason"),
    need("applied"),  # JSON: what approving it changed, in sentences
    Index("ix_access_requests_account_id", "account_id"),
)
tokens = table(
    "tokens",
    key("digest"),
    need("token_id"),
    need("user_id"),
    need("name"),
    need("scopes"),  # with spaces between
    need("created_at", Whole),
    need("expires_at", Whole),
    Column("revoked_at", Whole),
    Column("used_at", Whole),
    Index("ix_access_tokens_user_id", "user_id"),
)
idempotency = table(
    "idempotency",
    key("user_id"),
    key("word"),
    need("request"),  # digest of what was asked
    need("status", Whole),
    need("answer"),
    need("at", Whole),
)
contacts = table(  # rule 3a-4: never changed, only added to
    "contacts",
    key("contact_id"),
    need("account_id"),
    need("kind"),
    need("day"),
    need("means"),
    need("changed", Whole),
    need("note"),
    need("user_id"),
    need("at", Whole),
    Index("ix_access_contacts_account_id", "account_id", "day"),
)
cares = table(  # who looks after an exception: the newest line counts
    "cares",
    key("account_id"),
    key("code"),
    key("number", Whole),
    need("user_id"),
    need("state"),  # taken, done
    need("note"),
    need("at", Whole),
)
webhooks = table(
    "webhooks",
    key("webhook_id"),
    need("user_id"),  # whose rights decide what is sent
    need("url"),
    need("secret"),  # signs; it cannot be kept as a digest
    need("events"),  # with spaces between
    need("created_at", Whole),
    Column("ended_at", Whole),
)
deliveries = table(
    "deliveries",
    key("webhook_id"),
    key("event_id"),
    need("body"),
    need("made_at", Whole),
    need("tries", Whole),
    need("next_at", Whole),
    Column("delivered_at", Whole),
    need("answer"),  # of the last try
)
