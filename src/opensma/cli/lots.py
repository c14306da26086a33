"""`sma lots`: the tax-lot rules alone, from a file of trades; no book is needed or touched."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from opensma.cli.output import emit_json, json_option, table
from opensma.errors import InputError

BAD_INPUT = 2
METHODS = ("FIFO", "LIFO", "HIFO", "LOFO", "HICL", "HICS", "TLO", "MLG", "MLL", "MSG", "MSL")


@click.group("lots")
def group() -> None:
    """Replay and time the tax-lot rules alone, from files."""


@group.command("replay")
@click.argument("case", metavar="CASE", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--late",
    metavar="LATE.json",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A list of late, correcting or cancelling events: adds what they change.",
)
@click.option("--explain", is_flag=True, help="Account for every disallowed dollar.")
@click.option("--text", "as_text", is_flag=True, help="Print the trades themselves, as plain text.")
@json_option
def replay_command(
    case: Path, late: Path | None, explain: bool, as_text: bool, as_json: bool
) -> int:
    """Replay a list of trades: closed slices, open lots and totals, as one JSON document.

    CASE holds method, policy, accounts and events as JSON, or in plain text with an event a line
    (docs/tax.md); "-" reads standard input. A history that cannot be prints its error and the
    lots open before it, with exit code 2.
    """
    del as_json  # JSON is the only form of an answer
    if as_text:
        from opensma.tax.scenario import write

        click.echo(write(read_case(case)), nl=False)
        return 0
    with _without_collector():
        answer = _answer(case, late, explain)
    emit_json(answer)
    return BAD_INPUT if "error" in answer else 0


@group.command("bench")
@click.option("--trades", type=click.IntRange(min=1), default=100_000, show_default=True)
@click.option(
    "--taxpayers", type=click.IntRange(min=1), help="Default: one for every 1,000 trades."
)
@click.option(
    "--securities",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="That every taxpayer trades in.",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--method", type=click.Choice(METHODS), default="FIFO", show_default=True)
@json_option
def bench_command(
    trades: int, taxpayers: int | None, securities: int, seed: int, method: str, as_json: bool
) -> None:
    """Time the replay of generated households with wash sales and form rows, on one core.

    The goal is 30 microseconds a trade: --trades 1000000 has 1,000 taxpayers.
    """
    from opensma.cli._lots_bench import measure

    with _without_collector():
        result = measure(trades, taxpayers or -(-trades // 1_000), securities, seed, method)
    if as_json:
        emit_json(result)
        return
    table("", ("fact", "value"), [(name.replace("_", " "), v) for name, v in result.items()])


@contextmanager
def _without_collector() -> Iterator[None]:
    """A history has no cycles: looking for them took a third of the time of a long one."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _answer(path: Path, late: Path | None, explain: bool) -> dict[str, Any]:
    try:
        data = [_bytes(path), *([_bytes(late)] if late else [])]
        names = [str(path), str(late)][: len(data)]
        found = [_parsed(*one) for one in zip(data, names, strict=True)]
        answer = _replayed(found, names, explain)
        if "error" in answer:  # once more, with the line of every event
            found = [_located(*one) for one in zip(data, names, strict=True)]
            answer = _replayed(found, names, explain)
        return answer
    except InputError as error:
        told = error.as_dict() | {"code": "INVALID_EVENT", "reason": error.code, "seq": None}
        return {"error": told, "open": []}


def _replayed(found: list[Any], names: list[str], explain: bool) -> dict[str, Any]:
    from opensma.tax.replay import replay, restate

    case = _object(found[0], names[0])
    if len(found) == 1:
        return replay(case, explain=explain)
    return restate(case, _late_events(found[1], names[1]), explain=explain)


def _late_events(found: Any, name: str) -> list[Any]:
    """Late events: a list, or an object with a list of `events`. InputError late.not_list."""
    events = found.get("events") if isinstance(found, dict) else found
    if not isinstance(events, list):
        raise InputError(
            "late.not_list",
            "This file holds no list of events.",
            where=name,
            remedy='Give a JSON list of events, or {"events": [...]}.',
        )
    return events


def read_case(path: Path) -> dict[str, Any]:
    """The case in a file. InputError case.not_json."""
    return _object(_parsed(_bytes(path), str(path)), str(path))


def _bytes(path: Path) -> bytes:
    return sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()


def _parsed(data: bytes, name: str) -> Any:
    if (text := _plain_text(data)) is not None:
        from opensma.tax.scenario import read

        return read(text)
    try:
        return json.loads(data)
    except ValueError as error:  # also text that is not UTF-8
        raise InputError(
            "case.not_json",
            f"This file is not JSON: {error}.",
            where=name,
            remedy="Give one JSON object with accounts and events.",
        ) from error


def _located(data: bytes, name: str) -> Any:
    """As `_parsed`, of what is known to be valid; events know their line."""
    from opensma.cli._lots_lines import located
    from opensma.tax.scenario import read

    text = _plain_text(data)
    return located(data, name) if text is None else read(text, name)


def _plain_text(data: bytes) -> str | None:
    """Plain text of a scenario; None for JSON, which begins with a bracket, and for no text."""
    begins = data.lstrip()[:1]
    if not begins.isascii() or not (begins.isalnum() or begins == b"#"):
        return None
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _object(found: Any, name: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise InputError(
            "case.not_json",
            "This file does not hold a JSON object.",
            where=name,
            remedy="Give one JSON object with accounts and events.",
        )
    return found
