"""A household's return from the book: all accounts of a taxpayer as one (M6, M7, M16).

The same amount, or the same shares, that leave one account and enter another on the same day were
moved inside: no flow of the household. Other flows of one day came from outside or went there,
each for itself, also where one account paid in what another paid out in part.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from opensma.book.journal import Booked, Kind
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import Book, Connection
from opensma.errors import InputError
from opensma.measure.fees_book import as_gross
from opensma.measure.length import PeriodReturn
from opensma.measure.money_weighted import SinceInception, since_inception
from opensma.measure.refusals import refuse
from opensma.measure.returns import linked, series_returns


@dataclass(frozen=True, slots=True)
class HouseholdPerformance:
    """Accounts of one taxpayer as one portfolio, from the first funding to the newest day."""

    taxpayer_id: str
    account_ids: tuple[str, ...]
    end_cents: int
    inflow_cents: int  # from outside the household
    outflow_cents: int
    time_weighted: PeriodReturn
    money_weighted: SinceInception | None  # all flows pooled, solved once
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """What left one account and entered another of the same owner on one day."""

    day: int  # ordinal
    from_key: int
    to_key: int
    cents: int


def moves_inside(
    journals: Mapping[int, Iterable[Booked]], series: Mapping[int, DailyValues]
) -> list[Move]:
    """Moves between these accounts; entries of kinds other than MOVING say nothing here.

    Cash is told by an equal amount, shares by equal numbers of the same securities.
    """
    cash: dict[int, list[tuple[int, int]]] = {}
    shares: dict[int, dict[int, Counter[int]]] = {}
    for key, journal in journals.items():
        for booked in journal:
            entry, sign = booked.entry, MOVING.get(booked.entry.kind, 0)
            if not sign:
                continue
            if entry.kind in (Kind.DEPOSIT, Kind.WITHDRAWAL):
                cash.setdefault(entry.trade_day, []).append((key, sign * int(entry.body["cents"])))
                continue
            held = shares.setdefault(entry.trade_day, {}).setdefault(key, Counter())
            for security, quantity in zip(*(entry.body[n] for n in _LOTS), strict=True):
                held[security] += sign * quantity
    found = [move for day, rows in cash.items() for move in _paired(day, rows)]
    for day, by_key in shares.items():
        for key, held in by_key.items():
            others = (k for k, o in by_key.items() if k != key and _opposite(o, held))
            if min(held.values()) > 0 and (other := next(others, None)) is not None:
                into = _in_kind(series[key], day, cash.get(day, ()), key, 1)
                out = _in_kind(series[other], day, cash.get(day, ()), other, -1)
                found.append(Move(day, other, key, min(into, out)))
    return found


def moves_of_owners(
    connection: Connection, accounts: Sequence[AccountRecord], series: Mapping[int, DailyValues]
) -> list[Move]:
    """Moves between the accounts of every owner who has several with values."""
    owners: dict[str, list[int]] = {}
    for account in accounts:
        if account.account_key in series:
            owners.setdefault(account.taxpayer_id, []).append(account.account_key)
    several = [keys for keys in owners.values() if len(keys) > 1]
    journals: dict[int, list[Booked]] = {key: [] for keys in several for key in keys}
    for booked in read_journal(connection, list(journals), kinds=MOVING):
        journals[booked.entry.account_key].append(booked)
    return [
        move
        for keys in several
        for move in moves_inside({key: journals[key] for key in keys}, series)
    ]


_LOTS = ("security", "quantity")
MOVING = {Kind.DEPOSIT: 1, Kind.WITHDRAWAL: -1, Kind.TRANSFER_IN: 1, Kind.TRANSFER_OUT: -1}


def _paired(day: int, rows: Sequence[tuple[int, int]]) -> list[Move]:
    """Inflows of cash of one day that have an equal outflow in another account."""
    left = [row for row in rows if row[1] < 0]
    found = []
    for key, cents in rows:
        match = next((row for row in left if row[0] != key and row[1] == -cents), None)
        if cents > 0 and match is not None:
            left.remove(match)
            found.append(Move(day, match[0], key, cents))
    return found


def _opposite(one: Counter[int], other: Counter[int]) -> bool:
    return one.keys() == other.keys() and all(one[s] == -other[s] for s in one)


def _in_kind(
    series: DailyValues, day: int, cash: Iterable[tuple[int, int]], key: int, sign: int
) -> int:
    """What of a day's flow in one direction was no cash."""
    row = int(np.searchsorted(series.days, day))
    if row == len(series.days) or series.days[row] != day:
        return 0
    moved = series.inflow_cents if sign > 0 else series.outflow_cents
    paid = sum(abs(cents) for k, cents in cash if k == key and cents * sign > 0)
    return max(0, int(moved[row]) - paid)


