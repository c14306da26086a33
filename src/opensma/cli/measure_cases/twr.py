"""Time-weighted returns of worked cases."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from opensma.cli.measure_cases.choices import Choices, one_of, words
from opensma.cli.measure_cases.fields import Fields, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.measure.conventions import FlowTiming, FlowWeight, LargeFlow
from opensma.measure.dietz import large_flow_effect, modified_dietz
from opensma.measure.length import period_return
from opensma.measure.returns import daily_series, link, subperiod_returns


def _daily(inputs: Fields, choices: Choices) -> dict[str, Any]:
    rows = inputs.rows("days")
    days = [inputs.day("start_date"), *(row.day("date") for row in rows)]
    for before, after in pairwise(days):
        if after <= before:
            refuse(
                "dates",
                f"{after} does not follow {before}.",
                where=inputs.place("days"),
                remedy="Sort the days, each once, after the start.",
            )
    series = daily_series(
        inputs.number("start_value"),
        [row.number("end_value") for row in rows],
        [row.number("inflow") for row in rows],
        [row.number("outflow") for row in rows],
        choices.member("flow_timing", FlowTiming),
    )
    return {
        "daily": series.daily,
        "cumulative": series.cumulative,
        "total": series.total,
        "warnings": series.warnings,
    }


def _subperiods(inputs: Fields, choices: Choices) -> dict[str, Any]:
    choices.word("flow_timing")
    rows = inputs.rows("subperiods")
    returns = subperiod_returns(
        [row.number("begin") for row in rows],
        [row.number("flow_at_start") for row in rows],
        [row.number("end") for row in rows],
    )
    return {"returns": returns, "total": link(returns)}


def _link(inputs: Fields, choices: Choices) -> Any:
    return link(inputs.numbers("returns"))


def _dietz(inputs: Fields, choices: Choices) -> dict[str, Any]:
    flows = inputs.rows("flows")
    found = modified_dietz(
        inputs.number("begin"),
        inputs.number("end"),
        inputs.whole("days"),
        [flow.number("day") for flow in flows],
        [flow.number("amount") for flow in flows],
        choices.member("flow_weight", FlowWeight),
    )
    return {"return": found.returns, "denominator": found.denominator}


def _large_flow(inputs: Fields, choices: Choices) -> dict[str, Any]:
    found = large_flow_effect(
        inputs.number("begin"),
        inputs.number("value_before_flow"),
        inputs.number("flow"),
        inputs.whole("flow_day"),
        inputs.number("end"),
        inputs.whole("days"),
        LargeFlow(share=inputs.number("threshold")),
        choices.member("flow_weight", FlowWeight),
    )
    return {
        "true_twr": found.true_twr,
        "modified_dietz": found.modified_dietz,
        "difference_bp": found.difference_bp,
        "flow_share": found.flow_share,
        "revalue_required": found.revalue_required,
    }


def _annualise(inputs: Fields, choices: Choices) -> dict[str, Any]:
    start, end = inputs.day("start_date"), inputs.day("end_date")
    found = period_return(start, end, inputs.numbers("returns"))
    return {"cumulative": found.cumulative, "annualised": found.annualised}


OPERATIONS = {
    "twr_daily": Operation(
        _daily,
        {
            "flow_timing": words(FlowTiming.INFLOW_START_OUTFLOW_END.value),
            "zero_base": words("zero_and_warn"),
        },
    ),
    "twr_subperiods": Operation(_subperiods, {"flow_timing": words("start_of_subperiod")}),
    "twr_link": Operation(_link, {}),
    "modified_dietz": Operation(_dietz, {"flow_weight": one_of(FlowWeight)}),
    "large_flow": Operation(
        _large_flow,
        {
            "flow_weight": one_of(FlowWeight),
            "threshold_base": words("value_at_start_of_period"),
            "comparison": words("greater_or_equal"),
        },
    ),
    "annualise": Operation(
        _annualise,
        {"annualise": words("only_if_one_year_or_more"), "exponent": words("12/months")},
    ),
}
