"""Tax on a year's income with its gains: federal, net investment income, state (R1 to R5, R8).

`tax_on` is exact: rates are millionths and money is cents, so every part is a whole number of
millionths of a cent and is rounded once, where it is shown. What one more dollar costs is the
difference of two such taxes, with brackets, stacking, offset by losses and the limit all in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from opensma.tax.netting import Netting, net_year
from opensma.tax.rates import (
    TABLE_VERSION,
    FederalTable,
    StateRules,
    Step,
    federal_table,
    state_rules,
)
from opensma.tax.state_tax import StateFacts, follow, state_tax_microcents
from opensma.units import CENTS, MICROS, round_half_up

_BELOW_25_PERCENT = 250_000  # IRC 1(h)(1)(A)(ii)(I) names this rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Income:
    """A taxpayer's year. Gains and losses are results of the year, losses negative.

    `ordinary_cents` is taxable ordinary income: after deductions, with dividends that do not
    qualify, without gains and without dividends that do; it may be negative.
    """

    year: int
    status: str
    state: str = ""  # "": federal only
    ordinary_cents: int
    short_cents: int = 0
    long_cents: int = 0
    qualified_cents: int = 0  # qualified dividends (Q1), taxed as long-term gain
    investment_cents: int = 0  # interest and other dividends inside ordinary income (R3)
    agi_cents: int | None = None  # without gains and qualified dividends; None: ordinary income
    short_carry_cents: int = 0  # losses carried in, positive (R6)
    long_carry_cents: int = 0
    collectibles_cents: int = 0  # part of long_cents (R4)
    section_1250_cents: int = 0
    state_short_cents: int | None = None  # where the state's basis is another (W26); None: same
    state_long_cents: int | None = None


@dataclass(frozen=True, slots=True)
class Liability:
    """Tax of a year by part; exact amounts in millionths of a cent, `_cents` rounded half up.

    State tax is what gains and dividends add, at the state's top rate; the federal parts are the
    tax on all of the income. `verified` is False when any figure was not checked.
    """

    income: Income
    netting: Netting
    taxable_income_cents: int
    ordinary_microcents: int  # income without long-term gain and qualified dividends (R2)
    long_microcents: int  # what these add (R1, R4)
    investment_microcents: int  # R3
    state_microcents: int  # R8
    verified: bool
    table: str = TABLE_VERSION

    @property
    def total_microcents(self) -> int:
        """All parts, exact."""
        federal = self.ordinary_microcents + self.long_microcents
        return federal + self.investment_microcents + self.state_microcents

    @property
    def parts_cents(self) -> tuple[int, int, int, int]:
        """Federal ordinary, federal long-term, investment income, state; each rounded once."""
        parts = (
            *(self.ordinary_microcents, self.long_microcents),
            *(self.investment_microcents, self.state_microcents),
        )
        ordinary, long, investment, state = (round_half_up(part, MICROS) for part in parts)
        return ordinary, long, investment, state

    @property
    def total_cents(self) -> int:
        """The sum of the rounded parts."""
        return sum(self.parts_cents)


@dataclass(frozen=True, slots=True)
class Change:
    """What one more dollar of gain does: tax now, and carryforwards that it uses up.

    Tax is in millionths of a cent for the dollar; divided by 100 it is the rate in millionths.
    """

    federal_microcents: int
    investment_microcents: int
    state_microcents: int
    short_carry_cents: int  # zero or negative: a dollar of gain takes it off the carryforward
    long_carry_cents: int

    @property
    def total_microcents(self) -> int:
        """All of it."""
        return self.federal_microcents + self.investment_microcents + self.state_microcents

    @property
    def rate_millionths(self) -> int:
        """Tax now as a rate, rounded half up where the dollar lies across a threshold."""
        return round_half_up(self.total_microcents, CENTS)


@dataclass(frozen=True, slots=True)
class NextDollar:
    """One more dollar of short-term and of long-term gain in a year."""

    short: Change
    long: Change


def tax_on(income: Income) -> Liability:
    """The year's tax. InputError rates.unknown_year, _status, _state, netting.bad_carry."""
    table, rules = federal_table(income.year, income.status), state_rules(income.year, income.state)
    netting = net_year(
        income.short_cents,
        income.long_cents,
        income.ordinary_cents + income.qualified_cents,
        status=income.status,
        short_carry_cents=income.short_carry_cents,
        long_carry_cents=income.long_carry_cents,
        year=income.year,
    )
    added = netting.short_gain_cents + netting.long_gain_cents - netting.used_cents
    added += income.qualified_cents
    taxable = max(0, income.ordinary_cents + added)
    favoured = min(taxable, netting.long_gain_cents + income.qualified_cents)
    ordinary = _progressive(table.ordinary, taxable - favoured)
    federal = _federal(table, taxable, favoured, _special(income, netting, favoured))
    agi = income.ordinary_cents if income.agi_cents is None else income.agi_cents
    invested = max(0, income.investment_cents + added)
    over = table.investment[-1]
    return Liability(
        income=income,
        netting=netting,
        taxable_income_cents=taxable,
        ordinary_microcents=ordinary,
        long_microcents=federal - ordinary,
        investment_microcents=over.rate * min(invested, max(0, agi + added - over.over_cents)),
        state_microcents=_state(rules, income, netting, agi),
        verified=table.verified and rules.verified,
    )


