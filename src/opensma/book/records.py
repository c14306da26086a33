"""The whole record of one trade: decision, lot, order, fill, allocation, and the journal after it.

This is the path of a dollar: every step is read from the rows that the day wrote, joined by ids.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, select

from opensma.book import runs, schema
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, Restriction
from opensma.book.rights import Viewer
from opensma.book.store import Book
from opensma.book.tradeviews import TradeView, state_before
from opensma.book.views import Decision, decision_of, household_of
from opensma.book.visible import seen_account
from opensma.errors import BookError


@dataclass(frozen=True, slots=True)
class OrderRow:
    """The block order that the trade was part of, over all accounts."""

    order_id: str
    side: str
    quantity_micros: int
    position: int  # in the day's rotation, from 0
    route: str
    accounts: int  # that shared the block


@dataclass(frozen=True, slots=True)
class FillRow:
    """What came back for the order."""

    fill_id: str
    quantity_micros: int
    price_micros: int


@dataclass(frozen=True, slots=True)
class AllocationRow:
    """The trade's part of the fill."""

    quantity_micros: int  # positive
    notional_cents: int
    fee_cents: int


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A journal entry that the trade led to."""

    account_id: str
    seq: int
    kind: str
    trade_day: date
    settle_day: date
    recorded_at: str
    source_id: str
    hash: str


@dataclass(frozen=True, slots=True)
class WashMatch:
    """Shares of a loss sale that shares of a purchase replaced (W1)."""

    day: date
    loss_account_id: str
    loss_lot: int
    into_account_id: str
    into_lot: int
    quantity_micros: int
    disallowed_cents: int
    permanent: bool  # into a retirement account: the loss is gone (W14)


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """One trade from decision to journal; None and empty where the day has not come that far."""

    trade: TradeView
    account: AccountRecord
    run: runs.Run
    decision: Decision  # the plan, and what it did besides
    restrictions: tuple[Restriction, ...]  # in force on the day
    order: OrderRow | None
    fill: FillRow | None
    allocation: AllocationRow | None
    entries: tuple[EntryRow, ...]
    matches: tuple[WashMatch, ...]


def trade_record(book: Book, trade_id: str, viewer: Viewer | None = None) -> TradeRecord:
    """Everything on record about one trade; BookError trade.unknown, also when not the viewer's."""
    with book.read() as connection:
        table = schema.plan_trades
        query = select(table.c.run_id, table.c.account_id).where(table.c.trade_id == trade_id)
        found = connection.execute(query).first()
        if found is None:
            raise _unknown(trade_id)
        run_id, account_id = str(found[0]), str(found[1])
        try:
            account = seen_account(connection, account_id, viewer)
        except BookError:
            raise _unknown(trade_id) from None
        return _record(connection, account, runs.run_of(connection, run_id), trade_id)


def _unknown(trade_id: str) -> BookError:
    return BookError(
        "trade.unknown",
        f"The book has no trade '{trade_id}'.",
        where=trade_id,
        remedy="sma account why ID lists the trades of an account with their ids.",
    )


def _record(
    connection: Connection, account: AccountRecord, run: runs.Run, trade_id: str
) -> TradeRecord:
    decision = decision_of(connection, account, run)
    trade = next(t for t in decision.trades if t.trade_id == trade_id)
    household = household_of(connection, account, run.day)
    names = {a.account_key: a.account_id for a in household.accounts}
    names[account.account_key] = account.account_id
    journals = {key: read_journal(connection, [key]) for key in names}
    entries, matches = _aftermath(trade, account.account_key, journals, names)
    order, fill, allocation = _execution(connection, trade_id)
    return TradeRecord(
        trade,
        account,
        run,
        decision,
        household.restrictions.get(account.account_id, ()),
        order,
        fill,
        allocation,
        entries,
        matches,
    )


