"""`sma measure`: returns, risk and fees, checked against worked cases."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from opensma.cli.output import emit_json, json_option, note

DIFFERENT = 1


@click.group("measure")
def group() -> None:
    """Returns, after-tax results, attribution, composites and fees."""


@group.command("check")
@click.argument("file", metavar="FILE.json", type=click.Path(path_type=Path, allow_dash=True))
@json_option
def check_command(file: Path, as_json: bool) -> int:
    """Compute every case of a file with the product's own functions, and compare.

    Prints a list of {id, computed, expected, ok}; a case that cannot be computed has an `error`.
    Exit code 0 when all agree, 1 when one does not, 2 when the file cannot be read.
    """
    del as_json  # JSON is the only form
    from opensma.cli.measure_cases.checking import check_cases, passed, read_cases

    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    answers = check_cases(read_cases(data, str(file)))
    emit_json(answers)
    for answer in answers:
        if answer["ok"] is False:
            note(f"{answer['id']}: {answer.get('error', 'computed and expected differ')}")
    return 0 if passed(answers) else DIFFERENT
