"""Which unit gets which arm, from a salt alone, and whether the split came out so (X1, X2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part

SRM_LIMIT = 0.001
_SUM_TOLERANCE = 1e-9


def position_of(salt: str, unit: str) -> float:
    """Where a unit falls between 0 and 1, the same on every machine (X1)."""
    digest = hashlib.sha256(f"{salt}:{unit}".encode()).hexdigest()
    return int(digest[:16], 16) / 2**64


def arm_of(position: float, weights: Sequence[float]) -> int:
    """The first arm whose cumulative weight exceeds the position (X1)."""
    reached, last = 0.0, 0
    for arm, weight in enumerate(weights):
        reached += weight
        last = arm if weight else last
        if reached > position:
            return arm
    return last  # weights that add up to a hair below 1


def assign(spec: Spec) -> dict[str, Any]:
    """Arms of all units of a specification."""
    salt = str(spec.get("salt", str, "a text that is new for every experiment"))
    weights = spec.numbers("weights")
    if not weights or abs(sum(weights) - 1) > _SUM_TOLERANCE:
        raise spec.fail("weights", f"They add up to {sum(weights):g}.", "Weights add up to 1.")
    units = spec.get("units", list, "a list of units")
    rows = []
    for unit in units:
        if not isinstance(unit, str | int) or isinstance(unit, bool) or unit == "":
            raise spec.fail("units", f"{unit!r} is not a unit.", "Give names or numbers.")
        u = position_of(salt, str(unit))
        rows.append({"unit": unit, "u": u, "arm": arm_of(u, weights)})
    return {"kind": "assign", "assignments": rows}


def sample_ratio(spec: Spec) -> dict[str, Any]:
    """Whether units fell into the arms as their weights say; flagged below .001 (X2)."""
    counts = spec.numbers("counts", whole=True)
    weights = spec.numbers("weights")
    if len(counts) != len(weights) or len(counts) < 2:
        message = f"{len(counts)} counts and {len(weights)} weights."
        raise spec.fail("counts", message, "Give one count and one weight for each arm.")
    if any(not weight for weight in weights):
        raise spec.fail("weights", "An arm has the weight 0.", "Leave out arms without units.")
    return {"kind": "srm"} | mismatch(counts, weights)


def mismatch(counts: Sequence[float], weights: Sequence[float]) -> dict[str, Any]:
    """Chi-squared test of counts against weights; all zero is no evidence (X2)."""
    special = scipy_part("special")
    total, whole = sum(counts), sum(weights)
    dof = len(counts) - 1
    expected = [total * weight / whole for weight in weights]
    chi2 = sum((o - e) ** 2 / e for o, e in zip(counts, expected, strict=True)) if total else 0.0
    p_value = float(special.chdtrc(dof, chi2)) if total else 1.0
    return {"chi2": chi2, "dof": dof, "p_value": p_value, "flag": p_value < SRM_LIMIT}
