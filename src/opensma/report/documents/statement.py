"""What a statement says: an account over a period, as finished words for the template.

Every figure comes from the journal folded to the period's last day and the closes of that day. A
statement that lacks one of its items, or whose value does not add up to the cent, does not issue
(P37).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

from opensma.book.lotviews import LotRow, PositionRow
from opensma.book.master import CASH_RESERVE, Restriction
from opensma.measure.bridge import Bridge
from opensma.report.documents import activity, returns
from opensma.report.documents.columns import Columns
from opensma.report.documents.desk import Desk, last_session
from opensma.report.documents.facts import Facts, price, read_facts, refused, weight
from opensma.report.words import counted, day_words, listed, money, percent, signed_money
from opensma.units import shares

# Columns of the holdings are never narrower: room for the heads and the sums.
_WIDEST = ("100,000", "$10,000,000.00", "$10,000,000.00", "+$1,000,000.00", "100.00%")
_LONGEST_NAME = 42  # letters in the holdings' first column


def statement_data(desk: Desk, account_id: str) -> dict[str, Any]:
    """Everything on the statement; InputError statement.item_missing names what is not there."""
    facts = read_facts(desk, account_id)
    _must_be_complete(facts)
    period, made = desk.period, facts.bridge
    return {
        "title": f"Statement of {account_id}, {_period_words(desk)}",
        "account": desk.person(facts.account),
        "period": {
            "name": period.name,
            "words": _period_words(desk),
            "end": day_words(facts.end_day),
            "document": "Quarterly statement" if period.frequency.per_year == 4 else "Statement",
        },
        "value": _value(made, facts),
        "summary": _summary(facts),
        "returns": returns.returns_data(facts),
        "chart": returns.chart_data(facts),
        "sectors": _sectors(facts),
        "holdings": _holdings(facts),
        "realised": activity.realised(facts),
        "activity": activity.activity_data(facts),
        "fees": activity.fees(facts),
        "restrictions": [_restriction(r) for r in desk.restrictions.get(account_id, [])],
        "checks": _checks(facts),
        "taxed": facts.account.taxed,
    }


def _must_be_complete(facts: Facts) -> None:
    """P37: value at start and end, holder and custodian, every holding priced, sums that agree."""
    account_id, made = facts.account.account_id, facts.bridge
    unpriced = sorted({lot.symbol for lot in facts.lots if lot.price_micros <= 0})
    missing = {
        "the custodian's name": not facts.account.custodian.strip(),
        "the owner's name": not facts.desk.owners[facts.account.owner_id].name.strip(),
        f"a price of {listed(unpriced)} on {day_words(facts.end_day)}": bool(unpriced),
    }
    if account_id in facts.desk.owing and account_id not in facts.desk.invoices:
        missing[f"the invoice of agreement '{facts.desk.owing[account_id]}'"] = True
    lacking = [name for name, gone in missing.items() if gone]
    if lacking:
        raise refused(
            "statement.item_missing",
            account_id,
            f"The statement lacks {listed(lacking)}, so it is not issued.",
            "Put the missing fact on record and run the statement again.",
        )
    if made.lots_market_cents is not None and not made.checked:
        raise refused(
            "statement.unbalanced",
            account_id,
            f"The market result by values is {money(made.market_cents)}, by tax lots "
            f"{money(made.lots_market_cents)}: the statement is not issued.",
            "sma book verify finds what is wrong in the book.",
        )


def _period_words(desk: Desk) -> str:
    return f"{day_words(desk.period.start.toordinal())} to {day_words(desk.period.end.toordinal())}"


def _value(made: Bridge, facts: Facts) -> list[list[str]]:
    """Page one: start + flows + market + income - fees = end, to the cent (P37)."""
    sums, period = made.sums, facts.desk.period
    before = day_words(last_session(period.start - timedelta(days=1)).toordinal())
    rows = [
        ("start", f"Value at the close of {before}", money(made.start_cents)),
        ("item", "Contributions", signed_money(sums.contributed)),
        ("item", "Withdrawals", signed_money(-sums.withdrawn)),
    ]
    if sums.received or sums.delivered:
        rows += [
            ("item", "Securities received in kind", signed_money(sums.received)),
            ("item", "Securities delivered in kind", signed_money(-sums.delivered)),
        ]
    rows += [
        ("item", "Market: change of prices before costs", signed_money(made.market_cents)),
        ("item", "Income: dividends", signed_money(sums.dividends)),
    ]
    if sums.capital_returned:
        rows.append(("item", "Income: capital returned", signed_money(sums.capital_returned)))
    rows += [
        ("item", "Trading costs", signed_money(-sums.trading_costs)),
        ("item", "Management fees taken from the account", signed_money(-sums.management_fees)),
        ("end", f"Value at the close of {day_words(facts.end_day)}", money(made.end_cents)),
    ]
    return [list(row) for row in rows]


def _summary(facts: Facts) -> list[list[str]]:
    """Figures beside the value: what the account holds on the last day."""
    made = facts.bridge
    gain = sum(lot.gain_cents for lot in facts.lots)
    return [
        ["Value", money(made.end_cents), f"{money(made.after.cash_cents)} of it cash"],
        [
            "Change of the period",
            signed_money(made.end_cents - made.start_cents),
            f"{signed_money(made.flows_cents)} of it flows",
        ],
        [
            "Unrealised",
            signed_money(gain),
            f"{counted(len(facts.positions), 'position')}, {counted(len(facts.lots), 'lot')}",
        ],
    ]


def _sectors(facts: Facts) -> list[list[str]]:
    """Value and weight of each sector, and cash; weights are of the account's value."""
    end = facts.bridge.end_cents
    values: dict[str, int] = {}
    for row in facts.positions:
        values[row.sector] = values.get(row.sector, 0) + row.value_cents
    rows = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    rows.append(("Cash", facts.bridge.after.cash_cents))
    return [[name, money(cents), weight(cents, end)] for name, cents in rows]


