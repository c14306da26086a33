"""`sma growth tie` and `why`: that it ties, and where a fee came from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from opensma.cli._growth_options import opened, warehouse_option
from opensma.cli.output import book_option, emit_json, json_option, table
from opensma.units import dollars

_SHOWN = 40


@click.command("tie")
@click.option("--period", metavar="PERIOD", help="A billing period as 2024Q4, or a month 2024-12.")
@click.option(
    "--ledger", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE.csv",
    help="Totals of the general ledger (gl_ref,month,amount_c): spend ties to them as well.",
)  # fmt: skip
@warehouse_option
@book_option
@json_option
def tie_command(
    period: str | None, ledger: Path | None, warehouse: Path | None, book: str, as_json: bool
) -> int:
    """Check that attributed revenue is billed revenue, to the cent, by model and month.

    Gross, platform share and net each tie; so do single lines and the bridge of assets. Exit code
    1 when anything differs.
    """
    from opensma.growth.ledger_tie import ledger_checks
    from opensma.growth.ties import broken, tie_checks

    connection = opened(warehouse, book)
    checks = tie_checks(connection, period)
    if ledger is not None:
        checks += ledger_checks(connection, ledger)
    connection.close()
    bad = broken(checks)
    if as_json:
        emit_json({"checks": [check.as_dict() for check in checks]})
        return 1 if bad else 0
    rows = [
        (c.name, dollars(c.expected_c), dollars(c.actual_c), dollars(c.difference_c))
        for c in bad[:_SHOWN]
    ]
    if rows:
        table("Does not tie", ("check", "expected", "actual", "difference"), rows)
    click.echo(f"{len(checks):,} checks, {len(bad):,} with a difference.")
    return 1 if bad else 0


@click.command("why")
@click.argument("line_id", metavar="LINE_ID")
@click.option("--model", default="linear", show_default=True, help="The model of credit.")
@warehouse_option
@book_option
@json_option
def why_command(line_id: str, model: str, warehouse: Path | None, book: str, as_json: bool) -> None:
    """Look through a fee line: shares of persons, tranche, event, touches with weights and cents.

    A line is INVOICE:ACCOUNT. Attribution is not causal: it divides what was billed.
    """
    from opensma.growth.why import why_line

    connection = opened(warehouse, book)
    found = why_line(connection, line_id, model)
    connection.close()
    if as_json:
        emit_json(found)
        return
    line = found["line"]
    click.echo(
        f"{line['kind']} of {line['period']} for account {line['account_id']}, "
        f"{line['period_start']} to {line['period_end']}: {dollars(line['amount_c'])}, of which "
        f"{dollars(line['platform_share_c'])} is the platform's."
    )
    if line["reversal_of"]:
        click.echo(f"It takes back {line['reversal_of']} and mirrors its cents.")
    for split in found["splits"]:
        _show_split(split, model)
    click.echo("Credit divides what was billed; it does not say what caused it.")


def _show_split(split: dict[str, Any], model: str) -> None:
    share = f"{split['split_bps'] / 100:g} %" if split["split_bps"] is not None else "whole line"
    click.echo(f"\n{split['person_id']}  {share}  {dollars(split['amount_c'])}")
    for tranche in split["tranches"]:
        event = tranche["event"]
        at = f" on {event['ts']:%Y-%m-%d} of group {event['group_id']}" if "ts" in event else ""
        if event.get("acquired"):
            at += f", bought and not won: {event['acquired']}"
        click.echo(
            f"  money of {tranche['tranche']:%Y-%m}, {dollars(tranche['amount_c'])}: "
            f"{event['kind']} event{at}"
        )
        rows = [
            ("" if t["ts"] is None else f"{t['ts']:%Y-%m-%d}", t["channel"], t["campaign_id"],
             t["touch_id"], f"{t['weight'] / 1e9:.9f}", dollars(t["amount_c"]))
            for t in tranche["touches"]
        ]  # fmt: skip
        columns = ("touch", "channel", "campaign", "id", "weight", "gets")
        table(f"Weights of the model '{model}'", columns, rows)
