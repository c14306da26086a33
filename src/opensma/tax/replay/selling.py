"""Sales: shares leave by the method, proceeds are divided, losses are noted (D3, L1 to L11, G2)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from opensma.tax.replay.dividends import settle
from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, cut, cut_all, exact, worth
from opensma.tax.replay.instructions import method_of
from opensma.tax.replay.lots import Closed, Lot, long_from
from opensma.tax.replay.methods import Picks, by_age, choose, fifo_key, take
from opensma.tax.replay.state import State
from opensma.tax.replay.washing import close_order, note_loss
from opensma.units import MICROS


def sell(state: State, event: Event, *, last_of_order: bool, choice: Event | None = None) -> None:
    """A sale of one account and security; its losses are matched when its order closes (W13).

    `choice` is the event that chose its lots later (L2).
    """
    account, security = state.account(event), state.security(event.text("security"))
    amount = event.cents("amount", negative=True)
    position = state.position(account, security)
    method, told = method_of(event, state.accounts[account].standing, state.method, choice)
    picks = choose(position, event, method, state.policy, amount)
    first_row = len(state.closed)
    block = event.fields.get("block")
    key = (account, repr(event.fields.get("order")))
    if block is not None:
        key = (-1, repr(block))  # of all accounts
    state.pending = state.begun.pop(key, [])
    if state.method == "AVERAGE":
        _sell_average(state, picks, amount, event)
    elif state.policy.sold_together == "line":
        _sell_by_line(state, picks, amount, event)
    else:
        close(state, picks, amount, event)
    if told:
        for row in state.closed[first_row:]:
            row.instruction = told
    if last_of_order:
        close_order(state)
    else:  # another order may be complete before this one
        state.begun[key], state.pending = state.pending, []


def close(
    state: State,
    picks: Picks,
    amount: int,
    event: Event,
    kind: str = "",
    bases: Sequence[int] = (),
) -> None:
    """Close parts for one net amount, divided over them by quantity in their order (D3).

    `bases` replace the lots' own basis: the average of a pool (L8).
    """
    parts = cut_all(amount, [quantity for _, quantity in picks])
    own: Sequence[int | None] = bases or [None] * len(picks)
    for (lot, quantity), proceeds, basis in zip(picks, parts, own, strict=True):
        _close_part(state, lot, quantity, proceeds, event, kind, basis)


def cash_in_lieu(state: State, event: Event) -> None:
    """The fraction is received, then sold; never tested for wash sales (C2, P8)."""
    account, security = state.account(event), state.security(event.text("security"))
    amount, lots = event.cents("amount"), state.lots(account, security)
    ordered = by_age(lots, state.policy)
    if state.policy.cash_in_lieu_lot == "fraction":
        whole: dict[str, Quantity] = {}
        for lot in ordered:
            whole[lot.lot] = whole.get(lot.lot, 0) + lot.quantity
        ordered.sort(key=lambda lot: whole[lot.lot] % MICROS == 0)
    close(state, take(ordered, event.quantity(), event), amount, event, "cash_in_lieu")


def cash_merger(state: State, event: Event) -> None:
    """Every open lot in every account is sold at the stated price (C6)."""
    _close_all(state, event, event.amount("cash_per_share"), "cash_merger")


def worthless(state: State, event: Event) -> None:
    """Every open lot in every account is lost, as if sold for nothing at the end of the year.

    The event is put on the last day of its year, which section 165(g) says (D6).
    """
    _close_all(state, event, Fraction(0), "worthless")


def _close_all(state: State, event: Event, price: Fraction, kind: str) -> None:
    security = state.security(event.text("security"))
    line = state.policy.sold_together == "line"
    while lots := by_age(state.lots_of(security), state.policy):
        for lot in lots[:1] if line else lots:  # what a line replaces is cut, and still to go (P1)
            _close_part(state, lot, lot.quantity, worth(lot.quantity, price), event, kind)
        close_order(state)


def pool(state: State, account: int, security: int, basis_cents: int | None = None) -> None:
    """Spread a pool's basis over its lots by quantity: every share has the average basis (L8)."""
    lots = by_age(state.lots(account, security), state.policy)
    total = sum(lot.basis_cents for lot in lots) if basis_cents is None else basis_cents
    parts = cut_all(total, [lot.quantity for lot in lots])
    for lot, basis in zip(lots, parts, strict=True):
        lot.basis_cents = basis
    state.uneven.discard((account, security))


def _sell_average(state: State, picks: Picks, amount: int, event: Event) -> None:
    """Basis leaves at the pool's average; shares and dates leave by FIFO (L8)."""
    account, security = picks[0][0].account, picks[0][0].security
    lots = state.lots(account, security)
    total, held = sum(lot.basis_cents for lot in lots), sum(lot.quantity for lot in lots)
    sold = sum(quantity for _, quantity in picks)
    removed = cut(total, sold, held)
    bases = cut_all(removed, [quantity for _, quantity in picks])
    close(state, picks, amount, event, bases=bases)
    pool(state, account, security, total - removed)


def _sell_by_line(state: State, picks: Picks, amount: int, event: Event) -> None:
    """Every slice is a disposition of its own: its lot's parts leave one by one (W13, P1)."""
    wanted: dict[str, Quantity] = {}
    for lot, quantity in picks:
        wanted[lot.lot] = exact(wanted.get(lot.lot, 0) + quantity)
    account, security = picks[0][0].account, picks[0][0].security
    left: Quantity = exact(sum(wanted.values()))
    for name, rest in wanted.items():
        while rest:
            own = state.position(account, security).named(name)
            lot = min(own, key=lambda lot: fifo_key(lot, state.policy))
            quantity = min(rest, lot.quantity)
            proceeds = cut(amount, quantity, left)
            _close_part(state, lot, quantity, proceeds, event, "")
            close_order(state)
            amount, left, rest = amount - proceeds, exact(left - quantity), exact(rest - quantity)


def _close_part(
    state: State,
    lot: Lot,
    quantity: Quantity,
    proceeds: int,
    event: Event,
    kind: str,
    basis_cents: int | None = None,
) -> None:
    """One slice; its shares are gone from the lot, which may now be empty."""
    part = lot if quantity == lot.quantity else lot.cut(quantity)
    basis, holding_day = _basis_of_sale(part, proceeds)
    row = Closed(
        account=part.account,
        security=state.names[part.security],
        lot=part.lot,
        quantity=quantity,
        acquired_day=part.acquired_day,
        holding_day=holding_day,
        sold_day=event.day,
        proceeds_cents=proceeds,
        basis_cents=basis if basis_cents is None else basis_cents,
        long_term=part.inherited or event.day >= long_from(holding_day),
        inherited=part.inherited,
        kind=kind,
        part=part.part,
        event=event.sequence,
    )
    state.closed.append(row)
    settle(part, event.day)
    if kind != "cash_in_lieu":
        note_loss(state, row, part)
    if part is lot:
        state.remove(lot)
        lot.quantity = 0  # gone as a whole, and no replacement any more (W11)
    else:
        state.changed(lot)


def _basis_of_sale(part: Lot, proceeds: int) -> tuple[int, int]:
    """Basis and holding day; of a gift worth less than its basis they depend on the price (G2, G3).

    Below the value at the gift: that value and the day of the gift. Above the donor's basis: that
    basis and date. Between: no gain and no loss.
    """
    if part.loss_basis_cents is None or proceeds > part.basis_cents:
        return part.basis_cents, part.holding_day
    if proceeds < part.loss_basis_cents:
        return part.loss_basis_cents, part.acquired_day
    return proceeds, part.holding_day
