"""How many units an experiment needs, or how likely it is to find what is there (X9).

Funded accounts are too few to be a primary metric: take meetings or proposals, take out what was
known before (CUPED), and keep revenue of the ledger as a guardrail.
"""

from __future__ import annotations

import math
from typing import Any

from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part


def power(spec: Spec) -> dict[str, Any]:
    """The kind `power`: units for each arm, or with `n` the power of that many."""
    metric = spec.choice("metric", ("proportion", "mean"))
    alpha, wanted = spec.fraction("alpha", 0.05), spec.fraction("power", 0.8)
    if metric == "proportion":
        a, b = spec.fraction("a"), spec.fraction("b")
        middle = (a + b) / 2
        null, real = 2 * middle * (1 - middle), a * (1 - a) + b * (1 - b)
        difference = abs(b - a)
    else:
        difference = abs(spec.number("difference"))
        null = real = 2 * spec.number("sd", least=0) ** 2
    if not difference or not real:
        raise spec.fail("b", "There is no difference to find.", "Give two that differ.")
    known = 1 - spec.number("correlation_before", 0.0, least=-1, most=1) ** 2
    null, real = null * known, real * known
    special = scipy_part("special")
    z = float(special.ndtri(1 - alpha / 2))
    if spec.has("n"):
        n = spec.number("n", least=2, whole=True)
        reached = (difference * math.sqrt(n) - z * math.sqrt(null)) / math.sqrt(real)
        return {"kind": "power", "n_per_arm": int(n), "power": float(special.ndtr(reached))}
    needed = (z * math.sqrt(null) + float(special.ndtri(wanted)) * math.sqrt(real)) / difference
    return {"kind": "power", "n_per_arm": math.ceil(needed**2), "power": wanted}
