"""Stage `open`: what happened to the holdings since the last day, before anything is decided."""

from __future__ import annotations

from datetime import date

import numpy as np

from opensma.book.corporate import ActionBook, action_book, apply_actions
from opensma.book.daybook import DayContext
from opensma.book.ledger import append, load_states
from opensma.book.master import AccountRecord, Household, Security, all_records
from opensma.book.posting import TaxpayerLedger
from opensma.book.runs import ACTIONS_THROUGH, ExceptionRecord, add_exceptions
from opensma.book.state import AccountState
from opensma.book.store import Connection, get_setting, put_setting
from opensma.units import Ints

STAGE = "open"


def open_stage(context: DayContext) -> dict[str, object]:
    """Book every corporate action up to the day (C11) and find accounts that cannot be valued.

    An account that holds a security without a close on the day is left alone today and reported.
    """
    through = _actions_through(context)
    with context.book.read() as connection:
        names = {s.security_id: s.security_key for s in all_records(connection, Security)}
    actions = action_book(context.market, context.keys, names)
    closes = context.close_micros()
    for some in context.batches(STAGE):
        keys = [a.account_key for h in some for a in h.accounts]
        with context.commit(STAGE, some) as connection:
            states = load_states(connection, keys)
            for household in some:
                ledger = _opened(context, household, states, actions, through)
                append(connection, ledger.booked, ledger.states.values())
                missing = _unpriced(context, household, ledger, closes)
                add_exceptions(connection, missing)
    return _outcome(context)


def close_opening(connection: Connection, day: str) -> None:
    """Remember how far corporate actions have been booked, in the stage's last transaction."""
    put_setting(connection, ACTIONS_THROUGH, day)


def _actions_through(context: DayContext) -> int:
    with context.book.read() as connection:
        text = get_setting(connection, ACTIONS_THROUGH)
    return date.fromisoformat(text).toordinal() if text else 0


def _opened(
    context: DayContext,
    household: Household,
    states: dict[int, AccountState],
    actions: ActionBook,
    through: int,
) -> TaxpayerLedger:
    accounts = household.accounts
    ledger = TaxpayerLedger(
        [states[a.account_key] for a in accounts],
        {a.account_key: a.taxed for a in accounts},
        context.keys.group_of_key,
        context.run.recorded_at,
    )
    days = sorted(d for d in actions.by_day if through < d <= context.day)
    for day in days:
        made = sum(
            apply_actions(ledger, a.account_key, actions, [day], bool(a.whole_shares))
            for a in accounts
            if date.fromisoformat(a.opened).toordinal() < day
        )
        if made:
            ledger.match_washes(day, f"actions/{date.fromordinal(day)}")
    return ledger


def _unpriced(
    context: DayContext, household: Household, ledger: TaxpayerLedger, closes: Ints
) -> list[ExceptionRecord]:
    found = []
    for account in household.accounts:
        held = np.unique(ledger.states[account.account_key].lots.security)
        missing = held[closes[held] <= 0]
        if len(missing):
            found.append(_missing_price(context, account, missing))
    return found


def _missing_price(context: DayContext, account: AccountRecord, keys: Ints) -> ExceptionRecord:
    rows = context.keys.row_of_key[keys]
    names = [
        context.market.symbol_at(int(row), context.day) if row >= 0 else f"key {key}"
        for row, key in zip(rows, keys, strict=True)
    ]
    return ExceptionRecord(
        context.run.run_id,
        STAGE,
        account.account_id,
        "price.missing",
        f"No close on {context.iso} for {', '.join(names[:10])}, which the account holds.",
        "Import the missing prices or the corporate action that ended the security.",
    )


def _outcome(context: DayContext) -> dict[str, object]:
    return {"accounts": sum(len(h.accounts) for h in context.households)}
