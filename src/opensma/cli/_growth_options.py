"""Options that the growth commands share, and how they open the warehouse and write files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli.output import Decorator
from opensma.errors import InputError

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

warehouse_option: Decorator = click.option(
    "--warehouse",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar="OPENSMA_GROWTH",
    show_envvar=True,
    metavar="FILE",
    help="The growth warehouse, a DuckDB file.  [default: sma.growth, beside the book sma.db]",
)

secret_option: Decorator = click.option(
    "--secret-file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    envvar="OPENSMA_GROWTH_SECRET", show_envvar=True, metavar="FILE",
    help="The secret that turns addresses into keys.",
)  # fmt: skip


def warehouse_path(given: Path | None, book: str) -> Path:
    """The file named, or the one beside the book."""
    from opensma.book.store import Book

    if given is not None:
        return given
    path = Book(book).path
    return path.with_suffix(".growth") if path else Path("sma.growth")


def opened(given: Path | None, book: str, *, create: bool = False) -> Connection:
    """The warehouse, opened."""
    from opensma.growth.warehouse.store import open_warehouse

    return open_warehouse(warehouse_path(given, book), create=create)


def secret_bytes(given: Path | None) -> bytes | None:
    """The tenant's secret from a file outside the warehouse (P1)."""
    if given is None:
        return None
    secret = given.read_bytes().strip()
    if not secret:
        raise InputError(
            "growth.secret_empty", "The file is empty.", where=str(given),
            remedy="Write 32 random bytes into it, and keep it outside the warehouse.",
        )  # fmt: skip
    return secret
