"""Fees of worked cases, exact on the digits of the file."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from opensma.billing import periods, schedules
from opensma.billing.exact import to_cents
from opensma.billing.periods import DayBasis, FlowMethod, Run
from opensma.billing.schedules import BilledAccount, Schedule, Style, Tier
from opensma.cli.measure_cases.choices import (
    ANYTHING,
    Choices,
    in_order,
    numbers,
    one_of,
    some_of,
    words,
)
from opensma.cli.measure_cases.fields import Fields, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.units import CENTS

_METHODS = ("aggregate", "individual", "own_schedule_at_household_value")
_BASES = ("value", "period_end", "average_daily", "four_month_ends")


def _dollars(cents: int) -> float:
    return float(Fraction(cents, CENTS))


def _all_dollars(cents: Mapping[str, int]) -> dict[str, float]:
    return {name: _dollars(amount) for name, amount in cents.items()}


def _shown(amount: Fraction) -> float:
    return _dollars(to_cents(amount))


def _schedule(holder: Fields, name: str) -> Schedule:
    rows = holder.rows(name)
    return Schedule(tuple(Tier(r.exact_or_none("up_to"), r.exact("rate")) for r in rows))


def _accounts(inputs: Fields, with_schedule: bool) -> list[BilledAccount]:
    return [
        BilledAccount(
            row.text("id"), row.exact("value"), row.text("schedule") if with_schedule else ""
        )
        for row in inputs.rows("accounts")
    ]


def _fee_schedule(inputs: Fields, choices: Choices) -> dict[str, Any]:
    schedule, values = _schedule(inputs, "tiers"), inputs.exacts("values")
    return {
        str(style.value): {
            "annual": [_shown(schedule.annual(value, style)) for value in values],
            "rows": [
                [
                    {"base": float(r.base), "rate": float(r.rate), "fee": _shown(r.fee)}
                    for r in schedule.rows(value, style)
                ]
                for value in values
            ],
        }
        for style in choices.members("styles", Style)
    }


def _household(inputs: Fields, choices: Choices) -> dict[str, Any]:
    accounts, style = _accounts(inputs, with_schedule=True), choices.member("style", Style)
    part = inputs.part("schedules")
    known = {name: _schedule(part, name) for name in part.values}
    found: dict[str, Any] = {}
    for method in choices.given.texts("methods"):
        if method == "aggregate":
            names = inputs.texts("household_schedules")
            unknown = [name for name in names if name not in known]
            if unknown:
                refuse("schedule", f"There is no schedule '{unknown[0]}'.", where=part.where)
            fees = {n: schedules.aggregate_fee(accounts, known[n], style) for n in names}
            found[method] = _all_dollars(fees)
            continue
        alone = method == "individual"
        fees = (schedules.individual_fees if alone else schedules.fees_at_household_value)(
            accounts, known, style
        )
        if "total" in fees:
            refuse("account_id", "An account cannot be called 'total'.", where="accounts")
        found[method] = _all_dollars({**fees, "total": sum(fees.values())})
    return found


def _allocate(inputs: Fields, choices: Choices) -> dict[str, Any]:
    found = schedules.allocate(
        _accounts(inputs, with_schedule=False),
        _schedule(inputs, "tiers"),
        inputs.whole("periods_per_year"),
        choices.member("style", Style),
    )
    return {
        "annual": _shown(found.annual),
        "effective_rate": float(found.effective_rate),
        "period_fee": _dollars(found.period_cents),
        "allocation": _all_dollars(found.allocation_cents),
    }


def _flows(inputs: Fields, choices: Choices) -> dict[str, Any]:
    start, end = inputs.day("period_start"), inputs.day("period_end")
    method = choices.member("method", FlowMethod)
    rate, threshold = inputs.exact("period_rate"), inputs.exact("threshold")
    found = [
        periods.flow_adjustment(
            flow.day("date"), flow.exact("amount"), start, end, rate, threshold, method
        )
        for flow in inputs.rows("flows")
    ]
    return {"days": [f.days for f in found], "adjustments": [_dollars(f.cents) for f in found]}


def _base(inputs: Fields, basis: str) -> Fraction:
    if basis == "value":
        return inputs.exact("value")
    if basis == "four_month_ends":
        return periods.four_month_ends(inputs.exacts("month_ends"))
    runs = [Run(row.whole("days"), row.exact("value")) for row in inputs.rows("daily_runs")]
    days, period = sum(run.days for run in runs), inputs.whole("days_in_period")
    if days > period:
        refuse(
            "daily_runs",
            f"{days} days are valued in a period of {period}.",
            where=inputs.place("daily_runs"),
            remedy="Each day of the period has one value.",
        )
    return periods.period_end(runs) if basis == "period_end" else periods.average_daily(runs)


def _period_fee(inputs: Fields, choices: Choices) -> dict[str, Any]:
    base = _base(inputs, choices.word("basis"))
    fee = periods.period_fee(
        base,
        inputs.exact("annual_rate"),
        inputs.whole("days_in_period"),
        inputs.whole("days_open"),
        inputs.whole("periods_per_year"),
        choices.member("day_basis", DayBasis),
    )
    return {"billed_value": _shown(base), "fee": _dollars(fee)}


def _refund(inputs: Fields, choices: Choices) -> dict[str, Any]:
    days, refund = periods.termination_refund(
        inputs.exact("billed"), inputs.whole("days_in_period"), inputs.whole("days_served")
    )
    return {"unearned_days": days, "refund": _dollars(refund)}


def _split(inputs: Fields, choices: Choices) -> dict[str, Any]:
    total, amounts = periods.fee_split(
        inputs.exact("base"),
        [(row.text("id"), row.exact("bp")) for row in inputs.rows("payees")],
        inputs.whole("days"),
        inputs.whole("year_days"),
        choices.given.text("residual_payee"),
    )
    return {"total": _dollars(total), "amounts": _all_dollars(amounts)}


def _order(inputs: Fields, choices: Choices) -> dict[str, Any]:
    value = inputs.exact("value")
    found = periods.fee_order(
        value,
        inputs.exact("rate"),
        inputs.exact("discount"),
        inputs.exact_or_none("annual_minimum"),
        inputs.exact_or_none("annual_cap"),
        inputs.exact("credit"),
    )
    steps = ("standard", "negotiated", "after_minimum", "after_cap", "final")
    shown = {name: _shown(getattr(found, name)) for name in steps}
    return {**shown, "effective_rate": float(found.final / value) if value else None}


_ROUNDING = words("half_up_cents")

OPERATIONS = {
    "fee_schedule": Operation(
        _fee_schedule,
        {
            "styles": some_of(Style),
            "boundary": words("value_equal_to_up_to_belongs_to_that_tier"),
            "rounding": _ROUNDING,
        },
    ),
    "household_fee": Operation(
        _household, {"methods": some_of(_METHODS), "style": one_of(Style), "rounding": _ROUNDING}
    ),
    "allocate_fee": Operation(
        _allocate,
        {
            "style": one_of(Style),
            "residual": words("largest_account_first_listed_on_a_tie"),
            "allocation": words("pro_rata_by_value"),
            "rounding": _ROUNDING,
        },
    ),
    "flow_adjustment": Operation(
        _flows,
        {
            "method": one_of(FlowMethod),
            "day_count": words("flow_date_counts_as_present"),
            "rounding": _ROUNDING,
        },
    ),
    "period_fee": Operation(
        _period_fee,
        {"basis": words(*_BASES), "day_basis": one_of(DayBasis), "rounding": _ROUNDING},
    ),
    "termination_refund": Operation(
        _refund, {"termination_day": words("served"), "rounding": _ROUNDING}
    ),
    "fee_split": Operation(
        _split,
        {
            "residual_payee": ANYTHING,
            "total": words("rounded_once_from_the_sum_of_basis_points"),
            "rounding": _ROUNDING,
        },
    ),
    "fee_order": Operation(
        _order,
        {
            "order": in_order("standard", "negotiated", "minimum", "cap", "credit"),
            "floor": numbers(0),
            "rounding": _ROUNDING,
        },
    ),
}
