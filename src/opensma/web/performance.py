"""What the performance page shows: its period, figures with their meaning, charts, flows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np

from opensma.book.series import DailyValues
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.market import Market
from opensma.measure.after_tax_book import TaxManagement
from opensma.measure.attribution_book import AccountAttribution, account_attribution
from opensma.measure.length import PeriodReturn, years_later
from opensma.measure.membership import first_of_month
from opensma.measure.performance import Performance
from opensma.measure.returns import Floats, cumulative, series_returns
from opensma.report.growth import GrowthLines
from opensma.report.ladder import Step, Waterfall, ladder_steps, waterfall, wish_rows
from opensma.report.words import day_words, signed_percent
from opensma.units import Ints

PERIODS = {
    "all": "Since funding",
    "year": "This year",
    "twelve": "Last 12 months",
    "three": "Last 3 months",
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One return: of the period, a year where it is long enough, and what it means."""

    name: str
    period: float | None
    yearly: float | None
    why: str  # why there is no period's figure
    meaning: str


@dataclass(frozen=True, slots=True)
class MonthRow:
    """One calendar month of the period, or the part of it that lies inside."""

    day: int  # its last session
    account: float
    benchmark: float
    account_so_far: float
    benchmark_so_far: float
    net_cents: int


@dataclass(frozen=True, slots=True)
class FlowRow:
    """A day on which money or shares came or went."""

    day: int
    inflow_cents: int
    outflow_cents: int
    value_cents: int


def read_period(given: Mapping[str, str]) -> str:
    """The period asked for; words that mean nothing here are ignored."""
    period = given.get("period", "all")
    return period if period in PERIODS else "all"


def opening(period: str, series: DailyValues) -> date | None:
    """The day whose close the period opens with; None: the account's funding."""
    newest = date.fromordinal(int(series.days[-1]))
    if period == "year":
        start = date(newest.year - 1, 12, 31)
    elif period == "twelve":
        start = years_later(newest, -1)
    elif period == "three":
        month = first_of_month(newest, -3)
        start = min(
            date.fromordinal(month.toordinal() + newest.day - 1),
            date.fromordinal(first_of_month(newest, -2).toordinal() - 1),
        )
    else:
        return None
    return start if int(series.days[0]) < start.toordinal() < int(series.days[-1]) else None


def why_missing(found: Performance) -> dict[str, str]:
    """Why a figure is missing, by its name."""
    return dict(text.split(": ", 1) for text in found.missing)


def figures(found: Performance, managed: TaxManagement | None = None) -> list[Figure]:
    """Every return of the page in the order of what a reader asks."""
    missing = why_missing(found)
    own, taxed = found.money_weighted, found.after_tax
    after = None if taxed is None else taxed.pre_liquidation
    return [
        _figure(
            "Time-weighted, gross",
            found.time_weighted,
            "What each dollar earned that was in the account all the time, whenever others came "
            "or went: the figure to compare with the benchmark.",
        ),
        Figure(
            "Time-weighted, net",
            None if found.net is None else found.net.cumulative,
            None if found.net is None else found.net.annualised,
            missing.get("net return", ""),
            "The gross return less the management fees invoiced for the account, each on the day "
            "it is debited.",
        ),
        _figure(
            "Benchmark, total return",
            found.benchmark,
            "The account's benchmark over the same days, with dividends, before any cost or tax.",
        ),
        Figure(
            "Personal (money-weighted)",
            None if own is None else own.period,
            None if own is None else own.annualised,
            missing.get("personal return", ""),
            "What the owner's dollars earned with the dates on which they came and went: the "
            "one steady rate that turns all flows into the value at the end.",
        ),
        Figure(
            "After-tax, pre-liquidation",
            None if after is None else after.cumulative,
            None if after is None else after.annualised,
            missing.get("after-tax return", ""),
            "The time-weighted return less tax on what was realised. Losses count in full, which "
            "assumes that the owner can use them; gains not yet realised are not taxed.",
        ),
        *([] if managed is None else _liquidated(managed)),
    ]


