"""Composites: return methods, spread, who belongs and why, and what a correction leaves behind."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.measure.composites import (
    Member,
    by_sponsor,
    composite_return,
    composite_series,
    count_labels,
    dispersion,
    model_fee_net,
    wrap_gross,
)
from opensma.measure.conventions import (
    CompositeMethod,
    Conventions,
    DatedConventions,
    FlowWeight,
    LargeFlow,
    Materiality,
    ModelFeeMethod,
    in_force,
)
from opensma.measure.corrections import Figure, Issue, correct
from opensma.measure.membership import (
    AccountFacts,
    Definition,
    Interval,
    Reason,
    entry_date,
    first_of_month,
    last_day_after_notice,
    memberships,
    unassigned,
)
from opensma.measure.risk import (
    active_share,
    drawdowns,
    max_drawdown,
    risk_summary,
    three_year_deviation,
)

MONTHS = [first_of_month(date(2024, 1, 1), i) for i in range(12)]
RULE = Definition("Core", MONTHS[0], date(2023, 12, 1), "pm", frozenset({"core"}), minimum=100.0)


def facts(account: str, *begins: float, **more: object) -> list[AccountFacts]:
    return [
        AccountFacts(account, month, begin, "core", **more)  # type: ignore[arg-type]
        for month, begin in zip(MONTHS, begins, strict=False)
    ]


def intervals(
    rows: list[AccountFacts],
    funded: date = date(2023, 11, 10),
    notice: date | None = None,
    rules: tuple[Definition, ...] = (RULE,),
) -> list[tuple[date, date | None, Reason, Reason]]:
    name = rows[0].account_id
    found = memberships(rules, {name: funded}, {name: notice} if notice else {}, rows)
    assert all(isinstance(i, Interval) and i.account_id == name for i in found)
    return [(i.first, i.last, i.entered, i.left) for i in found]


# --- returns -----------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.floats(10, 1000), st.floats(-0.5, 0.5), st.floats(-5, 50), st.integers(1, 30)),
        min_size=1, max_size=8,
    )
)  # fmt: skip
def test_m29_weighted_flows_and_aggregate_agree_on_dietz_members(
    rows: list[tuple[float, float, float, int]],
) -> None:
    members = [
        Member(str(i), begin, begin * (1 + r) + max(flow, 0), (day,), (flow,))
        for i, (begin, r, flow, day) in enumerate(rows)
    ]
    found = composite_return(members, 30, list(CompositeMethod)).composite
    assert found[CompositeMethod.BEGINNING_PLUS_FLOWS] == pytest.approx(
        found[CompositeMethod.AGGREGATE], abs=1e-12
    )


def test_a_member_without_valuation_or_listed_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"measure\.member"):
        Member("a", 100)
    twice = [Member("a", 100, 110), Member("a", 100, 110)]
    with pytest.raises(InputError, match="member_twice"):
        composite_return(twice, 30, [CompositeMethod.BEGINNING])
    with pytest.raises(InputError, match="no_members"):
        composite_return([], 30, [CompositeMethod.BEGINNING])


def test_a_series_weighs_only_members() -> None:
    returns = np.array([[0.1, 0.2], [0.3, 0.0]])
    begin, inside = np.array([[100, 100], [300, 300]]), np.array([[True, True], [False, True]])
    assert composite_series(returns, begin, inside) == pytest.approx([0.1, 0.05])


def test_m35_wrap_accounts_of_a_sponsor_count_as_one_portfolio() -> None:
    members = [Member("a", 100, 110), Member("b", 300, 300), Member("c", 50, 55)]
    wrapped, rest = by_sponsor(members, {"a": "S", "b": "S"}, 30, FlowWeight.END_OF_DAY)
    assert [m.member_id for m in rest] == ["c"]
    assert wrapped == [Member("S", 400, known_return=pytest.approx(0.025))]


def test_m22_only_an_identified_management_fee_is_added_back() -> None:
    assert wrap_gross(200, 75).addable_bp == 75
    with pytest.raises(InputError, match="wrap_fee"):
        wrap_gross(75, 200)


@given(st.floats(-0.9, 1), st.floats(0, 0.03))
def test_m23_a_model_fee_never_raises_a_return(gross: float, fee: float) -> None:
    nets = [float(model_fee_net(gross, fee, 12, m)) for m in ModelFeeMethod]
    assert max(nets) <= gross + 1e-12
    assert max(nets) - min(nets) < 0.003


# --- spread and risk ---------------------------------------------------------------------------


def test_m30_m32_dispersion_of_few_members() -> None:
    assert not dispersion([0.1] * 5, [1.0] * 5).dispersion_required
    one = dispersion([0.1], [1.0])
    assert one.equal_weighted_std is None
    assert one.asset_weighted_std == 0
    assert count_labels(5) == ["5", "five or fewer"]
    assert count_labels(6) == ["6"]


def test_m31_only_the_last_36_months_count() -> None:
    months = [0.5, *([0.01, -0.01] * 18)]
    assert three_year_deviation(months) == three_year_deviation(months[1:])
    assert three_year_deviation(months[:35]) is None


@given(st.lists(st.floats(-0.9, 1), min_size=1, max_size=40))
def test_m68_a_drawdown_is_the_deepest_fall_from_any_peak(returns: list[float]) -> None:
    wealth = [1.0]
    for r in returns:
        wealth.append(wealth[-1] * (1 + r))
    slow = min(min(0.0, after / before - 1) for i, before in enumerate(wealth)
               for after in wealth[i:])  # fmt: skip
    assert max_drawdown(returns) == pytest.approx(slow, abs=1e-12)
    assert drawdowns(np.array([returns, returns]))[1] == max_drawdown(returns)


def test_a_series_that_looks_like_prices_is_still_returns() -> None:
    """A published library takes it for prices and finds a deviation of .0094."""
    found = risk_summary([0.01, 0, 1.5, 0.02], [0.0, 0.01, 0.0, 0.02], 1, 0.0)
    assert found.std == pytest.approx(0.745, abs=1e-3)


def test_a_benchmark_that_stands_still_has_no_beta() -> None:
    found = risk_summary([0.01, 0.02, 0.03], [0.0, 0.0, 0.0], 12, 0.0)
    assert found.beta is found.jensen_alpha is found.specific_risk is found.fama_beta is None
    same = risk_summary([0.01, 0.02, 0.03], [0.01, 0.02, 0.03], 12, 0.0)
    assert same.information_ratio is None
    assert same.beta == pytest.approx(1)


def test_active_share_is_zero_for_the_same_and_one_for_nothing_in_common() -> None:
    assert active_share({"a": 1.0}, {"a": 1.0}) == 0
    assert active_share({"a": 1.0}, {"b": 1.0}) == 1


# --- membership --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("funded", "enters"),
    [
        (date(2024, 3, 15), date(2024, 4, 1)),
        (date(2024, 3, 16), date(2024, 5, 1)),
        (date(2024, 12, 31), date(2025, 2, 1)),
        (date(2024, 11, 30), date(2025, 1, 1)),
    ],
)
def test_m27_accounts_enter_by_the_cutoff(funded: date, enters: date) -> None:
    assert entry_date(funded) == enters


def test_m27_notice_ends_membership_with_the_last_full_month() -> None:
    assert last_day_after_notice(date(2024, 1, 31)) == date(2023, 12, 31)
    rows = facts("A", *[200] * 8)
    found = intervals(rows, notice=date(2024, 7, 20))
    assert found == [(MONTHS[0], date(2024, 6, 30), Reason.FUNDED, Reason.NOTICE)]


def test_m26_an_account_below_the_minimum_leaves_and_returns_by_the_rule() -> None:
    found = intervals(facts("A", 200, 90, 200, 200, 200))
    assert found == [
        (MONTHS[0], date(2024, 1, 31), Reason.FUNDED, Reason.BELOW_MINIMUM),
        (MONTHS[3], None, Reason.BACK_ABOVE_MINIMUM, Reason.STILL_IN),
    ]


def test_m26_a_new_minimum_does_not_reach_back() -> None:
    stricter = Definition(
        "Core", MONTHS[2], date(2024, 2, 20), "pm", frozenset({"core"}), minimum=300.0
    )
    found = intervals(facts("A", 200, 200, 200), rules=(RULE, stricter))
    assert found == [(MONTHS[0], date(2024, 2, 29), Reason.FUNDED, Reason.BELOW_MINIMUM)]
    with pytest.raises(InputError, match="definition_retroactive"):
        Definition("Core", MONTHS[0], date(2024, 2, 20), "pm", frozenset())


def test_m25_m28_who_does_not_represent_the_strategy_is_in_none() -> None:
    assert intervals(facts("A", 200, 200, discretionary=False)) == []
    narrow = Definition(
        "Core", MONTHS[0], MONTHS[0], "pm", frozenset({"core"}), most_excluded_weight=0.1
    )
    assert intervals(facts("A", 200, 200, excluded_weight=0.2), rules=(narrow,)) == []
    everyone = [*facts("A", 1), *facts("B", 1, discretionary=False)]
    assert unassigned(everyone, lambda account: False) == ["A"]


def test_a_month_without_facts_or_definition_is_an_error() -> None:
    rows = facts("A", 200, 200, 200)
    with pytest.raises(InputError, match="month_missing"):
        intervals([rows[0], rows[2]])
    late = Definition("Core", MONTHS[1], MONTHS[0], "pm", frozenset({"core"}))
    with pytest.raises(InputError, match="definition_missing"):
        intervals(rows, rules=(late,))


# --- conventions and corrections ---------------------------------------------------------------


def test_what_has_no_default_must_be_set() -> None:
    with pytest.raises(InputError, match=r"convention_not_set.*large_flow"):
        Conventions().required_large_flow()
    with pytest.raises(InputError, match=r"convention_not_set.*materiality"):
        Conventions().required_materiality()
    policy = LargeFlow(share=0.1)
    assert Conventions(large_flow=policy).required_large_flow() is policy


def test_conventions_hold_from_their_day_and_never_before() -> None:
    first = DatedConventions(date(2024, 1, 1), date(2023, 12, 1), "cco")
    second = DatedConventions(
        date(2024, 7, 1), date(2024, 6, 1), "cco", Conventions(dispersion_ddof=0)
    )
    assert in_force([second, first], date(2024, 6, 30)).dispersion_ddof == 1
    assert in_force([second, first], date(2024, 7, 1)).dispersion_ddof == 0
    with pytest.raises(InputError, match="convention_missing"):
        in_force([first], date(2023, 12, 31))
    with pytest.raises(InputError, match="convention_retroactive"):
        DatedConventions(date(2024, 1, 1), date(2024, 1, 2), "cco")


def test_m37_a_correction_keeps_the_old_figures_and_says_what_changed() -> None:
    old = Issue("R1", date(2024, 2, 1), (Figure("2023", 0.08), Figure("assets", 5e6, False)), "aa")
    new = Issue(
        "R2", date(2024, 5, 1), (Figure("2023", 0.0795), Figure("assets", 5e6, False)), "bb", "R1"
    )
    entry = correct(old, new, "a price was stale", "ops", Materiality(return_bp=4, value=1e4))
    assert [(c.name, c.material) for c in entry.changes] == [("2023", True)]
    assert entry.changes[0].difference == pytest.approx(-5)
    assert entry.disclose_until == date(2025, 5, 1)
    small = correct(old, new, "a price was stale", "ops", Materiality(return_bp=10, value=1e4))
    assert not small.material
    assert small.disclose_until is None
    assert old.output_sha256 != new.output_sha256
    with pytest.raises(InputError, match="correction_order"):
        correct(new, old, "x", "ops", Materiality(1, 1))
    with pytest.raises(InputError, match="correction_reason"):
        correct(old, new, " ", "ops", Materiality(1, 1))
