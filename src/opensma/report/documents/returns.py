"""Returns of the period, the year and since the start, and the chart of the value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from opensma.book.series import DailyValues
from opensma.measure.comparison import benchmark_cents, contributed_cents
from opensma.measure.fees_book import BookedFee, not_invoiced
from opensma.measure.performance import Performance, measure
from opensma.report.charts import ValueLines, document_chart
from opensma.report.documents.facts import Facts
from opensma.report.words import counted, day_words, money, signed_percent

_HEADS = [
    "",
    "Gross",
    "Net of fees",
    "Benchmark",
    "After tax, gross",
    "Personal",
    "Fees",
    "Tax",
]
CHART_SIZE = (760, 220)
_MOST_POINTS = 110  # of each line: paper shows no more


def returns_data(facts: Facts) -> dict[str, Any]:
    """Rows for the period, the year to date and since the start; words where one is missing."""
    series = facts.series
    if len(series.days) < 2:
        return {
            "heads": _HEADS,
            "rows": [],
            "notes": ["The account has fewer than two valued days."],
        }
    account, desk = facts.account, facts.desk
    profiles = desk.profiles.get(account.taxpayer_id, [])
    charges = desk.charges.get(account.account_id, [])
    rows, notes = [], []
    for name, start in _periods(facts, int(series.days[0])):
        found = measure(
            account,
            series,
            facts.realised,
            profiles,
            desk.market,
            start,
            series_end(series),
            charges,
        )
        rows.append(_row(name, found))
        notes += [f"Not shown: {why}." for why in found.missing]
        notes += _not_invoiced(name, found, charges)
    return {"heads": _HEADS, "rows": rows, "notes": list(dict.fromkeys(notes))}


def _not_invoiced(name: str, found: Performance, charges: Sequence[BookedFee]) -> list[str]:
    """A net return knows the fees that were invoiced; days without an invoice are told (M19)."""
    if found.net is None:
        return []
    first, last = found.net.start.toordinal() + 1, found.net.end.toordinal()
    if not (days := not_invoiced(charges, first, last)):
        return []
    return [f"{name}: net is after the fees invoiced; {counted(days, 'day')} had no invoice yet."]


def series_end(series: DailyValues) -> date:
    """The last day of a series."""
    return date.fromordinal(int(series.days[-1]))


def _periods(facts: Facts, funded: int) -> list[tuple[str, date | None]]:
    """(name, day of the opening value or None from the funding)."""
    period = facts.desk.period
    begins = (period.start, date(period.end.year, 1, 1))
    names = ("This period", "Year to date")
    found: list[tuple[str, date | None]] = []
    for name, begin in zip(names, begins, strict=True):
        before = begin - timedelta(days=1)
        found.append((name, before if before.toordinal() >= funded else None))
    since = day_words(funded)
    return [*found, (f"Since {since}", None)]


def _row(name: str, found: Performance) -> list[str]:
    taxed, own = found.after_tax, found.money_weighted
    return [
        name,
        signed_percent(found.time_weighted.cumulative),
        "-" if found.net is None else signed_percent(found.net.cumulative),
        signed_percent(found.benchmark.cumulative),
        "-" if taxed is None else signed_percent(taxed.pre_liquidation.cumulative),
        "-" if own is None else signed_percent(own.period),
        "-" if found.net is None else money(found.fee_cents),
        "-" if taxed is None else money(taxed.tax_cents),
    ]


def chart_data(facts: Facts) -> dict[str, str] | None:
    """The value chart as SVG with its words; None before two valued days."""
    series = facts.series
    if len(series.days) < 2:
        return None
    market = facts.desk.market
    benchmark = benchmark_cents(series, market.days, market.benchmark_index())
    contributed = contributed_cents(series)
    step = max(1, -(-len(series.days) // _MOST_POINTS))
    rows = np.unique(np.append(np.arange(0, len(series.days), step), len(series.days) - 1))
    first, last = day_words(int(series.days[0])), day_words(int(series.days[-1]))
    lines = ValueLines(
        f"Value from {first} to {last}",
        f"On {last} the account is worth {money(int(series.value_cents[-1]))}, the same deposits "
        f"and withdrawals in the benchmark {money(round(float(benchmark[-1])))}, and net "
        f"contributions are {money(int(contributed[-1]))}.",
        series.days[rows],
        series.value_cents[rows],
        benchmark[rows],
        contributed[rows],
    )
    width, height = CHART_SIZE
    svg = document_chart(lines, width=width, height=height)
    return {"svg": svg, "alt": f"{lines.title}. {lines.description}", "title": lines.title}
