"""What every stage of a trading day may know: the book, the market up to the day, the run.

Made once when the day begins; nothing in it changes while the stages work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from sqlalchemy import Connection

from opensma.book import runs
from opensma.book.master import Household, households
from opensma.book.names import KeyMap, key_map
from opensma.book.store import Book
from opensma.errors import MarketError
from opensma.market import Market
from opensma.units import Ints
from opensma.workers import Workers

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class DayContext:
    """One trading day. `market` ends on `day`: nothing later can be seen."""

    book: Book
    market: Market
    keys: KeyMap
    day: int  # ordinal
    run: runs.Run
    households: tuple[Household, ...]
    workers: Workers
    batch: int  # taxpayers per transaction
    progress: Progress
    failed: Path  # folder for problems that the solver failed

    @property
    def iso(self) -> str:
        """The day as text."""
        return date.fromordinal(self.day).isoformat()

    def reporting(self, progress: Progress) -> DayContext:
        """The same day, telling its progress to someone."""
        return replace(self, progress=progress)

    def close_micros(self) -> Ints:
        """(largest key + 1,) closing price of the day by book key, 0 where there is none."""
        row_of_key = self.keys.row_of_key
        closes = self.market.close_micros[self.market.row(self.day)]
        found: Ints = np.where(row_of_key >= 0, closes[row_of_key], 0)
        return found

    def open_taxpayers(self, stage: str) -> list[Household]:
        """Households that this stage has still to do."""
        with self.book.read() as connection:
            done = runs.done_taxpayers(connection, self.run.run_id, stage)
        return [h for h in self.households if h.taxpayer.taxpayer_key not in done]

    def batches(self, stage: str) -> Iterator[list[Household]]:
        """The households still to do, in order, cut into transactions."""
        left = self.open_taxpayers(stage)
        for start in range(0, len(left), self.batch):
            some = left[start : start + self.batch]
            yield some
            self.progress(sum(len(h.accounts) for h in some))

    @contextmanager
    def commit(self, stage: str, done: Sequence[Household]) -> Iterator[Connection]:
        """One transaction that ends by marking these households as done."""
        with self.book.write() as connection:
            yield connection
            keys = [h.taxpayer.taxpayer_key for h in done]
            runs.mark_taxpayers(connection, self.run.run_id, stage, keys)


def open_day(
    book: Book,
    market: Market,
    run: runs.Run,
    day: int,
    *,
    workers: Workers,
    batch: int,
    progress: Progress,
    failed: Path | None = None,
) -> DayContext:
    """Everything the stages share."""
    with book.read() as connection:
        keys = key_map(connection, market)
        found = tuple(households(connection, date.fromordinal(day).isoformat()))
    folder = failed or failed_folder(book)
    return DayContext(book, market, keys, day, run, found, workers, batch, progress, folder)


def failed_folder(book: Book) -> Path:
    """Where failed problems go unless told otherwise: `sma.failed` beside the book `sma.db`.

    A book on a server has no folder beside it: the working folder is used.
    """
    return book.path.with_suffix(".failed") if book.path is not None else Path("sma.failed")


def check_session(market: Market, day: date) -> None:
    """MarketError unless the market ends with closes of this day."""
    if not len(market.days) or market.day(-1) != day:
        raise MarketError(
            "day.no_prices",
            f"The market has no closing prices for {day}.",
            where=day.isoformat(),
            remedy="Import that day's prices (sma market import DIR), or choose a session.",
        )
