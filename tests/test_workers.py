"""The pool: order kept for any number of workers, and a worker's end is told, never waited for."""

import os

import pytest

from opensma.errors import LotError, OpensmaError
from opensma.workers import map_shards

LARGE = b"x" * 1_000_000  # more than fits into a pipe


def scaled(shared: int, shard: int) -> int:
    return shared * shard


def fails(shared: object, shard: int) -> int:
    raise LotError("lot.test", f"Shard {shard} fails.", where="here", remedy="None.")


def first(shared: tuple[int, bytes], shard: int) -> int:
    return shared[0]


class EndsTheProcess:
    """A shared object that no worker survives reading."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_shards(workers: int) -> None:
    assert list(map_shards(scaled, 10, range(7), workers)) == [0, 10, 20, 30, 40, 50, 60]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_arrives_with_all_its_fields(workers: int) -> None:
    with pytest.raises(LotError) as failure:
        list(map_shards(fails, None, range(3), workers))
    assert (failure.value.code, failure.value.where) == ("lot.test", "here")


def test_a_worker_that_dies_at_its_start_is_an_error_and_no_endless_wait() -> None:
    with pytest.raises(OpensmaError, match="ended without an answer"):
        list(map_shards(first, (EndsTheProcess(), LARGE), range(3), 2))
