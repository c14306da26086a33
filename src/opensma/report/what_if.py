"""A comparison and the prices of restrictions in words, the same on a page and in the terminal."""

from __future__ import annotations

from opensma.construct.plan import Status
from opensma.report.reasons import limit_words
from opensma.report.words import counted, listed, money, percent
from opensma.trade.restriction_prices import RestrictionPrice
from opensma.trade.what_if import Change, Comparison
from opensma.units import MICROS

_CONFLICT = "These cannot hold together: "
_FREE = ". Any of these would free it: "
_HELD: dict[str, str] = {
    "exclude": "not holding",
    "no_buy": "not buying",
    "no_sell": "not selling",
    "max_weight": "the largest weight of",
    "wash_window": "the open wash window of",
}


def change_words(change: Change) -> str:
    """`excluding Energy and raising $20,000.00`; what is tried, for the middle of a sentence."""
    parts = []
    if change.exclude:
        parts.append(f"excluding {listed(change.exclude, 5)}")
    if change.te_cap_bps is not None:
        parts.append(f"a cap of {percent(change.te_cap_bps / 1e4)} on tracking error")
    if change.risk_aversion_micros is not None:
        parts.append(f"a risk aversion of {change.risk_aversion_micros / MICROS:g}")
    if change.raise_cents:
        parts.append(f"raising {money(change.raise_cents)}")
    parts += _budgets(change)
    return listed(parts, len(parts)) or "no change"


def _budgets(change: Change) -> list[str]:
    long, short = change.gain_budget_cents, change.short_gain_budget_cents
    if long is None:
        return [] if short is None else [f"a budget of {money(short)} of short-term gains"]
    return [f"a budget of {money(long)} of long-term and {money(short or 0)} of short-term gains"]


def verdict(told: Comparison) -> str:
    """The comparison in one or two sentences; infeasible names what cannot hold together."""
    what = change_words(told.change)
    what = what[0].upper() + what[1:]
    if not told.before.solved:
        return f"The account has no plan to compare with: {conflict_words(told.before.message)}"
    if not told.after.solved:
        known = told.after.status == Status.INFEASIBLE
        found = "no plan exists. " if known else "no answer. "
        return f"{what}: {found}{conflict_words(told.after.message)}"
    taxes = f"{_changes(told.tax_cents)} tax"
    cost = f"{_changes(told.cost_cents)} trading cost"
    risk = told.te_bps
    error = "leave tracking error as it is"
    if abs(risk) >= 0.05:
        verb = "raise" if risk > 0 else "lower"
        after = percent(told.after.tracking_error)
        error = f"{verb} tracking error by {abs(risk):.1f} bp to {after}"
    number = told.trades
    many = "the same number of trades"
    if number:
        more = "more" if number > 0 else "fewer"
        many = counted(abs(number), f"{more} trade")
    return f"{what} would mean {taxes} and {cost}, {error}, and take {many}."


def _changes(cents: int) -> str:
    if not cents:
        return "no change of"
    return f"{money(abs(cents))} {'more' if cents > 0 else 'less'}"


def conflict_words(message: str) -> str:
    """What the decision says about a plan that does not exist, limits spelled out."""
    head, found, rest = message.partition(_CONFLICT)
    if not found:
        return message
    rest, _, free = rest.removesuffix(".").partition(_FREE)
    parts = [_limit(part) for part in rest.removesuffix(".").split("; ")]
    text = f"{head}These cannot hold together: {'; '.join(parts)}."
    if free:
        text += f" Any of these would do: {'; '.join(_moved(part) for part in free.split('; '))}."
    return text


def _moved(part: str) -> str:
    """`the turnover limit, from 10.00 % to 12.04 %`; part: `max_turnover from 0.1 to 0.1204`."""
    limit, _, values = part.partition(" from ")
    now, _, least = values.partition(" to ")
    kind = limit.partition(" ")[0]
    return f"{_limit(limit)}, from {_sized(kind, now)} to {_sized(kind, least)}"


def _sized(kind: str, value: str) -> str:
    if kind == "max_names":
        return value
    budget = kind in ("st_gain_budget", "lt_gain_budget")
    return money(round(float(value) * 100.0)) if budget else percent(float(value))


def _limit(part: str) -> str:
    kind, _, names = part.partition(" ")
    if kind in _HELD:
        return f"{_HELD[kind]} {names}"
    return limit_words(f"{kind}:{names}")


def price_head(price: RestrictionPrice) -> str:
    """What is priced: `Exclude sector Energy`, `Cash at the lower edge of its band`."""
    if price.scope != "account":
        words = price.kind.replace("_", " ")
        return f"{words[0].upper()}{words[1:]} {price.scope} {price.key.replace('_', ' ')}"
    words = limit_words(price.kind)
    return words[0].upper() + words[1:] + (", against 10 bp more" if price.wider else "")
