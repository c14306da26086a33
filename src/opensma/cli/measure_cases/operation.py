"""One operation of the worked cases: what computes it, and which conventions it knows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from opensma.cli.measure_cases.choices import Choices, Rule
from opensma.cli.measure_cases.fields import Fields


@dataclass(frozen=True, slots=True)
class Operation:
    """A name in `op` stands for one of these."""

    compute: Callable[[Fields, Choices], Any]
    rules: Mapping[str, Rule]
