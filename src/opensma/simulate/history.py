"""What an account lived through before today: funded, invested, paid, split, taken over, harvested.

Every event goes through the real book (`TaxpayerLedger`), at the closes and costs of its own day,
in the order of days; corporate actions come before the trades of their day (C11).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np

from opensma.book.corporate import ActionBook, apply_actions
from opensma.book.journal import Kind
from opensma.book.ledger import journal_rows, state_row
from opensma.book.master import AccountRecord, Household
from opensma.book.posting import Purchases, Sales, TaxpayerLedger
from opensma.book.state import new_account
from opensma.calendar import session_close, settlement_date
from opensma.construct.problem import Mask
from opensma.measure.daily import day_rows
from opensma.measure.valuation import Track, carried_closes, daily_values, positions
from opensma.simulate.people import RECENT, Plan, SimulatedHousehold
from opensma.trade.problem import DayView, day_view, limits
from opensma.units import CENTS, MICROS, Ints, notional_cents_array

_FEE_SCALE = 10_000 * MICROS
_HARVEST_BELOW = 0.95  # of basis
_HARVEST_LOTS = 12  # shortly before the day: a little is left to decide
_SEASON_LOTS = 120
_LARGE = 0.02  # of the benchmark

_Diary = dict[int, list[tuple[str, int]]]  # day -> (event, cents)


@dataclass
class HistoryShared:
    """What every worker gets once: the market before the day, its actions and closes."""

    actions: ActionBook
    until: int  # last day of the history
    closes: Ints = field(init=False)
    _views: dict[int, DayView] = field(init=False, default_factory=dict)
    _fees: dict[int, Ints] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.closes = carried_closes(self.actions.market)

    def view(self, day: int) -> DayView:
        """Names, targets and masks of a day, made once per worker."""
        if day not in self._views:
            market, keys = self.actions.market, self.actions.keys
            self._views[day] = day_view(market, keys, day)
        return self._views[day]

    def fee_micro_bps(self, day: int) -> Ints:
        """(n,) cost of a trade by universe row of that day's view, millionths of a basis point."""
        if day not in self._fees:
            market, view = self.actions.market, self.view(day)
            rows = self.actions.keys.row_of_key[view.key_of_row]
            self._fees[day] = np.rint(market.cost_bps(day)[rows] * MICROS).astype(np.int64)
        return self._fees[day]


@dataclass(frozen=True, slots=True)
class Lived:
    """A household's history as rows of the book."""

    journal: list[tuple[Any, ...]]
    states: list[tuple[Any, ...]]
    days: list[tuple[Any, ...]]


def live_shard(shared: HistoryShared, shard: Sequence[SimulatedHousehold]) -> list[Lived]:
    """The histories of some households; runs in a worker process."""
    return [live(shared, household) for household in shard]


@dataclass(frozen=True, slots=True)
class _Life:
    """One account in the hands of its owner and manager."""

    shared: HistoryShared
    ledger: TaxpayerLedger  # of the whole household
    household: Household
    account: AccountRecord
    diary: _Diary


def live(shared: HistoryShared, simulated: SimulatedHousehold) -> Lived:
    """The history of one household from its first funding until the evening before the day."""
    household = simulated.household
    tracks = {a.account_key: Track() for a in household.accounts}
    ledger = TaxpayerLedger(
        [new_account(a.account_key) for a in household.accounts],
        {a.account_key: a.taxed for a in household.accounts},
        shared.actions.keys.group_of_key,
        "",
        lambda booked, after: tracks[booked.entry.account_key].add(booked, after),
    )
    lives = [
        _Life(shared, ledger, household, account, _diary(shared, plan))
        for account, plan in zip(household.accounts, simulated.plans, strict=True)
    ]
    for day in _event_days(shared, lives):
        ledger.recorded_at = session_close(date.fromordinal(day))
        before = len(ledger.booked)
        for life in lives:
            _live_day(life, day)
        # Only a new sale or purchase can make a new pair; dividends are most days.
        traded = any(b.entry.kind is not Kind.DIVIDEND for b in ledger.booked[before:])
        if traded and any(len(s.losses) for s in ledger.states.values()):
            ledger.match_washes(day, f"history/{date.fromordinal(day)}")
    return _as_rows(shared, ledger, tracks)


