"""A household: transfers inside it change nothing, a missing value is an error (M6, M7)."""

from dataclasses import replace

import numpy as np
import pytest

from opensma.book.journal import Booked, Entry, Kind
from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import open_book
from opensma.errors import InputError
from opensma.measure.household_book import (
    household_performance,
    moves_inside,
    moves_of_owners,
    together,
)
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
    one, other = together(still), together(moved, {738_001: 50})
    for name in ("value_cents", "inflow_cents", "outflow_cents"):
        assert (getattr(one, name) == getattr(other, name)).all()
    before, after = (
        [linked(series_returns(s.value_cents, s.inflow_cents, s.outflow_cents)) for s in group]
        for group in (still, moved)
    )
    assert before[0] != after[0]
    assert before[1] != after[1]


FIRST = 738_000


def booked(key: int, kind: Kind, day: int, seq: int = 1, **body: object) -> Booked:
    entry = Entry(key, kind, FIRST + day, FIRST + day, f"{key}-{seq}", body)
    return Booked(entry, seq, "t", "", "", "")


def inside(*entries: Booked, into: dict[int, int], out: dict[int, int]) -> dict[int, int]:
    """Of account 1, from which things leave, and account 2, to which they come."""
    flat = [500, 500, 500]
    one, two = series(flat, {}, out), series(flat, into, {})
    journals = {k: [b for b in entries if b.entry.account_key == k] for k in (1, 2)}
    found: dict[int, int] = {}
    for move in moves_inside(journals, {1: one, 2: two}):
        assert (move.from_key, move.to_key) == (1, 2)
        found[move.day - FIRST] = found.get(move.day - FIRST, 0) + move.cents
    return {day: cents for day, cents in found.items() if cents}


def test_m6_the_same_amount_out_of_one_account_and_into_another_is_a_transfer() -> None:
    out = booked(1, Kind.WITHDRAWAL, 1, cents=50)
    assert inside(out, booked(2, Kind.DEPOSIT, 1, cents=50), into={1: 50}, out={1: 50}) == {1: 50}
    # Another amount, another day, or the same account: money from outside, and money to outside.
    assert inside(out, booked(2, Kind.DEPOSIT, 1, cents=51), into={1: 51}, out={1: 50}) == {}
    assert inside(out, booked(2, Kind.DEPOSIT, 2, cents=50), into={2: 50}, out={1: 50}) == {}
    assert inside(out, booked(1, Kind.DEPOSIT, 1, 2, cents=50), into={}, out={1: 50}) == {}


def test_m6_a_transfer_is_found_beside_a_deposit_of_the_same_day() -> None:
    entries = (
        booked(1, Kind.WITHDRAWAL, 1, 1, cents=50),
        booked(1, Kind.WITHDRAWAL, 1, 2, cents=50),
        booked(2, Kind.DEPOSIT, 1, 1, cents=50),
        booked(2, Kind.DEPOSIT, 1, 2, cents=30),
    )
    assert inside(*entries, into={1: 80}, out={1: 100}) == {1: 50}  # each matched once


def test_m6_shares_that_move_between_accounts_are_a_transfer_at_their_value() -> None:
    lots = {"security": [7, 7, 9], "quantity": [3, 4, 5]}
    same = {"security": [9, 7], "quantity": [5, 7]}  # as other lots
    out = booked(1, Kind.TRANSFER_OUT, 1, **lots)
    paid = booked(2, Kind.DEPOSIT, 1, 2, cents=30)
    there = booked(2, Kind.TRANSFER_IN, 1, **same)
    assert inside(out, there, paid, into={1: 150}, out={1: 120}) == {1: 120}
    other = booked(2, Kind.TRANSFER_IN, 1, security=[9, 7], quantity=[5, 6])
    assert inside(out, other, into={1: 110}, out={1: 120}) == {}
    gift = booked(2, Kind.GIFT_IN, 1, **same)  # from somebody outside
    assert inside(out, gift, into={1: 120}, out={1: 120}) == {}


def test_m8_a_deposit_and_a_payment_of_one_day_are_two_flows_of_the_household() -> None:
    """What came is there for the day, what went was there until its close."""
    group = [series([100, 160], {0: 100, 1: 50}, {}), series([200, 180], {0: 200}, {1: 30})]
    whole = together(group)
    assert (whole.inflow_cents[1], whole.outflow_cents[1]) == (50, 30)
    daily = series_returns(whole.value_cents, whole.inflow_cents, whole.outflow_cents)
    assert daily[1] == pytest.approx((340 + 30) / (300 + 50) - 1)


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
        moves = moves_of_owners(connection, accounts, known)
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
        keys = {a.account_key for a in accounts if a.taxpayer_id == taxpayer}
        inside = sum(move.cents for move in moves if move.to_key in keys)
        assert found.inflow_cents == sum(int(s.inflow_cents.sum()) for s in own) - inside
    assert several
    with pytest.raises(InputError, match=r"measure\.no_values"):
        household_performance(book, "nobody")
