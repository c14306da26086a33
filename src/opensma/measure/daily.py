"""Stage `measure`: the value, flows and returns of every account after the day's trades.

A day is linked to the one before it. Sessions that nobody ran are valued from the journal first,
so that a series never has a hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np

from opensma.book.daybook import DayContext
from opensma.book.debits import fee_cash
from opensma.book.fold import fold
from opensma.book.journal import ARRIVALS, DEPARTURES
from opensma.book.ledger import accounts_with, load_states, read_journal
from opensma.book.master import AccountRecord, Household
from opensma.book.plans import day_plans
from opensma.book.series import (
    DailyValues,
    account_series,
    measured_total,
    put_days,
    put_measures,
)
from opensma.book.state import AccountState, new_account
from opensma.book.store import Connection
from opensma.measure.returns import Floats, linked, series_returns
from opensma.measure.valuation import (
    Track,
    account_cents,
    carried_closes,
    daily_values,
)
from opensma.units import MICROS, Ints, round_half_up

STAGE = "measure"


def measure_stage(context: DayContext) -> dict[str, object]:
    """Value every account and link its returns; returns totals over the book."""
    closes = context.close_micros()
    benchmark = context.market.benchmark_index()
    with context.book.read() as connection:
        predicted = {p.account_id: p.te_after for p in day_plans(connection, context.run.run_id)}
    for some in context.batches(STAGE):
        with context.commit(STAGE, some) as connection:
            _measure(connection, context, some, closes, benchmark, predicted)
    return _totals(context)


def _measure(
    connection: Connection,
    context: DayContext,
    some: list[Household],
    closes: Ints,
    benchmark: Floats,
    predicted: dict[str, float],
) -> None:
    accounts = [(h, a) for h in some for a in h.accounts]
    keys = [a.account_key for _, a in accounts]
    states = load_states(connection, keys)
    known = account_series(connection, keys)
    in_kind = accounts_with(connection, keys, ARRIVALS | DEPARTURES)
    fees = fee_cash(connection, keys)
    rows, measures = [], []
    for household, account in accounts:
        state = states[account.account_key]
        if state.seq == 0:
            continue  # opened, not funded
        series = known.get(account.account_key)
        if account.account_key in in_kind and series is not None:
            series = _continued(series, _replayed(connection, context, account.account_key))
        else:
            series = _with_today(connection, context, account, state, series, closes)
        fresh = series.days > _last_known(known.get(account.account_key))
        rows += day_rows(account.account_key, series, fresh)
        measures.append(
            measure_row(
                household,
                account,
                state,
                series,
                benchmark,
                context.market.days,
                predicted.get(account.account_id, 0.0),
                _taken(fees.get(account.account_key, ()), series.days),
            )
        )
    put_days(connection, rows)
    put_measures(connection, measures)


def _taken(moved: Sequence[tuple[int, int]], days: Ints) -> Ints:
    """Fees that left the account's cash, on the sessions that lack them: gross gives them back."""
    found = np.zeros(len(days), dtype=np.int64)
    for day, cents in moved:
        place = int(np.searchsorted(days, day))
        if place < len(days):
            found[place] += cents
    return found


def _last_known(series: DailyValues | None) -> int:
    return 0 if series is None else int(series.days[-1])


def _with_today(
    connection: Connection,
    context: DayContext,
    account: AccountRecord,
    state: AccountState,
    series: DailyValues | None,
    closes: Ints,
) -> DailyValues:
    """The series through today: one more day when yesterday is known, else from the journal."""
    days = context.market.days
    if series is None:
        return _replayed(connection, context, account.account_key)
    if len(days) < 2 or int(series.days[-1]) != int(days[-2]):
        return _continued(series, _replayed(connection, context, account.account_key))
    day = date.fromordinal(int(days[-2])).isoformat()
    today = Track()
    for booked in read_journal(connection, [account.account_key], day):
        today.add(booked, state)
    inflow, outflow = sum(today.inflow.values()), sum(today.outflow.values())
    told = int((series.inflow_cents - series.outflow_cents).sum()) + inflow - outflow
    if told != state.deposited_cents - state.withdrawn_cents:
        # A deposit or withdrawal was booked on a day that had been measured before.
        return _continued(series, _replayed(connection, context, account.account_key))
    extra = (context.day, account_cents(state, closes), inflow, outflow)
    return _longer(series, [np.array([value], dtype=np.int64) for value in extra])


