"""The market as arrays: what every other room reads.

`Market` is a frozen struct of arrays, one row per session and one column per security. Readers
take `as_of`; `until(as_of)` cuts everything later away, so that nothing can look ahead. Prices are
integers in millionths of a dollar, days are date ordinals. Floats appear in statistics only.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt

from opensma.errors import Finding, InputError, MarketError
from opensma.market import returns
from opensma.market.actions import Action, sort_actions, termination
from opensma.market.costs import half_spread_bps
from opensma.units import Ints

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Day = date | int

DEFAULT_BENCHMARK = "large_cap_500"


def ordinal(day: Day) -> int:
    """A day as a date ordinal."""
    return day.toordinal() if isinstance(day, date) else int(day)


@dataclass(frozen=True, slots=True)
class Intervals:
    """Facts with validity: row i holds from first_day[i] to last_day[i], both included."""

    security: Ints
    first_day: Ints
    last_day: Ints  # FOREVER while it still holds
    label: tuple[str, ...]  # ticker or benchmark id

    def until(self, day: int, *, clip_to: int) -> "Intervals":
        """Rows that had begun by `day`; an end after `day` becomes `clip_to`."""
        keep = np.flatnonzero(self.first_day <= day)
        last = np.where(self.last_day[keep] > day, clip_to, self.last_day[keep])
        label = tuple(self.label[i] for i in keep)
        return Intervals(self.security[keep], self.first_day[keep], last, label)


@dataclass(frozen=True, slots=True)
class ShareCounts:
    """Shares outstanding from `day` on, sorted by security and day."""

    security: Ints
    day: Ints
    shares: Ints


FOREVER = date.max.toordinal()


@dataclass(frozen=True, eq=False)
class Market:
    """Everything known about the world outside, securities sorted by id.

    close_micros and volume are (days, securities); a close of 0 means no price that session.
    """

    security_id: tuple[str, ...]
    name: tuple[str, ...]
    industry: tuple[str, ...]
    sector_name: tuple[str, ...]
    sector_code: Ints  # (securities,), into sector_name
    group: Ints  # (securities,), same code for share classes of one issuer
    themes: dict[str, Bools]  # theme -> (securities,)
    days: Ints  # (days,), ordinals, ascending
    close_micros: Ints
    volume: Ints
    listed_until: Ints  # (securities,), last day of the listing; FOREVER while it is listed
    symbols: Intervals
    memberships: Intervals
    shares_outstanding: ShareCounts
    recorded: tuple[Action, ...]  # from the tables, sorted
    findings: tuple[Finding, ...] = ()
    benchmark_id: str = DEFAULT_BENCHMARK

    @cached_property
    def index(self) -> dict[str, int]:
        """Column of a security id."""
        return {security_id: i for i, security_id in enumerate(self.security_id)}

    @cached_property
    def actions(self) -> tuple[Action, ...]:
        """Recorded and derived corporate actions, sorted by ex-day and id."""
        ended = np.flatnonzero(self.listed_until < self.days[-1])
        derived = [
            termination(
                int(i),
                self.security_id[i],
                self.close_micros[:, i],
                self.days,
                int(self.listed_until[i]),
            )
            for i in ended
        ]
        return sort_actions([*self.recorded, *(action for action in derived if action)])

    def row(self, as_of: Day) -> int:
        """Row of the last session on or before `as_of`; MarketError before the first one."""
        row = int(np.searchsorted(self.days, ordinal(as_of), side="right")) - 1
        if row < 0:
            raise MarketError(
                "market.too_early",
                f"The market begins on {date.fromordinal(int(self.days[0]))}.",
                where=str(date.fromordinal(ordinal(as_of))),
                remedy="Choose a later day or import earlier prices.",
            )
        return row

    def day(self, row: int) -> date:
        """The date of a row."""
        return date.fromordinal(int(self.days[row]))

    def until(self, as_of: Day) -> "Market":
        """The market as it was known at the close of `as_of`: nothing later remains."""
        day, end = ordinal(as_of), self.row(as_of) + 1
        counts = self.shares_outstanding
        known = counts.day <= day
        return replace(
            self,
            days=self.days[:end],
            close_micros=self.close_micros[:end],
            volume=self.volume[:end],
            # A listing that ends today still lives today: its end shows on the next session.
            listed_until=np.where(self.listed_until < day, self.listed_until, FOREVER),
            symbols=self.symbols.until(day, clip_to=FOREVER),
            memberships=self.memberships.until(day, clip_to=FOREVER),
            shares_outstanding=ShareCounts(
                counts.security[known], counts.day[known], counts.shares[known]
            ),
            recorded=tuple(action for action in self.recorded if action.ex_day <= day),
            findings=(),
        )

    def symbol_at(self, security: int, day: Day) -> str:
        """The ticker of a security on a day; the nearest one outside its listing."""
        rows = np.flatnonzero(self.symbols.security == security)
        if not len(rows):
            return self.security_id[security]
        when = ordinal(day)
        begun = rows[self.symbols.first_day[rows] <= when]
        valid = begun[self.symbols.last_day[begun] >= when]
        pool = valid if len(valid) else begun
        if not len(pool):
            return self.symbols.label[int(rows[np.argmin(self.symbols.first_day[rows])])]
        return self.symbols.label[int(pool[np.argmax(self.symbols.first_day[pool])])]

    @cached_property
    def _rows_of_symbol(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, symbol in enumerate(self.symbols.label):
            rows.setdefault(symbol, []).append(row)
        return rows

    def resolve(self, symbol_or_id: str, as_of: Day) -> int:
        """Column of a security id, or of who bore the ticker on `as_of`; else an InputError.

        Where ranges overlap, the bearer whose range began last wins.
        """
        if symbol_or_id in self.index:
            return self.index[symbol_or_id]
        when, best = ordinal(as_of), (-1, -1)
        for row in self._rows_of_symbol.get(symbol_or_id.upper(), ()):
            if self.symbols.first_day[row] <= when <= self.symbols.last_day[row]:
                candidate = (int(self.symbols.first_day[row]), int(self.symbols.security[row]))
                best = max(best, candidate)
        if best[1] < 0:
            raise InputError(
                "security.unknown",
                f"No security bears the name '{symbol_or_id}' on {date.fromordinal(when)}.",
                where=symbol_or_id,
                remedy="Check the ticker on that day, or give the security id.",
            )
        return best[1]

    def members(self, as_of: Day) -> Bools:
        """Which securities (securities,) are in the benchmark on `as_of`."""
        day = ordinal(as_of)
        held = (self.memberships.first_day <= day) & (self.memberships.last_day >= day)
        held &= np.array([label == self.benchmark_id for label in self.memberships.label], bool)
        mask = np.zeros(len(self.security_id), bool)
        mask[self.memberships.security[held]] = True
        return mask

    def shares(self, as_of: Day) -> Ints:
        """Shares outstanding (securities,) last reported on or before `as_of`; 0 when unknown."""
        counts = self.shares_outstanding
        known = np.flatnonzero(counts.day <= ordinal(as_of))
        latest = np.zeros(len(self.security_id), np.int64)
        latest[counts.security[known]] = counts.shares[known]  # sorted: the last write is latest
        return latest

    def capitalisation(self, as_of: Day) -> Floats:
        """Close times shares in dollars (securities,); 0 when either is unknown or delisted."""
        close, _ = self.last_price(self.row(as_of))
        value: Floats = close / 1e6 * self.shares(as_of)
        return value

    def target_weights(self, as_of: Day) -> Floats:
        """Capitalisation weights (securities,) of the members on `as_of`; they sum to 1."""
        value = np.where(self.members(as_of), self.capitalisation(as_of), 0.0)
        total = float(value.sum())
        if total <= 0:
            raise MarketError(
                "benchmark.empty",
                f"The benchmark {self.benchmark_id} has no priced member.",
                where=str(date.fromordinal(ordinal(as_of))),
                remedy="Import constituents and shares_outstanding for that day.",
            )
        return value / total

    def actions_between(self, after: Day, to: Day) -> tuple[Action, ...]:
        """Actions with after < ex-day <= to, sorted by ex-day and id."""
        first, last = ordinal(after), ordinal(to)
        return tuple(action for action in self.actions if first < action.ex_day <= last)

    @cached_property
    def _carried(self) -> tuple[Ints, Ints]:
        return returns.carry_forward(self.close_micros, self.days, self.listed_until)

    def last_price(self, row: int) -> tuple[Ints, Ints]:
        """(close in micros carried over gaps, its age in sessions), each (securities,).

        A security that is not listed yet or any more has price 0 and age -1.
        """
        close, age = self._carried
        return close[row], age[row]

    def cost_bps(self, as_of: Day) -> Floats:
        """Estimated half-spread (securities,) in basis points, 0.5 to 15."""
        past = slice(max(0, self.row(as_of) - 59), self.row(as_of) + 1)
        return half_spread_bps(self.close_micros[past], self.volume[past])

    @cached_property
    def _total_returns(self) -> Floats:
        return returns.total_returns(self)

    def total_returns(self) -> Floats:
        """Daily total returns (days, securities), NaN where a security has none."""
        return self._total_returns

    @cached_property
    def _index_levels(self) -> Floats:
        return returns.benchmark_levels(self)

    def benchmark_index(self) -> Floats:
        """Total-return level (days,) of the capitalisation-weighted members, 1.0 at the start."""
        return self._index_levels

    @cached_property
    def _index_income(self) -> Floats:
        return returns.benchmark_income(self)

    def benchmark_income(self) -> Floats:
        """Dividends (days,) that are in the index's return of a day, as a share of the level."""
        return self._index_income

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of everything in the panel: same facts, same hash."""
        digest = hashlib.sha256()
        for part in _content(self):
            digest.update(part)
        return digest.hexdigest()


def _content(market: Market) -> Iterator[bytes]:
    for field in fields(market):
        if field.name == "findings":
            continue
        value = getattr(market, field.name)
        yield field.name.encode()
        if isinstance(value, np.ndarray):
            yield repr(value.shape).encode() + np.ascontiguousarray(value).tobytes()
        elif isinstance(value, dict):
            for theme, mask in sorted(value.items()):
                yield theme.encode() + mask.tobytes()
        elif isinstance(value, Intervals | ShareCounts):
            for part in fields(value):
                column = getattr(value, part.name)
                yield column.tobytes() if isinstance(column, np.ndarray) else repr(column).encode()
        else:
            yield repr(value).encode()
