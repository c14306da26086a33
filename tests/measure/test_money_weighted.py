"""Money-weighted returns: one rate or none, day counts, groups."""

from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.measure.conventions import DayCount, RootPolicy
from opensma.measure.daycount import year_fraction
from opensma.measure.money_weighted import (
    all_roots,
    cash_flows,
    internal_rates,
    padded,
    pooled,
    since_inception,
    xirr,
)

START = date(2020, 1, 1)


def on(*days: int) -> list[date]:
    return [START + timedelta(days=d) for d in days]


@given(
    st.floats(-0.95, 5),
    st.lists(st.tuples(st.integers(0, 3000), st.floats(1, 1e6)), min_size=1, max_size=20),
)
def test_m17_a_rate_that_was_put_in_comes_out(rate: float, paid: list[tuple[int, float]]) -> None:
    """What was paid in grows at the rate and is received on one later day."""
    end = 3650
    worth = sum(a * (1 + rate) ** ((end - d) / 365) for d, a in paid)
    assume(worth > 1e-6)
    flows = cash_flows(on(*(d for d, _ in paid), end), [*(-a for _, a in paid), worth])
    assert flows.sign_changes == 1
    assert xirr(flows) == pytest.approx(rate, abs=1e-8)


@given(st.lists(st.floats(-0.9, 3), min_size=1, max_size=12))
def test_m17_many_accounts_at_once_are_each_alone(rates: list[float]) -> None:
    flows = [
        cash_flows(on(0, *range(200, 200 + i), 900), [-100.0, *[-5.0] * i, 100 * (1 + r) ** 2 + 9])
        for i, r in enumerate(rates)
    ]
    assert internal_rates(*padded(flows)) == pytest.approx([xirr(f) for f in flows], abs=1e-12)


def test_m17_two_rates_are_refused_and_both_are_named() -> None:
    flows = cash_flows(on(0, 365, 730), [-100, 230, -132])
    assert all_roots(flows, -0.99, 10) == pytest.approx([0.1, 0.2])
    with pytest.raises(InputError, match=r"2 rates fit: 10\.0000%, 20\.0000%"):
        xirr(flows)
    assert xirr(flows, RootPolicy.NEAREST_TO_GUESS, 0.17) == pytest.approx(0.2)
    assert xirr(flows, RootPolicy.NEAREST_TO_GUESS, 0.13) == pytest.approx(0.1)


def test_two_rates_that_nearly_touch_are_both_found() -> None:
    """(x - 1.1)(x - 1.1001): both inside one cell of the grid."""
    flows = cash_flows(on(0, 365, 730), [-1e6, 2_200_100, -1.1 * 1.1001 * 1e6])
    assert all_roots(flows, -0.99, 10) == pytest.approx([0.1, 0.1001], abs=1e-7)


@given(st.lists(st.floats(-0.6, 2.0), min_size=1, max_size=4, unique=True))
def test_every_rate_in_the_interval_is_found(roots: list[float]) -> None:
    ordered = sorted(roots)
    assume(all(b - a > 0.01 for a, b in pairwise(ordered)))
    amounts = np.poly([1 + r for r in ordered])
    assume(np.abs(amounts).min() > 1e-6)
    flows = cash_flows(on(*(365 * i for i in range(len(amounts)))), amounts.tolist())
    assert all_roots(flows, -0.9, 10) == pytest.approx(ordered, abs=1e-5)


def test_several_changes_of_sign_with_one_rate_have_that_rate() -> None:
    """Pay in, take out, pay in, close: common, and here without a second rate."""
    flows = cash_flows(on(0, 100, 200, 365), [-100, 20, -30, 120])
    assert flows.sign_changes == 3
    rate = xirr(flows)
    assert sum(a / (1 + rate) ** t for a, t in zip(flows.amounts, flows.years, strict=True)) == (
        pytest.approx(0, abs=1e-9)
    )


def test_flows_are_sorted_summed_by_date_and_zeros_dropped() -> None:
    flows = cash_flows(on(365, 0, 0, 100, 100), [110, -60, -40, 5, -5])
    assert flows.amounts.tolist() == [-100, 110]
    assert xirr(flows) == pytest.approx(0.1)


@pytest.mark.parametrize("amounts", [[-1, -2], [1, 2], [0, 0]])
def test_without_money_in_and_out_there_is_no_rate(amounts: list[float]) -> None:
    with pytest.raises(InputError, match="no_rate"):
        xirr(cash_flows(on(0, 1), amounts))


def test_a_loss_of_nearly_everything_is_solved() -> None:
    assert xirr(cash_flows(on(0, 365), [-1e6, 1e-3])) == pytest.approx(-1 + 1e-9, abs=1e-15)


def test_a_day_that_doubles_is_solved() -> None:
    assert np.log1p(xirr(cash_flows(on(0, 1), [-1, 2]))) == pytest.approx(365 * np.log(2))


def test_m16_groups_pool_their_flows() -> None:
    a = (on(0, 365), [-100.0, 120.0])
    b = (on(0, 182, 365), [-100.0, -900.0, 1000.0])
    together = xirr(pooled([a, b], DayCount.ACT_365F))
    average = (xirr(cash_flows(*a)) + xirr(cash_flows(*b))) / 2
    assert together == pytest.approx(0.031, abs=1e-3)
    assert average == pytest.approx(0.1)


def test_m15_under_a_year_only_the_period_is_told() -> None:
    short = since_inception([date(2010, 1, 1), date(2010, 12, 31)], [-200, 210])
    assert short.annualised is None
    assert short.period == pytest.approx(0.05)
    full = since_inception([date(2010, 1, 1), date(2011, 1, 1)], [-200, 210])
    assert full.annualised == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("count", "start", "end", "years"),
    [
        (DayCount.ACT_ACT_ISDA, date(2007, 12, 31), date(2008, 1, 2), 1 / 365 + 1 / 366),
        (DayCount.ACT_ACT_ISDA, date(2007, 7, 1), date(2010, 1, 1), 184 / 365 + 2),
        (DayCount.THIRTY_E_360, date(2024, 1, 31), date(2024, 3, 31), 60 / 360),
        (DayCount.THIRTY_E_360, date(2024, 1, 15), date(2024, 3, 31), 75 / 360),
        (DayCount.THIRTY_360_ISDA, date(2024, 1, 15), date(2024, 3, 31), 76 / 360),
        (DayCount.THIRTY_360_ISDA, date(2024, 1, 30), date(2024, 3, 31), 60 / 360),
        (DayCount.THIRTY_360_ISDA, date(2023, 2, 28), date(2023, 8, 31), 183 / 360),
        (DayCount.THIRTY_360_SIA, date(2023, 2, 28), date(2023, 8, 31), 180 / 360),
        (DayCount.THIRTY_360_SIA, date(2023, 2, 28), date(2024, 2, 29), 1.0),
        (DayCount.THIRTY_360_SIA, date(2024, 2, 28), date(2024, 3, 31), 33 / 360),
        (DayCount.ACT_360, date(2024, 1, 1), date(2024, 12, 26), 1.0),
        (DayCount.ACT_365F, date(2024, 1, 1), date(2024, 12, 31), 1.0),
    ],
)
def test_m18_day_counts(count: DayCount, start: date, end: date, years: float) -> None:
    assert year_fraction(start, end, count) == pytest.approx(years, abs=1e-15)
