"""A model change before its release: the same plans where nothing changes, and no trace."""

import numpy as np
import pytest

from opensma.book.master import AccountRecord, all_records
from opensma.book.proof import book_hash
from opensma.book.store import open_book
from opensma.errors import InputError
from opensma.market import open_market
from opensma.trade.model_change import preview, read_model, sample, totals
from opensma.trade.standing import ReadyDay, ready_day


@pytest.fixture
def ready(small_book: str, small_market: object) -> ReadyDay:
    market = open_market(small_market)  # type: ignore[arg-type]
    return ready_day(open_book(small_book), market, int(market.days[-1]))


def as_text(ready: ReadyDay, weights: np.ndarray) -> str:
    shares = (weights / weights.sum()).tolist()
    rows = [f"{s},{w!r}" for s, w in zip(ready.symbols, shares, strict=True) if w > 0]
    return "\n".join(["symbol,weight", *rows])


def test_todays_model_changes_nothing_and_another_moves_towards_itself(
    small_book: str, ready: ReadyDay
) -> None:
    book = open_book(small_book)
    before = book_hash(book)
    with book.read() as connection:
        accounts = sample(all_records(connection, AccountRecord), 6)
    target = np.asarray(ready.day.view.target)
    same = list(preview(book, ready, accounts, read_model(as_text(ready, target), ready)))
    assert all(e.solved for e in same)
    assert abs(totals(same).tax_cents) <= 6
    other = target[::-1].copy()
    moved = list(preview(book, ready, accounts, read_model(as_text(ready, other), ready)))
    sums = totals(moved)
    assert sums.te_after < sums.te_untraded
    assert sums.turnover > totals(same).turnover
    assert book_hash(book) == before


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("symbol,weight\nNOPE,1", "names no security"),
        ("symbol,weight\n{s},x", "no weight"),
        ("symbol,weight\n{s},-0.1", "between 0 and 1"),
        ("symbol,weight\n{s},nan", "between 0 and 1"),
        ("symbol,weight\n{s},0.4", "add up to 0.4"),
        ("symbol,weight\n{s},50%\n{s},50%", "twice"),
    ],
)
def test_weights_that_mean_nothing_are_told(ready: ReadyDay, text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_model(text.replace("{s}", ready.symbols[0]), ready)
    assert words in caught.value.message


def test_a_sample_is_the_same_for_the_same_book(small_book: str) -> None:
    with open_book(small_book).read() as connection:
        accounts = all_records(connection, AccountRecord)
    assert sample(accounts, 4) == sample(list(reversed(accounts)), 4)
    assert len(sample(accounts, 99)) == len(accounts)
