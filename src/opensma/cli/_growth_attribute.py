"""`sma growth attribute`: credit of channels from a path file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opensma.cli.output import emit_json, json_option, note, table

_MODELS = ("first", "last", "linear", "position", "time-decay", "shapley", "markov", "all")


@click.command("attribute")
@click.option(
    "--paths", "file", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="CSV path,total_conversions,total_conversion_value,total_null[,days_before].",
)  # fmt: skip
@click.option("--model", required=True, type=click.Choice(_MODELS), help="How credit is divided.")
@click.option(
    "--half-life-days", type=click.FloatRange(0, min_open=True), default=90.0, show_default=True,
    help="Of time-decay.",
)  # fmt: skip
@click.option(
    "--ends-share", type=click.FloatRange(0, 0.5), default=0.4, show_default=True,
    help="Of position: what the first touch gets, and the last.",
)  # fmt: skip
@click.option(
    "--order", type=click.IntRange(1, 6), default=1, show_default=True,
    help="Of markov: how many touches a state remembers.",
)  # fmt: skip
@click.option(
    "--bootstrap", type=click.IntRange(0, 100_000), is_flag=False, flag_value=1000, metavar="DRAWS",
    help="Draws behind the intervals.  [default: 1000 up to 10,000 rows, none for large files]",
)  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option(
    "--rank-from", type=click.IntRange(0), default=100, show_default=True, metavar="N",
    help="Conversions below which nothing is ranked.",
)  # fmt: skip
@json_option
def attribute_command(
    file: Path, model: str, half_life_days: float, ends_share: float, order: int,
    bootstrap: int | None, seed: int, rank_from: int, as_json: bool,
) -> None:  # fmt: skip
    """Divide conversions and their value among channels, by one model or all side by side.

    Touches of a path are separated by ' > '. Channels that chance could exchange share a rank.
    """
    from opensma.growth.credit import Options
    from opensma.growth.credit_paths import read_paths
    from opensma.growth.credit_report import Settings, attribution

    options = Options(half_life_days, ends_share, order)
    settings = Settings(bootstrap, seed, rank_from)
    found = attribution(read_paths(file), model, options, settings)
    if as_json:
        emit_json(found)
        return
    _show(found)


def _show(found: dict[str, Any]) -> None:
    totals = found["totals"]
    for part in found.get("models", [found]):
        columns = ("channel", "share", "5 to 95 %", "conversions", "value", "removal", "rank")
        rows = [
            (r["channel"], _percent(r["share"]), _interval(r["interval"]),
             f"{r['conversions']:,.2f}", f"{r['value']:,.2f}",
             _percent(r.get("removal_effect")), r["rank"])
            for r in part["channels"]
        ]  # fmt: skip
        table(f"{part['model']}: {part['definition']} (n={totals['conversions']})", columns, rows)
    if "spread" in found:
        spread = [
            (r["channel"], _percent(r["min"]), _percent(r["max"]), _percent(r["spread"]))
            for r in found["spread"]
        ]
        table("Spread over the models", ("channel", "least", "most", "spread"), spread)
    click.echo(
        f"{totals['paths']:,} rows: {totals['conversions']:,} conversions worth "
        f"{totals['value']:,.2f}, {totals['nulls']:,} that ended in nothing. {found['note']}"
    )
    for warning in found["warnings"]:
        note(f"{warning['code']}: {warning['text']}")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"


def _interval(ends: list[float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.1%} to {ends[1]:.1%}"
