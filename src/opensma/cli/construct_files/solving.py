"""Solving shards of taxpayers; a module of its own, so that worker processes can import it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opensma.construct.plan import Plan
from opensma.construct.problem import Taxpayer
from opensma.construct.saved import decide
from opensma.construct.solve import Prepared


@dataclass(frozen=True, slots=True)
class Solved:
    """Plans of one taxpayer, and what went wrong where something did."""

    taxpayer_id: str
    plans: list[Plan]
    trouble: tuple[str, ...]


def solve_shard(shared: tuple[Prepared, int], shard: Sequence[Taxpayer]) -> list[Solved]:
    """Plans of some taxpayers; one taxpayer's trouble stays its own."""
    prepared, as_of_day = shared
    found = []
    for taxpayer in shard:
        decided = decide(prepared, taxpayer, as_of_day)
        found.append(Solved(taxpayer.taxpayer_id, decided.plans, decided.trouble))
    return found
