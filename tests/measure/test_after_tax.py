"""After tax: what was realised, what would be, the shadow benchmark, and what losses are worth."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.measure.after_tax import (
    Realised,
    TaxRates,
    Unrealised,
    after_tax_days,
    after_tax_dietz,
    by_direction,
    post_liquidation,
    tax_alpha,
)
from opensma.measure.conventions import LotRelief
from opensma.measure.losses import (
    TaxYear,
    basis_step_down,
    carryforward_ledger,
    harvest_value,
    harvest_yield,
    net_deferred_base,
)
from opensma.measure.shadow import Shadow, shadow_benchmark

RATES = TaxRates(short=0.4, long=0.2, qualified=0.2, ordinary=0.4)
YEARS = [date(2021, 12, 31), date(2022, 12, 31), date(2023, 12, 31)]


def shadow(
    flows: list[list[float]],
    growth: list[float],
    income: list[float],
    basis: float = 800.0,
    acquired: date = date(2020, 6, 30),
    relief: LotRelief = LotRelief.FIFO,
) -> Shadow:
    accounts = len(flows)
    return shadow_benchmark(
        YEARS[0], YEARS[1 : 1 + len(growth)], [1000.0] * accounts, [basis] * accounts,
        [acquired] * accounts, flows, growth, income, [RATES] * accounts, relief,
    )  # fmt: skip


# --- after tax ---------------------------------------------------------------------------------


def test_m42_a_realised_loss_raises_the_return_after_tax() -> None:
    found = after_tax_dietz(
        1000, 1050, 30, [], [], Realised(-100, 50, 10, 5), Unrealised(0, 0, 0, 0), RATES
    )
    assert found.tax == pytest.approx(-40 + 10 + 2 + 2)
    assert found.pre_liquidation == pytest.approx(0.05 + 0.026)
    assert found.mark_to_liquidation == found.pre_liquidation


def test_m43_liquidation_counts_the_change_and_not_the_level() -> None:
    none = Realised(0, 0)
    same = after_tax_dietz(1000, 1050, 30, [], [], none, Unrealised(70, 70, 9, 9), RATES)
    more = after_tax_dietz(1000, 1050, 30, [], [], none, Unrealised(70, 90, 9, 4), RATES)
    assert same.mark_to_liquidation == same.pre_liquidation == pytest.approx(0.05)
    assert more.mark_to_liquidation == pytest.approx(0.05 - (20 * 0.2 - 5 * 0.4) / 1000)


@given(st.floats(-0.3, 0.3), st.floats(0, 500))
def test_m43_what_is_gained_and_kept_is_taxed_at_liquidation_only(r: float, gain: float) -> None:
    """Realising a long-term gain moves tax from the overhang to the period; the sum stays."""
    end = 1000 * (1 + r)
    kept = after_tax_dietz(
        1000, end, 30, [], [], Realised(0, 0), Unrealised(gain, gain, 0, 0), RATES
    )
    sold = after_tax_dietz(
        1000, end, 30, [], [], Realised(0, gain), Unrealised(gain, 0, 0, 0), RATES
    )
    assert float(sold.mark_to_liquidation) == pytest.approx(float(kept.mark_to_liquidation))
    assert sold.pre_liquidation <= kept.pre_liquidation


def test_after_tax_results_of_many_accounts_at_once() -> None:
    found = after_tax_dietz(
        [1000, 2000], [1050, 1900], 30, [10], [[0], [50]],
        Realised(np.array([0, -100]), np.array([0, 0])), Unrealised(0, 0, 0, 0), RATES,
    )  # fmt: skip
    assert found.pre_tax[0] == found.pre_liquidation[0] == pytest.approx(0.05)
    assert found.pre_liquidation[1] - found.pre_tax[1] == pytest.approx(40 / found.denominator[1])


def test_m41_daily_after_tax_returns_take_each_days_tax() -> None:
    tax = Realised(np.array([[0.0, -10.0, 0.0]]), 0.0)
    found = after_tax_days([[0.01, 0.01, 0.0]], [[100, 101, 0]], tax, RATES)
    assert found[0] == pytest.approx([0.01, 0.01 + 4 / 101, 0.0])


def test_rates_are_fractions() -> None:
    with pytest.raises(InputError, match="tax_rate"):
        TaxRates(37, 0.2, 0.2)


def test_m44_post_liquidation_refuses_a_tax_above_the_account() -> None:
    with pytest.raises(InputError, match="return_below_minus_100"):
        post_liquidation([0.1], 6.0, 0.2)
    assert post_liquidation([0.1, 0.2], 0.0, 0.2) == pytest.approx((1.1 * 1.2) ** 0.5 - 1)


def test_m55_tax_alpha_may_be_negative() -> None:
    assert tax_alpha(0.05, 0.06, 0.07, 0.07).tax_alpha == pytest.approx(-0.01)


def test_m49_what_the_client_asked_for_is_told_apart() -> None:
    assert by_direction([-10.0, 4.0, 3.0], [False, True, False]) == (-7.0, 4.0)


# --- the shadow benchmark ----------------------------------------------------------------------


def test_m53_without_income_or_flows_there_is_no_tax() -> None:
    found = shadow([[0, 0]], [0.1, -0.05], [0, 0])
    assert found.after_tax.tolist() == found.pre_tax.tolist()
    assert found.ending_value == pytest.approx(1000 * 1.1 * 0.95)
    assert found.ending_basis == 800


def test_m53_dividends_are_taxed_and_become_lots() -> None:
    found = shadow([[0]], [0.1], [0.02])
    assert found.after_tax[0, 0] == pytest.approx(0.12 - 0.02 * 0.2)
    assert found.ending_basis == pytest.approx(820)
    assert found.ending_value == pytest.approx(1120)


def test_a_withdrawal_within_a_year_is_short_term_and_after_it_long_term() -> None:
    sold = [[0.0, -100.0]]
    long = shadow(sold, [0.0, 0.0], [0, 0])
    short = shadow(sold, [0.0, 0.0], [0, 0], acquired=YEARS[0])  # sold on the first anniversary
    assert long.after_tax[0, 1] == pytest.approx(-20 * 0.2 / 900)
    assert short.after_tax[0, 1] == pytest.approx(-20 * 0.4 / 900)


def test_lot_relief_of_the_shadow_is_a_choice() -> None:
    """600 old at cost 800 in 1000, then 500 new at cost: HIFO sells the new, FIFO the old ones."""
    flows = [[500.0, -300.0]]
    fifo, hifo, part = (
        shadow(flows, [0.0, 0.0], [0, 0], relief=r)
        for r in (LotRelief.FIFO, LotRelief.HIFO, LotRelief.PRO_RATA)
    )
    assert fifo.after_tax[0, 1] == pytest.approx(-300 * 0.2 * 0.2 / 1200)
    assert hifo.after_tax[0, 1] == pytest.approx(0)
    assert part.after_tax[0, 1] == pytest.approx(-200 * 0.2 * 0.2 / 1200)
    assert fifo.ending_value == hifo.ending_value == pytest.approx(part.ending_value)


@given(
    st.lists(
        st.tuples(st.floats(-100, 300), st.floats(-0.3, 0.4), st.floats(0, 0.05)),
        min_size=2, max_size=2,
    ),
    st.sampled_from(LotRelief),
)  # fmt: skip
def test_value_follows_the_flows_and_many_accounts_are_each_alone(
    periods: list[tuple[float, float, float]], relief: LotRelief
) -> None:
    flows, growth, income = ([p[i] for p in periods] for i in range(3))
    together = shadow([flows, [0, 0], flows], growth, income, relief=relief)
    alone = shadow([flows], growth, income, relief=relief)
    value = 1000.0
    for flow, g, d in periods:
        value = (value + flow) * (1 + g + d)
    assert alone.ending_value[0] == pytest.approx(value)
    assert together.after_tax[2] == pytest.approx(alone.after_tax[0], abs=1e-14)
    assert together.pre_tax[1] == pytest.approx(np.array(growth) + income)


def test_what_the_shadow_cannot_do_is_refused() -> None:
    with pytest.raises(InputError, match="withdrawal_too_large"):
        shadow([[-1001]], [0.0], [0.0])
    with pytest.raises(InputError, match="base_not_positive"):
        shadow([[-1000]], [0.0], [0.0])
    with pytest.raises(InputError, match="acquired_late"):
        shadow([[0]], [0.0], [0.0], acquired=date(2022, 1, 1))


# --- losses ------------------------------------------------------------------------------------


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 0.6))
def test_m58_usable_and_carried_make_the_whole(loss: float, gains: float, rate: float) -> None:
    found = harvest_value(loss, gains, rate)
    assert found.usable_this_year + found.carryforward * rate == pytest.approx(found.potential)
    assert 0 <= found.usable_this_year <= found.potential + 1e-9


def test_a_gain_is_no_harvest() -> None:
    with pytest.raises(InputError, match="harvest_input"):
        harvest_value(-1, 0, 0.4)


def test_m59_losses_carry_forward_by_term_until_they_are_used() -> None:
    rows = carryforward_ledger([
        TaxYear(2022, -10_000_00, 0, 90_000_00, 400_000, 200_000),
        TaxYear(2023, 0, 2_000_00, 90_000_00, 400_000, 200_000),
        TaxYear(2024, 4_000_00, 0, 90_000_00, 400_000, 200_000),
    ])  # fmt: skip
    assert [r.netting.short_carry_cents for r in rows] == [7_000_00, 2_000_00, 0]
    assert [r.netting.used_cents for r in rows] == [3_000_00, 3_000_00, 0]
    assert [r.benefit_cents for r in rows] == [1_200_00, 400_00 + 1_200_00, 800_00]


def test_m59_a_year_may_not_be_missing() -> None:
    with pytest.raises(InputError, match="ledger_gap"):
        carryforward_ledger([TaxYear(y, 0, 0, 0, 0, 0) for y in (2022, 2024)])


def test_m60_m61_deferral_is_shown_beside_what_covers_it() -> None:
    assert net_deferred_base(0.062, 0.041) == (pytest.approx(0.021), 0.0)
    assert net_deferred_base(0.01, 0.05) == (0.0, pytest.approx(0.04))
    assert basis_step_down([90, 80], [100, 120]) == pytest.approx([0.9, 2 / 3])
    assert harvest_yield(30.0, 1000.0) == 0.03
