"""How near plans come to their certified bounds, where every kind of limit binds."""

import numpy as np
import pytest

from opensma.construct.convex import convex_sides, solve_convex
from opensma.construct.plan import Status
from opensma.construct.prepare import rows
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.simulate.families import family
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems


def gaps_bps(name: str, accounts: int, seed: int, names: int = 250, lots: int = 900) -> np.ndarray:
    """Gaps of a family's households, in basis points of their value."""
    universe, taxpayers = generate_problems(seed, family(name, accounts, names, lots))
    prepared, found = Prepared(universe), []
    for taxpayer in taxpayers:
        plans = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        if any(plan.status is not Status.SOLVED for plan in plans):
            continue
        value = sum(
            a.cash + float((a.lots.quantity * universe.price[a.lots.security]).sum())
            for a in taxpayer.accounts
        )
        found.append(sum(plan.objective - plan.bound for plan in plans) / value * 1e4)
    return np.array(found)


@pytest.mark.parametrize("name", ["base", "hard", "household"])
def test_plans_come_within_a_few_basis_points_of_their_bound(name: str) -> None:
    found = gaps_bps(name, accounts=24, seed=8)
    assert len(found) >= 8
    assert np.median(found) <= 1.5
    assert np.quantile(found, 0.8) <= 6.0  # the rest are few names in which one choice weighs much


def test_a_sector_with_a_minimum_alone_has_the_account_as_its_maximum() -> None:
    """A bound pays for the edge of a row: one that nothing reaches must not be far away."""
    universe, taxpayers = generate_problems(5, family("hard", 30, 60, 200))
    bands = [rows(universe, account) for taxpayer in taxpayers for account in taxpayer.accounts]
    assert any(len(high) > 1 for _, _, high in bands)
    for _, low, high in bands:
        assert (high[1:] <= high[0]).all()
        assert (low <= high).all()


def test_no_line_search_crawls_where_cash_is_outside_its_band() -> None:
    """Newton steps stay few from any start, with too much cash or too little."""
    recipe = Recipe(accounts=30, capped=0.0)
    universe, taxpayers = generate_problems(1, recipe)
    prepared, outside = Prepared(universe), 0
    for account in [a for taxpayer in taxpayers for a in taxpayer.accounts][:16]:
        held = float((account.lots.quantity * universe.price[account.lots.security]).sum())
        cash = account.cash / (account.cash + held)
        outside += not account.cash_low <= cash <= account.cash_high
        solved = solve_convex(prepared, account, convex_sides(prepared, account))
        assert solved.steps <= 20
    assert outside
