"""A book with one taxpayer and three accounts, for tests that need a database and no market."""

from datetime import date

from opensma.book.ledger import append
from opensma.book.master import (
    AccountRecord,
    Owner,
    Security,
    TaxpayerRecord,
    TaxProfile,
    add_records,
)
from opensma.book.posting import TaxpayerLedger
from opensma.book.store import Book, init_book
from opensma.simulate.people import PROGRAM, STRATEGY, advisors

FIRST, SECOND, IRA = 1, 2, 3
SECURITIES = 10


def ordinal(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def household_book(url: str) -> Book:
    """Ada's two taxable accounts and her IRA; securities S1 to S10, S1 and S2 identical."""
    book = init_book(url)
    accounts = [
        AccountRecord(
            f"A{key}", key, "tp-1", "own-1", STRATEGY.strategy_id, "adv-01", "Ada",
            "ira" if key == IRA else "individual", "C", "2024-01-02", "active", 1,
            40_000_000, None, 20, 150, 10_000,
        )
        for key in (FIRST, SECOND, IRA)
    ]  # fmt: skip
    securities = [
        Security(
            key, f"S{key}", f"S{key}", f"Share {key}", "Sector", "S1" if key < 3 else f"S{key}"
        )
        for key in range(1, SECURITIES + 1)
        for group in ["S1" if key == 2 else f"S{key}"]
    ]
    records = [
        PROGRAM,
        STRATEGY,
        *advisors(),
        TaxpayerRecord("tp-1", 1, "Ada", "single", "CA"),
        TaxProfile("tp-1", "2024-01-01", 0, 400_000, 200_000),
        Owner("own-1", "tp-1", "Ada"),
        *accounts,
        *securities,
    ]
    with book.write() as connection:
        add_records(connection, records)
    return book


def keep(book: Book, made: TaxpayerLedger) -> None:
    """Write what a hand-made ledger has booked."""
    with book.write() as connection:
        append(connection, made.booked, made.states.values())
