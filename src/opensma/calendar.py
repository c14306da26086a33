"""Exchange sessions and settlement dates of the US equity market.

Two calendars: the exchange's and the banks'. Settlement (T+2, T+1 from 28 May 2024) needs a day
on which both are open; the bank side is unverified (style facts, section 4) and kept as data here.
Holidays follow the published rules since 1998 plus the dated one-off closings listed below.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from opensma.errors import InputError

_ONE_OFF_CLOSINGS = frozenset(
    {
        date(2001, 9, 11),
        date(2001, 9, 12),
        date(2001, 9, 13),
        date(2001, 9, 14),  # attacks of September 2001
        date(2004, 6, 11),  # President Reagan
        date(2007, 1, 2),  # President Ford
        date(2012, 10, 29),
        date(2012, 10, 30),  # Hurricane Sandy
        date(2018, 12, 5),  # President G. H. W. Bush
        date(2025, 1, 9),  # President Carter: exchange shut, banks open
    }
)
_T_PLUS_1_FROM = date(2024, 5, 28)
_T_PLUS_2_FROM = date(2017, 9, 5)


def _nth_weekday(year: int, month: int, weekday: int, nth: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _last_monday_of_may(year: int) -> date:
    last = date(year, 5, 31)
    return last - timedelta(days=last.weekday())


def _easter(year: int) -> date:
    """Western Easter Sunday by the anonymous Gregorian computus."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def _observed(day: date) -> date:
    if day.weekday() == 5:
        return day - timedelta(days=1)
    return day + timedelta(days=1) if day.weekday() == 6 else day


@lru_cache(maxsize=256)
def exchange_holidays(year: int) -> frozenset[date]:
    """Weekdays on which the exchange is shut in `year`."""
    days = {
        _nth_weekday(year, 1, 0, 3),  # Martin Luther King
        _nth_weekday(year, 2, 0, 3),  # Washington's birthday
        _easter(year) - timedelta(days=2),  # Good Friday
        _last_monday_of_may(year),
        _observed(date(year, 7, 4)),
        _nth_weekday(year, 9, 0, 1),  # Labor Day
        _nth_weekday(year, 11, 3, 4),  # Thanksgiving
        _observed(date(year, 12, 25)),
    }
    if date(year, 1, 1).weekday() != 5:  # a Saturday New Year is not observed on the Friday
        days.add(_observed(date(year, 1, 1)))
    if year >= 2022:
        days.add(_observed(date(year, 6, 19)))  # Juneteenth, first observed 2022
    return frozenset(days | {day for day in _ONE_OFF_CLOSINGS if day.year == year})


@lru_cache(maxsize=256)
def bank_holidays(year: int) -> frozenset[date]:
    """Days on which banks do not settle: a Saturday holiday stays a Saturday."""

    def sunday_rule(day: date) -> date:
        return day + timedelta(days=1) if day.weekday() == 6 else day

    days = {
        sunday_rule(date(year, 1, 1)),
        _nth_weekday(year, 1, 0, 3),
        _nth_weekday(year, 2, 0, 3),
        _last_monday_of_may(year),
        sunday_rule(date(year, 7, 4)),
        _nth_weekday(year, 9, 0, 1),
        _nth_weekday(year, 10, 0, 2),  # Columbus Day: exchange open
        sunday_rule(date(year, 11, 11)),  # Veterans Day: exchange open
        _nth_weekday(year, 11, 3, 4),
        sunday_rule(date(year, 12, 25)),
    }
    if year >= 2021:
        days.add(sunday_rule(date(year, 6, 19)))
    return frozenset(days)


def is_session(day: date) -> bool:
    """True when the exchange trades on `day`."""
    return day.weekday() < 5 and day not in exchange_holidays(day.year)


def is_settlement_day(day: date) -> bool:
    """True when both the exchange and the banks are open."""
    return is_session(day) and day not in bank_holidays(day.year)


def next_session(day: date) -> date:
    """The first session after `day`."""
    day += timedelta(days=1)
    while not is_session(day):
        day += timedelta(days=1)
    return day


def previous_session(day: date) -> date:
    """The last session before `day`."""
    day -= timedelta(days=1)
    while not is_session(day):
        day -= timedelta(days=1)
    return day


def sessions(first: date, last: date) -> list[date]:
    """All sessions from `first` to `last`, both included."""
    days = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [day for day in days if is_session(day)]


@lru_cache(maxsize=4096)
def settlement_date(trade_date: date) -> date:
    """Settlement of a trade: T+3 until 2017-09-04, T+2 until 2024-05-27, T+1 since."""
    lag = 3 - (trade_date >= _T_PLUS_2_FROM) - (trade_date >= _T_PLUS_1_FROM)
    day = trade_date
    while lag:
        day += timedelta(days=1)
        lag -= is_settlement_day(day)
    return day


def parse_date(text: str, where: str = "") -> date:
    """An ISO date, or an InputError that names the value."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(
            "date.invalid",
            f"'{text}' is not a date.",
            where=where,
            remedy="Use YYYY-MM-DD.",
        ) from error


def session_close(day: date) -> str:
    """The time that facts of a session carry when nobody else sets one: 16:00 in New York."""
    return f"{day.isoformat()}T16:00:00-05:00"


def epoch_seconds(moment: str) -> float:
    """Seconds of the epoch of an ISO time; without a zone it is UTC."""
    found = datetime.fromisoformat(moment)
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
