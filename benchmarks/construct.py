"""The decision beside every peer that is installed: time, and how much better whose plan is.

    python benchmarks/construct.py [--out docs/performance.json] [--small]

Peers: Clarabel in two steps (comes with `make test`), SCIP (`pip install pyscipopt`) and
taxrebalance (`pip install taxrebalance`). All run in this process, on the same accounts, and the
same independent check judges every plan; a peer that is missing is named and left out. `better`
is their J minus ours in basis points of the account's value: positive where ours is better.
`tools/performance_page.py` makes the page of the JSON.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from lot_optimiser import missing as no_lot_optimiser
from lot_optimiser import optimise, simplified
from scip import missing as no_scip
from scip import scip, settled
from two_step import two_step

from opensma.construct.check import BareMoves, check_trades, evaluate
from opensma.construct.plan import Status
from opensma.construct.problem import Taxpayer, Universe
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.construct.warm import compile_kernel
from opensma.simulate.families import family
from opensma.simulate.peer import available
from opensma.simulate.problems import AS_OF_DAY, stream_problems

Peer = Callable[[Universe, Taxpayer], tuple[BareMoves | None, float]]

LOTS_PER_NAME = 3.5


def say(words: str) -> None:
    """One line on the terminal; standard output carries the JSON alone."""
    print(words, file=sys.stderr, flush=True)  # noqa: T201 - a script that reports


# --- accounts ------------------------------------------------------------------------------------


def accounts_of(
    name: str, names: int, lots: int, accounts: int, seed: int
) -> tuple[Universe, Iterator[Taxpayer]]:
    """Accounts of a family in the wanted size."""
    recipe = family(name, accounts, names, lots)
    return stream_problems(seed, recipe)


# --- one comparison ------------------------------------------------------------------------------


def compare(
    peer: str,
    run: Peer,
    universe: Universe,
    taxpayers: list[Taxpayer],
    names: int,
    lots: int,
) -> dict[str, Any]:
    """A row of the table: both sides on the same accounts, judged by the same check."""
    prepared = Prepared(universe)
    solve_taxpayer(prepared, taxpayers[0], AS_OF_DAY)  # in cache, as the peer is after its first
    ours, theirs, better, broken, without = [], [], [], 0, 0
    for taxpayer in taxpayers:
        started = time.perf_counter()
        plan = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)[0]
        mine = time.perf_counter() - started
        moves, seconds = run(universe, taxpayer)
        ours.append(mine)
        theirs.append(seconds)
        if moves is None or plan.status is not Status.SOLVED:
            without += 1
            continue
        figures = evaluate(universe, taxpayer, [moves], AS_OF_DAY)[0]
        broken += len(check_trades(universe, taxpayer, [moves], AS_OF_DAY))
        better.append((figures.objective - plan.objective) / figures.value * 1e4)
    return {
        "peer": peer,
        "names": names,
        "lots": lots,
        "accounts": len(taxpayers),
        "without_plan": without,
        "our_median_ms": statistics.median(ours) * 1e3,
        "peer_median_ms": statistics.median(theirs) * 1e3,
        "ratio": statistics.median(t / o for t, o in zip(theirs, ours, strict=True)),
        "better_median_bps": statistics.median(better) if better else None,
        "better_least_bps": min(better) if better else None,
        "better_most_bps": max(better) if better else None,
        "peer_violations": broken,
    }


def run_two_step(universe: Universe, taxpayer: Taxpayer) -> tuple[BareMoves | None, float]:
    """Clarabel twice, then rounding."""
    return two_step(universe, taxpayer, taxpayer.accounts[0], AS_OF_DAY)


def run_lot_optimiser(universe: Universe, taxpayer: Taxpayer) -> tuple[BareMoves | None, float]:
    """taxrebalance as its README calls it."""
    return optimise(universe, taxpayer.accounts[0])


def run_scip(limit_seconds: float, gaps: list[float], begin: Peer) -> Peer:
    """SCIP from the plan of `begin`, with a time limit; what it proves goes into `gaps`."""

    def run(universe: Universe, taxpayer: Taxpayer) -> tuple[BareMoves | None, float]:
        account, start = taxpayer.accounts[0], begin(universe, taxpayer)[0]
        moves, seconds, bound = scip(universe, taxpayer, account, limit_seconds, start)
        if moves is not None:
            figures = evaluate(universe, taxpayer, [moves], AS_OF_DAY)[0]
            gaps.append((figures.objective - bound) / figures.value * 1e4)
        return moves, seconds

    return run


def run_ours(universe: Universe, taxpayer: Taxpayer) -> tuple[BareMoves | None, float]:
    """Our own plan, for SCIP to improve."""
    trades = solve_taxpayer(Prepared(universe), taxpayer, AS_OF_DAY)[0].trades
    return BareMoves(trades.security, trades.lot, trades.shares), 0.0


def run_alone(universe: Universe, taxpayer: Taxpayer) -> tuple[BareMoves | None, float]:
    """No plan to begin with."""
    return None, 0.0


# --- all of them ---------------------------------------------------------------------------------


def peers(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Every comparison that can run here; what cannot says why."""
    seed, few = arguments.seed, arguments.accounts
    if available():
        for names, lots in _sizes(arguments.names):
            universe, made = accounts_of("base", names, lots, few, seed)
            yield compare("two_step", run_two_step, universe, list(made), names, lots)
    else:
        say("two_step left out: clarabel or scipy is not installed")
    if no_lot_optimiser():
        say(f"taxrebalance left out: {no_lot_optimiser()}")
    else:
        for names, lots in _sizes(arguments.lot_optimiser_names):
            universe, made = accounts_of("fractional", names, lots, min(few, 3), seed)
            plain = [simplified(universe, settled(taxpayer)) for taxpayer in made]
            mine = [taxpayer for _, taxpayer in plain]
            yield compare("taxrebalance", run_lot_optimiser, plain[0][0], mine, names, lots)
    if no_scip():
        say(f"scip left out: {no_scip()}")
    else:
        names, lots = next(iter(_sizes(arguments.scip_names)))
        universe, made = accounts_of("base", names, lots, arguments.scip_accounts, seed)
        mine = [settled(taxpayer) for taxpayer in made]
        rival = run_two_step if available() else run_alone
        for peer, begin in (("scip", rival), ("scip_from_ours", run_ours)):
            gaps: list[float] = []
            run = run_scip(arguments.scip_seconds, gaps, begin)
            row = compare(peer, run, universe, mine, names, lots)
            row["peer_gap_median_bps"] = statistics.median(gaps) if gaps else None
            yield row


