"""How lots come in and change accounts: purchases, gifts, inheritance, transfers in kind."""

from __future__ import annotations

from opensma.tax.replay.events import Event
from opensma.tax.replay.lots import Lot
from opensma.tax.replay.methods import Picks, first_in
from opensma.tax.replay.state import State
from opensma.tax.replay.washing import meet_purchase


def buy(state: State, event: Event) -> None:
    """A purchase: cost with fees is its basis, and it may replace what was sold (L11, W2)."""
    lot = new_lot(state, event, basis_cents=_cost(state, event))
    if event.has("acquisition"):
        lot.acquisition = event.text("acquisition")
    used = event.fields.get("already_used", False)
    if not isinstance(used, bool):
        raise event.invalid("event.not_bool", f"'already_used' is not true or false: {used!r}.")
    lot.used = used
    state.lot_names.add((lot.account, lot.lot))
    position = state.hold(lot)
    meet_purchase(state, lot)  # may change it, so it gets its place afterwards
    position.place(lot)


def gift(state: State, event: Event) -> None:
    """The donor's basis and date carry; worth less than that, the value decides losses (G1, G2)."""
    quantity_basis, value = event.cents("donor_basis"), event.cents("fmv")
    lot = new_lot(state, event, basis_cents=quantity_basis)
    lot.purchase, lot.holding_day = False, event.date("donor_acquired")
    if lot.holding_day > event.day:
        raise event.invalid("event.bad_date", "The donor acquired this after the gift.")
    lot.loss_basis_cents = value if value < quantity_basis else None
    _enter(state, lot)


def inherit(state: State, event: Event) -> None:
    """Value at death is the basis, and it is always long-term (G4, H6)."""
    lot = new_lot(state, event, basis_cents=event.cents("fmv"))
    lot.purchase, lot.inherited = False, True
    _enter(state, lot)


def transfer(state: State, event: Event) -> None:
    """Lots move with name, dates, basis, adjustments and used flags; nothing is sold (C9)."""
    source, target = state.account(event, "from"), state.account(event, "to")
    security = state.security(event.text("security"))
    if source == target:
        raise event.invalid("event.same_account", "'from' and 'to' are the same account.")
    move(state, first_in(state.position(source, security), event, state.policy), target, security)
    state.drop_empty(source, security)


def move(state: State, picks: Picks, account: int, security: int) -> list[Lot]:
    """Put shares of lots into another position; returns the lots or parts that moved."""
    moved = []
    for lot, quantity in picks:
        part = lot if quantity == lot.quantity else lot.cut(quantity)
        state.move(part, account, security)
        moved.append(part)
    return moved


def _cost(state: State, event: Event) -> int:
    """What was paid; unknown is never zero unless the policy says so (L12, P9)."""
    if event.has("amount"):
        return event.cents("amount")
    if state.policy.unknown_basis == "zero":
        return 0
    raise event.invalid(
        "lots.no_basis",
        "The basis of this purchase is missing.",
        "Give 'amount', the total paid with fees; 'unknown_basis: zero' treats it as zero.",
    )


def new_lot(state: State, event: Event, *, basis_cents: int) -> Lot:
    """A lot of the event's own day, which is in no position yet."""
    account, security = state.account(event), state.security(event.text("security"))
    name = state.new_lot(event, account)
    return Lot(
        account=account,
        security=security,
        lot=name,
        acquisition=name,
        acquired_day=event.day,
        sequence=event.sequence,
        holding_day=event.day,
        quantity=event.quantity(),
        basis_cents=basis_cents,
    )


def _enter(state: State, lot: Lot) -> None:
    state.lot_names.add((lot.account, lot.lot))
    state.add(lot)