def _holdings(facts: Facts) -> dict[str, Any]:
    """Positions by value, each with its lots oldest first."""
    end, by_key = facts.bridge.end_cents, _by(facts.lots, lambda lot: lot.security_key)
    figures = {lot: _lot_figures(lot, end) for lot in facts.lots}
    heads = {row.security_key: _position_figures(row, end) for row in facts.positions}
    columns = Columns([_WIDEST, *figures.values(), *heads.values()])
    positions = []
    for row in facts.positions:
        lots = sorted(by_key[row.security_key], key=lambda x: (x.acquired, x.lot))
        positions.append(
            {
                "symbol": row.symbol,
                "name": f" {_short(row.name)}",
                "price": f"\nat {price(row.price_micros)}, {_when(lots)}",
                "cells": heads[row.security_key],
                "lots": [
                    cell
                    for lot in lots
                    for cell in (f"\u2003{_acquired(lot)}", columns.line(figures[lot]))
                ]
                if len(lots) > 1
                else [],
            }
        )
    basis = sum(lot.basis_cents for lot in facts.lots)
    gain = sum(lot.gain_cents for lot in facts.lots)
    held = sum(lot.value_cents for lot in facts.lots)
    cash = facts.bridge.after.cash_cents
    return {
        "positions": positions,
        "widths": [micros / 1_000_000 for micros in columns.widths_micros()],
        "cash": [money(cash), weight(cash, end)],
        "securities": [money(held), money(basis), signed_money(gain), weight(held, end)],
        "total": [money(end), weight(end, end)],
        "washed": any(lot.wash_cents for lot in facts.lots),
    }


def _short(name: str) -> str:
    """A security's name in one line; the symbol stands before it."""
    name = name.removesuffix(" Common Stock")
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1].rstrip()}\u2026"


def _when(lots: Sequence[LotRow]) -> str:
    """The only lot's day and term, or how many lots follow."""
    return f"{len(lots)} lots" if len(lots) > 1 else f"acquired {_acquired(lots[0])}"


def _acquired(lot: LotRow) -> str:
    mark = ", w" if lot.wash_cents else ""  # its basis holds a deferred loss
    term = "long" if lot.long_term else "short"
    return f"{day_words(lot.acquired.toordinal())}, {term}{mark}"


def _position_figures(row: PositionRow, end_cents: int) -> list[str]:
    return [
        shares(row.quantity_micros),
        money(row.value_cents),
        money(row.basis_cents),
        signed_money(row.gain_cents),
        weight(row.value_cents, end_cents),
    ]


def _lot_figures(lot: LotRow, end_cents: int) -> list[str]:
    return [
        shares(lot.quantity_micros),
        money(lot.value_cents),
        money(lot.basis_cents),
        signed_money(lot.gain_cents),
        weight(lot.value_cents, end_cents),
    ]


def _by(rows: Sequence[LotRow], key: Callable[[LotRow], int]) -> dict[int, list[LotRow]]:
    found: dict[int, list[LotRow]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


_KINDS = {
    "exclude": "hold none of",
    "no_buy": "buy no more of",
    "no_sell": "sell none of",
    "max_weight": "hold at most {share} in",
    "sector_max": "hold at most {share} in sector",
    "cash_reserve": "keep {share} more in cash, to be paid out,",
    "sector_min": "hold at least {share} in sector",
}


def _restriction(wish: Restriction) -> str:
    share = percent((wish.value_bps or 0) / 10_000)
    what = _KINDS.get(wish.kind, wish.kind).format(share=share)
    scope = "" if wish.scope in ("security", "sector") else f"{wish.scope} "
    scope = f"in {scope}" if wish.kind == CASH_RESERVE else scope
    since = day_words(date.fromisoformat(wish.valid_from).toordinal())
    reason = f" ({wish.reason})" if wish.reason else ""
    return f"Since {since}: {what} {scope}{wish.scope_key}{reason}"


def _checks(facts: Facts) -> list[str]:
    """What the figures were compared with (P40)."""
    made, day = facts.bridge, day_words(facts.end_day)
    if made.lots_market_cents is None:
        first = (
            "A late or corrected fact was booked in this period, so the market result was not "
            "compared with the tax lots."
        )
    else:
        first = (
            "The market result was computed twice, from values and from tax lots: both agree "
            "to the cent."
        )
    series = facts.series
    kept = dict(zip(series.days.tolist(), series.value_cents.tolist(), strict=True))
    measured = kept.get(facts.end_day)
    if measured is None:
        second = f"No value was measured on {day}."
    elif measured == made.end_cents:
        second = f"The value measured on {day} is the same to the cent."
    else:
        second = (
            f"The value measured on {day} was {money(measured)}; facts booked since make the "
            f"difference of {signed_money(made.end_cents - measured)}."
        )
    custodian = (
        f"Reconciliation with {facts.account.custodian}: no file of this period is on record, "
        "so nothing was matched."
    )
    return [first, second, custodian]
