"""`sma day`: run a trading day over all accounts, and show what a day did."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli._day_model import command as preview_command
from opensma.cli.output import (
    book_option,
    date_option,
    emit_json,
    json_option,
    note,
    note_compilation,
    stage_bars,
    table,
    workers_option,
)
from opensma.errors import BookError, InputError

if TYPE_CHECKING:
    from opensma.book.runs import ExceptionRecord, RatesUsed, Run

_SHOWN = 25  # exceptions in the terminal; --json has them all

market_option = click.option(
    "--market",
    "market_path",
    type=click.Path(path_type=Path),
    metavar="STORE",
    help="Market store to use instead of the one that the book names.",
)


def rates_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where marginal rates come from: the same for a day and for a look ahead."""
    source = click.option(
        "--rates",
        type=click.Choice(["file", "netting"]),
        help="Marginal rates: on file, or of the netting, in turn with the plans.  [default: file]",
    )
    share = click.option(
        "--carried-share",
        metavar="PERCENT",
        help="What a loss carried forward keeps of its rate, with --rates netting.  "
        "[default: 61.3913]",
    )
    return source(share(command))


@click.group("day")
def group() -> None:
    """The trading day: open, decide, review, trade, post, measure."""


@group.command("run")
@book_option
@date_option(required=True)
@workers_option
@click.option("--ray", "ray_address", metavar="ADDRESS", help="Decide on this Ray cluster instead.")
@market_option
@click.option(
    "--failed",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for problems that the solver failed.  [default: BOOK.failed beside the book]",
)
@rates_options
@click.option(
    "--until",
    type=click.Choice(["open", "decide", "review", "trade", "post"]),
    help="Stop after this stage; run the day again to go on.",
)
@json_option
def run_command(
    book: str,
    date: date,
    workers: int | None,
    ray_address: str | None,
    market_path: Path | None,
    failed: Path | None,
    rates: str | None,
    carried_share: str | None,
    until: str | None,
    as_json: bool,
) -> None:
    """Run one trading day over all accounts, or finish one that was interrupted.

    Running a finished day again changes nothing. Accounts that need a person are listed with the
    reason and what to do; they keep their holdings.
    """
    from opensma.book.daybook import failed_folder
    from opensma.book.market_link import market_of
    from opensma.book.store import open_book
    from opensma.day import run_day
    from opensma.workers import default_workers

    if ray_address is not None and workers is not None:
        raise InputError(
            "usage",
            "--workers and --ray exclude each other.",
            where="sma day run",
            remedy="Give one of them.",
        )
    used = rates_used(rates, carried_share)
    opened = open_book(book)
    market = market_of(opened, market_path)
    note_compilation()
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with stage_bars() as notice:
        report = run_day(
            opened,
            market,
            date,
            recorded_at=now,
            workers=ray_address or workers or default_workers(),
            notice=notice,
            failed=failed,
            rates=used,
            until=until,
        )
    _tell(report.run, report.accounts, report.stages, report.exceptions, as_json)
    folder = (failed or failed_folder(opened)) / date.isoformat()
    if folder.is_dir():
        note(f"Problems that the solver failed are in {folder}: sma construct replay FILE")


def rates_used(source: str | None, share: str | None) -> RatesUsed | None:
    """What the options ask for; None leaves a day that was begun as it is."""
    from opensma.book.runs import RatesUsed
    from opensma.tax.marginal import CARRIED_SHARE_MICROS, check_share
    from opensma.units import parse_micros

    if share is not None and source != "netting":
        raise InputError(
            "usage",
            "--carried-share means nothing without --rates netting.",
            where="--carried-share",
            remedy="Give both, or neither.",
        )
    if source != "netting":
        return None if source is None else RatesUsed()
    micros = CARRIED_SHARE_MICROS
    if share is not None:
        percent = parse_micros(share.strip().removesuffix("%"), "--carried-share")
        micros = percent // 100  # four decimals of a percentage are kept
    check_share(micros)
    return RatesUsed("netting", micros)


@group.command("review")
@click.argument("account")
@click.argument("verdict", type=click.Choice(["approve", "hold"]))
@click.option("--reason", required=True, help="Why: it is kept with the plan.")
@click.option("--by", default="operator", show_default=True, metavar="WHO")
@book_option
@json_option
def review_command(
    account: str, verdict: str, reason: str, by: str, book: str, as_json: bool
) -> None:
    """Let a held plan trade, or hold one, while the day waits after its review."""
    from opensma.book.reviews import decide_plan
    from opensma.book.store import open_book

    word = {"approve": "approved", "hold": "held"}[verdict]
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with open_book(book).write() as connection:
        done = decide_plan(connection, account, word, by, now, reason)
    if as_json:
        emit_json(done)
        return
    was = f" The rule had said: {done.rule}" if done.rule else ""
    note(f"The plan of {account} is {done.verdict}.{was}")


@group.command("show")
@book_option
@date_option(help="The day to show.  [default: the newest]")
@json_option
def show_command(book: str, date: date | None, as_json: bool) -> None:
    """Show what a day did, stage by stage, and which accounts need a person."""
    from opensma.book import runs
    from opensma.book.store import open_book

    opened = open_book(book)
    with opened.read() as connection:
        iso = None if date is None else date.isoformat()
        run = runs.latest_run(connection) if iso is None else runs.find_run(connection, iso)
        if run is None:
            raise BookError(
                "day.unknown",
                "The book has run no day." if iso is None else f"The day {iso} was never begun.",
                where=opened.label,
                remedy="sma day run --date DATE runs one.",
            )
        stages = runs.stage_outcomes(connection, run.run_id)
        exceptions = tuple(runs.day_exceptions(connection, run.run_id))
    _tell(run, None, stages, exceptions, as_json)


def _tell(
    run: Run,
    accounts: int | None,
    stages: dict[str, dict[str, object]],
    exceptions: tuple[ExceptionRecord, ...],
    as_json: bool,
) -> None:
    if as_json:
        document: dict[str, Any] = {"day": run.day, "run": run, "stages": stages}
        if accounts is not None:
            document["accounts"] = accounts
        emit_json({**document, "exceptions": exceptions})
        return
    if run.rates != "file":
        click.echo(f"Rates of {run.rates_used}.")
    rows = [(name, _words(outcome), outcome["seconds"]) for name, outcome in stages.items()]
    table(f"Day {run.day}: {run.status}", ("stage", "outcome", "seconds"), rows)
    if not exceptions:
        click.echo("No account needs a person.")
        return
    shown = exceptions[:_SHOWN]
    table(
        f"{len(exceptions):,} exceptions",
        ("account", "stage", "code", "what happened", "what to do"),
        [(e.account_id, e.stage, e.code, e.message, e.remedy) for e in shown],
    )
    if len(exceptions) > len(shown):
        note(f"{len(exceptions) - len(shown):,} more: sma day show --json has all of them.")


def _words(outcome: dict[str, object]) -> str:
    """`12 solved, 1 infeasible`; money in dollars."""
    from opensma.units import dollars

    parts = []
    for name, value in outcome.items():
        if name.endswith("_cents"):
            parts.append(f"{name.removesuffix('_cents')} ${dollars(int(str(value)))}")
        elif name != "seconds":
            parts.append(f"{int(str(value)):,} {name.replace('_', ' ')}")
    return ", ".join(parts)


group.add_command(preview_command)
