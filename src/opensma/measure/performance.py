"""One account over a period: time-weighted, personal, after tax, against its benchmark.

Everything from the book's own facts: daily values and flows, the journal's realised amounts with
the rates in force on their days (M48), and the total-return index of the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from opensma.book.fold import fold
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, TaxProfile, all_records, find_account
from opensma.book.series import DailyValues, account_series
from opensma.book.state import YEAR_COLUMNS, AccountState, new_account
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.market import Market
from opensma.measure import risk
from opensma.measure.conventions import Conventions
from opensma.measure.fees_book import (
    BookedFee,
    before_fees,
    booked_fees,
    fee_days,
    net_returns,
    not_invoiced,
    taken_days,
)
from opensma.measure.length import PeriodReturn
from opensma.measure.money_weighted import SinceInception, since_inception
from opensma.measure.refusals import Floats, refuse
from opensma.measure.returns import SESSIONS_PER_YEAR, linked, series_returns
from opensma.units import MICROS, Ints

# Which year totals of a state make up what was realised, and with which sign.
_SHORT = {"short_gain_cents": 1, "short_loss_cents": -1, "disallowed_short_cents": 1}
_LONG = {"long_gain_cents": 1, "long_loss_cents": -1, "disallowed_long_cents": 1}
_DIVIDENDS = {"dividend_cents": 1}


@dataclass(frozen=True, slots=True)
class AfterTaxPeriod:
    """Pre-liquidation return and what it took off; losses count in full (M41, M42)."""

    pre_liquidation: PeriodReturn
    tax_cents: int
    realised_short_cents: int
    realised_long_cents: int
    dividend_cents: int  # taxed at the long-term rate
    short_rate: float  # in force at the end
    long_rate: float


@dataclass(frozen=True, slots=True)
class Performance:
    """What a period came to. `None` stands where `missing` says why."""

    account_id: str
    begin_cents: int
    end_cents: int
    inflow_cents: int
    outflow_cents: int
    sessions: int
    time_weighted: PeriodReturn
    benchmark: PeriodReturn
    money_weighted: SinceInception | None
    after_tax: AfterTaxPeriod | None
    tracking_error: float | None  # realised, yearly
    beta: float | None
    max_drawdown: float
    missing: tuple[str, ...]
    net: PeriodReturn | None = None  # after the management fees that were invoiced (M19)
    fee_cents: int = 0
    not_invoiced_days: int = 0  # of the period of a net return: it knows no fee for them


def account_performance(
    book: Book, market: Market, account_id: str, first: date | None, last: date | None
) -> Performance:
    """Measure an account from the close of `first` to the close of `last`.

    Without `first` from its funding, without `last` to its newest day.
    """
    with book.read() as connection:
        account = find_account(connection, account_id)
        series = account_series(connection, [account.account_key]).get(account.account_key)
        profiles = [
            p for p in all_records(connection, TaxProfile) if p.taxpayer_id == account.taxpayer_id
        ]
        journal = list(read_journal(connection, [account.account_key]))
        fees = booked_fees(connection, [account_id])
    if series is None:
        refuse(
            "no_values",
            "This account has no daily values yet.",
            where=account_id,
            remedy="Fund it and run a trading day.",
        )
    realised = realised_by_day(new_account(account.account_key), journal, series.days)
    return measure(account, series, realised, profiles, market, first, last, fees)


class RealisedDays:
    """Adds up (3, days) realised short, long and dividends in cents, on trade dates (M48).

    A loss disallowed later is taken off on the day of its sale: it was never a benefit (M51).
    """

    def __init__(self, state: AccountState, days: Ints) -> None:
        self._signs = np.zeros((3, len(YEAR_COLUMNS)), dtype=np.int64)
        for row, parts in enumerate((_SHORT, _LONG, _DIVIDENDS)):
            for name, sign in parts.items():
                self._signs[row, YEAR_COLUMNS.index(name)] = sign
        self._days = days
        self._years = state.years
        self._before = np.zeros(3, dtype=np.int64)
        self.cents: Ints = np.zeros((3, len(days)), dtype=np.int64)

    def take(self, booked: Booked, after: AccountState) -> None:
        """The next entry with the state after it."""
        if after.years is self._years:
            return
        self._years = after.years
        sums: Ints = self._signs @ after.years.sum(axis=0)
        entry = booked.entry
        late = entry.kind is Kind.LOSS_DISALLOWED
        day = int(entry.body["sold_day"]) if late else entry.trade_day
        place = min(int(np.searchsorted(self._days, day)), len(self._days) - 1)
        self.cents[:, place] += sums - self._before
        self._before = sums


def realised_by_day(state: AccountState, journal: Sequence[Booked], days: Ints) -> Ints:
    """(3, days) realised cents of a journal; see `RealisedDays`."""
    found = RealisedDays(state, days)
    for booked in journal:
        state = fold(state, booked)
        found.take(booked, state)
    return found.cents


def measure(
    account: AccountRecord,
    series: DailyValues,
    realised: Ints,
    profiles: Sequence[TaxProfile],
    market: Market,
    first: date | None,
    last: date | None,
    fees: Sequence[BookedFee] | None = None,
) -> Performance:
    """The figures from arrays over days; `realised` (3, days) as from `realised_by_day`."""
    rows, opening = _rows(series, first, last)
    start, end = date.fromordinal(opening), date.fromordinal(int(series.days[rows][-1]))
    taken = taken_days(fees or (), series.days)
    whole = before_fees(series, taken)
    returns = series_returns(whole.value_cents, whole.inflow_cents, whole.outflow_cents)
    levels = market.benchmark_index()[np.searchsorted(market.days, series.days)]
    against = np.append(0.0, levels[1:] / levels[:-1] - 1.0)
    begin = int(series.value_cents[rows.start - 1]) if rows.start else 0
    missing: list[str] = []
    unknown: list[str] = []  # told after the others
    net, charged = _net(series, rows, (start, end), fees, unknown)
    own, theirs = returns[rows], against[rows]
    error = beta = None
    if len(own) > 2:
        compared = slice(1 if rows.start == 0 else 0, None)  # nothing to compare on the first day
        p, b = own[compared], theirs[compared]
        error = float(risk.tracking_errors(p, b, SESSIONS_PER_YEAR))
        beta = float(risk.betas(p, b)) if np.ptp(b) > 0 else None
    return Performance(
        account_id=account.account_id,
        begin_cents=begin,
        end_cents=int(series.value_cents[rows][-1]),
        inflow_cents=int(series.inflow_cents[rows].sum()),
        outflow_cents=int(series.outflow_cents[rows].sum()),
        sessions=len(own),
        time_weighted=PeriodReturn(start, end, linked(own)),
        benchmark=PeriodReturn(start, end, linked(theirs)),
        money_weighted=_money_weighted(series, rows, start, begin, missing),
        after_tax=_after_tax(account, whole, rows, (start, end), realised, profiles, missing),
        tracking_error=error,
        beta=beta,
        max_drawdown=float(risk.drawdowns(own)),
        missing=(*missing, *unknown),
        net=net,
        fee_cents=charged,
        not_invoiced_days=0
        if net is None
        else not_invoiced(fees or (), start.toordinal() + 1, end.toordinal()),
    )


def _net(
    series: DailyValues,
    rows: slice,
    period: tuple[date, date],
    fees: Sequence[BookedFee] | None,
    missing: list[str],
) -> tuple[PeriodReturn | None, int]:
    """The return after invoiced fees, and the fees; None where nothing was ever invoiced."""
    if fees is None:
        return None, 0  # not asked for
    if not any(fee.cents for fee in fees):
        missing.append("net return: no management fee has been invoiced for the account")
        return None, 0
    charged = fee_days(fees, series.days, Conventions().fee_timing)
    _, net = net_returns(series, charged, taken_days(fees, series.days))
    return PeriodReturn(*period, linked(net[rows])), int(charged[rows].sum())


def _rows(series: DailyValues, first: date | None, last: date | None) -> tuple[slice, int]:
    """Days that are measured, and the day of the opening value."""
    days = series.days
    funded, newest = int(days[0]), int(days[-1])
    low = funded if first is None else first.toordinal()
    high = newest if last is None else last.toordinal()
    if not funded <= low < high <= newest:
        refuse(
            "period",
            f"The account has values from {date.fromordinal(funded)} to "
            f"{date.fromordinal(newest)}; the period must lie in it and have a length.",
            where=f"{date.fromordinal(low)} to {date.fromordinal(high)}",
            remedy="Choose dates inside.",
        )
    begin = 0 if first is None else int(np.searchsorted(days, low, side="right"))
    end = int(np.searchsorted(days, high, side="right"))
    if end - begin < 1:
        refuse("period", "No session lies in this period.", remedy="Choose a longer period.")
    return slice(begin, end), int(days[begin - 1]) if begin else funded


def sessions_of(found: Performance, series: DailyValues) -> slice:
    """Rows of a series that were measured."""
    stop = int(np.searchsorted(series.days, found.time_weighted.end.toordinal(), side="right"))
    return slice(stop - found.sessions, stop)


def month_marks(days: Ints, rows: slice) -> Ints:
    """Rows of the opening close, of every month's last session, and of the end."""
    opening = max(rows.start - 1, 0)
    months = np.array([d.year * 12 + d.month for d in map(date.fromordinal, days.tolist())])
    inside = np.arange(opening, rows.stop)
    ends = inside[:-1][months[inside[:-1]] != months[inside[1:]]]
    return np.unique(np.concatenate([[opening], ends, [rows.stop - 1]]))


