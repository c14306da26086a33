"""A household's return from the book: all accounts of a taxpayer as one (M6, M7, M16).

What leaves one account and enters another on the same day is no flow of the household.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.measure.length import PeriodReturn
from opensma.measure.money_weighted import SinceInception, since_inception
from opensma.measure.refusals import refuse
from opensma.measure.returns import linked, series_returns


@dataclass(frozen=True, slots=True)
class HouseholdPerformance:
    """Accounts of one taxpayer as one portfolio, from the first funding to the newest day."""

    taxpayer_id: str
    account_ids: tuple[str, ...]
    end_cents: int
    inflow_cents: int  # from outside the household
    outflow_cents: int
    time_weighted: PeriodReturn
    money_weighted: SinceInception | None  # all flows pooled, solved once
    missing: tuple[str, ...]


def together(series: Sequence[DailyValues]) -> DailyValues:
    """Several accounts as one; a missing day inside an account's life is an error, not a zero."""
    days = np.unique(np.concatenate([one.days for one in series]))
    total = np.zeros((3, len(days)), dtype=np.int64)
    for one in series:
        place = np.searchsorted(days, one.days)
        due = days[place[0] : place[-1] + 1]
        if len(due) != len(one.days):
            day = date.fromordinal(int(np.setdiff1d(due, one.days)[0]))
            refuse(
                "valuation_missing",
                "One account of the group has no value on a day on which another has one.",
                where=day.isoformat(),
                remedy="Run that day, or rebuild the book's values.",
            )
        if one.days[-1] != days[-1] and one.value_cents[-1]:
            refuse(
                "valuation_missing",
                "One account of the group still has a value, but none on the newest day.",
                where=date.fromordinal(int(days[-1])).isoformat(),
                remedy="Run the day for every account.",
            )
        total[:, place] += (one.value_cents, one.inflow_cents, one.outflow_cents)
    net = total[1] - total[2]
    return DailyValues(days, total[0], np.maximum(net, 0), np.maximum(-net, 0))


def household_performance(book: Book, taxpayer_id: str) -> HouseholdPerformance:
    """Returns of all accounts of a taxpayer since the first funding."""
    with book.read() as connection:
        accounts = [
            a for a in all_records(connection, AccountRecord) if a.taxpayer_id == taxpayer_id
        ]
        known = account_series(connection, [a.account_key for a in accounts])
    if not known:
        refuse(
            "no_values",
            "This household has no account with daily values.",
            where=taxpayer_id,
            remedy="sma account list --json names the taxpayer of each account.",
        )
    whole = together([known[a.account_key] for a in accounts if a.account_key in known])
    returns = series_returns(whole.value_cents, whole.inflow_cents, whole.outflow_cents)
    dates = [date.fromordinal(int(day)) for day in whole.days]
    amounts = (whole.outflow_cents - whole.inflow_cents).tolist()
    amounts[-1] += int(whole.value_cents[-1])
    missing: tuple[str, ...] = ()
    own = None
    try:
        own = since_inception(dates, amounts)
    except InputError as error:
        missing = (f"personal return: {error.message}",)
    return HouseholdPerformance(
        taxpayer_id,
        tuple(a.account_id for a in accounts if a.account_key in known),
        int(whole.value_cents[-1]),
        int(whole.inflow_cents.sum()),
        int(whole.outflow_cents.sum()),
        PeriodReturn(dates[0], dates[-1], linked(returns)),
        own,
        missing,
    )
