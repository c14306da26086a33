"""Why a loss was disallowed: for every dollar the shares, days, rules and policies (I13)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

from opensma.errors import ensure
from opensma.tax.replay.exact import Quantity, money_text, quantity_text
from opensma.tax.replay.lots import Closed
from opensma.tax.replay.state import Account, State

Row = dict[str, Any]


def explanations(state: State) -> list[Row]:
    """One entry for every slice with a disallowed loss; they sum to the disallowed total."""
    return [_explanation(state, row) for row in state.closed if row.disallowed_cents]


def _explanation(state: State, row: Closed) -> Row:
    (lot, quantity), (account, security, bought_day, part) = _matched(row)
    seller, buyer = state.accounts[row.account], state.accounts[account]
    replacement: Row = {
        "account": buyer.name,
        "security": security,
        "lot": lot,
        "qty": quantity_text(quantity),
        "acquired": _iso(bought_day),
        "days_from_sale": bought_day - row.sold_day,
    }
    if part:
        replacement["part"] = part
    rules = list(_rules(state, row, seller, buyer))
    return {
        "account": seller.name,
        "security": row.security,
        "lot": row.lot,
        "qty": quantity_text(row.quantity),
        "sold": _iso(row.sold_day),
        "event": row.event,
        "disallowed": money_text(row.disallowed_cents),
        "replacement": replacement,
        "effect": _effect(row),
        "rules": rules,
        "policy": _policies(state, rules),
        "text": _text(row, replacement),
    }


def _matched(row: Closed) -> tuple[tuple[str, Quantity], tuple[int, str, int, int]]:
    found = row.replaced_by is not None and row.replacement is not None
    ensure(found, "a loss was disallowed without a replacement (I13)", row=row)
    assert row.replaced_by is not None  # as ensured; for the type checker
    assert row.replacement is not None
    return row.replaced_by, row.replacement


def _effect(row: Closed) -> Row:
    """Where the loss went: into basis and holding period of the new shares, or nowhere."""
    if row.permanent_cents:
        return {"permanently_disallowed": money_text(row.permanent_cents)}
    return {
        "basis_added": money_text(row.disallowed_cents),
        "holding_days_added": row.sold_day - row.holding_day,
    }


def _rules(state: State, row: Closed, seller: Account, buyer: Account) -> Iterator[str]:
    """The rules that decided, in the order of the book."""
    (_, quantity), (_, security, bought_day, _) = _matched(row)
    spouse = seller.owner != buyer.owner
    yield from ("W1", "W3", "W4", "W5", "W6", "W7", "W8")
    if not row.permanent_cents:
        yield from ("W9", "W10")
    if bought_day < row.acquired_day:
        yield "W12"
    yield "W13"
    if not buyer.taxable:
        yield "W14"
    if spouse:
        yield "W15"
    if seller.name != buyer.name:
        yield "W16"
    if row.security != security:
        yield "W17" if _differs(state, row.security, security) else "W20"
    yield "W18"
    if row.quantity != quantity:
        yield "W19"
    if date.fromordinal(bought_day).year != date.fromordinal(row.sold_day).year:
        yield "W22"


def _differs(state: State, one: str, other: str) -> bool:
    """Whether two names are two securities, and not one that changed its name."""
    return state.securities[one] != state.securities[other]


def _policies(state: State, rules: list[str]) -> Row:
    """The switches that had a say, with the values used."""
    policy = state.policy
    used = {"wash_sales": policy.wash_sales, "jurisdiction": policy.jurisdiction,
            "view": policy.view, "sold_together": policy.sold_together}  # fmt: skip
    if "W12" in rules:
        used["earlier_acquired"] = policy.earlier_acquired
    if "W15" in rules and "W14" not in rules:
        used["spouse_adjustment"] = policy.spouse_adjustment
    return used


def _text(row: Closed, replacement: Row) -> str:
    days = replacement["days_from_sale"]
    when = "on the day of the sale"
    if days:
        number = f"{abs(days)} day{'' if abs(days) == 1 else 's'}"
        when = f"{number} {'after' if days > 0 else 'before'} the sale"
    went = (
        "the loss is gone for good."
        if row.permanent_cents
        else f"the loss moved into the basis of those shares, with {row.sold_day - row.holding_day}"
        " days of holding period."
    )
    return (
        f"{quantity_text(row.quantity)} {row.security} of lot {row.lot} lost"
        f" {money_text(row.disallowed_cents)}; {replacement['qty']} {replacement['security']} of"
        f" lot {replacement['lot']} in account {replacement['account']}, bought"
        f" {replacement['acquired']}, {when}, replaced them: {went}"
    )


def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()
