"""A household: transfers inside it change nothing, a missing value is an error (M6, M7)."""

from dataclasses import replace

import numpy as np
import pytest

from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import open_book
from opensma.errors import InputError
from opensma.measure.household_book import household_performance, together
from opensma.measure.returns import linked, series_returns


def series(values: list[int], into: dict[int, int], out: dict[int, int]) -> DailyValues:
    inflow, outflow = np.zeros(len(values), np.int64), np.zeros(len(values), np.int64)
    for row, cents in into.items():
        inflow[row] = cents
    for row, cents in out.items():
        outflow[row] = cents
    days = np.arange(738_000, 738_000 + len(values))
    return DailyValues(days, np.array(values, np.int64), inflow, outflow)


def test_m7_money_between_two_accounts_leaves_the_household_as_it_is() -> None:
    still = [series([100, 110, 121], {0: 100}, {}), series([200, 190, 180], {0: 200}, {})]
    moved = [
        series([100, 60, 71], {0: 100}, {1: 50}),
        series([200, 240, 230], {0: 200}, {1: 0, 2: 0}),
    ]
    moved[1].inflow_cents[1] = 50
    one, other = together(still), together(moved)
    for name in ("value_cents", "inflow_cents", "outflow_cents"):
        assert (getattr(one, name) == getattr(other, name)).all()
    before, after = (
        [linked(series_returns(s.value_cents, s.inflow_cents, s.outflow_cents)) for s in group]
        for group in (still, moved)
    )
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_missing_valuation_day_is_an_error_by_name() -> None:
    whole, short = series([100, 110, 121], {0: 100}, {}), series([100, 110, 121], {0: 100}, {})
    rows = np.array([0, 2])
    short = DailyValues(*(getattr(short, n)[rows] for n in DailyValues.__slots__))
    with pytest.raises(InputError, match=r"measure\.valuation_missing"):
        together([whole, short])
    ended = replace(whole, **{n: getattr(whole, n)[:2] for n in DailyValues.__slots__})
    with pytest.raises(InputError, match=r"measure\.valuation_missing"):
        together([whole, ended])


def test_the_demo_households_are_their_accounts_together(small_book: str) -> None:
    book = open_book(small_book)
    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
        known = account_series(connection, [a.account_key for a in accounts])
    several = 0
    for taxpayer in sorted({a.taxpayer_id for a in accounts}):
        own = [known[a.account_key] for a in accounts if a.taxpayer_id == taxpayer]
        found = household_performance(book, taxpayer)
        assert found.end_cents == sum(int(s.value_cents[-1]) for s in own)
        net = sum(int((s.inflow_cents - s.outflow_cents).sum()) for s in own)
        assert found.inflow_cents - found.outflow_cents == net
        single = [
            linked(series_returns(s.value_cents, s.inflow_cents, s.outflow_cents)) for s in own
        ]
        if len(own) == 1:
            assert found.time_weighted.cumulative == single[0]
        several += len(own) > 1
    assert several
    with pytest.raises(InputError, match=r"measure\.no_values"):
        household_performance(book, "nobody")
