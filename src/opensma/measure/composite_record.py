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

from opensma.measure.account_month import AccountMonth, aggregate_return, month_end
from opensma.measure.composite_rules import CompositeRules
from opensma.measure.composites import (
    DISPERSION_FROM,
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
from opensma.measure.refusals import Floats
from opensma.measure.returns import linked
from opensma.measure.risk import three_year_deviation
from opensma.units import Ints


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
    net: dict[CompositeMethod, float] | None = None  # None: a member's fees are not known
    member_net: dict[str, float] | None = None
    fee_cents: int = 0
    not_invoiced: tuple[str, ...] = ()  # members whose fees are not known


@dataclass(frozen=True, slots=True)
class Removal:
    """An account that was out of the composite for a while because of a flow (M11)."""

    account_id: str
    month: date
    net_flow_cents: int
    begin_cents: int
    bound: float  # the rule's share
    back: date  # the first month in which it may be in again


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
    net: float | None = None  # less the fees of every member; None where `missing` says why


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
    whole_net: PeriodReturn | None = None
    removals: tuple[Removal, ...] = ()
    large_flows: int = 0  # of members, by the dated rule; each was valued on its day (M10)


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
    facts = [_facts(rules, m) for m in full]
    intervals: dict[str, list[Interval]] = {}
    last = max((m.month for m in months), default=date.min)
    left = {name: day for name, day in ended.items() if day <= last}
    for interval in memberships(rules.rules, funded, left, facts):
        intervals.setdefault(interval.account_id, []).append(interval)
    made, notes = _months(rules.conventions, inside, intervals, benchmark)
    whole = against = net = None
    if made:
        period = made[0].month - timedelta(days=1), month_end(made[-1].month)
        method = rules.conventions.composite_method
        whole = PeriodReturn(*period, linked(np.array([m.returns[method] for m in made])))
        against = PeriodReturn(*period, linked(np.array([m.benchmark for m in made])))
        after_fees = _net(made, method)
        net = None if after_fees is None else PeriodReturn(*period, after_fees)
    newest = {m.account_id: m for m in sorted(months, key=lambda m: m.month)}
    people = tuple(
        Membership(name, tuple(own), _outside(rules, own, funded[name], newest[name]))
        for name in sorted(funded)
        for own in [intervals.get(name, [])]
    )
    years = tuple(_years(rules.conventions, made, inside, months))
    return CompositeRecord(
        rules,
        tuple(made),
        years,
        people,
        whole,
        against,
        tuple(notes),
        net,
        tuple(_removals(rules, intervals, {(m.account_id, m.month): m for m in full})),
        _large_flows(rules, inside, intervals),
    )


def _net(months: Sequence[CompositeMonth], method: CompositeMethod) -> float | None:
    """Months after fees, linked; None where one is not known."""
    known = [m.net[method] for m in months if m.net is not None]
    return linked(np.array(known)) if len(known) == len(months) else None


def _removals(
    rules: CompositeRules,
    intervals: Mapping[str, Sequence[Interval]],
    months: Mapping[tuple[str, date], AccountMonth],
) -> list[Removal]:
    """Who left for a significant flow, and how large it was."""
    found = []
    for account_id in sorted(intervals):
        for interval in intervals[account_id]:
            if interval.left is not Reason.SIGNIFICANT_FLOW or interval.last is None:
                continue
            out = interval.last + timedelta(days=1)
            one, rule = months[account_id, out], definition_in_force(rules.rules, out)
            bound = rule.significant_flow or 0.0
            back = first_of_month(out, 2)
            found.append(Removal(account_id, out, one.net_flow_cents, one.begin_cents, bound, back))
    return found


def _large_flows(
    rules: CompositeRules,
    months: Sequence[AccountMonth],
    intervals: Mapping[str, Sequence[Interval]],
) -> int:
    """Days of members on which a flow was large by the rule then in force (M10)."""
    count = 0
    for one in months:
        if _is_in(intervals.get(one.account_id, ()), one.month):
            rule = definition_in_force(rules.rules, one.month)
            net = one.inflow_cents - one.outflow_cents
            count += sum(rule.is_large(one.begin_cents / 100, int(c) / 100) for c in net[net != 0])
    return count


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


def _facts(rules: CompositeRules, one: AccountMonth) -> AccountFacts:
    rule = definition_in_force(rules.rules, one.month)
    return AccountFacts(
        one.account_id,
        one.month,
        one.begin_cents / 100,
        one.strategy,
        excluded_weight=one.excluded_weight,
        significant_flow=rule.is_significant(one.begin_cents, one.net_flow_cents),
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
    of = [m.member(m.time_weighted) for m in members]
    mean = composite_return(of, days, weighted, conventions.dietz_weight)
    own = {m.account_id: r for m in members if (r := m.net) is not None}
    net = fees = None
    if len(own) == len(members):
        less = [m.member(own[m.account_id]) for m in members]
        after = composite_return(less, days, weighted, conventions.dietz_weight)
        together = aggregate_return(members, net=True)
        net = {CompositeMethod.AGGREGATE: together, **after.composite}
        fees = sum(int(m.fee_cents.sum()) for m in members if m.fee_cents is not None)
    return CompositeMonth(
        month,
        tuple(m.account_id for m in members),
        sum(m.begin_cents for m in members),
        sum(m.end_cents for m in members),
        {CompositeMethod.AGGREGATE: aggregate_return(members), **mean.composite},
        benchmark,
        mean.member_returns,
        net,
        None if net is None else own,
        fees or 0,
        tuple(m.account_id for m in members if m.account_id not in own),
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
        net = _net(own, method)
        if net is None:
            missing.append(_not_known(own))
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
                net=net,
            )
        )
    return found


def _not_known(months: Sequence[CompositeMonth]) -> str:
    """Why a year has no return after fees, with the first account and month that lack one."""
    open_ones = [m for m in months if m.net is None]
    first = open_ones[0]
    return (
        f"net return: no invoice serves {first.not_invoiced[0]} all of {first.month:%Y-%m} "
        f"(members without one in {len(open_ones)} of {len(months)} months)"
    )


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
    facts = _facts(rules, newest)
    if facts.significant_flow:
        moved = abs(newest.net_flow_cents) / newest.begin_cents
        return f"a flow of {moved:.1%} of its value in {newest.month:%Y-%m}"
    reason = rule.fits(facts)
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
