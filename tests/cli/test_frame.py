"""The frame of `sma`: instant help, one place where errors become words, clean output."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import numpy as np
import pytest

from opensma import cli
from opensma.cli import output
from opensma.errors import LotError, OpensmaError

HEAVY = ("numpy", "numba", "sqlalchemy", "duckdb", "starlette", "altair", "scipy", "rich")
NOUN = "construct"  # a noun that the tests replace by their own command


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.fixture
def noun(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Put a command in the place of a noun: `noun(function)` makes `sma construct` call it."""

    def install(*decorators: Any, calls: Any) -> None:
        module = ModuleType(f"opensma.cli.{NOUN}")
        command: Any = lambda **given: calls(**given)  # noqa: E731
        for decorator in decorators:
            command = decorator(command)
        module.command = click.command(NOUN)(command)  # type: ignore[attr-defined]
        module.__spec__ = object()  # type: ignore[assignment]
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return install


# --- speed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", ["['--help']", "['--version']", "['nonsense']"])
def test_help_imports_nothing_heavy(arguments: str) -> None:
    done = python(
        "import sys\n"
        "from opensma.cli import run\n"
        f"run({arguments})\n"
        f"print('LOADED', [m for m in {HEAVY} if m in sys.modules])\n"
        "print('ROOMS', sorted(m for m in sys.modules if m.count('.') == 1 and 'opensma.' in m))"
    )
    assert "LOADED []" in done.stdout, done.stdout + done.stderr
    assert "ROOMS ['opensma.calendar', 'opensma.cli', 'opensma.errors']" in done.stdout


def test_importing_the_package_loads_only_itself() -> None:
    done = python(
        "import sys; before = set(sys.modules); import opensma; "
        "print(sorted(set(sys.modules) - before))"
    )
    assert done.stdout.strip() == "['opensma']"


def test_every_noun_file_is_in_the_table_and_exports_a_command() -> None:
    files = {path.stem for path in Path(cli.__file__).parent.glob("*.py")}
    helpers = {stem for stem in files if stem.startswith("_")} | {"output"}
    assert files - helpers <= set(cli.NOUNS)
    context = click.Context(cli.sma)
    for name in cli.sma.list_commands(context):
        assert isinstance(cli.sma.get_command(context, name), click.Command)


# --- errors ------------------------------------------------------------------------------------


def _raise(error: BaseException) -> Any:
    def command(**given: object) -> None:
        raise error

    return command


OVERSOLD = LotError(
    "lots.oversold",
    "Lot L1 holds 100 shares and this sale takes 101.\nNothing from this file was booked. "
    + "It has many lines. " * 8,
    where="trades.csv:118",
    remedy="Compare with the custodian.",
)


