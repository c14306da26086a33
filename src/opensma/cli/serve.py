"""`sma serve`: the portal over a book, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from opensma.cli.output import book_option, note


@click.command("serve")
@book_option
@click.option(
    "--market",
    type=click.Path(path_type=Path),
    default=None,
    metavar="STORE",
    help="The market store.  [default: the one that the book was linked to]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="A name of this machine.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free."
)
def command(book: str, market: Path | None, host: str, port: int) -> None:
    """Serve the portal until Ctrl-C. There is no sign-in yet, so only this machine is answered."""
    from opensma.web import serve

    serve(
        book,
        market,
        host,
        port,
        announce=lambda address: note(f"The portal is at {address} (Ctrl-C ends it)."),
    )
