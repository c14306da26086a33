"""Sessions against an independent calendar for 27 years; settlement at every change of the rule."""

from datetime import date, timedelta

import pytest

from opensma import calendar
from opensma.errors import InputError

FIRST, LAST = date(2000, 1, 1), date(2026, 12, 31)


def test_sessions_equal_an_independent_calendar() -> None:
    golden = pytest.importorskip("exchange_calendars", reason="exchange_calendars is missing")
    theirs = golden.get_calendar("XNYS", start=str(FIRST), end=str(LAST)).sessions
    assert calendar.sessions(FIRST, LAST) == [stamp.date() for stamp in theirs]


def test_next_and_previous_session_walk_the_same_road() -> None:
    days = calendar.sessions(date(2024, 1, 1), date(2026, 12, 31))
    assert [calendar.next_session(day) for day in days[:-1]] == days[1:]
    assert [calendar.previous_session(day) for day in days[1:]] == days[:-1]


@pytest.mark.parametrize(
    ("day", "open_exchange", "settles"),
    [
        (date(2025, 1, 9), False, False),  # President Carter: exchange shut, banks open
        (date(2025, 10, 13), True, False),  # Columbus Day: exchange open, banks shut
        (date(2025, 11, 11), True, False),  # Veterans Day
        (date(2021, 6, 18), True, True),  # Juneteenth was no exchange holiday yet
        (date(2022, 6, 20), False, False),  # the first one, observed on Monday
        (date(2021, 12, 31), True, True),  # a Saturday New Year closes no Friday
        (date(2026, 7, 3), False, False),  # Saturday Fourth of July, observed on Friday
        (date(2024, 2, 29), True, True),
        (date(2025, 4, 18), False, False),  # Good Friday: banks open
    ],
)
def test_two_calendars(day: date, open_exchange: bool, settles: bool) -> None:
    assert calendar.is_session(day) is open_exchange
    assert calendar.is_settlement_day(day) is settles


@pytest.mark.parametrize(
    ("traded", "settles"),
    [
        (date(2017, 9, 1), date(2017, 9, 7)),  # the last T+3 trade, over Labor Day
        (date(2017, 9, 5), date(2017, 9, 7)),  # the first T+2 trade settles on the same day
        (date(2024, 5, 24), date(2024, 5, 29)),  # the last T+2 trade, over Memorial Day
        (date(2024, 5, 28), date(2024, 5, 29)),  # the first T+1 trade settles on the same day
        (date(2025, 1, 8), date(2025, 1, 10)),  # not on the day of mourning
        (date(2025, 10, 10), date(2025, 10, 14)),  # not on Columbus Day
        (date(2025, 10, 13), date(2025, 10, 14)),  # traded on Columbus Day
        (date(2025, 12, 31), date(2026, 1, 2)),  # a gain of one tax year, cash of the next
    ],
)
def test_settlement_at_every_change_of_the_rule(traded: date, settles: date) -> None:
    assert calendar.settlement_date(traded) == settles


def test_settlement_never_runs_backwards() -> None:
    days = calendar.sessions(date(2017, 1, 1), date(2026, 6, 30))
    settled = [calendar.settlement_date(day) for day in days]
    assert settled == sorted(settled)
    assert all(calendar.is_settlement_day(day) for day in settled)
    lags = [after - before for before, after in zip(days, settled, strict=True)]
    assert timedelta(0) < min(lags)
    assert max(lags) <= timedelta(days=7)


def test_a_date_in_words_is_refused() -> None:
    assert calendar.parse_date("2026-02-28") == date(2026, 2, 28)
    for text in ("2026-02-29", "28 Feb 2026", "", "tomorrow"):
        with pytest.raises(InputError) as caught:
            calendar.parse_date(text, where="--date")
        assert (caught.value.code, caught.value.where) == ("date.invalid", "--date")
        assert "YYYY-MM-DD" in caught.value.remedy
