"""What people look at: the program, one account, its activity. The portal and `sma` read only here.

Every function takes the viewer and answers for accounts that are not theirs as if they did not
exist. Frozen records come back; nothing is formatted and nothing is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Connection, Row, func, select

from opensma.book import runs, schema
from opensma.book.journal import SALES, Booked, Entry, Kind
from opensma.book.ledger import journal_length, load_states, newest_entries, read_journal
from opensma.book.lotviews import (
    LotRow,
    PositionRow,
    Unrealised,
    WashWindow,
    lot_rows,
    position_rows,
    unrealised,
    wash_windows,
)
from opensma.book.master import (
    AccountRecord,
    Advisor,
    Household,
    Owner,
    Program,
    Restriction,
    Security,
    Strategy,
    TaxpayerRecord,
    TaxProfile,
    all_records,
    households,
    some_records,
)
from opensma.book.names import key_map
from opensma.book.plans import PlanRates, StoredPlan, rates_of
from opensma.book.rights import Viewer
from opensma.book.series import DailyValues, account_series
from opensma.book.state import AccountState
from opensma.book.store import Book
from opensma.book.tradeviews import (
    NonTradeView,
    TradeContext,
    TradeView,
    non_trade_views,
    trade_views,
)
from opensma.book.visible import seen_account, visible_accounts, visible_siblings
from opensma.errors import BookError
from opensma.market import Market
from opensma.units import Ints

N = TypeVar("N", Strategy, Owner, Advisor, Program)


@dataclass(frozen=True, slots=True)
class Measures:
    """Where an account stands after its last measured day."""

    day: str
    value_cents: int
    cash_cents: int
    positions: int
    lots: int
    basis_cents: int
    twr: float  # since inception
    benchmark_twr: float
    tracking_error: float
    harvested_year_cents: int
    harvested_total_cents: int
    tax_value_year_cents: int
    short_gain_year_cents: int
    long_gain_year_cents: int


@dataclass(frozen=True, slots=True)
class ProgramRow:
    """One account in a list; `measures` and `plan` are None before its first day."""

    account: AccountRecord
    taxpayer: str
    owner: str
    advisor: str
    measures: Measures | None
    plan: StoredPlan | None  # of the newest day
    trades: int  # of the newest day
    exceptions: int  # of the newest day


@dataclass(frozen=True, slots=True)
class ProgramView:
    """Everything the viewer may see, with the newest day's outcome."""

    programs: tuple[Program, ...]
    strategies: tuple[Strategy, ...]
    run: runs.Run | None
    stages: dict[str, dict[str, object]]
    rows: tuple[ProgramRow, ...]
    exceptions: tuple[runs.ExceptionRecord, ...]


@dataclass(frozen=True, slots=True)
class People:
    """Who stands behind an account, and under which program."""

    taxpayer: TaxpayerRecord
    profile: TaxProfile  # rates of the day
    owner: Owner
    advisor: Advisor
    strategy: Strategy
    program: Program
    siblings: tuple[AccountRecord, ...]  # other accounts of the taxpayer that the viewer may see


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the account holds at the closes of `day`; lots add up to positions, these to value."""

    day: date
    value_cents: int
    cash_cents: int
    settled_cents: int
    pending: tuple[tuple[date, int], ...]  # settle day, cents still to come (or to go)
    deposited_cents: int
    withdrawn_cents: int
    fees_cents: int
    unrealised: Unrealised
    lots: tuple[LotRow, ...]
    positions: tuple[PositionRow, ...]  # members of the benchmark without lots included
    windows: tuple[WashWindow, ...]
    years: tuple[dict[str, int], ...]  # YEAR_COLUMNS by tax year, newest first


@dataclass(frozen=True, slots=True)
class Decision:
    """What the newest day decided; dollars of the trades add up to the plan's change."""

    run: runs.Run | None
    plan: StoredPlan | None
    trades: tuple[TradeView, ...]
    non_trades: tuple[NonTradeView, ...]
    exceptions: tuple[runs.ExceptionRecord, ...]
    rates: PlanRates | None = None  # None: decided at the rates on file

    @property
    def gap(self) -> float | None:
        """Dollars by which the plan can at most be bettered; None without a solved plan."""
        if self.plan is None or self.plan.status != "solved":
            return None
        return max(self.plan.objective - self.plan.bound, 0.0)

    @property
    def gap_bps(self) -> float | None:
        """The certified gap in basis points of the account's value before trading."""
        if self.gap is None or self.plan is None or not self.plan.value_cents:
            return None
        return self.gap / (self.plan.value_cents / 100) * 1e4


