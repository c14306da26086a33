"""Cases and data of the growth tests, and how a test runs the real command."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensma.cli import run

HERE = Path(__file__).resolve().parent


def case(name: str) -> Any:
    """A file of expected results."""
    return json.loads((HERE / "cases" / f"{name}.json").read_text(encoding="utf-8"))


def data(name: str) -> Path:
    """A data file: the copy beside the tests, or the one where OPENSMA_DATA points, or a skip."""
    own = HERE / "data" / Path(name).name
    if own.exists():
        return own
    folder = os.environ.get("OPENSMA_DATA", "")
    file = Path(folder) / name.removeprefix("data/")
    if not folder or not file.exists():
        pytest.skip(f"OPENSMA_DATA names no folder with {name}: this case was not compared")
    return file


Command = Callable[..., Any]


def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """`sma growth ... --json` in this process: the document, after checking the exit code."""

    def call(*arguments: object, status: int = 0) -> Any:
        capsys.readouterr()
        done = run(["growth", *map(str, arguments), "--json"])
        out = capsys.readouterr().out
        assert done == status, out
        return json.loads(out)

    return call
