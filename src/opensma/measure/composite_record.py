"""What a composite has to show: months, years, members with reasons (M25 to M32). Pure.

Members are in for whole months. Their returns are linked daily ones, and the aggregate method
links the days of all members added up: with daily values neither needs an approximation (M9).
These are records and calculations that a firm can use when it prepares its own reports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from opensma.book.series import DailyValues
from opensma.measure.composite_rules import CompositeRules
from opensma.measure.composites import (
    DISPERSION_FROM,
    Member,
    Spread,
    composite_return,
    dispersion,
)
from opensma.measure.conventions import CompositeMethod, Conventions, Dispersion
from opensma.measure.length import PeriodReturn
from opensma.measure.membership import (
    AccountFacts,
    Interval,
    Reason,
    definition_in_force,
    entry_date,
    first_of_month,
    memberships,
)
from opensma.measure.refusals import Floats, refuse
from opensma.measure.returns import daily_returns, linked
from opensma.measure.risk import three_year_deviation
from opensma.units import Ints


@dataclass(frozen=True, slots=True)
class AccountMonth:
    """One account over the sessions of one calendar month; columns (sessions,), cents."""

    account_id: str
    month: date  # its first day
    begin_cents: int
    days: Ints
    value_cents: Ints
    inflow_cents: Ints
    outflow_cents: Ints
    strategy: str = ""
    excluded_weight: float = 0.0  # of the model, when the month began

    @property
    def end_cents(self) -> int:
        """Value at the last close."""
        return int(self.value_cents[-1])

    @property
    def time_weighted(self) -> float:
        """Daily returns of the month, linked."""
        before = np.concatenate([[self.begin_cents], self.value_cents[:-1]])
        return linked(
            daily_returns(before, self.value_cents, self.inflow_cents, self.outflow_cents)
        )

    @property
    def flow_share(self) -> float:
        """Dollars that came or went, as a share of the opening value."""
        moved = int(self.inflow_cents.sum() + self.outflow_cents.sum())
        return moved / self.begin_cents if self.begin_cents else 0.0

    def member(self) -> Member:
        """As a member of a composite, flows by their day of the month."""
        net = self.inflow_cents - self.outflow_cents
        some = np.flatnonzero(net)
        return Member(
            self.account_id,
            float(self.begin_cents),
            flow_days=tuple(float(date.fromordinal(int(d)).day) for d in self.days[some]),
            flows=tuple(net[some].astype(float).tolist()),
            known_return=self.time_weighted,
        )


@dataclass(frozen=True, slots=True)
class CompositeMonth:
    """All members of one month together, by each method (M29)."""

    month: date
    members: tuple[str, ...]
    begin_cents: int
    end_cents: int
    returns: dict[CompositeMethod, float]
    benchmark: float
    member_returns: dict[str, float]


@dataclass(frozen=True, slots=True)
class CompositeYear:
    """One calendar year, or the part of it that there is; nothing is annualised (M12, M30)."""

    year: int
    months: int  # under 12 it is a part of a year and labelled so
    composite: float
    benchmark: float
    portfolios: int
    assets_cents: int
    firm_assets_cents: int
    full_year_members: int
    dispersion: float | None  # the measure that the definition states
    spread: Spread | None  # every measure
    deviation: float | None  # three years, yearly
    benchmark_deviation: float | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Membership:
    """One account: when it was in and why, or why it never was."""

    account_id: str
    intervals: tuple[Interval, ...]
    outside: str  # empty while it is a member


@dataclass(frozen=True, slots=True)
class CompositeRecord:
    """Everything that `sma measure composite` shows, besides outliers."""

    rules: CompositeRules
    months: tuple[CompositeMonth, ...]
    years: tuple[CompositeYear, ...]
    memberships: tuple[Membership, ...]
    whole: PeriodReturn | None
    benchmark: PeriodReturn | None
    notes: tuple[str, ...]


def month_end(month: date) -> date:
    """The last calendar day of a month given by its first."""
    return first_of_month(month, 1) - timedelta(days=1)


def account_months(
    account_id: str, strategy: str, series: DailyValues, last: date
) -> list[AccountMonth]:
    """The calendar months of a series until the month of `last`, the funding month included."""
    found = []
    month = first_of_month(date.fromordinal(int(series.days[0])))
    while month <= last:
        start, stop = np.searchsorted(
            series.days, [month.toordinal(), first_of_month(month, 1).toordinal()]
        )
        if stop == start:
            break  # the series has ended
        rows = slice(int(start), int(stop))
        found.append(
            AccountMonth(
                account_id,
                month,
                int(series.value_cents[start - 1]) if start else 0,
                series.days[rows],
                series.value_cents[rows],
                series.inflow_cents[rows],
                series.outflow_cents[rows],
                strategy,
            )
        )
        month = first_of_month(month, 1)
    return found


def aggregate_return(members: Sequence[AccountMonth]) -> float:
    """All members as one portfolio: their days added up, and linked (M8, M29)."""
    days = members[0].days
    if any(not np.array_equal(m.days, days) for m in members):
        refuse("member_days", "Members have values on different days.", where=str(days[0]))
    value, inflow, outflow = (
        np.sum([getattr(m, name) for m in members], axis=0)
        for name in ("value_cents", "inflow_cents", "outflow_cents")
    )
    before = np.concatenate([[sum(m.begin_cents for m in members)], value[:-1]])
    return linked(daily_returns(before, value, inflow, outflow))


def composite_record(
    rules: CompositeRules,
    months: Sequence[AccountMonth],
    benchmark: Mapping[date, float],
) -> CompositeRecord:
    """The record from account months of the whole firm and the benchmark's monthly returns."""
    ended = _ended(months)
    inside = [m for m in months if m.month >= rules.first and m.month < ended[m.account_id]]
    funded: dict[str, date] = {}
    for one in months:
        opened = date.fromordinal(int(one.days[0]))
        funded[one.account_id] = min(opened, funded.get(one.account_id, opened))
    # The month of funding is never a full one, and its opening value of zero judges nobody.
    full = [m for m in inside if m.month > first_of_month(funded[m.account_id])]
    intervals: dict[str, list[Interval]] = {}
    last = max((m.month for m in months), default=date.min)
    left = {name: day for name, day in ended.items() if day <= last}
    for interval in memberships(rules.rules, funded, left, [_facts(m) for m in full]):
        intervals.setdefault(interval.account_id, []).append(interval)
    made, notes = _months(rules.conventions, inside, intervals, benchmark)
    whole = against = None
    if made:
        period = made[0].month - timedelta(days=1), month_end(made[-1].month)
        method = rules.conventions.composite_method
        whole = PeriodReturn(*period, linked(np.array([m.returns[method] for m in made])))
        against = PeriodReturn(*period, linked(np.array([m.benchmark for m in made])))
    newest = {m.account_id: m for m in sorted(months, key=lambda m: m.month)}
    people = tuple(
        Membership(name, tuple(own), _outside(rules, own, funded[name], newest[name]))
        for name in sorted(funded)
        for own in [intervals.get(name, [])]
    )
    years = tuple(_years(rules.conventions, made, inside, months))
    return CompositeRecord(rules, tuple(made), years, people, whole, against, tuple(notes))


