"""One small book after one trading day, and a portal that serves it on a port of this machine."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from tests.web.billed import Billed, bill
from tests.web.shown import HOSTILE, Shown

from opensma.book import runs, schema
from opensma.book.store import Book, open_book
from opensma.book.views import program_view
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book
from opensma.web import create_app

ACCOUNTS = 25


@pytest.fixture(scope="session")
def portal(small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    """25 accounts after a day; the last owner has a hostile name, one account needs a person."""
    market = open_market(small_market)
    path = tmp_path_factory.mktemp("portal") / "book.db"
    day = market.day(-1)
    build_book(str(path), market, day, accounts=ACCOUNTS, seed=11, workers=1)
    book = open_book(str(path))
    run_day(book, market, day, recorded_at="2024-12-31T21:00:00Z")
    _add_trouble(book)
    with _served(book, market) as address, httpx.Client(base_url=address) as client:
        yield Shown(address, book, market, program_view(book), client)


@pytest.fixture(scope="session")
def billed(portal: Shown, tmp_path_factory: pytest.TempPathFactory) -> Billed:
    """A copy of that book with invoices."""
    return bill(portal, tmp_path_factory.mktemp("billed"))


@pytest.fixture
def billed_address(billed: Billed) -> Iterator[str]:
    """Where the billed book is served."""
    with _served(billed.book, billed.market) as address:
        yield address


def _add_trouble(book: Book) -> None:
    view = program_view(book)
    assert view.run is not None
    last = view.rows[-1].account
    with book.write() as connection:
        owners = schema.owners
        change = owners.update().where(owners.c.owner_id == last.owner_id)
        connection.execute(change.values(name=HOSTILE))
        runs.add_exceptions(
            connection,
            [
                runs.ExceptionRecord(
                    view.run.run_id,
                    "decide",
                    view.rows[2].account.account_id,
                    "decide.infeasible",
                    "Cash below its band and <b>nothing</b> may be sold.",
                    "Relax a restriction.",
                )
            ],
        )


@contextmanager
def _served(book: Book, market: Market) -> Iterator[str]:
    """The portal of the operator, served."""
    with serving(create_app(book, market)) as address:
        yield address


@contextmanager
def serving(app: Starlette) -> Iterator[str]:
    """An application in a thread on any free port, with the server that `sma serve` uses."""
    config = uvicorn.Config(app, port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the portal did not start"
        time.sleep(0.02)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=20)
