"""A taxpayer's year so far from account states alone: what the netting of a day's plan begins with.

`taxviews` reads the same year from the journals with everything a person asks for; this is the
short way for thousands of taxpayers a day, and a test holds both to the same netting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from opensma.book.gain_budgets import realised_in
from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, Household, TaxProfile, all_records
from opensma.book.state import AccountState
from opensma.tax.liability import Income
from opensma.tax.netting import YearResult, carry_ledger


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What the book keeps of a taxpayer's years: profiles in order, states of taxable accounts."""

    profiles: tuple[TaxProfile, ...]
    states: tuple[AccountState, ...]  # of accounts closed since too


def on_record(connection: Connection, households: Sequence[Household]) -> dict[int, OnRecord]:
    """The records of some taxpayers, by taxpayer key."""
    keys = {h.taxpayer.taxpayer_id: h.taxpayer.taxpayer_key for h in households}
    profiles: dict[int, list[TaxProfile]] = {key: [] for key in keys.values()}
    for profile in sorted(all_records(connection, TaxProfile), key=lambda p: p.valid_from):
        if profile.taxpayer_id in keys:
            profiles[keys[profile.taxpayer_id]].append(profile)
    accounts = [a for a in all_records(connection, AccountRecord) if a.taxpayer_id in keys]
    taxed = {a.account_key: keys[a.taxpayer_id] for a in accounts if a.taxed}
    states: dict[int, list[AccountState]] = {key: [] for key in keys.values()}
    for account_key, state in sorted(load_states(connection, list(taxed)).items()):
        states[taxed[account_key]].append(state)
    return {key: OnRecord(tuple(profiles[key]), tuple(states[key])) for key in profiles}


def year_so_far(household: Household, records: OnRecord, day: int) -> Income:
    """The year that holds `day`; InputError rates.unknown_status.

    Every year since the first with anything booked may use its deduction (R6). Dividends count as
    qualified, and a state with a basis of its own has the federal gains.
    """
    today, states = date.fromordinal(day), records.states
    totals = {}
    first = min((int(y) for s in states for y in s.years[:, 0].tolist()), default=today.year)
    for year in range(min(first, today.year), today.year + 1):
        totals[year] = _year(states, year)
    results = [
        YearResult(year, short, long, _income_cents(records.profiles, year, today) + dividends)
        for year, (short, long, dividends) in totals.items()
    ]
    line = carry_ledger(results, status=household.taxpayer.filing_status)[-1]
    return Income(
        year=today.year,
        status=household.taxpayer.filing_status,
        state=household.taxpayer.state,
        ordinary_cents=household.profile.taxable_income_cents,
        short_cents=line.result.short_cents,
        long_cents=line.result.long_cents,
        qualified_cents=totals[today.year][2],
        short_carry_cents=line.short_in_cents,
        long_carry_cents=line.long_in_cents,
    )


def _year(states: Sequence[AccountState], year: int) -> tuple[int, int, int]:
    """Net short-term and long-term result after wash sales, and dividends."""
    return (*realised_in(states, year), sum(s.year(year)["dividend_cents"] for s in states))


def _income_cents(profiles: Sequence[TaxProfile], year: int, today: date) -> int:
    """Taxable income on file at the year's end, or today; the first there is before any."""
    last = min(today, date(year, 12, 31)).isoformat()
    valid = [p for p in profiles if p.valid_from <= last]
    return (valid[-1] if valid else profiles[0]).taxable_income_cents
