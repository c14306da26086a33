"""Accounts by calendar month, before and after fees: what composites are made of. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from opensma.book.series import DailyValues
from opensma.measure.composites import Member
from opensma.measure.conventions import FeeTiming
from opensma.measure.fees_book import (
    BookedFee,
    before_fees,
    fee_days,
    not_invoiced,
    taken_days,
)
from opensma.measure.membership import first_of_month
from opensma.measure.refusals import Floats, refuse
from opensma.measure.returns import daily_returns, gross_and_net, linked
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
    fee_cents: Ints | None = None  # (sessions,); None: not every day of the month is invoiced

    @property
    def end_cents(self) -> int:
        """Value at the last close."""
        return int(self.value_cents[-1])

    @property
    def time_weighted(self) -> float:
        """Daily returns of the month, linked."""
        return linked(self._daily(None))

    @property
    def net(self) -> float | None:
        """The same less the fees invoiced for the account; None where they are not known (M19)."""
        return None if self.fee_cents is None else linked(self._daily(self.fee_cents))

    def _daily(self, fees: Ints | None) -> Floats:
        before = np.concatenate([[self.begin_cents], self.value_cents[:-1]])
        return days_of(before, self.value_cents, self.inflow_cents, self.outflow_cents, fees)

    @property
    def net_flow_cents(self) -> int:
        """What came less what went."""
        return int(self.inflow_cents.sum() - self.outflow_cents.sum())

    @property
    def flow_share(self) -> float:
        """Dollars that came or went, as a share of the opening value."""
        moved = int(self.inflow_cents.sum() + self.outflow_cents.sum())
        return moved / self.begin_cents if self.begin_cents else 0.0

    def member(self, known_return: float) -> Member:
        """As a member of a composite, flows by their day of the month."""
        net = self.inflow_cents - self.outflow_cents
        some = np.flatnonzero(net)
        return Member(
            self.account_id,
            float(self.begin_cents),
            flow_days=tuple(float(date.fromordinal(int(d)).day) for d in self.days[some]),
            flows=tuple(net[some].astype(float).tolist()),
            known_return=known_return,
        )


def month_end(month: date) -> date:
    """The last calendar day of a month given by its first."""
    return first_of_month(month, 1) - timedelta(days=1)


def account_months(
    account_id: str,
    strategy: str,
    series: DailyValues,
    last: date,
    fees: Sequence[BookedFee] = (),
    timing: FeeTiming = FeeTiming.DEBIT_DATE,
) -> list[AccountMonth]:
    """The calendar months of a series until the month of `last`, the funding month included."""
    charged = fee_days(fees, series.days, timing)
    series = before_fees(series, taken_days(fees, series.days))
    funded = int(series.days[0])
    found = []
    month = first_of_month(date.fromordinal(int(series.days[0])))
    while month <= last:
        start, stop = np.searchsorted(
            series.days, [month.toordinal(), first_of_month(month, 1).toordinal()]
        )
        if stop == start:
            break  # the series has ended
        rows = slice(int(start), int(stop))
        begins, ends = max(month.toordinal(), funded), month_end(month).toordinal()
        known = not not_invoiced(fees, begins, ends)
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
                fee_cents=charged[rows] if known else None,
            )
        )
        month = first_of_month(month, 1)
    return found


def days_of(before: Ints, value: Ints, inflow: Ints, outflow: Ints, fees: Ints | None) -> Floats:
    """Daily returns, gross without fees and net with them."""
    if fees is None:
        return daily_returns(before, value, inflow, outflow)
    return gross_and_net(before, value, inflow, outflow, np.zeros_like(fees), fees)[1]


def aggregate_return(members: Sequence[AccountMonth], *, net: bool = False) -> float:
    """All members as one portfolio: their days added up, and linked (M8, M29)."""
    days = members[0].days
    if any(not np.array_equal(m.days, days) for m in members):
        refuse("member_days", "Members have values on different days.", where=str(days[0]))
    value, inflow, outflow = (
        np.sum([getattr(m, name) for m in members], axis=0)
        for name in ("value_cents", "inflow_cents", "outflow_cents")
    )
    before = np.concatenate([[sum(m.begin_cents for m in members)], value[:-1]])
    fees = None
    if net:
        fees = np.sum([m.fee_cents for m in members if m.fee_cents is not None], axis=0)
    return linked(days_of(before, value, inflow, outflow, fees))
