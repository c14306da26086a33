"""Daily values on record against the journal and the closes: every cent, every session."""

import shutil
from pathlib import Path

import pytest

from opensma.book import schema
from opensma.book.actiondesk import post
from opensma.book.actionfile import parse_actions
from opensma.book.names import key_map
from opensma.book.store import Book, open_book
from opensma.cli import run
from opensma.day import run_day
from opensma.market import open_market
from opensma.measure.check_days import verify_days


@pytest.fixture
def book(small_book: str, tmp_path: Path) -> Book:
    path = tmp_path / "book.db"
    shutil.copy(small_book.removeprefix("sqlite:///"), path)
    return open_book(str(path))


def change(book: Book, statement: str) -> None:
    with book.write() as connection:
        connection.exec_driver_sql(statement)


def found(book: Book, market: Path, workers: int = 1) -> dict[str, str]:
    return {f.code: f.where for f in verify_days(book, str(market), workers=workers)}


def test_a_sound_book_has_no_difference_for_any_number_of_workers(
    book: Book, small_market: Path
) -> None:
    assert found(book, small_market) == found(book, small_market, 2) == {}


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("SET value_cents = value_cents + 1", "days.value"),
        ("SET inflow_cents = inflow_cents + 1", "days.flows"),
    ],
)
def test_a_changed_cent_is_found_with_account_and_day(
    book: Book, small_market: Path, statement: str, code: str
) -> None:
    days = schema.account_days.name
    with book.read() as connection:
        key, day = connection.exec_driver_sql(
            f"SELECT account_key, max(day) FROM {days} GROUP BY account_key ORDER BY 1 LIMIT 1"
        ).one()
    change(book, f"UPDATE {days} {statement} WHERE account_key = {key} AND day = '{day}'")
    where = found(book, small_market)
    assert list(where) == [code]
    assert where[code].endswith(day)


def test_a_missing_day_is_found(book: Book, small_market: Path) -> None:
    days = schema.account_days.name
    change(book, f"DELETE FROM {days} WHERE account_key = 1 AND day = '2024-11-29'")
    assert found(book, small_market) == {"days.missing": "A000001, 2024-11-29"}


@pytest.mark.parametrize("told", ["before", "after"])
def test_what_is_told_after_a_day_was_measured_is_no_difference(
    book: Book, small_market: Path, told: str
) -> None:
    """Received in kind on a day already measured; and on the newest day, after it was measured."""
    market = open_market(small_market)
    day, at = market.day(-1), f"{market.day(-1)}T21:00:00+00:00"
    with book.read() as connection:
        row = int(key_map(connection, market).key_of_row.argmax())
    names = "action,kind,date,account,security,quantity,acquired,basis"
    on = market.day(-2) if told == "before" else day
    text = f"t,transfer_in,{on},A000001,{market.security_id[row]},500,2020-02-03,5000.00"
    if told == "after":
        run_day(book, market, day, recorded_at=at, workers=1)
    assert post(book, parse_actions(f"{names}\n{text}").actions, f"{day}T23:00:00+00:00").written
    if told == "before":
        run_day(book, market, day, recorded_at=f"{day}T23:30:00+00:00", workers=1)
    assert found(book, small_market) == {}


def test_the_command_compares_values_where_the_market_is_known(
    book: Book, small_market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["book", "init", "--book", book.url, "--market", str(small_market)]) == 0
    assert run(["book", "verify", "--book", book.url, "--workers", "1"]) == 0
    capsys.readouterr()
    change(book, f"UPDATE {schema.account_days.name} SET value_cents = value_cents + 7")
    assert run(["book", "verify", "--book", book.url, "--workers", "1"]) == 1
    assert "days.value" in capsys.readouterr().out
