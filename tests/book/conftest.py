"""A filled book on both stores: ten demo accounts on the evening before the market's last day.

It is built once per store and copied for every test: a file, or a database made from a template.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.book.stores import Store

from opensma.book.store import Book, open_book
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book

ACCOUNTS = 10
RECORDED_AT = "2024-12-31T21:00:00Z"


@pytest.fixture(scope="session")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def templates(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, market: Market
) -> Iterator[tuple[Store, str, str]]:
    """A store, the URL of the book on the evening before, and the URL of it after its day."""
    server = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Store(tmp_path_factory.mktemp("books"), server)
    evening = made.place()
    build_book(evening, market, market.day(-1), accounts=ACCOUNTS, seed=7, workers=1)
    done = made.place(evening)
    run_day(open_book(done), market, market.day(-1), recorded_at=RECORDED_AT)
    yield made, evening, done
    made.drop()


@pytest.fixture
def store(templates: tuple[Store, str, str], tmp_path: Path) -> Iterator[Store]:
    """Places on one store that are removed after the test; the test runs on both stores."""
    made = Store(tmp_path, templates[0].server)
    yield made
    made.drop()


@pytest.fixture
def filled(store: Store, templates: tuple[Store, str, str]) -> Book:
    """A copy of the book on the evening before its day."""
    return open_book(store.place(templates[1]))


@pytest.fixture
def after(store: Store, templates: tuple[Store, str, str]) -> Book:
    """A copy of the book after its day."""
    return open_book(store.place(templates[2]))
