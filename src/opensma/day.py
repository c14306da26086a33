"""The spine: one trading day, every stage in the order it happens. Start reading here.

    open      book splits, dividends, spin-offs and take-overs since the last day
    decide    for every taxpayer: which lots to sell, what to buy, and why, in dollars
    review    approve plans inside the limits, hold the others for a person
    trade     approved plans become block orders, fills at the close, exact allocations
    post      allocations enter the journal with their lots; wash sales are matched
    measure   values, flows and returns after the day

Each stage is `stage(context) -> outcome`, writes its facts and its mark in one transaction, and
skips what is marked: a day killed anywhere can be run again and ends in the same book.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from opensma.book import runs
from opensma.book.daybook import DayContext, check_session, open_day
from opensma.book.master import households
from opensma.book.names import register_securities
from opensma.book.store import Book
from opensma.market import Market
from opensma.measure.daily import measure_stage
from opensma.trade.execute import trade_stage
from opensma.trade.opening import close_opening, open_stage
from opensma.trade.post import post_stage
from opensma.trade.propose import decide_stage
from opensma.trade.review import review_stage
from opensma.workers import Workers, start_early

Stage = Callable[[DayContext], dict[str, object]]
Notice = Callable[[str, int], Callable[[int], None]]

TRADING_DAY: tuple[tuple[str, Stage], ...] = (
    ("open", open_stage),
    ("decide", decide_stage),
    ("review", review_stage),
    ("trade", trade_stage),
    ("post", post_stage),
    ("measure", measure_stage),
)
WORKERS_NEED = ("opensma.trade.preload",)  # made ready while the first stage runs


@dataclass(frozen=True, slots=True)
class DayReport:
    """What a day did: outcomes by stage (with seconds), and the accounts that need a person."""

    run: runs.Run
    accounts: int
    stages: dict[str, dict[str, object]]
    exceptions: tuple[runs.ExceptionRecord, ...]


def run_day(
    book: Book,
    market: Market,
    day: date,
    *,
    recorded_at: str,
    workers: Workers = 1,
    batch: int = 50,
    notice: Notice = lambda _stage, _accounts: lambda _done: None,
    failed: Path | None = None,
    rates: runs.RatesUsed | None = None,
    until: str | None = None,
) -> DayReport:
    """Run a trading day, or finish one that was interrupted; a finished day changes nothing.

    `recorded_at` is the time that new facts carry; an interrupted run keeps its own, as it does its
    `rates` (of the tax profiles by default). `notice` gets each stage and its accounts, and returns
    what to call with accounts done. `workers` is a number of processes or a Ray cluster's address.
    Problems that the solver failed go to `failed`. After `until="review"` persons decide on plans.
    """
    seen = market.until(day)
    with book.only_run():
        run = _begin(book, seen, day, recorded_at, rates)
        if run.status != "done":
            start_early(workers, WORKERS_NEED)
            context = open_day(
                book, seen, run, day.toordinal(),
                workers=workers, batch=batch, progress=_quiet, failed=failed,
            )  # fmt: skip
            _run_stages(context, notice, until)
    with book.read() as connection:
        return DayReport(
            runs.run_of(connection, run.run_id),
            sum(len(h.accounts) for h in households(connection, run.day)),
            runs.stage_outcomes(connection, run.run_id),
            tuple(runs.day_exceptions(connection, run.run_id)),
        )


def _begin(
    book: Book, seen: Market, day: date, recorded_at: str, rates: runs.RatesUsed | None
) -> runs.Run:
    """The day's run; nothing is written for a finished day, or for one that cannot be run."""
    with book.read() as connection:
        found = runs.find_run(connection, day.isoformat())
    if found is not None and found.status == "done":
        return found
    check_session(seen, day)
    with book.write() as connection:
        run = runs.begin_run(connection, day.isoformat(), recorded_at, seen.content_hash, rates)
        register_securities(connection, seen)
    return run


def _run_stages(context: DayContext, notice: Notice, until: str | None) -> None:
    """Every stage that the run log does not hold yet, in order."""
    with context.book.read() as connection:
        done = runs.stage_outcomes(connection, context.run.run_id)
    accounts = sum(len(h.accounts) for h in context.households)
    for position, (name, stage) in enumerate(TRADING_DAY):
        if name in done:
            if name == until:
                return
            continue
        started = time.perf_counter()
        outcome = stage(context.reporting(notice(name, accounts)))
        seconds = time.perf_counter() - started
        with context.book.write() as connection:
            runs.finish_stage(connection, context.run.run_id, position, name, outcome, seconds)
            if name == "open":
                close_opening(connection, context.iso)
            if name == TRADING_DAY[-1][0]:
                runs.finish_run(connection, context.run)
        if name == until:
            return


def _quiet(_done: int) -> None:
    """Progress of nothing."""
