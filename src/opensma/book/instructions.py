"""Which lots an account wants sold: standing methods and choices for one order, as journal entries.

An instruction moves nothing. It says who decided and when it was recorded, begins on its own day or
later, never earlier (L3), and replaces the one before it; the journal keeps both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import booked_of, iso_of

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction on file: a method from a day on, or named lots of an order."""

    account_key: int
    seq: int
    method: str  # empty for a choice
    order: str  # empty for a standing method
    lots: tuple[tuple[int, int], ...]  # of a choice: lot, micros
    given: date
    valid_from: date
    by: str
    recorded_at: str
    action_id: str


def read_instructions(
    connection: Connection, account_keys: Iterable[int]
) -> dict[int, list[Instruction]]:
    """Instructions in force or to come by account key, oldest first; reversed ones are left out."""
    table, keys = schema.journal, sorted(account_keys)
    wanted = [Kind.LOT_METHOD.value, Kind.LOT_CHOICE.value, Kind.REVERSAL.value]
    found: dict[int, list[Instruction]] = {}
    for start in range(0, len(keys), _CHUNK):
        query = (
            select(table)
            .where(table.c.account_key.in_(keys[start : start + _CHUNK]), table.c.kind.in_(wanted))
            .order_by(table.c.account_key, table.c.seq)
        )
        rows = [booked_of(tuple(row)) for row in connection.execute(query)]
        undone = {
            (b.entry.account_key, seq)
            for b in rows
            if b.entry.kind is Kind.REVERSAL
            for seq in b.entry.body["of"]
        }
        for booked in rows:
            key = booked.entry.account_key
            if booked.entry.kind is not Kind.REVERSAL and (key, booked.seq) not in undone:
                found.setdefault(key, []).append(_instruction(booked))
    return found


def method_on(instructions: Sequence[Instruction], day: int) -> str:
    """The standing method on a day: the newest that has begun; FIFO where none is on file (L1)."""
    begun = [i for i in instructions if i.method and i.valid_from.toordinal() <= day]
    latest = max(begun, key=lambda i: (i.valid_from, i.seq), default=None)
    return "FIFO" if latest is None else latest.method


def choice_for(instructions: Sequence[Instruction], order: str) -> Instruction | None:
    """The newest choice of lots for an order, None where the standing method decides (L2)."""
    return next((i for i in reversed(instructions) if i.order == order), None)


def _instruction(booked: Booked) -> Instruction:
    entry, body = booked.entry, booked.entry.body
    lots = zip(body.get("lot", ()), body.get("quantity", ()), strict=True)
    return Instruction(
        entry.account_key,
        booked.seq,
        body.get("method", ""),
        body.get("order", ""),
        tuple((int(lot), int(micros)) for lot, micros in lots),
        date.fromisoformat(iso_of(entry.trade_day)),
        date.fromordinal(body.get("valid_from", entry.trade_day)),
        body["by"],
        booked.recorded_at,
        body["ref"],
    )
