"""Booking events of one taxpayer: turns what happened into entries, account by account.

`TaxpayerLedger` holds the states of a taxpayer's accounts while a day (or a history) is booked.
Every method forms the entry, folds it in, and keeps it for `ledger.append`. Nothing is written
here; an error leaves the ledger to be thrown away whole (D7).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from opensma.book.fold import book
from opensma.book.journal import SALES, Booked, Entry, Kind, ints
from opensma.book.moves import Body
from opensma.book.state import AccountState
from opensma.errors import ensure
from opensma.tax import wash
from opensma.tax.holding import is_long_term
from opensma.tax.relief import relieve_many
from opensma.units import Ints


@dataclass(frozen=True, slots=True)
class Purchases:
    """Securities bought by one account on one day; every column (n,)."""

    security: Ints  # book keys
    quantity_micros: Ints
    cost_cents: Ints  # notional plus fee (D5)
    fee_cents: Ints
    price_micros: Ints
    reference: Sequence[str]  # trade ids


@dataclass(frozen=True, slots=True)
class Sales:
    """Parts of lots sold by one account on one day; every column (n,)."""

    lot: Ints
    quantity_micros: Ints
    proceeds_cents: Ints  # notional less fee (D5)
    fee_cents: Ints
    price_micros: Ints
    harvest: Ints  # 1 when sold to realise a loss
    reference: Sequence[str]


class TaxpayerLedger:
    """The accounts of one taxpayer while something is booked; keys are account keys."""

    def __init__(
        self,
        states: Sequence[AccountState],
        taxed: dict[int, bool],
        group_of_key: Ints,
        recorded_at: str,
        watch: Callable[[Booked, AccountState], None] | None = None,
    ) -> None:
        self.states = {state.account_key: state for state in states}
        self.taxed = taxed
        self.group_of_key = group_of_key
        self.recorded_at = recorded_at
        self.watch = watch
        self.booked: list[Booked] = []

    def post(self, entry: Entry) -> Booked:
        """Fold one entry into its account."""
        booked, after = book(self.states[entry.account_key], entry, self.recorded_at)
        ensure(after.cash_cents >= 0, "an account never overdraws", account=entry.account_key)
        self.states[entry.account_key] = after
        self.booked.append(booked)
        if self.watch:
            self.watch(booked, after)
        return booked

    def deposit(self, account: int, cents: int, day: int, source_id: str) -> None:
        """External cash in, settled the same day (M6)."""
        self.post(Entry(account, Kind.DEPOSIT, day, day, source_id, {"cents": cents}))

    def withdraw(self, account: int, cents: int, day: int, source_id: str) -> None:
        """External cash out, settled the same day (M6)."""
        self.post(Entry(account, Kind.WITHDRAWAL, day, day, source_id, {"cents": cents}))

    def buy(self, account: int, bought: Purchases, day: int, settle: int, source_id: str) -> None:
        """Purchases: one lot and one acquisition per row (D8)."""
        body = {
            "security": ints(bought.security),
            "quantity": ints(bought.quantity_micros),
            "cost": ints(bought.cost_cents),
            "fee": ints(bought.fee_cents),
            "price": ints(bought.price_micros),
            "ref": list(bought.reference),
        }
        self.post(Entry(account, Kind.BUY, day, settle, source_id, body))

    def sell(
        self,
        account: int,
        sold: Sales,
        day: int,
        settle: int,
        source_id: str,
        kind: Kind = Kind.SELL,
        more: Body | None = None,
    ) -> None:
        """Sales by explicit lot (L2); basis and term are recorded with the entry. LotError.

        `more` goes into the body as it is. `left` is there where a gift with two bases made the
        basis of the sale another than the one that left the lot (G2).
        """
        ensure(kind in SALES, "not a sale", kind=kind)
        lots = self.states[account].lots
        slices, _ = relieve_many(lots, sold.lot, sold.quantity_micros, sold.proceeds_cents, day)
        body = {
            "lot": ints(sold.lot),
            "security": ints(slices.security),
            "quantity": ints(sold.quantity_micros),
            "proceeds": ints(sold.proceeds_cents),
            "fee": ints(sold.fee_cents),
            "price": ints(sold.price_micros),
            "harvest": ints(sold.harvest),
            "basis": ints(slices.basis_cents),
            "long": ints(slices.long_term),
            "taxed": int(self.taxed[account]),
            "ref": list(sold.reference),
            **(more or {}),
        }
        if not np.array_equal(slices.left_cents, slices.basis_cents):
            body["left"] = ints(slices.left_cents)
        self.post(Entry(account, kind, day, settle, source_id, body))

    def match_washes(self, day: int, source_id: str) -> int:
        """Pair open losses with purchases over all accounts (W1 to W16); returns matched cents.

        Each match is two entries: the selling account's loss shrinks, the replacement's account
        carries the adjustment and cites the loss. No entry touches two accounts.
        """
        losses = self._losses()
        if not len(losses):
            return 0
        matches = wash.match(losses, self._replacements(losses, day), by_account=True)
        for account in np.unique(matches.loss_account).tolist():
            rows = matches.take(matches.loss_account == account)
            for sold_day in np.unique(rows.sold_day).tolist():
                self._disallow(account, rows.take(rows.sold_day == sold_day), day, source_id)
        for account in np.unique(matches.account).tolist():
            self._adjust(account, matches.take(matches.account == account), day, source_id)
        return int(matches.disallowed_cents.sum())

    def _losses(self) -> wash.Losses:
        found = wash.Losses.empty()
        for key, state in self.states.items():
            rows = state.losses
            if len(rows) and self.taxed[key]:
                found = found.joined(
                    wash.Losses.of(
                        account=np.full(len(rows), key),
                        source=rows.seq,
                        lot=rows.lot,
                        acquisition=rows.acquisition,
                        origin=wash.origin_of(rows.origin, key),
                        security=rows.security,
                        group=self.group_of_key[rows.security],
                        acquired_day=rows.acquired_day,
                        holding_day=rows.holding_day,
                        sold_day=rows.sold_day,
                        quantity_micros=rows.quantity_micros,
                        loss_cents=rows.loss_cents,
                        proceeds_cents=rows.proceeds_cents,
                    )
                )
        return found

    def _replacements(self, losses: wash.Losses, day: int) -> wash.Replacements:
        tables = []
        for key, state in self.states.items():
            group = self.group_of_key[state.lots.security]
            touched = np.isin(group, losses.group)
            tables.append(
                wash.replacements_of(
                    state.lots.take(touched),
                    key,
                    group[touched],
                    day,
                    permanent=not self.taxed[key],
                )
            )
        found = tables[0]
        for table in tables[1:]:
            found = found.joined(table)
        return found

    def _disallow(self, account: int, rows: wash.Matches, day: int, source_id: str) -> None:
        sold_day = int(rows.sold_day[0])
        inherited = self._inherited(account, rows)
        long = inherited | is_long_term(rows.loss_holding_day, rows.sold_day)
        body = {
            "sold_day": sold_day,
            "seq": ints(rows.source),
            "lot": ints(rows.loss_lot),
            "quantity": ints(rows.quantity_micros),
            "cents": ints(rows.disallowed_cents),
            "long": [int(v) for v in long],
            "into_account": ints(rows.account),
            "into_lot": ints(rows.lot),
        }
        source = f"{source_id}/loss/{sold_day}"
        self.post(Entry(account, Kind.LOSS_DISALLOWED, day, day, source, body))

    def _inherited(self, account: int, rows: wash.Matches) -> np.ndarray:
        """Whether each loss is of a lot that was inherited, and so long-term (H6)."""
        losses = self.states[account].losses
        named = zip(
            losses.seq.tolist(), losses.lot.tolist(), losses.inherited.tolist(), strict=True
        )
        flags = {(seq, lot): bool(flag) for seq, lot, flag in named}
        pairs = zip(rows.source.tolist(), rows.loss_lot.tolist(), strict=True)
        return np.array([flags[pair] for pair in pairs], dtype=bool)

    def _adjust(self, account: int, rows: wash.Matches, day: int, source_id: str) -> None:
        body = {
            "lot": ints(rows.lot),
            "quantity": ints(rows.quantity_micros),
            "cents": ints(rows.disallowed_cents),
            "days": ints(rows.days_held),
            "permanent": ints(rows.permanent),
            "loss_account": ints(rows.loss_account),
            "loss_seq": ints(rows.source),
            "loss_lot": ints(rows.loss_lot),
        }
        source = f"{source_id}/wash"
        self.post(Entry(account, Kind.WASH_ADJUSTMENT, day, day, source, body))
