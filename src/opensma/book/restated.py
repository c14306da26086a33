"""The clause of the fold for a restatement: what a late or corrected fact changed (D9, D10).

Nothing that was booked is touched. The restatement carries the facts themselves with their own
days, and for its account the difference between what had been booked and what the law gives with
them in their place: lots, open losses, years, cash, and the wash sales undone or made.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import numpy as np

from opensma.book.journal import Booked, Entry, Kind
from opensma.book.moves import Body, add_to_year, column
from opensma.book.state import LOSS_COLUMNS, AccountState, OpenLosses
from opensma.errors import ensure
from opensma.tax.lots import LOT_COLUMNS, Lots


def restatement(state: AccountState, entry: Entry, seq: int) -> AccountState:
    """The account after a late fact: rows that changed are replaced, totals move."""
    body = entry.body
    gone = column(body, "drop")
    ensure(bool(np.isin(gone, state.lots.lot).all()), "a restatement drops lots that are not open")
    put = Lots(**{name: column(body["lots"], name) for name in LOT_COLUMNS})
    kept = state.lots.take(~(np.isin(state.lots.lot, gone) | np.isin(state.lots.lot, put.lot)))
    lots = kept.joined(put)
    ensure(bool((put.quantity_micros > 0).all()), "a lot has a quantity")
    ensure(not len(lots) or int(lots.lot.max()) < body["next_lot"], "lots are numbered once (D8)")
    ensure(body["next_lot"] >= state.next_lot, "lots are numbered once (D8)")
    losses = OpenLosses(**{name: column(body["losses"], name) for name in LOSS_COLUMNS})
    ensure(not len(losses) or int(losses.seq.max()) <= seq, "a loss is of a later entry")
    for year, amounts in body["years"].items():
        state = add_to_year(state, date(int(year), 1, 1).toordinal(), amounts)
    ensure(state.cash_cents + body["cash"] >= 0, "an account never overdraws")
    return replace(
        state,
        lots=lots,
        losses=losses,
        next_lot=body["next_lot"],
        next_acquisition=body["next_acquisition"],
        cash_cents=state.cash_cents + body["cash"],
        deposited_cents=state.deposited_cents + body["deposited"],
        withdrawn_cents=state.withdrawn_cents + body["withdrawn"],
        fees_cents=state.fees_cents + body["fees"],
        pending=np.array(body["pending"], dtype=np.int64).reshape(-1, 2),
    )


def late_entries(booked: Booked) -> Iterator[tuple[Entry, Body]]:
    """The facts that a restatement brings, as entries of their own day, and what goes with each."""
    if booked.entry.kind is Kind.RESTATEMENT:
        for fact in booked.entry.body["facts"]:
            yield (
                Entry(
                    booked.entry.account_key,
                    Kind(fact["kind"]),
                    fact["trade_day"],
                    fact["settle_day"],
                    fact["source_id"],
                    fact["body"],
                ),
                fact,
            )
