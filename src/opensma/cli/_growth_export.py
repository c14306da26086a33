"""`sma growth export`, `erase` and `purge`: what leaves the warehouse."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import click

from opensma.cli._growth_options import opened, warehouse_option
from opensma.cli.output import book_option, date_option, emit_json, json_option, table


@click.command("export")
@click.argument("kind", metavar="KIND")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
    help="Where the files are written.",
)  # fmt: skip
@warehouse_option
@book_option
@json_option
def export_command(kind: str, out: Path, warehouse: Path | None, book: str, as_json: bool) -> None:
    """Write mmm, linkedin, google, crm, dbt or metricflow.

    Cells of fewer than ten persons are merged; uploads hold hashed ids of persons who agreed to
    ads, with a log of every row.
    """
    from opensma.growth.exports import export

    connection = opened(warehouse, book)
    done = export(connection, kind, out)
    connection.close()
    if as_json:
        emit_json(done)
        return
    table("", ("file", "rows"), [(name, rows) for name, rows in done.files.items()])
    for reason, count in done.left_out.items():
        click.echo(f"Left out, {reason}: {count:,}")


@click.command("erase")
@click.argument("person_id", metavar="PERSON_ID")
@warehouse_option
@book_option
@json_option
def erase_command(person_id: str, warehouse: Path | None, book: str, as_json: bool) -> None:
    """Remove a person: aliases, statements, the link. Totals and ledger credit stay.

    Load files without the person afterwards: what is loaded again is there again.
    """
    from opensma.growth.privacy import erase
    from opensma.growth.warehouse.store import one_transaction

    connection = opened(warehouse, book)
    with one_transaction(connection):
        done = erase(connection, person_id)
    connection.close()
    if as_json:
        emit_json(done)
        return
    rows = [(name, count, "removed") for name, count in done.removed.items()]
    rows += [(name, count, "kept without the person") for name, count in done.kept.items()]
    table("", ("table", "rows", "what happened"), rows)


@click.command("purge")
@date_option("--date", required=True, help="The day on which ages are counted.")
@warehouse_option
@book_option
@json_option
def purge_command(date: date, warehouse: Path | None, book: str, as_json: bool) -> None:
    """Drop raw touches after 25 months and cookies after 13; aggregates and credit stay."""
    from opensma.growth.privacy import purge
    from opensma.growth.warehouse.store import one_transaction

    connection = opened(warehouse, book)
    with one_transaction(connection):
        gone = purge(connection, date)
    connection.close()
    if as_json:
        emit_json(gone)
        return
    table("Dropped", ("what", "rows"), list(gone.items()))
