"""The least change of one limit that frees an account: it frees it, and a smaller one does not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from tests.construct import tiny

from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.simulate.families import family
from opensma.simulate.problems import AS_OF_DAY, generate_problems

WORDS = re.compile(r"(\w+) from ([-\d.e]*\d) to ([-\d.e]*\d)")


def named(plan: Plan) -> dict[str, tuple[float, float]]:
    """Limits that the message offers to move: from and to."""
    offered = plan.message.partition("Any of these would free it: ")[2]
    return {kind: (float(now), float(least)) for kind, now, least in WORDS.findall(offered)}


@pytest.mark.parametrize("seed", range(4))
def test_cash_that_turnover_cannot_raise_names_how_much_of_either_would_do(seed: int) -> None:
    universe, taxpayers = generate_problems(seed, family("base", 1, 60, 200))
    prepared = Prepared(universe)

    def solved(**limits: float) -> Plan:
        wanted = {"cash_low": 0.4, "cash_high": 0.7, "max_turnover": 0.1} | limits
        account = replace(taxpayers[0].accounts[0], **wanted)  # type: ignore[arg-type]
        return solve_taxpayer(prepared, replace(taxpayers[0], accounts=(account,)), AS_OF_DAY)[0]

    plan = solved()
    assert plan.status is Status.INFEASIBLE
    offered = named(plan)
    assert set(offered) == {"max_turnover", "cash_low"}
    for kind, (now, least) in offered.items():
        assert solved(**{kind: least}).status is Status.SOLVED
        nearly = now + 0.93 * (least - now)
        assert solved(**{kind: nearly}).status is not Status.SOLVED


def test_wishes_have_no_size_and_only_the_limit_beside_them_is_offered() -> None:
    plan = tiny_plan(tiny.account(max_names=2, limits=tiny.limits(no_sell="ABC")))
    assert named(plan) == {"max_names": (2.0, 3.0)}


def test_nothing_is_offered_where_no_single_limit_frees_the_account() -> None:
    plan = tiny_plan(tiny.account(cash_low=0.9, cash_high=1.0, limits=tiny.limits(no_sell="ABCD")))
    assert plan.status is Status.INFEASIBLE
    assert set(named(plan)) <= {"cash_low"}


def tiny_plan(account: Account) -> Plan:
    return solve_taxpayer(Prepared(tiny.universe()), tiny.taxpayer(account), tiny.AS_OF)[0]
