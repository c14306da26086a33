"""The one transition of the book: a state and a journal entry give the next state.

Booking a day and replaying ten years run the same code, so a state is always the fold of its
journal. An entry carries what was decided (quantities, amounts); what follows from it by law
(basis, term, remaining lots) is computed here, and an entry that recorded another outcome than
the law gives is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from opensma.book import fold_actions
from opensma.book.journal import SALES, Booked, Entry, Kind, canonical, chain
from opensma.book.moves import TERMS, add_to_year, column, move_cash, realise
from opensma.book.restated import restatement
from opensma.book.state import AccountState, OpenLosses
from opensma.errors import ensure
from opensma.tax import wash
from opensma.tax.lots import Lots
from opensma.tax.relief import relieve_many
from opensma.units import cut_cents

WASH_DAYS = 30  # W1


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


def _still_open(losses: OpenLosses, day: int) -> OpenLosses:
    """Day 30 after the sale still counts, day 31 does not (W1)."""
    if not len(losses):
        return losses
    keep = (losses.sold_day + WASH_DAYS >= day) & (losses.quantity_micros > 0)
    return losses if keep.all() else losses.take(keep)


def _deposit(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    cents = int(entry.body["cents"])
    ensure(cents > 0, "a deposit is positive", cents=cents)
    return replace(move_cash(state, entry, cents), deposited_cents=state.deposited_cents + cents)


def _withdrawal(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    cents = int(entry.body["cents"])
    ensure(0 < cents <= state.cash_cents, "a withdrawal needs its cash", cents=cents)
    return replace(move_cash(state, entry, -cents), withdrawn_cents=state.withdrawn_cents + cents)


def _fee(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """Collected (positive) or given back; neither deposit nor withdrawal (B26, M6)."""
    cents = int(entry.body["cents"])
    ensure(cents != 0 and cents <= state.cash_cents, "a fee needs its cash", cents=cents)
    return move_cash(state, entry, -cents)


def _buy(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    body = entry.body
    security, quantity, cost = (column(body, name) for name in ("security", "quantity", "cost"))
    count = len(security)
    ensure(bool((quantity > 0).all()), "a purchase has a quantity", source=entry.source_id)
    days = np.full(count, entry.trade_day, dtype=np.int64)
    zeros = np.zeros(count, dtype=np.int64)
    bought = Lots.of(
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
    )
    after = move_cash(state, entry, -int(cost.sum()))
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
    left_cents = column(body, "left") if "left" in body else slices.basis_cents
    ensure(np.array_equal(slices.left_cents, left_cents), "another basis left", lots=body["lot"])
    after = move_cash(state, entry, int(slices.proceeds_cents.sum()))
    after = replace(after, lots=left, fees_cents=state.fees_cents + sum(body["fee"]))
    if not body["taxed"]:
        return after
    after = realise(after, slices, column(body, "harvest"), entry.trade_day, seq)
    # A fraction paid in cash is never tested for a wash sale (C2).
    return replace(after, losses=state.losses) if entry.kind is Kind.CASH_IN_LIEU else after


def _dividend(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    cents = int(sum(entry.body["cents"]))
    return add_to_year(move_cash(state, entry, cents), entry.trade_day, {"dividend_cents": cents})


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
    proceeds = losses.proceeds_cents.copy()
    amounts = dict.fromkeys(
        (f"{what}_{term}_cents" for what in ("disallowed", "harvested") for term in TERMS), 0
    )
    rows = zip(body["seq"], body["lot"], body["quantity"], body["cents"], body["long"], strict=True)
    for seq, lot, micros, cents, long in rows:
        row = int(np.flatnonzero((losses.seq == seq) & (losses.lot == lot))[0])
        ensure(micros <= quantity[row], "more disallowed than lost", lot=lot)
        # Both amounts of the slice are cut, and the loss is what lies between them (D3, W6).
        received = cut_cents(int(proceeds[row]), micros, int(quantity[row]))
        paid = cut_cents(int(proceeds[row] + open_cents[row]), micros, int(quantity[row]))
        ensure(cents == paid - received, "another loss disallowed than was made", lot=lot)
        quantity[row] -= micros
        open_cents[row] -= cents
        proceeds[row] -= received
        amounts[f"disallowed_{TERMS[long]}_cents"] += cents
        amounts[f"harvested_{TERMS[long]}_cents"] -= cents * int(losses.harvest[row])
    sold_day = int(body["sold_day"])  # the loss's own year is restated (W22)
    state = add_to_year(state, sold_day, amounts)
    left = {"quantity_micros": quantity, "loss_cents": open_cents, "proceeds_cents": proceeds}
    return replace(state, losses=replace(losses, **left))


_CLAUSES: dict[Kind, Callable[[AccountState, Entry, int], AccountState]] = {
    Kind.DEPOSIT: _deposit,
    Kind.WITHDRAWAL: _withdrawal,
    Kind.FEE: _fee,
    Kind.BUY: _buy,
    **dict.fromkeys(SALES, _sale),
    Kind.DIVIDEND: _dividend,
    Kind.WASH_ADJUSTMENT: _wash_adjustment,
    Kind.LOSS_DISALLOWED: _loss_disallowed,
    Kind.RESTATEMENT: restatement,
    **fold_actions.CLAUSES,
}
