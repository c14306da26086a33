"""The peers of benchmarks/ solve the same problem: legal plans, on the right side of each bound."""

import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from opensma.construct.check import check_trades, evaluate
from opensma.construct.problem import Taxpayer, Universe
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.simulate.families import family
from opensma.simulate.problems import AS_OF_DAY, stream_problems

ROOT = Path(__file__).resolve().parent.parent.parent


def base(names: int, accounts: int) -> tuple[Universe, list[Taxpayer]]:
    universe, taxpayers = stream_problems(3, family("base", accounts, names, 3 * names))
    return universe, list(islice(taxpayers, accounts))


def test_the_two_step_plan_is_legal_and_never_beats_the_certified_bound() -> None:
    pytest.importorskip("clarabel", reason="clarabel is not installed: there is no two-step plan")
    pytest.importorskip("scipy", reason="scipy is not installed: clarabel needs its matrices")
    from benchmarks.two_step import two_step

    universe, taxpayers = base(60, 4)
    prepared = Prepared(universe)
    for taxpayer in taxpayers:
        moves, seconds = two_step(universe, taxpayer, taxpayer.accounts[0], AS_OF_DAY)
        assert check_trades(universe, taxpayer, [moves], AS_OF_DAY) == []
        (ours,) = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        (theirs,) = evaluate(universe, taxpayer, [moves], AS_OF_DAY)
        assert theirs.objective >= ours.bound - 1e-6
        assert theirs.objective < theirs.objective_before  # a rival, not a straw man
        assert seconds > 0


def test_scip_and_the_decision_agree_on_what_is_possible() -> None:
    pytest.importorskip("pyscipopt", reason="pyscipopt is not installed: SCIP is not asked")
    from benchmarks.scip import scip, settled

    universe, taxpayers = base(20, 1)
    taxpayer = settled(taxpayers[0])
    moves, _, bound = scip(universe, taxpayer, taxpayer.accounts[0], 20.0)
    assert moves is not None
    assert check_trades(universe, taxpayer, [moves], AS_OF_DAY) == []
    (ours,) = solve_taxpayer(Prepared(universe), taxpayer, AS_OF_DAY)
    (theirs,) = evaluate(universe, taxpayer, [moves], AS_OF_DAY)
    slack = 1e-6 * theirs.value  # SCIP's own tolerance
    assert theirs.objective >= ours.bound - 1e-6
    assert ours.objective >= bound - slack


def test_the_performance_page_is_made_of_its_figures() -> None:
    words = [sys.executable, ROOT / "tools" / "performance_page.py", "--check"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
