"""The answer: closed slices, open lots, dividends and totals as plain data with text numbers."""

from __future__ import annotations

from datetime import date
from typing import Any

from opensma.tax.replay.dividends import DividendRow, dividend_rows, is_qualified
from opensma.tax.replay.exact import money_text, quantity_text
from opensma.tax.replay.lots import Closed, Lot
from opensma.tax.replay.review import findings
from opensma.tax.replay.selling import pool
from opensma.tax.replay.state import State

Row = dict[str, Any]


def answer(state: State) -> Row:
    """closed, open, totals, and dividends where there were any; stamped with the policy."""
    opened = open_rows(state)
    totals = _totals(state)
    result: Row = {"closed": [_closed(state, row) for row in state.closed], "open": opened}
    if state.dividends:
        paid = dividend_rows(state)
        result["dividends"] = [_dividend(state, row) for row in paid]
        for name, wanted in (("qualified", True), ("nonqualified", False)):
            cents = sum(row[5] for row in paid if is_qualified(row[4]) == wanted)
            totals[f"{name}_dividends"] = money_text(cents)
    if state.policy.review == "on":
        result["review"] = findings(state)
    return result | {"totals": totals, "policy": state.policy.as_dict()}


def open_rows(state: State) -> list[Row]:
    """Every open lot and, with negative quantity and basis, every open short lot."""
    if state.method == "AVERAGE":
        average_all(state)
    rows = [_open(state, lot) for lot in _open_lots(state)]
    for shorts in state.shorts.values():
        for short in shorts:
            rows.append(
                {
                    "account": state.accounts[short.account].name,
                    "security": state.names[short.security],
                    "lot": short.lot,
                    "qty": quantity_text(-short.quantity),
                    "acquired": _iso(short.opened_day),
                    "holding_date": _iso(short.opened_day),
                    "basis": money_text(-short.proceeds_cents),
                }
            )
    return rows


def average_all(state: State) -> None:
    """Give every share of a position the average basis (L8)."""
    for account, security in list(state.uneven):
        pool(state, account, security)


def _open_lots(state: State) -> list[Lot]:
    lots = [lot for lots in state.positions.values() for lot in lots]
    return sorted(lots, key=lambda lot: (lot.account, lot.security, lot.acquired_day, lot.sequence))


def _open(state: State, lot: Lot) -> Row:
    row: Row = {
        "account": state.accounts[lot.account].name,
        "security": state.names[lot.security],
        "lot": lot.lot,
        "qty": quantity_text(lot.quantity),
        "acquired": _iso(lot.acquired_day),
        "holding_date": _iso(lot.holding_day),
        "basis": money_text(lot.basis_cents),
    }
    if lot.part and state.shows_parts:
        row["part"] = lot.part
    if lot.loss_basis_cents is not None:
        row["loss_basis"] = money_text(lot.loss_basis_cents)
    return row


def _closed(state: State, sold: Closed) -> Row:
    row: Row = {
        "account": state.accounts[sold.account].name,
        "security": sold.security,
        "lot": sold.lot,
        "qty": quantity_text(sold.quantity),
        "acquired": _iso(sold.acquired_day),
        "holding_date": _iso(sold.holding_day),
        "sold": _iso(sold.sold_day),
        "proceeds": money_text(sold.proceeds_cents),
        "basis": money_text(sold.basis_cents),
        "disallowed": money_text(sold.disallowed_cents),
        "gain": money_text(sold.gain_cents),
        "term": "LT" if sold.long_term else "ST",
    }
    if sold.part and state.shows_parts:
        row["part"] = sold.part
    if sold.permanent_cents:
        row["permanently_disallowed"] = money_text(sold.permanent_cents)
    if sold.replaced_by:
        lot, quantity = sold.replaced_by
        row["code"] = "W"
        row["replaced_by"] = [{"lot": lot, "qty": quantity_text(quantity)}]
    if sold.kind:
        row["kind"] = sold.kind
    if sold.instruction:
        row["instruction"] = dict(sold.instruction)
    return row


def _dividend(state: State, paid: DividendRow) -> Row:
    dividend, account, lot, quantity, days, cents = paid
    return {
        "account": state.accounts[account].name,
        "security": dividend.security,
        "lot": lot,
        "ex_date": _iso(dividend.ex_day),
        "qty": quantity_text(quantity),
        "amount": money_text(cents),
        "days_held": days,
        "qualified": is_qualified(days),
    }


def _totals(state: State) -> Row:
    closed = state.closed
    shorts = [short for shorts in state.shorts.values() for short in shorts]
    lots = _open_lots(state)
    taxed = [row for row in closed if state.accounts[row.account].taxable]
    cents = {
        "proceeds": sum(row.proceeds_cents for row in closed),
        "basis": sum(row.basis_cents for row in closed),
        "disallowed": sum(row.disallowed_cents for row in closed),
        "permanently_disallowed": sum(row.permanent_cents for row in closed),
        "gain": sum(row.gain_cents for row in closed),
        "reportable_gain": sum(row.gain_cents for row in taxed),
        "open_basis": sum(lot.basis_cents for lot in lots)
        - sum(short.proceeds_cents for short in shorts),
        "deferred_in_open": sum(lot.wash_cents for lot in lots),
    }
    return {name: money_text(amount) for name, amount in cents.items()}


def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()
