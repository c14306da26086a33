"""A period's fee: what it is charged on, for how many days, and what flows change (B7 to B14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from fractions import Fraction

from opensma.billing.exact import not_negative, once_each, refuse, share_out, to_cents


class DayBasis(Enum):
    """Days over 365, or an equal part of the year (B8)."""

    ACTUAL_365 = "actual_365"
    DIVIDE_BY_FREQUENCY = "divide_by_frequency"


class FlowMethod(Enum):
    """Who is right about the days of a flow: those that remain, or those that have passed."""

    ADVANCE_REMAINING = "advance_remaining"
    ARREARS_ELAPSED = "arrears_elapsed"


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive days with the same end-of-day value."""

    days: int
    value: Fraction


def average_daily(runs: Sequence[Run]) -> Fraction:
    """Day-weighted mean of end-of-day values (B11: of the account, not of each asset)."""
    days = _days(runs)
    return sum((run.days * not_negative(run.value, "value") for run in runs), Fraction(0)) / days


def period_end(runs: Sequence[Run]) -> Fraction:
    """The value of the last day."""
    _days(runs)
    return not_negative(runs[-1].value, "value")


def _days(runs: Sequence[Run]) -> int:
    if not runs or any(run.days < 1 for run in runs):
        refuse(
            "valuation_missing",
            "Each run of days needs at least one day, and there must be one.",
            where="daily_runs",
            remedy="Supply the missing valuation days.",
        )
    return sum(run.days for run in runs)


def four_month_ends(values: Sequence[Fraction]) -> Fraction:
    """Mean of the month-end before the quarter and the three in it."""
    if len(values) != 4:
        refuse(
            "valuation_missing",
            f"Four month-ends are needed, not {len(values)}.",
            where="month_ends",
            remedy="Give the month-end before the period and the three in it.",
        )
    return sum((not_negative(v, "month_ends") for v in values), Fraction(0)) / 4


def period_fee(
    base: Fraction,
    annual_rate: Fraction,
    days_in_period: int,
    days_open: int,
    periods_per_year: int,
    day_basis: DayBasis,
) -> int:
    """The fee in cents, prorated by the days the account was open (B8, B9)."""
    if not 0 <= days_open <= days_in_period or days_in_period < 1 or periods_per_year < 1:
        refuse(
            "days",
            f"{days_open} days open do not fit a period of {days_in_period}.",
            where="days_open",
            remedy="Count the first and the last day served.",
        )
    yearly = not_negative(base, "value") * not_negative(annual_rate, "annual_rate")
    if day_basis is DayBasis.ACTUAL_365:
        return to_cents(yearly * days_open / 365)
    return to_cents(yearly / periods_per_year * days_open / days_in_period)


@dataclass(frozen=True, slots=True)
class FlowAdjustment:
    """Days counted for a flow, and what the client pays more (or less) for it, in cents."""

    days: int
    cents: int


def flow_adjustment(
    day: date,
    amount: Fraction,
    start: date,
    end: date,
    period_rate: Fraction,
    threshold: Fraction,
    method: FlowMethod,
) -> FlowAdjustment:
    """Only flows above the threshold are adjusted; the flow's day counts as present (B14)."""
    if not start <= day <= end:
        refuse(
            "flow_date",
            f"The flow of {day} is outside {start} to {end}.",
            where=day.isoformat(),
            remedy="Bill it in its own period.",
        )
    period, elapsed = (end - start).days + 1, (day - start).days
    advance = method is FlowMethod.ADVANCE_REMAINING
    days = period - elapsed if advance else elapsed
    if abs(amount) <= not_negative(threshold, "threshold"):
        return FlowAdjustment(days, 0)
    due = amount * period_rate * days / period
    return FlowAdjustment(days, to_cents(due if advance else -due))


def termination_refund(billed: Fraction, days_in_period: int, days_served: int) -> tuple[int, int]:
    """Unearned days and the refund in cents; the day of termination is served (B10)."""
    if not 0 <= days_served <= days_in_period or days_in_period < 1:
        refuse(
            "days",
            f"{days_served} days served do not fit a period of {days_in_period}.",
            where="days_served",
            remedy="Count the termination day as served.",
        )
    unearned = days_in_period - days_served
    return unearned, to_cents(not_negative(billed, "billed") * unearned / days_in_period)


def fee_split(
    base: Fraction,
    payees: Sequence[tuple[str, Fraction]],
    days: int,
    year_days: int,
    residual_payee: str,
) -> tuple[int, dict[str, int]]:
    """The client's fee rounded once, and each payee's part of it, to the cent (B21)."""
    once_each([name for name, _ in payees], "payees")
    if days < 0 or year_days < 1:
        refuse("days", "Days are zero or more, and a year has some.", where="days")
    not_negative(base, "base")
    exact = {name: base * not_negative(bp, "bp") / 10_000 * days / year_days for name, bp in payees}
    total = to_cents(sum(exact.values(), Fraction(0)))
    return total, share_out(total, exact, residual_payee)


@dataclass(frozen=True, slots=True)
class FeeOrder:
    """A yearly fee after each step, exact; only what is shown is rounded (B16)."""

    standard: Fraction
    negotiated: Fraction
    after_minimum: Fraction
    after_cap: Fraction
    final: Fraction
    credit_left: Fraction  # carried to the next period


def fee_order(
    value: Fraction,
    rate: Fraction,
    discount: Fraction,
    annual_minimum: Fraction | None,
    annual_cap: Fraction | None,
    credit: Fraction,
) -> FeeOrder:
    """Standard, negotiated, minimum, cap, credit, in this order: the cap wins (B16)."""
    if not 0 <= discount <= 1:
        refuse("discount", "A discount is a share between 0 and 1.", where="discount")
    for name, amount in (("annual_minimum", annual_minimum), ("annual_cap", annual_cap)):
        not_negative(amount or Fraction(0), name)
    standard = not_negative(value, "value") * not_negative(rate, "rate")
    negotiated = standard * (1 - discount)
    raised = negotiated if annual_minimum is None else max(negotiated, annual_minimum)
    capped = raised if annual_cap is None else min(raised, annual_cap)
    left = max(Fraction(0), not_negative(credit, "credit") - capped)
    final = max(Fraction(0), capped - credit)
    return FeeOrder(standard, negotiated, raised, capped, final, left)
