"""A trade as a person reads it: the decision's dollars, the lot it took, and what was booked.

Everything is read from what was written when the trade was decided, filled and posted. The state
before the sale is the fold of the journal up to it, so a lot sold years ago is still known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.fold import fold
from opensma.book.journal import Booked, Kind
from opensma.book.ledger import load_states, read_journal
from opensma.book.master import AccountRecord, Household, Security, TaxProfile
from opensma.book.plans import PlanTrade, StoredPlan, day_trades
from opensma.book.state import AccountState, new_account
from opensma.construct.plan import Reason
from opensma.tax.cut import cut_columns
from opensma.tax.wash import WINDOW_DAYS


@dataclass(frozen=True, slots=True)
class LotSold:
    """The part of a lot that a sale takes, with its tax facts on the day."""

    lot: int
    acquired: date
    holding_from: date
    long_term: bool
    long_from: date  # first day on which the sale would have been long-term
    held_micros: int  # the lot before the sale
    basis_cents: int  # of the part sold
    proceeds_cents: int  # net of the fee once filled, the notional before
    taxed: bool  # False in a retirement account
    rate_micros: int  # the owner's marginal rate for this term; 0 where not taxed
    disallowed_cents: int  # of the loss, by wash sales so far
    wash_until: date | None  # for a loss: last day on which buying again defers it

    @property
    def gain_cents(self) -> int:
        """Proceeds less basis, negative for a loss."""
        return self.proceeds_cents - self.basis_cents


@dataclass(frozen=True, slots=True)
class TradeView:
    """One trade with its dollars; over a plan, risk + tax + cost is the objective's change."""

    trade_id: str
    account_id: str
    day: date
    review: str  # pending, approved or held
    security_key: int
    symbol: str
    name: str
    sector: str
    side: str  # buy or sell
    quantity_micros: int  # positive
    price_micros: int
    notional_cents: int
    fee_cents: int | None  # None until filled
    reason: str
    risk_cents: int
    tax_cents: int
    cost_cents: int
    shadow_cents: int
    lot: LotSold | None  # None for a purchase
    posted: bool

    @property
    def total_cents(self) -> int:
        """What the trade changes in the plan's objective; negative is better."""
        return self.risk_cents + self.tax_cents + self.cost_cents


@dataclass(frozen=True, slots=True)
class NonTradeView:
    """A notable trade that was not made, and what it would have been worth."""

    security_key: int
    symbol: str
    name: str
    reason: str
    worth_cents: int
    wash_until: date | None  # last day on which the taxpayer's open losses forbid buying


@dataclass(frozen=True, slots=True)
class TradeContext:
    """What turns one account's plan into views."""

    account: AccountRecord
    profile: TaxProfile
    plan: StoredPlan
    day: int  # ordinal
    securities: Mapping[int, Security]


def trade_views(connection: Connection, context: TradeContext) -> tuple[TradeView, ...]:
    """Every trade of an account's plan on its day, in order of trade number."""
    run_id, account = context.plan.run_id, context.account
    trades = day_trades(connection, run_id, account.account_id)
    journal = read_journal(connection, [account.account_key])
    before = state_before(account.account_key, journal, f"{run_id}/sell")
    fees = _fees(connection, run_id, account.account_id)
    washed = _disallowed(journal, f"{run_id}/sell")
    posted = {ref for b in journal for ref in _references(b)}
    sold = _lots_sold(context, [t for t in trades if t.lot is not None], before, fees, washed)
    return tuple(_view(context, t, fees.get(t.trade_id), sold, posted) for t in trades)


def non_trade_views(
    connection: Connection, context: TradeContext, household: Household
) -> tuple[NonTradeView, ...]:
    """What the plan notably left undone, the most valuable first."""
    securities = context.securities
    until = _wash_until(connection, context, household) if context.plan.not_traded else {}
    found = []
    for key, reason, cents in context.plan.not_traded:
        security = securities[key]
        last = until.get(security.group_id) if reason == Reason.WASH_BLOCKED else None
        day = None if last is None else date.fromordinal(last)
        found.append(NonTradeView(key, security.symbol, security.name, reason, cents, day))
    return tuple(sorted(found, key=lambda n: (-abs(n.worth_cents), n.symbol)))