def scaling(arguments: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Our time alone: against names at 3.5 lots a name, then against lots at some names."""
    by_names = list(_sizes(arguments.scaling_names))
    middle = by_names[len(by_names) // 2][0]
    by_lots = [(middle, middle * times) for times in (1, 2, 4, 8, 16)]
    for names, lots in dict.fromkeys(by_names + by_lots):
        universe, made = accounts_of("base", names, lots, max(2, arguments.accounts // 2), 1)
        prepared, seconds, held = Prepared(universe), [], []
        taxpayers = list(made)
        solve_taxpayer(prepared, taxpayers[0], AS_OF_DAY)
        for taxpayer in taxpayers:
            started = time.perf_counter()
            solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
            seconds.append(time.perf_counter() - started)
            held.append(len(taxpayer.accounts[0].lots.quantity))
        yield {
            "names": names,
            "lots": lots,
            "lots_held": int(np.median(held)),  # whole shares: a small position is one lot
            "median_ms": statistics.median(seconds) * 1e3,
            "axis": "names" if (names, lots) in by_names else "lots",
        }


def _sizes(names: str) -> Iterator[tuple[int, int]]:
    for one in names.split(","):
        yield int(one), round(int(one) * LOTS_PER_NAME)


def bench(arguments: argparse.Namespace) -> dict[str, Any]:
    """`sma construct bench --json`, as a user runs it."""
    words = [sys.executable, "-c", "from opensma.cli import main; main()", "construct", "bench"]
    words += ["--json", "--accounts", str(arguments.bench_accounts), "--seed", str(arguments.seed)]
    words += ["--family-accounts", str(arguments.family_accounts)]
    words += ["--names", "100", "--lots", "350"] if arguments.small else []
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def machine() -> dict[str, Any]:
    """What a reader needs to judge the times."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        model = lines[0].split(":", 1)[1].strip() if lines else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
    }


def options() -> argparse.Namespace:
    """Command line; `--small` is a trial of every step in about a minute."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="write the JSON there, besides standard output")
    parser.add_argument("--small", action="store_true", help="a trial run with small numbers")
    parser.add_argument("--accounts", type=int, default=20, help="of each comparison")
    parser.add_argument("--names", default="100,250,500", help="sizes for two_step")
    parser.add_argument("--lot-optimiser-names", default="50,100,250", help="for taxrebalance")
    parser.add_argument("--scip-names", default="100")
    parser.add_argument("--scip-accounts", type=int, default=5)
    parser.add_argument("--scip-seconds", type=float, default=60.0)
    parser.add_argument("--scaling-names", default="100,250,500,1000,3000")
    parser.add_argument("--bench-accounts", type=int, default=400)
    parser.add_argument("--family-accounts", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    found = parser.parse_args()
    if found.small:
        found.accounts, found.names, found.lot_optimiser_names = 3, "50,100", "30"
        found.scip_names, found.scip_accounts, found.scip_seconds = "40", 1, 10.0
        found.scaling_names, found.bench_accounts, found.family_accounts = "50,100,200", 20, 6
    return found


def main() -> None:
    """Run everything, show a table, print the JSON."""
    arguments = options()
    compile_kernel()
    document: dict[str, Any] = {"small": arguments.small, "machine": machine()}
    say(f"{'peer':<14}{'names':>7}{'lots':>7}{'ours ms':>10}{'peer ms':>11}{'ratio':>8}"
        f"{'better, bp: median':>20}{'least':>9}{'most':>9}{'broken':>8}")  # fmt: skip
    document["peers"] = []
    for row in peers(arguments):
        document["peers"].append(row)
        figures = [row[f"better_{which}_bps"] for which in ("median", "least", "most")]
        shown = [f"{figure:.3f}" if figure is not None else "-" for figure in figures]
        say(f"{row['peer']:<14}{row['names']:>7}{row['lots']:>7}{row['our_median_ms']:>10.1f}"
            f"{row['peer_median_ms']:>11.1f}{row['ratio']:>8.1f}"
            f"{shown[0]:>20}{shown[1]:>9}{shown[2]:>9}{row['peer_violations']:>8}")  # fmt: skip
    document["scaling"] = []
    for row in scaling(arguments):
        document["scaling"].append(row)
        say(f"ours, {row['names']} names, {row['lots_held']} lots held: {row['median_ms']:.1f} ms")
    document["bench"] = bench(arguments)
    text = json.dumps(document, indent=1) + "\n"
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
