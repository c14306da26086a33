"""The demo's book: owners with a past, so that the day has something to decide about.

`build_book` makes a book from a market and a seed. The same seed gives the same book, byte for
byte, whatever the number of workers; a build that was killed goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from opensma.book.corporate import action_book
from opensma.book.journal import canonical
from opensma.book.ledger import load_states, put_rows
from opensma.book.master import AccountRecord, Record, Security, add_records, all_records
from opensma.book.names import key_map, register_securities
from opensma.book.runs import ACTIONS_THROUGH
from opensma.book.series import put_days
from opensma.book.store import Book, get_setting, init_book, open_book, put_setting
from opensma.day import WORKERS_NEED
from opensma.errors import BookError, InputError
from opensma.market import Market
from opensma.simulate import people
from opensma.simulate.history import HistoryShared, live_shard
from opensma.workers import map_shards, start_early

DEMO = "demo"  # the setting that says what a demo book was made of
MOST_ACCOUNTS = 100_000
FEWEST_SESSIONS = 120
_SHARD = 12  # households per task and transaction


@dataclass(frozen=True, slots=True)
class Built:
    """A demo book on the evening before its day; `reused` when it was there already."""

    taxpayers: int
    accounts: int
    reused: bool


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

    The same demo book is reused, or finished when its making was interrupted. InputError for a
    number of accounts out of range; BookError where another book is. `progress` counts accounts.
    """
    start_early(workers, WORKERS_NEED)
    past = market.until(date.fromordinal(_previous(market, day)))
    simulated = _everybody(past, accounts, seed)
    recipe = {
        "accounts": accounts,
        "seed": seed,
        "day": day.isoformat(),
        "market": market.until(day).content_hash,
    }
    book = _begun(url, recipe)
    with book.only_run():
        reused = _built(book)
        if not reused:
            _live(book, past, simulated, recipe, workers, progress)
    return Built(len(simulated), accounts, reused)


def _previous(market: Market, day: date) -> int:
    row = market.row(day)
    if row < FEWEST_SESSIONS:
        raise InputError(
            "demo.short_market",
            f"The market has only {row} sessions before {day}; a history needs {FEWEST_SESSIONS}.",
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


def _begun(url: str, recipe: dict[str, object]) -> Book:
    """The book at this address, empty or of the same recipe; never somebody's real book."""
    if not Book(url).exists():
        return init_book(url)
    book = open_book(url)
    with book.read() as connection:
        known = get_setting(connection, DEMO)
        used = bool(all_records(connection, AccountRecord))
    if known != canonical(recipe) and (known or used):
        raise BookError(
            "demo.book_exists",
            _other(known, recipe),
            where=book.label,
            remedy="Give another --book, or remove this one.",
        )
    return book


def _other(known: str | None, recipe: dict[str, object]) -> str:
    if known is None:
        return "There is a book here, and it is no demo."
    there = json.loads(known)
    if there | {"market": ""} == recipe | {"market": ""}:
        return "There is a demo book here that was made with another market."
    return (
        "There is another demo book here: {accounts:,} accounts, seed {seed}, for {day}; "
        "asked are ".format(**there)
    ) + "{accounts:,} accounts, seed {seed}, for {day}.".format(**recipe)


def _built(book: Book) -> bool:
    with book.read() as connection:
        return get_setting(connection, ACTIONS_THROUGH) is not None


def _live(
    book: Book,
    past: Market,
    simulated: Sequence[people.SimulatedHousehold],
    recipe: dict[str, object],
    workers: int,
    progress: Callable[[int], None],
) -> None:
    with book.write() as connection:
        if get_setting(connection, DEMO) is None:
            last = date.fromordinal(int(past.days[-1]))
            register_securities(connection, past)
            add_records(connection, _master_data(simulated, last.year))
            put_setting(connection, DEMO, canonical(recipe))
        keys = key_map(connection, past)
        names = {s.security_id: s.security_key for s in all_records(connection, Security)}
        done = load_states(connection)
    until = int(past.days[-1])
    shared = HistoryShared(action_book(past, keys, names), until)
    shards = [simulated[i : i + _SHARD] for i in range(0, len(simulated), _SHARD)]
    left = [some for some in shards if some[0].household.accounts[0].account_key not in done]
    progress(sum(_accounts(some) for some in shards) - sum(_accounts(some) for some in left))
    with closing(map_shards(live_shard, shared, left, workers)) as lived:
        for some, histories in zip(left, lived, strict=True):
            with book.write() as connection:
                for history in histories:
                    put_rows(connection, history.journal, history.states)
                    put_days(connection, history.days)
            progress(_accounts(some))
    with book.write() as connection:
        put_setting(connection, ACTIONS_THROUGH, date.fromordinal(until).isoformat())


def _accounts(households: Sequence[people.SimulatedHousehold]) -> int:
    return sum(len(one.household.accounts) for one in households)


def _master_data(simulated: Sequence[people.SimulatedHousehold], year: int) -> list[Record]:
    advised = people.advisors()
    records: list[Record] = [people.PROGRAM, people.STRATEGY, *advised]
    records += people.users(advised, simulated[0].owners[0], year)
    for one in simulated:
        records += [one.household.taxpayer, one.household.profile]
        records += one.owners
        records += one.household.accounts
        records += [w for wishes in one.household.restrictions.values() for w in wishes]
    return records