def _money_weighted(
    series: DailyValues, rows: slice, start: date, begin: int, missing: list[str]
) -> SinceInception | None:
    days = [start, *(date.fromordinal(int(d)) for d in series.days[rows])]
    net = (series.outflow_cents - series.inflow_cents)[rows]
    amounts = [-begin, *net.tolist()]
    amounts[-1] += int(series.value_cents[rows][-1])
    try:
        return since_inception(days, amounts)
    except InputError as error:
        missing.append(f"personal return: {error.message}")
        return None


def _after_tax(
    account: AccountRecord,
    series: DailyValues,
    rows: slice,
    period: tuple[date, date],
    realised: Ints,
    profiles: Sequence[TaxProfile],
    missing: list[str],
) -> AfterTaxPeriod | None:
    """None for a tax-exempt account or without rates, never a tax of zero (M50)."""
    days = series.days[rows]
    short, long = (rates_on(profiles, days, name) for name in ("short_rate", "long_rate"))
    if not account.taxed or short is None or long is None:
        why = "the account is tax-exempt" if not account.taxed else "no tax rates are on file"
        missing.append(f"after-tax return: {why}")
        return None
    amounts = realised[:, rows]
    tax = _tax(amounts, short, long)
    daily = after_tax_daily(series, rows, realised, short, long)
    return AfterTaxPeriod(
        PeriodReturn(*period, linked(daily)),
        round(float(tax.sum())),
        int(amounts[0].sum()),
        int(amounts[1].sum()),
        int(amounts[2].sum()),
        short_rate=float(short[-1]),
        long_rate=float(long[-1]),
    )


