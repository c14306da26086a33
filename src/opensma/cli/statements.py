"""`sma statements`: quarterly statements and tax packs of accounts as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli.day import market_option
from opensma.cli.output import (
    Decorator,
    book_option,
    emit_json,
    json_option,
    note,
    plain,
    progress,
    table,
    workers_option,
)

if TYPE_CHECKING:
    from opensma.report.documents.issue import Issued

_SHOWN = 20


account_option: Decorator = click.option(
    "--account", "account_ids", multiple=True, metavar="ID", help="Only this one; repeatable."
)
out_option: Decorator = click.option(
    "--out",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files and their index go; a file there is never written over.",
)


@click.group("statements")
def group() -> None:
    """Statements of a period and tax packs of a year for clients, as PDF."""


@group.command("run")
@click.option("--period", "period_name", required=True, metavar="NAME", help="As 2024Q4.")
@account_option
@out_option
@book_option
@market_option
@workers_option
@json_option
def run_command(
    period_name: str,
    account_ids: tuple[str, ...],
    folder: Path,
    book: str,
    market_path: Path | None,
    workers: int | None,
    as_json: bool,
) -> int:
    """Write the statements of a period, and an index with the hash of every file.

    The same book gives the same bytes. A statement that lacks an item or does not add up to the
    cent is not issued, is listed with its reason, and makes the exit code 1.
    """
    from opensma.billing.cycle import parse_period
    from opensma.report.documents.issue import issue_statements
    from opensma.workers import default_workers

    period = parse_period(period_name)
    with progress(len(account_ids) or 1, "Statements") as advance:
        made = issue_statements(
            book, market_path, period, account_ids, folder, workers or default_workers(), advance
        )
    if as_json:
        emit_json(plain(made))
    else:
        _print(made, folder)
    return 1 if made.refused else 0


@group.command("tax-packs")
@click.argument("year", metavar="YEAR", type=click.IntRange(1990, 2100))
@account_option
@out_option
@book_option
@workers_option
@json_option
def tax_packs_command(
    year: int,
    account_ids: tuple[str, ...],
    folder: Path,
    book: str,
    workers: int | None,
    as_json: bool,
) -> int:
    """Write the tax packs of a year: sales by form, wash sales, dividends, carryforward.

    As `run` does its statements, with the same index. `sma tax pack` writes one alone.
    """
    from opensma.report.documents.issue import issue_tax_packs
    from opensma.workers import default_workers

    with progress(len(account_ids) or 1, "Tax packs") as advance:
        made = issue_tax_packs(
            book, year, account_ids, folder, workers or default_workers(), advance
        )
    if as_json:
        emit_json(plain(made))
    else:
        _print(made, folder, "Tax packs")
    return 1 if made.refused else 0


def _print(made: Issued, folder: Path, what: str = "Statements") -> None:
    replaced = [row for row in made.rows if row.supersedes]
    if replaced:
        rows = [(row.document, row.version, row.file) for row in replaced[:_SHOWN]]
        table("New versions of what was issued before", ("document", "version", "file"), rows)
    if made.refused:
        refused = [(r.account_id, r.code, r.message, r.remedy) for r in made.refused[:_SHOWN]]
        table("Not issued", ("account", "code", "what", "remedy"), refused)
    if max(len(replaced), len(made.refused)) > _SHOWN:
        note("More rows: --json has all of them.")
    click.echo(
        f"{what} issued: {len(made.rows):,}; the same as before: {len(made.unchanged):,}; "
        f"not issued: {len(made.refused):,}; not funded yet: {len(made.not_funded):,}. "
        f"Folder: {folder}"
    )
