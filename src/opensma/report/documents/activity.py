"""What happened in the period, in words: trades with reasons, income, flows, gains, fees."""

from __future__ import annotations

from typing import Any

from opensma.book.journal import ARRIVALS, DEPARTURES, SALES, Booked, Entry, Kind
from opensma.measure.bridge import Sold
from opensma.report.activity import kind_label
from opensma.report.documents.facts import Facts, price
from opensma.report.reasons import TradeFacts, clause
from opensma.report.words import day_words, listed, money, signed_money
from opensma.units import shares

_TERMS = ("short", "long")


def activity_data(facts: Facts) -> dict[str, Any]:
    """Tables of the period's entries, oldest first."""
    entries = facts.bridge.entries
    return {
        "trades": _trades(facts),
        "dividends": _dividends(facts),
        "flows": [row for b in entries if (row := _flow(facts, b.entry))],
        "other": [row for b in entries if (row := _other(facts, b))],
        "totals": _totals(facts),
    }


def _totals(facts: Facts) -> dict[str, str]:
    sums, sold = facts.bridge.sums, facts.bridge.sold
    bought = sum(
        sum(b.entry.body["cost"]) for b in facts.bridge.entries if b.entry.kind is Kind.BUY
    )
    return {
        "bought": money(bought),
        "sold": money(sum(one.proceeds_cents for one in sold)),
        "gain": signed_money(sum(one.gain_cents for one in sold)),
        "dividends": money(sums.dividends),
        "flows": signed_money(facts.bridge.flows_cents),
    }


def _trades(facts: Facts) -> list[list[str]]:
    """Every purchase and sale in the order of days, with the reason on record."""
    found: list[tuple[int, list[str]]] = []
    for booked in facts.bridge.entries:
        entry = booked.entry
        if entry.kind is not Kind.BUY:
            continue
        body = entry.body
        columns = (body[name] for name in ("security", "quantity", "price", "cost", "ref"))
        for key, micros, at, cost, reference in zip(*columns, strict=True):
            why = _why(facts, entry, reference, None)
            amounts = (key, micros, at, -cost)
            found.append((entry.trade_day, _trade(facts, entry, "Bought", amounts, "", why)))
    for one in facts.bridge.sold:
        body = one.entry.body
        action = "Sold" if one.entry.kind is Kind.SELL else f"{kind_label(one.entry.kind)}:"
        gain = f"{signed_money(one.gain_cents)} {'long' if one.long_term else 'short'}"
        amounts = (one.security, one.quantity_micros, body["price"][one.row], one.proceeds_cents)
        why = _why(facts, one.entry, body["ref"][one.row], one)
        found.append((one.entry.trade_day, _trade(facts, one.entry, action, amounts, gain, why)))
    return [row for _, row in sorted(found, key=lambda item: item[0])]


def _trade(
    facts: Facts,
    entry: Entry,
    action: str,
    amounts: tuple[int, int, int, int],
    gain: str,
    why: str,
) -> list[str]:
    key, micros, at, cents = amounts
    symbol = facts.desk.securities[key].symbol
    what = f"{action} {shares(micros)} {symbol} at {price(at)}"
    return [day_words(entry.trade_day), what, signed_money(cents), gain, why]


def _why(facts: Facts, entry: Entry, reference: str, sold: Sold | None) -> str:
    """The reason on record; where there is none, the statement says where the trade came from."""
    trade = facts.trades.get(reference)
    if trade is None:
        if sold is not None and sold.entry.kind is not Kind.SELL:
            return "Corporate action"
        harvest = sold is not None and entry.body["harvest"][sold.row]
        return "To realise a loss" if harvest else f"No reason on record; booked as {reference}"
    return clause(
        TradeFacts(
            reason=trade.reason,
            symbol=facts.desk.securities[trade.security_key].symbol,
            day=entry.trade_day,
            quantity_micros=trade.quantity_micros,
            notional_cents=trade.notional_cents,
            risk_cents=trade.risk_cents,
            tax_cents=trade.tax_cents,
            cost_cents=trade.cost_cents,
            acquired_day=None if sold is None else sold.acquired_day,
            basis_cents=None if sold is None else sold.basis_cents,
            long_term=None if sold is None else sold.long_term,
            taxed=facts.account.taxed,
        )
    )


