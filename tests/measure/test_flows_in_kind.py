"""M6: shares that come or go in kind, and facts told late, are flows and never performance."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.actiondesk import post
from opensma.book.actionfile import parse_actions
from opensma.book.fold import book as book_entry
from opensma.book.journal import Booked, Entry, Kind
from opensma.book.late import LateFact, post_late
from opensma.book.master import AccountRecord, all_records
from opensma.book.names import KeyMap, key_map
from opensma.book.series import DailyValues, account_series
from opensma.book.state import new_account
from opensma.book.store import Book, open_book
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.measure.returns import series_returns
from opensma.measure.valuation import Track, daily_values
from opensma.units import MICROS, notional_cents

FRIDAY, SATURDAY, MONDAY, TUESDAY = (date(2024, 3, d).toordinal() for d in (1, 2, 4, 5))
SESSIONS = np.array([FRIDAY, MONDAY, TUESDAY], dtype=np.int64)
CLOSES = np.array([[100], [110], [99]], dtype=np.int64) * MICROS
KEYS = KeyMap(*(np.array(v, dtype=np.int64) for v in ([1], [-1, 0], [0, 0])))
LOT = {
    "lot": [1], "acquisition": [1], "origin": [0], "security": [1], "acquired": [FRIDAY - 900],
    "holding": [FRIDAY - 900], "quantity": [10 * MICROS], "basis": [50_000], "wash": [0],
    "used": [0], "purchase": [1], "inherited": [0], "loss_basis": [-1],
}  # fmt: skip


def made(*entries: Entry) -> DailyValues:
    state, track = new_account(1), Track()
    for entry in entries:
        booked, state = book_entry(state, entry, "t")
        track.add(booked, state)
    return daily_values(track, CLOSES, SESSIONS, KEYS, TUESDAY)


def fact(kind: Kind, day: int, body: dict[str, object]) -> Entry:
    return Entry(1, kind, day, day, f"{kind.value}/{day}", body)


DEPOSIT = fact(Kind.DEPOSIT, FRIDAY, {"cents": 100_000})


def returns(series: DailyValues) -> list[float]:
    return series_returns(series.value_cents, series.inflow_cents, series.outflow_cents).tolist()


def test_m6_shares_in_kind_come_in_at_their_value_on_the_day() -> None:
    series = made(DEPOSIT, fact(Kind.TRANSFER_IN, MONDAY, LOT | {"from_account": 0}))
    assert series.inflow_cents.tolist() == [100_000, 110_000, 0]
    assert returns(series) == pytest.approx([0.0, 0.0, -11_000 / 210_000])


@pytest.mark.parametrize("kind", [Kind.GIFT_IN, Kind.INHERITANCE])
def test_m6_a_gift_and_an_inheritance_are_flows_too(kind: Kind) -> None:
    series = made(DEPOSIT, fact(kind, MONDAY, LOT | {"purchase": [0], "from_account": 0}))
    assert series.inflow_cents.tolist() == [100_000, 110_000, 0]


def test_m6_on_a_day_without_a_session_the_close_before_is_the_value() -> None:
    series = made(DEPOSIT, fact(Kind.TRANSFER_IN, SATURDAY, LOT | {"from_account": 0}))
    assert series.inflow_cents.tolist() == [100_000, 100_000, 0]
    assert returns(series)[1] == pytest.approx(10_000 / 200_000)  # from Friday to Monday


def test_m6_shares_that_leave_go_out_at_their_value_on_the_day() -> None:
    arrival = fact(Kind.TRANSFER_IN, FRIDAY, LOT | {"from_account": 0})
    series = made(DEPOSIT, arrival, fact(Kind.TRANSFER_OUT, TUESDAY, LOT | {"to_account": 0}))
    assert series.outflow_cents.tolist() == [0, 0, 99_000]
    assert returns(series) == pytest.approx([0.0, 10_000 / 200_000, -11_000 / 210_000])


def test_m6_an_account_funded_in_kind_alone_has_its_funding_as_flow() -> None:
    series = made(fact(Kind.TRANSFER_IN, FRIDAY, LOT | {"from_account": 0}))
    assert series.inflow_cents.tolist() == [100_000, 0, 0]
    assert returns(series) == pytest.approx([0.0, 0.1, -0.1])


def test_m6_a_reversed_transfer_goes_back_at_its_value_then() -> None:
    track, state = Track(), new_account(1)
    for entry in (DEPOSIT, fact(Kind.TRANSFER_IN, FRIDAY, LOT | {"from_account": 0})):
        booked, state = book_entry(state, entry, "t")
        track.add(booked, state)
    undone = Entry(1, Kind.REVERSAL, TUESDAY, TUESDAY, "undo", {"of": [booked.seq]})
    track.add(Booked(undone, 3, "t", "", "", ""), state)
    assert track.flows(CLOSES, SESSIONS, KEYS) == ({FRIDAY: 200_000}, {TUESDAY: 99_000})


# --- the trading day ---------------------------------------------------------------------------


@pytest.fixture
def market(small_market: Path) -> Market:
    return open_market(small_market)


def series_of(book: Book, account_id: str) -> DailyValues:
    with book.read() as connection:
        accounts = {a.account_id: a.account_key for a in all_records(connection, AccountRecord)}
        return account_series(connection, [accounts[account_id]])[accounts[account_id]]


def received(book: Book, market: Market, account_id: str, day: date) -> int:
    """Book 500 shares of the first security as received in kind; their value at that close."""
    with book.read() as connection:
        row = int(key_map(connection, market).key_of_row.argmax())
    names = "action,kind,date,account,security,quantity,acquired,basis"
    values = f"t,transfer_in,{day},{account_id},{market.security_id[row]},500,2020-02-03,5000.00"
    found = parse_actions(f"{names}\n{values}")
    assert post(book, found.actions, "t").written
    close = int(market.close_micros[market.row(day.toordinal()), row])
    return notional_cents(500 * MICROS, close)


@pytest.mark.parametrize("behind", [False, True], ids=["today", "on a day already measured"])
def test_m6_a_day_counts_shares_in_kind_as_flow(
    small_book: str, market: Market, behind: bool
) -> None:
    book, today = open_book(small_book), market.day(-1)
    cents = received(book, market, "A000001", market.day(-2) if behind else today)
    assert cents > 0
    before = series_of(book, "A000001")
    run_day(book, market, today, recorded_at="t", workers=1)
    after = series_of(book, "A000001")
    assert after.days[-1] == today.toordinal() > before.days[-1]
    assert after.inflow_cents[-1] == cents
    assert abs(returns(after)[-1]) < 0.05 < cents / after.value_cents[-2]


def test_m6_a_deposit_told_late_is_no_gain(small_book: str, market: Market) -> None:
    """It is booked on the newest day of the account, which has been measured before."""
    book, cents = open_book(small_book), 50_000_000
    with book.read() as connection:
        account = next(
            a for a in all_records(connection, AccountRecord) if a.account_id == "A000001"
        )
    day = date(2024, 9, 3).toordinal()
    late = Entry(account.account_key, Kind.DEPOSIT, day, day, "late", {"cents": cents})
    assert post_late(book, [LateFact(late)], "t")
    run_day(book, market, market.day(-1), recorded_at="t", workers=1)
    after = series_of(book, "A000001")
    assert after.inflow_cents[-1] == cents
    assert abs(returns(after)[-1]) < 0.05
