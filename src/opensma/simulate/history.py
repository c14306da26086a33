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
from opensma.book.ledger import journal_rows, state_row
from opensma.book.master import AccountRecord
from opensma.book.posting import Purchases, Sales, TaxpayerLedger
from opensma.book.state import new_account
from opensma.calendar import session_close, settlement_date
from opensma.measure.daily import day_rows
from opensma.measure.valuation import Track, carried_closes, daily_values, positions
from opensma.simulate.people import Plan, SimulatedHousehold
from opensma.trade.problem import DayView, day_view, limits
from opensma.units import CENTS, MICROS, Ints, notional_cents_array

_FEE_SCALE = 10_000 * MICROS
_HARVEST_BELOW = 0.93  # of basis
_HARVEST_LOTS = 12


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


def live(shared: HistoryShared, simulated: SimulatedHousehold) -> Lived:
    """The history of one household from its first funding until the evening before the day."""
    accounts = simulated.household.accounts
    tracks = {a.account_key: Track() for a in accounts}
    ledger = TaxpayerLedger(
        [new_account(a.account_key) for a in accounts],
        {a.account_key: a.taxed for a in accounts},
        shared.actions.keys.group_of_key,
        "",
        lambda booked, after: tracks[booked.entry.account_key].add(booked, after),
    )
    diaries = {
        a.account_key: _diary(shared, plan)
        for a, plan in zip(accounts, simulated.plans, strict=True)
    }
    for day in _event_days(shared, diaries):
        ledger.recorded_at = session_close(date.fromordinal(day))
        before = len(ledger.booked)
        for account in accounts:
            _live_day(shared, ledger, simulated, account, diaries[account.account_key], day)
        if len(ledger.booked) > before and any(len(s.losses) for s in ledger.states.values()):
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


_Diary = dict[int, list[tuple[str, int]]]  # day -> (event, cents)


def _diary(shared: HistoryShared, plan: Plan) -> _Diary:
    """What the owner and the manager do on which day."""
    days = shared.actions.market.days
    diary: _Diary = {}

    def note(row: int, event: str, cents: int = 0) -> None:
        diary.setdefault(int(days[row]), []).append((event, cents))

    note(plan.funded_row, "deposit", plan.initial_cents)
    for row, cents in plan.contributions:
        note(row, "deposit", cents)
    for row in _quarter_ends(days):
        if row > plan.funded_row:
            note(row, "pay_out" if plan.sweeps_dividends_out else "invest")
    if plan.harvested_row is not None and plan.harvested_row > plan.funded_row:
        note(plan.harvested_row, "harvest")
    return diary


def _quarter_ends(days: Ints) -> list[int]:
    """Last session of every full quarter before the last day."""
    quarter = [(date.fromordinal(int(d)).month - 1) // 3 for d in days]
    return [row for row in range(len(days) - 1) if quarter[row] != quarter[row + 1]]


def _event_days(shared: HistoryShared, diaries: dict[int, _Diary]) -> list[int]:
    first = min(min(diary) for diary in diaries.values())
    wanted = {day for diary in diaries.values() for day in diary}
    wanted |= {day for day in shared.actions.by_day if day > first}
    return sorted(day for day in wanted if day <= shared.until)


def _live_day(
    shared: HistoryShared,
    ledger: TaxpayerLedger,
    simulated: SimulatedHousehold,
    account: AccountRecord,
    diary: _Diary,
    day: int,
) -> None:
    key = account.account_key
    if ledger.states[key].seq:
        apply_actions(ledger, key, shared.actions, [day], bool(account.whole_shares))
    iso = date.fromordinal(day).isoformat()
    for event, cents in diary.get(day, ()):
        if event == "deposit":
            ledger.deposit(key, cents, day, f"deposit/{iso}")
            _invest(shared, ledger, simulated, account, day, f"fund/{iso}")
        elif event == "pay_out":
            spare = ledger.states[key].cash_cents - _reserve(shared, ledger, account, day)
            if spare > 50 * CENTS:
                ledger.withdraw(key, spare // CENTS * CENTS, day, f"pay-out/{iso}")
        elif event == "invest":
            _invest(shared, ledger, simulated, account, day, f"invest/{iso}")
        else:
            _harvest(shared, ledger, account, day, f"harvest/{iso}")


def _reserve(
    shared: HistoryShared, ledger: TaxpayerLedger, account: AccountRecord, day: int
) -> int:
    """Cash that stays: the middle of the account's band."""
    state = ledger.states[account.account_key]
    held, quantity = positions(state.lots.security, state.lots.quantity_micros)
    row = shared.actions.market.row(day)
    prices = shared.closes[row, shared.actions.keys.rows(held)]
    value = state.cash_cents + int(notional_cents_array(quantity, prices).sum())
    return value * (account.cash_low_bps + account.cash_high_bps) // 20_000


def _invest(
    shared: HistoryShared,
    ledger: TaxpayerLedger,
    simulated: SimulatedHousehold,
    account: AccountRecord,
    day: int,
    source: str,
) -> None:
    """Spend the spare cash on the benchmark's names in whole shares, wishes respected."""
    key, view = account.account_key, shared.view(day)
    spare = ledger.states[key].cash_cents - _reserve(shared, ledger, account, day)
    if spare < 200 * CENTS:
        return
    wishes = limits(view, simulated.household.restrictions[account.account_id])
    lost = [s.losses.security for s in ledger.states.values()]
    blocked = np.isin(view.group_of_key[view.key_of_row], view.group_of_key[np.concatenate(lost)])
    weights = np.where(wishes.exclude | wishes.no_buy | blocked, 0.0, view.target)
    count = whole_shares(weights, view.price_micros, spare)
    rows = np.flatnonzero(count)
    if not len(rows):
        return
    quantity = count[rows] * MICROS
    notional = notional_cents_array(quantity, view.price_micros[rows])
    fee = _fees(notional, shared.fee_micro_bps(day)[rows])
    bought = Purchases(
        view.key_of_row[rows],
        quantity,
        notional + fee,
        fee,
        view.price_micros[rows],
        [source] * len(rows),
    )
    ledger.buy(key, bought, day, settlement_date(date.fromordinal(day)).toordinal(), source)


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


def _harvest(
    shared: HistoryShared, ledger: TaxpayerLedger, account: AccountRecord, day: int, source: str
) -> None:
    """Sell the lots that lie furthest below their basis; the cash waits for the next decision."""
    if not account.taxed:
        return
    key, view = account.account_key, shared.view(day)
    lots = ledger.states[key].lots
    lots = lots.take(lots.acquired_day < day - 31)
    rows = view.row_of_key[lots.security]
    lots, rows = lots.take(rows >= 0), rows[rows >= 0]
    value = notional_cents_array(lots.quantity_micros, view.price_micros[rows])
    ratio = value / np.maximum(lots.basis_cents, 1)
    chosen = np.argsort(ratio, kind="stable")[:_HARVEST_LOTS]
    chosen = np.sort(chosen[ratio[chosen] < _HARVEST_BELOW])
    if not len(chosen):
        return
    fee = _fees(value[chosen], shared.fee_micro_bps(day)[rows[chosen]])
    sold = Sales(
        lots.lot[chosen],
        lots.quantity_micros[chosen],
        value[chosen] - fee,
        fee,
        view.price_micros[rows[chosen]],
        np.ones(len(chosen), dtype=np.int64),
        [source] * len(chosen),
    )
    ledger.sell(key, sold, day, settlement_date(date.fromordinal(day)).toordinal(), source)
