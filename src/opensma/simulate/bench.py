"""Figures of the benchmark: speed, certified gaps, broken rules, and the ratio to Clarabel.

Our kernel and Clarabel solve the same convex problems, one after the other, in this process.
Problems and plans wait on disk, shard by shard, so that memory does not grow with the accounts.
"""

from __future__ import annotations

import math
import pickle
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from opensma.construct.check import check_plans, evaluate, excesses
from opensma.construct.convex import ConvexResult, convex_sides, solve_convex
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account, Taxpayer, Universe
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.simulate.families import FAMILIES, LARGER
from opensma.simulate.peer import PeerResult, available, solve_with_clarabel
from opensma.simulate.problems import AS_OF_DAY, Recipe, stream_problems

_BPS = 1e4
_REPEATED = 5  # solves of one problem by each solver; the median time counts

_Result = TypeVar("_Result", ConvexResult, PeerResult)
Decided = tuple[Taxpayer, Sequence[Plan]]


def measure(universe: Universe, decided: Iterable[Decided]) -> dict[str, Any]:
    """Gaps and rules of all plans."""
    found = Quality(universe)
    for taxpayer, plans in decided:
        found.add(taxpayer, plans)
    return found.figures()


class Quality:
    """Gathers a few numbers of every plan; the plans themselves are not kept."""

    def __init__(self, universe: Universe) -> None:
        self.universe = universe
        self.statuses: list[Status] = []
        self.seconds: list[float] = []
        self.gaps: list[float] = []  # of accounts, bp of V
        self.household_gaps: list[float] = []  # of taxpayers solved throughout, bp of their value
        self.broken = 0
        self.worst = 0.0

    def add(self, taxpayer: Taxpayer, plans: Sequence[Plan]) -> None:
        """Check the plans of one taxpayer, and keep how good and how quick they were."""
        universe = self.universe
        self.broken += len(check_plans(universe, taxpayer, plans, AS_OF_DAY))
        figures = evaluate(universe, taxpayer, [plan.trades for plan in plans], AS_OF_DAY)
        missed = value = 0.0
        for account, plan, exact in zip(taxpayer.accounts, plans, figures, strict=True):
            self.statuses.append(plan.status)
            self.seconds.append(plan.seconds)
            if plan.status is Status.SOLVED:
                gap = exact.objective - plan.bound
                missed, value = missed + gap, value + exact.value
                self.gaps.append(gap / exact.value * _BPS)
                over = [amount for _, amount, _ in excesses(universe, account, exact)]
                self.worst = max(self.worst, *over)
        if all(plan.status is Status.SOLVED for plan in plans):
            self.household_gaps.append(missed / value * _BPS)

    def figures(self) -> dict[str, Any]:
        """Counts, decision times and gaps of single accounts."""
        return {
            **self.counts(),
            "median_decision_ms": _quantile(self.seconds, 0.5, 1e3),
            "median_gap_bps": _quantile(self.gaps, 0.5),
            "p95_gap_bps": _quantile(self.gaps, 0.95),
            "violations": self.broken,
            "largest_violation_bps": self.worst * _BPS,  # before any tolerance, of V
        }

    def counts(self) -> dict[str, int]:
        """How many accounts ended how."""
        return {status.value: self.statuses.count(status) for status in Status}


def _quantile(values: Sequence[float], share: float, unit: float = 1.0) -> float | None:
    return float(np.quantile(values, share)) * unit if values else None


# --- through the disk, for any number of workers -------------------------------------------------


def spool(
    folder: Path, taxpayers: Iterable[Taxpayer], accounts_per_shard: int
) -> list[tuple[Path, int]]:
    """Write shards of taxpayers to files of the folder; each path with its number of accounts."""
    paths: list[tuple[Path, int]] = []
    shard: list[Taxpayer] = []
    size = 0

    def close() -> None:
        path = folder / f"{len(paths):06d}"
        path.write_bytes(pickle.dumps(shard, pickle.HIGHEST_PROTOCOL))
        paths.append((path, size))

    for taxpayer in taxpayers:
        shard.append(taxpayer)
        size += len(taxpayer.accounts)
        if size >= accounts_per_shard:
            close()
            shard, size = [], 0
    if shard:
        close()
    return paths


