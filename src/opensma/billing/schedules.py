"""Fee schedules by tier, and whose value decides the tier: account or household (B1 to B5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from opensma.billing.exact import not_negative, once_each, refuse, share_out, to_cents


class Style(Enum):
    """Each slice at its own rate, or the whole value at the rate of the tier it falls in."""

    BLENDED = "blended"
    CLIFF = "cliff"


@dataclass(frozen=True, slots=True)
class Tier:
    """Up to and including a value (None: without end), a yearly rate (B3)."""

    up_to: Fraction | None
    rate: Fraction


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a fee: what was charged at which rate; `fee` is exact."""

    base: Fraction
    rate: Fraction
    fee: Fraction


@dataclass(frozen=True, slots=True)
class Schedule:
    """Tiers in order, the last one without end."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        bounds = [tier.up_to for tier in self.tiers]
        ordered = [b for b in bounds[:-1] if b is not None]
        complete = bool(bounds) and bounds[-1] is None and len(ordered) == len(bounds) - 1
        rising = all(b > a for a, b in zip([Fraction(0), *ordered], ordered, strict=False))
        if not complete or not rising:
            refuse(
                "tiers",
                "Tiers must rise, and only the last one has no upper bound.",
                where="tiers",
                remedy="Sort the tiers by up_to and leave the last up_to empty.",
            )
        for tier in self.tiers:
            not_negative(tier.rate, "rate")

    def rows(self, value: Fraction, style: Style) -> list[Row]:
        """The lines of a yearly fee on a value."""
        not_negative(value, "value")
        return self._cliff(value) if style is Style.CLIFF else self._blended(value)

    def annual(self, value: Fraction, style: Style) -> Fraction:
        """The yearly fee, exact."""
        return sum((row.fee for row in self.rows(value, style)), Fraction(0))

    def _cliff(self, value: Fraction) -> list[Row]:
        tier = next(t for t in self.tiers if t.up_to is None or value <= t.up_to)
        return [Row(value, tier.rate, value * tier.rate)]

    def _blended(self, value: Fraction) -> list[Row]:
        rows, reached = [], Fraction(0)
        for tier in self.tiers:
            top = value if tier.up_to is None else min(value, tier.up_to)
            if top > reached:
                rows.append(Row(top - reached, tier.rate, (top - reached) * tier.rate))
                reached = top
        return rows

    def inversions(self) -> list[tuple[Fraction, int, int]]:
        """Bounds where a cliff charges less one cent higher: bound, both fees in cents (B1)."""
        found = []
        for tier in self.tiers[:-1]:
            bound = tier.up_to or Fraction(0)
            at = to_cents(self.annual(bound, Style.CLIFF))
            above = to_cents(self.annual(bound + Fraction(1, 100), Style.CLIFF))
            if above < at:
                found.append((bound, at, above))
        return found


@dataclass(frozen=True, slots=True)
class BilledAccount:
    """An account of a household with its billed value and its own schedule."""

    account_id: str
    value: Fraction
    schedule: str = ""


def aggregate_fee(accounts: Sequence[BilledAccount], schedule: Schedule, style: Style) -> int:
    """One schedule on the value of the whole household, in cents."""
    return to_cents(schedule.annual(household_value(accounts), style))


def individual_fees(
    accounts: Sequence[BilledAccount], schedules: Mapping[str, Schedule], style: Style
) -> dict[str, int]:
    """Each account on its own value and schedule, in cents."""
    household_value(accounts)
    return {
        a.account_id: to_cents(_schedule(schedules, a.schedule).annual(a.value, style))
        for a in accounts
    }


def fees_at_household_value(
    accounts: Sequence[BilledAccount], schedules: Mapping[str, Schedule], style: Style
) -> dict[str, int]:
    """Each account at the rate its own schedule has on the household's value, in cents."""
    total = household_value(accounts)
    found = {}
    for a in accounts:
        whole = _schedule(schedules, a.schedule).annual(total, style)
        found[a.account_id] = to_cents(a.value * whole / total) if total else 0
    return found


def household_value(accounts: Sequence[BilledAccount]) -> Fraction:
    """Sum of the billed values of accounts listed once, each of zero or more."""
    once_each([a.account_id for a in accounts], "accounts")
    return sum((not_negative(a.value, "value") for a in accounts), Fraction(0))


def _schedule(schedules: Mapping[str, Schedule], name: str) -> Schedule:
    if name not in schedules:
        refuse(
            "schedule_unknown",
            f"There is no schedule '{name}'.",
            where="schedule",
            remedy=f"Use one of {', '.join(schedules) or 'none: list the schedules'}.",
        )
    return schedules[name]


@dataclass(frozen=True, slots=True)
class Allocated:
    """A household's fee and what each account pays of it, in cents."""

    annual: Fraction
    effective_rate: Fraction
    period_cents: int
    allocation_cents: dict[str, int]


def allocate(
    accounts: Sequence[BilledAccount], schedule: Schedule, periods_per_year: int, style: Style
) -> Allocated:
    """The period's fee pro rata by value; the rounding difference to the largest account (B5)."""
    total = household_value(accounts)
    if total == 0:
        refuse("no_value", "There is no value to allocate a fee by.", where="accounts")
    if periods_per_year < 1:
        refuse("periods", "A year has at least one period.", where="periods_per_year")
    annual = schedule.annual(total, style)
    period = to_cents(annual / periods_per_year)
    largest = max(accounts, key=lambda a: a.value).account_id  # the first listed on a tie
    exact = {a.account_id: Fraction(period, 100) * a.value / total for a in accounts}
    return Allocated(annual, annual / total, period, share_out(period, exact, largest))
