"""What was agreed: fee schedules and agreements in dated versions (B4, B6, B7, B12, B18)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum
from fractions import Fraction
from itertools import pairwise
from typing import Protocol, TypeVar

from opensma.billing.cycle import Frequency
from opensma.billing.exact import refuse
from opensma.billing.periods import DayBasis, FlowMethod
from opensma.billing.schedules import Row, Schedule, Style

WHOLE_BPS = 10_000


class Timing(Enum):
    """Whether a period is billed before or after it is served."""

    ADVANCE = "advance"
    ARREARS = "arrears"


class Basis(Enum):
    """Which value is billed; in advance it is always the one before the period begins."""

    PERIOD_END = "period_end"
    PERIOD_START = "period_start"
    AVERAGE_DAILY = "average_daily"
    AVERAGE_MONTH_ENDS = "average_month_ends"
    FOUR_MONTH_ENDS = "four_month_ends"


class HouseholdMethod(Enum):
    """Whose value and whose schedule decide the rate."""

    AGGREGATE = "aggregate"
    INDIVIDUAL = "individual"
    OWN_SCHEDULE = "own_schedule_at_household_value"


class RefundRule(Enum):
    """What happens to unearned days when the service ends; the engine knows the first only."""

    UNEARNED_DAYS = "unearned_days"
    ON_REQUEST = "on_request"
    NONE = "none"


class Role(Enum):
    """Who may be paid out of a fee."""

    PLATFORM = "platform"
    SPONSOR = "sponsor"
    ADVISOR = "advisor"
    MANAGER = "manager"


@dataclass(frozen=True, slots=True)
class Dates:
    """From a day to a day, both included; without end while `last` is None."""

    first: date
    last: date | None = None

    def holds(self, day: date) -> bool:
        """Whether the day is inside."""
        return self.first <= day and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """One version of a schedule: tiers of yearly rates, or a yearly amount."""

    name: str
    version: int
    dates: Dates
    style: Style
    tiers: Schedule | None
    amount: Fraction | None = None  # flat amount a year; then there are no tiers

    def rows(self, value: Fraction) -> list[tuple[int, Row]]:
        """The yearly fee on a value by tier number; a flat amount has tier 0 and its own rate."""
        if self.tiers is None:
            amount = self.amount or Fraction(0)
            return [(0, Row(value, amount / value if value else Fraction(0), amount))]
        rows = self.tiers.rows(value, self.style)
        if self.style is Style.BLENDED:
            return list(enumerate(rows, 1))
        rates = [tier.up_to is None or value <= tier.up_to for tier in self.tiers.tiers]
        return [(rates.index(True) + 1, row) for row in rows]

    @property
    def top_rate(self) -> Fraction:
        """The highest rate of any tier; zero where there is only an amount."""
        rates = [tier.rate for tier in self.tiers.tiers] if self.tiers else []
        return max(rates, default=Fraction(0))


@dataclass(frozen=True, slots=True)
class Member:
    """An account under the agreement; its last day is served, and ends the service (B4, B9)."""

    account_id: str
    dates: Dates
    schedule: str  # its own one; the agreement's where none is named
    pays_from: str  # the account that is debited (B6)


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Value that is not billed: an amount, or all of the account where there is none (B12)."""

    account_id: str
    dates: Dates
    amount: Fraction | None
    reason: str


@dataclass(frozen=True, slots=True)
class Payee:
    """A part of the fee in hundredths of a per cent (B20, B21)."""

    name: str
    role: Role
    bps: int


@dataclass(frozen=True, slots=True)
class Credit:
    """An amount given back in one period, with its reason."""

    period: str
    amount: Fraction
    reason: str
    offset: str = ""  # of which payments by funds it is the counterpart (F16)


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version of what a client or household pays for."""

    name: str
    version: int
    dates: Dates
    schedule: str
    timing: Timing
    frequency: Frequency
    basis: Basis
    day_basis: DayBasis
    method: HouseholdMethod
    members: tuple[Member, ...]
    payees: tuple[Payee, ...]
    flow_threshold: Fraction | None = None  # None: flows are not adjusted
    discount: Fraction = Fraction(0)
    annual_minimum: Fraction | None = None
    annual_cap: Fraction | None = None
    exclusions: tuple[Exclusion, ...] = ()
    credits: tuple[Credit, ...] = ()
    brochure: str = ""  # where the client was told of these terms (F18)
    refund: RefundRule = RefundRule.UNEARNED_DAYS
    wrap: bool = False  # the fee covers commissions and custody (F27)
    source_days: int | None = None  # how old a value without a market price may be (F11)
    hash: str = ""

    @property
    def flow_method(self) -> FlowMethod | None:
        """How flows above the threshold are billed: by the days that the value missed them."""
        if self.flow_threshold is None:
            return None
        advance = self.timing is Timing.ADVANCE
        return FlowMethod.ADVANCE_REMAINING if advance else FlowMethod.ARREARS_ELAPSED

    def time(self, days: int, days_in_period: int) -> Fraction:
        """Days as a part of the year (B8)."""
        if self.day_basis is DayBasis.ACTUAL_365:
            return Fraction(days, 365)
        return Fraction(days, days_in_period * self.frequency.per_year)


class Versioned(Protocol):
    """Terms with a number and dates."""

    @property
    def name(self) -> str:
        """What all versions share."""

    @property
    def version(self) -> int:
        """Its number."""

    @property
    def dates(self) -> Dates:
        """The days it holds on."""


V = TypeVar("V", bound=Versioned)


def closed_versions(versions: Sequence[V]) -> list[V]:
    """Versions of one name in order of dates; an open one ends before the next begins (B18).

    InputError billing.overlap where two versions hold on the same day.
    """
    ordered = sorted(versions, key=lambda v: (v.dates.first, v.version))
    for before, after in pairwise(ordered):
        last = before.dates.last
        if before.dates.first == after.dates.first or (last and last >= after.dates.first):
            refuse(
                "overlap",
                f"Versions {before.version} and {after.version} both hold on {after.dates.first}.",
                where=before.name,
                remedy="End the earlier version the day before the later one begins.",
            )
    return ordered


def in_force(versions: Sequence[V], day: date) -> V | None:
    """The version that holds on a day: the latest one that began, unless it has ended."""
    begun = [v for v in closed_versions(versions) if v.dates.first <= day]
    return begun[-1] if begun and begun[-1].dates.holds(day) else None


def segments(
    versions: Sequence[FeeSchedule], name: str, first: date, last: date
) -> list[tuple[FeeSchedule, date, date]]:
    """The days of a range by the schedule version that holds on them (B9)."""
    ordered = closed_versions([v for v in versions if v.name == name])
    found: list[tuple[FeeSchedule, date, date]] = []
    day = first
    while day <= last:
        version = in_force(ordered, day) if ordered else None
        if version is None:
            refuse(
                "schedule_missing",
                f"No version of the schedule holds on {day}.",
                where=name,
                remedy="Load a version for that day with sma bill schedules.",
            )
        ends = [version.dates.last or last, last]
        ends += [v.dates.first - timedelta(days=1) for v in ordered if v.dates.first > day]
        end = min(ends)
        found.append((version, day, end))
        day = end + timedelta(days=1)
    return found
