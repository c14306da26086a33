"""The convex kernel against Clarabel, an interior-point solver that shares no code with it."""

import numpy as np
import pytest

from opensma.construct.convex import convex_sides, solve_convex
from opensma.construct.solve import Prepared
from opensma.simulate.problems import Recipe, generate_problems

CASES = [(seed, 40 + 20 * (seed % 5)) for seed in range(10)]


@pytest.mark.parametrize(("seed", "names"), CASES)
def test_the_convex_kernel_finds_the_optimum_of_clarabel(seed: int, names: int) -> None:
    pytest.importorskip("clarabel", reason="clarabel is not installed: nothing to compare with")
    pytest.importorskip("scipy", reason="scipy is not installed: clarabel needs its matrices")
    from opensma.simulate.peer import solve_with_clarabel

    recipe = Recipe(names, accounts=4, lots=3 * names, factors=12, capped=0.0, wishes=0.4)
    universe, taxpayers = generate_problems(seed, recipe)
    prepared, compared = Prepared(universe), 0
    for account in (a for taxpayer in taxpayers for a in taxpayer.accounts):
        side = convex_sides(prepared, account)
        peer = solve_with_clarabel(universe, account, side)
        if peer.status != "Solved":
            continue  # these limits leave nothing to compare
        mine = solve_convex(prepared, account, side)
        compared += 1
        assert mine.objective == pytest.approx(peer.objective, rel=1e-6, abs=1e-4)
        assert mine.bound <= peer.objective + 1e-6 * abs(peer.objective) + 1e-4
        assert np.abs(mine.weight - peer.weight).max() < 1e-4
    assert compared
