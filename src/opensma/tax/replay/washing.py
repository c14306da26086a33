"""Wash sales, loss by loss: which shares replace which, and what that does to both (W1 to W23).

A loss meets what is held when its order is closed (W13), then every purchase of the next 30 days
as it comes. Both queues are in the order of the law, so the work is linear in lots of the window.
"""

from __future__ import annotations

from collections import deque

from opensma.tax.replay.exact import Quantity, over, rounded, times
from opensma.tax.replay.lots import Closed, Lot
from opensma.tax.replay.state import Loss, Scope, State
from opensma.tax.wash import WINDOW_DAYS


def note_loss(state: State, row: Closed, lot: Lot) -> None:
    """Remember a slice of a taxable account that lost, until its order is closed (W3, W14)."""
    lost = row.gain_cents < 0 and state.accounts[row.account].taxable
    if lost and state.policy.washes:
        units = state.units[lot.security]
        state.pending.append(Loss(row, lot.acquisition, lot.sequence, lot.security, units))


def close_order(state: State) -> None:
    """Match the losses of an order that is complete, in order of acquisition (W4, W13)."""
    if not state.pending:
        return
    order = sorted(state.pending, key=lambda loss: (loss.row.acquired_day, loss.sequence))
    state.pending = []
    for loss in order:
        day = loss.row.sold_day
        if state.moved:
            _look_up_candidates(state, day)
        scope = state.scope(loss.row.account, loss.security)
        held = state.candidates.get(scope)
        if held:
            _meet_held(state, loss, held)
        if not loss.done:
            state.losses.setdefault(scope, deque()).append(loss)


def _meet_held(state: State, loss: Loss, held: deque[Lot]) -> None:
    """Try candidates from the earliest; those that have nothing left to give leave the queue."""
    first_day = loss.row.sold_day - WINDOW_DAYS
    passed = []
    while held and not loss.done:
        lot = held[0]
        if lot.acquired_day >= first_day and lot.quantity and not lot.used:
            _try(state, loss, lot)
            if not lot.used:
                if loss.done:
                    break
                passed.append(lot)  # not for this loss (W8, W12)
        held.popleft()
    held.extendleft(reversed(passed))


def meet_purchase(state: State, lot: Lot) -> None:
    """A purchase replaces what was sold in the 30 days before it, earliest loss first (W1, W4)."""
    if not state.policy.washes or lot.used:
        return
    scope = state.scope(lot.account, lot.security)
    waiting = state.losses.get(scope)
    if waiting:
        _meet_losses(state, lot, waiting)
    if not lot.used:
        state.candidates.setdefault(scope, deque()).append(lot)


def meet_arrival(state: State, lot: Lot) -> None:
    """A lot that comes in later than it was bought replaces what its day of purchase lets it."""
    state.moved = True
    if not state.policy.washes or lot.used or not lot.purchase:
        return
    scope = state.scope(lot.account, lot.security)
    for loss in [*_expired(state, scope), *state.losses.get(scope, ())]:
        near = abs(loss.row.sold_day - lot.acquired_day) <= WINDOW_DAYS
        if near and not lot.used and not loss.done and loss.row.gain_cents < 0:
            _try(state, loss, lot)


def _expired(state: State, scope: Scope) -> list[Loss]:
    """Losses too old for any purchase of today, but not for one that is told of late."""
    losses = [loss for loss in state.expired if not loss.done]
    return [loss for loss in losses if state.scope(loss.row.account, loss.security) == scope]


def _meet_losses(state: State, lot: Lot, waiting: deque[Loss]) -> None:
    """Losses from the earliest; what is replaced or too old leaves the queue."""
    first_day = lot.acquired_day - WINDOW_DAYS
    passed = []
    while waiting and not lot.used:
        loss = waiting[0]
        if loss.row.sold_day >= first_day and not loss.done:
            _try(state, loss, lot)
            if not loss.done:
                if lot.used:
                    break
                passed.append(loss)
        elif not loss.done:
            state.expired.append(loss)
        waiting.popleft()
    waiting.extendleft(reversed(passed))


def regroup(state: State) -> None:
    """Sort waiting losses again by scope, after two securities became one (C8, W20)."""
    waiting = [loss for queue in state.losses.values() for loss in queue]
    state.losses = {}
    for loss in sorted(waiting, key=lambda loss: loss.row.sold_day):
        scope = state.scope(loss.row.account, loss.security)
        state.losses.setdefault(scope, deque()).append(loss)
    state.moved = True


def _look_up_candidates(state: State, day: int) -> None:
    """Every lot that may still replace something, in order of purchase (W5)."""
    found = [
        lot
        for lots in state.positions.values()
        for lot in lots
        if lot.purchase and not lot.used and lot.acquired_day >= day - WINDOW_DAYS
    ]
    found.sort(key=lambda lot: (lot.acquired_day, lot.sequence, lot.account, lot.holding_day))
    state.candidates = {}
    for lot in found:
        scope = state.scope(lot.account, lot.security)
        state.candidates.setdefault(scope, deque()).append(lot)
    state.moved = False


def _try(state: State, loss: Loss, lot: Lot) -> None:
    """Match share for share where the law lets this lot replace that slice (W6)."""
    row = loss.row
    if lot.acquisition == loss.acquisition:
        return  # W8
    if state.policy.earlier_acquired == "ignored" and lot.acquired_day < row.acquired_day:
        return  # W12, P2
    # W19: in shares of today, which are those of the sale times the splits since.
    since = over(state.units[loss.security], loss.units)
    sold = times(row.quantity, since)
    if state.rounds:
        sold = rounded(sold)
    if not sold:
        loss.done = True  # less than a millionth of a share is left
    elif sold <= lot.quantity:
        _disallow(state, row, lot, sold)
        loss.done = True
    else:
        matched = row.cut(over(lot.quantity, since))
        state.closed.append(matched)
        _disallow(state, matched, lot, lot.quantity)
        loss.done = row.gain_cents >= 0  # rounding may leave the rest without a loss


def _disallow(state: State, row: Closed, lot: Lot, taken: Quantity) -> None:
    """The loss of a matched slice goes to the shares that replace it, or is gone (W9, W10, W14)."""
    loss = max(0, row.basis_cents - row.proceeds_cents)
    part = lot
    if taken != lot.quantity:
        part = lot.cut(taken)
        part.part = state.parts[lot.lot] = state.parts.get(lot.lot, 0) + 1
        state.changed(lot)
    part.used = True
    if loss:  # a rounding may have left this slice without a cent to disallow
        row.disallowed_cents = loss
        row.replaced_by = (lot.lot, taken)
        row.replacement = (lot.account, state.names[lot.security], lot.acquired_day, part.part)
        if _for_good(state, row.account, lot.account):
            row.permanent_cents = loss
        else:
            part.basis_cents += loss
            part.wash_cents += loss
            part.holding_day -= row.sold_day - row.holding_day
    if part is lot:
        state.changed(lot)
    else:
        state.add(part)


def _for_good(state: State, seller: int, buyer: int) -> bool:
    """In an IRA always (W14); at the spouse where the policy says so (W15, P5)."""
    other = state.accounts[buyer]
    spouse = other.owner != state.accounts[seller].owner
    return not other.taxable or (spouse and state.policy.spouse_adjustment == "lost")
