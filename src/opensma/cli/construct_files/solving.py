"""Solving shards of taxpayers; a module of its own, so that worker processes can import it."""

from __future__ import annotations

from collections.abc import Sequence

from opensma.construct.plan import Plan
from opensma.construct.problem import Taxpayer
from opensma.construct.solve import Prepared, solve_taxpayer


def solve_shard(shared: tuple[Prepared, int], shard: Sequence[Taxpayer]) -> list[Plan]:
    """Plans of some taxpayers, account by account; each has passed the independent check."""
    prepared, as_of_day = shared
    return [plan for taxpayer in shard for plan in solve_taxpayer(prepared, taxpayer, as_of_day)]
