"""At most so many names: never exceeded, near the best of all plans, and named where impossible."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.construct import tiny
from tests.construct.oracle import AS_OF, best, tiny_problem

import opensma
from opensma.construct.check import BareMoves, check_plans, check_trades, evaluate
from opensma.construct.few import names_meet
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account, Taxpayer, Universe
from opensma.construct.saved import SavedProblem, pack, unpack
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.errors import InputError
from opensma.rebalancing.answer import Rebalance
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems

NEAR = 2e-4  # of V


def limited(taxpayer: Taxpayer, most: int) -> Taxpayer:
    accounts = tuple(replace(account, max_names=most) for account in taxpayer.accounts)
    return replace(taxpayer, accounts=accounts)


def names_after(account: Account, plan: Plan, count: int) -> int:
    shares = np.bincount(account.lots.security, account.lots.quantity, minlength=count)
    np.add.at(shares, plan.trades.security, plan.trades.shares)
    return int((shares > 1e-6).sum())


def solve_one(account: Account, universe: Universe | None = None) -> Plan:
    universe = universe or tiny.universe()
    return solve_taxpayer(Prepared(universe), tiny.taxpayer(account), tiny.AS_OF)[0]


# --- the oracle ----------------------------------------------------------------------------------


def test_plans_with_few_names_are_near_the_best_of_all_and_certified() -> None:
    missed, compared = [], 0
    for seed in range(60):
        universe, taxpayer = tiny_problem(seed)
        taxpayer = limited(taxpayer, 1 + seed % 3)
        found = best(universe, taxpayer)
        plans = solve_taxpayer(Prepared(universe), taxpayer, AS_OF)
        assert check_plans(universe, taxpayer, plans, AS_OF) == []
        if found is None:
            assert any(plan.status is not Status.SOLVED for plan in plans)
            continue
        assert all(plan.status is Status.SOLVED for plan in plans), seed
        assert check_trades(universe, taxpayer, found.moves, AS_OF) == []
        compared += 1
        objective = sum(plan.objective for plan in plans)
        assert sum(plan.bound for plan in plans) <= found.objective + 1e-6
        assert found.objective <= objective + 1e-6
        figures = evaluate(universe, taxpayer, [plan.trades for plan in plans], AS_OF)
        if objective > found.objective + NEAR * sum(exact.value for exact in figures):
            missed.append(seed)
    assert compared >= 35
    assert len(missed) <= 1, missed


# --- properties ----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), part=st.floats(0.1, 1.1), wishes=st.sampled_from([0.0, 0.4]))
def test_never_more_names_than_allowed_nor_worse_than_doing_nothing(
    seed: int, part: float, wishes: float
) -> None:
    recipe = Recipe(names=30, accounts=2, lots=80, factors=5, sectors=4, wishes=wishes)
    universe, taxpayers = generate_problems(seed, recipe)
    for taxpayer in taxpayers:
        asked = limited(taxpayer, int(part * 30))
        plans = solve_taxpayer(Prepared(universe), asked, AS_OF_DAY)
        assert check_plans(universe, asked, plans, AS_OF_DAY) == []
        idle = [BareMoves.none() for _ in plans]
        stuck = {v.account_id for v in check_trades(universe, asked, idle, AS_OF_DAY)}
        for account, plan in zip(asked.accounts, plans, strict=True):
            if plan.status is Status.SOLVED:
                assert names_after(account, plan, 30) <= int(part * 30)
                assert plan.bound <= plan.objective + 1e-6
            if plan.account_id not in stuck:
                assert plan.status is Status.SOLVED
                assert plan.objective <= plan.objective_before + 1e-6


@pytest.mark.parametrize("seed", range(4))
def test_a_limit_that_does_not_bind_changes_nothing(seed: int) -> None:
    universe, taxpayers = generate_problems(seed, Recipe(names=40, accounts=4, lots=120, factors=5))
    prepared = Prepared(universe)
    for taxpayer in taxpayers:
        free = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        wide = solve_taxpayer(prepared, limited(taxpayer, 40), AS_OF_DAY)
        for one, two in zip(free, wide, strict=True):
            assert one.status is two.status
            if one.status is Status.SOLVED:
                assert two.objective == pytest.approx(one.objective, abs=1e-6)
                assert two.bound == pytest.approx(one.bound, abs=1e-6)


def test_fewer_names_never_cost_less() -> None:
    universe, taxpayers = generate_problems(
        11, Recipe(names=40, accounts=1, lots=120, factors=5, wishes=0.0, capped=0.0)
    )
    plans = [
        solve_taxpayer(Prepared(universe), limited(taxpayers[0], most), AS_OF_DAY)[0]
        for most in (40, 25, 12)
    ]
    assert [plan.status for plan in plans] == [Status.SOLVED] * 3
    assert plans[0].objective <= plans[1].objective <= plans[2].objective
    assert "max_names" in plans[2].binding


# --- what is impossible --------------------------------------------------------------------------


def test_more_names_that_may_not_be_sold_than_may_be_held() -> None:
    plan = solve_one(tiny.account(max_names=2, limits=tiny.limits(no_sell="ABC")))
    assert plan.status is Status.INFEASIBLE
    assert plan.message.startswith("These cannot hold together: no_sell A, B, C; max_names.")


def test_so_few_names_under_a_largest_weight_leave_too_much_cash() -> None:
    narrow = tiny.limits(max_weight=dict.fromkeys("ABCD", 0.3))
    plan = solve_one(tiny.account(max_names=3, cash_high=0.02, limits=narrow))
    assert plan.status is Status.INFEASIBLE
    assert "max_names" in plan.message
    assert "max_weight" in plan.message
    assert "cash_high" in plan.message


def test_exclusions_that_leave_too_few_names() -> None:
    bounds = tiny.limits(exclude="A", max_weight=dict.fromkeys("BCD", 0.5))
    plan = solve_one(tiny.account(max_names=1, cash_high=0.02, limits=bounds))
    assert plan.status is Status.INFEASIBLE
    assert "max_names" in plan.message


def test_a_smallest_sector_weight_needs_more_names() -> None:
    bounds = tiny.limits(sector_min={"X": 0.2, "Y": 0.2})
    plan = solve_one(tiny.account(max_names=1, limits=bounds))
    assert plan.status is Status.INFEASIBLE
    assert plan.message.startswith("These cannot hold together: sector_min X, Y; max_names.")


def test_closing_names_needs_more_turnover_than_allowed() -> None:
    plan = solve_one(tiny.account(max_names=1, max_turnover=0.05))
    assert plan.status is Status.INFEASIBLE
    assert plan.message.startswith("These cannot hold together: max_turnover; max_names.")


def test_closing_names_realises_more_than_the_gain_budget() -> None:
    plan = solve_one(tiny.account(max_names=1, lt_gain_budget=-250.0))
    assert plan.status is Status.INFEASIBLE
    assert "lt_gain_budget" in plan.message


def test_so_few_names_cannot_keep_a_tracking_error_cap() -> None:
    account = tiny.account(max_names=1, risk_aversion=None, te_cap=0.02, cash_high=0.25)
    plan = solve_one(account)
    assert plan.status is Status.INFEASIBLE
    assert "te_cap" in plan.message
    assert "max_names" in plan.message


def test_what_is_refused_has_no_legal_plan() -> None:
    """Single accounts only: in a household another account may stand in the way."""
    refused = 0
    for seed in range(60):
        universe, taxpayer = tiny_problem(seed)
        taxpayer = limited(taxpayer, 1 + seed % 2)
        if len(taxpayer.accounts) > 1:
            continue
        plan = solve_taxpayer(Prepared(universe), taxpayer, AS_OF)[0]
        if plan.status is Status.INFEASIBLE:
            refused += 1
            assert best(universe, taxpayer) is None, plan.message
    assert refused >= 5


def test_no_limit_asks_nothing() -> None:
    account = tiny.account()
    zero, much = np.zeros(4), np.full(4, np.inf)
    assert names_meet(tiny.universe(), account, zero, much)
    assert not names_meet(tiny.universe(), replace(account, max_names=1), np.full(4, 0.1), much)


# --- the check and the ways in -------------------------------------------------------------------


def test_the_check_refuses_one_name_too_many() -> None:
    taxpayer = tiny.taxpayer(tiny.account(max_names=3))
    four = [v.rule for v in check_trades(tiny.universe(), taxpayer, [tiny.moves()], tiny.AS_OF)]
    assert four == ["max_names"]
    closed = tiny.moves(("C", 3, -50.0))
    assert check_trades(tiny.universe(), taxpayer, [closed], tiny.AS_OF) == []


def test_a_saved_problem_keeps_the_limit() -> None:
    taxpayer = tiny.taxpayer(tiny.account(max_names=3))
    problem = SavedProblem(tiny.universe(), taxpayer, tiny.AS_OF, "9.9", ())
    assert unpack(pack(problem), "test").taxpayer.accounts[0].max_names == 3


def rebalance(**limits: object) -> Rebalance:
    lots = {
        "security": list("ABCD"), "quantity": [10.0, 20.0, 50.0, 100.0],
        "basis": [900.0, 1200.0, 1000.0, 800.0], "acquired": ["2021-03-01"] * 4,
    }  # fmt: skip
    return opensma.rebalance(
        lots, dict.fromkeys("ABCD", 0.24), (np.ones((4, 1)), np.array([[0.04]]), np.full(4, 0.09)),
        securities=list("ABCD"), prices={"A": 100.0, "B": 50.0, "C": 20.0, "D": 10.0},
        cash=200.0, as_of="2026-03-31", cash_band=(0.0, 0.2), **limits,
    )  # fmt: skip


def test_rebalance_takes_the_limit_and_says_that_it_binds() -> None:
    answer = rebalance(max_names=3, ticket_cost=1.0, min_position=0.05)
    assert answer.status == "solved", answer.message
    (limit,) = [one for one in answer.restrictions if one.name == "max_names"]
    assert (limit.limit, limit.binding) == (3.0, True)


@pytest.mark.parametrize("wrong", [-1, 2.5])
def test_rebalance_refuses_a_count_that_is_none(wrong: float) -> None:
    with pytest.raises(InputError) as caught:
        rebalance(max_names=wrong)
    assert "max_names" in caught.value.where


def test_the_room_that_names_need_is_no_file_of_its_own(tmp_path: Path) -> None:
    """A folder from before has none of the three columns: nothing is limited."""
    import duckdb

    from opensma.cli import run
    from opensma.cli.construct_files.build import build_problem
    from opensma.cli.construct_files.reader import read_files

    words = ["construct", "example", "--family", "few", "--accounts", "3", "--names", "20"]
    assert run([*words, "--lots", "40", "--out", str(tmp_path)]) == 0
    with_them = build_problem(read_files(tmp_path)).taxpayers
    assert all(t.accounts[0].max_names is not None for t in with_them)
    path = tmp_path / "accounts.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE it AS SELECT * FROM '{path}'")
        lacking = "SELECT * EXCLUDE (max_names, ticket_cost, min_position) FROM it"
        connection.execute(f"COPY ({lacking}) TO '{path}' (FORMAT parquet)")
    for taxpayer in build_problem(read_files(tmp_path)).taxpayers:
        account = taxpayer.accounts[0]
        assert (account.max_names, account.ticket_cost, account.min_position) == (None, 0.0, 0.0)
