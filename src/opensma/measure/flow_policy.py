"""Large and significant flows by dated policy: two thresholds with two meanings (M10, M11).

A large flow asks for a value on its day. Accounts here are valued on every session, so each period
is broken there anyway; what a month not broken would have missed is told. A significant flow takes
an account out of its composite for a while and revalues nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np

from opensma.book.master import find_account
from opensma.book.series import DailyValues, account_series
from opensma.book.store import Book
from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.measure.conventions import Conventions, DatedConventions, LargeFlow, in_force
from opensma.measure.dietz import is_large, modified_dietz, significant_months
from opensma.measure.fees_book import as_gross
from opensma.measure.performance import Performance, month_marks, sessions_of
from opensma.measure.refusals import refuse
from opensma.measure.returns import linked, series_returns
from opensma.units import Ints

_ROW = {"effective", "recorded", "by", "large_flow", "significant_flow"}


def read_policy(data: bytes, where: str) -> tuple[DatedConventions, ...]:
    """A firm's dated policy in a JSON file: a list of rows, each from a day on."""
    try:
        rows = json.loads(data)
    except ValueError as error:
        refuse("policy_file", f"The file is no JSON: {error}.", where=where)
    if not isinstance(rows, list) or not rows:
        refuse("policy_file", "A policy is a list with at least one row.", where=where)
    return tuple(_row(row, f"{where}[{i}]") for i, row in enumerate(rows))


def _row(row: object, where: str) -> DatedConventions:
    if not isinstance(row, dict) or (row.keys() - _ROW):
        refuse(
            "policy_file",
            "A row is an object that holds nothing unknown.",
            where=where,
            remedy=f"Known are {', '.join(sorted(_ROW))}.",
        )
    by = row.get("by")
    if not isinstance(by, str) or not by.strip():
        refuse("policy_file", "'by' is missing: who set it.", where=f"{where}.by")
    effective, recorded = (
        parse_date(str(row.get(name, "")), where=f"{where}.{name}")
        for name in ("effective", "recorded")
    )
    policy = Conventions(
        large_flow=read_large(row, "large_flow", where),
        significant_flow=read_share(row, "significant_flow", where),
    )
    try:
        return DatedConventions(effective, recorded, by, policy)
    except InputError as error:  # the same refusal, with its place in the file
        raise InputError(error.code, error.message, where=where, remedy=error.remedy) from None


def read_share(given: Mapping[str, Any], name: str, where: str) -> float | None:
    """A positive share; None where it is not set."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e6:
        refuse("flow_policy", f"'{name}' is a share above zero.", where=f"{where}.{name}")
    return float(value)


def read_large(given: Mapping[str, Any], name: str, where: str) -> LargeFlow | None:
    """{"amount": dollars} or {"share": of the value at the period's start}; None if not set."""
    value = given.get(name)
    if value is None:
        return None
    if not isinstance(value, dict) or value.keys() - {"amount", "share"} or len(value) != 1:
        refuse(
            "flow_policy",
            f"'{name}' holds an amount or a share, exactly one of them.",
            where=f"{where}.{name}",
        )
    (kind,) = value
    return LargeFlow(**{kind: read_share(value, kind, f"{where}.{name}")})


@dataclass(frozen=True, slots=True)
class PolicyFlow:
    """One day's net flow that a policy names; the value was taken on that day."""

    day: date
    net_cents: int
    begin_cents: int  # value when the month began
    large: bool

    @property
    def share(self) -> float:
        """Of the value when the month began."""
        return abs(self.net_cents) / self.begin_cents


@dataclass(frozen=True, slots=True)
class PolicyMonth:
    """One month with a large or significant flow, broken at its flows and not broken."""

    first: date  # the day after the opening close
    last: date
    begin_cents: int
    net_cents: int  # of the whole month
    significant: bool  # takes the account out of its composite (M11)
    flows: tuple[PolicyFlow, ...]  # the large ones (M10)
    time_weighted: float  # valued on every session
    not_broken: float | None  # Modified Dietz over the whole month; None without a base

    @property
    def difference_bp(self) -> float | None:
        """What not breaking the month would have missed, in basis points."""
        if self.not_broken is None:
            return None
        return (self.not_broken - self.time_weighted) * 10_000


def account_policy_months(
    book: Book, found: Performance, policy: Sequence[DatedConventions]
) -> list[PolicyMonth]:
    """`policy_months` of a measured account."""
    with book.read() as connection:
        account = find_account(connection, found.account_id)
        series = account_series(connection, [account.account_key])[account.account_key]
        gross = as_gross(connection, found.account_id, series)
    return policy_months(series, found, policy, gross)


def policy_months(
    series: DailyValues,
    found: Performance,
    policy: Sequence[DatedConventions],
    gross: DailyValues | None = None,
) -> list[PolicyMonth]:
    """Months of a measured period in which the policy then in force names a flow.

    The funding month has no opening value, so no flow in it is a share of anything.
    """
    rows = sessions_of(found, series)
    marks = month_marks(series.days, rows)
    earned = gross or series  # a collected fee is given back, and is no flow
    daily = series_returns(earned.value_cents, earned.inflow_cents, earned.outflow_cents)
    net = series.inflow_cents - series.outflow_cents
    months = []
    for before, end in pairwise(marks.tolist()):
        begin, opening = int(series.value_cents[before]), int(series.days[before])
        inside = slice(before + 1, end + 1)
        moved = net[inside]
        days = series.days[inside]
        if begin <= 0 or not moved.any():
            continue
        rule = in_force(policy, date.fromordinal(int(days[0])))
        flows = tuple(
            PolicyFlow(date.fromordinal(int(days[i])), int(moved[i]), begin, large=True)
            for i in np.flatnonzero(moved)
            if rule.large_flow is not None
            and is_large(int(moved[i]) / 100, begin / 100, rule.large_flow)
        )
        total = int(moved.sum())
        out = rule.significant_flow is not None and bool(
            significant_months([begin], [[total]], rule.significant_flow)[0, 0]
        )
        if not flows and not out:
            continue
        worth = int(series.value_cents[end])
        months.append(
            PolicyMonth(
                date.fromordinal(opening + 1),
                date.fromordinal(int(days[-1])),
                begin,
                total,
                out,
                flows,
                linked(daily[inside]),
                _not_broken(begin, worth, days - opening, moved, rule),
            )
        )
    return months


def _not_broken(begin: int, end: int, when: Ints, moved: Ints, rule: Conventions) -> float | None:
    try:
        flows = moved[None, :].astype(np.float64)
        found = modified_dietz([begin], [end], int(when[-1]), when, flows, rule.dietz_weight)
    except InputError:  # what left early leaves no base to divide by
        return None
    return float(found.returns[0])
