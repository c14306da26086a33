"""Replays a public lot case (`lots-case/1`) through the fast law and prints what the case asks for.

One step per event: shares leave, enter or change, then losses are matched. The account's method
and the policies in scope are those of `SCOPE`; anything else raises `OutOfScope` with its reason,
so that a case is never half answered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np

from opensma.errors import LotError
from opensma.tax import actions, wash
from opensma.tax.holding import is_long_term
from opensma.tax.lots import Lots, Slices
from opensma.tax.relief import (
    Picks,
    fifo_order,
    fifo_picks,
    highest_basis_picks,
    relieve,
    take_in_order,
)
from opensma.units import notional_cents, parse_cents, parse_micros, round_half_up

METHODS = {"FIFO": fifo_picks, "HIFO": highest_basis_picks, "SPECIFIC": fifo_picks}
NEXT_ISSUE = {
    "gift": "gifts keep two bases (G2)",
    "inherit": "inheritance (G4)",
    "transfer": "transfers in kind between accounts (C9)",
    "stock_merger": "stock mergers and boot (C4, C5)",
    "exchange": "partial exchanges (C10)",
    "return_of_capital": "return of capital (C7)",
    "dividend": "qualified dividends (Q1)",
    "short_sell": "short sales (S1)",
    "cover": "short sales (S1)",
    "deliver": "short sales (S1)",
}
POLICIES = {
    "earlier_acquired": ("eligible", "ignored"),
    "view": ("taxpayer", "broker"),
    "wash_sales": ("on", "off"),
    "jurisdiction": ("US", "PA"),
    "sold_together": ("order",),
    "sublot_depletion": ("adjusted_first",),
    "spouse_adjustment": ("carry",),
}
CODES = {"lots.oversold": "INSUFFICIENT_LOTS", "lots.unknown": "NO_MATCHING_LOT"}
Row = dict[str, Any]


class OutOfScope(Exception):  # noqa: N818 - a reason to skip, not an error
    """The case needs law of the next issue."""


@dataclass
class Closed:
    """A slice sold, cut further with every part of it that something replaced."""

    account: int
    security: str
    lot: str
    lots: Slices
    row: int
    quantity: Fraction  # still unmatched, in shares of the day of sale
    proceeds: int
    basis: int
    kind: str = ""
    parts: list[Row] = field(default_factory=list)


def replay(case: Row, policy: Row | None = None) -> Row:
    """The answer of a case: closed, open, totals; or error and open. OutOfScope to skip."""
    ledger = Ledger(case, {**case.get("policy", {}), **(policy or {})})
    for event in sorted(case["events"], key=lambda e: (e["date"], e["seq"])):
        try:
            ledger.book(event)
        except LotError as error:
            code = CODES.get(error.code, error.code)
            refusal = {"code": code, "seq": event["seq"], "message": str(error)}
            return {"error": refusal, "open": ledger.open_rows()}
    return ledger.answer()


class Ledger:
    """The state of a replay: lots per account, open losses, and the rows for the answer."""

    def __init__(self, case: Row, policy: Row) -> None:
        _check_scope(case, policy)
        self.accounts = case["accounts"]
        self.index = {account["id"]: i for i, account in enumerate(self.accounts)}
        self.method = METHODS[case["method"]]
        self.policy = policy
        self.keys: dict[str, int] = {}
        self.names: dict[int, str] = {}
        self.group: dict[int, int] = {}
        self.identical = case.get("substantially_identical", [])
        self.lots = [Lots.empty() for _ in self.accounts]
        self.lot_names: dict[int, str] = {}
        self.acquisitions: dict[tuple[int, str], int] = {}
        self.next_lot = 1
        self.losses = wash.Losses.empty()
        self.held_back: dict[int, wash.Losses] = {}  # of orders that are not closed yet (W13)
        self.closed: list[Closed] = []
        self.scale: dict[int, list[tuple[int, Fraction]]] = {}
        self.last_of_order = _last_of_order(case["events"])  # of each sale

    def book(self, event: Row) -> None:
        """Apply one event whole or not at all (D7)."""
        day = date.fromisoformat(event["date"]).toordinal()
        self.losses = wash.expire(self.losses, day)
        getattr(self, f"_{event['type']}")(event, day)
        self._match(day)

    def _key(self, security: str) -> int:
        if security not in self.keys:
            key = self.keys[security] = len(self.keys)
            self.names[key] = security
            shared = [i for i, group in enumerate(self.identical) if security in group]
            self.group[key] = 500_000 + shared[0] if shared else key
        return self.keys[security]

    def _buy(self, event: Row, day: int) -> None:
        account, number = self.index[event["account"]], self._number(event["lot"])
        order = (account, event.get("acquisition", event["lot"]))
        acquisition = self.acquisitions.setdefault(order, event["seq"])
        bought = Lots.of(
            lot=[number],
            acquisition=[acquisition],
            security=[self._key(event["security"])],
            acquired_day=[day],
            holding_day=[day],
            quantity_micros=[parse_micros(event["qty"])],
            basis_cents=[parse_cents(event["amount"])],
            wash_cents=[0],
            used=[int(event.get("already_used", False))],
        )
        self.lots[account] = self.lots[account].joined(bought)

    def _sell(self, event: Row, day: int) -> None:
        account, security = self.index[event["account"]], self._key(event["security"])
        picks = self._picks(event, account, security)
        last = self.last_of_order[event["seq"]]  # all sales of an order are one disposition (W4)
        lost = self._close(account, picks, parse_cents(event["amount"]), day, last)
        lost = self.held_back.pop(last, wash.Losses.empty()).joined(lost)
        if last == event["seq"]:
            self.losses = self.losses.joined(lost)
        else:
            self.held_back[last] = lost

    def _cash_in_lieu(self, event: Row, day: int) -> None:
        account, security = self.index[event["account"]], self._key(event["security"])
        quantity = parse_micros(event["qty"])
        picks = fifo_picks(self.lots[account], security, quantity)
        # A fraction paid out is never tested for wash sales.
        cents = parse_cents(event["amount"])
        self._close(account, picks, cents, day, event["seq"], kind="cash_in_lieu", tested=False)

    def _cash_merger(self, event: Row, day: int) -> None:
        security = self._key(event["security"])
        price = parse_micros(event["cash_per_share"])
        for account, lots in enumerate(self.lots):
            picks = actions.closing_picks(lots, security)
            cents = notional_cents(sum(quantity for _, quantity in picks), price)
            lost = self._close(account, picks, cents, day, event["seq"], kind="cash_merger")
            self.losses = self.losses.joined(lost)

    def _split(self, event: Row, day: int) -> None:
        ratio, security = Fraction(event["ratio"]), self._key(event["security"])
        numbers = (ratio.numerator, ratio.denominator)
        self.lots = [actions.split(lots, security, *numbers) for lots in self.lots]
        self.losses = wash.scale_losses(self.losses, security, *numbers)
        for order, lost in self.held_back.items():
            self.held_back[order] = wash.scale_losses(lost, security, *numbers)
        self.scale.setdefault(security, []).append((day, ratio))

    def _symbol_change(self, event: Row, day: int) -> None:
        key = self._key(event["security"])
        self.names[key] = event["new_security"]
        self.keys[event["new_security"]] = key

    def _spinoff(self, event: Row, day: int) -> None:
        parent, child = self._key(event["security"]), self._key(event["new_security"])
        ratio = Fraction(event["ratio"])
        values = _values(event, ratio)
        for account, lots in enumerate(self.lots):
            first = self.next_lot
            self.lots[account], self.next_lot = actions.spin_off(
                lots, parent, child, ratio.numerator, ratio.denominator, *values, first
            )
            parents = lots.lot[lots.security == parent].tolist()
            for offset, number in enumerate(parents):
                name = f"{self.lot_names[number]}/{event['new_security']}"
                self.lot_names[first + offset] = name

    def _number(self, name: str) -> int:
        number, self.next_lot = self.next_lot, self.next_lot + 1
        self.lot_names[number] = name
        return number

    def _picks(self, event: Row, account: int, security: int) -> Picks:
        lots, quantity = self.lots[account], parse_micros(event["qty"])
        if "picks" not in event:
            return self.method(lots, security, quantity)
        picks: Picks = []
        for pick in event["picks"]:
            named = [n for n, name in self.lot_names.items() if name == pick["lot"]]
            rows = np.flatnonzero((lots.security == security) & np.isin(lots.lot, named))
            if not len(rows):
                raise LotError("lots.unknown", f"There is no open lot {pick['lot']}.")
            asked = parse_micros(pick["qty"])
            picks += take_in_order(lots, fifo_order(lots, rows), asked, f"lot {pick['lot']}")
        return picks

    def _close(
        self,
        account: int,
        picks: Picks,
        cents: int,
        day: int,
        seq: int,
        *,
        kind: str = "",
        tested: bool = True,
    ) -> wash.Losses:
        slices, self.lots[account] = relieve(self.lots[account], picks, cents, day)
        source = np.arange(len(self.closed), len(self.closed) + len(slices))
        for row in range(len(slices)):
            self.closed.append(self._row(account, slices, row, kind))
        if tested and self._taxed(account):
            group = self._groups(slices.security, account)
            return wash.losses_of(slices, account, source, group, seq)
        return wash.Losses.empty()

    def _row(self, account: int, slices: Slices, row: int, kind: str) -> Closed:
        return Closed(
            account=account,
            security=self.names[int(slices.security[row])],
            lot=self.lot_names[int(slices.lot[row])],
            lots=slices,
            row=row,
            quantity=Fraction(int(slices.quantity_micros[row]), 10**6),
            proceeds=int(slices.proceeds_cents[row]),
            basis=int(slices.basis_cents[row]),
            kind=kind,
        )

    def _taxed(self, account: int) -> bool:
        return self.accounts[account]["type"] == "taxable"

    def _groups(self, security: Iterable[int], account: int) -> np.ndarray:
        """Group codes that differ where law or view keep things apart (W16, W18)."""
        if self.policy.get("view") == "broker":
            codes = [(account + 1) * 10**6 + int(key) for key in security]
        else:
            homes = sorted({a["household"] for a in self.accounts})
            home = homes.index(self.accounts[account]["household"])
            codes = [(home + 1) * 10**6 + self.group[int(key)] for key in security]
        return np.array(codes, dtype=np.int64)

    def _match(self, day: int) -> None:
        off = self.policy.get("wash_sales") == "off" or self.policy.get("jurisdiction") == "PA"
        if off or not len(self.losses):
            return
        matches = wash.match(
            self.losses,
            self._replacements(day),
            earlier_acquired=self.policy.get("earlier_acquired") != "ignored",
        )
        for index in range(len(matches)):
            self._record(matches, index)
        self.losses = wash.unmatched(self.losses, matches)
        for account in range(len(self.accounts)):
            own = matches.take(matches.account == account)
            self._name_parts(account, own)

    def _replacements(self, day: int) -> wash.Replacements:
        tables = [
            wash.replacements_of(
                lots,
                account,
                self._groups(lots.security, account),
                day,
                permanent=not self._taxed(account),
            )
            for account, lots in enumerate(self.lots)
        ]
        found = tables[0]
        for table in tables[1:]:
            found = found.joined(table)
        return found

    def _name_parts(self, account: int, own: wash.Matches) -> None:
        """Adjust the replacement lots; their parts answer to the name of the lot (W23)."""
        left = dict(
            zip(self.lots[account].lot.tolist(), self.lots[account].quantity_micros, strict=True)
        )
        first = self.next_lot
        self.lots[account], self.next_lot = wash.apply_matches(
            self.lots[account], own, account, first
        )
        for number, quantity in zip(own.lot.tolist(), own.quantity_micros, strict=True):
            left[number] -= quantity
            if left[number]:
                self.lot_names[first] = self.lot_names[number]
                first += 1

    def _record(self, matches: wash.Matches, index: int) -> None:
        """Cut the matched part off its closed row."""
        sold = self.closed[int(matches.source[index])]
        micros = Fraction(int(matches.quantity_micros[index]), 10**6)
        # W19: the row stays in shares of the day of sale.
        quantity = micros / self._scale_since(sold)
        disallowed = int(matches.disallowed_cents[index])
        share = quantity / sold.quantity
        proceeds = sold.proceeds
        if share != 1:
            proceeds = round_half_up(proceeds * share.numerator, share.denominator)
        basis = proceeds + disallowed
        part = _closed_row(self, sold, quantity, proceeds, basis, disallowed)
        part["replaced_by"] = [
            {"lot": self.lot_names[int(matches.lot[index])], "qty": micros, "_cut": True}
        ]
        if matches.permanent[index]:
            part["permanently_disallowed"] = disallowed
        sold.parts.append(part)
        sold.quantity -= quantity
        sold.proceeds -= proceeds
        sold.basis -= basis

    def _scale_since(self, sold: Closed) -> Fraction:
        """Shares of today for one share of the day of sale; a split opens its day (C11)."""
        scale = Fraction(1)
        key = int(sold.lots.security[sold.row])
        for day, ratio in self.scale.get(key, []):
            if day > int(sold.lots.sold_day[sold.row]):
                scale *= ratio
        return scale

    def answer(self) -> Row:
        """closed, open and totals, amounts in cents and quantities as fractions."""
        closed = []
        for sold in self.closed:
            closed += sold.parts
            if sold.quantity:
                closed.append(_closed_row(self, sold, sold.quantity, sold.proceeds, sold.basis, 0))
        rows = self.open_rows()
        return {"closed": closed, "open": rows, "totals": self._totals(closed, rows)}

    def open_rows(self) -> list[Row]:
        """Every open lot."""
        rows = []
        for account, lots in enumerate(self.lots):
            for i in range(len(lots)):
                rows.append(
                    {
                        "account": self.accounts[account]["id"],
                        "security": self.names[int(lots.security[i])],
                        "lot": self.lot_names[int(lots.lot[i])],
                        "qty": Fraction(int(lots.quantity_micros[i]), 10**6),
                        "acquired": _iso(lots.acquired_day[i]),
                        "holding_date": _iso(lots.holding_day[i]),
                        "basis": int(lots.basis_cents[i]),
                    }
                )
        return rows

    def _totals(self, closed: list[Row], rows: list[Row]) -> Row:
        names = ("proceeds", "basis", "disallowed", "permanently_disallowed", "gain")
        totals = {name: sum(row.get(name, 0) for row in closed) for name in names}
        taxed = {a["id"] for a in self.accounts if a["type"] == "taxable"}
        totals["reportable_gain"] = sum(r["gain"] for r in closed if r["account"] in taxed)
        totals["open_basis"] = sum(row["basis"] for row in rows)
        totals["deferred_in_open"] = sum(int(lots.wash_cents.sum()) for lots in self.lots)
        return totals


def _closed_row(
    ledger: Ledger, sold: Closed, quantity: Fraction, proceeds: int, basis: int, disallowed: int
) -> Row:
    slices, i = sold.lots, sold.row
    row = {
        "account": ledger.accounts[sold.account]["id"],
        "security": sold.security,
        "lot": sold.lot,
        "qty": quantity,
        "acquired": _iso(slices.acquired_day[i]),
        "holding_date": _iso(slices.holding_day[i]),
        "sold": _iso(slices.sold_day[i]),
        "proceeds": proceeds,
        "basis": basis,
        "disallowed": disallowed,
        "gain": proceeds - basis + disallowed,
        "term": "LT" if is_long_term(int(slices.holding_day[i]), int(slices.sold_day[i])) else "ST",
    }
    if disallowed:
        row["code"] = "W"
    if sold.kind:
        row["kind"] = sold.kind
    return row


def _values(event: Row, ratio: Fraction) -> tuple[int, int]:
    """Parent and child value in proportion to what the event gives: prices or a fraction."""
    if "spin_basis_fraction" in event:
        share = Fraction(event["spin_basis_fraction"])
        parent = (share.denominator - share.numerator) * ratio.numerator
        return parent, share.numerator * ratio.denominator
    return parse_micros(event["parent_fmv"]), parse_micros(event["spin_fmv"])


def _last_of_order(events: list[Row]) -> dict[int, int]:
    """For every sale the last sale of its order: matching waits for it (W13)."""
    last: dict[object, int] = {}
    sells = [e for e in events if e["type"] == "sell"]
    keys = {e["seq"]: (e["date"], e["account"], e.get("order", e["seq"])) for e in sells}
    for event in sells:
        key = keys[event["seq"]]
        last[key] = max(last.get(key, 0), event["seq"])
    return {seq: last[key] for seq, key in keys.items()}


def _check_scope(case: Row, policy: Row) -> None:
    for event in case["events"]:
        if event["type"] in NEXT_ISSUE:
            raise OutOfScope(NEXT_ISSUE[event["type"]])
        if "select" in event:
            raise OutOfScope("selection by criteria (L10)")
    if case["method"] not in METHODS:
        raise OutOfScope(f"method {case['method']} (L4, L8)")
    for key, value in policy.items():
        if value not in POLICIES[key]:
            raise OutOfScope(f"policy {key}={value} (P)")


def _iso(day: int) -> str:
    return date.fromordinal(int(day)).isoformat()
