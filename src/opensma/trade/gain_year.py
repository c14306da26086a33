"""A taxpayer's plans inside its yearly gain budgets: what is left, shared by all its accounts.

Pure. The shares are asked for as plans: how much an account would realise with a share is what the
decision makes of it. Retirement accounts realise no gains and have no share.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from opensma.book.gain_budgets import BudgetYear
from opensma.book.master import Household
from opensma.construct.check import evaluate
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account, Taxpayer
from opensma.construct.saved import Solve
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.trade.budgets import budget_left, share_budget
from opensma.units import CENTS

Budgets = tuple[int | None, ...]
# What a plan at its own budget, and at its share of the taxpayer's, says it ended at.
_NAMES = (("st_gain_budget", "st_gain_year"), ("lt_gain_budget", "lt_gain_year"))


@dataclass(frozen=True, slots=True)
class GainsLeft:
    """Net gains that a taxpayer's plans of a day may realise together; None for no limit."""

    short_cents: int | None
    long_cents: int | None
    taxed: frozenset[str]  # taxable accounts, by id


def gains_left(household: Household, year: BudgetYear | None) -> GainsLeft | None:
    """The yearly budget less what the year has realised; None where no budget is on file."""
    if year is None:
        return None
    budget = year.budget
    return GainsLeft(
        _left(budget.short_cents, year.short_cents),
        _left(budget.long_cents, year.long_cents),
        frozenset(a.account_id for a in household.accounts if a.taxed),
    )


def _left(yearly_cents: int | None, realised_cents: int) -> int | None:
    return None if yearly_cents is None else budget_left(yearly_cents, realised_cents)


@dataclass
class WithinYear:
    """Decides as `solve` does, with plans that keep what is left of the year between them.

    A loss in one account does not stretch what the others may realise: its plan may yet be held.
    """

    left: GainsLeft
    solve: Solve = solve_taxpayer
    asked: Taxpayer | None = None  # the last question, for when it fails

    def __call__(self, prepared: Prepared, taxpayer: Taxpayer, day: int) -> list[Plan]:
        """The plans in the order of the accounts."""
        desk = _Desk(prepared, taxpayer, day, self)
        free: Budgets = (None,) * len(taxpayer.accounts)
        long = desk.shares(1, self.left.long_cents, free)
        short = desk.shares(0, self.left.short_cents, long)
        if short != free and long == free:  # what short-term gains lost may go into long-term ones
            long = desk.shares(1, self.left.long_cents, short)
        plans = desk.plans(short, long)
        return [_named(plan, *desk.held(p, short, long)) for p, plan in enumerate(plans)]


@dataclass
class _Desk:
    """One taxpayer's question with every pair of shares asked so far."""

    prepared: Prepared
    taxpayer: Taxpayer
    day: int
    within: WithinYear
    known: dict[tuple[Budgets, Budgets], list[Plan]] = field(default_factory=dict)
    wanted: dict[int, list[int]] = field(default_factory=dict)  # gains without a share, by term

    @property
    def own(self) -> tuple[Account, ...]:
        """The accounts as they are, with budgets of their own where they have some."""
        return self.taxpayer.accounts

    def plans(self, short: Budgets, long: Budgets) -> list[Plan]:
        """The taxpayer's plans with these shares, solved once."""
        if (short, long) not in self.known:
            shared = zip(self.own, short, long, strict=True)
            accounts = tuple(_with_shares(*one) for one in shared)
            asked = replace(self.taxpayer, accounts=accounts)
            self.within.asked = asked
            self.known[short, long] = self.within.solve(self.prepared, asked, self.day)
        return self.known[short, long]

    def gains(self, plans: list[Plan], term: int) -> list[int]:
        """Net gain of a term by account, rounded down to a cent; none in a retirement account."""
        figures = evaluate(
            self.prepared.universe, self.taxpayer, [plan.trades for plan in plans], self.day
        )
        taxed = self.within.left.taxed
        return [
            round((f.lt_gain if term else f.st_gain) * CENTS) if p.account_id in taxed else 0
            for f, p in zip(figures, plans, strict=True)
        ]

    def held(self, place: int, *given: Budgets) -> tuple[bool, bool]:
        """Whether an account would have realised more short-term, long-term gain than its share."""
        short, long = (
            share is not None and self.wanted[term][place] > share
            for term, share in enumerate(budgets[place] for budgets in given)
        )
        return short, long

    def shares(self, term: int, left: int | None, other: Budgets) -> Budgets:
        """Every account's share of one term's budget, all None where it does not matter.

        An account that has no plan within its share, though it has one without, gets what it
        would realise first, as far as that is there: the smallest such need before larger ones.
        """
        free: Budgets = (None,) * len(self.own)
        if left is None:
            return free

        def ask(budgets: Budgets) -> list[Plan]:
            return self.plans(*((other, budgets) if term else (budgets, other)))

        wanted = [max(0, cents) for cents in self.gains(ask(free), term)]
        self.wanted[term] = wanted
        if sum(wanted) <= left:
            return free
        solved = [plan.status is Status.SOLVED for plan in ask(free)]
        first: dict[int, int] = {}
        while True:
            given = self._shared(term, left - sum(first.values()), first, ask)
            plans = ask(given)
            stuck = [
                p
                for p, plan in enumerate(plans)
                if solved[p] and plan.status is not Status.SOLVED and p not in first
            ]
            more = _served(sorted(stuck, key=lambda p: (wanted[p], p)), wanted, left, first)
            if not more:
                return given
            first |= more

    def _shared(
        self, term: int, rest: int, first: dict[int, int], ask: Callable[[Budgets], list[Plan]]
    ) -> Budgets:
        """Shares where some accounts have been served first and the others divide the rest."""
        taxed = self.within.left.taxed
        others = [p for p, a in enumerate(self.own) if p not in first and a.account_id in taxed]

        def spread(some: tuple[int | None, ...]) -> Budgets:
            among = dict(zip(others, some, strict=True))
            return tuple(first.get(p, among.get(p)) for p in range(len(self.own)))

        def realised(some: tuple[int | None, ...]) -> list[int]:
            gains = self.gains(ask(spread(some)), term)
            return [gains[p] for p in others]

        return spread(share_budget(rest, len(others), realised).given)


def _served(
    order: list[int], wanted: list[int], left: int, first: dict[int, int]
) -> dict[int, int]:
    """Accounts without a plan that can have all they want beside those served before."""
    room, found = left - sum(first.values()), {}
    for place in order:
        if wanted[place] <= room:
            found[place] = wanted[place]
            room -= wanted[place]
    return found


def _with_shares(account: Account, short: int | None, long: int | None) -> Account:
    """The account with the smaller of its own budget and its share of the taxpayer's."""
    return replace(
        account,
        st_gain_budget=_least(account.st_gain_budget, short),
        lt_gain_budget=_least(account.lt_gain_budget, long),
    )


def _least(own: float | None, cents: int | None) -> float | None:
    if cents is None:
        return own
    return cents / CENTS if own is None else min(own, cents / CENTS)


def _named(plan: Plan, short: bool, long: bool) -> Plan:
    """The plan with the taxpayer's budget named first where it held the plan back.

    A plan may end a little below its share, since lots are sold whole: it was held back all the
    same.
    """
    message, binding = plan.message, plan.binding
    for (name, yearly), held in zip(_NAMES, (short, long), strict=True):
        if held:
            message = message.replace(name, yearly)
            binding = (yearly, *(one for one in binding if one != name))
    return replace(plan, message=message, binding=binding)