def _ended(months: Sequence[AccountMonth]) -> dict[str, date]:
    """The first month of each account that is not full at its end: it has left by then (M27)."""
    closing: dict[date, int] = {}
    for one in months:
        closing[one.month] = max(int(one.days[-1]), closing.get(one.month, 0))
    found: dict[str, date] = {}
    for one in sorted(months, key=lambda m: m.month):
        whole = int(one.days[-1]) == closing[one.month]
        found[one.account_id] = first_of_month(one.month, 1) if whole else one.month
    return found


def _facts(one: AccountMonth) -> AccountFacts:
    return AccountFacts(
        one.account_id,
        one.month,
        one.begin_cents / 100,
        one.strategy,
        excluded_weight=one.excluded_weight,
    )


def _is_in(intervals: Sequence[Interval], month: date) -> bool:
    return any(i.first <= month and (i.last is None or month <= i.last) for i in intervals)


def _months(
    conventions: Conventions,
    months: Sequence[AccountMonth],
    intervals: Mapping[str, Sequence[Interval]],
    benchmark: Mapping[date, float],
) -> tuple[list[CompositeMonth], list[str]]:
    """Months in order; a month without members ends the record and a new one begins (M13)."""
    by_month: dict[date, list[AccountMonth]] = {}
    for one in months:
        members = by_month.setdefault(one.month, [])
        if _is_in(intervals.get(one.account_id, ()), one.month):
            members.append(one)
    found: list[CompositeMonth] = []
    notes = []
    for month in sorted(by_month):
        if by_month[month]:
            found.append(_month(conventions, month, by_month[month], benchmark[month]))
        elif found:
            notes.append(
                f"Nobody was a member in {month:%Y-%m}: the record of "
                f"{found[0].month:%Y-%m} to {found[-1].month:%Y-%m} ended, a new one begins after."
            )
            found = []
    return found, notes


