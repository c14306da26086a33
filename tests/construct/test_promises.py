"""What every plan keeps, on random problems of 30 to 60 names with limits of all kinds."""

from dataclasses import replace

import numpy as np
import pytest

from opensma.cli.construct_files.solving import solve_shard
from opensma.construct.check import BareMoves, check_plans, check_trades, evaluate
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account, LotColumns, Taxpayer, Universe
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems
from opensma.workers import map_shards

CASES = [(seed, 30 + 10 * (seed % 4)) for seed in range(12)]
Solved = tuple[Universe, list[Taxpayer], list[list[Plan]]]


def recipe(names: int, **changes: object) -> Recipe:
    made = Recipe(names=names, accounts=8, lots=3 * names, factors=8, sectors=5, wishes=0.5)
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"seed{case[0]}-{case[1]}names")
def solved(request: pytest.FixtureRequest) -> Solved:
    seed, names = request.param
    universe, taxpayers = generate_problems(seed, recipe(names))
    prepared = Prepared(universe)
    return universe, taxpayers, [solve_taxpayer(prepared, t, AS_OF_DAY) for t in taxpayers]


def test_the_independent_check_finds_nothing(solved: Solved) -> None:
    universe, taxpayers, plans = solved
    for taxpayer, mine in zip(taxpayers, plans, strict=True):
        assert check_plans(universe, taxpayer, mine, AS_OF_DAY) == []


def test_contributions_add_up_and_the_bound_is_below(solved: Solved) -> None:
    for plan in (plan for mine in solved[2] for plan in mine if plan.status is Status.SOLVED):
        trades = plan.trades
        change = float(trades.risk.sum() + trades.tax.sum() + trades.cost.sum())
        assert change == pytest.approx(plan.objective - plan.objective_before, abs=0.005)
        assert plan.bound <= plan.objective + 1e-6
        assert len(trades.reason) == len(trades.shares)


def test_trading_is_never_worse_than_doing_nothing_where_that_is_allowed(solved: Solved) -> None:
    universe, taxpayers, plans = solved
    for taxpayer, mine in zip(taxpayers, plans, strict=True):
        nothing = [BareMoves.none() for _ in mine]
        stuck = {v.account_id for v in check_trades(universe, taxpayer, nothing, AS_OF_DAY)}
        for plan in mine:
            if plan.account_id not in stuck:
                assert plan.status is Status.SOLVED, (taxpayer.taxpayer_id, plan.message)
                assert plan.objective <= plan.objective_before + 1e-6


def test_accounts_that_are_not_solved_trade_nothing_and_say_why(solved: Solved) -> None:
    for plan in (plan for mine in solved[2] for plan in mine):
        if plan.status is not Status.SOLVED:
            assert len(plan.trades.shares) == 0
            assert plan.message


def test_no_legal_plan_can_be_found_where_the_solver_found_none(solved: Solved) -> None:
    pytest.importorskip("scipy", reason="scipy is not installed: no second opinion on feasibility")
    from tests.construct.feasible import find_plan

    universe, taxpayers, plans = solved
    alone = [(t, mine[0]) for t, mine in zip(taxpayers, plans, strict=True) if len(mine) == 1]
    missed = [
        (plan.account_id, plan.status.value, plan.message)
        for taxpayer, plan in alone  # in a household the other accounts may stand in the way
        if plan.status is not Status.SOLVED
        and find_plan(universe, taxpayer, taxpayer.accounts[0], AS_OF_DAY) is not None
    ]
    assert missed == []


def test_a_new_account_of_cash_alone_is_invested() -> None:
    universe, taxpayers = generate_problems(1, recipe(30, wishes=0.0, capped=0.0, losses=0.0))
    account = taxpayers[0].accounts[0]
    nothing = LotColumns(*(column[:0] for column in columns_of(account.lots)))
    alone = replace(taxpayers[0], accounts=(replace(account, lots=nothing, cash=1e6),))
    plan = solve_taxpayer(Prepared(universe), alone, AS_OF_DAY)[0]
    assert plan.status is Status.SOLVED, plan.message
    assert check_plans(universe, alone, [plan], AS_OF_DAY) == []
    assert plan.cash_after < 0.05e6


@pytest.mark.parametrize("cash", [0.0, -10.0])
def test_an_account_without_value_is_left_alone_and_says_so(cash: float) -> None:
    universe, taxpayers = generate_problems(1, recipe(30))
    account = taxpayers[0].accounts[0]
    nothing = LotColumns(*(column[:0] for column in columns_of(account.lots)))
    alone = replace(taxpayers[0], accounts=(replace(account, lots=nothing, cash=cash),))
    plan = solve_taxpayer(Prepared(universe), alone, AS_OF_DAY)[0]
    assert len(plan.trades.shares) == 0
    assert plan.status is Status.SOLVED or plan.message


