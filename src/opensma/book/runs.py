"""The run log: which stages of which day are done, and for which taxpayers.

A stage writes its facts and its mark in one transaction, so a day that was killed anywhere is run
again and ends in the same state. Marks are per taxpayer: the unit that is never half posted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.journal import canonical
from opensma.book.store import get_setting, insert_rows, row_of
from opensma.errors import BookError

ACTIONS_THROUGH = "actions_through"  # setting: the day up to which corporate actions are booked


@dataclass(frozen=True, slots=True)
class RatesUsed:
    """Where a day's marginal rates come from: the tax profile, or the netting of the year."""

    source: str = "file"  # file or netting
    carried_share_micros: int = 0  # that a loss carried forward keeps of its rate; netting only

    def __str__(self) -> str:
        share = f", carried losses at {self.carried_share_micros / 10_000:g}% of the rate on file"
        return self.source + (share if self.source == "netting" else "")


@dataclass(frozen=True, slots=True)
class Run:
    """One trading day; `recorded_at` is fixed when the run begins and kept when it resumes."""

    run_id: str
    day: str
    recorded_at: str
    market_hash: str
    status: str
    rates: str = "file"
    carried_share_micros: int = 0

    @property
    def rates_used(self) -> RatesUsed:
        """Where this day's rates come from."""
        return RatesUsed(self.rates, self.carried_share_micros)


@dataclass(frozen=True, slots=True)
class ExceptionRecord:
    """An account that needs a person today: code, what happened, what to do."""

    run_id: str
    stage: str
    account_id: str
    code: str
    message: str
    remedy: str


def begin_run(
    connection: Connection,
    day: str,
    recorded_at: str,
    market_hash: str,
    rates: RatesUsed | None = None,
) -> Run:
    """The run of this day: a new one, or the one that was begun and not finished.

    BookError where another day is unfinished or later, or where the market or the rates asked for
    are not those of the beginning; None asks for no rates in particular.
    """
    found = find_run(connection, day)
    if found is None:
        _check_order(connection, day)
        chosen = rates or RatesUsed()
        run = Run(
            *(f"day-{day}", day, recorded_at, market_hash, "running"),
            *(chosen.source, chosen.carried_share_micros),
        )
        insert_rows(connection, schema.runs, [row_of(run)])
        return run
    if found.market_hash != market_hash and found.status == "running":
        raise BookError(
            "day.market_changed",
            f"The day {day} began with other market data than the market holds now.",
            where=found.run_id,
            remedy="Restore the market as it was when the day began, finish the day, then import.",
        )
    if rates not in (None, found.rates_used) and found.status == "running":
        raise BookError(
            "day.other_rates",
            f"The day {day} began with other rates: {found.rates_used}.",
            where=found.run_id,
            remedy="Finish it without --rates and --carried-share; the next day may choose again.",
        )
    return found


def _check_order(connection: Connection, day: str) -> None:
    """Days are run in order, one at a time: the journal never goes back."""
    latest = latest_run(connection)
    if latest is not None and latest.status == "running":
        raise BookError(
            "day.unfinished",
            f"The day {latest.day} was begun and not finished.",
            where=latest.run_id,
            remedy=f"Finish it first: sma day run --date {latest.day}",
        )
    through = get_setting(connection, ACTIONS_THROUGH)
    if through is not None and through >= day:
        raise BookError(
            "day.past",
            f"The book has already gone through {through}.",
            where=day,
            remedy="Choose a later session; what was booked is not decided again.",
        )


def find_run(connection: Connection, day: str) -> Run | None:
    """The run of one day (ISO), None where that day was never begun."""
    row = connection.execute(select(schema.runs).where(schema.runs.c.day == day)).first()
    return None if row is None else Run(*row)


def run_of(connection: Connection, run_id: str) -> Run:
    """The run with this id, which some fact of the book names."""
    row = connection.execute(select(schema.runs).where(schema.runs.c.run_id == run_id)).one()
    return Run(*row)


def latest_run(connection: Connection) -> Run | None:
    """The newest day that was begun."""
    query = select(schema.runs).order_by(schema.runs.c.day.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Run(*row)


def newest_runs(connection: Connection, count: int) -> list[Run]:
    """The last days that were begun, the newest first."""
    query = select(schema.runs).order_by(schema.runs.c.day.desc()).limit(count)
    return [Run(*row) for row in connection.execute(query)]


def finish_run(connection: Connection, run: Run) -> None:
    """Mark the whole day as done."""
    change = schema.runs.update().where(schema.runs.c.run_id == run.run_id)
    connection.execute(change.values(status="done"))


def stage_outcomes(connection: Connection, run_id: str) -> dict[str, dict[str, object]]:
    """What each finished stage reported, in the order of the day."""
    table = schema.stages
    query = select(table.c.stage, table.c.outcome, table.c.seconds)
    rows = connection.execute(query.where(table.c.run_id == run_id).order_by(table.c.position))
    return {stage: {**json.loads(text), "seconds": seconds} for stage, text, seconds in rows}


def finish_stage(
    connection: Connection,
    run_id: str,
    position: int,
    stage: str,
    outcome: dict[str, object],
    seconds: float,
) -> None:
    """Record a stage as done, in the transaction of its last facts."""
    row = (run_id, position, stage, canonical(outcome), seconds)
    insert_rows(connection, schema.stages, [row])


def done_taxpayers(connection: Connection, run_id: str, stage: str) -> set[int]:
    """Keys of the taxpayers that this stage has finished."""
    table = schema.progress
    query = select(table.c.taxpayer_key).where(table.c.run_id == run_id, table.c.stage == stage)
    return {int(key) for key in connection.execute(query).scalars()}


def mark_taxpayers(connection: Connection, run_id: str, stage: str, keys: list[int]) -> None:
    """Mark taxpayers as finished, in the transaction that holds their facts."""
    insert_rows(connection, schema.progress, [(run_id, stage, key) for key in keys])


def add_exceptions(connection: Connection, found: list[ExceptionRecord]) -> None:
    """Keep exceptions with the day; each names an account, a code and a remedy."""
    insert_rows(connection, schema.exceptions, [row_of(exception) for exception in found])


def day_exceptions(
    connection: Connection, run_id: str, account_id: str | None = None
) -> list[ExceptionRecord]:
    """The exceptions of a day in order of account, or those of one account."""
    query = select(schema.exceptions).where(schema.exceptions.c.run_id == run_id)
    if account_id is not None:
        query = query.where(schema.exceptions.c.account_id == account_id)
    found = [ExceptionRecord(*row) for row in connection.execute(query)]
    return sorted(found, key=lambda e: (e.account_id, e.stage, e.code))


def since_when(connection: Connection) -> dict[tuple[str, str], str]:
    """First day of every exception of the newest run, by account and code: how long it stands."""
    table = schema.exceptions
    days = {r.run_id: r.day for r in connection.execute(select(schema.runs))}
    seen: dict[tuple[str, str], set[str]] = {}
    for row in connection.execute(select(table.c.run_id, table.c.account_id, table.c.code)):
        seen.setdefault((row.account_id, row.code), set()).add(days[row.run_id])
    order = sorted(days.values(), reverse=True)
    found = {}
    for name, own in seen.items():
        streak = list(takewhile(own.__contains__, order))
        if streak:
            found[name] = streak[-1]
    return found
