"""From a legacy portfolio to the target over several years, under a gain budget for each year.

Every year is decided once: the first on the start day, the others on 2 January, when budgets begin
anew. Prices stand still, lots turn long-term, and losses are not carried from year to year.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from opensma.construct.motion.moving import (
    Moving,
    price_of_risk,
    realised,
    risk_dollars,
    tracking_error,
    unrealised,
    with_aversion,
)
from opensma.construct.prepare import Prepared
from opensma.errors import InputError

MOST_YEARS = 30
_EVEN_SHARES = (0.0, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Year:
    """One year's decision. Dollars; tracking error a year."""

    day: int
    status: str
    message: str
    trades: int
    st_gain: float
    lt_gain: float
    tax: float
    cost: float
    te_before: float
    te_after: float
    risk: float  # what the tracking error kept costs this year, at the account's price of risk
    gain_left: float  # net unrealised gain after the trades


@dataclass(frozen=True, slots=True)
class Path:
    """One speed: a yearly budget, its years, and what they come to."""

    budget: float | None  # net long-term gain a year; None without one of its own
    years: tuple[Year, ...]

    @property
    def tax(self) -> float:
        """Tax of all years."""
        return sum(year.tax for year in self.years)

    @property
    def cost(self) -> float:
        """Trading costs of all years."""
        return sum(year.cost for year in self.years)

    @property
    def risk(self) -> float:
        """Price of the tracking error of all years."""
        return sum(year.risk for year in self.years)

    @property
    def total(self) -> float:
        """Tax, costs and risk together: the least is the best at the account's price of risk."""
        return self.tax + self.cost + self.risk

    @property
    def te_end(self) -> float:
        """Tracking error in the last year."""
        return self.years[-1].te_after

    @property
    def te_mean(self) -> float:
        """Tracking error on average over the years."""
        return sum(year.te_after for year in self.years) / len(self.years)


@dataclass(frozen=True, slots=True)
class Yearly:
    """A taxpayer's budget of net gains in dollars: what the first year has left, then every year's.

    None for a term without a budget.
    """

    short_left: float | None
    long_left: float | None
    short: float | None
    long: float | None

    def of(self, number: int) -> tuple[float | None, float | None]:
        """Short-term and long-term budget of a year, the first being 0."""
        return (self.short, self.long) if number else (self.short_left, self.long_left)


def transition(
    prepared: Prepared,
    moving: Moving,
    day: int,
    years: int,
    budgets: Sequence[float | None] | None = None,
    aversion: float | None = None,
    yearly: Yearly | None = None,
) -> tuple[Path, ...]:
    """A path for every yearly budget, to choose from: the frontier of tax against tracking error.

    Without `budgets`: none, and 0, half, one and two times an even share of what is realised
    without one. A budget allows no net short-term gain. Every path keeps `yearly`, where there is
    one. Risk is priced as `price_of_risk` says.
    """
    if not 1 <= years <= MOST_YEARS:
        raise InputError(
            "motion.years",
            f"{years} is no number of years between 1 and {MOST_YEARS}.",
            where="years",
            remedy="Give fewer years.",
        )
    if any(budget is not None and budget < 0.0 for budget in budgets or ()):
        raise InputError(
            "motion.budget",
            "A yearly gain budget is negative.",
            where="budget",
            remedy="Give zero or more dollars of net gain a year.",
        )
    account = with_aversion(moving.account, price_of_risk(prepared, moving, day, aversion))
    start = replace(moving, account=account)
    if budgets is not None:
        return tuple(_path(prepared, start, day, years, budget, yearly) for budget in budgets)
    free = _path(prepared, start, day, years, None, yearly)
    gain = sum(max(year.st_gain + year.lt_gain, 0.0) for year in free.years)
    paces = dict.fromkeys(round(share * gain / years, 2) for share in _EVEN_SHARES)
    return (*(_path(prepared, start, day, years, pace, yearly) for pace in paces), free)


def decision_days(day: int, years: int) -> list[int]:
    """The start day, then 2 January of every following year."""
    first = date.fromordinal(day).year
    return [day, *(date(first + n, 1, 2).toordinal() for n in range(1, years))]


def _path(
    prepared: Prepared,
    moving: Moving,
    day: int,
    years: int,
    budget: float | None,
    yearly: Yearly | None,
) -> Path:
    found = []
    for number, when in enumerate(decision_days(day, years)):
        short, long = (None, None) if yearly is None else yearly.of(number)
        if budget is not None:
            short, long = 0.0, budget if long is None else min(budget, long)
        account = replace(moving.account, st_gain_budget=short, lt_gain_budget=long)
        year, moving = _year(prepared, replace(moving, account=account), when)
        found.append(year)
    return Path(budget, tuple(found))


def _year(prepared: Prepared, moving: Moving, day: int) -> tuple[Year, Moving]:
    account = moving.on(day)
    plan = moving.decide(prepared, day)
    after = moving.traded(prepared, plan, day)
    short, long = realised(prepared, account, plan)
    error = tracking_error(prepared, after.account)
    year = Year(
        day=day,
        status=plan.status.value,
        message=plan.message,
        trades=len(plan.trades.shares),
        st_gain=short,
        lt_gain=long,
        tax=plan.tax,
        cost=plan.cost,
        te_before=plan.te_before,
        te_after=error,
        risk=risk_dollars(prepared, account, account.risk_aversion or 0.0, error),
        gain_left=float(unrealised(prepared, after.account).sum()),
    )
    return year, after