def _dividends(facts: Facts) -> list[list[str]]:
    """One row for each day: what every security paid, and the sum."""
    days: dict[int, list[tuple[str, str, int]]] = {}
    for booked in facts.bridge.entries:
        if booked.entry.kind is not Kind.DIVIDEND:
            continue
        body = booked.entry.body
        columns = (body[name] for name in ("security", "quantity", "rate", "cents"))
        for key, micros, rate, cents in zip(*columns, strict=True):
            each = f"{shares(micros)} at {price(rate)}"
            symbol = facts.desk.securities[key].symbol
            days.setdefault(booked.entry.trade_day, []).append((symbol, each, cents))
    return [
        [
            day_words(day),
            "; ".join(f"{name} {money(cents)} ({each})" for name, each, cents in sorted(paid)),
            money(sum(cents for *_, cents in paid)),
        ]
        for day, paid in sorted(days.items())
    ]


def _flow(facts: Facts, entry: Entry) -> list[str] | None:
    if entry.kind not in (ARRIVALS | DEPARTURES | {Kind.DEPOSIT, Kind.WITHDRAWAL}):
        return None
    body, when = entry.body, day_words(entry.trade_day)
    if "cents" in body:
        cents = int(body["cents"])
        amount = cents if entry.kind is Kind.DEPOSIT else -cents
        return [when, kind_label(entry.kind), "cash", signed_money(amount)]
    symbols = sorted({facts.desk.securities[key].symbol for key in body["security"]})
    return [when, kind_label(entry.kind), listed(symbols, 6), "at the close of the day"]


def _other(facts: Facts, booked: Booked) -> list[str] | None:
    """Corporate actions, wash sales and instructions, one line each."""
    entry = booked.entry
    shown = SALES | ARRIVALS | DEPARTURES
    if entry.kind in shown | {Kind.BUY, Kind.DIVIDEND, Kind.DEPOSIT, Kind.WITHDRAWAL}:
        return None
    body, when, label = entry.body, day_words(entry.trade_day), kind_label(entry.kind)
    if entry.kind is Kind.FEE:
        return [when, label, f"{signed_money(-int(body['cents']))}, invoice {body['invoice']}"]
    if entry.kind in (Kind.WASH_ADJUSTMENT, Kind.LOSS_DISALLOWED):
        return [when, label, money(sum(body["cents"]))]
    held = body.get("security", [])
    keys = list(held) if isinstance(held, list) else [held]
    keys += [body[name] for name in ("parent", "child", "new_security") if name in body]
    symbols = [facts.desk.securities[key].symbol for key in dict.fromkeys(keys)]
    ratio = ""
    if "numerator" in body and entry.kind is Kind.SPLIT:
        ratio = f", {body['numerator']} for {body['denominator']}"
    return [when, label, f"{listed(symbols, 6)}{ratio}"]


# --- gains and fees ------------------------------------------------------------------------------


def realised(facts: Facts) -> dict[str, Any]:
    """Gains by term of the period, and the year so far with wash sales taken off (W1)."""
    year = facts.desk.period.end.year
    so_far = facts.bridge.after.year(year)
    rows = []
    for term in _TERMS:
        some = [
            one.gain_cents
            for one in facts.bridge.sold
            if one.taxed and one.long_term == (term == "long")
        ]
        gains, losses = sum(g for g in some if g > 0), sum(g for g in some if g < 0)
        taken_back = so_far[f"disallowed_{term}_cents"]
        net = so_far[f"{term}_gain_cents"] - so_far[f"{term}_loss_cents"] + taken_back
        rows.append(
            [
                f"{term.capitalize()}-term",
                money(gains),
                money(losses),
                signed_money(gains + losses),
                money(taken_back),
                signed_money(net),
            ]
        )
    harvested = so_far["harvested_short_cents"] + so_far["harvested_long_cents"]
    return {"rows": rows, "year": str(year), "harvested": money(harvested)}


def fees(facts: Facts) -> dict[str, Any]:
    """Invoice lines of the period with their formula, and what trading cost."""
    lines = facts.desk.invoices.get(facts.account.account_id, [])
    rows = [
        [
            f"{day_words(row.service_start)} to {day_words(row.service_end)}",
            f"{row.kind} {row.invoice_id}",
            line.sentence,
            money(line.amount_cents),
        ]
        for row, line in lines
    ]
    return {
        "rows": rows,
        "total": money(sum(line.amount_cents for _, line in lines)),
        "taken": money(facts.bridge.sums.management_fees),
        "trading": money(facts.bridge.sums.trading_costs),
    }
