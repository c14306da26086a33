"""The reference engine reads the journals of the book, and finds what the book found."""

import pytest

from opensma.book.facts import read_history
from opensma.book.law import reading_of, taxpayer_case, taxpayer_state
from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, all_records
from opensma.book.store import Book
from opensma.errors import BookError
from opensma.tax.forms import form_8949
from opensma.tax.replay import Policy


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
