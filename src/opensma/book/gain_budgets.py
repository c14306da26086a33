"""How much net gain a taxpayer may realise a year, by term: a standing instruction, and the year.

The instruction stands in the journal of one account and holds for all of the taxpayer's. Days with
a budget on file look at the year so far in every taxable account, those closed since too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import booked_of, load_states
from opensma.book.master import AccountRecord, Household, all_records
from opensma.book.state import AccountState

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class GainBudget:
    """One instruction: net gains of a calendar year in cents, None for no limit."""

    account_key: int  # whose journal holds it
    seq: int
    short_cents: int | None
    long_cents: int | None
    given_day: int
    valid_from_day: int
    by: str
    recorded_at: str
    action_id: str


@dataclass(frozen=True, slots=True)
class BudgetYear:
    """A taxpayer's budget in force on a day, and what the year that holds it has realised, net."""

    budget: GainBudget
    short_cents: int
    long_cents: int


def read_budgets(connection: Connection, account_keys: Sequence[int]) -> list[GainBudget]:
    """Budgets in these accounts' journals in the order given; reversed ones are left out."""
    table, wanted = schema.journal, [Kind.GAIN_BUDGET.value, Kind.REVERSAL.value]
    keys, booked = sorted(account_keys), list[Booked]()
    for start in range(0, len(keys), _CHUNK):
        query = select(table).where(
            table.c.account_key.in_(keys[start : start + _CHUNK]), table.c.kind.in_(wanted)
        )
        booked += [booked_of(tuple(row)) for row in connection.execute(query)]
    undone = {
        (b.entry.account_key, seq)
        for b in booked
        if b.entry.kind is Kind.REVERSAL
        for seq in b.entry.body["of"]
    }
    found = [
        _budget(b)
        for b in booked
        if b.entry.kind is Kind.GAIN_BUDGET and (b.entry.account_key, b.seq) not in undone
    ]
    return sorted(found, key=lambda b: (b.given_day, b.recorded_at, b.account_key, b.seq))


def budget_on(budgets: Sequence[GainBudget], day: int) -> GainBudget | None:
    """The budget in force on a day: the newest that has begun, None where it limits nothing."""
    begun = [b for b in budgets if b.valid_from_day <= day]
    order = sorted(begun, key=lambda b: b.valid_from_day)  # of one day, the last one given
    return next((b for b in order[-1:] if (b.short_cents, b.long_cents) != (None, None)), None)


def budget_years(
    connection: Connection, households: Sequence[Household], day: int
) -> dict[int, BudgetYear]:
    """Budgets in force, by taxpayer key; taxpayers without one are left out."""
    owner = {h.taxpayer.taxpayer_id: h.taxpayer.taxpayer_key for h in households}
    accounts = [a for a in all_records(connection, AccountRecord) if a.taxpayer_id in owner]
    owners = {a.account_key: owner[a.taxpayer_id] for a in accounts}
    given: dict[int, list[GainBudget]] = {}
    for budget in read_budgets(connection, list(owners)):
        given.setdefault(owners[budget.account_key], []).append(budget)
    standing = {key: budget_on(some, day) for key, some in given.items()}
    taxed = [a.account_key for a in accounts if a.taxed and standing.get(owners[a.account_key])]
    states: dict[int, list[AccountState]] = {key: [] for key in given}
    for account_key, state in load_states(connection, taxed).items() if taxed else ():
        states[owners[account_key]].append(state)
    year = date.fromordinal(day).year
    return {
        key: BudgetYear(budget, *realised_in(states[key], year))
        for key, budget in standing.items()
        if budget is not None
    }


def realised_in(states: Sequence[AccountState], year: int) -> tuple[int, int]:
    """Net short-term and long-term result of a tax year after wash sales, in cents."""
    short = long = 0
    for state in states:
        own = state.year(year)
        short += own["short_gain_cents"] - own["short_loss_cents"] + own["disallowed_short_cents"]
        long += own["long_gain_cents"] - own["long_loss_cents"] + own["disallowed_long_cents"]
    return short, long


def _budget(booked: Booked) -> GainBudget:
    entry, body = booked.entry, booked.entry.body
    return GainBudget(
        entry.account_key,
        booked.seq,
        body["short"],
        body["long"],
        entry.trade_day,
        body["valid_from"],
        body["by"],
        booked.recorded_at,
        body["ref"],
    )