def _as_rows(shared: HistoryShared, ledger: TaxpayerLedger, tracks: dict[int, Track]) -> Lived:
    booked = sorted(ledger.booked, key=lambda b: (b.entry.account_key, b.seq))
    market, keys = shared.actions.market, shared.actions.keys
    rows: list[tuple[Any, ...]] = []
    for key, track in tracks.items():
        series = daily_values(track, shared.closes, market.days, keys, shared.until)
        rows += day_rows(key, series, np.ones(len(series.days), dtype=bool))
    states = [state_row(ledger.states[key]) for key in sorted(ledger.states)]
    return Lived(journal_rows(booked), states, rows)


def _diary(shared: HistoryShared, plan: Plan) -> _Diary:
    """What the owner and the manager do on which day."""
    days = shared.actions.market.days
    diary: _Diary = {}

    def note(row: int, event: str, cents: int = 0) -> None:
        diary.setdefault(int(days[row]), []).append((event, cents))

    note(plan.funded_row, "deposit", plan.initial_cents)
    for rank, cents in plan.legacy:
        note(plan.funded_row, f"legacy {rank}", cents)
    for row, cents in plan.contributions:
        note(row, "deposit", cents)
    if plan.arrived:
        note(plan.arrived[0], "arrival", plan.arrived[1])
    for row in _quarter_ends(days):
        if row > plan.funded_row:
            note(row, "pay_out" if plan.sweeps_dividends_out else "invest")
    for row in plan.harvests:
        if row > plan.funded_row:
            note(row, "harvest" if row < len(days) - RECENT else "recent harvest")
    return diary