@dataclass(frozen=True, slots=True)
class AccountView:
    """One account on one page."""

    account: AccountRecord
    people: People
    holdings: Holdings
    decision: Decision
    restrictions: tuple[Restriction, ...]  # in force on the day
    measures: Measures | None
    series: DailyValues | None


@dataclass(frozen=True, slots=True)
class ActivityRow:
    """One journal entry for a reader; `cash_cents` is signed as the account sees it."""

    seq: int
    kind: str
    trade_day: date
    settle_day: date
    recorded_at: str
    source_id: str
    symbols: tuple[str, ...]
    cash_cents: int
    realised_cents: int | None  # of a sale
    disallowed_cents: int | None  # of a wash sale
    hash: str


def program_view(book: Book, viewer: Viewer | None = None) -> ProgramView:
    """The accounts that the viewer may see with figures, the newest day and its exceptions."""
    with book.read() as connection:
        run = runs.latest_run(connection)
        rows = _program_rows(connection, run, viewer)
        seen = {row.account.account_id for row in rows}
        strategies = {row.account.strategy_id for row in rows}
        kept = tuple(s for s in all_records(connection, Strategy) if s.strategy_id in strategies)
        programs = {s.program_id for s in kept}
        return ProgramView(
            tuple(p for p in all_records(connection, Program) if p.program_id in programs),
            kept,
            run,
            runs.stage_outcomes(connection, run.run_id) if run else {},
            tuple(rows),
            tuple(e for e in _exceptions(connection, run) if e.account_id in seen),
        )


def program_rows(book: Book, viewer: Viewer | None = None) -> list[ProgramRow]:
    """The accounts that the viewer may see, by account id."""
    with book.read() as connection:
        return _program_rows(connection, runs.latest_run(connection), viewer)


def account_view(
    book: Book, market: Market, account_id: str, viewer: Viewer | None = None
) -> AccountView:
    """One account at the prices of the newest day run (or the market's last before any run).

    BookError account.unknown when it does not exist or the viewer may not see it.
    """
    with book.read() as connection:
        account = seen_account(connection, account_id, viewer)
        run = runs.latest_run(connection)
        day = _price_day(market, run)
        siblings = visible_siblings(connection, account, viewer)
        return _account_view(connection, market, account, siblings, run, day)


def account_decision(book: Book, account_id: str, viewer: Viewer | None = None) -> Decision:
    """What the newest day decided for one account; needs no market."""
    with book.read() as connection:
        account = seen_account(connection, account_id, viewer)
        return decision_of(connection, account, runs.latest_run(connection))


def activity(book: Book, account_id: str, viewer: Viewer | None = None) -> list[ActivityRow]:
    """The account's journal, newest first."""
    with book.read() as connection:
        account = seen_account(connection, account_id, viewer)
        securities = securities_by_key(connection)
        booked = read_journal(connection, [account.account_key])
    return [_activity(one, securities) for one in reversed(booked)]


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """One page of an account's journal, newest first."""

    rows: tuple[ActivityRow, ...]
    page: int
    pages: int
    total: int


