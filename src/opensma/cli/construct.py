"""`sma construct`: the decision alone, from files; the benchmark; example inputs; compiling."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli.output import (
    emit_json,
    json_option,
    note,
    note_compilation,
    progress,
    table,
    workers_option,
)

if TYPE_CHECKING:
    from opensma.cli.construct_files.build import Problem
    from opensma.construct.plan import Plan
    from opensma.construct.problem import Taxpayer, Universe

FOLDER = click.Path(path_type=Path)
_SHOWN = 20  # accounts not solved that are named on the terminal; the file names all
_SHARD = 16  # accounts per task: small enough to share evenly, large enough to be cheap


@click.group("construct")
def group() -> None:
    """Solve the decision alone, from files, and measure the solver."""


@group.command("solve")
@click.argument("source", metavar="DIR", type=FOLDER)
@click.option("--out", type=FOLDER, required=True, help="Folder for the two result files.")
@workers_option
@json_option
def solve_command(source: Path, out: Path, workers: int | None, as_json: bool) -> None:
    """Decide for the accounts in DIR; write trades.parquet and accounts.parquet.

    DIR holds Parquet files: accounts, lots, securities, loadings, factor_cov, targets, and where
    needed loss_sales and restrictions; and params.json. `sma construct example` writes one.
    """
    from opensma.cli.construct_files.build import build_problem
    from opensma.cli.construct_files.reader import read_files
    from opensma.cli.construct_files.writer import check_out, write_results

    check_out(out)
    problem = build_problem(read_files(source))
    started = time.perf_counter()
    plans = solve_all(problem.universe, problem.taxpayers, problem.as_of_day, workers)
    seconds = time.perf_counter() - started
    write_results(out, problem, {plan.account_id: plan for plan in plans})
    summary = _summary(problem, plans, seconds, out)
    if as_json:
        emit_json(summary)
        return
    table("", ("fact", "value"), [(name.replace("_", " "), v) for name, v in summary.items()])
    left_alone = [plan for plan in plans if plan.status.value != "solved"]
    for plan in left_alone[:_SHOWN]:
        note(f"{plan.account_id}: {plan.status.value}: {plan.message}")
    if len(left_alone) > _SHOWN:
        note(f"and {len(left_alone) - _SHOWN} more: see accounts.parquet")


@group.command("bench")
@click.option("--accounts", type=click.IntRange(min=1), default=200, show_default=True)
@click.option("--names", type=click.IntRange(min=20), default=500, show_default=True)
@click.option("--lots", type=click.IntRange(min=1), default=1_750, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--peers", type=click.IntRange(min=0), default=12, show_default=True,
    help="Accounts that Clarabel solves as well.",
)  # fmt: skip
@workers_option
@json_option
def bench_command(
    accounts: int,
    names: int,
    lots: int,
    seed: int,
    peers: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Solve generated accounts, and a sample with Clarabel in the same run."""
    from opensma.simulate.bench import measure
    from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems
    from opensma.workers import default_workers

    cores = workers or default_workers()
    universe, taxpayers = generate_problems(seed, Recipe(names, accounts, lots))
    solve_all(universe, taxpayers[:1], AS_OF_DAY, 1)  # compiles; not part of the time
    started = time.perf_counter()
    plans = solve_all(universe, taxpayers, AS_OF_DAY, cores)
    seconds = time.perf_counter() - started
    result = measure(universe, taxpayers, plans, AS_OF_DAY, peers)
    if not result["clarabel"]:
        note("Clarabel is not installed: the ratio is left empty. It comes with `make test`.")
    document = {
        "accounts": accounts,
        "names": names,
        "lots": lots,
        "seed": seed,
        "cores": cores,
        "seconds": seconds,
        "accounts_per_second": accounts / seconds,
        **result,
    }
    if as_json:
        emit_json(document)
        return
    table("", ("figure", "value"), [(n.replace("_", " "), _figure(v)) for n, v in document.items()])


@group.command("example")
@click.option("--out", type=FOLDER, required=True, help="Folder for the input files.")
@click.option(
    "--family", metavar="NAME",
    help="Kind of accounts: base, small, hard, household, fractional, large.  "
    "[default: a mixture]",
)  # fmt: skip
@click.option("--accounts", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--names", type=click.IntRange(min=20), help="[default: 100, or as the family has it]"
)
@click.option("--lots", type=click.IntRange(min=1), help="[default: 350, or as the family has it]")
@click.option("--seed", type=int, default=1, show_default=True)
def example_command(
    out: Path, family: str | None, accounts: int, names: int | None, lots: int | None, seed: int
) -> None:
    """Write generated accounts as a folder that `solve` reads; the same seed, the same files."""
    from opensma.cli.construct_files.writer import check_out, write_inputs
    from opensma.simulate import families
    from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems

    check_out(out)
    recipe = (
        families.family(family, accounts, names, lots)
        if family is not None
        else Recipe(names or 100, accounts, lots or 350)
    )
    universe, taxpayers = generate_problems(seed, recipe)
    write_inputs(out, universe, taxpayers, AS_OF_DAY)
    note(f"{out}: {accounts} accounts. Next: sma construct solve {out} --out {out}/plans")


@group.command("warm-up")
def warm_up_command() -> None:
    """Compile the decision kernel now, so that the first command does not have to."""
    from opensma.construct.warm import compile_kernel

    note_compilation()
    compile_kernel()


# --- solving -----------------------------------------------------------------------------------


def solve_all(
    universe: Universe, taxpayers: Sequence[Taxpayer], as_of_day: int, workers: int | None
) -> list[Plan]:
    """Plans of all accounts, taxpayer by taxpayer; the same for any number of workers."""
    from opensma.cli.construct_files.solving import solve_shard
    from opensma.construct.solve import Prepared
    from opensma.workers import default_workers, map_shards

    note_compilation()
    shards = _shards(taxpayers)
    shared = (Prepared(universe), as_of_day)
    plans: list[Plan] = []
    with progress(sum(len(t.accounts) for t in taxpayers), "accounts") as advance:
        for found in map_shards(solve_shard, shared, shards, workers or default_workers()):
            plans += found
            advance(len(found))
    return plans


def _figure(value: object) -> object:
    """Small differences would be drawn as 0.0000."""
    tiny = isinstance(value, float) and 0.0 < abs(value) < 1e-3
    return f"{value:.1e}" if tiny else value


def _shards(taxpayers: Sequence[Taxpayer]) -> list[list[Taxpayer]]:
    shards: list[list[Taxpayer]] = []
    size = _SHARD
    for taxpayer in taxpayers:
        if size >= _SHARD:
            shards.append([])
            size = 0
        shards[-1].append(taxpayer)
        size += len(taxpayer.accounts)
    return shards


def _summary(problem: Problem, plans: list[Plan], seconds: float, out: Path) -> dict[str, Any]:
    solved = [plan for plan in plans if plan.status.value == "solved"]
    statuses = [plan.status.value for plan in plans]
    return {
        "as_of": date.fromordinal(problem.as_of_day),
        "accounts": len(plans),
        "taxpayers": len(problem.taxpayers),
        **{status: statuses.count(status) for status in ("solved", "infeasible", "failed")},
        "trades": sum(len(plan.trades.shares) for plan in solved),
        "tax": sum(plan.tax for plan in solved),
        "cost": sum(plan.cost for plan in solved),
        "objective": sum(plan.objective for plan in solved),
        "objective_before": sum(plan.objective_before for plan in solved),
        "bound": sum(plan.bound for plan in solved),
        "seconds": seconds,
        "accounts_per_second": len(plans) / max(seconds, 1e-9),
        "out": str(out),
    }
