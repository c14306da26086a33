"""Where the book's market is: a path kept with the book, which a command may override.

The path is a fact of this machine, so it stays outside the book's hash (`schema.PLACES`); each
day's run records the hash of what it saw.
"""

from __future__ import annotations

from pathlib import Path

from opensma.book.store import Book, get_setting, put_setting
from opensma.errors import InputError
from opensma.market import Market, open_market

MARKET_PATH = "market_path"


def link_market(book: Book, store: Path | str) -> None:
    """Remember where this book's market store is."""
    with book.write() as connection:
        put_setting(connection, MARKET_PATH, str(Path(store).resolve()))


def market_path(book: Book) -> Path | None:
    """The store that the book was linked to, None when it never was."""
    with book.read() as connection:
        found = get_setting(connection, MARKET_PATH)
    return None if found is None else Path(found)


def market_of(book: Book, override: Path | str | None = None) -> Market:
    """The market of a book, or the one named instead; InputError says what is missing."""
    path = override or market_path(book)
    if path is None:
        raise InputError(
            "book.no_market",
            "The book does not know where its market is.",
            where=book.label,
            remedy="Give --market STORE, or keep it with `sma book init --market STORE`.",
        )
    try:
        return open_market(path)
    except InputError as error:
        if error.code not in ("market.missing", "market.folder_missing"):
            raise
        raise InputError(
            error.code,
            "There is no market where the book says it is."
            if override is None
            else "There is no market here.",
            where=str(path),
            remedy="Give --market STORE, or make one with `sma market import DIR --store STORE`.",
        ) from None
