"""What approving an owner's request changes in the book, part by part, once.

Ids come from the request, so that approving it again after a break changes nothing twice.
"""

from __future__ import annotations

import math
from datetime import date

from opensma.book.actiondesk import post
from opensma.book.actionfile import FileAction, parse_actions
from opensma.book.master import CASH_RESERVE, Restriction, add_records, set_risk, some_records
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.trade.standing import ReadyDay
from opensma.trade.what_if import Change, scope_named
from opensma.units import CENTS, dollars

_WHOLE_BPS = 10_000


def apply_request(
    book: Book,
    ready: ReadyDay,
    account_id: str,
    request_id: str,
    change: Change,
    by: str,
    day: date,
    recorded_at: str,
    value: float,
) -> list[str]:
    """Write the parts of a change; returns a sentence for each. InputError for an unknown name.

    Cash to raise becomes a reserve: from the next plan on that part of the account's `value`
    (dollars) is kept in cash, until it was paid out and somebody ends the reserve.
    """
    wishes = [_exclusion(ready, account_id, request_id, name, day) for name in change.exclude]
    if change.raise_cents:
        wishes.append(_reserve(account_id, request_id, change.raise_cents, value, day))
    budget = _budget(account_id, request_id, change, by, day)
    with book.write() as connection:
        named = [wish.restriction_id for wish in wishes]
        there = some_records(connection, Restriction, "restriction_id", named)
        known = {wish.restriction_id for wish in there}
        add_records(connection, [w for w in wishes if w.restriction_id not in known])
        set_risk(connection, account_id, change.te_cap_bps, change.risk_aversion_micros)
    if budget is not None:
        outcome = post(book, [budget], recorded_at)
        if outcome.findings:
            first = outcome.findings[0]
            raise InputError(first.code, first.what, where="gain budget", remedy=first.remedy)
    return _sentences(change, wishes)


def _exclusion(
    ready: ReadyDay, account_id: str, request_id: str, name: str, day: date
) -> Restriction:
    scope, key = scope_named(ready, name)
    return Restriction(
        f"{request_id}/{scope}/{key}", account_id, "exclude", scope, key, None,
        day.isoformat(), None, "Owner's request",
    )  # fmt: skip


def _reserve(account_id: str, request_id: str, cents: int, value: float, day: date) -> Restriction:
    """The share of the account that is worth the amount today, rounded up to a basis point."""
    share = math.ceil(cents / CENTS / value * _WHOLE_BPS - 1e-9) if value > 0 else _WHOLE_BPS + 1
    if share > _WHOLE_BPS:
        raise InputError(
            "request.cash", f"${dollars(cents)} are more than the account is worth.",
            where="cash to raise", remedy="Ask for less, or close the account.",
        )  # fmt: skip
    return Restriction(
        f"{request_id}/cash", account_id, CASH_RESERVE, "account", account_id, share,
        day.isoformat(), None, f"Owner's request: ${dollars(cents)} to be paid out",
    )  # fmt: skip


def _budget(
    account_id: str, request_id: str, change: Change, by: str, day: date
) -> FileAction | None:
    long, short = change.gain_budget_cents, change.short_gain_budget_cents
    if long is None and short is None:
        return None
    if long is not None and short is None:
        short = 0  # as the what-if: no net short-term gain unless one is named
    written = ["none" if c is None else f"{c // 100}.{c % 100:02d}" for c in (short, long)]
    text = (
        "action,kind,date,account,short_gain,long_gain,by\n"
        f"{request_id}-budget,gain_budget,{day.isoformat()},{account_id},{written[0]},"
        f"{written[1]},{by}\n"
    )
    found = parse_actions(text)
    if found.findings:
        first = found.findings[0]
        raise InputError(first.code, first.what, where="gain budget", remedy=first.remedy)
    return found.actions[0]


def _sentences(change: Change, wishes: list[Restriction]) -> list[str]:
    named = [w for w in wishes if w.kind == "exclude"]
    found = [f"The {w.scope} {w.scope_key} is excluded from today on." for w in named]
    if change.te_cap_bps is not None:
        found.append(f"Tracking error is capped at {change.te_cap_bps / 100:g}%.")
    if change.risk_aversion_micros is not None:
        found.append(f"Risk has the price {change.risk_aversion_micros / 1e6:g}, without a cap.")
    for cents, term in (
        (change.gain_budget_cents, "long-term"),
        (change.short_gain_budget_cents, "short-term"),
    ):
        if cents is not None:
            found.append(f"Net {term} gains of a year are limited to ${dollars(cents)}.")
    if change.raise_cents:
        found.append(
            f"The next plan raises ${dollars(change.raise_cents)} and keeps them in cash until "
            "they were paid out."
        )
    return found
