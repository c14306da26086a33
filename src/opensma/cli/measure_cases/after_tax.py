"""After-tax results of worked cases."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from opensma.cli.measure_cases.choices import Choices, numbers, one_of, words
from opensma.cli.measure_cases.fields import Fields
from opensma.cli.measure_cases.operation import Operation
from opensma.measure import after_tax, losses
from opensma.measure.after_tax import Realised, TaxRates, Unrealised
from opensma.measure.conventions import EmbeddedGainBase, FlowWeight, LotRelief
from opensma.measure.returns import link
from opensma.measure.shadow import shadow_benchmark


def _rates(inputs: Fields, *names: str) -> TaxRates:
    rates = inputs.part("rates")
    return TaxRates(**{name: rates.number(name) for name in names})


def _dietz(inputs: Fields, choices: Choices) -> dict[str, Any]:
    flows = inputs.rows("flows")
    unrealised = ("long_begin", "long_end", "short_begin", "short_end")
    found = after_tax.after_tax_dietz(
        inputs.number("begin"),
        inputs.number("end"),
        inputs.whole("days"),
        [flow.number("day") for flow in flows],
        [flow.number("amount") for flow in flows],
        Realised(
            inputs.number("realised_short"),
            inputs.number("realised_long"),
            inputs.number("qualified_dividends"),
            inputs.number("ordinary_income"),
        ),
        Unrealised(**{name: inputs.number(f"unrealised_{name}") for name in unrealised}),
        _rates(inputs, "short", "long", "qualified", "ordinary"),
        choices.member("flow_weight", FlowWeight),
    )
    return asdict(found)


def _post_liquidation(inputs: Fields, choices: Choices) -> float:
    return after_tax.post_liquidation(
        inputs.numbers("after_tax_returns"),
        inputs.number("embedded_gain"),
        inputs.number("rate"),
        choices.member("embedded_gain_base", EmbeddedGainBase),
    )


def _tax_alpha(inputs: Fields, choices: Choices) -> dict[str, Any]:
    found = after_tax.tax_alpha(
        inputs.number("after_tax_portfolio"),
        inputs.number("after_tax_benchmark"),
        inputs.number("pre_tax_portfolio"),
        inputs.number("pre_tax_benchmark"),
    )
    return {**asdict(found), "tax_alpha": found.tax_alpha}


def _harvest(inputs: Fields, choices: Choices) -> dict[str, Any]:
    return asdict(
        losses.harvest_value(
            inputs.number("net_losses"),
            inputs.number("gains_elsewhere"),
            inputs.number("federal_rate") + inputs.number("state_rate"),
            inputs.number("ordinary_limit"),
        )
    )


def _unrealised_share(inputs: Fields, choices: Choices) -> float:
    return after_tax.unrealised_share(
        inputs.number("unrealised_gain"), inputs.number("after_tax_assets")
    )


def _deferred(inputs: Fields, choices: Choices) -> dict[str, Any]:
    base, unused = losses.net_deferred_base(
        inputs.number("embedded_gain_share"), inputs.number("carryforward_share")
    )
    return {"net_deferred_base": base, "unused_carryforward": unused}


def _shadow(inputs: Fields, choices: Choices) -> dict[str, Any]:
    periods = inputs.rows("periods")
    found = shadow_benchmark(
        inputs.day("start_date"),
        [row.day("end_date") for row in periods],
        [inputs.number("start_value")],
        [inputs.number("start_basis")],
        [inputs.day("start_acquired")],
        [[row.number("flow_at_start") for row in periods]],
        [row.number("price_return") for row in periods],
        [row.number("dividend_yield") for row in periods],
        [_rates(inputs, "short", "long", "qualified")],
        choices.member("lot_relief", LotRelief),
    )
    return {
        "pre_tax_returns": found.pre_tax[0],
        "after_tax_returns": found.after_tax[0],
        "pre_tax": link(found.pre_tax)[0],
        "after_tax": link(found.after_tax)[0],
        "ending_value": found.ending_value[0],
        "ending_basis": found.ending_basis[0],
    }


OPERATIONS = {
    "after_tax_dietz": Operation(
        _dietz,
        {
            "flow_weight": one_of(FlowWeight),
            "loss_treatment": words("full_benefit"),
            "basis": words("realised"),
            "tax_payment": words("outside_account"),
        },
    ),
    "post_liquidation": Operation(
        _post_liquidation,
        {"embedded_gain_base": one_of(EmbeddedGainBase), "years": words("one_return_per_year")},
    ),
    "tax_alpha": Operation(_tax_alpha, {"definition": words("excess_after_minus_excess_pre")}),
    "harvest_value": Operation(
        _harvest,
        {
            "rate": words("federal_plus_state"),
            "use_order": words("gains_elsewhere_then_ordinary_limit"),
        },
    ),
    "unrealised_share": Operation(_unrealised_share, {}),
    "net_deferred_base": Operation(_deferred, {"floor": numbers(0)}),
    "shadow_benchmark": Operation(
        _shadow,
        {
            "lot_relief": one_of(LotRelief),
            "flow_timing": words("start_of_period"),
            "dividends": words("reinvested_at_period_end"),
            "tax_payment": words("outside_account"),
            "long_term": words("sold_after_first_anniversary"),
        },
    ),
}
