"""From what the book recorded about a trade to the facts that a sentence is made of.

The one place where the portal and `sma` turn a trade's view into words.
"""

from __future__ import annotations

from opensma.book.tradeviews import NonTradeView, TradeView
from opensma.book.views import Decision
from opensma.construct.plan import Reason
from opensma.report.reasons import NonTradeFacts, TradeFacts, sentence

_PARTNER = {
    Reason.HARVEST_LOSS: Reason.HARVEST_REPLACEMENT,
    Reason.HARVEST_REPLACEMENT: Reason.HARVEST_LOSS,
}


def why_traded(trade: TradeView, decision: Decision) -> str:
    """The reason of one trade as one sentence."""
    return sentence(trade_facts(trade, decision))


def why_not_traded(left: NonTradeView, decision: Decision) -> str:
    """The reason of one notable non-trade as one sentence."""
    until = None if left.wash_until is None else left.wash_until.toordinal()
    partly = any(trade.security_key == left.security_key for trade in decision.trades)
    return sentence(NonTradeFacts(left.reason, left.symbol, left.worth_cents, until, partly))


def trade_facts(trade: TradeView, decision: Decision) -> TradeFacts:
    """A trade's facts; partners are the other side of the plan's harvests, largest first."""
    lot = trade.lot
    signed = -trade.quantity_micros if trade.side == "sell" else trade.quantity_micros
    return TradeFacts(
        reason=trade.reason,
        symbol=trade.symbol,
        day=trade.day.toordinal(),
        quantity_micros=signed,
        notional_cents=trade.notional_cents,
        risk_cents=trade.risk_cents,
        tax_cents=trade.tax_cents,
        cost_cents=trade.cost_cents,
        acquired_day=lot.acquired.toordinal() if lot else None,
        basis_cents=lot.basis_cents if lot else None,
        long_term=lot.long_term if lot else None,
        taxed=lot.taxed if lot else True,
        partners=_partners(trade, decision),
        te_before=decision.plan.te_before if decision.plan else None,
        te_after=decision.plan.te_after if decision.plan else None,
    )


def _partners(trade: TradeView, decision: Decision) -> tuple[str, ...]:
    wanted = next((other for one, other in _PARTNER.items() if one == trade.reason), None)
    worth: dict[str, int] = {}
    for other in decision.trades:
        if wanted is not None and other.reason == wanted:
            worth[other.symbol] = worth.get(other.symbol, 0) + other.notional_cents
    return tuple(sorted(worth, key=lambda symbol: (-worth[symbol], symbol)))
