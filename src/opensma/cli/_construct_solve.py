"""`sma construct solve`: read in parts, decide in shards, write as one; memory stays flat."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensma.cli.output import note_compilation, progress

if TYPE_CHECKING:
    from opensma.cli.construct_files.solving import Shard, Solved
    from opensma.construct.plan import Plan
    from opensma.construct.problem import Taxpayer, Universe
    from opensma.construct.solve import Prepared

SHOWN = 20  # accounts not solved that are named on the terminal; the file names all
SHARD = 16  # accounts per task: small enough to share evenly, large enough to be cheap
_PART = 128  # accounts whose rows are in memory at once while reading
_SUMS = ("tax", "cost", "objective", "objective_before", "bound")


@dataclass
class Tally:
    """What is said about all plans, gathered one by one."""

    statuses: Counter[str] = field(default_factory=Counter)
    trades: int = 0
    sums: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_SUMS, 0.0))
    left_alone: list[Plan] = field(default_factory=list)  # the first ones
    saved: list[str] = field(default_factory=list)

    def add(self, plan: Plan) -> None:
        """Count one plan; sums are over what was solved."""
        self.statuses[plan.status.value] += 1
        if plan.status.value == "solved":
            self.trades += len(plan.trades.shares)
            for name in _SUMS:
                self.sums[name] += getattr(plan, name)
        elif len(self.left_alone) < SHOWN:
            self.left_alone.append(plan)


def solve_folder(
    source: Path, out: Path, scratch: Path, workers: int | None
) -> tuple[dict[str, Any], Tally]:
    """Decide for all accounts in `source`; nothing is written before every input was accepted."""
    from opensma.cli.construct_files.build import build_parts
    from opensma.cli.construct_files.reader import read_files
    from opensma.cli.construct_files.solving import spool
    from opensma.cli.construct_files.writer import Results
    from opensma.construct.solve import Prepared

    files = read_files(source, scratch)
    shards: list[Shard] = []
    for part in build_parts(files, _PART):
        shards += spool(scratch, part, len(shards), SHARD)
        universe = part.universe
    account_ids = files.tables["accounts"]["account_id"].astype(str).tolist()
    files.connection.close()
    started = time.perf_counter()
    _decide(Prepared(universe), files.as_of_day, shards, workers)
    seconds = time.perf_counter() - started
    with Results(out, scratch, universe.security, account_ids, files.id_types) as results:
        tally = _collect(results, out / "failed", universe, files.as_of_day, shards)
    summary = {
        "as_of": date.fromordinal(files.as_of_day),
        "accounts": len(account_ids),
        "taxpayers": sum(shard.taxpayers for shard in shards),
        **{status: tally.statuses[status] for status in ("solved", "infeasible", "failed")},
        "trades": tally.trades,
        **tally.sums,
        "seconds": seconds,
        "accounts_per_second": len(account_ids) / max(seconds, 1e-9),
        "out": str(out),
        "saved": tally.saved,
    }
    return summary, tally


def _decide(
    prepared: Prepared, as_of_day: int, shards: Sequence[Shard], workers: int | None
) -> None:
    from opensma.cli.construct_files.solving import solve_on_disk
    from opensma.workers import default_workers, map_shards

    note_compilation()
    shared = (prepared, as_of_day)
    with progress(sum(shard.accounts for shard in shards), "accounts") as advance:
        for decided in map_shards(solve_on_disk, shared, shards, workers or default_workers()):
            advance(decided)


def _collect(
    results: Any, failed: Path, universe: Universe, as_of_day: int, shards: Sequence[Shard]
) -> Tally:
    """Hand every plan to the result files, and save the problems of those in trouble."""
    from opensma.cli.construct_files.solving import read_solved
    from opensma.construct.saved import SUFFIX

    for old in failed.glob(f"*{SUFFIX}"):
        old.unlink()  # what an earlier run left
    tally = Tally()
    for taxpayers, lot_ids, found in read_solved(shards):
        plans = [plan for solved in found for plan in solved.plans]
        results.add(plans, lot_ids)
        for plan in plans:
            tally.add(plan)
        for taxpayer, solved in zip(taxpayers, found, strict=True):
            if solved.trouble:
                tally.saved.append(_save(failed, universe, taxpayer, as_of_day, solved))
    return tally


def _save(
    folder: Path, universe: Universe, taxpayer: Taxpayer, as_of_day: int, solved: Solved
) -> str:
    from opensma import __version__
    from opensma.construct.saved import SavedProblem, file_name, pack

    content = pack(SavedProblem(universe, taxpayer, as_of_day, __version__, solved.trouble))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(taxpayer.taxpayer_id)
    path.write_bytes(content)
    return str(path)
