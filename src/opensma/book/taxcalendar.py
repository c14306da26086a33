"""What of a taxpayer's year still has a date: wash windows, and dividends not yet settled.

All of it is read from the law's reading of the journals, as of a day.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from opensma.book.journal import Kind
from opensma.book.law import Reading
from opensma.book.master import Security
from opensma.tax.replay.dividends import WINDOW_DAYS as DIVIDEND_DAYS
from opensma.tax.replay.dividends import dividend_rows, is_qualified
from opensma.tax.replay.exact import Quantity, cut_all, exact
from opensma.tax.wash import WINDOW_DAYS


@dataclass(frozen=True, slots=True)
class OpenLoss:
    """A loss that a purchase of the security would still defer, through `until` (W1, W27)."""

    account_id: str
    security_key: int
    symbol: str
    name: str
    also: tuple[str, ...]  # substantially identical securities, to which the same applies (W17)
    lot: str
    sold: date
    until: date  # the window's last day
    free_from: date  # buying again is harmless from here on
    quantity_micros: int
    loss_cents: int  # positive
    harvest: bool


@dataclass(frozen=True, slots=True)
class RecentPurchase:
    """Shares bought in the last 30 days that would take on the loss of others sold (W1, W27).

    Shares of an IRA take it for good (W14). Selling the whole of what is held at once in one
    order washes nothing (W13); selling other lots does, before `safe_from`.
    """

    account_id: str
    security_key: int
    symbol: str
    name: str
    also: tuple[str, ...]  # substantially identical securities (W17)
    bought: date
    until: date
    safe_from: date
    quantity_micros: int
    permanent: bool  # held in a retirement account


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A day on which windows end: what may be bought again, what may be sold at a loss again."""

    day: date
    buy_again: tuple[str, ...]  # symbols
    sell_again: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DividendLot:
    """A dividend on the shares of one lot; `final` when no sale can change it any more (Q3)."""

    account_id: str
    symbol: str
    lot: str
    ex_date: date
    quantity_micros: int  # shares of the ex-date
    cents: int
    days_held: int  # in the 121 days, as far as they are decided; if kept, where not final
    qualified: bool
    final: bool


def open_losses(
    reading: Reading, securities: Mapping[int, Security], as_of: int
) -> tuple[OpenLoss, ...]:
    """Losses of taxable accounts whose window is open on the day, the first to close first."""
    found, peers = [], _peers(reading, securities)
    for row in reading.state.closed:
        account = reading.history.accounts[row.account]
        sold = row.kind in ("", "cash_merger")  # a fraction paid in cash is never washed
        if not account.taxed or row.gain_cents >= 0 or not sold:
            continue
        if not row.sold_day <= as_of <= row.sold_day + WINDOW_DAYS:
            continue
        security = securities[reading.security_key(row)]
        found.append(
            OpenLoss(
                account.account_id,
                security.security_key,
                security.symbol,
                security.name,
                peers.get(security.security_key, ()),
                row.lot,
                date.fromordinal(row.sold_day),
                date.fromordinal(row.sold_day + WINDOW_DAYS),
                date.fromordinal(row.sold_day + WINDOW_DAYS + 1),
                int(row.quantity),  # the book keeps whole micros
                -row.gain_cents,
                is_harvest(reading, row.event),
            )
        )
    return tuple(sorted(found, key=lambda r: (r.until, r.symbol, r.account_id, r.lot)))


def is_harvest(reading: Reading, event: int) -> bool:
    """Whether the sale was made to realise its loss."""
    fact, row = reading.case.sources[event - 1]
    marks = fact.entry.body.get("harvest", [])
    return bool(marks[row]) if row < len(marks) else False


def recent_purchases(
    reading: Reading, securities: Mapping[int, Security], as_of: int
) -> tuple[RecentPurchase, ...]:
    """Purchases of the last 30 days still held and free to replace, in every account (W16)."""
    sums: dict[tuple[int, int, int], Quantity] = {}
    for lots in reading.state.positions.values():
        for lot in lots:
            recent = lot.acquired_day <= as_of <= lot.acquired_day + WINDOW_DAYS
            if recent and lot.purchase and not lot.used:
                key = (lot.account, reading.security_key(lot), lot.acquired_day)
                sums[key] = exact(sums.get(key, 0) + lot.quantity)
    found, peers = [], _peers(reading, securities)
    for (number, security_key, bought), quantity in sums.items():
        account, security = reading.history.accounts[number], securities[security_key]
        found.append(
            RecentPurchase(
                account.account_id,
                security_key,
                security.symbol,
                security.name,
                peers.get(security_key, ()),
                date.fromordinal(bought),
                date.fromordinal(bought + WINDOW_DAYS),
                date.fromordinal(bought + WINDOW_DAYS + 1),
                int(quantity),
                not account.taxed,
            )
        )
    return tuple(sorted(found, key=lambda r: (r.until, r.symbol, r.account_id)))


