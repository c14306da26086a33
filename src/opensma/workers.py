"""One function over many shards in a pool of processes: the same results for any number of workers.

What all shards share travels once per worker. Results come in the order of the shards; an error in
a worker is raised here with all its fields.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, TypeVar

Shared = TypeVar("Shared")
Shard = TypeVar("Shard")
Result = TypeVar("Result")

_shared: Any = None


def default_workers() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def map_shards(
    function: Callable[[Shared, Shard], Result],
    shared: Shared,
    shards: Sequence[Shard],
    workers: int,
) -> Iterator[Result]:
    """Yield `function(shared, shard)` for every shard, in order; one worker runs in this process.

    `function` is a module-level function; `shared`, shards and results are picklable.
    """
    if workers <= 1 or len(shards) <= 1:
        for shard in shards:
            yield function(shared, shard)
        return
    pool = ProcessPoolExecutor(
        min(workers, len(shards)), get_context("spawn"), initializer=_receive, initargs=(shared,)
    )
    try:
        futures = [pool.submit(_call, function, shard) for shard in shards]
        for future in futures:
            yield future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _receive(shared: Any) -> None:
    global _shared
    _shared = shared


def _call(function: Callable[[Any, Any], Any], shard: Any) -> Any:
    return function(_shared, shard)
