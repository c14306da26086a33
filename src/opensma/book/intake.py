"""The door for facts that come from outside: each is booked once, however often it is delivered.

A fact carries the id that its source gave it. The same id with the same content was booked before
and is left alone; with other content it is an error, and nothing of the delivery is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.journal import Entry, canonical
from opensma.book.ledger import append, iso_of, load_states
from opensma.book.master import AccountRecord, Security, all_records
from opensma.book.posting import TaxpayerLedger
from opensma.book.store import Book
from opensma.errors import BookError
from opensma.units import Ints


@dataclass(frozen=True, slots=True)
class Delivery:
    """How many facts were new, and how many the book had already."""

    booked: int
    known: int


def record_facts(book: Book, facts: Sequence[Entry], recorded_at: str) -> Delivery:
    """Book facts in their order, taxpayer by taxpayer, wash sales matched; all of them or none.

    BookError: account.unknown, book.duplicate (the id stands for something else), fact.backdated,
    fact.no_cash.
    """
    with book.write() as connection:
        fresh = [fact for fact in facts if _is_new(connection, fact)]
        accounts = {a.account_key: a for a in all_records(connection, AccountRecord)}
        by_taxpayer: dict[str, list[Entry]] = {}
        for fact in fresh:
            if fact.account_key not in accounts:
                raise _unknown(fact)
            owner = accounts[fact.account_key].taxpayer_id
            by_taxpayer.setdefault(owner, []).append(fact)
        groups = identical_groups(connection)
        for taxpayer, some in by_taxpayer.items():
            members = [a for a in accounts.values() if a.taxpayer_id == taxpayer]
            _record(connection, members, groups, some, recorded_at)
    return Delivery(len(fresh), len(facts) - len(fresh))


def _is_new(connection: Connection, fact: Entry) -> bool:
    table = schema.journal
    query = select(table.c.kind, table.c.trade_day, table.c.settle_day, table.c.body).where(
        table.c.account_key == fact.account_key, table.c.source_id == fact.source_id
    )
    found = connection.execute(query).first()
    if found is None:
        return True
    given = (
        fact.kind.value,
        iso_of(fact.trade_day),
        iso_of(fact.settle_day),
        canonical(fact.body),
    )
    if tuple(found) != given:
        raise BookError(
            "book.duplicate",
            f"The book holds a different fact under the id '{fact.source_id}'.",
            where=f"account key {fact.account_key}, {fact.source_id}",
            remedy="Compare both sources; a correction is a new fact with its own id.",
        )
    return False


def _record(
    connection: Connection,
    members: Sequence[AccountRecord],
    groups: Ints,
    facts: Sequence[Entry],
    recorded_at: str,
) -> None:
    names = {a.account_key: a.account_id for a in members}
    states = load_states(connection, list(names))
    taxed = {a.account_key: a.taxed for a in members}
    ledger = TaxpayerLedger(list(states.values()), taxed, groups, recorded_at)
    for fact in facts:
        _check(ledger, fact, names[fact.account_key])
        ledger.post(fact)
        ledger.match_washes(fact.trade_day, fact.source_id)
    append(connection, ledger.booked, ledger.states.values())


def _check(ledger: TaxpayerLedger, fact: Entry, account: str) -> None:
    """What a source can get wrong is told as its error, not as a bug of ours."""
    newest = max(state.last_day for state in ledger.states.values())
    if fact.trade_day < newest:
        raise BookError(
            "fact.backdated",
            f"The fact is of {iso_of(fact.trade_day)}; the taxpayer's accounts are booked "
            f"through {iso_of(newest)}.",
            where=f"{account}, {fact.source_id}",
            remedy="sma book late post books facts of past days and restates what they change.",
        )
    short = fact.body.get("cents", 0) if fact.kind.value == "withdrawal" else 0
    if short > ledger.states[fact.account_key].cash_cents:
        raise BookError(
            "fact.no_cash",
            "The account does not hold the cash to be withdrawn.",
            where=f"{account}, {fact.source_id}",
            remedy="Sell first, or correct the amount.",
        )


def identical_groups(connection: Connection) -> Ints:
    """(largest key + 1,) code of the identical group by book key (W17)."""
    known = all_records(connection, Security)
    size = 1 + max((s.security_key for s in known), default=0)
    key_of_id = {s.security_id: s.security_key for s in known}
    groups: Ints = np.arange(size, dtype=np.int64)
    for security in known:
        groups[security.security_key] = key_of_id.get(security.group_id, security.security_key)
    return groups


def _unknown(fact: Entry) -> BookError:
    return BookError(
        "account.unknown",
        f"The book has no account with key {fact.account_key}.",
        where=fact.source_id,
        remedy="sma account list shows the accounts.",
    )