def _month(
    conventions: Conventions, month: date, members: Sequence[AccountMonth], benchmark: float
) -> CompositeMonth:
    weighted = (CompositeMethod.BEGINNING, CompositeMethod.BEGINNING_PLUS_FLOWS)
    days = month_end(month).day
    of = [m.member() for m in members]
    mean = composite_return(of, days, weighted, conventions.dietz_weight)
    return CompositeMonth(
        month,
        tuple(m.account_id for m in members),
        sum(m.begin_cents for m in members),
        sum(m.end_cents for m in members),
        {CompositeMethod.AGGREGATE: aggregate_return(members), **mean.composite},
        benchmark,
        mean.member_returns,
    )


def _years(
    conventions: Conventions,
    made: Sequence[CompositeMonth],
    inside: Sequence[AccountMonth],
    firm: Sequence[AccountMonth],
) -> list[CompositeYear]:
    method = conventions.composite_method
    begins = {(m.account_id, m.month): m.begin_cents for m in inside}
    found = []
    for year in sorted({m.month.year for m in made}):
        own = [m for m in made if m.month.year == year]
        until = [m for m in made if m.month <= own[-1].month]
        whole = [n for n in own[0].members if all(n in m.members for m in own)]
        full = whole if len(own) == 12 else []
        spread = _spread(conventions, own, full, begins)
        risks = [
            three_year_deviation(series, conventions.risk_ddof)
            for series in ([m.returns[method] for m in until], [m.benchmark for m in until])
        ]
        missing = []
        if spread is None:
            missing.append(f"dispersion: members of the full year {len(full)}, it is due from six")
        if risks[0] is None:
            missing.append(f"three-year deviation: {len(until)} of 36 months")
        last = own[-1].month
        found.append(
            CompositeYear(
                year=year,
                months=len(own),
                composite=linked(np.array([m.returns[method] for m in own])),
                benchmark=linked(np.array([m.benchmark for m in own])),
                portfolios=len(own[-1].members),
                assets_cents=own[-1].end_cents,
                firm_assets_cents=sum(m.end_cents for m in firm if m.month == last),
                full_year_members=len(full),
                dispersion=None if spread is None else _stated(conventions.dispersion, spread),
                spread=spread,
                deviation=risks[0],
                benchmark_deviation=risks[1],
                missing=tuple(missing),
            )
        )
    return found


def _spread(
    conventions: Conventions,
    months: Sequence[CompositeMonth],
    members: Sequence[str],
    begins: Mapping[tuple[str, date], int],
) -> Spread | None:
    """Dispersion of the members of the full year; None under six of them (M30)."""
    if len(members) < DISPERSION_FROM:
        return None
    returns: list[float] = [
        linked(np.array([m.member_returns[name] for m in months], dtype=np.float64))
        for name in members
    ]
    bases = [float(begins[name, months[0].month]) for name in members]
    return dispersion(returns, bases, conventions.dispersion_ddof)


def _stated(which: Dispersion, found: Spread) -> float | None:
    """High and low are told by their distance; both stand in the spread."""
    return {
        Dispersion.EQUAL_STD: found.equal_weighted_std,
        Dispersion.ASSET_STD: found.asset_weighted_std,
        Dispersion.IQR: found.iqr,
        Dispersion.RANGE: found.range,
        Dispersion.HIGH_LOW: found.range,
    }[which]


def _outside(
    rules: CompositeRules,
    own: Sequence[Interval],
    funded: date,
    newest: AccountMonth,
) -> str:
    """Why an account is not a member now; empty when it is."""
    if own and own[-1].last is None:
        return ""
    if own and own[-1].left is Reason.NOTICE:
        return f"its values end on {date.fromordinal(int(newest.days[-1]))}"
    if newest.month < rules.first:
        return f"no month since the definition began on {rules.first}"
    rule = definition_in_force(rules.rules, newest.month)
    if newest.excluded_weight > rule.most_excluded_weight:
        share = f"{newest.excluded_weight:.1%} of the model"
        return f"its owner excludes {share}, more than {rule.most_excluded_weight:.1%}"
    reason = rule.fits(_facts(newest))
    if reason is Reason.MANDATE_CHANGED:
        return f"its strategy is {newest.strategy}"
    if newest.month < (entry := entry_date(funded, rule.cutoff_day)):
        return f"funded on {funded}, enters on {entry}"
    if newest.begin_cents / 100 < rule.minimum:
        return f"below the minimum of {rule.minimum:,.2f}"
    return "comes back after one full month in which it fits"


def monthly_returns(levels: Floats, days: Ints, months: Sequence[date]) -> dict[date, float]:
    """An index's return over each month; the first month begins with the first level."""
    found = {}
    for month in months:
        ends = [month.toordinal() - 1, month_end(month).toordinal()]
        first, last = np.maximum(np.searchsorted(days, ends, side="right") - 1, 0)
        found[month] = float(levels[last] / levels[first] - 1.0)
    return found
