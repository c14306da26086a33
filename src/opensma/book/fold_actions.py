"""Clauses of the fold for corporate actions, transfers in kind, gifts, inheritance and reversals.

The law is in `opensma.tax.actions`; here a body is read, the law applied, and what the entry
recorded (gains, basis that leaves) compared with what the law gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date

import numpy as np

from opensma.book.journal import Entry, Kind
from opensma.book.moves import Body, add_to_year, column, join_losses, move_cash
from opensma.book.state import LOSS_COLUMNS, YEAR_COLUMNS, AccountState, OpenLosses
from opensma.errors import ensure
from opensma.tax import actions
from opensma.tax.lots import LOT_COLUMNS, Lots
from opensma.tax.relief import cut_off
from opensma.units import Ints, round_half_up

BODY_COLUMNS = {  # of lots that come or go: name in the body -> column
    "lot": "lot",
    "acquisition": "acquisition",
    "origin": "origin",
    "security": "security",
    "acquired": "acquired_day",
    "holding": "holding_day",
    "quantity": "quantity_micros",
    "basis": "basis_cents",
    "wash": "wash_cents",
    "used": "used",
    "purchase": "purchase",
    "inherited": "inherited",
    "loss_basis": "loss_basis_cents",
}


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


def _stock_merger(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """New shares for old; with boot, gain is recognised lot by lot (C4, C5)."""
    body = entry.body
    old, new = int(body["security"]), int(body["new_security"])
    ratio = int(body["numerator"]), int(body["denominator"])
    lots = state.lots
    if "cash" in body:
        _check_lots(lots, old, body)
        lots, gain = actions.boot(lots, old, column(body, "cash"), *ratio, body["new_value"])
        state = _paid(state, entry, lots.take(lots.security == old), gain)
    return replace(state, lots=actions.merge(lots, old, new, *ratio))


def _return_of_capital(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """Off every lot's basis, the excess is gain with the lot's term (C7)."""
    security = int(entry.body["security"])
    _check_lots(state.lots, security, entry.body)
    held = state.lots.take(state.lots.security == security)
    lots, gain = actions.return_of_capital(state.lots, security, column(entry.body, "cash"))
    return replace(_paid(state, entry, held, gain), lots=lots)


def _check_lots(lots: Lots, security: int, body: Body) -> None:
    held = lots.lot[lots.security == security]
    ensure(np.array_equal(held, column(body, "lot")), "not every lot was paid", security=security)
    ensure(bool((column(body, "cash") >= 0).all()), "a payment is not negative")


def _paid(state: AccountState, entry: Entry, held: Lots, gain: Ints) -> AccountState:
    """Cash in, and the gain that it recognised into the year's totals."""
    body = entry.body
    long = (held.long_from <= entry.trade_day).astype(np.int64)
    ensure(
        np.array_equal(gain, column(body, "gain")) and np.array_equal(long, column(body, "long")),
        "the payment was booked with another gain or term than the law gives",
        source=entry.source_id,
    )
    after = move_cash(state, entry, int(column(body, "cash").sum()))
    if not body["taxed"]:
        return after
    amounts = {
        "short_gain_cents": int(gain[long == 0].sum()),
        "long_gain_cents": int(gain[long == 1].sum()),
    }
    return add_to_year(after, entry.trade_day, amounts)


