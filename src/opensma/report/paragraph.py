"""A whole plan in one paragraph of plain words, from the plan's own figures alone.

What it does, why, what it costs, what held it back, what it left, and how good it is. A sentence
whose figures are missing is left out; nothing is guessed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from opensma.book.plans import StoredPlan
from opensma.book.tradeviews import TradeView
from opensma.book.views import Decision
from opensma.construct.plan import Reason
from opensma.report.reasons import limit_words
from opensma.report.words import counted, day_words, listed, money, percent
from opensma.trade.restriction_prices import WIDER_CAP
from opensma.units import MICROS

_SAME = 0.00005  # tracking error: what two decimals of a percentage cannot show
_AIM: dict[str, str] = {
    Reason.HARVEST_REPLACEMENT: "replacing what was harvested",
    Reason.DRIFT_TO_TARGET: "moving closer to the target",
    Reason.RISK_CAP: "coming under the cap on tracking error",
    Reason.CLIENT_EXCLUSION: "selling what the client excludes",
    Reason.POSITION_CAP: "cutting positions above their largest weight",
    Reason.SECTOR_CAP: "bringing sectors inside their limits",
    Reason.CASH_NEED: "raising cash",
    Reason.CASH_INVEST: "investing cash",
    Reason.MIN_TRADE_CLEANUP: "closing small remainders",
}
_LEFT: dict[str, str] = {
    Reason.WASH_BLOCKED: "an open wash window forbids it",
    Reason.GAIN_TOO_DEAR: "its tax outweighs the risk it would remove",
    Reason.BELOW_THRESHOLD: "it would not pay for the trade",
    Reason.TRACKING_COST_TOO_HIGH: "the loss is worth less than the risk it would add",
    Reason.RESTRICTED: "a restriction forbids it",
    Reason.GAIN_BUDGET_USED: "the gain budget is used up",
    Reason.MIN_TRADE: "it would be too small a trade",
}


@dataclass(frozen=True, slots=True)
class Side:
    """All sales or all purchases of a plan."""

    securities: int
    cents: int


def plan_paragraph(decision: Decision) -> str:
    """The plan in words; the reason where there is none."""
    plan = decision.plan
    if plan is None or decision.run is None:
        return "No plan has been made for this account yet."
    day = day_words(decision.run.day)
    if plan.status != "solved":
        why = f": {plan.message}" if plan.message else "."
        return f"On {day} no plan was found, so the account keeps its holdings{why}"
    if not decision.trades:
        found = [f"On {day} the plan trades nothing: no trade is worth its tax and costs."]
    else:
        harvests = _harvests(decision.trades)
        found = [_does(day, decision.trades), *harvests, *_aims(decision.trades, bool(harvests))]
        found += [_costs(decision.trades, plan.cost_cents), _risk(plan.te_before, plan.te_after)]
    if plan.review == "held":
        found.append("The plan is held for a person, so nothing was traded.")
    found += [*_limits(plan.binding_names), *_cap(plan), *_left(decision), *_bound(decision)]
    found += _rates(decision)
    return " ".join(found)


def _side(trades: Sequence[TradeView], side: str) -> Side:
    own = [t for t in trades if t.side == side]
    return Side(len({t.security_key for t in own}), sum(t.notional_cents for t in own))


def _does(day: str, trades: Sequence[TradeView]) -> str:
    sold, bought = _side(trades, "sell"), _side(trades, "buy")
    parts = [
        f"{verb} {money(side.cents)} of {counted(side.securities, 'security', 'securities')}"
        for verb, side in (("sells", sold), ("buys", bought))
        if side.securities
    ]
    return f"On {day} the plan {' and '.join(parts)}."


def _harvests(trades: Sequence[TradeView]) -> list[str]:
    """Losses sold on purpose, and what they are worth at the taxpayer's rates."""
    own = [t for t in trades if t.reason == Reason.HARVEST_LOSS and t.lot is not None]
    lost = sum(t.lot.basis_cents - t.notional_cents for t in own if t.lot is not None)
    if lost <= 0:
        return []
    names: dict[str, int] = {}
    for trade in own:
        names[trade.symbol] = names.get(trade.symbol, 0) + trade.tax_cents
    first = sorted(names, key=lambda name: (names[name], name))
    worth = -sum(t.tax_cents for t in own)
    value = f"{money(lost)}, worth up to {money(worth)} at the taxpayer's rates"
    return [f"It realises losses of {value}, in {listed(first)}."]


