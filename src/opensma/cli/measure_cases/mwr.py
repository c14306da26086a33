"""Money-weighted returns of worked cases."""

from __future__ import annotations

from typing import Any

from opensma.cli.measure_cases.choices import ANYTHING, Choices, one_of, some_of, words
from opensma.cli.measure_cases.fields import Fields, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.measure.conventions import DayCount
from opensma.measure.money_weighted import all_roots, cash_flows, pooled, since_inception, xirr


def _xirr(inputs: Fields, choices: Choices) -> float:
    count = choices.member("day_count", DayCount)
    return xirr(cash_flows(inputs.days("dates"), inputs.numbers("amounts"), count))


def _day_counts(inputs: Fields, choices: Choices) -> dict[str, float]:
    dates, amounts = inputs.days("dates"), inputs.numbers("amounts")
    counts = choices.members("day_counts", DayCount)
    return {str(c.value): xirr(cash_flows(dates, amounts, c)) for c in counts}


def _roots(inputs: Fields, choices: Choices) -> dict[str, Any]:
    interval = choices.given.numbers("interval")
    if len(interval) != 2:
        refuse("interval", "An interval has two ends.", where=choices.given.place("interval"))
    count = choices.member("day_count", DayCount)
    flows = cash_flows(inputs.days("dates"), inputs.numbers("amounts"), count)
    roots = all_roots(flows, *interval)
    conventional = flows.sign_changes == 1
    selected = roots[0] if conventional and roots else None
    return {"conventional": conventional, "roots": roots, "selected": selected}


def _aggregate(inputs: Fields, choices: Choices) -> dict[str, Any]:
    count = choices.member("day_count", DayCount)
    accounts = [
        (name, account.days("dates"), account.numbers("amounts"))
        for name, account in inputs.part("accounts").parts()
    ]
    each = {name: xirr(cash_flows(dates, amounts, count)) for name, dates, amounts in accounts}
    together = xirr(pooled([(dates, amounts) for _, dates, amounts in accounts], count))
    return {"by_account": each, "aggregated": together}


def _since_inception(inputs: Fields, choices: Choices) -> dict[str, Any]:
    count = choices.member("day_count", DayCount)
    found = since_inception(inputs.days("dates"), inputs.numbers("amounts"), count)
    return {"annualised": found.annualised, "period": found.period}


OPERATIONS = {
    "xirr": Operation(_xirr, {"day_count": one_of(DayCount)}),
    "xirr_day_counts": Operation(_day_counts, {"day_counts": some_of(DayCount)}),
    "irr_roots": Operation(
        _roots,
        {
            "day_count": one_of(DayCount),
            "interval": ANYTHING,
            "non_conventional": words("refuse"),
        },
    ),
    "mwr_aggregate": Operation(_aggregate, {"day_count": one_of(DayCount)}),
    "mwr_since_inception": Operation(
        _since_inception,
        {"day_count": one_of(DayCount), "annualise": words("only_if_one_year_or_more")},
    ),
}