@dataclass(frozen=True, slots=True)
class Explained:
    """Why the return differs from the benchmark's: the figures, and the drawing."""

    found: AccountAttribution
    steps: list[Step]
    wishes: list[tuple[str, float, str]]
    drawing: Waterfall


def explained(book: Book, market: Market, found: Performance) -> Explained | str:
    """Attribution of a measured period, or why there is none."""
    try:
        made = account_attribution(book, market, found)
    except InputError as error:  # a month that loses everything cannot be linked (M63)
        return error.message
    drawing = waterfall(found.account_id, made)
    return Explained(made, ladder_steps(made), wish_rows(made), drawing)


def _liquidated(managed: TaxManagement) -> list[Figure]:
    found = [
        _figure(
            "After-tax, mark-to-liquidation",
            managed.mark_to_liquidation,
            "The same, and the change of the tax that selling everything would cost, month by "
            "month: what waits in the lots is counted as if it were due.",
        )
    ]
    if managed.shadow is not None:
        found.append(
            _figure(
                "Benchmark after tax",
                managed.shadow.after_tax,
                "The benchmark as if this account had held it: the same flows on the same days, "
                "the same tax rates and starting basis, its own lots.",
            )
        )
    return found


def _figure(name: str, one: PeriodReturn, meaning: str) -> Figure:
    return Figure(name, one.cumulative, one.annualised, "", meaning)


def growth_lines(
    account_id: str, series: DailyValues, market_days: Ints, levels: Floats, first: date | None
) -> GrowthLines:
    """Cumulative returns from the close of the opening day, or from the funding."""
    start = 0 if first is None else _opening_row(series, first)
    daily = series_returns(series.value_cents, series.inflow_cents, series.outflow_cents)[start:]
    if first is not None:
        daily[0] = 0.0  # earned before the period
    account = cumulative(daily)
    path = levels[np.searchsorted(market_days, series.days[start:])]
    benchmark = path / path[0] - 1.0
    days = series.days[start:]
    ends = day_words(int(days[0])), day_words(int(days[-1]))
    return GrowthLines(
        f"Return of {account_id} from {ends[0]} to {ends[1]}",
        f"The account returned {signed_percent(float(account[-1]))} time-weighted, its benchmark "
        f"{signed_percent(float(benchmark[-1]))}.",
        days,
        account,
        benchmark,
    )


def _opening_row(series: DailyValues, first: date) -> int:
    return max(0, int(np.searchsorted(series.days, first.toordinal(), side="right")) - 1)


def month_rows(lines: GrowthLines, series: DailyValues) -> list[MonthRow]:
    """Months of the chart, newest first; they link to the whole period."""
    offset = len(series.days) - len(lines.days)
    net = (series.inflow_cents - series.outflow_cents)[offset:]
    months = [date.fromordinal(int(d)).strftime("%Y-%m") for d in lines.days]
    last = len(months) - 1
    ends = [i for i in range(len(months)) if i == last or months[i + 1] != months[i]]
    found = []
    for before, end in pairwise([-1, *ends]):
        from_row = max(before, 0)
        found.append(
            MonthRow(
                int(lines.days[end]),
                _between(lines.account, before, end),
                _between(lines.benchmark, before, end),
                float(lines.account[end]),
                float(lines.benchmark[end]),
                int(net[from_row + (before >= 0 or offset > 0) : end + 1].sum()),
            )
        )
    return found[::-1]


def _between(so_far: Floats, before: int, end: int) -> float:
    base = 0.0 if before < 0 else float(so_far[before])
    return (1.0 + float(so_far[end])) / (1.0 + base) - 1.0


def flow_rows(series: DailyValues, first: date | None) -> list[FlowRow]:
    """Days of the period on which something came or went, newest first."""
    start = 0 if first is None else _opening_row(series, first) + 1
    moved = np.flatnonzero((series.inflow_cents != 0) | (series.outflow_cents != 0))
    columns = (series.days, series.inflow_cents, series.outflow_cents, series.value_cents)
    return [FlowRow(*(int(c[i]) for c in columns)) for i in moved[moved >= start][::-1]]
