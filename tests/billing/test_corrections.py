"""Proposed corrections on both stores: what late data would change, and that nothing is written."""

from dataclasses import replace
from pathlib import Path

import pytest
from tests.billing.test_desk import ADVANCE, HOUSE, NOW, Q4, TIERED, Desk, book  # noqa: F401

from opensma.billing.corrections import propose
from opensma.billing.desk import release, take_back
from opensma.book.proof import book_hash
from opensma.book.store import Book


@pytest.fixture
def desk(book: Book, tmp_path: Path) -> Desk:  # noqa: F811
    made = Desk(book, tmp_path)
    made.load(TIERED, HOUSE)
    return made


def raise_value(desk: Desk) -> None:
    """A price that came late: account 2 was worth 20,000.00 more all quarter."""
    desk.set(
        "UPDATE account_days SET value_cents = 22000000 WHERE account_key = 2 "
        "AND day BETWEEN '2024-09-30' AND '2024-12-31'"
    )


def test_b40_nothing_is_proposed_while_the_book_says_the_same(desk: Desk) -> None:
    assert propose(desk.book, Q4) == ()  # nothing billed
    desk.run()
    assert propose(desk.book, Q4) == ()


def test_b40_a_late_price_is_proposed_with_its_amount_by_account(desk: Desk) -> None:
    (billed,) = desk.run()
    raise_value(desk)
    before = book_hash(desk.book)
    (found,) = propose(desk.book, Q4)
    assert book_hash(desk.book) == before
    assert billed.invoice is not None
    assert found.invoice == replace(billed.invoice, run_id=found.invoice.run_id)
    # The slice above 500,000 bears it: 20,000 at 0.75 % for 92 of 365 days.
    assert found.difference_cents == 37_81
    assert found.value_now_cents == found.invoice.value_cents + 20_000_00
    assert sum(a.billed_cents for a in found.accounts) == found.invoice.amount_cents


def test_b40_the_pair_that_a_person_posts_is_what_was_proposed(desk: Desk) -> None:
    desk.run()
    raise_value(desk)
    (found,) = propose(desk.book, Q4)
    take_back(desk.book, Q4, NOW)
    (again,) = release(desk.book, Q4, NOW).invoices
    assert again.invoice is not None
    assert again.invoice.amount_cents == found.invoice.amount_cents + (found.difference_cents or 0)
    assert propose(desk.book, Q4) == ()


def test_b40_an_invoice_that_cannot_be_recomputed_says_why(desk: Desk) -> None:
    desk.run()
    desk.set("DELETE FROM account_days WHERE account_key = 2 AND day = '2024-11-05'")
    (found,) = propose(desk.book, Q4)
    assert [f.code for f in found.holds] == ["billing.valuation_missing"]
    assert found.difference_cents is None


def test_b40_days_given_back_are_no_correction(book: Book, tmp_path: Path) -> None:  # noqa: F811
    desk = Desk(book, tmp_path)
    desk.load(TIERED, ADVANCE)
    desk.run()
    left = [*HOUSE["members"][:2], {"account": "A3", "from": "2024-01-01", "to": "2024-11-15"}]
    desk.load(ADVANCE | {"version": 2, "valid_from": "2024-10-01", "members": left})
    assert [c.account_id for f in propose(book, Q4) for c in f.accounts] == ["A3"]
    (refund,) = desk.run()
    assert refund.invoice is not None
    assert refund.invoice.kind == "refund"
    assert propose(book, Q4) == ()
