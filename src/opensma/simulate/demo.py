"""The demo's book: owners with a past, so that the day has something to decide about.

`build_book` makes a new book from a market and a seed. The same seed gives the same book, byte
for byte, whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from opensma.book.corporate import action_book
from opensma.book.ledger import put_rows
from opensma.book.master import Record, Security, add_records, all_records
from opensma.book.names import key_map, register_securities
from opensma.book.series import put_days
from opensma.book.store import Book, init_book, put_setting
from opensma.errors import BookError, InputError
from opensma.market import Market
from opensma.simulate import people
from opensma.simulate.history import HistoryShared, live_shard
from opensma.trade.opening import ACTIONS_THROUGH
from opensma.workers import map_shards

MOST_ACCOUNTS = 100_000
_SHARD = 12  # households per task


@dataclass(frozen=True, slots=True)
class Built:
    """What a demo book holds before its day."""

    taxpayers: int
    accounts: int
    entries: int
    lots_day: str


def build_book(
    url: str,
    market: Market,
    day: date,
    *,
    accounts: int,
    seed: int,
    workers: int,
    progress: Callable[[int], None] = lambda _done: None,
) -> Built:
    """Make a book of `accounts` accounts with their history until the session before `day`.

    InputError for a number of accounts out of range; BookError where a book already is.
    """
    past = market.until(date.fromordinal(_previous(market, day)))
    book = Book(url)
    if book.exists():
        raise BookError(
            "demo.book_exists",
            "There is a book here already; the demo makes a new one.",
            where=book.label,
            remedy="Give another --book, or remove this one.",
        )
    simulated = _everybody(past, accounts, seed)
    book = init_book(url)
    entries = _live(book, past, simulated, workers, progress)
    return Built(len(simulated), accounts, entries, past.day(len(past.days) - 1).isoformat())


def _previous(market: Market, day: date) -> int:
    row = market.row(day)
    if row < 120:
        raise InputError(
            "demo.short_market",
            f"The market has only {row} sessions before {day}; a history needs 120.",
            where=day.isoformat(),
            remedy="Choose a later day, or a market with a longer history.",
        )
    return int(market.days[row - 1])


def _everybody(past: Market, accounts: int, seed: int) -> list[people.SimulatedHousehold]:
    if not 1 <= accounts <= MOST_ACCOUNTS:
        raise InputError(
            "demo.accounts",
            f"{accounts} accounts cannot be made.",
            where="--accounts",
            remedy=f"Give a number from 1 to {MOST_ACCOUNTS:,}.",
        )
    world = people.world_of(past)
    found: list[people.SimulatedHousehold] = []
    made = 0
    while made < accounts:
        household = people.household(seed, len(found), made + 1, accounts - made, world)
        found.append(household)
        made += len(household.household.accounts)
    return found


def _live(
    book: Book,
    past: Market,
    simulated: list[people.SimulatedHousehold],
    workers: int,
    progress: Callable[[int], None],
) -> int:
    with book.write() as connection:
        register_securities(connection, past)
        add_records(connection, _master_data(simulated))
        put_setting(connection, "demo", "1")
        keys = key_map(connection, past)
        names = {s.security_id: s.security_key for s in all_records(connection, Security)}
    until = int(past.days[-1])
    shared = HistoryShared(action_book(past, keys, names), until)
    shards = [simulated[i : i + _SHARD] for i in range(0, len(simulated), _SHARD)]
    entries = 0
    lived = map_shards(live_shard, shared, shards, workers)
    for some, result in zip(shards, lived, strict=True):
        with book.write() as connection:
            for history in result:
                put_rows(connection, history.journal, history.states)
                put_days(connection, history.days)
                entries += len(history.journal)
        progress(sum(len(s.household.accounts) for s in some))
    with book.write() as connection:
        put_setting(connection, ACTIONS_THROUGH, date.fromordinal(until).isoformat())
    return entries


def _master_data(simulated: list[people.SimulatedHousehold]) -> list[Record]:
    advised = people.advisors()
    records: list[Record] = [people.PROGRAM, people.STRATEGY, *advised]
    records += people.users(advised, simulated[0].owners[0])
    for one in simulated:
        records += [one.household.taxpayer, one.household.profile]
        records += one.owners
        records += one.household.accounts
        records += [w for wishes in one.household.restrictions.values() for w in wishes]
    return records
