"""`sma bill invoice`: a released invoice as PDF."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from opensma.cli.output import book_option, emit_json, json_option


@click.command("invoice")
@click.argument("invoice_id", metavar="INVOICE")
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
def command(invoice_id: str, file: Path, book: str, as_json: bool) -> None:
    """Write a released invoice as PDF: every line in words, the terms, and who receives it."""
    from opensma.book.store import open_book
    from opensma.report.documents.invoice import invoice_pdf

    pdf = invoice_pdf(open_book(book), invoice_id)
    file.write_bytes(pdf)
    digest = sha256(pdf).hexdigest()
    if as_json:
        emit_json({"invoice": invoice_id, "file": str(file), "bytes": len(pdf), "sha256": digest})
    else:
        click.echo(f"{file}: {len(pdf):,} bytes, SHA-256 {digest}")
