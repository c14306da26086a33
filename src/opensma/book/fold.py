"""The one transition of the book: a state and a journal entry give the next state.

Booking a day and replaying ten years run the same code, so a state is always the fold of its
journal. An entry carries what was decided (quantities, amounts); what follows from it by law
(basis, term, remaining lots) is computed here, and an entry that recorded another outcome than
the law gives is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np

from opensma.book.journal import SALES, Booked, Entry, Kind, canonical, chain
from opensma.book.state import LOSS_COLUMNS, YEAR_COLUMNS, AccountState, OpenLosses
from opensma.errors import ensure
from opensma.tax import actions, wash
from opensma.tax.lots import Lots, Slices
from opensma.tax.relief import relieve_many
from opensma.units import Ints, round_half_up

WASH_DAYS = 30  # W1
Body = dict[str, Any]


def book(state: AccountState, entry: Entry, recorded_at: str) -> tuple[Booked, AccountState]:
    """Put an entry in its place and fold it in; the state passed stays as it was (D7)."""
    text = canonical(entry.body)
    seq = state.seq + 1
    digest = chain(entry, seq, recorded_at, text, state.head_hash)
    booked = Booked(entry, seq, recorded_at, text, state.head_hash, digest)
    return booked, fold(state, booked)


def fold(state: AccountState, booked: Booked) -> AccountState:
    """The state after one more entry; InvariantError when the entry does not belong here."""
    entry = booked.entry
    ensure(entry.account_key == state.account_key, "entry of another account", seq=booked.seq)
    ensure(booked.seq == state.seq + 1, "gap in the journal", seq=booked.seq, after=state.seq)
    ensure(booked.previous_hash == state.head_hash, "broken hash chain", seq=booked.seq)
    ensure(entry.trade_day >= state.last_day, "entry out of order of days", seq=booked.seq)
    after = _CLAUSES[entry.kind](state, entry, booked.seq)
    return replace(
        after,
        seq=booked.seq,
        head_hash=booked.hash,
        last_day=entry.trade_day,
        losses=_still_open(after.losses, entry.trade_day),
    )


def column(body: Body, name: str) -> Ints:
    """A list of integers of a body as a column."""
    return np.array(body[name], dtype=np.int64)


def _still_open(losses: OpenLosses, day: int) -> OpenLosses:
    """Day 30 after the sale still counts, day 31 does not (W1)."""
    if not len(losses):
        return losses
    keep = (losses.sold_day + WASH_DAYS >= day) & (losses.quantity_micros > 0)
    return losses if keep.all() else losses.take(keep)


def _cash(state: AccountState, entry: Entry, cents: int) -> AccountState:
    """Move cash on the trade day; it settles on the settle day."""
    pending = state.pending
    if len(pending):
        pending = pending[pending[:, 0] > entry.trade_day]
    if entry.settle_day > entry.trade_day and cents:
        row = np.array([[entry.settle_day, cents]], dtype=np.int64)
        pending = np.concatenate([pending, row])
    return replace(state, cash_cents=state.cash_cents + cents, pending=pending)


def _deposit(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    cents = int(entry.body["cents"])
    ensure(cents > 0, "a deposit is positive", cents=cents)
    return replace(_cash(state, entry, cents), deposited_cents=state.deposited_cents + cents)


def _withdrawal(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    cents = int(entry.body["cents"])
    ensure(0 < cents <= state.cash_cents, "a withdrawal needs its cash", cents=cents)
    return replace(_cash(state, entry, -cents), withdrawn_cents=state.withdrawn_cents + cents)


def _buy(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    body = entry.body
    security, quantity, cost = (column(body, name) for name in ("security", "quantity", "cost"))
    count = len(security)
    ensure(bool((quantity > 0).all()), "a purchase has a quantity", source=entry.source_id)
    days = np.full(count, entry.trade_day, dtype=np.int64)
    zeros = np.zeros(count, dtype=np.int64)
    bought = Lots(
        lot=np.arange(state.next_lot, state.next_lot + count, dtype=np.int64),
        acquisition=np.arange(
            state.next_acquisition, state.next_acquisition + count, dtype=np.int64
        ),
        security=security,
        acquired_day=days,
        holding_day=days,
        quantity_micros=quantity,
        basis_cents=cost,
        wash_cents=zeros,
        used=zeros,
        purchase=zeros + 1,
    )
    after = _cash(state, entry, -int(cost.sum()))
    return replace(
        after,
        next_lot=state.next_lot + count,
        next_acquisition=state.next_acquisition + count,
        fees_cents=state.fees_cents + sum(body["fee"]),
        lots=state.lots.joined(bought),
    )


def _sale(state: AccountState, entry: Entry, seq: int) -> AccountState:
    body = entry.body
    slices, left = relieve_many(
        state.lots,
        column(body, "lot"),
        column(body, "quantity"),
        column(body, "proceeds"),
        entry.trade_day,
    )
    ensure(
        np.array_equal(slices.basis_cents, column(body, "basis"))
        and np.array_equal(slices.long_term, column(body, "long")),
        "the sale was booked with another basis or term than the law gives",
        source=entry.source_id,
    )
    after = _cash(state, entry, int(slices.proceeds_cents.sum()))
    after = replace(after, lots=left, fees_cents=state.fees_cents + sum(body["fee"]))
    if not body["taxed"]:
        return after
    return _realise(after, slices, column(body, "harvest"), entry.trade_day, seq)


def _realise(
    state: AccountState, slices: Slices, harvest: Ints, day: int, seq: int
) -> AccountState:
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
        harvest=harvest[loss],
    )
    joined = (
        np.concatenate([getattr(state.losses, name), getattr(opened, name)])
        for name in LOSS_COLUMNS
    )
    return replace(state, losses=OpenLosses(*joined))


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


def _dividend(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    cents = int(sum(entry.body["cents"]))
    return add_to_year(_cash(state, entry, cents), entry.trade_day, {"dividend_cents": cents})


def _split(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    security, numerator, denominator = (
        int(entry.body[name]) for name in ("security", "numerator", "denominator")
    )
    lots = actions.split(state.lots, security, numerator, denominator)
    quantity = state.losses.quantity_micros.copy()
    for row in np.flatnonzero(state.losses.security == security):
        # W19: share counts are compared in the same split units.
        quantity[row] = round_half_up(int(quantity[row]) * numerator, denominator)
    return replace(state, lots=lots, losses=replace(state.losses, quantity_micros=quantity))


def _spin_off(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    body = entry.body
    lots, next_lot = actions.spin_off(
        state.lots,
        parent=body["parent"],
        child=body["child"],
        numerator=body["numerator"],
        denominator=body["denominator"],
        parent_value_micros=body["parent_value"],
        child_value_micros=body["child_value"],
        next_lot=state.next_lot,
    )
    return replace(state, lots=lots, next_lot=next_lot)


def _wash_adjustment(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    body = entry.body
    lot = column(body, "lot")
    zeros = np.zeros(len(lot), dtype=np.int64)
    known = {
        "lot": lot,
        "account": zeros + state.account_key,
        "quantity_micros": column(body, "quantity"),
        "disallowed_cents": column(body, "cents"),
        "days_held": column(body, "days"),
        "permanent": column(body, "permanent"),
    }
    matches = wash.Matches(**{name: known.get(name, zeros) for name in wash.MATCH_COLUMNS})
    lots, next_lot = wash.apply_matches(state.lots, matches, state.account_key, state.next_lot)
    return replace(state, lots=lots, next_lot=next_lot)


def _loss_disallowed(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    body = entry.body
    losses = state.losses
    quantity, open_cents = losses.quantity_micros.copy(), losses.loss_cents.copy()
    amounts = dict.fromkeys(
        (f"{what}_{term}_cents" for what in ("disallowed", "harvested") for term in _TERMS), 0
    )
    rows = zip(body["seq"], body["lot"], body["quantity"], body["cents"], body["long"], strict=True)
    for seq, lot, micros, cents, long in rows:
        row = int(np.flatnonzero((losses.seq == seq) & (losses.lot == lot))[0])
        quantity[row] -= micros
        open_cents[row] -= cents
        ensure(quantity[row] >= 0 and open_cents[row] >= 0, "more disallowed than lost", lot=lot)
        amounts[f"disallowed_{_TERMS[long]}_cents"] += cents
        amounts[f"harvested_{_TERMS[long]}_cents"] -= cents * int(losses.harvest[row])
    sold_day = int(body["sold_day"])  # the loss's own year is restated (W22)
    state = add_to_year(state, sold_day, amounts)
    return replace(state, losses=replace(losses, quantity_micros=quantity, loss_cents=open_cents))


_TERMS = ("short", "long")
_CLAUSES: dict[Kind, Callable[[AccountState, Entry, int], AccountState]] = {
    Kind.DEPOSIT: _deposit,
    Kind.WITHDRAWAL: _withdrawal,
    Kind.BUY: _buy,
    **dict.fromkeys(SALES, _sale),
    Kind.DIVIDEND: _dividend,
    Kind.SPLIT: _split,
    Kind.SPIN_OFF: _spin_off,
    Kind.WASH_ADJUSTMENT: _wash_adjustment,
    Kind.LOSS_DISALLOWED: _loss_disallowed,
}
