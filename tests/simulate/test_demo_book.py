"""Same seed, same book: whatever the workers, however often it was killed."""

from pathlib import Path

import pytest

from opensma.book.proof import book_hash
from opensma.book.store import init_book, open_book
from opensma.errors import BookError
from opensma.market import Market, open_market
from opensma.simulate import demo
from opensma.simulate.demo import Built, build_book

ACCOUNTS = 32  # more than one shard


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


def build(path: Path, market: Market, *, workers: int = 1, seed: int = 5) -> Built:
    return build_book(
        str(path), market, market.day(-1), accounts=ACCOUNTS, seed=seed, workers=workers
    )


@pytest.fixture(scope="module")
def expected(market: Market, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("expected") / "a.db"
    assert not build(path, market).reused
    return book_hash(open_book(str(path)))


def test_the_same_seed_gives_the_same_book_for_any_number_of_workers(
    market: Market, expected: str, tmp_path: Path
) -> None:
    build(tmp_path / "b.db", market, workers=2)
    assert book_hash(open_book(str(tmp_path / "b.db"))) == expected


def test_the_same_book_stands_on_postgresql_too(
    book_url: str, market: Market, expected: str
) -> None:
    build_book(book_url, market, market.day(-1), accounts=ACCOUNTS, seed=5, workers=1)
    assert book_hash(open_book(book_url)) == expected


def test_another_seed_gives_another_book(market: Market, expected: str, tmp_path: Path) -> None:
    build(tmp_path / "b.db", market, seed=6)
    assert book_hash(open_book(str(tmp_path / "b.db"))) != expected


def test_a_finished_book_is_reused(market: Market, expected: str, tmp_path: Path) -> None:
    build(tmp_path / "b.db", market)
    assert build(tmp_path / "b.db", market).reused
    assert book_hash(open_book(str(tmp_path / "b.db"))) == expected


@pytest.mark.parametrize(
    ("step", "call"),
    [("add_records", 1), ("put_setting", 1), ("put_rows", 1), ("put_rows", 20), ("put_setting", 2)],
)
def test_a_killed_build_goes_on_where_it_stopped(
    step: str, call: int, market: Market, expected: str, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    real, calls = getattr(demo, step), []

    def killed(*arguments: object) -> object:
        calls.append(arguments)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(demo, step, killed)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "b.db", market)
    monkeypatch.undo()
    assert not build(tmp_path / "b.db", market).reused
    assert book_hash(open_book(str(tmp_path / "b.db"))) == expected


def test_an_empty_book_becomes_the_demo(market: Market, expected: str, tmp_path: Path) -> None:
    init_book(str(tmp_path / "b.db"))
    build(tmp_path / "b.db", market)
    assert book_hash(open_book(str(tmp_path / "b.db"))) == expected


def test_a_book_of_another_market_is_named(small_book: str, market: Market, tmp_path: Path) -> None:
    earlier = market.until(market.day(-2))
    with pytest.raises(BookError, match="for 2024-12-31; asked are 12 accounts"):
        build_book(small_book, earlier, earlier.day(-1), accounts=12, seed=7, workers=1)
