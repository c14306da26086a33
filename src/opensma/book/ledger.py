"""Reading account state and appending journal entries, both by the thousand.

`load_states` reads snapshots; `append` writes entries with their hashes and the states after them
in the caller's transaction. A state that does not follow from its snapshot is never written.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, func, select

from opensma.book import schema
from opensma.book.journal import Booked, Entry, Kind
from opensma.book.snapshot import checksum, pack, read
from opensma.book.state import AccountState, new_account
from opensma.book.store import insert_rows
from opensma.errors import ensure

_CHUNK = 500  # keys per statement: below every driver's limit of parameters


def load_states(
    connection: Connection, account_keys: Sequence[int] | None = None
) -> dict[int, AccountState]:
    """State of the accounts (all of them when None); accounts without entries start empty."""
    state, account = schema.account_state, schema.accounts
    query = (
        select(
            state.c.account_key,
            state.c.body,
            state.c.checksum,
            state.c.head_hash,
            account.c.account_id,
        )
        .join(account, account.c.account_key == state.c.account_key)
        .order_by(state.c.account_key)
    )
    rows = []
    if account_keys is None:
        rows = list(connection.execute(query))
    else:
        for start in range(0, len(account_keys), _CHUNK):
            some = list(account_keys[start : start + _CHUNK])
            rows += list(connection.execute(query.where(state.c.account_key.in_(some))))
    found = {key: read(body, stored, head, name) for key, body, stored, head, name in rows}
    for key in account_keys or ():
        found.setdefault(key, new_account(key))
    return found


def append(
    connection: Connection, booked: Iterable[Booked], states: Iterable[AccountState]
) -> None:
    """Write entries and the states that they lead to, in one transaction of the caller."""
    entries = sorted(booked, key=lambda b: (b.entry.account_key, b.seq))
    last = {b.entry.account_key: b for b in entries}
    after = {state.account_key: state for state in states}
    for key, entry in last.items():
        ensure(after[key].head_hash == entry.hash, "state does not follow its journal", key=key)
    put_rows(connection, journal_rows(entries), [state_row(after[key]) for key in sorted(last)])


def journal_rows(booked: Iterable[Booked]) -> list[tuple[Any, ...]]:
    """Entries as rows of the journal."""
    return [
        (
            b.entry.account_key,
            b.seq,
            b.entry.kind.value,
            iso_of(b.entry.trade_day),
            iso_of(b.entry.settle_day),
            b.entry.source_id,
            b.recorded_at,
            b.text,
            b.previous_hash,
            b.hash,
        )
        for b in booked
    ]


def state_row(state: AccountState) -> tuple[Any, ...]:
    """A state as a row of `account_state`: packed, with its checksum."""
    body = pack(state)
    return state.account_key, state.seq, state.head_hash, checksum(body), body


def put_rows(
    connection: Connection, journal: list[tuple[Any, ...]], states: list[tuple[Any, ...]]
) -> None:
    """Append journal rows and replace snapshots, in the caller's transaction."""
    insert_rows(connection, schema.journal, journal)
    table = schema.account_state
    keys = [row[0] for row in states]
    for start in range(0, len(keys), _CHUNK):
        some = keys[start : start + _CHUNK]
        connection.execute(table.delete().where(table.c.account_key.in_(some)))
    insert_rows(connection, table, states)


def read_journal(
    connection: Connection, account_keys: Sequence[int], after_day: str = "",
    kinds: Iterable[Kind] = (),
) -> list[Booked]:  # fmt: skip
    """Entries of some accounts with trade days after `after_day`, by account and position.

    Without `kinds` of every kind.
    """
    table = schema.journal
    names = [kind.value for kind in kinds]
    found: list[Booked] = []
    for start in range(0, len(account_keys), _CHUNK):
        some = list(account_keys[start : start + _CHUNK])
        query = (
            select(table)
            .where(table.c.account_key.in_(some), table.c.trade_day > after_day)
            .order_by(table.c.account_key, table.c.seq)
        )
        if names:
            query = query.where(table.c.kind.in_(names))
        found += [booked_of(tuple(row)) for row in connection.execute(query)]
    return found


def journal_length(connection: Connection, account_key: int) -> int:
    """How many entries an account has."""
    table = schema.journal
    query = select(func.count()).select_from(table).where(table.c.account_key == account_key)
    return int(connection.execute(query).scalar_one())


def newest_entries(
    connection: Connection, account_key: int, skipped: int, count: int
) -> list[Booked]:
    """Some entries of an account, the newest first, after skipping the newest of all."""
    table = schema.journal
    query = select(table).where(table.c.account_key == account_key)
    query = query.order_by(table.c.seq.desc()).offset(skipped).limit(count)
    return [booked_of(tuple(row)) for row in connection.execute(query)]


def accounts_with(
    connection: Connection, account_keys: Sequence[int], kinds: Iterable[Kind]
) -> set[int]:
    """Which of some accounts have an entry of one of these kinds."""
    table = schema.journal
    names = [kind.value for kind in kinds]
    found: set[int] = set()
    for start in range(0, len(account_keys), _CHUNK):
        some = list(account_keys[start : start + _CHUNK])
        query = select(table.c.account_key).distinct()
        query = query.where(table.c.account_key.in_(some), table.c.kind.in_(names))
        found.update(connection.execute(query).scalars())
    return found


def booked_of(row: Sequence[object]) -> Booked:
    """A row of the journal as an entry in its place; the hash is taken as stored."""
    key, seq, kind, trade_day, settle_day, source_id, recorded_at, text, previous, digest = row
    entry = Entry(
        int(str(key)),
        Kind(str(kind)),
        _ordinal(str(trade_day)),
        _ordinal(str(settle_day)),
        str(source_id),
        json.loads(str(text)),
    )
    return Booked(entry, int(str(seq)), str(recorded_at), str(text), str(previous), str(digest))


_ISO: dict[int, str] = {}


def iso_of(day: int) -> str:
    """A day's ordinal as ISO text."""
    if day not in _ISO:
        _ISO[day] = date.fromordinal(day).isoformat()
    return _ISO[day]


def _ordinal(text: str) -> int:
    return date.fromisoformat(text).toordinal()
