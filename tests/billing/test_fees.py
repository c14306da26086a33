"""Fees: exact until one rounding, and parts that sum to the whole."""

from datetime import date
from fractions import Fraction as F  # noqa: N817 - every number of this page is one

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.billing.exact import share_out, to_cents
from opensma.billing.periods import (
    DayBasis,
    FlowMethod,
    Run,
    average_daily,
    fee_order,
    fee_split,
    flow_adjustment,
    four_month_ends,
    period_end,
    period_fee,
    termination_refund,
)
from opensma.billing.schedules import (
    BilledAccount,
    Schedule,
    Style,
    Tier,
    aggregate_fee,
    allocate,
    fees_at_household_value,
    individual_fees,
)
from opensma.errors import InputError

TIERS = Schedule(
    (Tier(F(250_000), F("0.012")), Tier(F(1_000_000), F("0.009")), Tier(None, F("0.006")))
)
CENTS = st.integers(0, 10**12).map(lambda c: F(c, 100))


@pytest.mark.parametrize(
    ("dollars", "cents"),
    [("1.295", 130), ("-1.295", -130), ("1.2949999", 129), ("0.005", 1), ("-0.005", -1), ("0", 0)],
)
def test_b17_half_a_cent_goes_away_from_zero(dollars: str, cents: int) -> None:
    assert to_cents(F(dollars)) == cents


def test_b3_a_value_equal_to_the_bound_is_in_its_tier() -> None:
    cliff = Schedule((Tier(F(1_000_000), F("0.01")), Tier(None, F("0.0075"))))
    assert cliff.annual(F(1_000_000), Style.CLIFF) == 10_000
    assert to_cents(cliff.annual(F("1000000.01"), Style.CLIFF)) == 7_500_00
    assert cliff.inversions() == [(F(1_000_000), 10_000_00, 7_500_00)]
    assert TIERS.inversions()


@given(CENTS, CENTS)
def test_a_blended_fee_rises_with_the_value(a: F, b: F) -> None:
    low, high = sorted((a, b))
    assert TIERS.annual(low, Style.BLENDED) <= TIERS.annual(high, Style.BLENDED)
    assert sum(row.base for row in TIERS.rows(a, Style.BLENDED)) == a


@pytest.mark.parametrize(
    "tiers",
    [
        (),
        (Tier(F(5), F(0)),),
        (Tier(None, F(0)), Tier(None, F(0))),
        (Tier(F(5), F(0)), Tier(F(5), F(0)), Tier(None, F(0))),
        (Tier(F(0), F(0)), Tier(None, F(0))),
    ],
)
def test_tiers_must_rise_and_end(tiers: tuple[Tier, ...]) -> None:
    with pytest.raises(InputError, match=r"billing\.tiers"):
        Schedule(tiers)


def test_amounts_and_rates_are_not_negative() -> None:
    with pytest.raises(InputError, match=r"billing\.negative"):
        TIERS.annual(F(-1), Style.BLENDED)
    with pytest.raises(InputError, match=r"billing\.negative"):
        Schedule((Tier(None, F(-1)),))


@given(st.lists(CENTS, min_size=1, max_size=9).filter(any), st.sampled_from([1, 4, 12]))
def test_b5_what_accounts_pay_sums_to_the_period_fee(values: list[F], periods: int) -> None:
    accounts = [BilledAccount(str(i), v) for i, v in enumerate(values)]
    found = allocate(accounts, TIERS, periods, Style.BLENDED)
    assert sum(found.allocation_cents.values()) == found.period_cents
    assert found.period_cents == to_cents(TIERS.annual(sum(values), Style.BLENDED) / periods)


def test_the_residual_goes_to_the_largest_and_to_the_first_of_two() -> None:
    accounts = [BilledAccount(n, F(1)) for n in "abc"]
    found = allocate(accounts, Schedule((Tier(None, F("0.0333")),)), 1, Style.BLENDED)
    assert found.allocation_cents == {"a": 4, "b": 3, "c": 3}


