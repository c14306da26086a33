"""Stage `post`: allocations into the journal, taxpayer by taxpayer, wash sales included.

A taxpayer's accounts are posted in one transaction or not at all. After each, the invariants that
stay on in production: shares, cash and basis move by exactly what was allocated and matched.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import numpy as np

from opensma.book.daybook import DayContext
from opensma.book.ledger import append, load_states
from opensma.book.master import AccountRecord, Household
from opensma.book.orders import Allocation, day_allocations
from opensma.book.posting import Purchases, Sales, TaxpayerLedger
from opensma.book.state import AccountState
from opensma.calendar import settlement_date
from opensma.errors import ensure

STAGE = "post"
Allocations = dict[str, list[Allocation]]


def post_stage(context: DayContext) -> dict[str, object]:
    """Book every allocation; returns how many accounts and trades were posted."""
    with context.book.read() as connection:
        allocations = day_allocations(connection, context.run.run_id)
    for some in context.batches(STAGE):
        keys = [a.account_key for h in some for a in h.accounts]
        with context.commit(STAGE, some) as connection:
            states = load_states(connection, keys)
            for household in some:
                ledger = _post(context, household, states, allocations)
                append(connection, ledger.booked, ledger.states.values())
    legs = [leg for account in allocations.values() for leg in account]
    return {"accounts": len(allocations), "trades": len(legs)}


def _post(
    context: DayContext,
    household: Household,
    states: dict[int, AccountState],
    allocations: Allocations,
) -> TaxpayerLedger:
    accounts = household.accounts
    before = [states[a.account_key] for a in accounts]
    ledger = TaxpayerLedger(
        before,
        {a.account_key: a.taxed for a in accounts},
        context.keys.group_of_key,
        context.run.recorded_at,
    )
    settle = settlement_date(date.fromordinal(context.day)).toordinal()
    for account in accounts:
        legs = allocations.get(account.account_id, [])
        _sell(ledger, account, [x for x in legs if x.quantity_micros < 0], context, settle)
        _buy(ledger, account, [x for x in legs if x.quantity_micros > 0], context, settle)
    washed = ledger.match_washes(context.day, context.run.run_id) if ledger.booked else 0
    check_posted(before, ledger, accounts, allocations, washed)
    return ledger


def _sell(
    ledger: TaxpayerLedger,
    account: AccountRecord,
    legs: list[Allocation],
    context: DayContext,
    settle: int,
) -> None:
    if not legs:
        return
    fee = _column(legs, lambda x: x.fee_cents)
    sold = Sales(
        lot=_column(legs, lambda x: x.trade.lot or 0),
        quantity_micros=_column(legs, lambda x: -x.quantity_micros),
        proceeds_cents=_column(legs, lambda x: x.notional_cents) - fee,
        fee_cents=fee,
        price_micros=_column(legs, lambda x: x.trade.price_micros),
        harvest=_column(legs, lambda x: int(x.trade.reason == "harvest_loss")),
        reference=[x.trade.trade_id for x in legs],
    )
    source = f"{context.run.run_id}/sell"
    ledger.sell(account.account_key, sold, context.day, settle, source)


def _buy(
    ledger: TaxpayerLedger,
    account: AccountRecord,
    legs: list[Allocation],
    context: DayContext,
    settle: int,
) -> None:
    if not legs:
        return
    fee = _column(legs, lambda x: x.fee_cents)
    bought = Purchases(
        security=_column(legs, lambda x: x.trade.security_key),
        quantity_micros=_column(legs, lambda x: x.quantity_micros),
        cost_cents=_column(legs, lambda x: x.notional_cents) + fee,
        fee_cents=fee,
        price_micros=_column(legs, lambda x: x.trade.price_micros),
        reference=[x.trade.trade_id for x in legs],
    )
    source = f"{context.run.run_id}/buy"
    ledger.buy(account.account_key, bought, context.day, settle, source)


def _column(legs: list[Allocation], value: Callable[[Allocation], int]) -> np.ndarray:
    return np.array([value(leg) for leg in legs], dtype=np.int64)


def check_posted(
    before: list[AccountState],
    ledger: TaxpayerLedger,
    accounts: tuple[AccountRecord, ...],
    allocations: Allocations,
    washed_cents: int,
) -> None:
    """Shares, cash and basis changed by what was allocated, nothing else; InvariantError."""
    basis_before = sum(int(s.lots.basis_cents.sum()) for s in before)
    basis_after = sum(int(s.lots.basis_cents.sum()) for s in ledger.states.values())
    cost = relieved = permanent = 0
    for state, account in zip(before, accounts, strict=True):
        after = ledger.states[account.account_key]
        legs = allocations.get(account.account_id, [])
        _check_shares(state, after, legs, account.account_id)
        cash = sum(
            (1 if x.quantity_micros < 0 else -1) * x.notional_cents - x.fee_cents for x in legs
        )
        ensure(
            after.cash_cents - state.cash_cents == cash,
            "cash moved by something else than its trades",
            account=account.account_id,
        )
        cost += sum(x.notional_cents + x.fee_cents for x in legs if x.quantity_micros > 0)
    for booked in ledger.booked:
        body = booked.entry.body
        relieved += sum(body.get("left", body.get("basis", ())))
        permanent += sum(
            cents
            for cents, lost in zip(body.get("cents", ()), body.get("permanent", ()), strict=False)
            if lost
        )
    ensure(
        basis_after == basis_before + cost - relieved + washed_cents - permanent,
        "basis is conserved",
        taxpayer=accounts[0].taxpayer_id,
    )


def _check_shares(
    before: AccountState, after: AccountState, legs: list[Allocation], account: str
) -> None:
    keys = [*before.lots.security.tolist(), *after.lots.security.tolist()]
    size = max([*keys, *(x.trade.security_key for x in legs)], default=0) + 1
    moved = np.zeros(size, dtype=np.int64)
    np.add.at(moved, after.lots.security, after.lots.quantity_micros)
    np.subtract.at(moved, before.lots.security, before.lots.quantity_micros)
    for leg in legs:
        moved[leg.trade.security_key] -= leg.quantity_micros
    ensure(not moved.any(), "shares moved by something else than trades", account=account)
