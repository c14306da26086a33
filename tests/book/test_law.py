"""The reference engine reads the journals of the book, and finds what the book found."""

from dataclasses import replace

import numpy as np
import pytest
from tests.book.households import FIRST, IRA, SECOND, household_book, keep, ordinal
from tests.book.ledgers import bought, ledger, sold

from opensma.book.facts import read_history
from opensma.book.journal import Kind
from opensma.book.law import reading_of, taxpayer_case, taxpayer_state
from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, all_records
from opensma.book.posting import TaxpayerLedger
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.errors import BookError
from opensma.tax.forms import form_8949
from opensma.tax.replay import Policy
from opensma.units import CENTS, MICROS


def taxpayers(book: Book) -> list[str]:
    with book.read() as connection:
        return sorted({a.taxpayer_id for a in all_records(connection, AccountRecord)})


def test_every_lot_of_a_demo_book_is_the_one_that_the_law_gives(after: Book) -> None:
    with after.read() as connection:
        states = load_states(connection)
        found = {}
        for taxpayer in taxpayers(after):
            reading = taxpayer_state(connection, taxpayer)
            for lots in reading.state.positions.values():
                for lot in lots:
                    name = reading.account_key(lot), reading.lot_number(lot)
                    found[name] = (reading.security_key(lot), lot.quantity, lot.basis_cents)
    held = {
        (key, int(lot)): (int(security), int(quantity), int(basis))
        for key, state in states.items()
        for lot, security, quantity, basis in zip(
            state.lots.lot,
            state.lots.security,
            state.lots.quantity_micros,
            state.lots.basis_cents,
            strict=True,
        )
    }
    assert found == held


def test_every_slice_knows_the_fact_that_closed_it(after: Book) -> None:
    with after.read() as connection:
        for taxpayer in taxpayers(after):
            reading = taxpayer_state(connection, taxpayer)
            for row in reading.state.closed:
                fact, place = reading.source(row)
                assert fact.entry.account_key == reading.account_key(row)
                assert fact.entry.trade_day == row.sold_day
                assert fact.entry.body["security"][place] == reading.security_key(row)


def test_the_brokers_view_runs_on_the_same_facts(after: Book) -> None:
    """W18: other washes, the same proceeds."""
    with after.read() as connection:
        for taxpayer in taxpayers(after):
            history = read_history(connection, taxpayer)
            own, broker = (reading_of(history, Policy(view=v)) for v in ("taxpayer", "broker"))
            sums = [sum(r.proceeds_cents for r in x.state.closed) for x in (own, broker)]
            assert sums[0] == sums[1]
            assert form_8949(own.state, 2024) is not None


def test_dividends_are_events_only_where_they_are_asked_for(after: Book) -> None:
    with after.read() as connection:
        taxpayer = taxpayers(after)[0]
        kinds = {e["type"] for e in taxpayer_case(connection, taxpayer).document["events"]}
        with_them = taxpayer_case(connection, taxpayer, dividends=True).document["events"]
    assert "dividend" not in kinds
    assert "dividend" in {e["type"] for e in with_them}


def test_a_taxpayer_that_the_book_does_not_know_is_named(after: Book) -> None:
    with after.read() as connection, pytest.raises(BookError, match="tp-x") as caught:
        taxpayer_case(connection, "tp-x")
    assert caught.value.code == "taxpayer.unknown"


@pytest.fixture
def household(book_url: str) -> Book:
    return household_book(book_url)


def bought_back_within_the_window() -> TaxpayerLedger:
    """A1 loses $600 on 30 shares on 20 March; A2 buys 10 of them on 5 April."""
    made = ledger({FIRST: True, SECOND: True, IRA: False})
    for key in made.states:
        made.deposit(key, 10_000 * CENTS, ordinal("2024-03-01"), "deposit")
    made.buy(FIRST, bought((7, 30, 3_000)), ordinal("2024-03-01"), ordinal("2024-03-05"), "buy")
    made.sell(FIRST, sold((1, 30, 2_400)), ordinal("2024-03-20"), ordinal("2024-03-22"), "sell")
    made.buy(SECOND, bought((7, 10, 900)), ordinal("2024-04-05"), ordinal("2024-04-09"), "buy")
    return made


def test_verify_names_a_wash_sale_that_was_never_booked(household: Book) -> None:
    """Every entry is lawful for its account; only the law over all of them sees what is missing."""
    keep(household, bought_back_within_the_window())
    found = {(f.code, f.where): f.what for f in verify(household)}
    assert found["law.lot", "A2, lot 1"] == (
        "holding day: by the law 2024-03-17, in the book 2024-04-05; "
        "basis: by the law 1,100.00, in the book 900.00; "
        "wash: by the law 200.00, in the book 0.00; used: by the law 1, in the book 0"
    )
    years = {f.what for f in verify(household) if f.code == "law.year"}
    assert "disallowed short: by the law 200.00, in the book 0.00." in years
    assert ("law.loss", "A1, loss of entry 3, lot 1") in found
    assert all(f.remedy for f in verify(household))


def test_verify_accepts_the_same_history_once_it_is_matched(household: Book) -> None:
    made = bought_back_within_the_window()
    made.match_washes(ordinal("2024-04-05"), "april")
    keep(household, made)
    assert verify(household) == []


def test_d3_both_amounts_of_a_washed_slice_are_cut_not_their_difference(household: Book) -> None:
    """$10.01 paid, $5.00 received for 3 shares; one is replaced: 3.34 - 1.67 = 1.67 of 5.01."""
    made = ledger({FIRST: True, SECOND: True, IRA: False})
    day = ordinal("2024-03-01")
    for key in made.states:
        made.deposit(key, 100 * CENTS, day, "deposit")
    made.buy(FIRST, replace(bought((7, 3, 10)), cost_cents=np.array([1_001])), day, day, "buy")
    made.sell(FIRST, sold((1, 3, 5)), day + 5, day + 5, "sell")
    made.buy(SECOND, bought((7, 1, 2)), day + 9, day + 9, "back")
    assert made.match_washes(day + 9, "match") == 167
    keep(household, made)
    assert verify(household) == []


def test_c2_a_fraction_paid_in_cash_is_never_washed(household: Book) -> None:
    made = ledger({FIRST: True, SECOND: True, IRA: False})
    day = ordinal("2024-03-01")
    for key in made.states:
        made.deposit(key, 1_000 * CENTS, day, "deposit")
    made.buy(FIRST, bought((7, 5, 500)), day, day, "buy")
    half = replace(sold((1, 1, 30)), quantity_micros=np.array([MICROS // 2]))
    made.sell(FIRST, half, day + 5, day + 5, "fraction", Kind.CASH_IN_LIEU)
    made.buy(SECOND, bought((7, 5, 400)), day + 9, day + 9, "back")
    assert made.match_washes(day + 9, "match") == 0
    keep(household, made)
    assert verify(household) == []
