"""Qualified dividends: who was entitled, and for how many days each share was held (Q1 to Q3)."""

from __future__ import annotations

from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, cut_all, exact, worth
from opensma.tax.replay.lots import Claim, Dividend, Lot
from opensma.tax.replay.state import State

WINDOW_DAYS = 60  # on each side of the ex-date, 121 days in all (Q1)
MORE_THAN_DAYS = 60

DividendRow = tuple[Dividend, int, str, Quantity, int, int]  # account, lot, shares, days, cents


def dividend(state: State, event: Event) -> None:
    """Shares acquired before the ex-date and held at its start are entitled (Q3)."""
    security = state.security(event.text("security"))
    paid = Dividend(state.names[security], event.day, event.amount("per_share"))
    state.dividends.append(paid)
    for lot in state.lots_of(security):
        if lot.acquired_day < event.day:
            lot.claims.append(Claim(paid, lot.account, lot.lot, lot.quantity))
            paid.held.setdefault((lot.account, lot.lot), {})


def settle(part: Lot, last_day: int) -> None:
    """Shares left on `last_day`: count the days they were held in each window (Q1, Q2)."""
    for claim in part.claims:
        ex_day = claim.dividend.ex_day
        first = max(part.acquired_day + 1, ex_day - WINDOW_DAYS)
        days = max(0, min(last_day, ex_day + WINDOW_DAYS) - first + 1)
        held = claim.dividend.held[claim.account, claim.lot]
        held[days] = exact(held.get(days, 0) + claim.quantity)


def dividend_rows(state: State) -> list[DividendRow]:
    """One row per lot and days held, once the rest of the lots has been counted as unsold."""
    for lots in state.positions.values():
        for lot in lots:
            settle(lot, lot.acquired_day + 10**6)
    rows = []
    for paid in state.dividends:
        for (account, lot_name), held in paid.held.items():
            by_days = sorted(held.items())
            cents = worth(exact(sum(held.values())), paid.per_share)
            amounts = cut_all(cents, [quantity for _, quantity in by_days])
            for (days, quantity), amount in zip(by_days, amounts, strict=True):
                rows.append((paid, account, lot_name, quantity, days, amount))
    return rows


def is_qualified(days: int) -> bool:
    """Held more than 60 of the 121 days (Q1)."""
    return days > MORE_THAN_DAYS