def activity_page(
    book: Book, account_id: str, page: int, size: int, viewer: Viewer | None = None
) -> ActivityPage:
    """A page of the account's journal (the last one when there are fewer); the rest is not read."""
    with book.read() as connection:
        account = seen_account(connection, account_id, viewer)
        total = journal_length(connection, account.account_key)
        pages = max(1, -(-total // size))
        page = min(page, pages)
        booked = newest_entries(connection, account.account_key, (page - 1) * size, size)
        securities = securities_by_key(connection)
    return ActivityPage(tuple(_activity(one, securities) for one in booked), page, pages, total)


def securities_by_key(connection: Connection) -> dict[int, Security]:
    """Every security of the book by its key."""
    return {s.security_key: s for s in all_records(connection, Security)}


def plan_of(connection: Connection, run_id: str, account_id: str) -> StoredPlan | None:
    """The plan of one account on one day."""
    table = schema.plans
    where = (table.c.run_id == run_id) & (table.c.account_id == account_id)
    row = connection.execute(select(table).where(where)).first()
    return None if row is None else StoredPlan(*row)


def household_of(connection: Connection, account: AccountRecord, day: str) -> Household:
    """The account's household on a day; a closed or future account still has its own."""
    (own,) = some_records(connection, TaxpayerRecord, "taxpayer_id", [account.taxpayer_id])
    found = households(connection, max(day, account.opened), [own.taxpayer_key])
    if not found:
        raise BookError(
            "account.closed",
            "The account is closed.",
            where=account.account_id,
            remedy="sma book export --account writes its journal.",
        )
    return found[0]


def _program_rows(
    connection: Connection, run: runs.Run | None, viewer: Viewer | None
) -> list[ProgramRow]:
    accounts = visible_accounts(connection, viewer)
    taxpayers = {t.taxpayer_id: t.name for t in all_records(connection, TaxpayerRecord)}
    owners = {o.owner_id: o.name for o in all_records(connection, Owner)}
    advisors = {a.advisor_id: a.name for a in all_records(connection, Advisor)}
    rows = connection.execute(select(schema.account_measures))
    measures = {row.account_key: _measures(row) for row in rows}
    plans, trades = _plans(connection, run), _trade_counts(connection, run)
    stopped = Counter(e.account_id for e in _exceptions(connection, run))
    return [
        ProgramRow(
            account,
            taxpayers[account.taxpayer_id],
            owners[account.owner_id],
            advisors[account.advisor_id],
            measures.get(account.account_key),
            plans.get(account.account_id),
            trades.get(account.account_id, 0),
            stopped[account.account_id],
        )
        for account in accounts
    ]


def _measures(row: Row[tuple[object, ...]]) -> Measures:
    values: Sequence[Any] = row[1:]
    return Measures(*values)


def _plans(connection: Connection, run: runs.Run | None) -> dict[str, StoredPlan]:
    if run is None:
        return {}
    table = schema.plans
    rows = connection.execute(select(table).where(table.c.run_id == run.run_id))
    return {plan.account_id: plan for plan in (StoredPlan(*row) for row in rows)}


def _trade_counts(connection: Connection, run: runs.Run | None) -> dict[str, int]:
    if run is None:
        return {}
    table = schema.plan_trades
    query = select(table.c.account_id, func.count()).where(table.c.run_id == run.run_id)
    return {str(a): int(n) for a, n in connection.execute(query.group_by(table.c.account_id))}


def _exceptions(connection: Connection, run: runs.Run | None) -> list[runs.ExceptionRecord]:
    return [] if run is None else runs.day_exceptions(connection, run.run_id)


def _price_day(market: Market, run: runs.Run | None) -> int:
    last = int(market.days[-1])
    return last if run is None else min(last, date.fromisoformat(run.day).toordinal())


def _account_view(
    connection: Connection,
    market: Market,
    account: AccountRecord,
    siblings: tuple[AccountRecord, ...],
    run: runs.Run | None,
    day: int,
) -> AccountView:
    key = account.account_key
    household = household_of(connection, account, date.fromordinal(day).isoformat())
    strategy = _named(connection, Strategy, account.strategy_id)
    people = People(
        household.taxpayer,
        household.profile,
        _named(connection, Owner, account.owner_id),
        _named(connection, Advisor, account.advisor_id),
        strategy,
        _named(connection, Program, strategy.program_id),
        siblings,
    )
    table = schema.account_measures
    measured = connection.execute(select(table).where(table.c.account_key == key)).first()
    return AccountView(
        account,
        people,
        _holdings(connection, market, key, day),
        decision_of(connection, account, run),
        household.restrictions.get(account.account_id, ()),
        None if measured is None else _measures(measured),
        account_series(connection, [key]).get(key),
    )


def _holdings(connection: Connection, market: Market, key: int, day: int) -> Holdings:
    state = load_states(connection, [key])[key]
    securities = securities_by_key(connection)
    prices, target = prices_by_key(connection, market, day)
    lots = lot_rows(state, prices, securities, day)
    value = state.cash_cents + sum(lot.value_cents for lot in lots)
    return Holdings(
        date.fromordinal(day),
        value,
        state.cash_cents,
        state.settled_cents(day),
        _pending(state, day),
        state.deposited_cents,
        state.withdrawn_cents,
        state.fees_cents,
        unrealised(lots),
        lots,
        position_rows(lots, value, target, securities),
        wash_windows(state, securities, day),
        tuple(state.year(year) for year in sorted(state.years[:, 0].tolist(), reverse=True)),
    )


def decision_of(connection: Connection, account: AccountRecord, run: runs.Run | None) -> Decision:
    """The plan of one account on one day with its trades; empty where there is none."""
    name = account.account_id
    stopped = () if run is None else tuple(runs.day_exceptions(connection, run.run_id, name))
    plan = None if run is None else plan_of(connection, run.run_id, name)
    if run is None or plan is None:
        return Decision(run, None, (), (), stopped)
    household = household_of(connection, account, run.day)
    day = date.fromisoformat(run.day).toordinal()
    rates = rates_of(connection, run.run_id, name)
    profile = household.profile if rates is None else _at(household.profile, rates)
    context = TradeContext(account, profile, plan, day, securities_by_key(connection))
    trades = trade_views(connection, context)
    left = non_trade_views(connection, context, household)
    return Decision(run, plan, trades, left, stopped, rates)


def _at(profile: TaxProfile, rates: PlanRates) -> TaxProfile:
    """The profile with the rates that a plan was decided with."""
    short, long = rates.short_rate_micros, rates.long_rate_micros
    return replace(profile, short_rate_micros=short, long_rate_micros=long)


def _named(connection: Connection, kind: type[N], name: str) -> N:
    """The record of a kind whose first column is `name`."""
    (found,) = some_records(connection, kind, kind.__slots__[0], [name])
    return found


def _pending(state: AccountState, day: int) -> tuple[tuple[date, int], ...]:
    return tuple(
        (date.fromordinal(int(settle)), int(cents))
        for settle, cents in state.pending.tolist()
        if settle > day
    )


def prices_by_key(
    connection: Connection, market: Market, day: int
) -> tuple[Ints, dict[int, float]]:
    """Closes of a day by book key, gaps carried, and the benchmark's weights by book key."""
    keys = key_map(connection, market)
    closes, _ = market.last_price(market.row(day))
    weights = market.target_weights(day)
    known = keys.row_of_key >= 0
    prices: Ints = np.where(known, closes[keys.row_of_key], 0)
    rows = np.flatnonzero((weights > 0) & (keys.key_of_row >= 0))
    return prices, {int(keys.key_of_row[row]): float(weights[row]) for row in rows}


def _activity(booked: Booked, securities: dict[int, Security]) -> ActivityRow:
    entry, body = booked.entry, booked.entry.body
    keys = {body[name] for name in ("parent", "child", "new_security") if name in body}
    held = body.get("security", [])
    keys |= set(held) if isinstance(held, list) else {held}
    sale = entry.kind in SALES
    return ActivityRow(
        booked.seq,
        entry.kind.value,
        date.fromordinal(entry.trade_day),
        date.fromordinal(entry.settle_day),
        booked.recorded_at,
        entry.source_id,
        tuple(sorted(securities[key].symbol for key in keys)),
        cash_effect(entry),
        sum(body["proceeds"]) - sum(body["basis"]) if sale else None,
        sum(body["cents"]) if entry.kind in _WASHES else None,
        booked.hash,
    )


def cash_effect(entry: Entry) -> int:
    """Cents that an entry moves in its own account, signed as the account sees it."""
    body = entry.body
    if entry.kind is Kind.DEPOSIT:
        return int(body["cents"])
    if entry.kind in (Kind.WITHDRAWAL, Kind.FEE):
        return -int(body["cents"])
    if entry.kind is Kind.DIVIDEND:
        return int(sum(body["cents"]))
    if entry.kind is Kind.BUY:
        return -int(sum(body["cost"]))
    if entry.kind is Kind.RESTATEMENT:
        return int(body["cash"])
    if entry.kind is Kind.REVERSAL:
        return sum(cents for _, cents in body["cash"])
    return int(sum(body["proceeds"] if entry.kind in SALES else body.get("cash", ())))


_WASHES = frozenset({Kind.WASH_ADJUSTMENT, Kind.LOSS_DISALLOWED})
