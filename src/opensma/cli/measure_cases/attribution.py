"""Attribution of worked cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from opensma.cli.measure_cases.choices import Choices, one_of, some_of, words
from opensma.cli.measure_cases.fields import Fields, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.measure.attribution import Effects, brinson, link_effects, link_values
from opensma.measure.conventions import BrinsonModel, Linker

_EFFECTS = ("allocation", "selection", "interaction")


def _single(inputs: Fields, choices: Choices) -> dict[str, Any]:
    rows = inputs.rows("segments")
    names = _names(rows)
    found: dict[str, Any] = {"portfolio": None, "benchmark": None, "excess": None, "by_model": {}}
    for model in choices.members("models", BrinsonModel):
        effects = _effects(rows, model)
        columns = {name: getattr(effects, name) for name in _EFFECTS}
        found["by_model"][model.value] = {
            "by_segment": {
                segment: {name: column[i] for name, column in columns.items()}
                for i, segment in enumerate(names)
            },
            "total": {name: column.sum() for name, column in columns.items()},
        }
        found |= {
            "portfolio": effects.portfolio,
            "benchmark": effects.benchmark,
            "excess": effects.excess,
        }
    return found


def _names(rows: Sequence[Fields]) -> list[str]:
    names = [row.text("segment") for row in rows]
    if len(set(names)) != len(names):
        refuse("segment_twice", "A segment is listed twice.", where=rows[0].where)
    return names


def _effects(rows: Sequence[Fields], model: BrinsonModel) -> Effects:
    wp, wb, rp, rb = ([row.number(name) for row in rows] for name in ("wp", "wb", "rp", "rb"))
    return brinson(wp, wb, rp, rb, model)


def _linked(inputs: Fields, choices: Choices) -> dict[str, Any]:
    model = choices.member("model", BrinsonModel)
    periods = []
    for rows in inputs.lists("periods"):
        _names(rows)
        periods.append(_effects(rows, model))
    # Segments may come and go between periods; effects are linked in total.
    totals = Effects(
        allocation=np.array([[e.allocation.sum()] for e in periods]),
        selection=np.array([[e.selection.sum()] for e in periods]),
        interaction=np.array([[e.interaction.sum()] for e in periods]),
        portfolio=np.array([float(e.portfolio) for e in periods]),
        benchmark=np.array([float(e.benchmark) for e in periods]),
    )
    found: dict[str, Any] = {"portfolio": None, "benchmark": None, "excess": None, "by_linker": {}}
    for linker in choices.members("linkers", Linker):
        linked = link_effects(totals, linker)
        found["by_linker"][linker.value] = {
            "coefficients": linked.coefficients,
            **{name: getattr(linked, name)[0] for name in _EFFECTS},
        }
        found |= {
            "portfolio": linked.portfolio,
            "benchmark": linked.benchmark,
            "excess": linked.excess,
        }
    return found


def _link_effects(inputs: Fields, choices: Choices) -> dict[str, Any]:
    periods = inputs.rows("periods")
    places = [
        (p, row.text("segment"), row.weights("values"))
        for p, period in enumerate(periods)
        for row in period.rows("effects")
    ]
    names = list(dict.fromkeys(name for _, _, values in places for name in values))
    # One row for each period, one column for each effect of any row.
    table = np.zeros((len(periods), sum(len(values) for _, _, values in places)))
    column = 0
    for p, _, values in places:
        table[p, column : column + len(values)] = list(values.values())
        column += len(values)
    linked = link_values(
        table,
        [period.number("portfolio") for period in periods],
        [period.number("benchmark") for period in periods],
        choices.member("linker", Linker),
    )
    flat = iter(linked.values.sum(axis=0).tolist())
    rows = [
        {
            "period": periods[p].values["period"],
            "segment": segment,
            "values": {name: next(flat) for name in values},
        }
        for p, segment, values in places
    ]
    totals = {name: sum(row["values"].get(name, 0.0) for row in rows) for name in names}
    return {
        "coefficients": linked.coefficients,
        "linked": rows,
        "totals": totals,
        "total": sum(totals.values()),
        "portfolio": linked.portfolio,
        "benchmark": linked.benchmark,
    }


OPERATIONS = {
    "attribution_single": Operation(
        _single, {"models": some_of(BrinsonModel), "interaction": words("separate")}
    ),
    "attribution_linked": Operation(
        _linked,
        {
            "model": one_of(BrinsonModel),
            "linkers": some_of(Linker),
            "interaction": words("separate"),
        },
    ),
    "attribution_link_effects": Operation(_link_effects, {"linker": one_of(Linker)}),
}
