"""The kinds of experiment calculations by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opensma.growth.experiments.assignment import assign, sample_ratio
from opensma.growth.experiments.comparison import adjusted, compare
from opensma.growth.experiments.power import power
from opensma.growth.experiments.regression import time_based_regression
from opensma.growth.experiments.spec import Spec
from opensma.growth.experiments.synthetic import synthetic_control

KINDS: Mapping[str, Callable[[Spec], dict[str, Any]]] = {
    "assign": assign,
    "srm": sample_ratio,
    "ab": compare,
    "cuped": adjusted,
    "tbr": time_based_regression,
    "synth": synthetic_control,
    "power": power,
}
