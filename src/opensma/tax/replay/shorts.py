"""Short sales: opened, covered by a purchase, or closed by delivery of stock (S1 to S3, S6).

Losses on closing are not tested for wash sales: 1091(e) has no published numbers (W24), see
`review`.
"""

from __future__ import annotations

from fractions import Fraction

from opensma.tax.replay.dividends import settle
from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, cut, cut_all, exact, quantity_text
from opensma.tax.replay.lots import Closed, Lot, ShortLot
from opensma.tax.replay.methods import by_age, picked
from opensma.tax.replay.review import check_short_sale, note_short_sale
from opensma.tax.replay.state import State

Closing = list[tuple[ShortLot, Quantity, int]]  # lot, shares, its part of the proceeds


def short_sell(state: State, event: Event) -> None:
    """Shares are borrowed and sold; gain or loss arises on closing (S1)."""
    account, security = state.account(event), state.security(event.text("security"))
    name = state.new_lot(event, account)
    amount, quantity = event.cents("amount"), event.quantity()
    check_short_sale(state, event, account, security)
    short = ShortLot(account, security, name, event.day, event.sequence, quantity, amount)
    state.lot_names.add((account, name))
    state.shorts.setdefault((account, security), []).append(short)
    note_short_sale(state, short)


def cover(state: State, event: Event) -> None:
    """Bought and delivered at once; the household's young stock starts again (S1, S3)."""
    account, security = state.account(event), state.security(event.text("security"))
    cost = event.cents("amount")
    price = Fraction(cost) / event.quantity()
    closing = _closing(state, account, security, event, price)
    costs = cut_all(cost, [quantity for _, quantity, _ in closing])
    begun: set[int] = set()
    for (short, quantity, proceeds), basis in zip(closing, costs, strict=True):
        row = _row(state, short, quantity, proceeds, event)
        row.lot, row.basis_cents = short.lot, basis
        row.acquired_day = row.holding_day = event.day
        _restart(state, short, quantity, event.day, begun)


def deliver(state: State, event: Event) -> None:
    """Own stock closes the short; young stock counts from the closing date (S2, S3)."""
    account, security = state.account(event), state.security(event.text("security"))
    if not event.has("picks"):
        raise event.invalid("event.missing", "A deliver needs 'picks'.")
    picks = picked(state.position(account, security), event, state.policy)
    closing = _closing(state, account, security, event, None)
    for short, quantity, proceeds in closing:
        left, money = quantity, proceeds
        while left:
            lot, held = picks[0]
            taken = min(left, held)
            part_money = cut(money, taken, left)
            _deliver_part(state, short, lot.cut(taken), part_money, event)
            left, money = exact(left - taken), money - part_money
            picks[0] = (lot, exact(held - taken))
            if not picks[0][1]:
                picks.pop(0)
    state.drop_empty(account, security)


def _deliver_part(state: State, short: ShortLot, part: Lot, proceeds: int, event: Event) -> None:
    row = _row(state, short, part.quantity, proceeds, event)
    row.lot, row.basis_cents, row.acquired_day = part.lot, part.basis_cents, part.acquired_day
    young = not part.is_long(short.opened_day)
    row.holding_day = event.day if young else part.holding_day
    row.long_term = not young and part.is_long(event.day)
    settle(part, event.day)


def _closing(
    state: State, account: int, security: int, event: Event, price: Fraction | None
) -> Closing:
    """Short lots that are closed, cut off their position. LotError lots.oversold (L9)."""
    shorts = state.shorts.get((account, security), [])
    ordered = sorted(shorts, key=lambda short: _place(short, state.method, price))
    left, closing = event.quantity(), Closing()
    held, asked = exact(sum(short.quantity for short in shorts)), left
    if held < asked:
        raise event.invalid(
            "lots.oversold",
            f"{quantity_text(held)} are short and this {event.kind} closes {quantity_text(asked)}.",
            "Compare with the custodian; if an earlier short sale is missing, add it.",
        )
    for short in ordered:
        if not left:
            break
        taken = min(left, short.quantity)
        proceeds = cut(short.proceeds_cents, taken, short.quantity)
        short.proceeds_cents -= proceeds
        short.quantity = exact(short.quantity - taken)
        closing.append((short, taken, proceeds))
        left = exact(left - taken)
    state.shorts[account, security] = [short for short in shorts if short.quantity]
    return closing


def _place(short: ShortLot, method: str, price: Fraction | None) -> tuple[int, Fraction, int, int]:
    """FIFO; by TLO losses first, where gain is the opening price less the cover price (S6)."""
    gain, group = Fraction(0), 0
    if method == "TLO" and price is not None:
        gain = Fraction(short.proceeds_cents) / short.quantity - price
        group = (gain > 0) - (gain < 0)
    return group, gain, short.opened_day, short.sequence


def _row(state: State, short: ShortLot, quantity: Quantity, proceeds: int, event: Event) -> Closed:
    """A closing; the caller fills in what was delivered."""
    row = Closed(
        account=short.account,
        security=state.names[short.security],
        lot="",
        quantity=quantity,
        acquired_day=event.day,
        holding_day=event.day,
        sold_day=event.day,
        proceeds_cents=proceeds,
        basis_cents=0,
        long_term=False,
        kind="short_close",
        event=event.sequence,
        short=short,
    )
    state.closed.append(row)
    return row


def _restart(state: State, short: ShortLot, quantity: Quantity, day: int, begun: set[int]) -> None:
    """As many shares as were short, held a year or less when it was opened or bought since (S3).

    `begun`: shares that this cover has already started again for another short lot.
    """
    household = state.accounts[short.account].household
    young = [
        lot
        for lot in state.lots_of(short.security)
        if state.accounts[lot.account].household == household
        and not lot.is_long(short.opened_day)
        and lot.serial not in begun
    ]
    for lot in by_age(young, state.policy):
        if not quantity:
            return
        part = lot
        if lot.quantity > quantity:
            part = lot.cut(quantity)
            state.changed(lot)
        part.holding_day, state.moved = day, True
        if part is lot:
            state.changed(lot)
        else:
            state.add(part)
        begun.add(part.serial)
        quantity = exact(quantity - part.quantity)
