"""`sma tax pack`: a tax year of one account as PDF, for its owner and their tax preparer."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from opensma.cli.output import book_option, emit_json, json_option


@click.command("pack")
@click.argument("account_id", metavar="ACCOUNT")
@click.argument("year", metavar="YEAR", type=click.IntRange(1990, 2100))
@click.option(
    "--out",
    "file",
    required=True,
    metavar="FILE.pdf",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where the document goes.",
)
@book_option
@json_option
def command(account_id: str, year: int, file: Path, book: str, as_json: bool) -> None:
    """Write an account's tax year as PDF: sales by form, wash sales, dividends, carryforward."""
    from opensma.book.store import open_book
    from opensma.report.documents.tax_pack import tax_pack_pdf

    pdf = tax_pack_pdf(open_book(book), account_id, year)
    file.write_bytes(pdf)
    digest = sha256(pdf).hexdigest()
    if as_json:
        document = {"account": account_id, "year": year, "file": str(file)}
        emit_json(document | {"bytes": len(pdf), "sha256": digest})
    else:
        click.echo(f"{file}: {len(pdf):,} bytes, SHA-256 {digest}")
