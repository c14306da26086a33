"""A taxpayer's decision at the rates that its own year gives: netting, limit, state, in turn.

The gains of a plan are those that the independent check finds: of taxable accounts, a washed loss
counting nothing. All taxable accounts of the taxpayer share the rates.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from opensma.book.master import Household
from opensma.book.taxnow import OnRecord, year_so_far
from opensma.construct.check import evaluate
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Taxpayer
from opensma.construct.saved import Decided, Solve, decide
from opensma.construct.solve import Prepared
from opensma.tax.liability import Income
from opensma.tax.marginal import Settled, TermRates, rates_after, settle
from opensma.units import CENTS, MICROS, round_half_up

NETTING = "netting"  # what a run's record calls these rates


@dataclass(frozen=True, slots=True)
class NettedYear:
    """What the rates of a taxpayer's decision come from."""

    income: Income  # the year so far
    on_file: TermRates
    taxed: frozenset[str]  # taxable accounts, by id
    carried_share_micros: int

    def rates(self, short_cents: int = 0, long_cents: int = 0) -> TermRates:
        """Rates after these further gains."""
        return rates_after(
            self.income, short_cents, long_cents, self.on_file, self.carried_share_micros
        )


def netted_year(
    household: Household, records: OnRecord, carried_share_micros: int, day: int
) -> NettedYear:
    """The year of a household of the book; InputError where no table knows it."""
    profile = household.profile
    return NettedYear(
        year_so_far(household, records, day),
        TermRates(profile.short_rate_micros, profile.long_rate_micros),
        frozenset(a.account_id for a in household.accounts if a.taxed),
        carried_share_micros,
    )


def decide_netted(
    prepared: Prepared, taxpayer: Taxpayer, day: int, year: NettedYear, solve: Solve
) -> Settled[Decided]:
    """Plans whose rates are those of the year with the plans in it, as far as rounds allow."""

    def after(decided: Decided) -> TermRates:
        return year.rates(*gains_cents(prepared, taxpayer, decided.plans, year.taxed, day))

    def worth(decided: Decided, rates: TermRates) -> tuple[int, int]:
        gains = gains_cents(prepared, taxpayer, decided.plans, year.taxed, day)
        return _worth(decided.plans, gains, rates)

    return settle(
        lambda rates: decide(prepared, at_rates(taxpayer, year.taxed, rates), day, solve),
        after,
        worth,
        year.rates(),
    )


def at_rates(taxpayer: Taxpayer, taxed: frozenset[str], rates: TermRates) -> Taxpayer:
    """The taxpayer with these rates in every taxable account."""
    short, long = rates.short_micros / MICROS, rates.long_micros / MICROS
    accounts = tuple(
        replace(a, st_rate=short, lt_rate=long) if a.account_id in taxed else a
        for a in taxpayer.accounts
    )
    return replace(taxpayer, accounts=accounts)


def gains_cents(
    prepared: Prepared, taxpayer: Taxpayer, plans: list[Plan], taxed: frozenset[str], day: int
) -> tuple[int, int]:
    """Net short-term and long-term gain of plans; a washed loss counts nothing, nor does an IRA."""
    figures = evaluate(prepared.universe, taxpayer, [plan.trades for plan in plans], day)
    mine = [f for f, p in zip(figures, plans, strict=True) if p.account_id in taxed]
    return (
        round(sum(f.st_gain for f in mine) * CENTS),
        round(sum(f.lt_gain for f in mine) * CENTS),
    )


def _worth(plans: list[Plan], gains: tuple[int, int], rates: TermRates) -> tuple[int, int]:
    """Accounts without a plan, then risk, costs and tax at these rates; lower is better."""
    solved = [plan for plan in plans if plan.status is Status.SOLVED]
    rest = round(sum(p.objective - p.objective_before - p.tax for p in solved) * CENTS)
    tax = round_half_up(gains[0] * rates.short_micros + gains[1] * rates.long_micros, MICROS)
    return len(plans) - len(solved), rest + tax
