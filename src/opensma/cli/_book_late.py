"""`sma book late`: late, corrected and cancelled facts: look, then book."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli.output import book_option, emit_json, json_option, note, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensma.book.late import Restated

_SHOWN = 60  # rows of a table in the terminal; --json has them all

file_argument = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)


@click.group("late")
def group() -> None:
    """Facts of past days: trades that came late, corrections, cancellations (JSON, docs/book.md).

    They take their place by day, everything after them is replayed, and the differences are shown.
    """


@group.command("preview")
@file_argument
@book_option
@json_option
def preview_command(file: Path, book: str, as_json: bool) -> int:
    """Show what the facts would change; nothing is written."""
    from opensma.book.late import preview_late
    from opensma.book.late_file import read_late
    from opensma.book.store import open_book

    opened = open_book(book)
    with opened.read() as connection:
        facts = read_late(connection, file)
    _show(preview_late(opened, facts), as_json, wrote=False)
    return 0


@group.command("post")
@file_argument
@book_option
@json_option
def post_command(file: Path, book: str, as_json: bool) -> int:
    """Book the facts and what they change, all or none; a fact that is known changes nothing.

    A file without facts brings every account to what the law gives for the facts it has.
    """
    from datetime import UTC, datetime

    from opensma.book.late import post_late, restate_all
    from opensma.book.late_file import read_late
    from opensma.book.store import open_book

    opened = open_book(book)
    with opened.read() as connection:
        facts = read_late(connection, file)
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    done = post_late(opened, facts, now) if facts else restate_all(opened, now)
    _show(done, as_json, wrote=True)
    return 0


def _show(done: Sequence[Restated], as_json: bool, *, wrote: bool) -> None:
    if as_json:
        taxpayers = [
            {
                "taxpayer": one.taxpayer_id,
                "restatements": len(one.entries),
                **one.differences.as_dict(),
            }
            for one in done
        ]
        emit_json({"written": wrote, "taxpayers": taxpayers})
        return
    for one in done:
        if one.entries:
            _show_one(one, wrote)
    if not any(one.entries for one in done):
        click.echo("Nothing to do: the book has these facts, and what follows from them.")


def _show_one(one: Restated, wrote: bool) -> None:
    found = one.differences
    rows = [
        (row.what, row.account, row.where, name, row.before.get(name, ""), row.after.get(name, ""))
        for row in found.rows
        for name in {**row.before, **row.after}
        if row.before.get(name) != row.after.get(name)
    ]
    columns = ("what", "account", "where", "of it", "before", "after")
    table(f"{one.taxpayer_id}: {len(found.rows):,} differences", columns, rows[:_SHOWN])
    if len(rows) > _SHOWN:
        note(f"{len(rows) - _SHOWN:,} more: --json has all of them.")
    if found.years:
        years = ", ".join(str(year) for year in found.years)
        click.echo(f"Form 8949 and Schedule D change for {years}.")
    for name, count in found.stale.items():
        if count:
            what = {"account_days": "daily values", "plans": "plans"}.get(name, name)
            click.echo(f"{count:,} {what} of past days stay as they were made.")
    verb = "Booked" if wrote else "Would book"
    accounts = "1 account" if len(one.entries) == 1 else f"{len(one.entries)} accounts"
    click.echo(f"{verb} a restatement of {accounts}.")