def _quarter_ends(days: Ints) -> list[int]:
    """Last session of every full quarter before the last day."""
    quarter = [(date.fromordinal(int(d)).month - 1) // 3 for d in days]
    return [row for row in range(len(days) - 1) if quarter[row] != quarter[row + 1]]


def _event_days(shared: HistoryShared, lives: Sequence[_Life]) -> list[int]:
    first = min(min(life.diary) for life in lives)
    wanted = {day for life in lives for day in life.diary}
    wanted |= {day for day in shared.actions.by_day if day > first}
    return sorted(day for day in wanted if day <= shared.until)


def _live_day(life: _Life, day: int) -> None:
    """Actions first, then what owner and manager do that day, in a fixed order."""
    ledger, key = life.ledger, life.account.account_key
    if ledger.states[key].seq:
        whole = bool(life.account.whole_shares)
        apply_actions(ledger, key, life.shared.actions, [day], whole)
    iso = date.fromordinal(day).isoformat()
    events = life.diary.get(day, ())
    for event, cents in events:
        if event in ("deposit", "arrival"):
            ledger.deposit(key, cents, day, f"{event}/{iso}")
        elif event == "pay_out":
            _pay_out(life, day, f"pay-out/{iso}")
        elif event.startswith("legacy"):
            _buy_legacy(life, day, int(event.split()[1]), cents, f"{event.replace(' ', '/')}/{iso}")
        elif event.endswith("harvest"):
            most = _HARVEST_LOTS if event.startswith("recent") else _SEASON_LOTS
            _harvest(life, day, most, f"harvest/{iso}")
    # A recent harvest leaves its cash to the day's decision.
    if any(event in ("deposit", "invest", "harvest") for event, _ in events):
        _invest(life, day, f"invest/{iso}")


@dataclass(frozen=True, slots=True)
class _Standing:
    """What an account is worth on a day, and how much of it lies in each row of the view."""

    value_cents: int
    reserve_cents: int  # cash that stays: the middle of the account's band
    row_cents: Ints

    @classmethod
    def of(cls, life: _Life, day: int) -> _Standing:
        state, view = life.ledger.states[life.account.account_key], life.shared.view(day)
        held, quantity = positions(state.lots.security, state.lots.quantity_micros)
        prices = life.shared.closes[life.shared.actions.market.row(day)]
        cents = notional_cents_array(quantity, prices[life.shared.actions.keys.rows(held)])
        row_cents = np.zeros(len(view.key_of_row), dtype=np.int64)
        rows = view.row_of_key[held]
        row_cents[rows[rows >= 0]] = cents[rows >= 0]
        value = state.cash_cents + int(cents.sum())
        band = life.account.cash_low_bps + life.account.cash_high_bps
        return cls(value, value * band // 20_000, row_cents)


def _pay_out(life: _Life, day: int, source: str) -> None:
    key = life.account.account_key
    spare = life.ledger.states[key].cash_cents - _Standing.of(life, day).reserve_cents
    if spare > 50 * CENTS:
        life.ledger.withdraw(key, spare // CENTS * CENTS, day, source)


def _allowed(life: _Life, view: DayView) -> Mask:
    """(n,) rows that may be bought: no wish against them, no loss of the last 30 days in them."""
    wishes = limits(view, life.household.restrictions[life.account.account_id])
    lost = np.concatenate([s.losses.security for s in life.ledger.states.values()])
    blocked = np.isin(view.group_of_key[view.key_of_row], view.group_of_key[lost])
    mask: Mask = ~(wishes.exclude | wishes.no_buy | blocked)
    return mask


def _buy_legacy(life: _Life, day: int, rank: int, cents: int, source: str) -> None:
    """A position that the owner brings along: the name of this rank among those allowed."""
    view = life.shared.view(day)
    order = np.argsort(-np.where(_allowed(life, view), view.target, 0.0), kind="stable")
    row = int(order[rank % len(order)])
    count = np.zeros(len(order), dtype=np.int64)
    count[row] = cents * MICROS // CENTS // int(view.price_micros[row])
    _buy(life, day, count, source)


def _invest(life: _Life, day: int, source: str) -> None:
    """Spend the spare cash where the account is furthest below its target, in whole shares."""
    view, standing = life.shared.view(day), _Standing.of(life, day)
    spare = life.ledger.states[life.account.account_key].cash_cents - standing.reserve_cents
    if spare < 200 * CENTS:
        return
    missing = view.target * standing.value_cents - standing.row_cents
    missing = np.where(_allowed(life, view), np.maximum(missing, 0.0), 0.0)
    smallest = np.argsort(-missing, kind="stable")[max(1, spare // life.account.min_trade_cents) :]
    missing[smallest] = 0.0
    if missing.any():
        _buy(life, day, whole_shares(missing, view.price_micros, spare), source)


def _buy(life: _Life, day: int, count: Ints, source: str) -> None:
    view, rows = life.shared.view(day), np.flatnonzero(count)
    if not len(rows):
        return
    quantity = count[rows] * MICROS
    notional = notional_cents_array(quantity, view.price_micros[rows])
    fee = _fees(notional, life.shared.fee_micro_bps(day)[rows])
    bought = Purchases(
        view.key_of_row[rows],
        quantity,
        notional + fee,
        fee,
        view.price_micros[rows],
        [source] * len(rows),
    )
    settle = settlement_date(date.fromordinal(day)).toordinal()
    life.ledger.buy(life.account.account_key, bought, day, settle, source)


def whole_shares(weights: np.ndarray, price_micros: Ints, cents: int) -> Ints:
    """(n,) shares that spend at most `cents` along the weights: floors, then largest remainders.

    One part in a thousand is kept for costs.
    """
    budget = cents * 0.999 / CENTS
    price = price_micros / MICROS
    ideal = weights / weights.sum() * budget / price
    count: Ints = np.floor(ideal).astype(np.int64)
    order = np.argsort(-(ideal - count), kind="stable")
    order = order[weights[order] > 0]
    spent = float(count @ price) + np.cumsum(price[order])
    count[order[spent <= budget]] += 1
    return count


def _fees(notional_cents: Ints, micro_bps: Ints) -> Ints:
    """Round-half-up of notional x cost, row by row (D3)."""
    fees: Ints = (notional_cents * micro_bps + _FEE_SCALE // 2) // _FEE_SCALE
    return fees


def _harvest(life: _Life, day: int, most: int, source: str) -> None:
    """Sell the lots that lie furthest below their basis."""
    if not life.account.taxed:
        return
    key, view = life.account.account_key, life.shared.view(day)
    lots = life.ledger.states[key].lots
    lots = lots.take(lots.acquired_day < day - 31)
    rows = view.row_of_key[lots.security]
    # The index's largest names stay: barred for a month, they would cost more than they save.
    fit = (rows >= 0) & (view.target[rows] < _LARGE)
    lots, rows = lots.take(fit), rows[fit]
    value = notional_cents_array(lots.quantity_micros, view.price_micros[rows])
    ratio = value / np.maximum(lots.basis_cents, 1)
    chosen = np.argsort(ratio, kind="stable")[:most]
    chosen = np.sort(chosen[ratio[chosen] < _HARVEST_BELOW])
    if not len(chosen):
        return
    fee = _fees(value[chosen], life.shared.fee_micro_bps(day)[rows[chosen]])
    sold = Sales(
        lots.lot[chosen],
        lots.quantity_micros[chosen],
        value[chosen] - fee,
        fee,
        view.price_micros[rows[chosen]],
        np.ones(len(chosen), dtype=np.int64),
        [source] * len(chosen),
    )
    life.ledger.sell(key, sold, day, settlement_date(date.fromordinal(day)).toordinal(), source)
