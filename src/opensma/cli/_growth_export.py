"""`sma growth export`, `erase` and `purge`: what leaves the warehouse."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli._growth_options import opened, secret_bytes, secret_option, warehouse_option
from opensma.cli.output import book_option, date_option, emit_json, json_option, table
from opensma.errors import InputError

if TYPE_CHECKING:
    from opensma.growth.exports_uploads import Matching


@click.command("export")
@click.argument("kind", metavar="KIND")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, metavar="DIR",
    help="Where the files are written.",
)  # fmt: skip
@click.option(
    "--contacts", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="linkedin, google: CSV with a column email, to write the network's own request bodies.",
)  # fmt: skip
@click.option(
    "--conversion", "conversions", multiple=True, metavar="STAGE=ID",
    help="The network's conversion for a stage, such as meeting=urn:lla:llaPartnerConversion:1.",
)  # fmt: skip
@secret_option
@warehouse_option
@book_option
@json_option
def export_command(
    kind: str, out: Path, contacts: Path | None, conversions: tuple[str, ...],
    secret_file: Path | None, warehouse: Path | None, book: str, as_json: bool,
) -> None:  # fmt: skip
    """Write mmm, linkedin, google, crm, dbt or metricflow.

    Cells of fewer than ten persons are merged; uploads hold hashed ids of persons who agreed to
    ads, with a log of every row. Addresses are read for the length of the export and not kept.
    """
    from opensma.growth.exports import export

    matching = _matching(contacts, conversions, secret_file)
    connection = opened(warehouse, book)
    done = export(connection, kind, out, matching)
    connection.close()
    if as_json:
        emit_json(done)
        return
    table("", ("file", "rows"), [(name, rows) for name, rows in done.files.items()])
    for reason, count in done.left_out.items():
        click.echo(f"Left out, {reason}: {count:,}")


def _matching(
    contacts: Path | None, conversions: tuple[str, ...], secret_file: Path | None
) -> Matching | None:
    """Addresses, secret and conversions; None where no addresses are given."""
    from opensma.growth.exports_uploads import Matching

    named = {}
    for text in conversions:
        stage, sign, name = text.partition("=")
        if not sign or not name:
            raise InputError("growth.conversion", f"'{text}' names no conversion for a stage.",
                             where="--conversion", remedy="Write STAGE=ID.")  # fmt: skip
        named[stage] = name
    if contacts is None:
        if named:
            raise InputError(
                "growth.contacts", "There are no addresses to match.",
                where="--contacts", remedy="Give a CSV with a column email.",
            )  # fmt: skip
        return None
    secret = secret_bytes(secret_file)
    if secret is None:
        raise InputError(
            "growth.secret_missing", "Addresses cannot be keyed without the tenant's secret (P1).",
            where="--secret-file", remedy="Give the file that the addresses were loaded with.",
        )  # fmt: skip
    return Matching(_addresses(contacts), secret, named)


def _addresses(contacts: Path) -> list[str]:
    with contacts.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if "email" not in (reader.fieldnames or ()):
            raise InputError("growth.contacts", "The file has no column 'email'.",
                             where=contacts.name, remedy="Name the column email.")  # fmt: skip
        return [row["email"] for row in reader if row["email"]]


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
