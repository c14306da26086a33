"""`sma construct`: the decision alone, from files; the benchmark; example inputs; compiling."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from opensma.cli._construct_replay import command as replay_command
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
    from opensma.simulate.problems import Recipe

FOLDER = click.Path(path_type=Path)


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
    needed loss_sales and restrictions; and params.json. `sma construct example` writes one. Where a
    decision fails, failed/ in the result folder gets the problem for `sma construct replay`.
    """
    from opensma.cli._construct_solve import SHOWN, solve_folder
    from opensma.cli.construct_files.writer import check_out

    check_out(out)
    with TemporaryDirectory(prefix="sma-construct-") as scratch:
        summary, tally = solve_folder(source, out, Path(scratch), workers)
    if as_json:
        emit_json(summary)
        return
    facts = [(name.replace("_", " "), v) for name, v in summary.items() if name != "saved"]
    table("", ("fact", "value"), facts)
    for plan in tally.left_alone:
        note(f"{plan.account_id}: {plan.status.value}: {plan.message}")
    more = summary["infeasible"] + summary["failed"] - len(tally.left_alone)
    if more:
        note(f"and {more} more: see accounts.parquet")
    for path in tally.saved[:SHOWN]:
        note(f"Look closer with: sma construct replay {path}")


@group.command("bench")
@click.option("--accounts", type=click.IntRange(min=1), default=1_000, show_default=True)
@click.option("--names", type=click.IntRange(min=20), default=500, show_default=True)
@click.option("--lots", type=click.IntRange(min=1), default=1_750, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option(
    "--peers", type=click.IntRange(min=0), default=12, show_default=True,
    help="Accounts that Clarabel solves as well.",
)  # fmt: skip
@click.option(
    "--family-accounts", type=click.IntRange(min=0), default=24, show_default=True,
    help="Accounts of each family (`large`: a sixth); 0 leaves families out.",
)  # fmt: skip
@workers_option
@json_option
def bench_command(
    accounts: int,
    names: int,
    lots: int,
    seed: int,
    peers: int,
    family_accounts: int,
    workers: int | None,
    as_json: bool,
) -> None:
    """Solve generated accounts, and a sample with Clarabel in the same run.

    Accounts of the family base run on all cores, then every family on one core.
    """
    from opensma.simulate.families import family
    from opensma.workers import default_workers

    cores = workers or default_workers()
    size = {"accounts": accounts, "names": names, "lots": lots, "seed": seed}
    recipe = family("base", accounts, names, lots)
    document = {**size, "cores": cores, **_measured(seed, recipe, cores, peers)}
    if not document["clarabel"]:
        note("Clarabel is not installed: the ratio is left empty. It comes with `make test`.")
    document["families"] = _families(seed, family_accounts, names, lots)
    if as_json:
        emit_json(document)
        return
    families = document.pop("families")
    table("", ("figure", "value"), [(n.replace("_", " "), _figure(v)) for n, v in document.items()])
    if families:
        kept = [n for n in next(iter(families.values())) if n not in ("factors", "cores")]
        head = ("family", *(name.replace("_", " ") for name in kept))
        table("", head, [(n, *(_figure(f[c]) for c in kept)) for n, f in families.items()])


@group.command("example")
@click.option("--out", type=FOLDER, required=True, help="Folder for the input files.")
@click.option(
    "--family", metavar="NAME",
    help="Kind of accounts: base, small, hard, household, fractional, few, mixed, "
    "large.  [default: a smaller mixed]",
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


group.add_command(replay_command)

# --- measuring ---------------------------------------------------------------------------------


def _measured(seed: int, recipe: Recipe, cores: int, peers: int) -> dict[str, Any]:
    """Generate, decide and judge, in this order and through the disk; only deciding is timed."""
    from opensma.cli._construct_solve import SHARD
    from opensma.construct.solve import Prepared
    from opensma.construct.warm import compile_kernel, is_warm
    from opensma.day import WORKERS_NEED
    from opensma.simulate import bench
    from opensma.simulate.problems import stream_problems
    from opensma.workers import map_shards, start_early

    if not is_warm():
        note_compilation()
        compile_kernel()
    start_early(cores, WORKERS_NEED)  # as the day does: ready when the accounts are
    compile_kernel()
    universe, taxpayers = stream_problems(seed, recipe)
    prepared = Prepared(universe)
    with TemporaryDirectory(prefix="sma-bench-") as folder:
        shards = bench.spool(Path(folder), taxpayers, SHARD)
        against = bench.against_clarabel(universe, bench.read_accounts(shards, peers))
        started = time.perf_counter()
        with progress(recipe.accounts, "accounts") as advance:
            for decided in map_shards(bench.solve_spooled, prepared, shards, cores):
                advance(decided)
        seconds = time.perf_counter() - started
        figures = bench.measure(universe, bench.read_decided(shards))
    rate = recipe.accounts / seconds
    return {"seconds": seconds, "accounts_per_second": rate, **figures, **against}


def _families(seed: int, accounts: int, names: int, lots: int) -> dict[str, Any]:
    from opensma.simulate.bench import measure_family
    from opensma.simulate.families import FAMILIES

    found = {}
    if accounts:
        with progress(len(FAMILIES), "families") as advance:
            for name in FAMILIES:
                found[name] = measure_family(name, seed, accounts, names, lots)
                advance(1)
    return found


def _figure(value: object) -> object:
    """Small differences would be drawn as 0.0000."""
    tiny = isinstance(value, float) and 0.0 < abs(value) < 1e-3
    return f"{value:.1e}" if tiny else value
