"""What a late purchase has missed: actions of its security that other accounts have booked.

An account is told of a split only while it holds the shares. A purchase from before the split that
comes after it would keep its old number of shares, so it is refused until the split comes along.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.facts import Fact
from opensma.book.journal import Entry, Kind
from opensma.book.ledger import iso_of
from opensma.book.master import Security, all_records
from opensma.errors import BookError

_ACTIONS = frozenset(
    {
        *(Kind.SPLIT, Kind.SPIN_OFF, Kind.STOCK_MERGER, Kind.CASH_MERGER, Kind.WORTHLESS),
        Kind.RETURN_OF_CAPITAL,
    }
)
Action = tuple[str, str, int]  # day, kind, security


def check_actions(
    connection: Connection, late: Sequence[Entry], facts: Sequence[Fact], newest: int
) -> None:
    """BookError late.action_missing where the book knows an action that the taxpayer does not."""
    bought = [entry for entry in late if entry.kind is Kind.BUY]
    if not bought:
        return
    since = {
        security: min(e.trade_day for e in bought if security in e.body["security"])
        for entry in bought
        for security in entry.body["security"]
    }
    own = {
        (iso_of(fact.entry.trade_day), fact.entry.kind.value, security)
        for fact in facts
        if fact.entry.kind in _ACTIONS
        for security in _securities(fact.entry.body)
    }
    missing = sorted(_known(connection, since, newest) - own)
    if missing:
        symbols = {s.security_key: s.symbol for s in all_records(connection, Security)}
        listed = ", ".join(f"{kind} of {symbols[key]} on {day}" for day, kind, key in missing)
        raise BookError(
            "late.action_missing",
            f"The purchase came before {listed}, which this taxpayer has not booked.",
            where=", ".join(entry.source_id for entry in bought),
            remedy="Deliver the action in the same file, with the day it took effect.",
        )


def _known(connection: Connection, since: dict[int, int], newest: int) -> set[Action]:
    """Actions of the securities that any account has booked after the days given."""
    table = schema.journal
    query = select(table.c.trade_day, table.c.kind, table.c.body).where(
        table.c.kind.in_(sorted(kind.value for kind in _ACTIONS)),
        table.c.trade_day > iso_of(min(since.values())),
        table.c.trade_day <= iso_of(newest),
    )
    found: set[Action] = set()
    for day, kind, text in connection.execute(query):
        for key in _securities(json.loads(text)):
            if key in since and day > iso_of(since[key]):
                found.add((day, kind, key))
    return found


def _securities(body: dict[str, Any]) -> Iterator[int]:
    security = body["parent"] if "parent" in body else body["security"]
    yield from security if isinstance(security, list) else [security]
