"""Corporate actions of the market booked into one account: per lot, exact, once (C1 to C11).

An action takes effect at the start of its ex-day, before the trades of that day (C11); the
account holds it by what it held the evening before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import numpy as np

from opensma.book.journal import Entry, Kind, ints
from opensma.book.moves import Body
from opensma.book.names import KeyMap, unlisted_child
from opensma.book.posting import Sales, TaxpayerLedger
from opensma.calendar import settlement_date
from opensma.market import Action, ActionKind, Market
from opensma.tax.actions import closing_picks, fraction_picks
from opensma.units import Ints, notional_cents, split_cents


@dataclass(frozen=True, slots=True)
class ActionBook:
    """The market's actions with the book's keys: what a day's opening needs, made once."""

    market: Market
    keys: KeyMap
    child_key: dict[str, int]  # unlisted spin-off children by their id in the book
    by_day: dict[int, list[Action]]
    dividends: dict[int, tuple[Ints, Ints, list[str]]]  # ex-day: book keys, micros, action ids


def action_book(market: Market, keys: KeyMap, child_key: dict[str, int]) -> ActionBook:
    """Group the market's actions by ex-day."""
    ordered = sorted(market.actions, key=lambda a: (a.ex_day, a.action_id))
    by_day: dict[int, list[Action]] = {}
    dividends: dict[int, tuple[Ints, Ints, list[str]]] = {}
    for day, group in groupby(ordered, key=lambda a: a.ex_day):
        actions = list(group)
        paid = [a for a in actions if a.kind is ActionKind.CASH_DIVIDEND]
        by_day[day] = [a for a in actions if a.kind is not ActionKind.CASH_DIVIDEND]
        if paid:
            rows = np.array([a.security for a in paid], dtype=np.int64)
            dividends[day] = (
                keys.key_of_row[rows],
                np.array([a.amount_micros for a in paid], dtype=np.int64),
                [a.action_id for a in paid],
            )
    return ActionBook(market, keys, child_key, by_day, dividends)


def apply_actions(
    ledger: TaxpayerLedger, account: int, actions: ActionBook, days: Sequence[int], whole: bool
) -> int:
    """Book every action with an ex-day in `days`; returns how many entries were made."""
    before = len(ledger.booked)
    for day in days:
        if day not in actions.by_day:
            continue
        _dividends(ledger, account, actions, day)
        for action in actions.by_day[day]:
            key = int(actions.keys.key_of_row[action.security])
            if _touched(ledger, account, key, action.kind):
                _CLAUSES[action.kind](ledger, account, actions, action, key, whole)
    return len(ledger.booked) - before


def _touched(ledger: TaxpayerLedger, account: int, key: int, kind: ActionKind) -> bool:
    """Whether the account holds the security, or a split changes the units of its losses (W19)."""
    state = ledger.states[account]
    lost = kind is ActionKind.SPLIT and bool((state.losses.security == key).any())
    return lost or bool((state.lots.security == key).any())


def _dividends(ledger: TaxpayerLedger, account: int, actions: ActionBook, day: int) -> None:
    """One entry per account and ex-day; each amount rounds once per security (D3)."""
    if day not in actions.dividends:
        return
    keys, amounts, ids = actions.dividends[day]
    lots = ledger.states[account].lots
    size = max(int(keys.max()), int(lots.security.max()) if len(lots) else 0) + 1
    held = np.zeros(size, dtype=np.int64)
    np.add.at(held, lots.security, lots.quantity_micros)
    rows = np.flatnonzero(held[keys] > 0)
    if not len(rows):
        return
    quantity = held[keys[rows]]
    cents = [notional_cents(int(q), int(a)) for q, a in zip(quantity, amounts[rows], strict=True)]
    body = {
        "security": ints(keys[rows]),
        "quantity": ints(quantity),
        "rate": ints(amounts[rows]),
        "cents": cents,
        "ref": [ids[row] for row in rows],
    }
    source = f"dividends/{date.fromordinal(day)}"
    ledger.post(Entry(account, Kind.DIVIDEND, day, day, source, body))


