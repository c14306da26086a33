"""Values and returns, computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from opensma.book.ledger import load_states, read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.names import key_map
from opensma.book.series import account_series
from opensma.book.store import open_book
from opensma.day import run_day
from opensma.market import open_market
from opensma.measure.daily import _replayed
from opensma.measure.returns import daily_returns, linked, series_returns, tracking_error
from opensma.measure.valuation import account_cents, carried_closes


def cents(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_flows_are_no_return() -> None:
    """In at the start of its day, out at its end (M8): 100 -> +50 in, 10 % -> 165; -15 out."""
    returns = series_returns(cents(100, 165, 150), cents(100, 50, 0), cents(0, 0, 15))
    assert returns.tolist() == pytest.approx([0.0, 0.1, 0.0])
    assert linked(returns) == pytest.approx(0.1)


def test_days_are_linked_and_not_added() -> None:
    assert linked(np.array([0.1, 0.1, -0.5])) == pytest.approx(1.21 / 2 - 1)


def test_a_day_on_which_nothing_was_invested_returns_nothing() -> None:
    assert daily_returns(cents(0), cents(0), cents(0), cents(0)).tolist() == [0.0]


def test_tracking_error_is_the_annual_deviation_of_the_difference() -> None:
    returns, benchmark = np.array([0.01, 0.02, 0.03]), np.array([0.01, 0.01, 0.01])
    assert tracking_error(returns, benchmark) == pytest.approx(0.01 * np.sqrt(252))
    assert tracking_error(returns[:1], benchmark[:1]) == 0.0


def test_the_day_ends_the_series_at_the_value_of_the_holdings(
    small_book: str, small_market: Path
) -> None:
    market, book = open_market(small_market), open_book(small_book)
    run_day(book, market, market.day(-1), recorded_at="t")
    closes = market.close_micros[-1]
    with book.read() as connection:
        keys = key_map(connection, market)
        by_key = np.where(keys.row_of_key >= 0, closes[keys.row_of_key], 0)
        states = load_states(connection)
        series = account_series(connection, list(states))
        for key, state in states.items():
            assert series[key].days[-1] == market.days[-1]
            assert series[key].value_cents[-1] == account_cents(state, by_key)
            days = series[key].days
            assert np.array_equal(days, market.days[-len(days) :])  # no session is missing
            paid = int(series[key].inflow_cents.sum()), int(series[key].outflow_cents.sum())
            assert paid == (state.deposited_cents, state.withdrawn_cents)


def test_a_series_kept_day_by_day_is_the_one_made_again_from_the_journal(
    small_book: str, small_market: Path
) -> None:
    from opensma.book import runs
    from opensma.book.daybook import open_day

    market, book = open_market(small_market), open_book(small_book)
    run_day(book, market, market.day(-1), recorded_at="t")
    with book.read() as connection:
        run = runs.latest_run(connection)
        assert run is not None
        day = int(market.days[-1])
        context = open_day(book, market, run, day, workers=1, batch=5, progress=lambda _done: None)
        keys = [a.account_key for a in all_records(connection, AccountRecord)]
        kept = account_series(connection, keys)
        for key in keys:
            assert read_journal(connection, [key])
            made = _replayed(connection, context, key)
            assert np.array_equal(made.days, kept[key].days)
            assert np.array_equal(made.value_cents, kept[key].value_cents)


def test_a_gap_is_filled_with_the_close_before_and_a_future_listing_with_nothing() -> None:
    from types import SimpleNamespace

    closes = np.array([[5, 0], [0, 0], [7, 3], [0, 0]], dtype=np.int64)
    carried = carried_closes(SimpleNamespace(close_micros=closes))  # type: ignore[arg-type]
    assert carried.tolist() == [[5, 0], [5, 0], [7, 3], [7, 3]]
