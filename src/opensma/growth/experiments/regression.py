"""Time-based regression: what treated territories would have done, from the others (X6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.growth.credit_paths import lines_of
from opensma.growth.experiments.panel import read_panel
from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats

_COLUMNS = {"date": "date", "unit": "unit", "response": "response", "group": "group"}


@dataclass(frozen=True)
class Series:
    """Sums of a period by date, of treated (y) and control (x) units."""

    y: Floats
    x: Floats
    y_cost: float
    x_cost: float


def time_based_regression(spec: Spec) -> dict[str, Any]:
    """The kind `tbr`: incremental response, and its return on the cost (X6)."""
    level = spec.fraction("level", 0.9)
    tails = int(spec.number("tails", 1, least=1, most=2, whole=True))
    pre_dates, test_dates = spec.period("pre"), spec.period("test")
    if test_dates[0] <= pre_dates[1]:
        raise spec.fail("test", "The test begins before the time before it ends.",
                        "Periods do not overlap.")  # fmt: skip
    pre, test, warnings = _series(spec, pre_dates, test_dates)
    a, b, scale, covariance = _line(spec, pre)
    delta = float((test.y - a - b * test.x).sum())
    v = np.array([len(test.y), test.x.sum()])
    error = float(np.sqrt(len(test.y) * scale + v @ covariance @ v))
    dof = len(pre.y) - 2
    tail = level if tails == 1 else 1 - (1 - level) / 2
    wide = float(scipy_part("special").stdtrit(dof, tail)) * error
    expected = float(test.y.sum()) - delta
    return {
        "kind": "tbr", "incremental_response": delta, "standard_error": error, "dof": dof,
        **_return_on(delta, wide, test.y_cost, tails), "intercept": a, "slope": b,
        "relative_lift": delta / expected if expected else None, "warnings": warnings,
    }  # fmt: skip


def _return_on(delta: float, wide: float, cost: float, tails: int) -> dict[str, Any]:
    if not cost:
        nothing = dict.fromkeys(("estimate", "precision", "lower", "upper"))
        return {"incremental_cost": cost, **nothing}
    estimate, precision = delta / cost, wide / cost
    upper = None if tails == 1 else estimate + precision
    return {
        "incremental_cost": cost, "estimate": estimate, "precision": precision,
        "lower": estimate - precision, "upper": upper,
    }  # fmt: skip


def _line(spec: Spec, pre: Series) -> tuple[float, float, float, Floats]:
    """Least squares on the time before: intercept, slope, residual variance, covariance."""
    n = len(pre.y)
    if n < 3 or np.ptp(pre.x) == 0:
        raise spec.fail(
            "pre", f"{n} dates, or control units that never change, fix no line.",
            "Give at least three dates with different values.",
        )  # fmt: skip
    middle = pre.x.mean()
    spread = float(((pre.x - middle) ** 2).sum())
    b = float(((pre.x - middle) * pre.y).sum() / spread)
    a = float(pre.y.mean() - b * middle)
    scale = float(((pre.y - a - b * pre.x) ** 2).sum() / (n - 2))
    cross = -middle / spread
    inverse = np.array([[1 / n + middle**2 / spread, cross], [cross, 1 / spread]])
    return a, b, scale, scale * inverse


def _series(
    spec: Spec, pre: tuple[date, date], test: tuple[date, date]
) -> tuple[Series, Series, list[dict[str, str]]]:
    names = dict(_COLUMNS)
    if spec.has("columns"):
        given = spec.part("columns")
        names |= {name: str(given.get(name, str, "a column's name")) for name in given.fields}
    values = [names["response"], *([names["cost"]] if "cost" in names else [])]
    group_of = {
        row[names["unit"]].strip(): row[names["group"]].strip()
        for _, row in lines_of(spec.file("assignment"), (names["unit"], names["group"]))
    }
    sides = {
        str(spec.get(name, (str, int), "a group")): side
        for side, name in enumerate(("control_group", "treatment_group"))
    }
    sums: dict[date, dict[int, list[float]]] = {}
    left_out = set()
    for cell in read_panel(spec.file("data"), names["unit"], names["date"], values):
        side = sides.get(group_of.get(cell.unit, ""))
        if side is None:
            left_out.add(cell.unit)
            continue
        total = sums.setdefault(cell.day, {}).setdefault(side, [0.0, 0.0])
        for i, value in enumerate(cell.values):
            total[i] += value
    parts = [_period(spec, name, sums, ends) for name, ends in (("pre", pre), ("test", test))]
    return parts[0], parts[1], _warnings(parts, len(left_out))


def _period(
    spec: Spec, name: str, sums: dict[date, dict[int, list[float]]], ends: tuple[date, date]
) -> Series:
    days = sorted(day for day in sums if ends[0] <= day <= ends[1])
    if not days:
        raise spec.fail(name, "No date of the file lies in it.", "Give dates that the file has.")
    for day in days:
        if len(sums[day]) < 2:
            raise spec.fail(name, f"On {day} one of the groups has no row.",
                            "Give rows of both groups for every date.")  # fmt: skip
    both = np.array([[sums[day][side] for day in days] for side in (0, 1)])
    costs = both[:, :, 1].sum(axis=1)
    return Series(both[1, :, 0], both[0, :, 0], float(costs[1]), float(costs[0]))


def _warnings(parts: list[Series], left_out: int) -> list[dict[str, str]]:
    found = []
    if left_out:
        text = f"{left_out} units of the file belong to neither group and are left out."
        found.append({"code": "UNASSIGNED_UNITS", "text": text})
    if parts[0].y_cost or parts[0].x_cost or parts[1].x_cost:
        text = "There was cost before the test or in the control group: it is not subtracted."
        found.append({"code": "COST_ELSEWHERE", "text": text})
    return found
