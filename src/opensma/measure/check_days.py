"""Whether every daily value on record is what the journal and that day's closes give, to the cent.

The slow way: fold every journal again from its first entry. What was recorded after a day had been
measured changes no value on record, so such days are left out, and flows agree in sum.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np

from opensma.book.fold import fold
from opensma.book.journal import Booked
from opensma.book.ledger import read_journal
from opensma.book.market_link import market_of
from opensma.book.master import AccountRecord, all_records
from opensma.book.names import KeyMap, key_map
from opensma.book.runs import newest_runs
from opensma.book.series import DailyValues, account_series
from opensma.book.state import new_account
from opensma.book.store import Book, open_book
from opensma.calendar import epoch_seconds
from opensma.errors import Finding
from opensma.market import Market
from opensma.measure.refusals import Floats
from opensma.measure.valuation import Track, carried_closes, daily_values
from opensma.units import Ints, dollars
from opensma.workers import Workers, map_shards

_SHARD = 16
_ALL_RUNS = 1_000_000
_EPOCH = date(1970, 1, 1).toordinal()
_REMEDY = "Restore account_days from a copy; returns of this account rest on it."
Place = tuple[str, str | None]  # of the book, and of a market named instead of its own


@dataclass(frozen=True)
class _Desk:
    book: Book
    market: Market
    closes: Ints
    keys: KeyMap
    run_times: dict[int, float]  # by day: when its run was recorded, seconds of the epoch

    def measured(self, days: Ints) -> Floats:
        """When days were measured; one without a run is taken as over at its end."""
        ends = (days - _EPOCH + 1) * 86_400.0
        pairs = zip(days.tolist(), ends.tolist(), strict=True)
        return np.array([self.run_times.get(day, end) for day, end in pairs])


def verify_days(
    book: Book,
    market_path: str | None = None,
    *,
    workers: Workers = 1,
    progress: Callable[[int], None] = lambda _accounts: None,
) -> list[Finding]:
    """Findings `days.missing`, `days.value`, `days.flows`: the first of each account and kind."""
    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
    members = [(a.account_id, a.account_key) for a in accounts]
    shards = [members[i : i + _SHARD] for i in range(0, len(members), _SHARD)]
    found: list[Finding] = []
    _desk.cache_clear()
    place = (book.url, market_path)
    for shard, some in zip(shards, map_shards(_check, place, shards, workers), strict=True):
        found += some
        progress(len(shard))
    return found


@lru_cache(maxsize=1)
def _desk(place: Place) -> _Desk:
    """What all accounts share; a worker reads it once."""
    book = open_book(place[0])
    market = market_of(book, place[1])
    with book.read() as connection:
        times = {
            date.fromisoformat(run.day).toordinal(): epoch_seconds(run.recorded_at)
            for run in newest_runs(connection, _ALL_RUNS)
        }
        return _Desk(book, market, carried_closes(market), key_map(connection, market), times)


def _check(place: Place, members: Sequence[tuple[str, int]]) -> list[Finding]:
    desk, found = _desk(place), []
    with desk.book.read() as connection:
        series = account_series(connection, [key for _, key in members])
        for name, key in members:
            if key in series:
                journal = list(read_journal(connection, [key]))
                found += list(_differences(desk, name, key, journal, series[key]))
    return found


def _differences(
    desk: _Desk, name: str, key: int, journal: Sequence[Booked], kept: DailyValues
) -> Iterator[Finding]:
    state, track = new_account(key), Track()
    late = np.zeros(len(kept.days), dtype=bool)
    measured, newest = desk.measured(kept.days), 0.0
    for booked in journal:
        state = fold(state, booked)
        track.add(booked, state)
        told = epoch_seconds(booked.recorded_at)
        late |= (kept.days >= booked.entry.trade_day) & (measured < told)
        newest = max(newest, told)
    made = daily_values(track, desk.closes, desk.market.days, desk.keys, int(kept.days[-1]))
    if not np.array_equal(made.days, kept.days):
        holes = np.setxor1d(made.days, kept.days)
        yield _finding("missing", name, int(holes[0]), f"{len(holes):,} days are not as the "
                       "market's sessions since the first entry.")  # fmt: skip
        return
    wrong = np.flatnonzero(~late & (made.value_cents != kept.value_cents))
    if len(wrong):
        row = int(wrong[0])
        said, is_ = (dollars(int(x.value_cents[row])) for x in (kept, made))
        yield _finding("value", name, int(kept.days[row]), f"${said} is on record, ${is_} follows "
                       f"from the journal and the closes; {len(wrong):,} days differ.")  # fmt: skip
    net = [int((x.inflow_cents - x.outflow_cents).sum()) for x in (kept, made)]
    if net[0] != net[1] and newest <= measured[-1]:  # else the next day will tell of it
        yield _finding("flows", name, int(kept.days[-1]), f"${dollars(net[0])} of net flows are on "
                       f"record, the journal has ${dollars(net[1])}.")  # fmt: skip


def _finding(kind: str, account: str, day: int, what: str) -> Finding:
    where = f"{account}, {date.fromordinal(day)}"
    return Finding("error", f"days.{kind}", where, what, _REMEDY)
