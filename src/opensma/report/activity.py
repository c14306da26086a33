"""A journal entry as one line for a reader."""

from __future__ import annotations

from opensma.book.views import ActivityRow
from opensma.report.words import counted, day_words, listed, money

_NAMES = {
    "deposit": "Deposit",
    "withdrawal": "Withdrawal",
    "fee": "Management fee",
    "buy": "Purchase",
    "sell": "Sale",
    "cash_in_lieu": "Cash for a fraction",
    "cash_merger": "Take-over for cash",
    "worthless": "Became worthless",
    "dividend": "Dividend",
    "split": "Split",
    "spin_off": "Spin-off",
    "stock_merger": "Merger into other shares",
    "exchange": "Exchange of a part",
    "return_of_capital": "Capital returned",
    "symbol_change": "New name",
    "transfer_in": "Securities received",
    "transfer_out": "Securities delivered",
    "gift_in": "Gift received",
    "gift_out": "Gift made",
    "inheritance": "Inheritance received",
    "lot_method": "Instruction: which lots are sold",
    "lot_choice": "Instruction: lots of one order",
    "gain_budget": "Instruction: gains that may be realised in a year",
    "reversal": "Action undone",
    "cancellation": "Earlier fact taken back",
    "restatement": "Restated for a late or corrected fact",
    "wash_adjustment": "Wash sale: basis raised",
    "loss_disallowed": "Wash sale: loss deferred",
}


def kind_label(kind: str) -> str:
    """The name of a business event; an unknown one is shown as it is stored."""
    return _NAMES.get(kind, kind)


def activity_words(row: ActivityRow) -> str:
    """What happened, to which securities, and what followed."""
    names = listed(row.symbols, 4)
    if row.kind in ("deposit", "withdrawal"):
        return f"{kind_label(row.kind)} of {money(abs(row.cash_cents))}."
    if row.kind == "fee":
        name = kind_label(row.kind) + ("" if row.cash_cents < 0 else " given back")
        return f"{name}: {money(abs(row.cash_cents))}, invoice {row.source_id.split('/')[1]}."
    if row.kind == "buy":
        return f"Bought {counted(len(row.symbols), 'security', 'securities')}: {names}."
    if row.realised_cents is not None:
        return f"{_left(row, names)}; {_result(row.realised_cents)}."
    if row.kind == "dividend":
        return f"Dividends of {names}." if len(row.symbols) > 1 else f"Dividend of {names}."
    if row.kind == "wash_adjustment":
        cents = money(row.disallowed_cents or 0)
        return f"A deferred loss of {cents} was added to the basis of replacement shares."
    if row.kind == "loss_disallowed":
        cents = money(row.disallowed_cents or 0)
        return f"A wash sale deferred a loss of {cents}; it returns with the replacement shares."
    return f"{kind_label(row.kind)} of {names}." if names else f"{kind_label(row.kind)}."


def _left(row: ActivityRow, names: str) -> str:
    if row.kind == "sell":
        return f"Sold {counted(len(row.symbols), 'security', 'securities')}: {names}"
    return f"{kind_label(row.kind)}: {names}"


def _result(cents: int) -> str:
    if cents < 0:
        return f"net realised loss {money(-cents)} before wash sales"
    return f"net realised gain {money(cents)}"


def settles(row: ActivityRow) -> str:
    """When cash or shares change hands, where that is later than the trade."""
    later = row.settle_day > row.trade_day
    return f"settles {day_words(row.settle_day.isoformat())}" if later else ""