def _aims(trades: Sequence[TradeView], rest: bool) -> list[str]:
    """The other reasons, by dollars traded; `rest` where harvests have been told before."""
    sums: dict[str, int] = {}
    for trade in trades:
        if trade.reason in _AIM:
            sums[trade.reason] = sums.get(trade.reason, 0) + trade.notional_cents
    ranked = sorted(sums, key=lambda reason: (-sums[reason], reason))
    if not ranked:
        return []
    aims = [f"{_AIM[reason]} ({money(sums[reason])})" for reason in ranked]
    return [f"{'The rest' if rest else 'It'} goes into {listed(aims, 3)}."]


def _costs(trades: Sequence[TradeView], cost_cents: int) -> str:
    gain = sum(t.tax_cents for t in trades if t.tax_cents > 0)
    taxes = f"gains cost {money(gain)} in tax and " if gain else ""
    return f"In return {taxes}trading costs about {money(cost_cents)}."


def _risk(before: float, after: float) -> str:
    if abs(after - before) < _SAME:
        return f"Expected tracking error stays at {percent(after)}."
    verb = "falls" if after < before else "rises"
    return f"Expected tracking error {verb} from {percent(before)} to {percent(after)}."


def _limits(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [f"What held it back: {listed([limit_words(name) for name in names], 4)}."]


def cap_price_cents(plan: StoredPlan) -> int | None:
    """Dollars a year that a tracking-error cap 10 bp wider would save; None where none binds.

    The cap's multiplier is its price at the margin: `V * risk_aversion * tracking error` for one
    more unit of it.
    """
    if "te_cap" not in plan.binding_names:
        return None
    return round(plan.value_cents * plan.risk_aversion * plan.te_after * WIDER_CAP)


def _cap(plan: StoredPlan) -> list[str]:
    cents = cap_price_cents(plan)
    return [] if cents is None else [f"A cap 10 bp wider would save about {money(cents)} a year."]


def _left(decision: Decision) -> list[str]:
    """The dearest notable trade that was not made."""
    known = [n for n in decision.non_trades if n.reason in _LEFT and n.worth_cents > 0]
    if not known:
        return []
    first = max(known, key=lambda n: n.worth_cents)
    others = len(known) - 1
    more = f", and {counted(others, 'smaller trade')}" if others else ""
    what = f"{_left_what(first.reason, first.symbol)}, worth {money(first.worth_cents)}"
    return [f"It left {what}, because {_LEFT[first.reason]}{more}."]


def _left_what(reason: str, symbol: str) -> str:
    """What was left: the security may be traded all the same, its loss or gain is not realised."""
    if reason in (Reason.TRACKING_COST_TOO_HIGH, Reason.BELOW_THRESHOLD):
        return f"a loss in {symbol}"
    if reason in (Reason.GAIN_TOO_DEAR, Reason.GAIN_BUDGET_USED):
        return f"a gain in {symbol}"
    return f"{symbol} alone"


def _rates(decision: Decision) -> list[str]:
    """Which rates counted, where they are those of the year and not those on file."""
    rates = decision.rates
    if rates is None:
        return []
    short, long = (
        percent(r / MICROS, 1) for r in (rates.short_rate_micros, rates.long_rate_micros)
    )
    told = (
        f"A dollar of gain counted at {short} short-term and {long} long-term, as netted this year"
    )
    if rates.settled:
        return [f"{told}."]
    after = (percent(r / MICROS, 1) for r in (rates.after_short_micros, rates.after_long_micros))
    return [f"{told}; after the plans of the household the next one costs {' and '.join(after)}."]


def _bound(decision: Decision) -> list[str]:
    if decision.gap is None or not math.isfinite(decision.gap):
        return []
    return [f"No plan could do better by more than {money(round(decision.gap * 100))}."]
