"""What an issuer does to lots: basis is kept to the cent and dates are carried (C1 to C10, I2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from opensma.tax.replay.acquiring import move
from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, cut, exact, over, rounded, times, worth
from opensma.tax.replay.lots import Closed, Lot
from opensma.tax.replay.methods import first_in
from opensma.tax.replay.state import State
from opensma.tax.replay.washing import regroup


def split(state: State, event: Event) -> None:
    """Shares by the ratio; total basis and dates unchanged (C1, W19)."""
    security, ratio = state.security(event.text("security")), exact(event.ratio())
    for account in range(len(state.accounts)):
        lots = state.lots(account, security)
        for lot, quantity in zip(lots, _scaled(lots, ratio, event), strict=True):
            lot.quantity = quantity
        _drop_without_shares(state, account, security)
    for (_, key), shorts in state.shorts.items():
        for short in shorts if key == security else ():
            short.quantity = times(short.quantity, ratio)
    state.units[security] = times(state.units[security], ratio)
    state.rounds = state.rounds or bool(event.fields.get("rounded"))


def _scaled(lots: Sequence[Lot], ratio: Quantity, event: Event) -> list[Quantity]:
    """Quantities after a ratio; `rounded` keeps millionths, as a custodian does.

    The position is rounded once and its lots share it by order of purchase, so they add up (D4).
    """
    if not event.fields.get("rounded"):
        return [times(lot.quantity, ratio) for lot in lots]
    order = sorted(range(len(lots)), key=lambda i: _age(lots[i]))
    found: list[Quantity] = [0] * len(lots)
    total: Quantity = 0
    reached = 0
    for place in order:
        total += lots[place].quantity
        after = rounded(times(total, ratio))
        found[place], reached = after - reached, after
    return found


def _age(lot: Lot) -> tuple[int, int, int]:
    return lot.acquired_day, lot.sequence, lot.part


def _drop_without_shares(state: State, account: int, security: int) -> None:
    """A lot that rounding left without shares gives its basis to its elder neighbour (I2)."""
    lots = sorted(state.lots(account, security), key=_age)
    kept = [lot for lot in lots if lot.quantity]
    if len(kept) == len(lots) or not kept:
        return
    heir = kept[0]
    for lot in lots:
        if lot.quantity:
            heir = lot
        else:
            heir.basis_cents += lot.basis_cents
            heir.wash_cents += lot.wash_cents
    state.drop_empty(account, security)


def _children(
    state: State, parent: int, ratio: Quantity, event: Event
) -> list[tuple[Lot, Quantity]]:
    """Lots of a parent with the shares that each is given, where it is given any."""
    found = []
    for account in range(len(state.accounts)):
        lots = state.lots(account, parent)
        found += list(zip(lots, _scaled(lots, ratio, event), strict=True))
    return [(lot, quantity) for lot, quantity in found if quantity]


def symbol_change(state: State, event: Event) -> None:
    """Only the name changes; both names are one security from now on (C8, W20)."""
    old, name = state.security(event.text("security")), event.text("new_security")
    new = state.securities.get(name, old)
    state.group[new] = state.group_of(name, state.group[old])
    if new == old:
        state.securities[name], state.names[old] = old, name
    else:
        _join(state, old, new)
    regroup(state)


def spinoff(state: State, event: Event) -> None:
    """Per lot a new lot; basis and adjustments are divided by value (C3, C12)."""
    parent, child = state.security(event.text("security")), event.text("new_security")
    ratio, fraction = event.ratio(), _child_fraction(event)
    number = state.security(child)
    for lot, quantity in _children(state, parent, ratio, event):
        spun = replace(
            lot,
            security=number,
            lot=f"{lot.lot}/{child}",
            acquisition=f"{lot.acquisition}/{child}",
            quantity=quantity,
            basis_cents=cut(lot.basis_cents, fraction.numerator, fraction.denominator),
            wash_cents=cut(lot.wash_cents, fraction.numerator, fraction.denominator),
            purchase=False,  # W2
            claims=[],
        )
        lot.basis_cents -= spun.basis_cents
        lot.wash_cents -= spun.wash_cents
        lot.share_loss_basis(spun, fraction)
        state.add(spun)


def stock_merger(state: State, event: Event) -> None:
    """Basis and dates carry into the new shares; cash is taxed up to the gain, per lot (C4, C5)."""
    old, new = state.security(event.text("security")), event.text("new_security")
    ratio = event.ratio()
    cash = event.amount("cash_per_share") if event.has("cash_per_share") else None
    value = event.amount("new_fmv") if cash is not None else Fraction(0)
    number = state.security(new)
    for lot, quantity in _children(state, old, ratio, event):
        if cash:
            _take_boot(state, lot, worth(lot.quantity, cash), ratio * value, event)
        lot.quantity = quantity
        state.move(lot, lot.account, number)


def exchange(state: State, event: Event) -> None:
    """Tax-free exchange of a part: basis and dates go with the shares (C10)."""
    account, security = state.account(event), state.security(event.text("security"))
    ratio, new = event.ratio(), event.text("new_security")
    picks = first_in(state.position(account, security), event, state.policy)
    for lot in move(state, picks, account, state.security(new)):
        lot.quantity = times(lot.quantity, ratio)
    state.drop_empty(account, security)


def return_of_capital(state: State, event: Event) -> None:
    """Off the basis of every lot, per share, down to zero; the excess is gain (C7)."""
    security, per_share = state.security(event.text("security")), event.amount("per_share")
    for lot in state.lots_of(security):
        paid = worth(lot.quantity, per_share)
        excess = max(0, paid - lot.basis_cents)
        lot.basis_cents -= paid - excess
        if lot.loss_basis_cents is not None:
            lot.loss_basis_cents = max(0, lot.loss_basis_cents - paid)
        if excess:
            _close_nothing(state, lot, excess, 0, event, "excess_return_of_capital")


def _child_fraction(event: Event) -> Fraction:
    """The part of the basis that goes to the new shares (C3)."""
    if event.has("spin_basis_fraction"):
        fraction = event.amount("spin_basis_fraction")
    else:
        spun = event.amount("spin_fmv") * event.ratio()
        whole = spun + event.amount("parent_fmv")
        fraction = spun / whole if whole else Fraction(2)
    if fraction > 1:
        raise event.invalid("event.bad_fraction", "The part of the basis must be from 0 to 1.")
    return fraction


def _take_boot(state: State, lot: Lot, cash: int, new_value: Fraction, event: Event) -> None:
    """Gain is the smaller of cash and realised gain; losses are not recognised (C5)."""
    if not cash:
        return
    realised = worth(lot.quantity, new_value) + cash - lot.basis_cents
    recognised = max(0, min(realised, cash))
    _close_nothing(state, lot, cash, cash - recognised, event, "merger_boot")
    lot.basis_cents -= cash - recognised
    if lot.loss_basis_cents is not None:
        lot.loss_basis_cents = max(0, lot.loss_basis_cents - cash + recognised)


def _close_nothing(
    state: State, lot: Lot, proceeds: int, basis: int, event: Event, kind: str
) -> None:
    """A row of gain on a lot that stays open."""
    state.closed.append(
        Closed(
            account=lot.account,
            security=state.names[lot.security],
            lot=lot.lot,
            quantity=lot.quantity,
            acquired_day=lot.acquired_day,
            holding_day=lot.holding_day,
            sold_day=event.day,
            proceeds_cents=proceeds,
            basis_cents=basis,
            long_term=lot.is_long(event.day),
            inherited=lot.inherited,
            kind=kind,
            part=lot.part,
            event=event.sequence,
        )
    )


def _join(state: State, old: int, new: int) -> None:
    """The new name is already held: from now on both are that security."""
    for lot in state.lots_of(old):
        state.move(lot, lot.account, new)
    for (account, security), shorts in list(state.shorts.items()):
        if security == old:
            state.shorts.setdefault((account, new), []).extend(shorts)
            state.shorts[account, old] = []
    for queue in (*state.losses.values(), state.expired):
        for loss in queue:
            if loss.security == old:
                since = over(state.units[old], loss.units)
                loss.security, loss.units = new, over(state.units[new], since)
    for name, number in state.securities.items():
        if number == old:
            state.securities[name] = new