def together(series: Sequence[DailyValues], inside: Mapping[int, int] | None = None) -> DailyValues:
    """Several accounts as one, without what was moved inside by day.

    A missing day inside an account's life is an error, not a zero.
    """
    days = np.unique(np.concatenate([one.days for one in series]))
    total = np.zeros((3, len(days)), dtype=np.int64)
    for one in series:
        place = np.searchsorted(days, one.days)
        due = days[place[0] : place[-1] + 1]
        if len(due) != len(one.days):
            day = date.fromordinal(int(np.setdiff1d(due, one.days)[0]))
            refuse(
                "valuation_missing",
                "One account of the group has no value on a day on which another has one.",
                where=day.isoformat(),
                remedy="Run that day, or rebuild the book's values.",
            )
        if one.days[-1] != days[-1] and one.value_cents[-1]:
            refuse(
                "valuation_missing",
                "One account of the group still has a value, but none on the newest day.",
                where=date.fromordinal(int(days[-1])).isoformat(),
                remedy="Run the day for every account.",
            )
        total[:, place] += (one.value_cents, one.inflow_cents, one.outflow_cents)
    for when, cents in (inside or {}).items():
        row = int(np.searchsorted(days, when))
        if row < len(days) and days[row] == when:
            total[1:, row] -= min(cents, int(total[1:, row].min()))
    return DailyValues(days, *total)


def household_performance(book: Book, taxpayer_id: str) -> HouseholdPerformance:
    """Returns of all accounts of a taxpayer since the first funding."""
    with book.read() as connection:
        accounts = [
            a for a in all_records(connection, AccountRecord) if a.taxpayer_id == taxpayer_id
        ]
        keys = [a.account_key for a in accounts]
        known = account_series(connection, keys)
        several = known if len(known) > 1 else {}
        journals = {k: read_journal(connection, [k], kinds=MOVING) for k in several}
        gross = [
            as_gross(connection, a.account_id, known[a.account_key])
            for a in accounts
            if a.account_key in known
        ]
    if not known:
        refuse(
            "no_values",
            "This household has no account with daily values.",
            where=taxpayer_id,
            remedy="sma account list --json names the taxpayer of each account.",
        )
    own = [known[a.account_key] for a in accounts if a.account_key in known]
    inside: Counter[int] = Counter()
    for move in moves_inside(journals, known):
        inside[move.day] += move.cents
    whole, earned = together(own, inside), together(gross, inside)
    returns = series_returns(earned.value_cents, earned.inflow_cents, earned.outflow_cents)
    dates = [date.fromordinal(int(day)) for day in whole.days]
    amounts = (whole.outflow_cents - whole.inflow_cents).tolist()
    amounts[-1] += int(whole.value_cents[-1])
    missing: tuple[str, ...] = ()
    personal = None
    try:
        personal = since_inception(dates, amounts)
    except InputError as error:
        missing = (f"personal return: {error.message}",)
    return HouseholdPerformance(
        taxpayer_id,
        tuple(a.account_id for a in accounts if a.account_key in known),
        int(whole.value_cents[-1]),
        int(whole.inflow_cents.sum()),
        int(whole.outflow_cents.sum()),
        PeriodReturn(dates[0], dates[-1], linked(returns)),
        personal,
        missing,
    )
