"""Billing periods: months, quarters, half-years and years by name (B7)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from opensma.billing.exact import refuse


class Frequency(Enum):
    """How often a fee is billed; the value is written in agreements."""

    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    SEMIANNUAL = "semiannual"
    ANNUAL = "annual"

    @property
    def per_year(self) -> int:
        """Periods in a year."""
        return _PER_YEAR[self]

    @property
    def months(self) -> int:
        """Months in a period."""
        return 12 // _PER_YEAR[self]


_PER_YEAR = {
    Frequency.MONTHLY: 12,
    Frequency.QUARTERLY: 4,
    Frequency.SEMIANNUAL: 2,
    Frequency.ANNUAL: 1,
}
_LETTERS = {
    Frequency.MONTHLY: "M",
    Frequency.QUARTERLY: "Q",
    Frequency.SEMIANNUAL: "H",
    Frequency.ANNUAL: "",
}
_FORM = re.compile(r"(\d{4})(?:([MQH])(\d{1,2}))?")


@dataclass(frozen=True, slots=True)
class Period:
    """The `index`-th period of a year, from 1."""

    year: int
    frequency: Frequency
    index: int

    @property
    def name(self) -> str:
        """As `parse_period` reads it: 2024Q4, 2024M10, 2024H2, 2024."""
        letter = _LETTERS[self.frequency]
        return f"{self.year}{letter}{self.index}" if letter else f"{self.year}"

    @property
    def start(self) -> date:
        """First day."""
        return date(self.year, (self.index - 1) * self.frequency.months + 1, 1)

    @property
    def end(self) -> date:
        """Last day."""
        return self.next.start - timedelta(days=1)

    @property
    def days(self) -> int:
        """Calendar days, both ends counted."""
        return (self.end - self.start).days + 1

    @property
    def next(self) -> Period:
        """The period after this one."""
        if self.index < self.frequency.per_year:
            return Period(self.year, self.frequency, self.index + 1)
        return Period(self.year + 1, self.frequency, 1)

    @property
    def previous(self) -> Period:
        """The period before this one."""
        if self.index > 1:
            return Period(self.year, self.frequency, self.index - 1)
        return Period(self.year - 1, self.frequency, self.frequency.per_year)


def newest_quarters(day: date, count: int) -> list[Period]:
    """The quarter of a day and those before it, the newest first."""
    found = [Period(day.year, Frequency.QUARTERLY, (day.month + 2) // 3)]
    while len(found) < count:
        found.append(found[-1].previous)
    return found


def parse_period(text: str) -> Period:
    """A period by its name; InputError billing.period for anything else."""
    found = _FORM.fullmatch(text.strip().upper())
    year, letter, index = found.groups() if found else ("0", "", "")
    frequency = next(f for f, mark in _LETTERS.items() if mark == (letter or ""))
    number = int(index or 1)
    if not 1 <= number <= frequency.per_year or not 1900 <= int(year) <= 9000:
        refuse(
            "period",
            f"'{text}' is no billing period.",
            where="--period",
            remedy="Write a quarter as 2024Q4, a month 2024M10, a half-year 2024H2, a year 2024.",
        )
    return Period(int(year), frequency, number)


def month_ends(first: date, last: date) -> list[date]:
    """Last days of the months that end inside the range."""
    found, month = [], Period(first.year, Frequency.MONTHLY, first.month)
    while month.end <= last:
        found.append(month.end)
        month = month.next
    return found