def _continued(known: DailyValues, made: DailyValues) -> DailyValues:
    """What is on record stays; flows that were booked behind it count on the first day after.

    A deposit of a late fact, or shares in kind dated on a day already measured, are no gain (M6).
    """
    fresh = made.days > known.days[-1]
    if not fresh.any():
        return known
    late = int((made.inflow_cents - made.outflow_cents)[~fresh].sum())
    late -= int((known.inflow_cents - known.outflow_cents).sum())
    inflow, outflow = made.inflow_cents[fresh], made.outflow_cents[fresh]
    inflow[0] += max(0, late)
    outflow[0] += max(0, -late)
    return _longer(known, [made.days[fresh], made.value_cents[fresh], inflow, outflow])


def _longer(series: DailyValues, extra: list[Ints]) -> DailyValues:
    columns = (series.days, series.value_cents, series.inflow_cents, series.outflow_cents)
    return DailyValues(*(np.append(c, v) for c, v in zip(columns, extra, strict=True)))


def _replayed(connection: Connection, context: DayContext, key: int) -> DailyValues:
    state, track = new_account(key), Track()
    for booked in read_journal(connection, [key]):
        state = fold(state, booked)
        track.add(booked, state)
    closes = carried_closes(context.market)
    return daily_values(track, closes, context.market.days, context.keys, context.day)


def day_rows(
    key: int, series: DailyValues, rows: np.ndarray
) -> list[tuple[int, str, int, int, int]]:
    """Rows of `account_days` for some days of a series."""
    columns = (series.days, series.value_cents, series.inflow_cents, series.outflow_cents)
    return [
        (key, date.fromordinal(day).isoformat(), value, inflow, outflow)
        for day, value, inflow, outflow in zip(*(c[rows].tolist() for c in columns), strict=True)
    ]


def measure_row(
    household: Household,
    account: AccountRecord,
    state: AccountState,
    series: DailyValues,
    benchmark: Floats,
    market_days: Ints,
    predicted_te: float,
    taken: Ints,
) -> tuple[object, ...]:
    """One row of `account_measures`: where the account stands after its last day."""
    day = int(series.days[-1])
    returns = series_returns(series.value_cents, series.inflow_cents, series.outflow_cents + taken)
    start, end = np.searchsorted(market_days, [int(series.days[0]), day])
    year = state.year(date.fromordinal(day).year)
    profile = household.profile
    tax_value = round_half_up(
        year["harvested_short_cents"] * profile.short_rate_micros
        + year["harvested_long_cents"] * profile.long_rate_micros,
        MICROS,
    )
    return (
        account.account_key,
        date.fromordinal(day).isoformat(),
        int(series.value_cents[-1]),
        state.cash_cents,
        len(np.unique(state.lots.security)),
        len(state.lots),
        int(state.lots.basis_cents.sum()),
        linked(returns),
        float(benchmark[end] / benchmark[start] - 1.0),
        predicted_te,
        year["harvested_short_cents"] + year["harvested_long_cents"],
        state.harvested_cents,
        tax_value if account.taxed else 0,
        year["short_gain_cents"] - year["short_loss_cents"] + year["disallowed_short_cents"],
        year["long_gain_cents"] - year["long_loss_cents"] + year["disallowed_long_cents"],
    )


def _totals(context: DayContext) -> dict[str, object]:
    with context.book.read() as connection:
        count, value = measured_total(connection, context.iso)
    return {"accounts": count, "value_cents": value}