def _wash_until(
    connection: Connection, context: TradeContext, household: Household
) -> dict[str, int]:
    """By identical group (W17): last day of the taxpayer's open windows, over all accounts."""
    found: dict[str, int] = {}
    states = load_states(connection, [a.account_key for a in household.accounts])
    for state in states.values():
        for key, sold in zip(
            state.losses.security.tolist(), state.losses.sold_day.tolist(), strict=True
        ):
            group = context.securities[key].group_id
            if sold <= context.day <= sold + WINDOW_DAYS:
                found[group] = max(found.get(group, 0), sold + WINDOW_DAYS)
    return found


def _view(
    context: TradeContext,
    trade: PlanTrade,
    fee: int | None,
    sold: dict[str, LotSold],
    posted: set[str],
) -> TradeView:
    security = context.securities[trade.security_key]
    return TradeView(
        trade.trade_id,
        trade.account_id,
        date.fromordinal(context.day),
        context.plan.review,
        trade.security_key,
        security.symbol,
        security.name,
        security.sector,
        "sell" if trade.quantity_micros < 0 else "buy",
        abs(trade.quantity_micros),
        trade.price_micros,
        trade.notional_cents,
        fee,
        trade.reason,
        trade.risk_cents,
        trade.tax_cents,
        trade.cost_cents,
        trade.shadow_cents,
        sold.get(trade.trade_id),
        trade.trade_id in posted,
    )


def state_before(account_key: int, journal: list[Booked], source_id: str) -> AccountState:
    """The fold of an account's journal up to the entry with this id, or of all of it."""
    state = new_account(account_key)
    for booked in journal:
        if booked.entry.source_id == source_id:
            break
        state = fold(state, booked)
    return state


def _references(booked: Booked) -> list[str]:
    body = booked.entry.body
    return list(body["ref"]) if booked.entry.kind in (Kind.SELL, Kind.BUY) else []


def _fees(connection: Connection, run_id: str, account_id: str) -> dict[str, int]:
    table = schema.allocations
    query = select(table.c.trade_id, table.c.fee_cents).where(
        table.c.run_id == run_id, table.c.account_id == account_id
    )
    return {str(trade): int(fee) for trade, fee in connection.execute(query)}


def _disallowed(journal: list[Booked], source_id: str) -> dict[int, int]:
    """Cents of loss that wash sales deferred so far, by lot of the sale with this id."""
    sale = next((b.seq for b in journal if b.entry.source_id == source_id), None)
    found: dict[int, int] = {}
    for booked in journal:
        if booked.entry.kind is not Kind.LOSS_DISALLOWED:
            continue
        body: dict[str, Any] = booked.entry.body
        for seq, lot, cents in zip(body["seq"], body["lot"], body["cents"], strict=True):
            if seq == sale:
                found[lot] = found.get(lot, 0) + cents
    return found


def _lots_sold(
    context: TradeContext,
    sales: list[PlanTrade],
    before: AccountState,
    fees: dict[str, int],
    washed: dict[int, int],
) -> dict[str, LotSold]:
    lots = before.lots
    rows = np.searchsorted(lots.lot, [t.lot or 0 for t in sales])
    quantity = np.array([-t.quantity_micros for t in sales], dtype=np.int64)
    basis = cut_columns(lots.basis_cents[rows], quantity, lots.quantity_micros[rows]).tolist()
    taxed, profile = context.account.taxed, context.profile
    long_from, found = lots.long_from, {}
    for trade, row, cost in zip(sales, rows.tolist(), basis, strict=True):
        holding = int(lots.holding_day[row])
        turns = int(long_from[row])
        long = turns <= context.day
        rate = profile.long_rate_micros if long else profile.short_rate_micros
        proceeds = trade.notional_cents - fees.get(trade.trade_id, 0)
        loses = taxed and proceeds < cost
        found[trade.trade_id] = LotSold(
            int(lots.lot[row]),
            date.fromordinal(int(lots.acquired_day[row])),
            date.fromordinal(holding),
            long,
            date.fromordinal(turns),
            int(lots.quantity_micros[row]),
            cost,
            proceeds,
            taxed,
            rate if taxed else 0,
            washed.get(int(lots.lot[row]), 0),
            date.fromordinal(context.day + WINDOW_DAYS) if loses else None,
        )
    return found
