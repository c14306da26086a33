"""The question that the next plan of one account would be asked, at the closes of the newest day.

What a day loads for everybody, loaded for one taxpayer: current holdings, wishes, open losses.
Reads only; nothing here is ever written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from opensma.book import runs
from opensma.book.debits import fees_due
from opensma.book.gain_budgets import BudgetYear, budget_years
from opensma.book.ledger import load_states
from opensma.book.master import Restriction
from opensma.book.names import key_map
from opensma.book.rights import Viewer
from opensma.book.runs import RatesUsed
from opensma.book.store import Book
from opensma.book.taxnow import on_record
from opensma.book.views import household_of
from opensma.book.visible import seen_account, visible_accounts
from opensma.construct.plan import Plan
from opensma.construct.problem import Account, Taxpayer
from opensma.construct.saved import Solve
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.errors import InputError
from opensma.market import Market, estimate_risk
from opensma.trade.gain_year import GainsLeft, WithinYear, gains_left
from opensma.trade.marginal import NETTING, NettedYear, at_rates, decide_netted, netted_year
from opensma.trade.problem import DayUniverse, day_universe, day_view, taxpayer_problem
from opensma.units import Ints

_WORD = re.compile(r"[\w.]*\w")


@dataclass(frozen=True, slots=True)
class ReadyDay:
    """A day's universe, prepared once for every account that asks."""

    day: DayUniverse
    prepared: Prepared
    symbols: tuple[str, ...]  # by universe row

    @property
    def ordinal(self) -> int:
        """The day whose closes are used."""
        return self.day.view.day

    def named(self, text: str) -> str:
        """A message of the decision with tickers in place of security ids."""
        names = dict(zip(self.day.view.security, self.symbols, strict=True))
        return _WORD.sub(lambda found: names.get(found[0], found[0]), text)


@dataclass(frozen=True, slots=True)
class Standing:
    """One account beside the other accounts of its taxpayer, as they stand now."""

    ready: ReadyDay
    taxpayer: Taxpayer
    account_id: str
    wishes: tuple[Restriction, ...]  # of this account, in force on the day
    all_seen: bool  # the viewer may see every account of the taxpayer
    long_from: Mapping[str, Ints]  # by account: first day on which each lot is long-term
    left: GainsLeft | None = None  # of the taxpayer's yearly gain budget, where one is on file
    budget: BudgetYear | None = None  # that budget with the year so far
    netted: NettedYear | None = None  # where rates come from the netting, not from the file

    @property
    def position(self) -> int:
        """The account's place in the taxpayer."""
        return [a.account_id for a in self.taxpayer.accounts].index(self.account_id)

    @property
    def account(self) -> Account:
        """The account before any change."""
        return self.taxpayer.accounts[self.position]

    def plans(self, taxpayer: Taxpayer) -> list[Plan]:
        """The plans that the day would make of these accounts: its budget, its rates."""
        ready = self.ready
        solve: Solve = solve_taxpayer if self.left is None else WithinYear(self.left)
        if self.netted is None or self.netted.taxed.isdisjoint(
            a.account_id for a in taxpayer.accounts
        ):
            return solve(ready.prepared, taxpayer, ready.ordinal)
        found = decide_netted(ready.prepared, taxpayer, ready.ordinal, self.netted, solve)
        if found.answer.error is not None:
            raise found.answer.error
        return found.answer.plans

    def settled(self) -> Standing:
        """The same at the rates that the plans as things stand end with, taken as given."""
        if self.netted is None:
            return self
        solve: Solve = solve_taxpayer if self.left is None else WithinYear(self.left)
        ready = self.ready
        found = decide_netted(ready.prepared, self.taxpayer, ready.ordinal, self.netted, solve)
        taxpayer = at_rates(self.taxpayer, self.netted.taxed, found.rates)
        return replace(self, taxpayer=taxpayer, netted=None)


def standing_day(book: Book, market: Market) -> int:
    """The newest day run, or the market's last day before any."""
    last = int(market.days[-1])
    with book.read() as connection:
        run = runs.latest_run(connection)
    return last if run is None else min(last, date.fromisoformat(run.day).toordinal())


def ready_day(book: Book, market: Market, day: int) -> ReadyDay:
    """Prices, model and risk of a day for the decision: what the day's stage `decide` shares."""
    seen = market.until(date.fromordinal(day))
    with book.read() as connection:
        keys = key_map(connection, seen)
    view = day_view(seen, keys, day)
    universe = day_universe(seen, view, estimate_risk(seen, day))
    symbols = tuple(seen.symbol_at(seen.index[name], day) for name in view.security)
    return ReadyDay(universe, Prepared(universe.universe), symbols)


def standing(
    book: Book,
    ready: ReadyDay,
    account_id: str,
    viewer: Viewer | None = None,
    rates: RatesUsed | None = None,
) -> Standing:
    """The account's problem from its current lots; BookError where it cannot be decided.

    `rates` as for a day: those on file unless told otherwise. InputError where the netting knows
    no table for the year.
    """
    with book.read() as connection:
        account = seen_account(connection, account_id, viewer)
        household = household_of(connection, account, date.fromordinal(ready.ordinal).isoformat())
        states = load_states(connection, [a.account_key for a in household.accounts])
        records = on_record(connection, [household])
        years = budget_years(connection, [household], ready.ordinal)
        fees = fees_due(connection)
        visible = {a.account_id for a in visible_accounts(connection, viewer)}
    problem, errors = taxpayer_problem(ready.day, household, states, fees=fees)
    if account_id in errors:
        raise errors[account_id]
    members = {a.account_id for a in household.accounts}
    if account_id not in members:
        raise InputError(
            "account.not_open",
            f"The account is not open on {date.fromordinal(ready.ordinal)}.",
            where=account_id,
            remedy="Choose an open account: sma account list.",
        )
    key, used = household.taxpayer.taxpayer_key, rates or RatesUsed()
    year, netted = years.get(key), None
    if used.source == NETTING:
        netted = netted_year(household, records[key], used.carried_share_micros, ready.ordinal)
    lots = {a.account_id: states[a.account_key].lots for a in household.accounts}
    decided = {a.account_id for a in problem.accounts}
    return Standing(
        ready,
        problem,
        account_id,
        household.restrictions.get(account_id, ()),
        members <= visible,
        {name: one.long_from for name, one in lots.items() if name in decided},
        gains_left(household, year),
        year,
        netted,
    )
