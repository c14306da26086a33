"""Solving shards of taxpayers; a module of its own, so that worker processes can import it.

Problems and answers wait on disk between reading, deciding and writing: memory holds one shard
for each worker, however many accounts there are.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opensma.cli.construct_files.build import Ids, Problem
from opensma.construct.plan import Plan
from opensma.construct.problem import Taxpayer
from opensma.construct.saved import decide
from opensma.construct.solve import Prepared


@dataclass(frozen=True, slots=True)
class Solved:
    """Plans of one taxpayer, and what went wrong where something did."""

    taxpayer_id: str
    plans: list[Plan]
    trouble: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """Some taxpayers on disk; their answer comes to lie beside them."""

    path: Path
    taxpayers: int
    accounts: int

    @property
    def answer(self) -> Path:
        """Where what was found is written."""
        return self.path.with_suffix(".solved")


def solve_shard(shared: tuple[Prepared, int], shard: Sequence[Taxpayer]) -> list[Solved]:
    """Plans of some taxpayers; one taxpayer's trouble stays its own."""
    prepared, as_of_day = shared
    found = []
    for taxpayer in shard:
        decided = decide(prepared, taxpayer, as_of_day)
        found.append(Solved(taxpayer.taxpayer_id, decided.plans, decided.trouble))
    return found


def solve_on_disk(shared: tuple[Prepared, int], shard: Shard) -> int:
    """The same from and to files; returns how many accounts were decided."""
    taxpayers, _ = _load(shard.path)
    _dump(shard.answer, solve_shard(shared, taxpayers))
    return shard.accounts


def spool(folder: Path, problem: Problem, first: int, accounts_per_shard: int) -> list[Shard]:
    """Write a problem as shards, numbered from `first`."""
    shards: list[Shard] = []
    for taxpayers in _cut(problem.taxpayers, accounts_per_shard):
        names = [account.account_id for taxpayer in taxpayers for account in taxpayer.accounts]
        path = folder / f"{first + len(shards):06d}"
        _dump(path, (taxpayers, {name: problem.lot_ids[name] for name in names}))
        shards.append(Shard(path, len(taxpayers), len(names)))
    return shards


def read_solved(
    shards: Iterable[Shard],
) -> Iterator[tuple[list[Taxpayer], dict[str, Ids], list[Solved]]]:
    """What was asked, names of its lots, and what was found, one shard at a time."""
    for shard in shards:
        taxpayers, lot_ids = _load(shard.path)
        yield taxpayers, lot_ids, _load(shard.answer)


def _cut(taxpayers: Sequence[Taxpayer], accounts_per_shard: int) -> list[list[Taxpayer]]:
    shards: list[list[Taxpayer]] = []
    size = accounts_per_shard
    for taxpayer in taxpayers:
        if size >= accounts_per_shard:
            shards.append([])
            size = 0
        shards[-1].append(taxpayer)
        size += len(taxpayer.accounts)
    return shards


def _dump(path: Path, thing: Any) -> None:
    path.write_bytes(pickle.dumps(thing, pickle.HIGHEST_PROTOCOL))


def _load(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # our own, from a folder of this run
