"""`sma book actions`: corporate actions, transfers and gifts from a file: look, book, undo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli.output import book_option, emit_json, json_option, note, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from opensma.book.actiondesk import AccountChange, LotChange, LotFigures, Outcome
    from opensma.book.actionfile import FileAction
    from opensma.errors import Finding

_SHOWN = 60  # rows of a table in the terminal; --json has them all

file_argument = click.argument(
    "file", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE"
)


@click.group("actions")
def group() -> None:
    """Corporate actions, transfers in kind, gifts and lot instructions, from CSV or JSON lines.

    docs/book.md lists the kinds and columns.
    """


@group.command("preview")
@file_argument
@book_option
@json_option
def preview_command(file: Path, book: str, as_json: bool) -> int:
    """Show for each account and lot what the file would change; nothing is written."""
    from opensma.book.actiondesk import preview
    from opensma.book.store import open_book

    opened = open_book(book)
    actions = _read(file, as_json)
    if actions is None:
        return 2
    return _show(preview(opened, actions, _now()), as_json, wrote=False)


@group.command("post")
@file_argument
@book_option
@json_option
def post_command(file: Path, book: str, as_json: bool) -> int:
    """Book what is new in the file, once: all of it, or nothing when anything is wrong."""
    from opensma.book.actiondesk import post
    from opensma.book.store import open_book

    opened = open_book(book)
    actions = _read(file, as_json)
    if actions is None:
        return 2
    return _show(post(opened, actions, _now()), as_json, wrote=True)


@group.command("reverse")
@file_argument
@click.option(
    "--action",
    "action_ids",
    multiple=True,
    metavar="ID",
    help="Only this action of the file; repeatable.",
)
@click.option("--reason", default="", metavar="TEXT", help="Why; kept with the entries.")
@book_option
@json_option
def reverse_command(
    file: Path, action_ids: tuple[str, ...], reason: str, book: str, as_json: bool
) -> int:
    """Undo actions of a posted file by new entries; refused while later entries depend on them."""
    from opensma.book.reversing import reverse
    from opensma.book.store import open_book
    from opensma.errors import InputError

    opened = open_book(book)
    actions = _read(file, as_json)
    if actions is None:
        return 2
    listed = [a.action_id for a in actions]
    if unknown := [name for name in action_ids if name not in listed]:
        raise InputError(
            "action.unknown",
            f"The file has no action '{unknown[0]}'.",
            where=str(file),
            remedy=f"Its actions are {', '.join(listed)}.",
        )
    wanted = [name for name in listed if not action_ids or name in action_ids]
    done = reverse(opened, wanted, _now(), reason)
    if done.findings:
        return _refuse(done.findings, as_json)
    if as_json:
        emit_json({"actions": done.actions})
        return 0
    rows = [(one.action_id, one.status, ", ".join(one.accounts)) for one in done.actions]
    table("", ("action", "status", "accounts"), rows)
    return 0


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(file: Path, as_json: bool) -> tuple[FileAction, ...] | None:
    """The file's actions; None after telling everything that is wrong with it."""
    from opensma.book.actionfile import read_actions

    found = read_actions(file)
    if found.findings:
        _refuse(found.findings, as_json)
        return None
    return found.actions


def _refuse(findings: Sequence[Finding], as_json: bool) -> int:
    if as_json:
        error = {
            "code": "actions.refused",
            "message": f"{len(findings)} problems; nothing was booked.",
            "where": findings[0].where,
            "remedy": findings[0].remedy,
        }
        emit_json({"error": error, "findings": [f.as_dict() for f in findings]})
        return 2
    rows = [(f.where, f.code, f.what, f.remedy) for f in findings[:_SHOWN]]
    count = f"{len(findings):,} problem{'s' if len(findings) != 1 else ''}; nothing was booked"
    table(count, ("where", "code", "what", "remedy"), rows)
    if len(findings) > _SHOWN:
        note(f"{len(findings) - _SHOWN:,} more: --json has all of them.")
    return 2


def _show(outcome: Outcome, as_json: bool, *, wrote: bool) -> int:
    if outcome.findings:
        return _refuse(outcome.findings, as_json)
    if as_json:
        emit_json({"written": outcome.written, "actions": outcome.actions})
        return 0
    counts = {s: sum(a.status == s for a in outcome.actions) for s in ("new", "known", "idle")}
    for action in outcome.actions:
        if action.status == "known":
            click.echo(f"{action.action_id}: {action.kind} of {action.day}, known: left alone.")
        elif action.status == "idle":
            click.echo(f"{action.action_id}: {action.kind} of {action.day}, no account holds it.")
        else:
            click.echo(f"{action.action_id}: {action.kind} of {action.day}")
            _show_accounts(action.accounts)
    verb = "Booked" if wrote else "Would book"
    click.echo(
        f"{verb} {counts['new']}, known {counts['known']}, without holders {counts['idle']}."
        + ("" if wrote else " Nothing was written.")
    )
    return 0


def _show_accounts(changes: Sequence[AccountChange]) -> None:
    from opensma.report.words import signed_money

    rows = [
        (
            change.account_id,
            signed_money(change.cash_cents),
            signed_money(change.short_gain_cents),
            signed_money(change.long_gain_cents),
            signed_money(change.disallowed_cents),
            len(change.lots),
        )
        for change in changes
    ]
    columns = ("account", "cash", "short-term", "long-term", "loss deferred", "lots")
    table("", columns, rows[:_SHOWN])
    lots = [(c.account_id, *_lot_row(lot)) for c in changes for lot in c.lots]
    if lots:
        names = ("account", "lot", "security", "shares", "basis", "acquired", "held from", "note")
        table("", names, lots[:_SHOWN])
    if max(len(lots), len(rows)) > _SHOWN:
        note(f"{max(len(lots), len(rows)) - _SHOWN:,} more rows: --json has all of them.")


def _lot_row(change: LotChange) -> tuple[object, ...]:
    from opensma.report.words import money
    from opensma.units import shares

    def both(read: Callable[[LotFigures], str]) -> str:
        """Before and after, once where equal."""
        sides = [read(f) if f else "-" for f in (change.before, change.after)]
        return str(sides[0]) if sides[0] == sides[1] else f"{sides[0]} -> {sides[1]}"

    security = change.symbol
    if change.new_symbol != change.symbol:
        security = f"{change.symbol} -> {change.new_symbol}"
    return (
        str(change.lot),
        security,
        both(lambda f: shares(f.quantity_micros)),
        both(lambda f: money(f.basis_cents)),
        both(lambda f: f.acquired),
        both(lambda f: f.held_from),
        _note(change.after),
    )


def _note(figures: LotFigures | None) -> str:
    from opensma.report.words import money

    if figures is None:
        return "leaves"
    notes = []
    if figures.inherited:
        notes.append("inherited: long-term")
    if figures.loss_basis_cents is not None:
        notes.append(f"loss basis {money(figures.loss_basis_cents)}")
    if figures.wash_cents:
        notes.append(f"basis holds {money(figures.wash_cents)} of deferred loss")
    return "; ".join(notes)
