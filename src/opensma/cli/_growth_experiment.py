"""`sma growth experiment`: assignment, checks and results of experiments, from a specification."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opensma.cli.output import emit_json, json_option, note, table

_KINDS = ("assign", "srm", "ab", "cuped", "tbr", "synth", "power")


@click.command("experiment")
@click.argument("kind", type=click.Choice(_KINDS), metavar="KIND")
@click.option(
    "--spec", "file", required=True, type=click.Path(path_type=Path), metavar="FILE.json",
    help="What to calculate; paths in it start at its folder.",
)  # fmt: skip
@json_option
def experiment_command(kind: str, file: Path, as_json: bool) -> int:
    """Calculate one of: assign, srm, ab, cuped, tbr, synth, power.

    assign: arms of units. srm: whether the split came out as planned. ab, cuped: the difference of
    two arms. tbr, synth: effect in territories over time. power: units that are needed.
    Exit code 1 when a result is withheld because the split is wrong.
    """
    from opensma.growth.experiments.kinds import KINDS
    from opensma.growth.experiments.spec import read_spec

    found = KINDS[kind](read_spec(file))
    warnings = found.get("warnings", [])
    if as_json:
        emit_json(found)
    else:
        _show(kind, found)
        for warning in warnings:
            note(f"{warning['code']}: {warning['text']}")
    return 1 if any(warning["code"] == "SRM" for warning in warnings) else 0


def _show(kind: str, found: dict[str, Any]) -> None:
    if kind == "assign":
        rows = [(r["unit"], f"{r['u']:.10f}", r["arm"]) for r in found["assignments"]]
        table("", ("unit", "u", "arm"), rows)
        return
    rows = [
        (name.replace("_", " "), _text(value), "")
        for name, value in found.items()
        if name not in ("kind", "warnings")
    ]
    table(kind, ("figure", "value", ""), rows)


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}"
    if isinstance(value, list):
        return " to ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return "" if value is None else str(value)
