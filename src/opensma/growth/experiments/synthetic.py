"""Synthetic control: treated units beside the mixture of others that ran like them (X7, X8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.growth.experiments.panel import read_panel
from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats, Ints

_SHOWN_WEIGHT = 1e-9
_MOST_PLACEBOS = 200


@dataclass(frozen=True)
class Panel:
    """Values of units over dates, of which the first `before` are the time before the test."""

    units: list[str]
    values: Floats  # units x dates
    before: int


@dataclass(frozen=True)
class Gap:
    """Treated minus synthetic at every date, with the weights behind it."""

    gap: Floats
    counterfactual: Floats
    weights: Floats
    imbalance: float
    equal_imbalance: float


def synthetic_control(spec: Spec) -> dict[str, Any]:
    """The kind `synth`: effect on the treated, and how unusual it is among placebos (X7, X8)."""
    panel = _panel(spec)
    treated = _treated(spec, panel)
    fixed = spec.flag("fixed_effects", True)
    rest = np.setdiff1d(np.arange(len(panel.units)), treated)
    found = fit(panel, treated, rest, fixed)
    after = found.gap[panel.before :]
    att = float(after.mean())
    base = float(found.counterfactual[panel.before :].mean())
    seed = int(spec.number("seed", 0, least=0, whole=True))
    placebo = _placebo(panel, treated, rest, fixed, seed, found)
    blocks = _blocks(panel, treated, rest, fixed)
    scaled = found.imbalance / found.equal_imbalance if found.equal_imbalance else None
    order = np.argsort(-found.weights, kind="stable")
    return {
        "kind": "synth", "att": att, "percent_lift": 100 * att / base if base else None,
        "incremental": att * len(after) * len(treated), "l2_imbalance": found.imbalance,
        "scaled_l2_imbalance": scaled,
        "weights": {
            panel.units[rest[k]]: float(found.weights[k])
            for k in order if found.weights[k] > _SHOWN_WEIGHT
        },
        "p_value_units": placebo[0], "placebos": placebo[1], "p_value_blocks": blocks, "seed": seed,
        "periods": {"pre": panel.before, "test": len(after)}, "warnings": [],
    }  # fmt: skip


def simplex_weights(donors: Floats, target: Floats) -> Floats:
    """Weights >= 0 that add up to 1 and miss the target least, in squares.

    Exact by one non-negative least squares: with every donor measured from the target the misses
    are linear in the weights, and a row that asks their sum to be 1 only scales the solution.
    """
    misses = donors - target
    scale = float(np.sqrt((misses**2).mean() * misses.shape[1])) or 1.0
    system = np.vstack([misses.T / scale, np.ones(len(donors))])
    wanted = np.zeros(len(system))
    wanted[-1] = 1.0
    free = np.asarray(scipy_part("optimize").nnls(system, wanted)[0])
    return np.asarray(free / free.sum())


def fit(panel: Panel, treated: Ints, rest: Ints, fixed: bool, *, over: int | None = None) -> Gap:
    """The mixture of `rest` that runs like the treated before the test, or over `over` dates."""
    until = over or panel.before
    values = panel.values
    level = values[:, :until].mean(axis=1, keepdims=True) if fixed else np.zeros((len(values), 1))
    flat = values - level
    target, donors = flat[treated].mean(axis=0), flat[rest]
    weights = simplex_weights(donors[:, :until], target[:until])
    gap = target - weights @ donors
    equal = target - donors.mean(axis=0)
    y = values[treated].mean(axis=0)
    return Gap(
        gap, y - gap, weights, float(np.sqrt((gap[:until] ** 2).sum())),
        float(np.sqrt((equal[:until] ** 2).sum())),
    )  # fmt: skip


def _placebo(
    panel: Panel, treated: Ints, rest: Ints, fixed: bool, seed: int, found: Gap
) -> tuple[float | None, int]:
    """Share of placebo units whose test stands out as much against their own time before (X8)."""
    size = len(treated)
    if len(rest) < size + 2:
        return None, 0
    if size == 1:
        sets = [np.array([unit]) for unit in rest]
    else:
        random = np.random.default_rng(seed)
        sets = [random.choice(rest, size, replace=False) for _ in range(_MOST_PLACEBOS)]
    own = _standing_out(found, panel.before)
    ratios = [
        _standing_out(fit(panel, chosen, np.setdiff1d(rest, chosen), fixed), panel.before)
        for chosen in sets
    ]
    as_much = sum(ratio >= own * (1 - 1e-12) for ratio in ratios)
    return (1 + as_much) / (1 + len(ratios)), len(ratios)


def _standing_out(found: Gap, before: int) -> float:
    pre = float(np.sqrt((found.gap[:before] ** 2).mean()))
    post = float(np.sqrt((found.gap[before:] ** 2).mean()))
    return post / pre if pre else np.inf


def _blocks(panel: Panel, treated: Ints, rest: Ints, fixed: bool) -> float:
    """Under no effect a fit over all dates leaves misses that any block could have had (X8)."""
    dates = panel.values.shape[1]
    gap = np.abs(fit(panel, treated, rest, fixed, over=dates).gap)
    length = dates - panel.before
    moved = np.array([np.roll(gap, shift)[panel.before :].sum() for shift in range(dates)])
    return float((moved >= moved[0] * (1 - 1e-12)).mean()) if length else 1.0


# --- input ---------------------------------------------------------------------------------------


def _panel(spec: Spec) -> Panel:
    names = [str(spec.get(name, str, "a column's name")) for name in ("unit", "time", "value")]
    cells = read_panel(spec.file("data"), names[0], names[1], [names[2]])
    days = sorted({cell.day for cell in cells})
    pre, test = _periods(spec, days)
    if not pre or not test:
        empty = "test" if pre else "pre"
        raise spec.fail(empty, "No date of the file lies in it.", "Give dates that the file has.")
    units = sorted({cell.unit for cell in cells})
    place = {unit: i for i, unit in enumerate(units)}
    column = {day: i for i, day in enumerate([*pre, *test])}
    values = np.full((len(units), len(column)), np.nan)
    for cell in cells:
        if cell.day in column:
            values[place[cell.unit], column[cell.day]] = cell.values[0]
    holes = np.argwhere(np.isnan(values))
    if len(holes):
        unit, at = units[holes[0][0]], [*pre, *test][holes[0][1]]
        raise spec.fail("data", f"{unit} has no value on {at}.", "Give every unit every date.")
    return Panel(units, values, len(pre))


def _periods(spec: Spec, days: Sequence[date]) -> tuple[list[date], list[date]]:
    first, last = spec.period("test")
    test = [day for day in days if first <= day <= last]
    if not spec.has("pre"):
        return [day for day in days if day < first], test
    start, end = spec.period("pre")
    if end >= first:
        raise spec.fail("pre", "It reaches into the test.", "Periods do not overlap.")
    return [day for day in days if start <= day <= end], test


def _treated(spec: Spec, panel: Panel) -> Ints:
    names = [str(name) for name in spec.get("treated", list, "a list of units")]
    missing = [name for name in names if name not in panel.units]
    if missing or not names or len(set(names)) > len(panel.units) - 2:
        what = f"not in the file: {', '.join(missing)}" if missing else f"{len(names)} units"
        raise spec.fail("treated", f"Treated {what}.", "Name units of the file; leave two others.")
    return np.array(sorted({panel.units.index(name) for name in names}), dtype=np.int64)