def calendar_days(
    losses: tuple[OpenLoss, ...], purchases: tuple[RecentPurchase, ...]
) -> tuple[CalendarDay, ...]:
    """The same by day; a security stands on the day when its last window has ended."""
    buy: dict[str, date] = {}
    for loss in losses:
        for symbol in (loss.symbol, *loss.also):
            buy[symbol] = max(loss.free_from, buy.get(symbol, loss.free_from))
    sell: dict[str, date] = {}
    for one in purchases:
        for symbol in (one.symbol, *one.also):
            sell[symbol] = max(one.safe_from, sell.get(symbol, one.safe_from))
    return tuple(
        CalendarDay(
            day,
            tuple(sorted(symbol for symbol, free in buy.items() if free == day)),
            tuple(sorted(symbol for symbol, safe in sell.items() if safe == day)),
        )
        for day in sorted({*buy.values(), *sell.values()})
    )


def dividend_lots(
    reading: Reading, securities: Mapping[int, Security], as_of: int
) -> tuple[DividendLot, ...]:
    """Dividends of taxable accounts by lot; the cents of the journal, divided by shares (D4).

    The reading must have been made with dividends. Shares still open count as kept until the
    window is over; the issuer's classification (Q4) is not known to the book.
    """
    first_day = {
        (lot.account, lot.lot): lot.acquired_day
        for lots in reading.state.positions.values()
        for lot in lots
    }
    paid = _paid(reading)
    groups: dict[tuple[int, int, str], list[tuple[str, Quantity, int]]] = {}
    for dividend, number, lot, quantity, days, _cents in dividend_rows(reading.state):
        key = (number, dividend.ex_day, dividend.security)
        groups.setdefault(key, []).append((lot, quantity, days))
    found = []
    for (number, ex_day, name), rows in groups.items():
        account = reading.history.accounts[number]
        if not account.taxed:
            continue
        cents = cut_all(paid.get((account.account_key, ex_day, name), 0), [r[1] for r in rows])
        for (lot, quantity, days), amount in zip(rows, cents, strict=True):
            acquired = first_day.get((number, lot))
            found.append(
                DividendLot(
                    account.account_id,
                    securities[int(name)].symbol,
                    lot,
                    date.fromordinal(ex_day),
                    int(quantity),
                    amount,
                    days,
                    is_qualified(days),
                    _final(ex_day, days, acquired, as_of),
                )
            )
    return tuple(sorted(found, key=lambda r: (r.ex_date, r.account_id, r.symbol, r.lot)))


def _peers(reading: Reading, securities: Mapping[int, Security]) -> dict[int, tuple[str, ...]]:
    """Symbols of the other members of each security's identical group."""
    return {
        int(key): tuple(securities[int(other)].symbol for other in group if other != key)
        for group in reading.history.identical
        for key in group
    }


def _final(ex_day: int, days: int, acquired: int | None, as_of: int) -> bool:
    """Window over, shares sold, or held long enough already (Q1, Q3)."""
    end = ex_day + DIVIDEND_DAYS
    if as_of >= end or acquired is None:
        return True
    first = max(acquired + 1, ex_day - DIVIDEND_DAYS)
    if days != end - first + 1:
        return True  # these shares of the lot were sold
    return is_qualified(as_of - first + 1)


def _paid(reading: Reading) -> dict[tuple[int, int, str], int]:
    """Cents booked by account key, ex-day and security."""
    found: dict[tuple[int, int, str], int] = {}
    for fact in reading.history.facts:
        if fact.entry.kind is not Kind.DIVIDEND:
            continue
        body = fact.entry.body
        for row, (security, cents) in enumerate(zip(body["security"], body["cents"], strict=True)):
            if row not in fact.gone:
                key = (fact.entry.account_key, fact.entry.trade_day, str(security))
                found[key] = found.get(key, 0) + cents
    return found
