"""One function over many shards: the same results for any number of workers, here or on a cluster.

`workers` is a number of processes of this machine, or the address of a Ray cluster as text. What
all shards share travels once per worker (with Ray, once per node). Results come in the order of
the shards; an error in a worker is raised here with all its fields.
"""

from __future__ import annotations

import os
import pickle
import socket
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver, get_all_start_methods, get_context, set_forkserver_preload
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from opensma.errors import InputError, OpensmaError

Shared = TypeVar("Shared")
Shard = TypeVar("Shard")
Result = TypeVar("Result")
Workers = int | str

_KNOCK_SECONDS = 5
_shared: Any = None
# Forked from a clean server: one import for all workers, and no threads of ours to inherit.
_METHOD = "forkserver" if "forkserver" in get_all_start_methods() else "spawn"


def default_workers() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_early(workers: Workers, modules: Sequence[str]) -> None:
    """Start the server that workers are forked from; it imports `modules` while we go on.

    A server that runs already keeps what it has imported. Nothing happens for one worker.
    """
    if isinstance(workers, int) and workers > 1 and _METHOD == "forkserver":
        set_forkserver_preload(list(modules))
        forkserver.ensure_running()


def map_shards(
    function: Callable[[Shared, Shard], Result],
    shared: Shared,
    shards: Sequence[Shard],
    workers: Workers,
) -> Generator[Result, None, None]:
    """Yield `function(shared, shard)` for every shard, in order; one worker runs in this process.

    `function` is a module-level function; `shared`, shards and results are picklable.
    """
    if isinstance(workers, str):
        yield from _map_ray(function, shared, shards, workers)
        return
    if workers <= 1 or len(shards) <= 1:
        for shard in shards:
            yield function(shared, shard)
        return
    # By file and not through the start-up pipe: a worker that dies before it has read a large
    # message from that pipe would leave this process waiting for ever.
    with TemporaryDirectory(prefix="sma-workers-") as folder:
        message = Path(folder) / "shared"
        message.write_bytes(pickle.dumps(shared, pickle.HIGHEST_PROTOCOL))
        yield from _map_pool(function, message, shards, workers)


def _map_pool(
    function: Callable[[Any, Any], Any], message: Path, shards: Sequence[Any], workers: int
) -> Generator[Any, None, None]:
    pool = ProcessPoolExecutor(
        min(workers, len(shards)), get_context(_METHOD), initializer=_receive, initargs=(message,)
    )
    try:
        futures = [pool.submit(_call, function, shard) for shard in shards]
        for future in futures:
            yield future.result()
    except BrokenProcessPool:
        raise OpensmaError(
            "workers.died",
            "A worker process ended without an answer: out of memory, or started by a script "
            "that does not stand below `if __name__ == '__main__':`.",
            where=f"{workers} workers",
            remedy="Run the same command again with fewer --workers; what was recorded stays.",
        ) from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _receive(message: Path) -> None:
    global _shared
    _shared = pickle.loads(message.read_bytes())


def _call(function: Callable[[Any, Any], Any], shard: Any) -> Any:
    return function(_shared, shard)


def _map_ray(
    function: Callable[[Any, Any], Any], shared: Any, shards: Sequence[Any], address: str
) -> Generator[Any, None, None]:
    """The same map over a running Ray cluster, or over one started here for address `local`."""
    try:
        import ray
    except ModuleNotFoundError:
        raise InputError(
            "workers.no_ray",
            "Ray is not installed.",
            where=address,
            remedy="pip install 'opensma[ray]' here and on every machine of the cluster.",
        ) from None
    _must_answer(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise _unreachable(address, error) from error
    try:
        held = ray.put(shared)
        task = ray.remote(function)
        for result in [task.remote(held, shard) for shard in shards]:
            try:
                yield ray.get(result)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
    finally:
        ray.shutdown()


def _must_answer(address: str) -> None:
    """Knock at `host:port` first: Ray itself would try for many minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error) from error


def _unreachable(address: str, error: Exception) -> InputError:
    return InputError(
        "workers.ray_unreachable",
        f"No Ray cluster answers: {error}",
        where=address,
        remedy="Start one (ray start --head) and give its address, or use --workers.",
    )
