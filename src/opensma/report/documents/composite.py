"""What a composite report says: definition, years, disclosures, corrections, in finished words.

The words never claim that the firm complies with any standard: these are records and calculations
that a firm can use when it prepares its own reports. Disclosures follow from the record, each with
a stable id (M39).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from opensma.measure.composite_record import CompositeRecord, CompositeYear
from opensma.measure.composites import count_labels
from opensma.measure.conventions import Dispersion, FeeTiming
from opensma.measure.corrections import Correction, Figure
from opensma.report.documents.render import render
from opensma.report.words import counted, day_words, listed, money, percent

CLAIM = (
    "These are records and calculations that a firm can use when it prepares its own reports. "
    "Nothing here says that the firm, or this document, complies with any standard."
)
_NONE = "n/a"


def composite_pdf(
    record: CompositeRecord, firm: str, corrections: Sequence[Correction] = ()
) -> bytes:
    """The report as PDF, dated by the last day of the record."""
    last = record.whole.end if record.whole is not None else record.rules.first
    return render("composite", composite_data(record, firm, corrections), last)


def composite_data(
    record: CompositeRecord, firm: str, corrections: Sequence[Correction] = ()
) -> dict[str, Any]:
    """Everything in the report and on the portal's page."""
    whole, against = record.whole, record.benchmark
    words = "no full month yet"
    figures: list[list[str]] = []
    if whole is not None and against is not None:
        words = f"{day_words(whole.start.toordinal())} to {day_words(whole.end.toordinal())}"
        net = record.whole_net
        figures = [
            ["Composite, gross", percent(whole.cumulative), _yearly(whole.annualised)],
            ["Composite, net", _NONE, "not every member was invoiced"]
            if net is None
            else ["Composite, net", percent(net.cumulative), _yearly(net.annualised)],
            ["Benchmark", percent(against.cumulative), _yearly(against.annualised)],
            ["Members", _members(record), "in the last month"],
        ]
    return {
        "title": f"Composite {record.rules.name}",
        "name": record.rules.name,
        "words": words,
        "account": {"firm": firm, "program": "Composite report"},
        "figures": figures,
        "definition": [_rule(record, i) for i in range(len(record.rules.rules))],
        "provisional": record.rules.provisional,
        "years": [_year(year) for year in record.years],
        "disclosures": [[name, text] for name, text in _disclosures(record)],
        "corrections": [_correction(one) for one in corrections],
        "notes": list(record.notes),
        "claim": CLAIM,
    }


def report_figures(record: CompositeRecord) -> tuple[Figure, ...]:
    """Every printed number in full precision, by name: what a correction is told by (M37)."""
    found: list[Figure] = []
    for year in record.years:
        at = f"{year.year}"
        found += [
            Figure(f"{at} composite", year.composite),
            Figure(f"{at} composite, net", year.net),
            Figure(f"{at} benchmark", year.benchmark),
            Figure(f"{at} dispersion", year.dispersion),
            Figure(f"{at} three-year deviation", year.deviation),
            Figure(f"{at} benchmark's three-year deviation", year.benchmark_deviation),
            Figure(f"{at} accounts", float(year.portfolios), is_return=False),
            Figure(f"{at} assets", year.assets_cents / 100, is_return=False),
            Figure(f"{at} firm's assets", year.firm_assets_cents / 100, is_return=False),
        ]
    return tuple(found)


def _yearly(value: float | None) -> str:
    return "not annualised: under one year" if value is None else f"{percent(value)} a year"


def _members(record: CompositeRecord) -> str:
    return count_labels(len(record.months[-1].members))[0] if record.months else _NONE


def _rule(record: CompositeRecord, place: int) -> list[str]:
    rule = sorted(record.rules.rules, key=lambda one: one.effective)[place]
    words = (
        f"Accounts of {listed(sorted(rule.strategies), 5)} worth at least ${rule.minimum:,.2f}. "
        f"Funded by day {rule.cutoff_day} of a month an account enters with the next month, "
        "else one later; it stays through its last full month."
    )
    if rule.most_excluded_weight < 1:
        most = percent(rule.most_excluded_weight, 1)
        words += f" Out while its owner excludes more than {most} of the model."
    if rule.significant_flow is not None:
        words += f" Out for a while after a net flow of {percent(rule.significant_flow, 1)}."
    recorded = f"{day_words(rule.recorded.toordinal())}, {rule.by}"
    return [day_words(rule.effective.toordinal()), recorded, words]