def test_an_error_in_readable_lines(noun: Any, capsys: pytest.CaptureFixture[str]) -> None:
    noun(calls=_raise(OVERSOLD))
    assert cli.run([NOUN]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    lines = shown.err.splitlines()
    assert lines[0] == "sma: error lots.oversold at trades.csv:118"
    assert lines[1] == "  what    Lot L1 holds 100 shares and this sale takes 101."
    assert lines[2].startswith("          Nothing from this file was booked.")
    assert lines[-1] == "  remedy  Compare with the custodian."
    assert max(map(len, lines)) <= 100


def test_an_error_as_json(noun: Any, capsys: pytest.CaptureFixture[str]) -> None:
    noun(output.json_option, calls=_raise(OVERSOLD))
    assert cli.run([NOUN, "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"error": OVERSOLD.as_dict()}
    assert shown.err == ""


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nonsense"], "There is no noun 'nonsense'."),
        (["construkt"], "Did you mean 'construct'?"),
        ([NOUN, "--nonsense"], "--nonsense"),
        ([NOUN, "extra"], "extra"),
    ],
)
def test_bad_usage(
    noun: Any, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    noun(output.json_option, calls=lambda as_json: None)
    assert cli.run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert says in shown.err
    assert "--help" in shown.err

    assert cli.run([*arguments, "--json"]) == 2
    shown = capsys.readouterr()
    error = json.loads(shown.out)["error"]
    assert set(error) == {"code", "message", "where", "remedy"}
    assert error["code"] == "usage"
    assert says in error["message"]


def test_nothing_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([]) == 2
    assert "NOUN" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "disk.full"),
        (errno.EROFS, "disk.read_only"),
        (errno.EACCES, "file.denied"),
        (errno.ENOENT, "file.missing"),
        (errno.EADDRINUSE, "port.busy"),
        (errno.EXDEV, "system.exdev"),
    ],
)
def test_the_system_says_no(
    noun: Any, capsys: pytest.CaptureFixture[str], number: int, code: str
) -> None:
    noun(output.json_option, calls=_raise(OSError(number, os.strerror(number), "sma.db")))
    assert cli.run([NOUN, "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == (code, "sma.db")
    assert error["message"] == os.strerror(number) + "."


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_is_one_line(
    noun: Any, capsys: pytest.CaptureFixture[str], error: BaseException
) -> None:
    noun(calls=_raise(error))
    assert cli.run([NOUN]) == 130
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_a_bug_is_not_mistaken_for_a_difference(
    noun: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    noun(output.json_option, calls=_raise(ZeroDivisionError("division by zero")))
    assert cli.run([NOUN, "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["code"] == "internal.error"
    assert "Traceback" in shown.err


@pytest.mark.parametrize("status", [None, 0, 1])
def test_a_command_ends_with_its_own_code(noun: Any, status: int | None) -> None:
    noun(calls=lambda: status)
    assert cli.run([NOUN]) == (status or 0)
    noun(calls=lambda: click.get_current_context().exit(status or 0))
    assert cli.run([NOUN]) == (status or 0)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full on this system")
def test_a_full_disk_behind_standard_output() -> None:
    code = "import sys; from opensma.cli import main; sys.argv = ['sma', '--help']; main()"
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    assert "disk.full" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves() -> None:
    code = (
        "import sys, opensma.cli as cli\n"
        "cli._invoke = lambda arguments: print('x' * (sys.stdin.read() == '')) or 0\n"
        "sys.exit(cli.run([]))"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=pipe, stdout=pipe, stderr=pipe
    ) as sma:
        assert sma.stdin
        assert sma.stdout
        assert sma.stderr
        sma.stdout.close()
        sma.stdin.close()  # only now does it write
        assert sma.stderr.read() == b""
        assert sma.wait() == cli.READER_LEFT


# --- output ------------------------------------------------------------------------------------


class Colour(Enum):
    RED = 1


class Step(IntEnum):
    FIRST = 7


class Reason(StrEnum):
    HARVEST = "harvest_loss"


@dataclass(frozen=True)
class Row:
    day: date
    cents: np.int64
    reason: Reason


def test_json_takes_what_the_rooms_return(capsys: pytest.CaptureFixture[str]) -> None:
    output.emit_json(
        {
            "row": Row(date(2026, 3, 31), np.int64(2**62), Reason.HARVEST),
            "array": np.array([[1.5, np.nan], [np.inf, 2.0]]),
            "flag": np.bool_(True),
            "enums": (Colour.RED, Step.FIRST),
            "exact": [Decimal("1.10"), Fraction(1, 3), Path("a/b")],
            "set": {"b", "a"},
            "many": (n * n for n in range(3)),
            date(2026, 1, 2): None,
            7: "é",
        }
    )
    assert json.loads(capsys.readouterr().out) == {
        "row": {"day": "2026-03-31", "cents": 2**62, "reason": "harvest_loss"},
        "array": [[1.5, None], [None, 2.0]],
        "flag": True,
        "enums": ["RED", "FIRST"],
        "exact": ["1.10", "1/3", "a/b"],
        "set": ["a", "b"],
        "many": [0, 1, 4],
        "2026-01-02": None,
        "7": "é",
    }
    with pytest.raises(TypeError, match="object has no JSON form"):
        output.emit_json(object())


def test_a_table_in_a_pipe_is_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long_name = "The Very Long Name of a Company that would not fit " * 4
    rows = [[long_name, 1_234_567, "12.50"], ["[red]Evil\x1b[31m", -5, "1,000.00"]]
    output.table("Lots", ["security", "shares", "dollars"], rows)
    lines = capsys.readouterr().out.splitlines()
    assert any(long_name.strip() in line for line in lines)
    first, second = (line.rstrip() for line in lines[-3:-1])
    assert first.endswith("12.50")
    assert len(first) == len(second)  # numbers end in one column
    assert "1,234,567" in first
    assert "[red]Evil[31m" in second
    assert "\x1b" not in second


def test_no_progress_bar_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress(10, "accounts") as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")


# --- options -----------------------------------------------------------------------------------


def test_the_book_comes_from_the_option_the_environment_or_the_default(
    noun: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    noun(output.book_option, calls=lambda book: seen.append(book))
    monkeypatch.delenv("OPENSMA_BOOK", raising=False)
    assert cli.run([NOUN]) == 0
    monkeypatch.setenv("OPENSMA_BOOK", "firm.db")
    assert cli.run([NOUN]) == 0
    assert cli.run([NOUN, "--book", "postgresql://db/sma"]) == 0
    assert cli.run([NOUN, "--book", " "]) == 2
    assert seen == ["sqlite:///sma.db", "firm.db", "postgresql://db/sma"]


def test_a_date_is_a_date_or_an_error_that_names_it(
    noun: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[date | None] = []
    noun(
        output.date_option("--as-of"),
        output.json_option,
        calls=lambda as_of, as_json: seen.append(as_of),
    )
    assert cli.run([NOUN, "--as-of", "2026-03-31"]) == 0
    assert cli.run([NOUN]) == 0
    assert seen == [date(2026, 3, 31), None]
    assert cli.run([NOUN, "--as-of", "31.3.2026", "--json"]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["where"]) == ("date.invalid", "--as-of")


def test_workers_are_counted_from_one(noun: Any) -> None:
    noun(output.workers_option, calls=lambda workers: None)
    assert cli.run([NOUN, "--workers", "2"]) == 0
    assert cli.run([NOUN, "--workers", "0"]) == 2


def test_error_text_of_a_bare_error() -> None:
    assert output.error_text(OpensmaError("a.b", "What.")) == "sma: error a.b\n  what    What."
