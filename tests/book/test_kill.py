"""A day that is killed anywhere and run again ends in the same book, byte for byte.

The killer is SIGKILL at stage boundaries and at seeded points inside the stages: before and after
single statements, COMMIT included.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from opensma.day import TRADING_DAY
from opensma.market import open_market
from opensma.simulate.demo import build_book

DRIVER = Path(__file__).with_name("kill_driver.py")
ACCOUNTS = 8
RANDOM_KILLS = 9


class Copies:
    """Fresh copies of one book on one store, each as it was on the evening before the day."""

    def __init__(self, store: str, folder: Path, server: str) -> None:
        self.store, self.folder, self.server = store, folder, server
        self.made: list[str] = []
        self.template = f"kill_{uuid4().hex[:8]}"

    def first_url(self) -> str:
        """The address of the book that is copied."""
        if self.store == "sqlite":
            return f"sqlite:///{self.folder / 'template.db'}"
        self._execute(f'CREATE DATABASE "{self.template}"')
        self.made.append(self.template)
        return self._url(self.template)

    def copy(self) -> str:
        """The address of a new copy."""
        name = f"copy_{uuid4().hex[:8]}"
        if self.store == "sqlite":
            shutil.copyfile(self.folder / "template.db", self.folder / f"{name}.db")
            return f"sqlite:///{self.folder / name}.db"
        self._execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.template}"')
        self.made.append(name)
        return self._url(name)

    def drop(self) -> None:
        """Remove what was made on the server."""
        for name in self.made:
            self._execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def _url(self, name: str) -> str:
        return self.server.rsplit("/", 1)[0] + f"/{name}"

    def _execute(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)


@pytest.fixture(params=["sqlite", "postgresql"])
def copies(request: pytest.FixtureRequest, tmp_path: Path, small_market: Path) -> Iterator[Copies]:
    store: str = request.param
    server = "" if store == "sqlite" else request.getfixturevalue("postgres_url")
    made = Copies(store, tmp_path, server)
    market = open_market(small_market)
    build_book(made.first_url(), market, market.day(-1), accounts=ACCOUNTS, seed=7, workers=1)
    yield made
    made.drop()


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
    copies: Copies, driver: Callable[..., dict[str, Any]]
) -> None:
    undisturbed = driver(copies.copy())
    assert undisturbed["findings"] == []
    statements = undisturbed["statements"]
    for kill in boundaries(statements) + inside(statements, RANDOM_KILLS):
        ended = driver(copies.copy(), kill)
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
