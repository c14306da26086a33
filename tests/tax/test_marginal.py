"""Rates after a plan: two taxes apart, never worth less than later, and still after few rounds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tax.test_liability import incomes, of

from opensma.errors import InputError
from opensma.tax.liability import Income, tax_on
from opensma.tax.loss_value import Assumptions
from opensma.tax.marginal import (
    CARRIED_SHARE_MICROS,
    MOST_ROUNDS,
    TermRates,
    after_gains,
    rates_after,
    settle,
)
from opensma.units import CENTS, MICROS, round_half_up

ON_FILE = TermRates(400_000, 238_000)
GAINS = st.integers(-500_000_00, 500_000_00)
NOTHING = TermRates(0, 0)


# --- the rates -----------------------------------------------------------------------------------


@given(income=incomes(), short=GAINS, long=GAINS)
def test_rates_are_the_difference_of_two_taxes(income: Income, short: int, long: int) -> None:
    """Without a value of later use, and but for a cliff, nothing else is in them."""
    year = replace(income, short_cents=income.short_cents + short)
    year = replace(year, long_cents=income.long_cents + long)
    now = tax_on(year).total_microcents
    found = rates_after(income, short, long, NOTHING)
    for rate, more in (
        (found.short_micros, replace(year, short_cents=year.short_cents + CENTS)),
        (found.long_micros, replace(year, long_cents=year.long_cents + CENTS)),
    ):
        difference = round_half_up(tax_on(more).total_microcents - now, CENTS)
        assert rate == min(MICROS, max(0, difference))


@given(income=incomes(), short=GAINS, long=GAINS, share=st.integers(0, MICROS))
def test_no_rate_is_below_the_later_use_of_a_loss(
    income: Income, short: int, long: int, share: int
) -> None:
    found = rates_after(income, short, long, ON_FILE, share)
    bare = rates_after(income, short, long, ON_FILE, 0)
    later = TermRates(
        round_half_up(ON_FILE.short_micros * share, MICROS),
        round_half_up(ON_FILE.long_micros * share, MICROS),
    )
    assert found.short_micros == max(bare.short_micros, later.short_micros)
    assert found.long_micros == max(bare.long_micros, later.long_micros)


def test_r5_a_loss_of_the_year_makes_the_next_gain_free_now() -> None:
    """100,000 of ordinary income, single, 2025: 22 and 15 percent where nothing offsets."""
    assert rates_after(of(), 0, 0, NOTHING) == TermRates(220_000, 150_000)
    assert rates_after(of(), -50_000_00, 0, NOTHING) == NOTHING
    assert rates_after(of(), -50_000_00, 0, ON_FILE, 500_000) == TermRates(200_000, 119_000)


def test_r6_inside_the_yearly_limit_a_gain_of_either_term_costs_the_ordinary_rate() -> None:
    assert rates_after(of(), -1_000_00, 0, NOTHING) == TermRates(220_000, 220_000)
    assert rates_after(of(), 0, -2_900_00, NOTHING) == TermRates(220_000, 220_000)
    assert rates_after(of(), 0, -3_100_00, NOTHING) == NOTHING


def test_r6_a_carryforward_offsets_the_gains_of_the_plan() -> None:
    carried = of(long_carry_cents=20_000_00)
    assert rates_after(carried, 0, 10_000_00, NOTHING) == NOTHING
    assert rates_after(carried, 0, 30_000_00, NOTHING) == TermRates(220_000, 150_000)


def test_r3_the_plan_itself_can_reach_the_investment_income_tax() -> None:
    below = of(ordinary_cents=190_000_00)
    assert rates_after(below, 0, 0, NOTHING).long_micros == 150_000
    assert rates_after(below, 0, 20_000_00, NOTHING).long_micros == 188_000


def test_r8_a_state_and_its_own_basis_move_with_the_plan() -> None:
    home = of(state="PA", state_short_cents=5_00, state_long_cents=7_00)
    moved = after_gains(home, 100_00, -200_00)
    assert (moved.short_cents, moved.state_short_cents) == (100_00, 105_00)
    assert (moved.long_cents, moved.state_long_cents) == (-200_00, -193_00)
    assert rates_after(home, 1_000_00, 0, NOTHING).short_micros == 220_000 + 30_700


def test_r7_a_loss_that_waits_counts_as_if_used_at_the_usual_horizon() -> None:
    usual = Assumptions(horizon_years=10, discount_bps=500, later_rate_millionths=0)
    assert usual.present_cents(MICROS) == CARRIED_SHARE_MICROS


@pytest.mark.parametrize("share", [-1, MICROS + 1])
def test_a_share_that_is_none_is_refused(share: int) -> None:
    with pytest.raises(InputError) as caught:
        rates_after(of(), 0, 0, ON_FILE, share)
    assert caught.value.code == "rates.carried_share"


# --- decision and rates in turn ------------------------------------------------------------------


@st.composite
def shelves(draw: st.DrawFn) -> list[tuple[int, bool, int]]:
    """Sales on offer: gain in cents, long-term, and what the sale is worth before tax."""
    one = st.tuples(
        st.integers(-40_000_00, 40_000_00), st.booleans(), st.integers(-5_000_00, 15_000_00)
    )
    return draw(st.lists(one, min_size=1, max_size=12))


class Chooser:
    """The plainest decision: whatever is worth more than its tax at the rates is sold."""

    def __init__(self, income: Income, offers: list[tuple[int, bool, int]]) -> None:
        self.income, self.offers, self.asked = income, offers, 0

    def solve(self, rates: TermRates) -> tuple[int, ...]:
        self.asked += 1
        return tuple(
            n
            for n, (gain, long, worth) in enumerate(self.offers)
            if worth * MICROS > gain * (rates.long_micros if long else rates.short_micros)
        )

    def gains(self, sold: tuple[int, ...]) -> tuple[int, int]:
        rows = [self.offers[n] for n in sold]
        return sum(g for g, long, _ in rows if not long), sum(g for g, long, _ in rows if long)

    def after(self, sold: tuple[int, ...]) -> TermRates:
        return rates_after(self.income, *self.gains(sold), ON_FILE)

    def worth(self, sold: tuple[int, ...], rates: TermRates) -> tuple[int, ...]:
        short, long = self.gains(sold)
        tax = round_half_up(short * rates.short_micros + long * rates.long_micros, MICROS)
        return (tax - sum(self.offers[n][2] for n in sold),)

    def settled(self):  # type: ignore[no-untyped-def]
        return settle(self.solve, self.after, self.worth, rates_after(self.income, 0, 0, ON_FILE))


@given(income=incomes(), offers=shelves())
def test_rates_stand_still_or_the_best_round_is_kept(
    income: Income, offers: list[tuple[int, bool, int]]
) -> None:
    chooser = Chooser(income, offers)
    found = chooser.settled()
    assert found.answer == Chooser(income, offers).solve(found.rates)
    assert found.after == chooser.after(found.answer)
    assert found.rounds == chooser.asked <= MOST_ROUNDS
    if found.settled:
        assert chooser.solve(found.after) == found.answer
        return
    rates = rates_after(income, 0, 0, ON_FILE)
    for _ in range(MOST_ROUNDS):
        answer = chooser.solve(rates)
        rates = chooser.after(answer)
        assert chooser.worth(found.answer, found.after) <= chooser.worth(answer, rates)


@given(income=incomes(), offers=shelves())
def test_the_same_question_has_the_same_answer(
    income: Income, offers: list[tuple[int, bool, int]]
) -> None:
    assert Chooser(income, offers).settled() == Chooser(income, offers).settled()


@given(income=incomes(), offers=shelves())
def test_small_sales_far_from_every_threshold_settle_at_once(
    income: Income, offers: list[tuple[int, bool, int]]
) -> None:
    """A year with millions of gain stays in its brackets whatever cents a plan adds."""
    rich = replace(
        income, ordinary_cents=9_000_000_00, short_cents=5_000_000_00, long_cents=5_000_000_00
    )
    found = Chooser(rich, offers).settled()
    assert found.settled
    assert found.rounds == 1


def test_a_harvest_past_the_limit_settles_at_what_the_loss_is_worth_later() -> None:
    """At 22 percent now it looks better than it is; at the later value it still pays."""
    year, file = of(), TermRates(300_000, 200_000)
    harvest = [(-80_000_00, False, -1_000_00)]
    chooser = Chooser(year, harvest)
    found = settle(
        chooser.solve,
        lambda sold: rates_after(year, *chooser.gains(sold), file, 500_000),
        chooser.worth,
        rates_after(year, 0, 0, file, 500_000),
    )
    assert found.answer == (0,)
    assert (found.rates, found.rounds) == (TermRates(150_000, 100_000), 2)


def test_a_harvest_that_only_the_first_dollars_pay_for_never_cycles() -> None:
    """Worth it at 22 percent, not at 0: no rates stand still, and doing nothing is the better."""
    year = of()
    chooser = Chooser(year, [(-80_000_00, False, -10_000_00)])
    found = settle(
        chooser.solve,
        lambda sold: rates_after(year, *chooser.gains(sold), NOTHING),
        chooser.worth,
        rates_after(year, 0, 0, NOTHING),
    )
    assert not found.settled
    assert (found.answer, found.rounds) == ((), MOST_ROUNDS)
