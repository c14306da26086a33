"""What a state adds on gains and dividends: exclusions, surtaxes, excises, no carryforward (R8).

Brackets of states are not kept: income is taxed at the state's top rate, so that the amount is an
upper bound. It is what gains and dividends add to the tax on other income, and negative where a
loss takes more off that income than dividends add. Amounts are exact, in millionths of a cent.
"""

from __future__ import annotations

from dataclasses import dataclass

from opensma.tax.netting import Netting
from opensma.tax.rates import StatePart, StateRules
from opensma.units import MICROS


@dataclass(frozen=True, slots=True)
class StateFacts:
    """A year as a state sees it: gains taxed, loss used, dividends, other income beside them."""

    short_gain_cents: int
    long_gain_cents: int
    used_cents: int
    net_long_cents: int  # long-term result after its carryover, not netted with short-term (R5)
    dividend_cents: int
    investment_cents: int
    ordinary_cents: int
    agi_cents: int


def follow(
    netting: Netting, short_cents: int, long_cents: int, rules: StateRules
) -> tuple[int, int, int]:
    """(short gain, long gain, loss used) as the state nets them; `short_cents` and `long_cents`
    are the state's own results of the year, which differ where its basis does (W26)."""
    if not rules.of("own_year"):
        return netting.short_gain_cents, netting.long_gain_cents, netting.used_cents
    short_loss, long_loss = max(0, -short_cents), max(0, -long_cents)
    return max(0, short_cents - long_loss), max(0, long_cents - short_loss), 0


def state_tax_microcents(rules: StateRules, facts: StateFacts) -> int:
    """Tax that gains and dividends add, all parts together."""
    short_rate, long_rate = rules.term_rates()
    tax = short_rate * facts.short_gain_cents + long_rate * facts.long_gain_cents
    tax += rules.rate("ordinary") * (facts.dividend_cents - facts.used_cents)
    return tax + _surtaxes(rules, facts) + _excise(rules, facts.net_long_cents)


def _surtaxes(rules: StateRules, facts: StateFacts) -> int:
    gains = facts.short_gain_cents + facts.long_gain_cents
    kept = gains - rules.rate("exclude_gain") * gains // MICROS
    added = kept + facts.dividend_cents - facts.used_cents
    tax = 0
    for part in rules.of("surtax"):
        with_gains = _over(part, facts.ordinary_cents + added)
        tax += part.rate * (with_gains - _over(part, facts.ordinary_cents))
    for part in rules.of("surtax_if"):
        if facts.agi_cents + facts.dividend_cents + gains - facts.used_cents > part.over_cents:
            tax += part.rate * gains
    for part in rules.of("surtax_gain"):
        tax += part.rate * _over(part, gains + facts.dividend_cents + facts.investment_cents)
    return tax


def _excise(rules: StateRules, net_long_cents: int) -> int:
    """On long-term gain alone, whatever the short-term result; steps count after the deduction."""
    off = sum(part.over_cents for part in rules.of("excise_deduction"))
    taxed, tax, below = max(0, net_long_cents - off), 0, 0
    for part in rules.of("excise"):
        tax += (part.rate - below) * _over(part, taxed)
        below = part.rate
    return tax


def _over(part: StatePart, cents: int) -> int:
    return max(0, cents - part.over_cents)
