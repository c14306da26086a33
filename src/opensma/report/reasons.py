"""Why a trade was made, or was not, as one sentence: what, why, the price of it, the consequence.

Pure words over facts that the decision recorded; nothing is looked up and nothing is guessed. The
portal and `sma why` print the same sentence. `sentence` knows every member of `Reason`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opensma.construct.plan import Reason
from opensma.report.words import day_words, listed, money, percent
from opensma.units import shares

WASH_DAYS = 30  # W1: the last day of the window; buying is free again on the day after


@dataclass(frozen=True, slots=True)
class TradeFacts:
    """One trade as it was decided. Cents; days are ordinals; None where a fact does not apply."""

    reason: str
    symbol: str
    day: int
    quantity_micros: int  # negative = sell
    notional_cents: int
    risk_cents: int
    tax_cents: int  # negative = tax value of a loss
    cost_cents: int
    acquired_day: int | None = None  # of the lot sold
    basis_cents: int | None = None  # of the shares sold
    long_term: bool | None = None
    taxed: bool = True
    partners: tuple[str, ...] = ()  # harvests: what the plan buys; replacements: what it harvests
    te_before: float | None = None  # of the whole plan
    te_after: float | None = None

    @property
    def gain_cents(self) -> int | None:
        """Gain of a sale before costs, None for a purchase."""
        return None if self.basis_cents is None else self.notional_cents - self.basis_cents


@dataclass(frozen=True, slots=True)
class NonTradeFacts:
    """A notable trade that was not made, with what it would have been worth."""

    reason: str
    symbol: str
    cents: int
    until_day: int | None = None  # last day of a wash window
    partly: bool = False  # the plan trades the security as well, only not this much


def sentence(facts: TradeFacts | NonTradeFacts) -> str:
    """One sentence for a trade or a non-trade; says so where no known reason was recorded."""
    if facts.reason not in LABELS:
        return f"No known reason is on record for {facts.symbol} ('{facts.reason}'): report this."
    reason = Reason(facts.reason)
    if isinstance(facts, NonTradeFacts):
        return _not_traded(reason, facts)
    why = _WHY[reason](facts) if reason in _WHY else f"although {LABELS[reason].lower()}"
    return (
        "; ".join([f"{_what(facts)} {why}", *_prices(facts), *_consequences(reason, facts)]) + "."
    )


def label(reason: str) -> str:
    """Two or three words for a table cell."""
    return LABELS.get(reason, "No reason on record")


LABELS: dict[str, str] = {
    Reason.HARVEST_LOSS: "Loss harvest",
    Reason.HARVEST_REPLACEMENT: "Replacement",
    Reason.DRIFT_TO_TARGET: "Back to target",
    Reason.RISK_CAP: "Tracking cap",
    Reason.CLIENT_EXCLUSION: "Client exclusion",
    Reason.POSITION_CAP: "Position cap",
    Reason.SECTOR_CAP: "Sector limit",
    Reason.CASH_NEED: "Cash needed",
    Reason.CASH_INVEST: "Cash invested",
    Reason.MIN_TRADE_CLEANUP: "Remainder closed",
    Reason.WASH_BLOCKED: "Wash sale window",
    Reason.GAIN_TOO_DEAR: "Gain too dear",
    Reason.BELOW_THRESHOLD: "Below threshold",
    Reason.TRACKING_COST_TOO_HIGH: "Tracking too dear",
    Reason.RESTRICTED: "Restricted",
    Reason.GAIN_BUDGET_USED: "Gain budget used",
    Reason.MIN_TRADE: "Trade too small",
}


def _what(facts: TradeFacts) -> str:
    verb = "Sold" if facts.quantity_micros < 0 else "Bought"
    lot = f" (lot of {day_words(facts.acquired_day)})" if facts.acquired_day is not None else ""
    amount = money(facts.notional_cents)
    return f"{verb} {shares(abs(facts.quantity_micros))} {facts.symbol}{lot} for {amount}"


def _harvest(facts: TradeFacts) -> str:
    gain = facts.gain_cents
    if gain is None:
        return "to realise a loss"
    return f"to realise a {_term(facts)}loss of {money(abs(gain))}"


def _replacement(facts: TradeFacts) -> str:
    sold = f" in {listed(facts.partners)}" if facts.partners else ""
    return f"to keep the portfolio close to its target after harvesting losses{sold}"


_WHY: dict[Reason, Callable[[TradeFacts], str]] = {
    Reason.HARVEST_LOSS: _harvest,
    Reason.HARVEST_REPLACEMENT: _replacement,
    Reason.DRIFT_TO_TARGET: lambda _: "to bring the portfolio closer to its target",
    Reason.RISK_CAP: lambda _: "to bring tracking error under the account's cap",
    Reason.CLIENT_EXCLUSION: lambda _: "because the client excludes it",
    Reason.POSITION_CAP: lambda _: "to bring the position under its largest allowed weight",
    Reason.SECTOR_CAP: lambda _: "to bring the sector's weight inside its limit",
    Reason.CASH_NEED: lambda _: "to raise cash for the account",
    Reason.CASH_INVEST: lambda _: "to invest idle cash",
    Reason.MIN_TRADE_CLEANUP: lambda _: "to close a remainder too small to keep",
}


def _term(facts: TradeFacts) -> str:
    if facts.long_term is None:
        return ""
    return "long-term " if facts.long_term else "short-term "


def _prices(facts: TradeFacts) -> list[str]:
    """Tax, cost and risk of one trade, in dollars."""
    found = []
    if facts.quantity_micros < 0:
        found.append(_tax(facts))
    found.append(f"trading costs {money(facts.cost_cents)}")
    if facts.risk_cents:
        verb = "adds" if facts.risk_cents > 0 else "saves"
        found.append(f"{verb} {money(abs(facts.risk_cents))} of risk against the target")
    return found


def _tax(facts: TradeFacts) -> str:
    if not facts.taxed:
        return "no tax in a retirement account"
    if facts.tax_cents < 0:
        return f"the loss is worth up to {money(-facts.tax_cents)} at the taxpayer's rates"
    gain = facts.gain_cents
    if gain is not None and gain > 0:
        return f"a {_term(facts)}gain of {money(gain)} costs {money(facts.tax_cents)} in tax"
    return f"tax {money(facts.tax_cents)}"


def _consequences(reason: Reason, facts: TradeFacts) -> list[str]:
    found = []
    if reason is Reason.HARVEST_LOSS:
        if facts.partners:
            found.append(f"the same plan buys {listed(facts.partners)}")
        if facts.taxed:
            free = day_words(facts.day + WASH_DAYS + 1)
            found.append(f"{facts.symbol} is not bought again before {free}")
    if facts.te_before is not None and facts.te_after is not None:
        before, after = percent(facts.te_before), percent(facts.te_after)
        found.append(f"the whole plan takes expected tracking error from {before} to {after}")
    return found


_NOT: dict[Reason, str] = {
    Reason.WASH_BLOCKED: "it was sold at a loss, and buying now would undo that loss",
    Reason.GAIN_TOO_DEAR: "the tax on the gain outweighs the risk it would remove",
    Reason.BELOW_THRESHOLD: "what it would bring does not pay for the trade",
    Reason.TRACKING_COST_TOO_HIGH: "the tracking error it would add outweighs the tax value",
    Reason.RESTRICTED: "a restriction of the account forbids it",
    Reason.GAIN_BUDGET_USED: "the gain budget is used up",
    Reason.MIN_TRADE: "the trade would be smaller than the account's smallest trade",
}


def _not_traded(reason: Reason, facts: NonTradeFacts) -> str:
    why = _NOT.get(reason, f"the plan weighed '{LABELS[reason].lower()}' and left it alone")
    until = ""
    if facts.until_day is not None:
        until = f" until {day_words(facts.until_day)}"
    worth = f"; it would have been worth {money(facts.cents)}" if facts.cents > 0 else ""
    what = (
        f"No more {facts.symbol} was traded" if facts.partly else f"{facts.symbol} was not traded"
    )
    return f"{what}{until}: {why}{worth}."


_LIMITS: dict[str, str] = {
    "cash_low": "cash at the lower edge of its band",
    "fee_cash": "the cash kept for a fee that is billed",
    "cash_high": "cash at the upper edge of its band",
    "te_cap": "the cap on tracking error",
    "max_turnover": "the limit on turnover",
    "st_gain_budget": "the budget of short-term gains",
    "lt_gain_budget": "the budget of long-term gains",
    "st_gain_year": "the taxpayer's yearly budget of short-term gains",
    "lt_gain_year": "the taxpayer's yearly budget of long-term gains",
    "max_names": "the largest number of names",
    "sector_max": "the largest weight of the sector",
    "sector_min": "the smallest weight of the sector",
    "max_weight": "the largest weight of",
    "no_sell": "the restriction not to sell",
}


def limit_words(name: str) -> str:
    """A limit at which a plan ended (`max_weight:ACME`) in words; an unknown one as it is."""
    kind, _, key = name.partition(":")
    words = _LIMITS.get(kind, kind.replace("_", " "))
    return f"{words} {key}".strip()


def clause(facts: TradeFacts) -> str:
    """Why a trade was made and what it means for tax, for a table that shows the rest."""
    if facts.reason not in LABELS:
        return f"No known reason is on record ('{facts.reason}')"
    reason = Reason(facts.reason)
    why = _WHY[reason](facts) if reason in _WHY else f"although {LABELS[reason].lower()}"
    words = why[0].upper() + why[1:]
    return f"{words}; {_tax(facts)}" if facts.quantity_micros < 0 else words
