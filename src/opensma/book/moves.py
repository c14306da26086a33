"""What clauses of the fold share: moving cash, realising gains, totals of the tax year."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from opensma.book.journal import Entry
from opensma.book.state import LOSS_COLUMNS, YEAR_COLUMNS, AccountState, OpenLosses
from opensma.tax.lots import Slices
from opensma.units import Ints

Body = dict[str, Any]
TERMS = ("short", "long")


def column(body: Body, name: str) -> Ints:
    """A list of integers of a body as a column."""
    return np.array(body[name], dtype=np.int64)


def move_cash(state: AccountState, entry: Entry, cents: int) -> AccountState:
    """Move cash on the trade day; it settles on the settle day."""
    pending = state.pending
    if len(pending):
        pending = pending[pending[:, 0] > entry.trade_day]
    if entry.settle_day > entry.trade_day and cents:
        row = np.array([[entry.settle_day, cents]], dtype=np.int64)
        pending = np.concatenate([pending, row])
    return replace(state, cash_cents=state.cash_cents + cents, pending=pending)


def realise(state: AccountState, slices: Slices, harvest: Ints, day: int, seq: int) -> AccountState:
    """Gains and losses into the year's totals; losses stay open for the wash window (W1)."""
    gain = slices.gain_cents
    long, loss = slices.long_term == 1, gain < 0
    amounts = {}
    for term, mask in (("short", ~long), ("long", long)):
        amounts[f"{term}_gain_cents"] = int(gain[mask & ~loss].sum())
        amounts[f"{term}_loss_cents"] = -int(gain[mask & loss].sum())
        amounts[f"harvested_{term}_cents"] = -int(gain[mask & loss & (harvest == 1)].sum())
    state = add_to_year(state, day, amounts)
    if not loss.any():
        return state
    opened = OpenLosses(
        seq=np.full(int(loss.sum()), seq, dtype=np.int64),
        lot=slices.lot[loss],
        acquisition=slices.acquisition[loss],
        security=slices.security[loss],
        acquired_day=slices.acquired_day[loss],
        holding_day=slices.holding_day[loss],
        sold_day=slices.sold_day[loss],
        quantity_micros=slices.quantity_micros[loss],
        loss_cents=-gain[loss],
        proceeds_cents=slices.proceeds_cents[loss],
        harvest=harvest[loss],
        inherited=slices.inherited[loss],
        origin=slices.origin[loss],
    )
    return replace(state, losses=join_losses(state.losses, opened))


def join_losses(one: OpenLosses, other: OpenLosses) -> OpenLosses:
    """These, then the others."""
    return OpenLosses(*(np.concatenate([getattr(one, n), getattr(other, n)]) for n in LOSS_COLUMNS))


def add_to_year(state: AccountState, day: int, amounts: dict[str, int]) -> AccountState:
    """Add to the totals of the tax year that holds `day`."""
    year = date.fromordinal(day).year
    years = state.years.copy()
    rows = np.flatnonzero(years[:, 0] == year)
    if not len(rows):
        fresh = np.zeros((1, len(YEAR_COLUMNS)), dtype=np.int64)
        fresh[0, 0] = year
        years = np.concatenate([years, fresh])
        rows = np.array([len(years) - 1])
    for name, cents in amounts.items():
        years[rows[0], YEAR_COLUMNS.index(name)] += cents
    return replace(state, years=years)
