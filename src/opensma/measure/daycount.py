"""Days as years: the day count changes the fourth digit of a money-weighted return (M18)."""

from __future__ import annotations

import calendar
from collections.abc import Callable, Sequence
from datetime import date

import numpy as np

from opensma.measure.conventions import DayCount
from opensma.measure.refusals import Floats

_Dates = tuple[date, date]


def year_fraction(start: date, end: date, day_count: DayCount) -> float:
    """Years from `start` to a later `end`."""
    return _COUNTS[day_count](start, end)


def year_fractions(dates: Sequence[date], day_count: DayCount) -> Floats:
    """Years of each date (dates,) from the earliest of them."""
    first = min(dates)
    return np.array([year_fraction(first, day, day_count) for day in dates])


def _actual_isda(start: date, end: date) -> float:
    """Days in leap years by 366, others by 365; the span is cut at each 1 January."""
    if start.year == end.year:
        return (end - start).days / _days_in(start.year)
    head = (date(start.year + 1, 1, 1) - start).days / _days_in(start.year)
    tail = (end - date(end.year, 1, 1)).days / _days_in(end.year)
    return head + (end.year - start.year - 1) + tail


def _days_in(year: int) -> int:
    return 366 if calendar.isleap(year) else 365


def _thirty(start: date, end: date, first: int, second: int) -> float:
    months = (end.year - start.year) * 12 + end.month - start.month
    return (months * 30 + second - first) / 360


def _thirty_european(start: date, end: date) -> float:
    return _thirty(start, end, min(start.day, 30), min(end.day, 30))


def _thirty_isda(start: date, end: date) -> float:
    first = min(start.day, 30)
    return _thirty(start, end, first, 30 if end.day == 31 and first == 30 else end.day)


def _thirty_sia(start: date, end: date) -> float:
    first, second = start.day, end.day
    if _last_of_february(start):
        second = 30 if _last_of_february(end) else second
        first = 30
    first = min(first, 30)
    return _thirty(start, end, first, 30 if second == 31 and first == 30 else second)


def _last_of_february(day: date) -> bool:
    return day.month == 2 and day.day == calendar.monthrange(day.year, 2)[1]


_COUNTS: dict[DayCount, Callable[[date, date], float]] = {
    DayCount.ACT_365F: lambda start, end: (end - start).days / 365,
    DayCount.ACT_360: lambda start, end: (end - start).days / 360,
    DayCount.ACT_ACT_ISDA: _actual_isda,
    DayCount.THIRTY_E_360: _thirty_european,
    DayCount.THIRTY_360_ISDA: _thirty_isda,
    DayCount.THIRTY_360_SIA: _thirty_sia,
}