def _split(
    ledger: TaxpayerLedger,
    account: int,
    actions: ActionBook,
    action: Action,
    key: int,
    whole: bool,
) -> None:
    body = {
        "security": key,
        "numerator": action.numerator,
        "denominator": action.denominator,
        "ref": action.action_id,
    }
    day = action.ex_day
    ledger.post(Entry(account, Kind.SPLIT, day, day, action.action_id, body))
    if whole:
        price = _close(actions.market, action.security, day)
        cash_in_lieu(ledger, account, key, price, day, action.action_id)


def cash_in_lieu(
    ledger: TaxpayerLedger, account: int, key: int, price: int, day: int, source: str
) -> None:
    """A fraction is received, then sold at the close of the ex-day (C2)."""
    picks = fraction_picks(ledger.states[account].lots, key)
    sell_picks(ledger, account, picks, price, day, f"{source}/fraction", Kind.CASH_IN_LIEU)


def sell_picks(
    ledger: TaxpayerLedger,
    account: int,
    picks: Sequence[tuple[int, int]],
    price: int,
    day: int,
    source: str,
    kind: Kind,
    more: Body | None = None,
) -> None:
    """Sell picked lots at one price: the amount rounds once and splits by quantity (D3, D4)."""
    if not picks:
        return
    lot, quantity = (np.array(column, dtype=np.int64) for column in zip(*picks, strict=True))
    total = notional_cents(int(quantity.sum()), price)
    zeros = np.zeros(len(lot), dtype=np.int64)
    proceeds = np.array(split_cents(total, quantity.tolist()), dtype=np.int64)
    sold = Sales(lot, quantity, proceeds, zeros, zeros + price, zeros, [source] * len(lot))
    settle = settlement_date(date.fromordinal(day)).toordinal()
    ledger.sell(account, sold, day, settle, source, kind, more)


def _spin_off(
    ledger: TaxpayerLedger,
    account: int,
    actions: ActionBook,
    action: Action,
    key: int,
    whole: bool,
) -> None:
    """Basis moves by relative value (C3); a child that no market lists is sold the same day."""
    market, day = actions.market, action.ex_day
    listed = action.child >= 0
    if listed:
        child = int(actions.keys.key_of_row[action.child])
        numerator, denominator = action.numerator, action.denominator
        value = _close(market, action.child, day)
    else:
        child = actions.child_key[unlisted_child(market, action)]
        numerator = denominator = 1
        value = action.amount_micros
    body = {
        "parent": key,
        "child": child,
        "numerator": numerator,
        "denominator": denominator,
        "parent_value": _close(market, action.security, day),
        "child_value": value,
        "ref": action.action_id,
    }
    ledger.post(Entry(account, Kind.SPIN_OFF, day, day, action.action_id, body))
    if not listed:
        picks = closing_picks(ledger.states[account].lots, child)
        sell_picks(ledger, account, picks, value, day, f"{action.action_id}/sold", Kind.SELL)
    elif whole:
        cash_in_lieu(ledger, account, child, value, day, action.action_id)


def _close_position(
    ledger: TaxpayerLedger,
    account: int,
    actions: ActionBook,
    action: Action,
    key: int,
    whole: bool,
) -> None:
    """Cash merger: a sale at the consideration (C6). Worthless: a sale for nothing."""
    del actions, whole
    kind = Kind.WORTHLESS if action.kind is ActionKind.WORTHLESS else Kind.CASH_MERGER
    price = 0 if kind is Kind.WORTHLESS else action.amount_micros
    picks = closing_picks(ledger.states[account].lots, key)
    sell_picks(ledger, account, picks, price, action.ex_day, action.action_id, kind)


def _close(market: Market, row: int, day: int) -> int:
    """Close of the session, or of the first one after it where the child starts trading later."""
    start = market.row(day)
    prices = market.close_micros[start:, row]
    quoted = np.flatnonzero(prices > 0)
    if len(quoted) and quoted[0] <= _FIRST_TRADE_SESSIONS:
        return int(prices[quoted[0]])
    earlier = market.close_micros[:start, row]
    return int(earlier[np.flatnonzero(earlier > 0)[-1]])


_FIRST_TRADE_SESSIONS = 5
_CLAUSES = {
    ActionKind.SPLIT: _split,
    ActionKind.SPIN_OFF: _spin_off,
    ActionKind.CASH_MERGER: _close_position,
    ActionKind.WORTHLESS: _close_position,
}
