"""Time-weighted returns, Modified Dietz, lengths: values, flows and what may be linked."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.measure.conventions import FlowTiming, FlowWeight, LargeFlow, ReturnBasis
from opensma.measure.dietz import (
    is_large,
    large_flow_effect,
    modified_dietz,
    periods_to_break,
    significant_months,
)
from opensma.measure.length import (
    PeriodReturn,
    full_year,
    link_periods,
    period_return,
    track_records,
    years_between,
    years_later,
)
from opensma.measure.returns import daily_returns, daily_series, gross_and_net, link

RETURNS = st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=30)
FLOWS = st.lists(st.tuples(st.floats(0, 500), st.floats(0, 50)), min_size=30, max_size=30)


@given(RETURNS, FLOWS)
def test_m8_flows_do_not_change_the_return(
    returns: list[float], flows: list[tuple[float, float]]
) -> None:
    value, values, used = 1000.0, [], []
    for r, (inflow, outflow) in zip(returns, flows, strict=False):
        grown = (value + inflow) * (1 + r)
        out = min(outflow, grown / 2)
        value = grown - out
        values.append(value)
        used.append((inflow, out))
    series = daily_series(1000.0, values, [f for f, _ in used], [o for _, o in used])
    assert series.total == pytest.approx(np.prod(1 + np.array(returns)) - 1, abs=1e-9)
    assert series.warnings == ()


@given(RETURNS, st.integers(0, 29))
def test_linking_in_parts_is_linking_at_once(returns: list[float], cut: int) -> None:
    parts = [link(returns[:cut]), link(returns[cut:])]
    assert float(link(parts)) == pytest.approx(float(link(returns)), abs=1e-12)


def test_m8_a_zero_base_returns_nothing_and_warns_once_a_day() -> None:
    series = daily_series(0, [0, 5, 6], [0, 5, 0], [0, 0, 0])
    assert series.daily == pytest.approx([0, 0, 0.2])
    assert series.warnings == ("zero_base",)


@pytest.mark.parametrize(
    ("start", "values", "inflow", "outflow", "code"),
    [
        (-1, [1], [0], [0], "base_not_positive"),
        (1, [-1], [0], [0], "return_below_minus_100"),
        (1, [1], [-1], [0], "flow_negative"),
        (1, [1], [0], [-1], "flow_negative"),
        (1, [float("nan")], [0], [0], "not_finite"),
    ],
)
def test_what_cannot_be_a_day_is_refused(
    start: float, values: list[float], inflow: list[float], outflow: list[float], code: str
) -> None:
    with pytest.raises(InputError, match=code):
        daily_series(start, values, inflow, outflow)


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (FlowTiming.START_OF_DAY, 165 / 150 - 1),
        (FlowTiming.END_OF_DAY, 115 / 100 - 1),
        (FlowTiming.MID_DAY, 140 / 125 - 1),
        (FlowTiming.INFLOW_START_OUTFLOW_END, 165 / 150 - 1),
    ],
)
def test_flow_timing_moves_the_flow(timing: FlowTiming, expected: float) -> None:
    args = (np.array([100]), np.array([165]), np.array([50]), np.array([0]))
    assert daily_returns(*args, timing)[0] == pytest.approx(expected)


def test_m19_gross_gives_back_a_fee_paid_inside_and_net_takes_off_one_paid_outside() -> None:
    none = np.zeros(2)
    gross, net = gross_and_net(
        np.array([100.0, 100.0]), np.array([109.0, 110.0]), none, none,
        fee_inside=np.array([1.0, 0.0]), fee_outside=np.array([0.0, 1.0]),
    )  # fmt: skip
    assert gross == pytest.approx([0.1, 0.1])
    assert net == pytest.approx([0.09, 0.09])


def test_m7_a_transfer_between_accounts_leaves_the_household_as_it_is() -> None:
    """30 move from b to a at the end of day one: each account sees a flow, both together none."""
    a = daily_series(100, [110 + 30, 154], [30, 0], [0, 0])
    b = daily_series(200, [210 - 30, 189], [0, 0], [30, 0])
    moved = daily_series(300, [140 + 180, 154 + 189], [0, 0], [0, 0])
    stayed = daily_series(300, [110 + 210, 121 + 222], [0, 0], [0, 0])
    assert moved.total == stayed.total
    assert a.daily == pytest.approx([140 / 130 - 1, 0.1])
    assert b.daily == pytest.approx([0.05, 0.05])


# --- Modified Dietz ----------------------------------------------------------------------------


def test_m9_dietz_of_many_accounts_is_dietz_of_each() -> None:
    rng = np.random.default_rng(5)
    begin, flows = rng.uniform(50, 100, 20), rng.uniform(-9, 9, (20, 3))
    end = begin * rng.uniform(0.9, 1.1, 20) + flows.sum(axis=1)
    days = [3, 10, 30]
    together = modified_dietz(begin, end, 30, days, flows).returns
    alone = [
        modified_dietz(b, e, 30, days, f).returns for b, e, f in zip(begin, end, flows, strict=True)
    ]
    assert together == pytest.approx(np.array(alone), abs=1e-15)


@given(st.floats(1, 1e6), st.floats(0, 1e6), st.integers(1, 366))
def test_m9_without_flows_dietz_is_the_simple_return(begin: float, end: float, days: int) -> None:
    found = modified_dietz(begin, end, days, [], [])
    assert float(found.returns) == pytest.approx(end / begin - 1, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("day", [0, 31])
def test_a_flow_outside_its_period_is_refused(day: int) -> None:
    with pytest.raises(InputError, match="flow_day"):
        modified_dietz(100, 110, 30, [day], [5])


def test_a_denominator_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InputError, match="base_not_positive"):
        modified_dietz(100, 0, 30, [1], [-110], FlowWeight.START_OF_DAY)


def test_m10_a_large_flow_is_found_from_the_threshold_on() -> None:
    assert is_large(-10, 100, LargeFlow(share=0.1))
    assert not is_large(9.99, 100, LargeFlow(share=0.1))
    assert is_large(3.3, 33, LargeFlow(share=0.1))  # 0.1 * 33 is above 3.3 in binary
    assert is_large(50_000, 1, LargeFlow(amount=50_000))
    many = periods_to_break([100, 1000], [[0, 10, -9], [10, 0, 100]], LargeFlow(share=0.1))
    assert many.tolist() == [[False, True, False], [False, False, True]]
    with pytest.raises(InputError, match="large_flow_policy"):
        LargeFlow()
    with pytest.raises(InputError, match="large_flow_policy"):
        LargeFlow(amount=1, share=0.1)


def test_m10_breaking_at_the_flow_costs_nothing_when_markets_stand_still() -> None:
    found = large_flow_effect(100, 100, 50, 15, 150, 30, LargeFlow(share=0.1))
    assert found.true_twr == found.modified_dietz == 0
    assert found.difference_bp == 0


def test_m11_significant_flows_remove_and_do_not_revalue() -> None:
    removed = significant_months([[100, 100, 0]], [[-25, 5, 0]], 0.25)
    assert removed.tolist() == [[True, False, False]]


# --- lengths -----------------------------------------------------------------------------------


def test_m12_under_one_year_nothing_is_annualised() -> None:
    short = PeriodReturn(date(2023, 12, 31), date(2024, 12, 30), 0.1)
    assert short.annualised is None
    assert PeriodReturn(date(2023, 12, 31), date(2024, 12, 31), 0.1).annualised == pytest.approx(
        0.1
    )


def test_m12_the_boundary_is_by_date_in_leap_years_too() -> None:
    assert full_year(date(2024, 2, 29), date(2025, 2, 28))
    assert not full_year(date(2024, 2, 29), date(2025, 2, 27))
    assert not full_year(date(2023, 3, 1), date(2024, 2, 29))
    assert years_later(date(2024, 2, 29), 4) == date(2028, 2, 29)


def test_month_ends_count_months_and_other_days_count_anniversaries() -> None:
    assert years_between(date(2022, 12, 31), date(2024, 6, 30)) == 1.5
    assert years_between(date(2024, 2, 29), date(2025, 2, 28)) == 1.0
    assert years_between(date(2022, 3, 10), date(2024, 3, 10)) == 2.0
    assert years_between(date(2022, 3, 10), date(2024, 3, 11)) == pytest.approx(2 + 1 / 365)
    assert years_between(date(2023, 3, 10), date(2024, 3, 9)) == pytest.approx(365 / 366)


def test_two_years_of_ten_percent_are_ten_percent_a_year() -> None:
    found = period_return(date(2021, 12, 31), date(2023, 12, 31), [0.1, 0.1])
    assert found.cumulative == pytest.approx(0.21)
    assert found.annualised == pytest.approx(0.1)


def test_m36_actual_and_hypothetical_are_never_linked() -> None:
    first = PeriodReturn(date(2022, 12, 31), date(2023, 12, 31), 0.1)
    next_start, end = date(2023, 12, 31), date(2024, 12, 31)
    assert link_periods([first, PeriodReturn(next_start, end, 0.1)]).annualised == pytest.approx(
        0.1
    )
    for bad in (
        PeriodReturn(next_start, end, 0.1, actual=False),
        PeriodReturn(next_start, end, 0.1, ReturnBasis.NET_ACTUAL),
    ):
        with pytest.raises(InputError, match="link_mixed"):
            link_periods([first, bad])
    with pytest.raises(InputError, match="period_gap"):
        link_periods([first, PeriodReturn(date(2024, 1, 1), end, 0.1)])


def test_m13_a_record_that_goes_to_zero_ends_and_another_begins() -> None:
    assert track_records([5, 6, 0, 0, 4, 5]) == [(0, 3), (4, 6)]
    assert track_records([5, 6]) == [(0, 2)]
    assert track_records([0, 6]) == [(1, 2)]
