"""Wash sales over the accounts of one taxpayer, booked: hand-computed, and proven in the book."""

from datetime import date

import numpy as np
import pytest
from tests.book.ledgers import bought, ledger, sold

from opensma.book.journal import Kind
from opensma.book.ledger import append, load_states
from opensma.book.master import AccountRecord, Owner, TaxpayerRecord, TaxProfile, add_records
from opensma.book.store import Book, init_book
from opensma.book.verify import verify
from opensma.simulate.people import PROGRAM, STRATEGY, advisors
from opensma.units import CENTS

MARCH_1 = date(2024, 3, 1).toordinal()
MARCH_20 = date(2024, 3, 20).toordinal()
APRIL_5 = date(2024, 4, 5).toordinal()
BUY_AND_HOLD, OTHER, IRA = 1, 2, 3
STOCK = 7


def a_loss_of_600_on_30_shares(taxed: dict[int, bool]):  # type: ignore[no-untyped-def]
    """Account 1 buys 30 shares for $3,000 on 1 March and sells them for $2,400 on 20 March."""
    book = ledger(taxed)
    for key in taxed:
        book.deposit(key, 10_000 * CENTS, MARCH_1, "deposit")
    book.buy(BUY_AND_HOLD, bought((STOCK, 30, 3_000)), MARCH_1, MARCH_1 + 3, "buy")
    book.sell(BUY_AND_HOLD, sold((1, 30, 2_400)), MARCH_20, MARCH_20 + 1, "sell")
    assert book.match_washes(MARCH_20, "march") == 0
    return book


def test_a_purchase_in_another_account_takes_the_loss_share_for_share() -> None:
    book = a_loss_of_600_on_30_shares({BUY_AND_HOLD: True, OTHER: True})
    book.buy(OTHER, bought((STOCK, 10, 900)), APRIL_5, APRIL_5 + 3, "buy")
    assert book.match_washes(APRIL_5, "april") == 200 * CENTS  # 10 of 30 shares of $600
    seller, buyer = book.states[BUY_AND_HOLD], book.states[OTHER]
    year = seller.year(2024)
    assert (year["short_loss_cents"], year["disallowed_short_cents"]) == (60_000, 20_000)
    assert year["harvested_short_cents"] == 40_000
    assert seller.losses.quantity_micros.tolist() == [20_000_000]
    assert seller.losses.loss_cents.tolist() == [40_000]
    lots = buyer.lots
    assert lots.basis_cents.tolist() == [110_000]  # $900 paid and $200 deferred
    assert lots.wash_cents.tolist() == [20_000]
    assert lots.used.tolist() == [1]
    assert lots.acquired_day.tolist() == [APRIL_5]
    assert lots.holding_day.tolist() == [APRIL_5 - (MARCH_20 - MARCH_1)]  # 19 days tacked (W10)


def test_a_purchase_in_an_ira_takes_the_loss_for_good() -> None:
    book = a_loss_of_600_on_30_shares({BUY_AND_HOLD: True, IRA: False})
    book.buy(IRA, bought((STOCK, 30, 2_700)), APRIL_5, APRIL_5 + 3, "buy")
    assert book.match_washes(APRIL_5, "april") == 600 * CENTS
    assert book.states[BUY_AND_HOLD].year(2024)["disallowed_short_cents"] == 60_000
    assert book.states[BUY_AND_HOLD].harvested_cents == 0
    lots = book.states[IRA].lots
    assert lots.basis_cents.tolist() == [270_000]  # nothing was added
    assert lots.holding_day.tolist() == [APRIL_5]
    assert lots.used.tolist() == [1]


