"""Solving shards of taxpayers in worker processes, every plan checked before it counts."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

import opensma.construct
from opensma.construct.check import Violation, check_plans
from opensma.construct.plan import Plan, Status, Trades
from opensma.construct.problem import Account, Taxpayer
from opensma.construct.solve import Prepared, solve_taxpayer


def solve_shard(shared: tuple[Prepared, int], shard: Sequence[Taxpayer]) -> list[Plan]:
    """Plans of some taxpayers, account by account; runs in a worker process."""
    prepared, as_of_day = shared
    return [plan for taxpayer in shard for plan in _solve(prepared, taxpayer, as_of_day)]


def _solve(prepared: Prepared, taxpayer: Taxpayer, as_of_day: int) -> list[Plan]:
    """Solve and check; a plan that breaks a rule becomes `failed` and trades nothing."""
    plans = solve_taxpayer(prepared, taxpayer, as_of_day)
    found = check_plans(prepared.universe, taxpayer, plans, as_of_day)
    if not found:
        return plans
    first = {violation.account_id: violation for violation in reversed(found)}
    return [
        _failed(plan, account, first[plan.account_id]) if plan.account_id in first else plan
        for account, plan in zip(taxpayer.accounts, plans, strict=True)
    ]


def _failed(plan: Plan, account: Account, violation: Violation) -> Plan:
    """The plan withdrawn, with the rule that it broke: the account stays as it is."""
    nothing, none = np.zeros(0), np.zeros(0, dtype=np.int64)
    return replace(
        plan,
        status=Status.FAILED,
        message=f"The independent check refused the plan: {violation.rule}, {violation.message}.",
        trades=Trades(none, none, nothing, nothing, nothing, nothing, nothing, nothing, ()),
        non_trades=(),
        binding=(),
        objective=plan.objective_before,
        te_after=plan.te_before,
        tax=0.0,
        cost=0.0,
        turnover=0.0,
        cash_after=account.cash,
    )


def needs_compiling() -> bool:
    """Whether this machine has not kept the compiled kernel yet."""
    kept = os.environ.get("NUMBA_CACHE_DIR")
    room = Path(opensma.construct.__file__).parent
    return not any(Path(kept).rglob("*.nbi") if kept else room.glob("__pycache__/*.nbi"))
