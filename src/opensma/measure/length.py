"""A return that knows its length: nothing under one year is annualised, whoever asks (M12)."""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise

from opensma.measure.conventions import ReturnBasis
from opensma.measure.refusals import LOWEST_RETURN, refuse
from opensma.measure.returns import link


def years_later(day: date, years: int = 1) -> date:
    """The same day some years later; 29 February becomes 28 February where there is none."""
    last = calendar.monthrange(day.year + years, day.month)[1]
    return day.replace(year=day.year + years, day=min(day.day, last))


def is_month_end(day: date) -> bool:
    """True on the last calendar day of a month."""
    return (day + timedelta(days=1)).day == 1


def full_year(start: date, end: date) -> bool:
    """True when `end` is the same day one year after `start`, or later: 365 or 366 days (M12)."""
    return end >= years_later(start)


def years_between(start: date, end: date) -> float:
    """Years for an exponent: whole months / 12 between month-ends, else anniversaries and days.

    Days after the last full anniversary count as a share of the year they lie in.
    """
    if is_month_end(start) and is_month_end(end):
        return ((end.year - start.year) * 12 + end.month - start.month) / 12
    whole = end.year - start.year
    whole -= years_later(start, whole) > end
    passed = years_later(start, whole)
    return whole + (end - passed).days / (years_later(start, whole + 1) - passed).days


@dataclass(frozen=True, slots=True)
class PeriodReturn:
    """A cumulative return with its period; `start` is the date of the opening value.

    `actual` is False for hypothetical or back-tested results, which are never linked to actual
    ones (M36).
    """

    start: date
    end: date
    cumulative: float
    basis: ReturnBasis = ReturnBasis.GROSS
    actual: bool = True

    def __post_init__(self) -> None:
        if self.end <= self.start:
            refuse(
                "period",
                f"A period from {self.start} to {self.end} has no length.",
                where="end_date",
                remedy="The start is the date of the opening value, before the end.",
            )
        if not self.cumulative >= LOWEST_RETURN:
            refuse("return_below_minus_100", "A return would lose more than everything.")

    @property
    def annualised(self) -> float | None:
        """The yearly return, and None under one year (M12)."""
        if not full_year(self.start, self.end):
            return None
        growth: float = (1.0 + self.cumulative) ** (1.0 / years_between(self.start, self.end))
        return growth - 1.0


def period_return(start: date, end: date, returns: Sequence[float]) -> PeriodReturn:
    """Returns of consecutive sub-periods, linked, as one return that knows its length."""
    return PeriodReturn(start, end, float(link(returns)))


def link_periods(periods: Sequence[PeriodReturn]) -> PeriodReturn:
    """Consecutive periods as one; a gap, another basis or a hypothetical part is refused (M36)."""
    if not periods:
        refuse("nothing_to_link", "There is no period to link.")
    for before, after in pairwise(periods):
        if before.end != after.start:
            refuse(
                "period_gap",
                f"A period ends on {before.end} and the next opens on {after.start}.",
                where=after.start.isoformat(),
                remedy="Supply the valuation in between; nothing is linked over a gap.",
            )
        if (before.basis, before.actual) != (after.basis, after.actual):
            refuse(
                "link_mixed",
                "Actual and hypothetical results, or gross and net ones, are never linked.",
                where=after.start.isoformat(),
                remedy="Show them as two series.",
            )
    total = link([p.cumulative for p in periods])
    first, last = periods[0], periods[-1]
    return PeriodReturn(first.start, last.end, float(total), first.basis, first.actual)


def track_records(values: Sequence[float]) -> list[tuple[int, int]]:
    """Ranges [first, last) of days that may be linked: a record ends on the day at zero (M13)."""
    found: list[tuple[int, int]] = []
    first: int | None = None
    for i, value in enumerate(values):
        if value > 0 and first is None:
            first = i
        elif value <= 0 and first is not None:
            found.append((first, i + 1))
            first = None
    return found if first is None else [*found, (first, len(values))]
