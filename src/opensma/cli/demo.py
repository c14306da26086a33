"""`sma demo`: build a book, run one day, say what happened, and serve the portal."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli.output import (
    book_option,
    emit_json,
    json_option,
    note,
    note_compilation,
    progress,
    stage_bars,
    table,
    workers_option,
)
from opensma.errors import InputError

if TYPE_CHECKING:
    from datetime import date

    from opensma.book.store import Book
    from opensma.day import DayReport
    from opensma.errors import Finding
    from opensma.market import Market
    from opensma.simulate.outcome import Outcome

HOST = "127.0.0.1"
EXCEPTIONS_SHOWN = 12


@dataclass
class Demo:
    """What the command did, and how long each part took."""

    market_path: Path
    book: Book
    reused: bool
    market: Market
    report: DayReport
    outcome: Outcome
    findings: list[Finding]
    book_hash: str
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Seconds by stage, as the run log keeps them: a finished day tells the same again."""
        return {name: float(str(o["seconds"])) for name, o in self.report.stages.items()}

    @property
    def accounts_per_second(self) -> float:
        """Accounts decided in a second."""
        return self.outcome.accounts / max(self.stage_seconds["decide"], 1e-9)


@click.command("demo")
@click.option(
    "--accounts",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    metavar="N",
    help="Accounts to make.",
)
@click.option(
    "--market",
    "market_path",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A market store or a folder in the import layout.  [default: a generated market]",
)
@book_option
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@workers_option
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--no-serve", is_flag=True, help="Stop after the summary.")
@json_option
def command(
    accounts: int,
    market_path: Path | None,
    book: str,
    seed: int,
    workers: int | None,
    port: int,
    no_serve: bool,
    as_json: bool,
) -> int:
    """Build a book, run one trading day on the market's last date, and open the portal.

    The owners are invented and funded over past dates at the prices of those dates. The same seed,
    market and number of accounts give the same book; running it again reuses it.
    """
    from opensma.workers import default_workers

    if not no_serve:
        _port_is_free(port)
    done = _run(accounts, market_path, book, seed, workers or default_workers())
    if as_json:
        emit_json(_document(done))
    else:
        _show(done)
    if not no_serve:
        _serve(done, port)
    return 1 if done.findings else 0


def _run(accounts: int, market_path: Path | None, url: str, seed: int, workers: int) -> Demo:
    from opensma.book.market_link import link_market
    from opensma.book.proof import book_hash
    from opensma.book.store import Book, open_book
    from opensma.book.verify import verify
    from opensma.calendar import session_close
    from opensma.day import run_day
    from opensma.simulate.demo import build_book
    from opensma.simulate.outcome import day_outcome

    seconds: dict[str, float] = {}
    with _timed(seconds, "market"):
        path, market = _market(market_path, Book(url).path, seed)
    day = market.day(-1)
    note_compilation()
    with _timed(seconds, "book"), _bar(accounts, "Building the book") as advance:
        built = build_book(
            url, market, day, accounts=accounts, seed=seed, workers=workers, progress=advance
        )
    opened = open_book(url)
    if built.reused:
        note(f"Using the demo book that is there: {opened.label}")
    else:
        _invent_contacts(opened, day)
    link_market(opened, path)
    note(f"Running the trading day {day} ...")
    with _timed(seconds, "day"), stage_bars() as notice:
        report = run_day(
            opened, market, day, recorded_at=session_close(day), workers=workers, notice=notice
        )
    with _timed(seconds, "verify"), _bar(accounts, "Verifying the book") as advance:
        findings = verify(opened, workers=workers, progress=advance)
        digest = book_hash(opened)
    return Demo(
        path,
        opened,
        built.reused,
        market,
        report,
        day_outcome(opened, report.run),
        findings,
        digest,
        seconds,
    )


def _invent_contacts(book: Book, day: date) -> None:
    """What rule 3a-4 wants on record, beside the book."""
    from opensma.access.contacts import bring_along
    from opensma.access.store import Access
    from opensma.book.master import AccountRecord, all_records
    from opensma.simulate.contacts import invented_contacts

    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
    bring_along(Access(book), invented_contacts(accounts, day))


def _market(given: Path | None, book_file: Path | None, seed: int) -> tuple[Path, Market]:
    """The market named, or the generated one: `sma.market` beside the book `sma.db`."""
    from opensma.market import open_market
    from opensma.simulate.generated import generated_store

    if given is not None:
        note(f"Reading the market in {given} ...")
        return given, open_market(given)
    path = book_file.with_suffix(".market") if book_file else Path("sma.market")
    note(f"Generated market: {path} (seed {seed})")
    return path, generated_store(path, seed)


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


