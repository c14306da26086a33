"""`sma book`: make, verify, repair, export and fingerprint the book of record."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli import _book_actions, _book_late
from opensma.cli.output import (
    book_option,
    emit_json,
    json_option,
    note,
    progress,
    table,
    workers_option,
)

if TYPE_CHECKING:
    from opensma.book.store import Book

_SHOWN = 50  # findings in the terminal; --json has them all

accounts_option = click.option(
    "--account", "account_ids", multiple=True, metavar="ID", help="Only this account; repeatable."
)


@click.group("book")
def group() -> None:
    """The book of record: the journal of every account and all that follows from it."""


group.add_command(_book_actions.group)
group.add_command(_book_late.group)


@group.command("init")
@book_option
@click.option(
    "--market",
    "market_path",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="Remember this market store with the book.",
)
@json_option
def init_command(book: str, market_path: Path | None, as_json: bool) -> None:
    """Make a book, or bring an older one to the newest schema; loses nothing, may be repeated."""
    from opensma.book.market_link import link_market
    from opensma.book.store import HEAD, init_book
    from opensma.market import open_market

    content_hash = None if market_path is None else open_market(market_path).content_hash
    made = init_book(book)
    if market_path is not None:
        link_market(made, market_path)
    if as_json:
        document = {"book": made.label, "schema": HEAD, "market": market_path}
        emit_json({**document, "market_hash": content_hash})
        return
    click.echo(f"{made.label}: schema {HEAD}")
    if market_path is not None:
        click.echo(f"market: {market_path} ({content_hash})")


def _why_no_market(book: Book) -> str:
    """Why the book's market cannot be read; empty where it can."""
    from opensma.book.market_link import market_of
    from opensma.errors import InputError

    try:
        market_of(book)
    except InputError as error:
        return f"{error.message} {error.remedy}"
    return ""


@group.command("verify")
@book_option
@workers_option
@json_option
def verify_command(book: str, workers: int | None, as_json: bool) -> int:
    """Fold every journal again and compare all that follows; exit code 1 when something differs.

    Where the book knows its market, every daily value is computed again from the closes too.
    """
    from opensma.book.store import open_book
    from opensma.book.verify import verify
    from opensma.workers import default_workers

    opened = open_book(book)
    accounts, used = _count(book), workers or default_workers()
    with progress(accounts, "Verifying") as advance:
        findings = verify(opened, workers=used, progress=advance)
    missing = _why_no_market(opened)
    if not missing:
        from opensma.measure.check_days import verify_days

        with progress(accounts, "Daily values") as advance:
            findings += verify_days(opened, workers=used, progress=advance)
    else:
        note(f"Daily values were not compared. {missing}")
    if as_json:
        found = [f.as_dict() for f in findings]
        emit_json({
            "book": opened.label, "accounts": accounts, "findings": found, "values": not missing,
        })  # fmt: skip
        return 1 if findings else 0
    if not findings:
        click.echo(f"{opened.label}: {accounts:,} accounts, no difference.")
        return 0
    rows = [(f.code, f.where, f.what, f.remedy) for f in findings[:_SHOWN]]
    table(f"{len(findings):,} differences", ("code", "where", "what", "remedy"), rows)
    if len(findings) > _SHOWN:
        note(f"{len(findings) - _SHOWN:,} more: --json has all of them.")
    return 1


@group.command("rebuild")
@book_option
@accounts_option
@json_option
def rebuild_command(book: str, account_ids: tuple[str, ...], as_json: bool) -> None:
    """Make stored account states again from the journal: the cure for a damaged snapshot."""
    from opensma.book.rebuild import rebuild
    from opensma.book.store import open_book

    opened = open_book(book)
    with progress(len(account_ids) or _count(book), "Rebuilding") as advance:
        done = rebuild(opened, account_ids, advance)
    if as_json:
        emit_json({"book": opened.label, "accounts": done.accounts, "changed": done.changed})
        return
    click.echo(f"{done.accounts:,} accounts folded again, {len(done.changed):,} changed.")
    for name in done.changed:
        click.echo(f"  {name}")


@group.command("export")
@book_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder to make; it must not exist.",
)
@accounts_option
@json_option
def export_command(book: str, out: Path, account_ids: tuple[str, ...], as_json: bool) -> None:
    """Write tables as Parquet and each journal as JSON lines, to move or audit without opensma."""
    from opensma.book.export import export_book
    from opensma.book.store import open_book

    opened = open_book(book)
    with progress(len(account_ids) or _count(book), "Exporting") as advance:
        manifest = export_book(opened, out, account_ids, advance)
    if as_json:
        emit_json({"out": out, **manifest})
        return
    rows = sum(file["rows"] for file in manifest["files"])
    click.echo(
        f"{out}: {len(manifest['accounts']):,} accounts, {rows:,} rows in "
        f"{len(manifest['files']):,} files; export.json lists them."
    )


@group.command("hash")
@book_option
@click.option("--tables", "by_table", is_flag=True, help="One hash for each table as well.")
@json_option
def hash_command(book: str, by_table: bool, as_json: bool) -> None:
    """One hash over everything the book holds; equal on every store and machine."""
    from opensma.book.proof import book_hash, table_hashes
    from opensma.book.store import open_book

    opened = open_book(book)
    digest = book_hash(opened)
    tables = None
    if by_table:
        with opened.read() as connection:
            tables = table_hashes(connection)
    if as_json:
        document = {"book": opened.label, "hash": digest}
        emit_json(document if tables is None else {**document, "tables": tables})
        return
    for name, value in (tables or {}).items():
        click.echo(f"{value}  {name}")
    click.echo(digest)


def _count(book: str) -> int:
    from opensma.book.master import AccountRecord, all_records
    from opensma.book.store import open_book

    with open_book(book).read() as connection:
        return len(all_records(connection, AccountRecord))