# --- the same answer however it is asked ---------------------------------------------------------


def columns_of(lots: LotColumns) -> tuple[np.ndarray, ...]:
    return (lots.security, lots.quantity, lots.basis, lots.acquired_day, lots.long_term)


def shuffled(account: Account, rng: np.random.Generator) -> tuple[Account, np.ndarray]:
    order = rng.permutation(len(account.lots.quantity))
    lots = LotColumns(*(column[order] for column in columns_of(account.lots)))
    return replace(account, lots=lots), order


def rows(plan: Plan, lot_of: np.ndarray | None = None) -> list[tuple[int, int, float]]:
    """Trades by security and original lot."""
    lots = plan.trades.lot
    if lot_of is not None:
        lots = np.where(lots >= 0, lot_of[np.maximum(lots, 0)], -1)
    found = zip(plan.trades.security, lots, plan.trades.shares, strict=True)
    return sorted((int(s), int(lot), float(shares)) for s, lot, shares in found)


def figures(plan: Plan) -> tuple[str, str, str]:
    """Every digit; as text, since an account that is not solved has no bound (NaN)."""
    return repr(plan.objective), repr(plan.bound), plan.message


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_lots_does_not_matter(seed: int) -> None:
    universe, taxpayers = generate_problems(seed, recipe(40))
    prepared, rng = Prepared(universe), np.random.default_rng(seed)
    for taxpayer in taxpayers:
        mixed = [shuffled(account, rng) for account in taxpayer.accounts]
        other = replace(taxpayer, accounts=tuple(account for account, _ in mixed))
        first = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        second = solve_taxpayer(prepared, other, AS_OF_DAY)
        for one, two, (_, order) in zip(first, second, mixed, strict=True):
            assert rows(one) == rows(two, order)
            assert two.status is one.status
            assert two.objective == pytest.approx(one.objective, abs=1e-9, nan_ok=True)


def test_the_number_of_workers_does_not_matter() -> None:
    universe, taxpayers = generate_problems(5, recipe(40, accounts=60))
    shards = [taxpayers[::2], taxpayers[1::2]]
    shared = (Prepared(universe), AS_OF_DAY)
    alone, together = (
        [
            plan
            for found in map_shards(solve_shard, shared, shards, workers)
            for one in found
            for plan in one.plans
        ]
        for workers in (1, 2)
    )
    assert [plan.account_id for plan in alone] == [
        account.account_id
        for shard in shards
        for taxpayer in shard
        for account in taxpayer.accounts
    ]
    for one, two in zip(alone, together, strict=True):
        assert rows(one) == rows(two)
        assert figures(one) == figures(two)


def test_the_same_question_has_the_same_answer_bit_for_bit() -> None:
    universe, taxpayers = generate_problems(6, recipe(40))
    prepared = Prepared(universe)
    for taxpayer in taxpayers:
        first = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        again = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        for one, two in zip(first, again, strict=True):
            assert rows(one) == rows(two)
            assert figures(one) == figures(two)


# --- the generator -------------------------------------------------------------------------------


def test_generated_problems_look_like_accounts() -> None:
    universe, taxpayers = generate_problems(1, Recipe(accounts=40))
    accounts = [account for taxpayer in taxpayers for account in taxpayer.accounts]
    assert len(accounts) == 40
    assert any(len(taxpayer.accounts) > 1 for taxpayer in taxpayers)
    assert any(account.st_rate == 0.0 for account in accounts)
    ratios = np.concatenate(
        [universe.price[a.lots.security] * a.lots.quantity / a.lots.basis for a in accounts]
    )
    assert 0.15 < np.mean(ratios < 1.0) < 0.3
    assert np.mean(ratios > 1.08) > 0.4
    variance = np.einsum("ij,jk,ik->i", universe.loadings, universe.factor_cov, universe.loadings)
    volatility = np.sqrt(variance + universe.specific_var)
    assert 0.19 < volatility.min() < volatility.max() < 0.7
    figures = [
        exact
        for taxpayer in taxpayers
        for exact in evaluate(
            universe, taxpayer, [BareMoves.none() for _ in taxpayer.accounts], AS_OF_DAY
        )
    ]
    values = np.array([exact.value for exact in figures])
    assert 90_000 < values.min() < values.max() < 6_000_000
    assert 0.003 < np.median([exact.te_before for exact in figures]) < 0.03


def test_generated_problems_depend_on_the_seed_alone() -> None:
    first, again = (generate_problems(4, recipe(30))[1] for _ in range(2))
    other = generate_problems(5, recipe(30))[1]
    assert [a.cash for t in first for a in t.accounts] == [
        a.cash for t in again for a in t.accounts
    ]
    assert [a.cash for t in first for a in t.accounts] != [
        a.cash for t in other for a in t.accounts
    ]