def _exchange(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    body = entry.body
    lots, next_lot = actions.exchange(
        state.lots,
        int(body["security"]),
        int(body["new_security"]),
        list(zip(body["lot"], body["quantity"], strict=True)),
        int(body["numerator"]),
        int(body["denominator"]),
        state.next_lot,
    )
    return replace(state, lots=lots, next_lot=next_lot)


def _arrival(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """Lots come in with everything they have; no cash moves and nothing is bought (C9, G6)."""
    body = entry.body
    lots = Lots(**{to: column(body, name) for name, to in BODY_COLUMNS.items()})
    expected = np.arange(state.next_lot, state.next_lot + len(lots), dtype=np.int64)
    ensure(np.array_equal(lots.lot, expected), "lots are numbered in turn (D8)")
    ensure(bool((lots.quantity_micros > 0).all()), "a lot has a quantity")
    money = np.concatenate([lots.basis_cents, lots.wash_cents])
    ensure(bool((money >= 0).all()), "a basis is not negative")
    ensure(bool((lots.acquired_day <= entry.trade_day).all()), "a lot was acquired before")
    ensure(bool((lots.holding_day <= lots.acquired_day).all()), "a holding day only moves back")
    if entry.kind is not Kind.TRANSFER_IN:
        ensure(not lots.purchase.any(), "a gift or an inheritance is no purchase (G6)")
    own = lots.acquisition[lots.origin == 0]
    after = max(state.next_acquisition, 1 + int(own.max(initial=0)))
    return replace(
        state,
        lots=state.lots.joined(lots),
        next_lot=state.next_lot + len(lots),
        next_acquisition=after,
    )


def _departure(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """Lots leave with everything they have; nothing is sold (C9)."""
    body = entry.body
    part, rest = cut_off(state.lots, column(body, "lot"), column(body, "quantity"))
    for name, of in BODY_COLUMNS.items():
        ensure(
            np.array_equal(getattr(part, of), column(body, name)),
            "the lots left with something else than they have",
            column=name,
            source=entry.source_id,
        )
    return replace(state, lots=rest)


def _note(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """What is on record and moves nothing: a name, an instruction (C8, L2)."""
    return state


def _standing(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    ensure(entry.body["valid_from"] >= entry.trade_day, "an instruction is never retroactive (L3)")
    return state


def _reversal(state: AccountState, entry: Entry, _seq: int) -> AccountState:
    """Rows of lots and losses as they were before the entries undone; cash and totals back (D9)."""
    body = entry.body
    gone = column(body, "drop")
    ensure(bool(np.isin(gone, state.lots.lot).all()), "a reversal undoes lots that are not open")
    kept = state.lots.take(~np.isin(state.lots.lot, gone))
    restored = Lots(**{name: column(body["lots"], name) for name in LOT_COLUMNS})
    ensure(not np.isin(restored.lot, kept.lot).any(), "a reversal restores an open lot")
    ensure(bool((restored.lot < state.next_lot).all()), "a reversal makes no lot")
    for settle_day, cents in body["cash"]:
        dated = replace(entry, settle_day=max(settle_day, entry.trade_day))
        state = move_cash(state, dated, cents)
    for year, *cents in body["years"]:
        first = date(year, 1, 1).toordinal()
        state = add_to_year(state, first, dict(zip(YEAR_COLUMNS[1:], cents, strict=True)))
    return replace(state, lots=kept.joined(restored), losses=_restored(state.losses, body))


def _restored(losses: OpenLosses, body: Body) -> OpenLosses:
    """Losses without those that the undone entries opened, with those that they changed."""
    gone = {tuple(pair) for pair in body["drop_losses"]}
    if not gone and not body["losses"]["seq"]:
        return losses
    named = zip(losses.seq.tolist(), losses.lot.tolist(), strict=True)
    still = np.array([pair not in gone for pair in named], dtype=bool)
    back = OpenLosses(**{name: column(body["losses"], name) for name in LOSS_COLUMNS})
    found = join_losses(losses.take(still), back)
    return found.take(np.lexsort((found.lot, found.seq)))


CLAUSES: dict[Kind, Callable[[AccountState, Entry, int], AccountState]] = {
    Kind.SPLIT: _split,
    Kind.SPIN_OFF: _spin_off,
    Kind.STOCK_MERGER: _stock_merger,
    Kind.RETURN_OF_CAPITAL: _return_of_capital,
    Kind.EXCHANGE: _exchange,
    Kind.SYMBOL_CHANGE: _note,
    Kind.TRANSFER_IN: _arrival,
    Kind.GIFT_IN: _arrival,
    Kind.INHERITANCE: _arrival,
    Kind.TRANSFER_OUT: _departure,
    Kind.GIFT_OUT: _departure,
    Kind.LOT_METHOD: _standing,
    Kind.GAIN_BUDGET: _standing,
    Kind.LOT_CHOICE: _note,
    Kind.REVERSAL: _reversal,
}
