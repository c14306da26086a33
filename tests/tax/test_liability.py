"""Tax on a year: worked figures, a second way of stacking, and the next dollar as a difference."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.tax.liability import Income, next_dollar, tax_on
from opensma.tax.rates import STATUSES, Step, federal_table
from opensma.units import MICROS

CENTS = st.integers(-3_000_000_00, 3_000_000_00)
LARGE = st.integers(0, 3_000_000_00)
STATES = st.sampled_from(["", "CA", "TX", "WA", "MA", "MD", "SC", "WI", "AZ", "MO", "PA", "NJ"])


@st.composite
def incomes(draw: st.DrawFn) -> Income:
    return Income(
        year=draw(st.sampled_from([2025, 2026])),
        status=draw(st.sampled_from(STATUSES)),
        state=draw(STATES),
        ordinary_cents=draw(CENTS),
        short_cents=draw(CENTS),
        long_cents=draw(CENTS),
        qualified_cents=draw(st.integers(0, 200_000_00)),
        investment_cents=draw(st.integers(0, 50_000_00)),
        short_carry_cents=draw(st.integers(0, 100_000_00)),
        long_carry_cents=draw(st.integers(0, 100_000_00)),
    )


def of(**given: object) -> Income:
    base: dict[str, object] = {"year": 2025, "status": "single", "ordinary_cents": 100_000_00}
    return Income(**(base | given))  # type: ignore[arg-type]


# --- worked figures ----------------------------------------------------------------------------


def test_r2_ordinary_income_of_100000_single_2025() -> None:
    assert tax_on(of()).parts_cents == (16_914_00, 0, 0, 0)


def test_r1_gain_stacks_on_top_of_ordinary_income() -> None:
    """40,000 leaves 8,350 at 0 percent; the other 11,650 of gain pay 15."""
    tax = tax_on(of(ordinary_cents=40_000_00, long_cents=20_000_00))
    assert tax.parts_cents[1] == 1_747_50


def test_r1_the_top_rate_begins_inside_the_gain() -> None:
    tax = tax_on(of(ordinary_cents=500_000_00, long_cents=100_000_00))
    assert tax.parts_cents[1] == (33_400 * 15 + 66_600 * 20)


def test_r1_qualified_dividends_use_the_same_scale() -> None:
    gain = tax_on(of(long_cents=9_000_00))
    dividend = tax_on(of(qualified_cents=9_000_00))
    assert gain.parts_cents == dividend.parts_cents


def test_r1_deductions_left_over_come_off_the_gain() -> None:
    tax = tax_on(of(ordinary_cents=-10_000_00, long_cents=60_000_00))
    assert tax.taxable_income_cents == 50_000_00
    assert tax.parts_cents[:2] == (0, 1_650 * 15)


def test_r3_the_smaller_of_investment_income_and_excess() -> None:
    small = tax_on(of(ordinary_cents=300_000_00, long_cents=10_000_00))
    assert small.parts_cents[2] == 380_00
    partly = tax_on(of(ordinary_cents=195_000_00, long_cents=10_000_00))
    assert partly.parts_cents[2] == 190_00


def test_r4_collectibles_pay_28_percent_and_section_1250_gain_25() -> None:
    high = of(ordinary_cents=400_000_00, long_cents=10_000_00)
    assert tax_on(replace(high, collectibles_cents=10_000_00)).parts_cents[1] == 2_800_00
    assert tax_on(replace(high, section_1250_cents=10_000_00)).parts_cents[1] == 2_500_00


def test_r4_never_more_than_by_brackets() -> None:
    low = of(ordinary_cents=20_000_00, long_cents=10_000_00, collectibles_cents=10_000_00)
    assert tax_on(low).parts_cents[1] == 1_200_00  # the 12 percent bracket


@pytest.mark.parametrize(
    ("state", "gains", "expected"),
    [
        ("TX", (10_000, 10_000), 0),
        ("WA", (500_000, 278_000), 0),
        ("WA", (0, 378_000), 7_000_00),
        ("WA", (0, 1_378_000), (70_000 + 9_900) * 100),
        ("WA", (-50_000, 378_000), 7_000_00),  # the excise does not net short-term losses
        ("MA", (10_000, 10_000), (850 + 500) * 100),
        ("MD", (10_000, 10_000), 1_300_00),
        ("SC", (0, 10_000), 336_00),
        ("WI", (0, 10_000), 535_50),
        ("AZ", (0, 10_000), 187_50),
        ("MO", (10_000, 10_000), 0),
        ("PA", (-4_000, 10_000), 184_20),
        ("PA", (-10_000, 4_000), 0),
    ],
)
def test_r8_state_tax_on_gains(state: str, gains: tuple[int, int], expected: int) -> None:
    short, long = gains
    tax = tax_on(of(state=state, short_cents=short * 100, long_cents=long * 100))
    assert tax.parts_cents[3] == expected


def test_r8_maryland_adds_two_percent_to_all_gain_above_its_income() -> None:
    tax = tax_on(of(state="MD", ordinary_cents=345_000_00, long_cents=10_000_00))
    assert tax.parts_cents[3] == 850_00


def test_r8_massachusetts_surtax_only_on_what_is_above() -> None:
    tax = tax_on(of(state="MA", ordinary_cents=1_080_000_00, long_cents=10_000_00))
    assert tax.parts_cents[3] == 500_00 + (6_850 * 4)


def test_r8_pennsylvania_knows_no_carryforward() -> None:
    federal = of(short_cents=5_000_00, short_carry_cents=8_000_00)
    assert tax_on(replace(federal, state="PA")).parts_cents[3] == 153_50
    assert tax_on(replace(federal, state="SC")).parts_cents[3] == -180_00  # 3,000 off other income


def test_w26_a_state_may_have_results_of_its_own() -> None:
    tax = tax_on(of(state="PA", short_cents=-100_00, state_short_cents=1_000_00))
    assert tax.parts_cents[3] == 30_70


# --- what always holds -------------------------------------------------------------------------


@given(incomes())
def test_federal_tax_is_that_of_income_laid_end_to_end(income: Income) -> None:
    """Another way: ordinary income from zero, then gain above it, piece by piece of each scale."""
    tax = tax_on(income)
    net = tax.netting
    gain = min(tax.taxable_income_cents, net.long_gain_cents + income.qualified_cents)
    start = tax.taxable_income_cents - gain
    table = federal_table(income.year, income.status)
    assert tax.ordinary_microcents == _laid(table.ordinary, 0, start)
    by_scale = _laid(table.long_term, start, tax.taxable_income_cents)
    by_brackets = _laid(table.ordinary, start, tax.taxable_income_cents)
    assert tax.long_microcents == min(by_scale, by_brackets)


def _laid(steps: tuple[Step, ...], start: int, end: int) -> int:
    ends = [s.over_cents for s in steps[1:]] + [10**15]
    return sum(
        s.rate * max(0, min(end, upper) - max(start, s.over_cents))
        for s, upper in zip(steps, ends, strict=True)
    )


@given(incomes())
def test_the_next_dollar_is_the_difference_of_two_taxes(income: Income) -> None:
    now, more = tax_on(income), next_dollar(income)
    for change, term in ((more.short, "short_cents"), (more.long, "long_cents")):
        after = tax_on(replace(income, **{term: getattr(income, term) + 100}))
        assert change.total_microcents == after.total_microcents - now.total_microcents
        carried = after.netting.short_carry_cents + after.netting.long_carry_cents
        before = now.netting.short_carry_cents + now.netting.long_carry_cents
        assert change.short_carry_cents + change.long_carry_cents == carried - before
        used = now.netting.used_cents - after.netting.used_cents
        gains = after.netting.short_gain_cents + after.netting.long_gain_cents
        gained = gains - now.netting.short_gain_cents - now.netting.long_gain_cents
        # A dollar is taxed, takes the deduction's place, or eats carryforward: never nothing.
        assert gained + used + (before - carried) == 100


@given(incomes(), st.integers(1, 100_000_00))
def test_more_short_term_gain_never_lowers_the_federal_tax(income: Income, more: int) -> None:
    less, after = tax_on(income), tax_on(replace(income, short_cents=income.short_cents + more))
    assert after.ordinary_microcents + after.long_microcents >= (
        less.ordinary_microcents + less.long_microcents
    )
    assert after.investment_microcents >= less.investment_microcents


def test_r1_one_more_dollar_of_short_gain_pushes_long_gain_up() -> None:
    """In the 12 percent bracket below the 0 percent end, a dollar costs 12 and 15 for another."""
    income = of(ordinary_cents=45_000_00, long_cents=10_000_00)
    more = next_dollar(income)
    assert (more.short.rate_millionths, more.long.rate_millionths) == (270_000, 150_000)


def test_r6_below_the_limit_a_dollar_costs_the_ordinary_rate() -> None:
    more = next_dollar(of(short_cents=-1_000_00))
    assert more.short.rate_millionths == more.long.rate_millionths == 220_000


def test_r6_beyond_the_limit_a_dollar_only_uses_up_carryforward() -> None:
    more = next_dollar(of(short_cents=-9_000_00))
    assert (more.short.total_microcents, more.short.short_carry_cents) == (0, -100)


def test_r5_a_short_dollar_against_a_long_loss_is_free_now() -> None:
    more = next_dollar(of(long_cents=-9_000_00))
    assert (more.short.total_microcents, more.short.long_carry_cents) == (0, -100)


def test_amounts_round_once_and_parts_add_up() -> None:
    tax = tax_on(of(ordinary_cents=33_333_33, long_cents=77_777_77, state="SC"))
    assert tax.total_cents == sum(tax.parts_cents)
    assert abs(tax.total_cents * MICROS - tax.total_microcents) <= 2 * MICROS
