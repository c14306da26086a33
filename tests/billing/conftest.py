"""Billing on both stores: the demo book as a file, and as a database of a private server."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.book.stores import Store
from tests.conftest import build_small_book


@pytest.fixture(scope="session")
def billing_template(small_market: Path, tmp_path_factory: pytest.TempPathFactory,
                     request: pytest.FixtureRequest) -> Iterator[tuple[Store, str]]:  # fmt: skip
    """The demo book in a PostgreSQL database, copied for every test."""
    server = request.getfixturevalue("postgres_url")
    made = Store(tmp_path_factory.mktemp("billing"), server)
    place = made.place()
    build_small_book(place, small_market)
    yield made, place
    made.drop()


@pytest.fixture(params=["sqlite", "postgresql"])
def small_book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """As everywhere, on either store."""
    if request.param == "sqlite":
        import shutil

        copy = tmp_path / "demo.db"
        shutil.copyfile(request.getfixturevalue("_demo_book"), copy)
        yield f"sqlite:///{copy}"
        return
    template, place = request.getfixturevalue("billing_template")
    made = Store(tmp_path, template.server)
    yield made.place(place)
    made.drop()
