"""Why an account's return differs from its benchmark's: sectors, and the ladder, month by month.

Weights are those of the close before a month (M66). What the opening holdings do not explain was
made by trades, flows and costs within the month and stands apart. Months are linked by Carino, so
every view sums to the active return of the whole period (M63).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from opensma.book.fold import fold
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import read_journal
from opensma.book.master import Restriction, all_records, find_account
from opensma.book.moves import column
from opensma.book.names import KeyMap, key_map
from opensma.book.series import DailyValues, account_series
from opensma.book.state import AccountState, new_account
from opensma.book.store import Book
from opensma.errors import ensure
from opensma.market import Market
from opensma.measure.attribution import brinson, deviation_effect, leave_one_out, link_values
from opensma.measure.conventions import Conventions, Linker
from opensma.measure.fees_book import before_fees, booked_fees, taken_days
from opensma.measure.length import PeriodReturn
from opensma.measure.performance import Performance, month_marks, sessions_of
from opensma.measure.refusals import Floats
from opensma.measure.returns import linked, series_returns
from opensma.measure.valuation import carried_closes, holdings_cents
from opensma.measure.wishes import Bools, bounds, in_force, personal_target
from opensma.units import Ints

WASH_DAYS = 30  # W1
CASH = "Cash"


@dataclass(frozen=True, slots=True)
class MonthFacts:
    """One month, or the part of it that is measured; arrays are (securities,)."""

    account: float
    benchmark: float
    weights: Floats  # of the account at the opening close
    model: Floats  # the benchmark's weights at the opening close
    target: Floats  # the model inside the owner's wishes
    without: dict[str, Floats]  # the target without one of the wishes
    returns: Floats
    for_tax: Bools  # held, or not held, for tax reasons

    @property
    def cash(self) -> float:
        """What was not in securities."""
        return 1.0 - float(self.weights.sum())


@dataclass(frozen=True, slots=True)
class SectorEffect:
    """One sector, or cash: mean opening weights, and its linked effects (M62)."""

    sector: str
    weight: float
    benchmark_weight: float
    allocation: float
    selection: float
    interaction: float

    @property
    def total(self) -> float:
        """The three effects together."""
        return self.allocation + self.selection + self.interaction


@dataclass(frozen=True, slots=True)
class WishEffect:
    """What one wish cost or earned, by the target with it against the target without it."""

    restriction_id: str
    words: str
    effect: float


@dataclass(frozen=True, slots=True)
class AccountLadder:
    """Benchmark to model, target and account; the steps sum to the active return (M65)."""

    manager: float  # the model holds the opening weights all month, the index changes in it
    client_directed: float
    tax_trading: float
    cash: float  # not invested, against the target
    positions: float  # off target for no tax reason
    trading: float  # within months: trades, their costs, flows

    @property
    def implementation(self) -> float:
        """Everything between target and account that is not for tax."""
        return self.cash + self.positions + self.trading


@dataclass(frozen=True, slots=True)
class AccountAttribution:
    """Two views of one active return; both sum to it."""

    portfolio: PeriodReturn
    benchmark: PeriodReturn
    months: int
    sectors: tuple[SectorEffect, ...]
    ladder: AccountLadder
    wishes: tuple[WishEffect, ...]
    together: float  # what only the wishes' combination did
    linker: Linker

    @property
    def active(self) -> float:
        """The compounded difference that is explained."""
        return self.portfolio.cumulative - self.benchmark.cumulative

    @property
    def allocation(self) -> float:
        """Sectors held differently from the benchmark."""
        return sum(one.allocation for one in self.sectors)

    @property
    def selection(self) -> float:
        """Names within sectors held differently from the benchmark."""
        return sum(one.selection for one in self.sectors)

    @property
    def interaction(self) -> float:
        """Both at once."""
        return sum(one.interaction for one in self.sectors)


def account_attribution(book: Book, market: Market, found: Performance) -> AccountAttribution:
    """For the period of a measured account."""
    with book.read() as connection:
        account = find_account(connection, found.account_id)
        series = account_series(connection, [account.account_key])[account.account_key]
        journal = list(read_journal(connection, [account.account_key]))
        keys = key_map(connection, market)
        fees = booked_fees(connection, [found.account_id])
        wishes = [
            w for w in all_records(connection, Restriction) if w.account_id == found.account_id
        ]
    rows = sessions_of(found, series)
    marks = month_marks(series.days, rows)
    opened = openings(new_account(account.account_key), journal, series.days[marks[:-1]])
    gross = before_fees(series, taken_days(fees, series.days))
    months = month_facts(market, keys, gross, rows, marks, opened, wishes, account.taxed)
    for made, whole in (
        ([m.account for m in months], found.time_weighted),
        ([m.benchmark for m in months], found.benchmark),
    ):
        gap = abs(linked(np.array(made)) - whole.cumulative)
        ensure(gap < 1e-9, "the months that are explained do not make up the measured return")
    words = {w.restriction_id: wish_words(w) for w in wishes}
    return attribute(found, months, market, words, Conventions())


# --- what the book says of each month ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MonthOpening:
    """An account at a close; `replaced` are book keys bought when others were harvested."""

    state: AccountState
    replaced: frozenset[int]


def openings(state: AccountState, journal: Sequence[Booked], days: Ints) -> list[MonthOpening]:
    """The account at each of some closes, days ascending."""
    found: list[MonthOpening] = []
    bought: dict[int, set[int]] = {}
    harvested: set[int] = set()

    def close(day: int) -> None:
        recent = (d for d in harvested if day - WASH_DAYS <= d <= day)
        keys = (key for d in recent for key in bought.get(d, ()))
        found.append(MonthOpening(state, frozenset(keys)))

    for booked in journal:
        entry = booked.entry
        while len(found) < len(days) and entry.trade_day > days[len(found)]:
            close(int(days[len(found)]))
        state = fold(state, booked)
        if entry.kind is Kind.BUY:
            names = column(entry.body, "security").tolist()
            bought.setdefault(entry.trade_day, set()).update(names)
        elif entry.kind is Kind.SELL and column(entry.body, "harvest").any():
            harvested.add(entry.trade_day)
    while len(found) < len(days):
        close(int(days[len(found)]))
    return found


def month_facts(
    market: Market,
    keys: KeyMap,
    series: DailyValues,
    rows: slice,
    marks: Ints,
    opened: Sequence[MonthOpening],
    wishes: Sequence[Restriction],
    taxed: bool,
) -> list[MonthFacts]:
    """One for each pair of marks; the first takes the funding day in where it opens there."""
    daily = series_returns(series.value_cents, series.inflow_cents, series.outflow_cents)
    place = np.searchsorted(market.days, series.days[marks])
    levels, closes = market.benchmark_index()[place], carried_closes(market)
    moved = market.total_returns()
    found = []
    for i, opening in enumerate(opened):
        first = rows.start if i == 0 else int(marks[i]) + 1
        day = int(series.days[marks[i]])
        worth, gain = _holdings(opening.state, keys, closes[place[i]], len(market.security_id))
        value = int(series.value_cents[marks[i]])
        weights = worth / value if value else np.zeros(len(worth))
        model = market.target_weights(day)
        valid = in_force(wishes, date.fromordinal(day + 1).isoformat())
        target, without = _targets(market, model, valid, weights)
        inside = slice(int(place[i]) + 1, int(place[i + 1]) + 1)
        returns = np.prod(1.0 + np.nan_to_num(moved[inside]), axis=0) - 1.0
        tax = _for_tax(opening, keys, day, weights - target, gain) & taxed
        found.append(
            MonthFacts(
                linked(daily[first : int(marks[i + 1]) + 1]),
                float(levels[i + 1] / levels[i] - 1.0),
                weights,
                model,
                target,
                without,
                returns,
                tax,
            )
        )
    return found


def _holdings(state: AccountState, keys: KeyMap, closes: Ints, count: int) -> tuple[Floats, Floats]:
    """(value, unrealised gain) of every security in cents."""
    by_key = np.where(keys.row_of_key >= 0, closes[keys.row_of_key], 0)
    cents = holdings_cents(state, by_key)
    found = np.zeros((2, count))
    rows = keys.row_of_key[state.lots.security]
    known = rows >= 0  # an unlisted name has no price and no return
    np.add.at(found[0], rows[known], cents[known])
    np.add.at(found[1], rows[known], (cents - state.lots.basis_cents)[known])
    return found[0], found[1]


def _targets(
    market: Market, model: Floats, wishes: Sequence[Restriction], weights: Floats
) -> tuple[Floats, dict[str, Floats]]:
    """The personal target, and the one without each wish."""

    def made(some: Sequence[Restriction]) -> Floats:
        return personal_target(model, bounds(market, some, weights)) if some else model

    others = {w.restriction_id: [o for o in wishes if o is not w] for w in wishes}
    return made(wishes), {name: made(some) for name, some in others.items()}


def _for_tax(opening: MonthOpening, keys: KeyMap, day: int, off: Floats, gain: Floats) -> Bools:
    """Names off target for tax reasons, told from the lots and the journal.

    Above it: kept with a gain, or bought instead of what was harvested. Below it: sold at a loss
    whose window is open (W1).
    """
    losses = opening.state.losses
    recent = losses.security[losses.sold_day >= day - WASH_DAYS]
    replaced, sold = (
        _rows_of(keys, some, len(off)) for some in (np.array(sorted(opening.replaced)), recent)
    )
    above: Bools = (off > 0) & ((gain > 0) | replaced)
    return above | ((off < 0) & sold)


def _rows_of(keys: KeyMap, some: Ints, count: int) -> Bools:
    mask = np.zeros(count, dtype=bool)
    rows = keys.row_of_key[some.astype(np.int64)]
    mask[rows[rows >= 0]] = True
    return mask


# --- effects -----------------------------------------------------------------------------------


def attribute(
    found: Performance,
    months: Sequence[MonthFacts],
    market: Market,
    words: dict[str, str],
    conventions: Conventions,
) -> AccountAttribution:
    """Both views of all months, linked together."""
    sectors = (*market.sector_name, CASH)
    names = list(dict.fromkeys(name for m in months for name in m.without))
    parts = [_month(one, market.sector_code, len(sectors), names, conventions) for one in months]
    own, theirs = [m.account for m in months], [m.benchmark for m in months]

    def link(columns: Floats) -> Floats:
        found: Floats = link_values(columns, own, theirs, conventions.linker).values.sum(axis=0)
        return found

    # The two views are linked apart: each by itself sums to the active return.
    by_sector = link(np.array([p.by_sector for p in parts]))
    steps = link(np.array([p.steps for p in parts]))
    effects = by_sector[:-2].reshape(3, len(sectors))
    means = np.mean([p.weights for p in parts], axis=0)
    rows = [
        SectorEffect(name, *(float(x) for x in (*means[:, i], *effects[:, i])))
        for i, name in enumerate(sectors)
    ]
    whole, end = found.time_weighted, found.benchmark
    wished = steps[1 : 2 + len(names)]
    return AccountAttribution(
        whole,
        end,
        len(months),
        tuple(row for row in rows if row.weight or row.benchmark_weight or row.total),
        AccountLadder(float(steps[0]), float(wished.sum()), *(float(x) for x in steps[-4:])),
        tuple(
            WishEffect(name, words[name], float(x)) for name, x in zip(names, wished, strict=False)
        ),
        float(wished[-1]),
        conventions.linker,
    )


@dataclass(frozen=True, slots=True)
class _Month:
    """Effects of one month that sum to its active return, twice; and sector weights."""

    by_sector: Floats  # allocation, selection, interaction by sector; index changes; trading
    steps: Floats  # manager, each wish, together, tax, cash, positions, trading
    weights: Floats  # (2, sectors)


def _month(
    month: MonthFacts, code: Ints, count: int, names: Sequence[str], conventions: Conventions
) -> _Month:
    wp, rp = _sectors(month.weights, month.returns, code, count, month.cash)
    wb, rb = _sectors(month.model, month.returns, code, count, 0.0)
    rp, rb = np.where(wp == 0, rb, rp), np.where(wb == 0, np.where(wp == 0, 0.0, rp), rb)
    effects = brinson(wp, wb, rp, rb, conventions.brinson_model, conventions.interaction)
    held = float(month.weights @ month.returns)
    model = float(month.model @ month.returns)
    trading, manager = month.account - held, model - month.benchmark
    sums = (effects.allocation, effects.selection, effects.interaction, [manager, trading])
    return _Month(
        np.concatenate([np.asarray(x, dtype=np.float64) for x in sums]),
        np.array([manager, *_steps(month, names, model), trading]),
        np.array([wp, wb]),
    )


def _sectors(
    weights: Floats, returns: Floats, code: Ints, count: int, cash: float
) -> tuple[Floats, Floats]:
    """(weight, return) of each sector, cash last; a sector that is not held returns 0."""
    weight, earned = np.zeros(count), np.zeros(count)
    np.add.at(weight, code, weights)
    np.add.at(earned, code, weights * returns)
    weight[-1] += cash
    made = np.divide(earned, weight, out=np.zeros(count), where=weight != 0)
    return weight, made


def _steps(month: MonthFacts, names: Sequence[str], model: float) -> list[float]:
    """Each wish and all together, then tax, cash and positions: from the model to the holdings."""
    target = float(month.target @ month.returns)
    given = [name for name in names if name in month.without]
    without = [float(month.without[name] @ month.returns) for name in given]
    effects, together = leave_one_out(target, without, model)
    by_name = dict(zip(given, effects.tolist(), strict=True))
    missing = 1.0 - float(month.target.sum())  # a target that its bounds keep below one
    cash = (month.cash - missing) * (0.0 - target)
    chosen = (month.for_tax, ~month.for_tax)
    tax, other = (
        float(deviation_effect(month.weights, month.target, month.returns, mask)) for mask in chosen
    )
    return [*(by_name.get(name, 0.0) for name in names), together, tax, cash, other]


def wish_words(wish: Restriction) -> str:
    """A wish in a few words."""
    kind = wish.kind.replace("_", " ")
    bound = "" if wish.value_bps is None else f" {wish.value_bps / 100:g}%"
    return f"{kind} {wish.scope} {wish.scope_key.replace('_', ' ')}{bound}"
