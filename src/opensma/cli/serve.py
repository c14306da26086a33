"""`sma serve`: the portal over a book."""

from __future__ import annotations

from pathlib import Path

import click

from opensma.cli.output import book_option, note

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("serve")
@book_option
@click.option(
    "--market",
    type=click.Path(path_type=Path),
    default=None,
    metavar="STORE",
    help="The market store.  [default: the one that the book was linked to]",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0: any free."
)
@click.option("--sign-in", is_flag=True, help="Ask everybody who they are.")
@click.option(
    "--oidc", type=_FILE, multiple=True, metavar="FILE",
    help="A provider to sign in by; may be given again.",
)  # fmt: skip
@click.option("--name", "names", multiple=True, metavar="HOST", help="A host name to answer to.")
@click.option("--tls-cert", type=_FILE, default=None, metavar="FILE")
@click.option("--tls-key", type=_FILE, default=None, metavar="FILE")
@click.option(
    "--behind-proxy", default=None, metavar="ADDRESS",
    help="The reverse proxy that ends TLS; its headers alone are believed.",
)  # fmt: skip
def command(
    book: str,
    market: Path | None,
    host: str,
    port: int,
    sign_in: bool,
    oidc: tuple[Path, ...],
    names: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_proxy: str | None,
) -> None:
    """Serve the portal until Ctrl-C.

    Without --sign-in it answers this machine only, and shows the whole book to whoever asks here.
    """
    from opensma.web import Door, serve

    door = Door(sign_in, oidc, names, tls_cert, tls_key, behind_proxy)
    serve(
        book,
        market,
        host,
        port,
        announce=lambda address: note(f"The portal is at {address} (Ctrl-C ends it)."),
        door=door,
    )