@contextmanager
def _bar(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Say what begins, also where no bar can be drawn."""
    note(f"{label} ...")
    with progress(total, label) as advance:
        yield advance


def _port_is_free(port: int) -> None:
    """Asked first: nobody wants to hear it after a minute of building."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                "port.busy",
                f"The portal cannot be served on port {port}: {error.strerror}.",
                where=f"http://{HOST}:{port}",
                remedy="Choose another --port, or --no-serve.",
            ) from None


def _serve(done: Demo, port: int) -> None:
    from opensma.web import serve

    def announce(address: str) -> None:
        note(f"Portal: {address}   (Ctrl-C ends it; the book stays)")
        note(
            "To see it as an owner, advisor or manager does: sma access invite --user owner, "
            f"then sma serve --sign-in (both with --book {done.book.label})"
        )

    serve(done.book.url, done.market_path, HOST, port, announce)


# --- what happened -------------------------------------------------------------------------------


def _document(done: Demo) -> dict[str, Any]:
    outcome = done.outcome
    return {
        "book": done.book.label,
        "book_hash": done.book_hash,
        "reused": done.reused,
        "market": str(done.market_path),
        "market_hash": done.report.run.market_hash,
        "day": done.report.run.day,
        "accounts": outcome.accounts,
        "solved": outcome.solved,
        "infeasible": outcome.infeasible,
        "failed": outcome.failed,
        "held_for_review": outcome.held_for_review,
        "trades": outcome.trades,
        "trades_by_reason": outcome.reasons,
        "harvested_losses": outcome.harvested_cents / 100,
        "disallowed_losses": outcome.disallowed_cents / 100,
        "tax_value": outcome.tax_value_cents / 100,
        "tracking_error_before": outcome.tracking_error_before,
        "tracking_error_after": outcome.tracking_error_after,
        "objective_gap_bps": {"median": outcome.gap_median_bps, "p95": outcome.gap_p95_bps},
        "exceptions": done.report.exceptions,
        "invariants": {"checked": True, "findings": len(done.findings)},
        "findings": [finding.as_dict() for finding in done.findings],
        "decide_accounts_per_second": done.accounts_per_second,
        "day_seconds": sum(done.stage_seconds.values()),
        "stage_seconds": done.stage_seconds,
        "seconds": done.seconds,
    }


def _show(done: Demo) -> None:
    table(f"Trading day {done.report.run.day}", ("what", "value"), _facts(done))
    rows = [(name.replace("_", " "), count) for name, count in done.outcome.reasons.items()]
    if rows:
        table("Trades by reason", ("reason", "trades"), rows)
    seconds = {f"stage {name}": spent for name, spent in done.stage_seconds.items()}
    parts = {name: spent for name, spent in done.seconds.items() if name != "day"}
    table(
        "Time",
        ("part", "seconds"),
        [(name, f"{spent:.2f}") for name, spent in (parts | seconds).items()],
    )
    _show_exceptions(done)
    if done.findings:
        table(
            "Findings of the book's verification",
            ("code", "where", "what"),
            [(f.code, f.where, f.what) for f in done.findings[:EXCEPTIONS_SHOWN]],
        )


def _facts(done: Demo) -> list[tuple[str, str]]:
    outcome = done.outcome
    unsolved = f"{outcome.infeasible:,} infeasible, {outcome.failed:,} failed"
    before, after = outcome.tracking_error_before, outcome.tracking_error_after
    gap = f"{outcome.gap_median_bps:.2f} bp median, {outcome.gap_p95_bps:.2f} bp 95th percentile"
    findings = len(done.findings)
    return [
        ("accounts", f"{outcome.accounts:,}"),
        ("solved", f"{outcome.solved:,} ({unsolved}, {outcome.held_for_review:,} held)"),
        ("trades", f"{outcome.trades:,}"),
        ("harvested losses", f"${outcome.harvested_cents / 100:,.2f}"),
        ("washed of all losses", f"${outcome.disallowed_cents / 100:,.2f}"),
        ("tax value of the harvest", f"${outcome.tax_value_cents / 100:,.2f}"),
        ("tracking error, mean", f"{before:.2%} before, {after:.2%} after"),
        ("objective gap", gap),
        ("decided per second", f"{done.accounts_per_second:,.0f} accounts"),
        ("exceptions", f"{len(done.report.exceptions):,}"),
        ("invariants", f"checked, {findings:,} findings" if findings else "checked, all hold"),
        ("book", done.book.label),
        ("book hash", done.book_hash[:16]),
        ("market", str(done.market_path)),
    ]


def _show_exceptions(done: Demo) -> None:
    exceptions = done.report.exceptions
    if not exceptions:
        return
    shown = [(e.account_id, e.code, e.message, e.remedy) for e in exceptions[:EXCEPTIONS_SHOWN]]
    more = len(exceptions) - len(shown)
    title = "Exceptions" + (f" (and {more:,} more: --json shows all)" if more else "")
    table(title, ("account", "code", "what", "remedy"), shown)