def _tax(amounts: Ints, short: Floats, long: Floats) -> Floats:
    taxed: Floats = amounts[0] * short + (amounts[1] + amounts[2]) * long
    return taxed


def after_tax_daily(
    series: DailyValues, rows: slice, realised: Ints, short: Floats, long: Floats
) -> Floats:
    """(days of the period,) returns less the day's tax over its base (M41)."""
    returns = series_returns(series.value_cents, series.inflow_cents, series.outflow_cents)
    tax = _tax(realised[:, rows], short, long)
    before = np.append(0, series.value_cents[:-1])[rows]
    base = (before + series.inflow_cents[rows]).astype(np.float64)
    cost: Floats = np.divide(tax, base, out=np.zeros_like(base), where=base > 0)
    daily: Floats = returns[rows] - cost
    return daily


def rates_on(profiles: Sequence[TaxProfile], days: Ints, name: str) -> Floats | None:
    """The rate in force on each day (M48); None when a day has none."""
    known = sorted((date.fromisoformat(p.valid_from).toordinal(), p) for p in _unique(profiles))
    starts = np.array([start for start, _ in known], dtype=np.int64)
    place = np.searchsorted(starts, days, side="right") - 1
    if not known or place.min() < 0:
        return None
    micros = np.array([getattr(p, f"{name}_micros") for _, p in known], dtype=np.float64)
    found: Floats = micros[place] / MICROS
    return found


def _unique(profiles: Sequence[TaxProfile]) -> list[TaxProfile]:
    return list({p.valid_from: p for p in profiles}.values())