def solve_spooled(prepared: Prepared, shard: tuple[Path, int]) -> int:
    """Decide the taxpayers of one file and leave their plans beside it; how many accounts."""
    path, accounts = shard
    plans = [solve_taxpayer(prepared, taxpayer, AS_OF_DAY) for taxpayer in _read(path)]
    _plans_of(path).write_bytes(pickle.dumps(plans, pickle.HIGHEST_PROTOCOL))
    return accounts


def read_decided(shards: Iterable[tuple[Path, int]]) -> Iterator[Decided]:
    """Every taxpayer with its plans, one shard in memory at a time."""
    for path, _ in shards:
        yield from zip(_read(path), _read(_plans_of(path)), strict=True)


def read_accounts(shards: Iterable[tuple[Path, int]], number: int) -> list[Account]:
    """The first accounts with a risk aversion: those that Clarabel can be given."""
    found = (
        account
        for path, _ in shards
        for taxpayer in _read(path)
        for account in taxpayer.accounts
        if account.risk_aversion is not None
    )
    return list(islice(found, number))


def _read(path: Path) -> list[Any]:
    return list(pickle.loads(path.read_bytes()))  # our own, from a folder of this run


def _plans_of(path: Path) -> Path:
    return path.with_suffix(".plans")


# --- families ------------------------------------------------------------------------------------


def measure_family(name: str, seed: int, accounts: int, names: int, lots: int) -> dict[str, Any]:
    """One family on one core: speed of deciding alone, and gaps of whole households.

    `large` gets a sixth of the accounts at six times the names and lots.
    """
    recipe = scaled(name, accounts, names, lots)
    universe, taxpayers = stream_problems(seed, recipe)
    prepared, found, seconds = Prepared(universe), Quality(universe), 0.0
    for taxpayer in taxpayers:
        started = time.perf_counter()
        plans = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        seconds += time.perf_counter() - started
        found.add(taxpayer, plans)
    return {
        "accounts": recipe.accounts,
        "names": recipe.names,
        "lots": recipe.lots,
        "factors": recipe.factors,
        "cores": 1,
        **found.counts(),
        "accounts_per_second": recipe.accounts / seconds,
        "p99_decision_ms": _quantile(found.seconds, 0.99, 1e3),
        "median_gap_bps": _quantile(found.household_gaps, 0.5),
        "p95_gap_bps": _quantile(found.household_gaps, 0.95),
        "violations": found.broken,
    }


def scaled(name: str, accounts: int, names: int, lots: int) -> Recipe:
    """A family in the size of a run; `large` stays larger than the others."""
    if name == "large":
        accounts, names, lots = math.ceil(accounts / LARGER), LARGER * names, LARGER * lots
    return replace(FAMILIES[name], accounts=accounts, names=names, lots=lots)


# --- the peer ------------------------------------------------------------------------------------


def against_clarabel(universe: Universe, accounts: Sequence[Account]) -> dict[str, Any]:
    """How much longer Clarabel takes for the convex problems of these accounts."""
    ratios, differences, ours, theirs = [], [], [], []
    prepared = Prepared(universe)
    for account in accounts if available() else ():
        side = convex_sides(prepared, account)
        solve_convex(prepared, account, side)  # compiled and in cache, as Clarabel is
        mine = _median([solve_convex(prepared, account, side) for _ in range(_REPEATED)])
        peer = _median([solve_with_clarabel(universe, account, side) for _ in range(_REPEATED)])
        if peer.status not in ("Solved", "AlmostSolved"):
            continue
        ratios.append(peer.seconds / mine.seconds)
        ours.append(mine.seconds)
        theirs.append(peer.seconds)
        differences.append(abs(mine.objective - peer.objective) / max(abs(peer.objective), 1.0))
    return {
        "clarabel": available(),
        "compared": len(ratios),
        "ratio_to_clarabel": _quantile(ratios, 0.5),
        "kernel_median_ms": _quantile(ours, 0.5, 1e3),
        "clarabel_median_ms": _quantile(theirs, 0.5, 1e3),
        "largest_objective_difference": max(differences) if differences else None,
    }


def _median(results: Sequence[_Result]) -> _Result:
    """The one with the middle time; all else is the same in all of them."""
    return sorted(results, key=lambda one: one.seconds)[len(results) // 2]
