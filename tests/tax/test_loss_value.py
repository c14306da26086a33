"""The value of a harvested loss: two parts that add up, in full and as far as usable (R7)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.tax.liability import Income, tax_on
from opensma.tax.loss_value import Assumptions, in_full, usable

TEN_YEARS = Assumptions(horizon_years=10, discount_bps=500, later_rate_millionths=150_000)


def year(**given: object) -> Income:
    base: dict[str, object] = {"year": 2025, "status": "single", "ordinary_cents": 300_000_00}
    return Income(**(base | given))  # type: ignore[arg-type]


def test_r7_worked_by_hand() -> None:
    """10,000 short at 40.8 percent now, 15 later: 4,080 - 1,500 / 1.05^10 = 4,080 - 920.87."""
    value = in_full(10_000_00, 0, 408_000, 238_000, TEN_YEARS)
    assert (value.now_cents, value.later_cents) == (4_080_00, 1_500_00)
    assert value.later_present_cents == 920_87
    assert (value.deferral_cents, value.rate_difference_cents) == (579_13, 2_580_00)
    assert value.value_cents == 3_159_13


def test_r7_equal_rates_leave_only_deferral() -> None:
    same = Assumptions(horizon_years=10, discount_bps=500, later_rate_millionths=238_000)
    value = in_full(0, 10_000_00, 408_000, 238_000, same)
    assert value.rate_difference_cents == 0
    assert value.value_cents == value.deferral_cents > 0


def test_r7_without_time_there_is_no_deferral() -> None:
    now = Assumptions(horizon_years=0, discount_bps=500, later_rate_millionths=238_000)
    assert in_full(0, 10_000_00, 408_000, 238_000, now).value_cents == 0


def test_r7_usable_counts_only_what_the_year_can_take() -> None:
    """20,000 of loss and no gains: 3,000 at 35 percent now, 17,000 carried forward."""
    value = usable(year(short_cents=-20_000_00), 20_000_00, 0, TEN_YEARS)
    assert value.this_year.now_cents == 3_000 * 35
    assert (value.short_carried_cents, value.long_carried_cents) == (17_000_00, 0)
    # five years of 3,000 and one of 2,000, each discounted
    yearly = [3_000_00] * 5 + [2_000_00]
    expected = [TEN_YEARS.present_cents(cents * 35 // 100, n) for n, cents in enumerate(yearly, 1)]
    assert value.carried_present_cents == sum(expected)


def test_r7_against_gains_of_the_year_it_is_worth_their_rate() -> None:
    value = usable(year(short_cents=20_000_00), 10_000_00, 0, TEN_YEARS)
    assert value.this_year.now_cents == 3_880_00  # 35 and 3.8 percent
    assert (value.short_carried_cents, value.carried_present_cents) == (0, 0)


@given(
    st.integers(-50_000_00, 50_000_00),
    st.integers(-50_000_00, 50_000_00),
    st.integers(0, 30_000_00),
    st.integers(0, 30_000_00),
)
def test_usable_is_the_difference_of_two_taxes(
    short: int, long: int, short_loss: int, long_loss: int
) -> None:
    income = year(short_cents=short, long_cents=long, state="CA")
    value = usable(income, short_loss, long_loss, TEN_YEARS)
    without = year(short_cents=short + short_loss, long_cents=long + long_loss, state="CA")
    saved = tax_on(without).total_microcents - tax_on(income).total_microcents
    assert abs(value.this_year.now_cents * 1_000_000 - saved) <= 500_000
    parts = value.this_year.deferral_cents + value.this_year.rate_difference_cents
    assert value.this_year.value_cents == parts


@pytest.mark.parametrize("wrong", [(-1, 0, 0), (1, -1, 0), (1, 0, 1_000_001), (101, 0, 0)])
def test_impossible_assumptions_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(InputError):
        Assumptions(*wrong)