def test_a_loss_in_an_ira_is_no_loss() -> None:
    book = ledger({IRA: False, OTHER: True})
    for key in (IRA, OTHER):
        book.deposit(key, 10_000 * CENTS, MARCH_1, "deposit")
    book.buy(IRA, bought((STOCK, 30, 3_000)), MARCH_1, MARCH_1, "buy")
    book.sell(IRA, sold((1, 30, 2_400)), MARCH_20, MARCH_20, "sell")
    book.buy(OTHER, bought((STOCK, 30, 2_700)), APRIL_5, APRIL_5, "buy")
    assert book.match_washes(APRIL_5, "april") == 0
    assert book.states[OTHER].lots.basis_cents.tolist() == [270_000]


@pytest.mark.parametrize(("days", "cents"), [(30, 60_000), (31, 0)])
def test_day_30_is_inside_the_window_and_day_31_outside(days: int, cents: int) -> None:
    book = a_loss_of_600_on_30_shares({BUY_AND_HOLD: True, OTHER: True})
    day = MARCH_20 + days
    book.buy(OTHER, bought((STOCK, 30, 2_700)), day, day, "buy")
    assert book.match_washes(day, "later") == cents


def test_no_entry_moves_anything_in_two_accounts() -> None:
    book = a_loss_of_600_on_30_shares({BUY_AND_HOLD: True, OTHER: True})
    book.buy(OTHER, bought((STOCK, 30, 2_700)), APRIL_5, APRIL_5, "buy")
    untouched = dict(book.states)

    def watch(booked, after) -> None:  # type: ignore[no-untyped-def]
        for key, state in book.states.items():
            if key != booked.entry.account_key:
                assert state is untouched[key]
        untouched[booked.entry.account_key] = after

    book.watch = watch
    book.match_washes(APRIL_5, "april")
    made = [(b.entry.account_key, b.entry.kind) for b in book.booked[-2:]]
    assert made == [(BUY_AND_HOLD, Kind.LOSS_DISALLOWED), (OTHER, Kind.WASH_ADJUSTMENT)]
    cited = book.booked[-1].entry.body
    assert (cited["loss_account"], cited["loss_lot"]) == ([BUY_AND_HOLD], [1])


@pytest.fixture
def household(book_url: str) -> Book:
    """A taxpayer with two taxable accounts and an IRA."""
    book = init_book(book_url)
    person = TaxpayerRecord("tp-1", 1, "Ada", "single", "CA")
    accounts = [
        AccountRecord(
            f"A{key}", key, "tp-1", "own-1", STRATEGY.strategy_id, "adv-01", "Ada",
            "ira" if key == IRA else "individual", "C", "2024-01-02", "active", 1,
            40_000_000, None, 20, 150, 10_000,
        )
        for key in (BUY_AND_HOLD, OTHER, IRA)
    ]  # fmt: skip
    records = [
        PROGRAM,
        STRATEGY,
        *advisors(),
        person,
        TaxProfile("tp-1", "2024-01-01", 0, 400_000, 200_000),
        Owner("own-1", "tp-1", "Ada"),
        *accounts,
    ]
    with book.write() as connection:
        add_records(connection, records)
    return book


def test_the_book_keeps_both_sides_and_verify_agrees(household: Book) -> None:
    made = a_loss_of_600_on_30_shares({BUY_AND_HOLD: True, OTHER: True, IRA: False})
    made.buy(OTHER, bought((STOCK, 10, 900)), APRIL_5, APRIL_5 + 3, "buy")
    made.buy(IRA, bought((STOCK, 50, 4_500)), APRIL_5, APRIL_5 + 3, "buy")
    assert made.match_washes(APRIL_5, "april") == 600 * CENTS
    with household.write() as connection:
        append(connection, made.booked, made.states.values())
    with household.read() as connection:
        states = load_states(connection)
    assert states[OTHER].lots.basis_cents.tolist() == [110_000]
    assert states[IRA].lots.basis_cents.sum() == 450_000
    assert states[IRA].lots.quantity_micros.tolist() == [30_000_000, 20_000_000]  # cut (W23)
    assert np.sort(states[IRA].lots.used).tolist() == [0, 1]
    assert len(states[BUY_AND_HOLD].losses) == 0
    assert verify(household) == []
