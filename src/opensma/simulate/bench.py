"""Figures of the benchmark: certified gaps, broken rules, and the ratio to Clarabel.

Our kernel and Clarabel solve the same convex problems, one after the other, in this process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from opensma.construct.check import check_plans, evaluate, excesses
from opensma.construct.convex import convex_sides, solve_convex
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Taxpayer, Universe
from opensma.construct.solve import Prepared
from opensma.simulate.peer import available, solve_with_clarabel

_BPS = 1e4


def measure(
    universe: Universe,
    taxpayers: Sequence[Taxpayer],
    plans: Sequence[Plan],
    as_of_day: int,
    peers: int,
) -> dict[str, Any]:
    """Everything but the time: gaps and rules of all plans, Clarabel on `peers` accounts."""
    return {
        **_quality(universe, taxpayers, plans, as_of_day),
        **_against_clarabel(universe, taxpayers, peers),
    }


def _quality(
    universe: Universe, taxpayers: Sequence[Taxpayer], plans: Sequence[Plan], as_of_day: int
) -> dict[str, Any]:
    by_account = {plan.account_id: plan for plan in plans}
    gaps, worst, broken = [], 0.0, 0
    for taxpayer in taxpayers:
        mine = [by_account[account.account_id] for account in taxpayer.accounts]
        broken += len(check_plans(universe, taxpayer, mine, as_of_day))
        figures = evaluate(universe, taxpayer, [plan.trades for plan in mine], as_of_day)
        for account, plan, exact in zip(taxpayer.accounts, mine, figures, strict=True):
            if plan.status is Status.SOLVED:
                gaps.append((exact.objective - plan.bound) / exact.value * _BPS)
                over = [amount for _, amount, _ in excesses(universe, account, exact)]
                worst = max(worst, *over)
    statuses = [plan.status for plan in plans]
    return {
        "solved": statuses.count(Status.SOLVED),
        "infeasible": statuses.count(Status.INFEASIBLE),
        "failed": statuses.count(Status.FAILED),
        "median_decision_ms": float(np.median([plan.seconds for plan in plans])) * 1e3,
        "median_gap_bps": float(np.median(gaps)) if gaps else None,
        "p95_gap_bps": float(np.quantile(gaps, 0.95)) if gaps else None,
        "violations": broken,
        "largest_violation_bps": worst * _BPS,  # before any tolerance, in basis points of V
    }


def _against_clarabel(
    universe: Universe, taxpayers: Sequence[Taxpayer], peers: int
) -> dict[str, Any]:
    accounts = [a for t in taxpayers for a in t.accounts if a.risk_aversion is not None][:peers]
    ratios, differences, ours, theirs = [], [], [], []
    prepared = Prepared(universe)
    for account in accounts if available() else ():
        side = convex_sides(prepared, account)
        solve_convex(prepared, account, side)  # compiled and in cache, as Clarabel is
        mine = solve_convex(prepared, account, side)
        peer = solve_with_clarabel(universe, account, side)
        if peer.status not in ("Solved", "AlmostSolved"):
            continue
        ratios.append(peer.seconds / mine.seconds)
        ours.append(mine.seconds)
        theirs.append(peer.seconds)
        differences.append(abs(mine.objective - peer.objective) / max(abs(peer.objective), 1.0))
    return {
        "clarabel": available(),
        "compared": len(ratios),
        "ratio_to_clarabel": float(np.median(ratios)) if ratios else None,
        "kernel_median_ms": float(np.median(ours)) * 1e3 if ours else None,
        "clarabel_median_ms": float(np.median(theirs)) * 1e3 if theirs else None,
        "largest_objective_difference": max(differences) if differences else None,
    }