def _execution(
    connection: Connection, trade_id: str
) -> tuple[OrderRow | None, FillRow | None, AllocationRow | None]:
    allocations, fills, orders = schema.allocations, schema.fills, schema.orders
    given = connection.execute(
        select(allocations).where(allocations.c.trade_id == trade_id)
    ).first()
    if given is None:
        return None, None, None
    fill = connection.execute(select(fills).where(fills.c.fill_id == given.fill_id)).one()
    order = connection.execute(select(orders).where(orders.c.order_id == fill.order_id)).one()
    sharing = select(allocations.c.account_id).where(allocations.c.fill_id == given.fill_id)
    accounts = len(set(connection.execute(sharing).scalars()))
    return (
        OrderRow(
            order.order_id,
            order.side,
            order.quantity_micros,
            order.position,
            order.route,
            accounts,
        ),
        FillRow(fill.fill_id, fill.quantity_micros, fill.price_micros),
        AllocationRow(abs(given.quantity_micros), given.notional_cents, given.fee_cents),
    )


def _aftermath(
    trade: TradeView, key: int, journals: dict[int, list[Booked]], names: dict[int, str]
) -> tuple[tuple[EntryRow, ...], tuple[WashMatch, ...]]:
    """The entry that posted the trade, and the wash sales that it is a side of."""
    posting = next(
        (
            b
            for b in journals[key]
            if b.entry.kind in (Kind.SELL, Kind.BUY) and trade.trade_id in b.entry.body["ref"]
        ),
        None,
    )
    if posting is None:
        return (), ()
    entries, matches = [_entry_row(posting, names)], []
    if posting.entry.kind is Kind.SELL:
        lot = trade.lot.lot if trade.lot else 0
        wanted = (key, posting.seq, lot)
    else:
        before = state_before(key, journals[key], posting.entry.source_id)
        lot = before.next_lot + posting.entry.body["ref"].index(trade.trade_id)
        wanted = (key, 0, lot)
    for account, journal in journals.items():
        for booked in journal:
            if booked.entry.kind is not Kind.WASH_ADJUSTMENT:
                continue
            found = _matches(booked, account, wanted, posting.entry.kind is Kind.SELL, names)
            matches += found
            if found:
                entries.append(_entry_row(booked, names))
    if posting.entry.kind is Kind.SELL:
        entries += [_entry_row(b, names) for b in journals[key] if _disallows(b, wanted)]
    ordered = sorted(entries, key=lambda e: (e.trade_day, e.account_id, e.seq))
    return tuple(ordered), tuple(matches)


def _matches(
    booked: Booked, account: int, wanted: tuple[int, int, int], sold: bool, names: dict[int, str]
) -> list[WashMatch]:
    """Rows of an adjustment that cite the sale wanted, or that adjust the lot bought."""
    body, found = booked.entry.body, []
    for i, lot in enumerate(body["lot"]):
        loss = (body["loss_account"][i], body["loss_seq"][i], body["loss_lot"][i])
        if (loss == wanted) if sold else ((account, 0, lot) == wanted):
            found.append(
                WashMatch(
                    date.fromordinal(booked.entry.trade_day),
                    names.get(loss[0], f"account {loss[0]}"),
                    loss[2],
                    names[account],
                    lot,
                    body["quantity"][i],
                    body["cents"][i],
                    bool(body["permanent"][i]),
                )
            )
    return found


def _disallows(booked: Booked, wanted: tuple[int, int, int]) -> bool:
    if booked.entry.kind is not Kind.LOSS_DISALLOWED:
        return False
    body = booked.entry.body
    return wanted[1:] in list(zip(body["seq"], body["lot"], strict=True))


def _entry_row(booked: Booked, names: dict[int, str]) -> EntryRow:
    entry = booked.entry
    return EntryRow(
        names[entry.account_key],
        booked.seq,
        entry.kind.value,
        date.fromordinal(entry.trade_day),
        date.fromordinal(entry.settle_day),
        booked.recorded_at,
        entry.source_id,
        booked.hash,
    )
