"""Facts from outside are booked once, however often they are delivered, or not at all."""

import pytest

from opensma.book.intake import Delivery, record_facts
from opensma.book.journal import Entry, Kind
from opensma.book.ledger import load_states
from opensma.book.proof import book_hash
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.errors import BookError
from opensma.market import Market
from opensma.units import CENTS


def deposit(market: Market, dollars: int, source: str, account: int = 2) -> Entry:
    day = int(market.days[-1])
    return Entry(account, Kind.DEPOSIT, day, day, source, {"cents": dollars * CENTS})


def cash(book: Book, account: int = 2) -> int:
    with book.read() as connection:
        return load_states(connection, [account])[account].cash_cents


def test_the_same_fact_delivered_twice_is_booked_once(filled: Book, market: Market) -> None:
    facts = [deposit(market, 500, "wire-1"), deposit(market, 700, "wire-2")]
    before = cash(filled)
    assert record_facts(filled, facts, "t") == Delivery(2, 0)
    held, digest = cash(filled), book_hash(filled)
    assert held == before + 1_200 * CENTS
    assert record_facts(filled, facts, "later") == Delivery(0, 2)
    assert (cash(filled), book_hash(filled)) == (held, digest)
    assert verify(filled) == []


def test_the_same_id_with_other_content_is_refused_and_nothing_kept(
    filled: Book, market: Market
) -> None:
    record_facts(filled, [deposit(market, 500, "wire-1")], "t")
    digest = book_hash(filled)
    with pytest.raises(BookError) as caught:
        record_facts(filled, [deposit(market, 1, "new"), deposit(market, 501, "wire-1")], "t")
    assert caught.value.code == "book.duplicate"
    assert "wire-1" in caught.value.message
    assert book_hash(filled) == digest


def test_a_fact_of_an_unknown_account_is_refused(filled: Book, market: Market) -> None:
    with pytest.raises(BookError) as caught:
        record_facts(filled, [deposit(market, 500, "wire-1", account=99)], "t")
    assert caught.value.code == "account.unknown"


def test_a_fact_older_than_the_journal_is_refused(filled: Book) -> None:
    with pytest.raises(BookError) as caught:
        record_facts(filled, [Entry(2, Kind.DEPOSIT, 1, 1, "old", {"cents": 100})], "t")
    assert caught.value.code == "fact.backdated"


def test_more_cash_than_there_is_cannot_be_withdrawn(filled: Book, market: Market) -> None:
    day = int(market.days[-1])
    wanted = Entry(2, Kind.WITHDRAWAL, day, day, "out", {"cents": cash(filled) + 1})
    with pytest.raises(BookError) as caught:
        record_facts(filled, [wanted], "t")
    assert caught.value.code == "fact.no_cash"
