"""`sma growth funnel`, `accounts` and `next`: the pipeline, firms, and what to do now."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from opensma.cli._growth_options import opened, warehouse_option
from opensma.cli.output import book_option, date_option, emit_json, json_option, table
from opensma.units import dollars

_SHOWN = 40


@click.command("funnel")
@click.option(
    "--by", type=click.Choice(["firm", "strategy", "platform"]), help="Win rates of each."
)
@warehouse_option
@book_option
@json_option
def funnel_command(by: str | None, warehouse: Path | None, book: str, as_json: bool) -> None:
    """Stages with times between, win rates, gates with their yield, coverage by wholesaler."""
    from opensma.growth import funnel

    connection = opened(warehouse, book)
    found: dict[str, list[dict[str, Any]]] = {
        "stages": funnel.stages(connection),
        "outcomes": funnel.outcomes(connection, by or ""),
        "gates": funnel.gates(connection),
        "channels": funnel.channel_mix(connection),
        "coverage": funnel.coverage(connection),
    }
    connection.close()
    if as_json:
        emit_json(found)
        return
    titles = {
        "stages": "Stages", "outcomes": "Won and lost", "gates": "Gates, apart from channels",
        "channels": "Touches", "coverage": "Meetings that a wholesaler logged",
    }  # fmt: skip
    for name, rows in found.items():
        if rows:
            shown = [tuple(_cell(n, v) for n, v in row.items()) for row in rows[:_SHOWN]]
            table(titles[name], [_head(n) for n in rows[0]], shown)
    click.echo("Open opportunities are in no rate. What nobody recorded is not here.")


def _head(name: str) -> str:
    return name.removesuffix("_c").replace("_", " ")


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name.endswith("_c"):
        return dollars(int(value))
    if name in ("yield", "win_rate", "share", "coverage"):
        return f"{value:.1%}"
    if hasattr(value, "date"):
        return f"{value:%Y-%m-%d}"
    return f"{value:,.1f}" if isinstance(value, float) else str(value)


@click.command("accounts")
@click.option("--firm", metavar="FIRM_ID", help="One firm only.")
@warehouse_option
@book_option
@json_option
def accounts_command(firm: str | None, warehouse: Path | None, book: str, as_json: bool) -> None:
    """Firms with people, touches, pipeline, accounts, assets and revenue as billed."""
    from opensma.errors import InputError
    from opensma.growth.funnel import firms

    connection = opened(warehouse, book)
    rows = [row for row in firms(connection) if firm is None or row["firm_id"] == firm]
    connection.close()
    if firm is not None and not rows:
        raise InputError(
            "growth.firm_unknown", f"There is no firm '{firm}'.", where="--firm",
            remedy="Leave --firm out to see every firm.",
        )  # fmt: skip
    if as_json:
        emit_json({"firms": rows})
        return
    shown = [tuple(_cell(n, v) for n, v in row.items()) for row in rows[:_SHOWN]]
    if rows:
        table(f"{len(rows)} firms", [_head(n) for n in rows[0]], shown)


@click.command("next")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@date_option("--date", help="The day it is.  [default: the last publication]")
@warehouse_option
@book_option
@json_option
def next_command(
    limit: int, date: date | None, warehouse: Path | None, book: str, as_json: bool
) -> None:
    """What to do next for whom, with reasons: open opportunities scored, and rules.

    Until 100 steps are on record only the rules speak.
    """
    from opensma.growth.funnel import today_of
    from opensma.growth.next_steps import next_steps

    connection = opened(warehouse, book)
    day = date or today_of(connection)
    steps, label = next_steps(connection, day)
    connection.close()
    if as_json:
        rows = [
            {"firm_id": s.firm_id, "opp_id": s.opp_id, "action": s.action, "rule": s.rule,
             "score": s.score, "confidence": s.confidence, "reasons": s.reasons}
            for s in steps[:limit]
        ]  # fmt: skip
        emit_json({"as_of": day, "ordered_by": label, "found": len(steps), "steps": rows})
        return
    shown = [
        (s.firm_id, s.opp_id or "", s.action, "" if s.score is None else f"{s.score:.2f}",
         "; ".join(s.reasons))
        for s in steps[:limit]
    ]  # fmt: skip
    table(f"Next, as of {day}", ("firm", "opportunity", "what to do", "score", "reasons"), shown)
    click.echo(f"{len(steps)} steps. Ordered by {label}.")
