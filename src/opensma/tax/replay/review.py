"""Short sales that a person has to look at: rules without published numbers (W24, S4, S5).

With `review: on` a constructive sale is refused, and the answer lists losses on short sales whose
treatment may differ. No amount changes: what to make of a finding is a person's decision.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from fractions import Fraction
from typing import Any

from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, exact, money_text, quantity_text
from opensma.tax.replay.lots import Closed, Lot, ShortLot
from opensma.tax.replay.state import State
from opensma.tax.wash import WINDOW_DAYS

Row = dict[str, Any]

# S5: constructive sales are those after 8 June 1997.
CONSTRUCTIVE_FROM_DAY = date(1997, 6, 9).toordinal()


def check_short_sale(state: State, event: Event, account: int, security: int) -> None:
    """Refuse a short sale against an own position that has gained (S5).

    LotError lots.constructive_sale.
    """
    if state.policy.review == "off" or event.day < CONSTRUCTIVE_FROM_DAY:
        return
    price = Fraction(event.cents("amount")) / event.quantity()
    gained = [lot for lot in _own(state, account, security) if lot.unit_basis() < price]
    if gained:
        names = ", ".join(sorted({lot.lot for lot in gained}))
        shares = quantity_text(exact(sum(lot.quantity for lot in gained)))
        raise event.invalid(
            "lots.constructive_sale",
            f"This short sale is against {shares} own shares with a gain (lots {names}): by"
            " section 1259 it is a constructive sale of them.",
            "Sell the shares instead, or have a person decide and replay with 'review: off'.",
        )


def note_short_sale(state: State, short: ShortLot) -> None:
    """Keep what the review of its closing needs: the stock held for over a year then (S4)."""
    if state.policy.review == "off":
        return
    state.short_sales.append((short, short.quantity))
    held = [
        lot.quantity
        for lot in _own(state, short.account, short.security)
        if lot.is_long(short.opened_day)
    ]
    short.long_held = exact(sum(held))


def findings(state: State) -> list[Row]:
    """Losses on closing short sales that another sale may disallow, or that may be long-term."""
    found = []
    for row in state.closed:
        loss = row.basis_cents - row.proceeds_cents
        if row.short is not None and loss > 0 and state.accounts[row.account].taxable:
            found += [*_disallowed(state, row, row.short), *_long_term(row, row.short)]
    return [_told(state, *finding) for finding in found]


def _own(state: State, account: int, security: int) -> Iterator[Lot]:
    """Shares of the household in taxable accounts, in identical securities too (W17)."""
    household, group = state.accounts[account].household, state.group[security]
    for (holder, held), position in state.positions.items():
        home = state.accounts[holder]
        if home.household == household and home.taxable and state.group[held] == group:
            yield from position


Finding = tuple[str, Closed, Quantity, str]  # rule, row, shares, words


def _disallowed(state: State, row: Closed, short: ShortLot) -> Iterator[Finding]:
    """Sold, or shorted again, within 30 days of the closing (W24)."""
    scope = state.scope(short.account, short.security)
    sold = [
        other.quantity
        for other in state.closed
        if other.short is None
        and other.kind in ("", "cash_merger", "worthless")
        and abs(other.sold_day - row.sold_day) <= WINDOW_DAYS
        and state.scope(other.account, state.securities[other.security]) == scope
    ]
    again = [
        quantity
        for other, quantity in state.short_sales
        if other is not short
        and abs(other.opened_day - row.sold_day) <= WINDOW_DAYS
        and state.scope(other.account, other.security) == scope
    ]
    shares = min(row.quantity, exact(sum(sold) + sum(again)))
    if shares:
        words = "sold, or sold short again, within 30 days of the closing: 1091(e) may disallow"
        yield "W24", row, shares, words


def _long_term(row: Closed, short: ShortLot) -> Iterator[Finding]:
    """Stock held for over a year when it was opened (S4)."""
    shares = min(row.quantity, short.long_held)
    if shares and not row.long_term:
        yield "S4", row, shares, "held for over a year at the opening: 1233(d) may be long-term for"


def _told(state: State, rule: str, row: Closed, shares: Quantity, words: str) -> Row:
    loss = row.basis_cents - row.proceeds_cents
    return {
        "rule": rule,
        "account": state.accounts[row.account].name,
        "security": row.security,
        "lot": row.lot,
        "event": row.event,
        "closed": date.fromordinal(row.sold_day).isoformat(),
        "loss": money_text(loss),
        "qty": quantity_text(shares),
        "text": f"{quantity_text(shares)} shares were {words} the loss on as many.",
    }
