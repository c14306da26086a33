"""A filled book on both stores: ten demo accounts on the evening before the market's last day."""

from pathlib import Path

import pytest

from opensma.book.store import Book, open_book
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book

ACCOUNTS = 10


@pytest.fixture(scope="session")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture
def filled(book_url: str, market: Market) -> Book:
    build_book(book_url, market, market.day(-1), accounts=ACCOUNTS, seed=7, workers=1)
    return open_book(book_url)
