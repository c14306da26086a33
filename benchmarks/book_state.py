"""How fast the book is: states of many accounts into arrays, replay, snapshots, appends.

    python benchmarks/book_state.py [--accounts 1000] [--lots 500] [--book URL]

Writes a book of its own (a temporary SQLite file unless told otherwise) and prints the figures.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from opensma.book.fold import fold
from opensma.book.journal import Booked
from opensma.book.ledger import append, load_states, read_journal
from opensma.book.master import AccountRecord, Owner, TaxpayerRecord, TaxProfile, add_records
from opensma.book.posting import Purchases, TaxpayerLedger
from opensma.book.snapshot import pack
from opensma.book.state import AccountState, new_account
from opensma.book.store import Book, init_book
from opensma.simulate.people import PROGRAM, STRATEGY, advisors
from opensma.units import MICROS

DAY = 738_000
PURCHASES = 5  # entries per account that its lots come from


def lived(key: int, lots: int, rng: np.random.Generator) -> tuple[list[Booked], AccountState]:
    """The journal and state of one account with about `lots` lots."""
    ledger = TaxpayerLedger([new_account(key)], {key: True}, np.arange(1_000), "t")
    ledger.deposit(key, 10**11, DAY, "deposit")
    for number in range(PURCHASES):
        count = lots // PURCHASES
        security = np.sort(rng.choice(999, count, replace=False)) + 1
        shares = rng.integers(1, 90, count)
        price = rng.integers(5, 900, count)
        bought = Purchases(
            security,
            shares * MICROS,
            shares * price * 100,
            np.zeros(count, dtype=np.int64),
            price * MICROS,
            [f"{key}-{number}-{i}" for i in range(count)],
        )
        ledger.buy(key, bought, DAY + number, DAY + number + 1, f"buy-{number}")
    return ledger.booked, ledger.states[key]


def fill(book: Book, accounts: int, lots: int) -> float:
    """Write the accounts; seconds for journal and states alone."""
    rng = np.random.default_rng(7)
    people = [PROGRAM, STRATEGY, *advisors()]
    made = []
    for key in range(1, accounts + 1):
        tax = f"tp-{key:05d}"
        people += [
            TaxpayerRecord(tax, key, "x", "single", "CA"),
            TaxProfile(tax, "2020-01-01", 0, 400_000, 200_000),
            Owner(f"own-{key}", tax, "x"),
            AccountRecord(
                f"A{key:06d}", key, tax, f"own-{key}", STRATEGY.strategy_id, "adv-01", "x",
                "individual", "C", "2020-01-01", "active", 1, 40_000_000, None, 20, 150, 10_000,
            ),
        ]  # fmt: skip
        made.append(lived(key, lots, rng))
    with book.write() as connection:
        add_records(connection, people)
    started = time.perf_counter()
    with book.write() as connection:
        append(connection, [b for booked, _ in made for b in booked], [s for _, s in made])
    return time.perf_counter() - started


def loaded(book: Book) -> tuple[float, dict[int, AccountState]]:
    """Best of three reads of every state."""
    best, states = float("inf"), {}
    for _ in range(3):
        started = time.perf_counter()
        with book.read() as connection:
            states = load_states(connection)
        best = min(best, time.perf_counter() - started)
    return best, states


def replayed(book: Book, keys: list[int]) -> tuple[float, int]:
    """Seconds and entries for folding the journals of some accounts."""
    started, entries = time.perf_counter(), 0
    with book.read() as connection:
        for key in keys:
            state = new_account(key)
            for booked in read_journal(connection, [key]):
                state = fold(state, booked)
                entries += 1
    return time.perf_counter() - started, entries


def report(book: Book, accounts: int, lots: int) -> None:
    """Measure and print."""
    written = fill(book, accounts, lots)
    seconds, states = loaded(book)
    rows = sum(len(state.lots) for state in states.values())
    size = sum(len(pack(state)) for state in states.values())
    folding, entries = replayed(book, list(states)[:200])
    figures = {
        "accounts": f"{accounts:,}",
        "lots": f"{rows:,}",
        "append journal and states": f"{written:.3f} s",
        "load all states into arrays": f"{seconds:.3f} s",
        "lots per second loaded": f"{rows / seconds:,.0f}",
        "bytes per lot kept": f"{size / rows:.1f}",
        "entries per second folded": f"{entries / folding:,.0f}",
    }
    for name, value in figures.items():
        print(f"{name:<30}{value:>14}")  # noqa: T201 - a script that reports


def main() -> None:
    """Read the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--lots", type=int, default=500)
    parser.add_argument("--book", help="an empty place; a temporary file by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.book or str(Path(folder) / "book.db")
        report(init_book(url), given.accounts, given.lots)


if __name__ == "__main__":
    main()
