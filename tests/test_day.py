"""A trading day is run once, in order, on the market it began with, and ends in a proven book."""

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from opensma import day as spine
from opensma.book import runs
from opensma.book.proof import book_hash
from opensma.book.store import Book, open_book
from opensma.book.verify import verify
from opensma.day import TRADING_DAY, run_day
from opensma.errors import BookError, InvariantError, MarketError
from opensma.market import Market, open_market


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


def test_a_day_runs_every_stage_in_order_and_the_book_is_proven(book: Book, market: Market) -> None:
    report = run_day(book, market, market.day(-1), recorded_at="t")
    assert list(report.stages) == [name for name, _ in TRADING_DAY]
    assert report.run.status == "done"
    assert report.accounts == 12
    assert verify(book) == []


def test_a_finished_day_changes_nothing(book: Book, market: Market) -> None:
    first = run_day(book, market, market.day(-1), recorded_at="t")
    digest = book_hash(book)
    again = run_day(book, market, market.day(-1), recorded_at="another time")
    assert again == first
    assert book_hash(book) == digest


def test_a_finished_day_is_told_again_even_when_the_market_has_changed(
    book: Book, market: Market
) -> None:
    first = run_day(book, market, market.day(-1), recorded_at="t")
    assert run_day(book, dearer(market), market.day(-1), recorded_at="t") == first


def dearer(market: Market) -> Market:
    """The same market with one past close corrected."""
    closes = market.close_micros.copy()
    row, column = np.argwhere(closes > 0)[-1]
    closes[row, column] += 10_000
    return replace(market, close_micros=closes)


def break_in(stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stage fail before it writes anything."""

    def fails(_context: object) -> dict[str, object]:
        raise InvariantError("test.broken", "The stage breaks here.")

    stages = tuple((name, fails if name == stage else work) for name, work in TRADING_DAY)
    monkeypatch.setattr(spine, "TRADING_DAY", stages)


def interrupted(book: Book, market: Market, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as broken:
        break_in(stage, broken)
        with pytest.raises(InvariantError):
            run_day(book, market, market.day(-1), recorded_at="t")


@pytest.mark.parametrize("stage", [name for name, _ in TRADING_DAY])
def test_a_day_that_failed_in_a_stage_ends_in_the_same_book(
    stage: str, book: Book, market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = tmp_path / "undisturbed.db"
    assert book.path is not None
    shutil.copyfile(book.path, undisturbed)
    run_day(open_book(str(undisturbed)), market, market.day(-1), recorded_at="t")
    interrupted(book, market, stage, monkeypatch)
    run_day(book, market, market.day(-1), recorded_at="later")
    assert book_hash(book) == book_hash(open_book(str(undisturbed)))


def test_a_day_is_finished_only_on_the_market_it_began_with(
    book: Book, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(book, market, "post", monkeypatch)
    digest = book_hash(book)
    with pytest.raises(BookError) as caught:
        run_day(book, dearer(market), market.day(-1), recorded_at="t")
    assert caught.value.code == "day.market_changed"
    assert "Restore the market" in caught.value.remedy
    assert book_hash(book) == digest
    run_day(book, market, market.day(-1), recorded_at="t")
    assert verify(book) == []


def test_a_day_without_prices_is_refused_and_leaves_no_trace(book: Book, market: Market) -> None:
    digest = book_hash(book)
    with pytest.raises(MarketError) as caught:
        run_day(book, market, market.day(-1) + timedelta(days=2), recorded_at="t")
    assert caught.value.code == "day.no_prices"
    with pytest.raises(MarketError):
        run_day(book, market, date(2024, 12, 29), recorded_at="t")  # a Sunday
    assert book_hash(book) == digest


def test_the_book_never_goes_back(book: Book, market: Market) -> None:
    digest = book_hash(book)
    for row in (-2, -30):  # the history of the demo reaches the last session but one
        with pytest.raises(BookError) as caught:
            run_day(book, market, market.day(row), recorded_at="t")
        assert caught.value.code == "day.past"
    assert book_hash(book) == digest


def test_a_day_is_not_begun_before_the_one_before_is_finished(
    book: Book, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(book, market, "decide", monkeypatch)
    with book.write() as connection, pytest.raises(BookError) as caught:
        runs.begin_run(connection, "2025-01-02", "t", "hash")
    assert caught.value.code == "day.unfinished"
    assert caught.value.remedy == "Finish it first: sma day run --date 2024-12-31"


def test_an_interrupted_day_keeps_the_time_it_began_with(
    book: Book, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(book, market, "post", monkeypatch)
    assert run_day(book, market, market.day(-1), recorded_at="later").run.recorded_at == "t"


def test_progress_is_told_for_every_account_of_every_long_stage(book: Book, market: Market) -> None:
    told: dict[str, int] = {}

    def notice(stage: str, accounts: int):  # type: ignore[no-untyped-def]
        assert accounts == 12
        told[stage] = 0

        def advance(done: int) -> None:
            told[stage] += done

        return advance

    run_day(book, market, market.day(-1), recorded_at="t", batch=2, notice=notice)
    assert {told[name] for name in ("open", "decide", "post", "measure")} == {12}


def test_days_follow_each_other_and_a_skipped_one_leaves_no_hole(
    market: Market, tmp_path: Path
) -> None:
    from opensma.book.series import account_series
    from opensma.simulate.demo import build_book

    url = str(tmp_path / "book.db")
    build_book(url, market, market.day(-5), accounts=6, seed=7, workers=1)
    book = open_book(url)
    for row in (-5, -4, -2):  # nobody ran the session between
        report = run_day(book, market, market.day(row), recorded_at="t")
        assert report.run.status == "done"
        assert verify(book) == []
    with book.read() as connection:
        series = account_series(connection, list(range(1, 7)))
        assert len(runs.day_exceptions(connection, report.run.run_id)) < 6
    for values in series.values():
        first = int(np.searchsorted(market.days, values.days[0]))
        assert np.array_equal(values.days, market.days[first:-1])
        assert (values.value_cents > 0).all()
