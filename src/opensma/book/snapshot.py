"""Account state as one checksummed block of bytes: fixed columns, no row-by-row walk to load it.

Layout: magic, twelve int64 scalars (row counts included), then each table's columns in order, each
in the narrowest type that holds it by rule. Little-endian on every machine. An account without
inherited, given or transferred lots is written without the columns that tell of them (`SMA3`).
"""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from opensma.book.state import LOSS_COLUMNS, YEAR_COLUMNS, AccountState, OpenLosses
from opensma.errors import BookError, ensure
from opensma.tax.lots import LOT_COLUMNS, NO_LOSS_BASIS, Lots
from opensma.units import Ints

USUAL, FULL = b"SMA3", b"SMA4"
_EXTRA = {"inherited": 0, "loss_basis_cents": NO_LOSS_BASIS, "origin": 0}  # not in SMA3
_SCALARS = (
    "account_key",
    "seq",
    "last_day",
    "next_lot",
    "next_acquisition",
    "cash_cents",
    "deposited_cents",
    "withdrawn_cents",
    "fees_cents",
)
_NARROW = {
    "lot": "<i4",
    "acquisition": "<i4",
    "security": "<i4",
    "acquired_day": "<i4",
    "holding_day": "<i4",
    "sold_day": "<i4",
    "seq": "<i4",
    "used": "<i1",
    "purchase": "<i1",
    "harvest": "<i1",
    "inherited": "<i1",
    "origin": "<i4",
}


def pack(state: AccountState) -> bytes:
    """The state without its hash, as bytes; equal states give equal bytes."""
    scalars = [getattr(state, name) for name in _SCALARS]
    sizes = [len(state.pending), len(state.years), len(state.losses), len(state.lots)]
    full = not (state.lots.usual and state.losses.usual)
    parts = [FULL if full else USUAL, np.array(scalars + sizes, dtype="<i8").tobytes()]
    parts.append(state.pending.astype("<i8").tobytes())
    parts.append(state.years.astype("<i8").tobytes())
    for table, columns in ((state.losses, LOSS_COLUMNS), (state.lots, LOT_COLUMNS)):
        parts += [_column(table, name) for name in columns if full or name not in _EXTRA]
    return b"".join(parts)


def unpack(body: bytes, head_hash: str) -> AccountState:
    """The inverse of `pack`; the caller has compared the checksum."""
    if body[:4] not in (USUAL, FULL):
        raise BookError(
            "book.snapshot_old",
            f"The stored state has the layout of another version: {body[:4]!r}.",
            remedy="sma book rebuild makes all stored states again from the journals.",
        )
    count = len(_SCALARS) + 4
    numbers = np.frombuffer(body, "<i8", count, 4)
    scalars = {name: int(v) for name, v in zip(_SCALARS, numbers, strict=False)}
    pending, years, losses, lots = (int(v) for v in numbers[len(_SCALARS) :])
    reader = _Reader(body, 4 + 8 * count, full=body[:4] == FULL)
    return AccountState(
        head_hash=head_hash,
        **scalars,
        pending=reader.take("<i8", 2 * pending).reshape(pending, 2),
        years=reader.take("<i8", len(YEAR_COLUMNS) * years).reshape(years, len(YEAR_COLUMNS)),
        losses=OpenLosses(*(reader.column(name, losses) for name in LOSS_COLUMNS)),
        lots=Lots(*(reader.column(name, lots) for name in LOT_COLUMNS)),
    )


def checksum(body: bytes) -> str:
    """What guards a snapshot against silent damage."""
    return hashlib.sha256(body).hexdigest()


def read(body: bytes, stored_checksum: str, head_hash: str, account: str) -> AccountState:
    """Unpack after comparing the checksum; BookError names the remedy for a corrupt one."""
    if checksum(body) != stored_checksum:
        raise BookError(
            "book.snapshot_corrupt",
            "The stored state of the account does not match its checksum.",
            where=account,
            remedy=f"sma book rebuild --account {account} makes it again from the journal.",
        )
    return unpack(body, head_hash)


def differences(one: AccountState, other: AccountState) -> list[str]:
    """Names of what differs between two states: totals by name, tables by column."""
    found = [n for n in (*_SCALARS, "head_hash") if getattr(one, n) != getattr(other, n)]
    found += [n for n in ("pending", "years") if not _same(getattr(one, n), getattr(other, n))]
    for table, columns in (("losses", LOSS_COLUMNS), ("lots", LOT_COLUMNS)):
        mine, theirs = getattr(one, table), getattr(other, table)
        found += [
            f"{table}.{name}"
            for name in columns
            if not _same(getattr(mine, name), getattr(theirs, name))
        ]
    return found


def _same(one: Ints, other: Ints) -> bool:
    return np.array_equal(one, other)


def _column(table: Any, name: str) -> bytes:
    values: Ints = getattr(table, name)
    kind = _NARROW.get(name, "<i8")
    if kind != "<i8":
        limit = np.iinfo(kind).max
        ensure(not len(values) or int(np.abs(values).max()) <= limit, "column overflow", name=name)
    return values.astype(kind).tobytes()


class _Reader:
    def __init__(self, body: bytes, offset: int, full: bool) -> None:
        self.body, self.offset, self.full = body, offset, full

    def take(self, kind: str, count: int) -> Ints:
        values = np.frombuffer(self.body, kind, count, self.offset)
        self.offset += values.nbytes
        return values.astype(np.int64)

    def column(self, name: str, count: int) -> Ints:
        if name in _EXTRA and not self.full:
            return np.full(count, _EXTRA[name], dtype=np.int64)
        return self.take(_NARROW.get(name, "<i8"), count)
