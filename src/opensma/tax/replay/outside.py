"""Lots that come from and go to accounts outside the case, with everything they have (C9, G1)."""

from __future__ import annotations

from opensma.tax.replay.acquiring import new_lot
from opensma.tax.replay.events import Event
from opensma.tax.replay.methods import first_in
from opensma.tax.replay.state import State
from opensma.tax.replay.washing import meet_arrival


def transfer_in(state: State, event: Event) -> None:
    """A lot arrives: its dates, basis, adjustment and flags are what the other side says."""
    lot = new_lot(state, event, basis_cents=event.cents("basis"))
    lot.acquired_day, lot.holding_day = event.date("acquired"), event.date("holding_date")
    if lot.acquired_day > event.day:
        raise event.invalid("event.bad_date", "The lot was acquired after it arrived.")
    if event.has("acquisition"):
        lot.acquisition = event.text("acquisition")
    if event.has("wash"):
        lot.wash_cents = event.cents("wash")
    if event.has("loss_basis"):
        lot.loss_basis_cents = event.cents("loss_basis")
    lot.used = event.fields.get("already_used") is True
    lot.inherited = event.fields.get("inherited") is True
    lot.purchase = event.fields.get("bought") is not False
    state.lot_names.add((lot.account, lot.lot))
    state.add(lot)
    meet_arrival(state, lot)


def transfer_out(state: State, event: Event) -> None:
    """Shares leave for good, by picks or first in, first out; nothing is sold."""
    account, security = state.account(event), state.security(event.text("security"))
    for lot, quantity in first_in(state.position(account, security), event, state.policy):
        if quantity != lot.quantity:
            lot.cut(quantity)
            state.changed(lot)
        else:
            state.remove(lot)
            lot.quantity = 0
