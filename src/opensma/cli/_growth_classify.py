"""`sma growth classify`: the channel of every web touch of a file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click

from opensma.cli.output import emit_json, json_option, note, table

_SHOWN = 50


@click.command("classify")
@click.option(
    "--touches", required=True, type=click.Path(path_type=Path), metavar="FILE",
    help="CSV id,landing_url,referrer; a column self_reported is kept beside.",
)  # fmt: skip
@click.option(
    "--own-host", "own_hosts", required=True, multiple=True, metavar="HOST",
    help="A host of your own; its subdomains count. May be given again.",
)  # fmt: skip
@click.option(
    "--lists", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
    help="Longer lists: ai_assistants.yml, search_engines.yml, socials.yml.",
)  # fmt: skip
@json_option
def classify_command(
    touches: Path, own_hosts: tuple[str, ...], lists: Path | None, as_json: bool
) -> None:
    """Say which channel each touch came through, by which evidence and which rule."""
    from opensma.growth.channels import classify_file
    from opensma.growth.channels_lists import load_rules

    found = classify_file(touches, own_hosts, load_rules(lists))
    if as_json:
        emit_json(found)
        return
    rows = found["rows"]
    columns = ("id", "channel", "source", "evidence", "rule")
    shown = [tuple(row[name] for name in columns) for row in rows[:_SHOWN]]
    table(f"Channels by rules {found['rules_version']}", columns, shown)
    if len(rows) > _SHOWN:
        note(f"{len(rows) - _SHOWN:,} more rows: --json has all of them.")
    table("", ("channel", "touches"), Counter(row["channel"] for row in rows).most_common())
    for limit in found["limits"]:
        click.echo(f"Limit: {limit}")