def test_a_household_pays_less_together_than_apart() -> None:
    accounts = [BilledAccount(n, F(v), "S") for n, v in (("a", 180_000), ("b", 1_020_000))]
    alone = individual_fees(accounts, {"S": TIERS}, Style.BLENDED)
    together = aggregate_fee(accounts, TIERS, Style.BLENDED)
    each = fees_at_household_value(accounts, {"S": TIERS}, Style.BLENDED)
    assert sum(each.values()) == together < sum(alone.values())
    with pytest.raises(InputError, match="schedule_unknown"):
        individual_fees(accounts, {}, Style.BLENDED)
    with pytest.raises(InputError, match="listed_twice"):
        aggregate_fee([accounts[0], accounts[0]], TIERS, Style.BLENDED)


def test_b14_only_flows_above_the_threshold_are_adjusted() -> None:
    def due(amount: int, method: FlowMethod) -> tuple[int, int]:
        start, end = date(2024, 4, 1), date(2024, 6, 30)
        day, rate = date(2024, 6, 1), F("0.002125")
        found = flow_adjustment(day, F(amount), start, end, rate, F(5000), method)
        return found.days, found.cents

    assert due(12_000, FlowMethod.ADVANCE_REMAINING) == (30, 841)
    assert due(-12_000, FlowMethod.ADVANCE_REMAINING) == (30, -841)
    assert due(12_000, FlowMethod.ARREARS_ELAPSED) == (61, -1709)
    assert due(5_000, FlowMethod.ADVANCE_REMAINING) == (30, 0)
    with pytest.raises(InputError, match="flow_date"):
        flow_adjustment(
            date(2024, 7, 1), F(1), date(2024, 4, 1), date(2024, 6, 30), F(1), F(0),
            FlowMethod.ADVANCE_REMAINING,
        )  # fmt: skip


def test_b8_days_over_365_and_equal_parts_differ() -> None:
    terms = (F(1_000_000), F("0.006"), 91, 91, 4)
    assert period_fee(*terms, DayBasis.ACTUAL_365) == 1_495_89
    assert period_fee(*terms, DayBasis.DIVIDE_BY_FREQUENCY) == 1_500_00
    with pytest.raises(InputError, match=r"billing\.days"):
        period_fee(F(1), F(0), 90, 91, 4, DayBasis.ACTUAL_365)


def test_valuation_bases() -> None:
    runs = [Run(89, F(500_000)), Run(2, F(100_000))]
    assert period_end(runs) == 100_000
    assert to_cents(average_daily(runs)) == 491_208_79
    assert four_month_ends([F(1), F(2), F(3), F(6)]) == 3
    for missing in (lambda: average_daily([]), lambda: four_month_ends([F(1)])):
        with pytest.raises(InputError, match="valuation_missing"):
            missing()


@given(st.integers(0, 92), st.integers(0, 10**9))
def test_b10_what_is_served_and_refunded_is_what_was_billed(served: int, cents: int) -> None:
    unearned, refund = termination_refund(F(cents, 100), 92, served)
    assert unearned + served == 92
    assert 0 <= refund <= cents


@given(
    CENTS,
    st.lists(st.integers(0, 100), min_size=1, max_size=6),
    st.integers(0, 366),
)
def test_b21_payees_get_what_the_client_pays(base: F, points: list[int], days: int) -> None:
    payees = [(str(i), F(bp)) for i, bp in enumerate(points)]
    total, amounts = fee_split(base, payees, days, 365, "0")
    assert sum(amounts.values()) == total
    assert total == to_cents(base * sum(points) / 10_000 * days / 365)


def test_the_residual_needs_a_payee() -> None:
    with pytest.raises(InputError, match="residual_unknown"):
        share_out(5, {"a": F(1)}, "b")


def test_b16_the_cap_wins_and_a_credit_never_pays_out() -> None:
    high = fee_order(F(1000), F("0.01"), F(0), F(50), F(20), F(0))
    assert (high.standard, high.after_minimum, high.after_cap, high.final) == (10, 50, 20, 20)
    paid = fee_order(F(1000), F("0.01"), F("0.5"), None, None, F(8))
    assert (paid.negotiated, paid.final, paid.credit_left) == (5, 0, 3)
    with pytest.raises(InputError, match=r"billing\.discount"):
        fee_order(F(1), F(1), F(2), None, None, F(0))
