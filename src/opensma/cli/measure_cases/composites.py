"""Composites of worked cases: returns, counts, dispersion, membership, fees."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from opensma.calendar import parse_date
from opensma.cli.measure_cases.choices import ANYTHING, Choices, numbers, one_of, some_of, words
from opensma.cli.measure_cases.fields import Fields, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.measure.composites import (
    Member,
    composite_return,
    count_labels,
    dispersion,
    dispersion_required,
    model_fee_net,
    wrap_gross,
)
from opensma.measure.conventions import CompositeMethod, FlowWeight, ModelFeeMethod
from opensma.measure.membership import Minimum, entry_date, last_day_after_notice


def _return(inputs: Fields, choices: Choices) -> dict[str, Any]:
    found = composite_return(
        [_member(row) for row in inputs.rows("members")],
        inputs.whole("days"),
        choices.members("methods", CompositeMethod),
        choices.member("flow_weight", FlowWeight),
    )
    composite = {str(method.value): r for method, r in found.composite.items()}
    return {"member_returns": found.member_returns, "composite": composite}


def _member(row: Fields) -> Member:
    if row.has("return"):
        return Member(row.text("id"), row.number("begin"), known_return=row.number("return"))
    flows = row.rows("flows")
    return Member(
        row.text("id"),
        row.number("begin"),
        row.number("end"),
        tuple(flow.number("day") for flow in flows),
        tuple(flow.number("amount") for flow in flows),
    )


def _counts(inputs: Fields, choices: Choices) -> dict[str, Any]:
    if inputs.text("counting_unit") not in ("account", "sponsor_aggregate"):
        refuse(
            "counting_unit",
            "Portfolios are counted by account or by sponsor.",
            where=inputs.place("counting_unit"),
            remedy="Use account or sponsor_aggregate.",
        )
    full_year = inputs.whole("full_year_count")
    return {
        "count_labels": count_labels(inputs.whole("portfolio_count")),
        "dispersion_required": dispersion_required(full_year, choices.whole("required_from")),
    }


def _dispersion(inputs: Fields, choices: Choices) -> dict[str, Any]:
    rows = inputs.rows("members")
    returns = [row.number("return") for row in rows]
    begin = [row.number("begin") for row in rows]
    return asdict(dispersion(returns, begin, choices.whole("ddof")))


def _membership(inputs: Fields, choices: Choices) -> dict[str, dict[str, date]]:
    cutoff = inputs.whole("cutoff_day")
    found: dict[str, dict[str, date]] = {}
    for event in inputs.rows("events"):
        account, kind, day = event.text("account"), event.text("type"), event.day("date")
        if kind == "funded":
            name, result = "enters", entry_date(day, cutoff)
        elif kind == "notice":
            name, result = "last_day", last_day_after_notice(day)
        else:
            refuse(
                "event_type",
                f"'{kind}' is no event of a membership.",
                where=event.place("type"),
                remedy="Use funded or notice.",
            )
        if name in found.setdefault(account, {}):
            refuse("event_twice", f"{account} has two events '{kind}'.", where=event.where)
        found[account][name] = result
    return found


def _minimum(inputs: Fields, choices: Choices) -> dict[str, Any]:
    rule = Minimum(inputs.number("minimum"), inputs.day("effective_from"))
    inside: dict[str, bool] = {}
    for row in inputs.rows("months"):
        month = row.text("month")
        first = parse_date(f"{month}-01", where=row.place("month"))
        inside[month] = rule.keeps(first, row.number("begin"))
    return {
        "in_composite": inside,
        "history_restated": rule.restates_history,
        "disclosure_required": rule.disclosed,
    }


def _wrap(inputs: Fields, choices: Choices) -> dict[str, Any]:
    return asdict(
        wrap_gross(inputs.number("wrap_fee_bp"), inputs.number("investment_management_fee_bp"))
    )


def _model_fee(inputs: Fields, choices: Choices) -> dict[str, Any]:
    gross, fee = inputs.number("gross_return"), inputs.number("annual_fee")
    periods = inputs.number("periods_per_year")
    methods = choices.members("methods", ModelFeeMethod)
    return {str(m.value): model_fee_net(gross, fee, periods, m) for m in methods}


OPERATIONS = {
    "composite_return": Operation(
        _return, {"methods": some_of(CompositeMethod), "flow_weight": one_of(FlowWeight)}
    ),
    "composite_counts": Operation(
        _counts, {"required_from": ANYTHING, "basis": words("full_year_members")}
    ),
    "composite_dispersion": Operation(
        _dispersion, {"ddof": numbers(0, 1), "quantile": words("linear")}
    ),
    "composite_membership": Operation(
        _membership,
        {
            "funded_on_or_before_cutoff": words("first_day_of_next_month"),
            "funded_after_cutoff": words("first_day_of_second_month"),
            "notice": words("last_day_of_month_before_notice"),
        },
    ),
    "composite_minimum": Operation(
        _minimum,
        {
            "below_minimum": words("out_from_effective_date"),
            "history": words("never_restated"),
        },
    ),
    "wrap_gross": Operation(
        _wrap,
        {
            "audience": words("existing_clients_of_that_sponsor"),
            "add_back": words("identified_fees_except_transaction_costs"),
        },
    ),
    "model_fee_net": Operation(_model_fee, {"methods": some_of(ModelFeeMethod)}),
}