def next_dollar(income: Income) -> NextDollar:
    """What a further dollar of short- or long-term gain changes, as two differences of `tax_on`."""
    now = tax_on(income)
    short = replace(
        income,
        short_cents=income.short_cents + CENTS,
        state_short_cents=_one_more(income.state_short_cents),
    )
    long = replace(
        income,
        long_cents=income.long_cents + CENTS,
        state_long_cents=_one_more(income.state_long_cents),
    )
    return NextDollar(_change(now, tax_on(short)), _change(now, tax_on(long)))


def _one_more(cents: int | None) -> int | None:
    return None if cents is None else cents + CENTS


def _change(before: Liability, after: Liability) -> Change:
    federal = after.ordinary_microcents + after.long_microcents
    return Change(
        federal - before.ordinary_microcents - before.long_microcents,
        after.investment_microcents - before.investment_microcents,
        after.state_microcents - before.state_microcents,
        after.netting.short_carry_cents - before.netting.short_carry_cents,
        after.netting.long_carry_cents - before.netting.long_carry_cents,
    )


def _progressive(steps: Sequence[Step], cents: int) -> int:
    """Tax on an amount by its brackets."""
    tax, below = 0, 0
    for step in steps:
        tax += (step.rate - below) * max(0, cents - step.over_cents)
        below = step.rate
    return tax


def _special(income: Income, netting: Netting, favoured: int) -> tuple[int, int]:
    """Gain of collectibles and section 1250 gain inside the favoured income (R4).

    Losses of collectibles' class, long-term carryover and net short-term loss come off the first,
    what is left of them off the second.
    """
    taken = income.long_carry_cents + max(0, -netting.short_cents)
    collectibles = income.collectibles_cents - taken
    section_1250 = max(0, income.section_1250_cents + min(0, collectibles))
    gain = min(favoured, netting.long_gain_cents)
    collectibles = min(max(0, collectibles), gain)
    return collectibles, min(section_1250, gain - collectibles)


def _federal(table: FederalTable, taxable: int, favoured: int, special: tuple[int, int]) -> int:
    """The smaller of tax on everything by brackets, and the sum of IRC 1(h)(1)(A) to (F)."""
    collectibles, section_1250 = special
    adjusted = favoured - collectibles - section_1250
    low = next(step.over_cents for step in table.ordinary if step.rate >= _BELOW_25_PERCENT)
    by_brackets = max(taxable - favoured, min(low, taxable - adjusted))  # (A)
    tax = _progressive(table.ordinary, by_brackets)
    tax += _stacked(table.long_term, taxable - adjusted, adjusted, by_brackets)
    # (E): section 1250 gain, as far as (A) has not taxed it in a bracket below 25 percent.
    unrecaptured = max(0, section_1250 - max(0, by_brackets + favoured - taxable))
    tax += table.section_1250_rate * unrecaptured
    tax += table.collectibles_rate * max(0, taxable - by_brackets - adjusted - unrecaptured)  # (F)
    return min(tax, _progressive(table.ordinary, taxable))


def _stacked(steps: Sequence[Step], from_cents: int, adjusted: int, by_brackets: int) -> int:
    """(B) to (D): the rest of the gain lies above all other income (R1).

    The 15 percent room is counted from what (A) taxed by brackets, the 0 percent room from all
    income without this gain: they differ only where section 1250 gain or collectibles are there.
    """
    zero, middle, top = steps
    free = min(adjusted, max(0, middle.over_cents - from_cents))
    room = max(0, top.over_cents - by_brackets - free)
    middle_part = min(adjusted - free, room)
    tax = zero.rate * free + middle.rate * middle_part
    return tax + top.rate * (adjusted - free - middle_part)


def _state(rules: StateRules, income: Income, netting: Netting, agi: int) -> int:
    own_short = income.short_cents if income.state_short_cents is None else income.state_short_cents
    own_long = income.long_cents if income.state_long_cents is None else income.state_long_cents
    short_gain, long_gain, used = follow(netting, own_short, own_long, rules)
    return state_tax_microcents(
        rules,
        StateFacts(
            short_gain_cents=short_gain,
            long_gain_cents=long_gain,
            used_cents=used,
            net_long_cents=netting.long_cents,
            dividend_cents=income.qualified_cents,
            investment_cents=income.investment_cents,
            ordinary_cents=income.ordinary_cents,
            agi_cents=agi,
        ),
    )
