"""An empty book with its access store, on both kinds of store."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.book.stores import Store

from opensma.access.store import Access
from opensma.book.store import init_book


@pytest.fixture(params=["sqlite", "postgresql"])
def access(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Access]:
    server = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    made = Store(tmp_path, server)
    yield Access(init_book(made.place()))
    made.drop()
