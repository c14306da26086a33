"""Risk of worked cases."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from opensma.cli.measure_cases.choices import Choices, numbers, words
from opensma.cli.measure_cases.fields import Fields, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.measure.risk import (
    active_share,
    max_drawdown,
    risk_summary,
    three_year_deviation,
    whole_period_volatility,
)


def _summary(inputs: Fields, choices: Choices) -> dict[str, Any]:
    if inputs.number("risk_free_per_period") != 0:
        refuse(
            "risk_free",
            "Figures over a risk-free rate are not part of this summary.",
            where=inputs.place("risk_free_per_period"),
            remedy="Give 0.",
        )
    found = risk_summary(
        inputs.numbers("portfolio"),
        inputs.numbers("benchmark"),
        inputs.number("periods_per_year"),
        inputs.number("mar_per_period"),
        choices.whole("ddof"),
    )
    return asdict(found)


def _active_share(inputs: Fields, choices: Choices) -> float:
    return active_share(inputs.weights("portfolio"), inputs.weights("benchmark"))


def _volatility(inputs: Fields, choices: Choices) -> float:
    return whole_period_volatility(inputs.numbers("returns"), choices.whole("ddof"))


def _drawdown(inputs: Fields, choices: Choices) -> float:
    return max_drawdown(inputs.numbers("returns"))


def _three_years(inputs: Fields, choices: Choices) -> dict[str, Any]:
    found = three_year_deviation(inputs.numbers("monthly_returns"), choices.whole("ddof"))
    return {"std_3y": found, "disclosure_required": found is None}


_DDOF = numbers(0, 1)

OPERATIONS = {
    "risk_summary": Operation(
        _summary,
        {
            "ddof": _DDOF,
            "annualised_return": words("geometric"),
            "scale": words("sqrt_periods_per_year"),
            "max_drawdown_base": words("included"),
        },
    ),
    "active_share": Operation(_active_share, {"missing_weight": numbers(0)}),
    "volatility_whole_period": Operation(
        _volatility, {"returns": words("log"), "ddof": _DDOF, "scale": words("sqrt_count")}
    ),
    "max_drawdown": Operation(_drawdown, {"base": words("included")}),
    "std_36m": Operation(
        _three_years,
        {
            "ddof": _DDOF,
            "window": words("last_36_months"),
            "scale": words("sqrt_12"),
            "fewer_than_36": words("null_and_disclose"),
        },
    ),
}
