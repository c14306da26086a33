"""A day that is killed anywhere and run again ends in the same book, byte for byte.

The killer is SIGKILL at stage boundaries and at seeded points inside the stages: before and after
single statements, COMMIT included.
"""

import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.book.stores import Store

from opensma.day import TRADING_DAY

DRIVER = Path(__file__).with_name("kill_driver.py")
RANDOM_KILLS = 9


@pytest.fixture
def driver(small_market: Path) -> Iterator[Callable[[str, Any], dict[str, Any]]]:
    command = [sys.executable, str(DRIVER), str(small_market)]
    one_thread = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=one_thread
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None

        def ask(url: str, kill: Any = None) -> dict[str, Any]:
            program.stdin.write(json.dumps([url, kill]) + "\n")
            program.stdin.flush()
            line = program.stdout.readline()
            assert line, f"the driver failed at {kill}"
            answer: dict[str, Any] = json.loads(line)
            return answer

        yield ask
        program.stdin.close()


def boundaries(statements: list[str]) -> list[list[Any]]:
    """Right after the transaction that begins the run, and those that end a stage."""
    marks = [i for i, text in enumerate(statements) if text.startswith("stage ")]
    assert len(marks) == len(TRADING_DAY)
    found = [statements.index("COMMIT")]
    found += [statements.index("COMMIT", mark) for mark in marks]
    return [[number, "after"] for number in found]


@pytest.mark.slow
def test_a_day_killed_anywhere_and_run_again_ends_in_the_same_book(
    store: Store, templates: tuple[Store, str, str], driver: Callable[..., dict[str, Any]]
) -> None:
    undisturbed = driver(store.place(templates[1]))
    assert undisturbed["findings"] == []
    statements = undisturbed["statements"]
    for kill in boundaries(statements) + inside(statements, RANDOM_KILLS):
        ended = driver(store.place(templates[1]), kill)
        assert ended["signal"] == signal.SIGKILL, kill
        assert ended["findings"] == [], kill
        assert ended["hash"] == undisturbed["hash"], (kill, statements[kill[0]])


def inside(statements: list[str], count: int) -> list[list[Any]]:
    """Seeded points: half of them at a COMMIT."""
    rng = random.Random(20241231)
    commits = [i for i, text in enumerate(statements) if text == "COMMIT"]
    real = [i for i, text in enumerate(statements) if not text.startswith("stage ")]
    chosen = [rng.choice(commits) for _ in range(count // 2)]
    chosen += [rng.choice(real) for _ in range(count - len(chosen))]
    return [[number, rng.choice(["before", "after"])] for number in chosen]