def _year(year: CompositeYear) -> list[str]:
    part = "" if year.months == 12 else f" ({counted(year.months, 'month')})"
    return [
        f"{year.year}{part}",
        percent(year.composite),
        _NONE if year.net is None else percent(year.net),
        percent(year.benchmark),
        count_labels(year.portfolios)[0],
        _NONE if year.dispersion is None else percent(year.dispersion),
        money(year.assets_cents),
        money(year.firm_assets_cents),
        _NONE if year.deviation is None else percent(year.deviation),
        _NONE if year.benchmark_deviation is None else percent(year.benchmark_deviation),
        _NONE,
    ]


_DISPERSIONS = {
    Dispersion.EQUAL_STD: "equal-weighted standard deviation",
    Dispersion.ASSET_STD: "asset-weighted standard deviation",
    Dispersion.IQR: "interquartile range",
    Dispersion.RANGE: "range",
    Dispersion.HIGH_LOW: "distance of high and low",
}


def _method(record: CompositeRecord) -> str:
    return record.rules.conventions.composite_method.value.replace("_", " ")


def _disclosures(record: CompositeRecord) -> list[tuple[str, str]]:
    conventions = record.rules.conventions
    found = [
        (
            "D-BASIS",
            (
                "Gross returns are after trading costs and before management fees. Net returns "
                "are less the fees invoiced for every member, each "
                f"{_FEES[conventions.fee_timing]}; a period in which a member was not invoiced "
                "has none."
            ),
        ),
        (
            "D-METHOD",
            (
                f"Composite returns by the method '{_method(record)}', from daily values; "
                "time-weighted; parts of a year are not annualised."
            ),
        ),
        (
            "D-DISPERSION",
            (
                f"Dispersion is the {_DISPERSIONS[conventions.dispersion]} of the members of the "
                f"full year, with n{'-1' if conventions.dispersion_ddof else ''} in the divisor; "
                "it is shown from six of them on."
            ),
        ),
        (
            "D-RISK",
            (
                "Three-year deviation is of 36 monthly gross returns, times the root of twelve; "
                "composite and benchmark alike."
            ),
        ),
        (
            "D-BENCHMARK",
            (
                "The benchmark is the total return of the model's capitalisation-weighted members, "
                "without costs; nobody can invest in it."
            ),
        ),
        (
            "D-MEMBERS",
            (
                "Membership follows the dated rules above, never a choice by hand. Whether an "
                "account gave up discretion is not on record: every account counts as "
                "discretionary."
            ),
        ),
        ("D-WRAP", "Which accounts pay a bundled fee is not on record, so no share is shown."),
        ("D-CURRENCY", "All figures are in US dollars."),
    ]
    found += _flow_disclosures(record)
    found += [
        (f"D-MISSING-{year.year}-{place}", f"Not shown for {year.year}, {why}.")
        for year in record.years
        for place, why in enumerate(year.missing, 1)
    ]
    return found


_FEES = {
    FeeTiming.DEBIT_DATE: "counted on the day it is debited",
    FeeTiming.ACCRUED_DAILY: "spread over the days that it pays for",
}


def _flow_disclosures(record: CompositeRecord) -> list[tuple[str, str]]:
    """What the rules on flows did; nothing where no rule has one (M10, M11)."""
    found = []
    rules = record.rules.rules
    if any(rule.significant_flow is not None for rule in rules):
        removed = counted(len(record.removals), "account")
        found.append(
            (
                "D-SIGNIFICANT",
                (
                    f"{removed} left for a while because of a significant flow: from the "
                    "month of the flow until one full month after it fits again."
                ),
            )
        )
    if any(rule.large_flow is not None for rule in rules):
        large = counted(record.large_flows, "large flow")
        found.append(
            (
                "D-LARGE",
                (
                    f"Accounts are valued on every session, so periods were broken at the {large} "
                    "of members and at every other flow."
                ),
            )
        )
    return found


def _correction(one: Correction) -> dict[str, Any]:
    until = "" if one.disclose_until is None else day_words(one.disclose_until.toordinal())
    return {
        "head": f"Report {one.report_id} replaces {one.supersedes}: {one.reason} ({one.by})",
        "until": until,
        "rows": [
            [
                change.name,
                _NONE if change.old is None else f"{change.old:,.6f}",
                _NONE if change.new is None else f"{change.new:,.6f}",
                "material" if change.material else "below the firm's bound",
            ]
            for change in one.changes
        ],
    }
