"""`sma measure composite --pdf`: the composite report as a document, with its record of issues."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli.output import note
from opensma.errors import InputError

if TYPE_CHECKING:
    from opensma.book.store import Book
    from opensma.measure.composite_record import CompositeRecord
    from opensma.report.documents.reissue import Why


def pdf_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options of the report: the file, and what a correction needs."""
    options = (
        click.option(
            "--pdf",
            metavar="FILE.pdf",
            type=click.Path(path_type=Path, dir_okay=False),
            help="Write the report as PDF too; FILE.pdf.json beside it records every issue.",
        ),
        click.option("--reason", metavar="TEXT", help="Why printed figures changed since."),
        click.option("--by", metavar="NAME", help="Who corrects them."),
        click.option(
            "--material-bps", type=float, metavar="BPS", help="What the firm calls material."
        ),
    )
    for option in reversed(options):
        function = option(function)
    return function


def write_pdf(book: Book, record: CompositeRecord, given: dict[str, Any]) -> None:
    """Write the report where a file was named; says so on standard error."""
    file: Path | None = given["pdf"]
    if file is None:
        return
    from opensma.book.master import Program, all_records
    from opensma.report.documents.composite import composite_pdf, report_figures
    from opensma.report.documents.reissue import issue_report

    with book.read() as connection:
        firm = ", ".join(p.name for p in all_records(connection, Program))
    issued = record.whole.end if record.whole is not None else record.rules.first
    made = issue_report(
        file,
        report_figures(record),
        issued,
        lambda log: composite_pdf(record, firm, log),
        _why(given),
    )
    note(f"{file}: report {made.report_id} of {made.issued}")


def _why(given: dict[str, Any]) -> Why | None:
    from opensma.measure.conventions import Materiality
    from opensma.report.documents.reissue import Why

    reason, by, bps = (given[name] for name in ("reason", "by", "material_bps"))
    if (reason, by, bps) == (None, None, None):
        return None
    if None in (reason, by, bps):
        raise InputError(
            "documents.correction_reason",
            "A correction needs a reason, a name and what the firm calls material.",
            where="--reason --by --material-bps",
            remedy="Give all three.",
        )
    return Why(reason, by, Materiality(bps, 0.0))
