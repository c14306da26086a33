"""After tax on the book: what liquidation would take, a shadow benchmark, and tax alpha.

Realised amounts are those of the journal; unrealised ones are of the lots at month ends. The
shadow is the benchmark with the account's own flows, rates and starting basis (M52 to M55).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from opensma.book.fold import fold
from opensma.book.journal import ARRIVALS, DEPARTURES, Booked
from opensma.book.ledger import read_journal
from opensma.book.master import TaxProfile, all_records, find_account
from opensma.book.names import KeyMap, key_map
from opensma.book.series import DailyValues, account_series
from opensma.book.state import AccountState, new_account
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.market import Market
from opensma.measure.after_tax import TaxAlpha, TaxRates, tax_alpha, unrealised_share
from opensma.measure.conventions import Conventions, ShadowStart
from opensma.measure.dietz import modified_dietz
from opensma.measure.fees_book import as_gross
from opensma.measure.length import PeriodReturn
from opensma.measure.losses import harvest_yield
from opensma.measure.performance import (
    Performance,
    after_tax_daily,
    month_marks,
    rates_on,
    realised_by_day,
    sessions_of,
)
from opensma.measure.refusals import Floats
from opensma.measure.returns import linked
from opensma.measure.shadow import shadow_benchmark
from opensma.measure.valuation import carried_closes, holdings_cents
from opensma.units import Ints


@dataclass(frozen=True, slots=True)
class ShadowReturn:
    """The benchmark as if the account had held it, and what tax management added (M52, M55)."""

    pre_tax: PeriodReturn
    after_tax: PeriodReturn
    alpha: TaxAlpha
    start: ShadowStart


@dataclass(frozen=True, slots=True)
class TaxManagement:
    """Everything after tax that stands beside the pre-liquidation return; cents."""

    mark_to_liquidation: PeriodReturn
    shadow: ShadowReturn | None
    unrealised_short_cents: int
    unrealised_long_cents: int
    unrealised_share: float  # of the value at the end (M46)
    harvested_cents: int
    harvest_yield: float  # of the average value
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Overhang:
    """Gains not realised at chosen closes, (marks, 2) cents short and long (M43).

    `moved` is what came since the mark before, or left, with shares in kind: no gain of ours.
    """

    gains: Ints
    moved: Ints
    harvested: Ints  # (marks,) so far


def account_tax_management(
    book: Book,
    market: Market,
    found: Performance,
    start: ShadowStart = ShadowStart.ACCOUNT,
) -> TaxManagement | None:
    """For the period of a measured account; None where it has no return after tax (M50)."""
    if found.after_tax is None:
        return None
    with book.read() as connection:
        account = find_account(connection, found.account_id)
        series = account_series(connection, [account.account_key])[account.account_key]
        gross = as_gross(connection, found.account_id, series)
        profiles = [
            p for p in all_records(connection, TaxProfile) if p.taxpayer_id == account.taxpayer_id
        ]
        journal = list(read_journal(connection, [account.account_key]))
        keys = key_map(connection, market)
    whole = found.time_weighted
    rows = sessions_of(found, series)
    state = new_account(account.account_key)
    realised = realised_by_day(state, journal, series.days)
    marks = month_marks(series.days, rows)
    overhang = overhangs(state, journal, market, keys, series.days[marks])
    short, long = (rates_on(profiles, series.days[rows], n) for n in ("short_rate", "long_rate"))
    if short is None or long is None:
        return None
    daily = after_tax_daily(gross, rows, realised, short, long)
    liquid = _mark_to_liquidation(gross, rows, marks, daily, overhang, (short, long))
    missing: list[str] = []
    rates = TaxRates(float(short[-1]), float(long[-1]), float(long[-1]))
    shadow = _shadow(series, marks, overhang, market, rates, found, start, missing)
    gains = overhang.gains[-1]
    harvested = int(overhang.harvested[-1])
    harvested -= int(overhang.harvested[0]) if rows.start else 0
    return TaxManagement(
        PeriodReturn(whole.start, whole.end, liquid),
        shadow,
        int(gains[0]),
        int(gains[1]),
        unrealised_share(float(gains.sum()), float(series.value_cents[marks[-1]])),
        harvested,
        harvest_yield(harvested, float(series.value_cents[rows].mean())),
        tuple(missing),
    )


def overhangs(
    state: AccountState, journal: Sequence[Booked], market: Market, keys: KeyMap, days: Ints
) -> Overhang:
    """Unrealised gains at the close of each of some days, by what a sale then would be."""
    closes = carried_closes(market)
    gains, moved = np.zeros((len(days), 2), np.int64), np.zeros((len(days), 2), np.int64)
    harvested = np.zeros(len(days), np.int64)
    place = 0
    for booked in journal:
        day = booked.entry.trade_day
        while place < len(days) and day > days[place]:
            gains[place] = _gains(state, market, keys, closes, int(days[place]))
            harvested[place] = state.harvested_cents
            place += 1
        if place == len(days):
            break
        after = fold(state, booked)
        if booked.entry.kind in ARRIVALS | DEPARTURES:
            held = (_gains(one, market, keys, closes, day) for one in (after, state))
            moved[place] += next(held) - next(held)
        state = after
    for left in range(place, len(days)):
        gains[left] = _gains(state, market, keys, closes, int(days[left]))
        harvested[left] = state.harvested_cents
    return Overhang(gains, moved, harvested)


def _gains(state: AccountState, market: Market, keys: KeyMap, closes: Ints, day: int) -> Ints:
    row = max(0, int(np.searchsorted(market.days, day, side="right")) - 1)
    by_key = np.where(keys.row_of_key >= 0, closes[row][keys.row_of_key], 0)
    gain = holdings_cents(state, by_key) - state.lots.basis_cents
    is_long = state.lots.long_from <= day
    return np.array([gain[~is_long].sum(), gain[is_long].sum()], dtype=np.int64)


def _mark_to_liquidation(
    series: DailyValues,
    rows: slice,
    marks: Ints,
    daily: Floats,
    overhang: Overhang,
    rates: tuple[Floats, Floats],
) -> float:
    """Months of the return after tax less the change of the tax that waits, linked (M43)."""
    growth = 1.0
    edges = [rows.start - 1, *marks[1:].tolist()]
    for i, (before, end) in enumerate(pairwise(edges), start=1):
        inside = slice(before + 1, end + 1)
        local = slice(before + 1 - rows.start, end + 1 - rows.start)
        begin = int(series.value_cents[before]) if before >= 0 else int(series.inflow_cents[0])
        net = (series.inflow_cents - series.outflow_cents)[inside].astype(np.float64)
        start = int(series.days[max(before, 0)])
        if before < 0:
            net[0] -= begin
        days = int(series.days[end]) - start
        when = np.maximum(series.days[inside] - start, 1)  # the funding's own flow is the beginning
        worth = int(series.value_cents[end])
        dietz = modified_dietz([begin], [worth], days, when, net[None, :])
        change = overhang.gains[i] - overhang.moved[i]
        if rows.start or i > 1:  # an account that was funded began without any
            change = change - overhang.gains[i - 1]
        else:
            change = change - overhang.moved[0]
        due = change[0] * rates[0][local.stop - 1] + change[1] * rates[1][local.stop - 1]
        growth *= 1.0 + linked(daily[local]) - float(due / dietz.denominator[0])
    return growth - 1.0


def _shadow(
    series: DailyValues,
    marks: Ints,
    overhang: Overhang,
    market: Market,
    rates: TaxRates,
    found: Performance,
    start: ShadowStart,
    missing: list[str],
) -> ShadowReturn | None:
    """The shadow between month ends and flows; None where it cannot bear the withdrawals."""
    assert found.after_tax is not None
    breaks, flows = _breaks(series, marks)
    days = series.days[breaks]
    opening = int(breaks[0])
    value = float(found.begin_cents or series.inflow_cents[0])
    embedded = float(overhang.gains[0].sum()) if start is ShadowStart.ACCOUNT else 0.0
    price, income = _benchmark(market, days)
    begin, *ends = (date.fromordinal(int(d)) for d in days)
    # Which gains of the opening lot are short-term is told by what most of them were.
    long_first = abs(overhang.gains[0][1]) > abs(overhang.gains[0][0])
    acquired = date.fromordinal(int(series.days[opening]) - (367 if long_first else 0))
    try:
        shadow = shadow_benchmark(
            begin, ends, [value], [max(value - embedded, 0.0)], [acquired], flows[None, :],
            price, income, [rates], Conventions().shadow_relief,
        )  # fmt: skip
    except InputError as error:
        missing.append(f"tax alpha: {error.message}")
        return None
    pre, after = linked(shadow.pre_tax[0]), linked(shadow.after_tax[0])
    whole = found.time_weighted
    own = found.after_tax.pre_liquidation.cumulative
    return ShadowReturn(
        PeriodReturn(whole.start, whole.end, pre),
        PeriodReturn(whole.start, whole.end, after),
        tax_alpha(own, after, whole.cumulative, pre),
        start,
    )


def _breaks(series: DailyValues, marks: Ints) -> tuple[Ints, Floats]:
    """Closes at which the shadow stops, and its flow right after each but the last.

    Money that comes on a day is there for all of it; money that leaves was there until its close.
    """
    opening, end = int(marks[0]), int(marks[-1])
    flows: dict[int, float] = {int(m): 0.0 for m in marks}
    for row in range(opening + 1, end + 1):
        if (into := int(series.inflow_cents[row])) > 0:
            flows[row - 1] = flows.get(row - 1, 0.0) + into
        if (out := int(series.outflow_cents[row])) > 0:
            flows[row] = flows.get(row, 0.0) - out
    rows = sorted(flows)
    return np.array(rows, dtype=np.int64), np.array([flows[row] for row in rows[:-1]])


def _benchmark(market: Market, days: Ints) -> tuple[Floats, Floats]:
    """Price return and dividend yield between closes; both together are the total return."""
    place = np.searchsorted(market.days, days)
    levels = market.benchmark_index()
    paid = np.append(0.0, market.benchmark_income()[1:] * levels[:-1])
    sums = np.cumsum(paid)[place]
    income: Floats = (sums[1:] - sums[:-1]) / levels[place[:-1]]
    total = levels[place[1:]] / levels[place[:-1]] - 1.0
    return total - income, income
