"""The independent check: each rule trips alone on a case made for it, and figures match by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.construct.tiny import (
    AS_OF,
    LOTS,
    OLD,
    YOUNG,
    account,
    limits,
    lots,
    moves,
    taxpayer,
    universe,
)

from opensma.construct.check import BareMoves, Figures, check_plans, check_trades, evaluate
from opensma.construct.plan import Plan, Reason, Status, Trades
from opensma.construct.problem import Account


def rules(mine: Account, *rows: tuple[str, int, float], **owner: Any) -> list[str]:
    found = check_trades(universe(), taxpayer(mine, **owner), [moves(*rows)], AS_OF)
    return [violation.rule for violation in found]


def figures(mine: Account, *rows: tuple[str, int, float]) -> Figures:
    return evaluate(universe(), taxpayer(mine), [moves(*rows)], AS_OF)[0]


def test_no_trades_and_modest_trades_break_nothing() -> None:
    assert rules(account()) == []
    assert rules(account(), ("A", 0, -2.0), ("C", -1, 5.0)) == []


# --- one rule at a time ------------------------------------------------------------------------


def test_a_lot_is_never_oversold_even_where_another_lot_has_enough() -> None:
    assert rules(account(), ("A", 0, -7.0)) == ["oversold_lot"]


def test_two_rows_of_one_lot_count_together() -> None:
    assert rules(account(), ("A", 0, -4.0), ("A", 0, -3.0)) == ["oversold_lot"]


def test_nothing_is_sold_short() -> None:
    assert rules(account(), ("A", 0, -8.0), ("A", 1, -4.0)) == ["oversold_lot", "short"]


def test_shares_are_whole_where_asked() -> None:
    assert rules(account(), ("C", -1, 2.5)) == ["whole_shares"]
    assert rules(account(whole_shares=False), ("C", -1, 2.5)) == []


def test_every_leg_is_whole_not_only_their_sum() -> None:
    assert rules(account(), ("A", 0, -1.5), ("A", 1, -1.5)) == ["whole_shares"]


def test_a_full_liquidation_may_sell_the_fraction_that_is_left() -> None:
    mine = account(lots=lots(("A", 3.5, 300.0, OLD), ("B", 2.0, 90.0, OLD)))
    assert rules(mine, ("A", 0, -3.5)) == []
    assert rules(mine, ("A", 0, -2.5)) == ["whole_shares"]


def test_small_trades_are_left_alone_but_for_full_liquidation() -> None:
    mine = account(min_trade=300.0, lots=lots(*LOTS, ("D", 1.0, 9.0, OLD)))
    assert rules(mine, ("A", 0, -2.0)) == ["min_trade"]
    assert rules(mine, ("A", 0, -3.0)) == []
    small = account(min_trade=300.0, lots=lots(("A", 1.0, 80.0, OLD)))
    assert rules(small, ("A", 0, -1.0)) == []


def test_the_minimum_counts_the_net_trade_of_a_security_not_its_legs() -> None:
    assert rules(account(min_trade=300.0), ("A", 0, -2.0), ("A", 1, -2.0)) == []


def test_buys_and_sells_of_one_security_never_meet() -> None:
    assert rules(account(), ("A", 0, -1.0), ("A", -1, 2.0)) == ["both_sides"]


@pytest.mark.parametrize(
    ("wish", "trade", "rule"),
    [
        ({"exclude": "A"}, ("A", 0, -6.0), "exclude"),
        ({"no_buy": "C"}, ("C", -1, 1.0), "no_buy"),
        ({"no_sell": "A"}, ("A", 0, -1.0), "no_sell"),
        ({"max_weight": {"C": 0.21}}, ("C", -1, 3.0), "max_weight"),
        ({"sector_max": {"Y": 0.41}}, ("C", -1, 5.0), "sector_max:Y"),
        ({"sector_min": {"X": 0.39}}, ("A", 0, -1.0), "sector_min:X"),
    ],
)
def test_wishes_hold_after_trading(
    wish: dict[str, Any], trade: tuple[str, int, float], rule: str
) -> None:
    assert rules(account(limits=limits(**wish)), trade) == [rule]


def test_wishes_at_their_very_limit_hold() -> None:
    assert rules(account(limits=limits(exclude="A")), ("A", 0, -6.0), ("A", 1, -4.0)) == []
    assert rules(account(limits=limits(max_weight={"C": 0.208})), ("C", -1, 2.0)) == []


def test_a_breach_that_nobody_traded_into_is_still_a_breach() -> None:
    assert rules(account(limits=limits(max_weight={"A": 0.1}))) == ["max_weight"]


def test_sectors_of_whole_shares_may_miss_by_five_basis_points_others_not() -> None:
    wish = limits(sector_max={"X": 0.3996})
    assert rules(account(limits=wish)) == []
    assert rules(account(limits=limits(sector_max={"X": 0.3994}))) == ["sector_max:X"]
    assert rules(account(limits=wish, whole_shares=False)) == ["sector_max:X"]


def test_cash_after_costs_lies_in_its_band() -> None:
    # 980 dollars of cash would be inside; 2 cents of cost make it 979.98.
    tight = account(cash_low=0.196, whole_shares=False)
    assert rules(tight, ("C", -1, 1.0)) == ["cash_low"]
    assert rules(replace(tight, whole_shares=True), ("C", -1, 1.0)) == []  # 0.04 bp short
    assert rules(replace(tight, whole_shares=True), ("C", -1, 2.0)) == ["cash_low"]
    assert rules(account(cash_high=0.19)) == ["cash_high"]


def test_turnover_is_half_of_what_is_bought_and_sold() -> None:
    trades = (("A", 0, -5.0), ("C", -1, 25.0))  # 500 + 500 dollars of 5,000
    assert rules(account(max_turnover=0.1), *trades) == []
    assert rules(account(max_turnover=0.099), *trades) == ["max_turnover"]


def test_gain_budgets_are_net_and_by_term() -> None:
    gain = (("A", 0, -5.0),)  # long-term, 20 dollars a share
    assert rules(account(lt_gain_budget=100.0), *gain) == []
    assert rules(account(lt_gain_budget=99.0), *gain) == ["lt_gain_budget"]
    assert rules(account(st_gain_budget=0.0), *gain) == []
    assert rules(account(lt_gain_budget=50.0), *gain, ("B", 2, -5.0)) == []  # 50 dollars lost
    assert rules(account(st_gain_budget=0.0), ("D", 4, -1.0)) == ["st_gain_budget"]


def test_a_washed_loss_earns_no_room_in_a_gain_budget() -> None:
    recent = lots(*LOTS, ("B", 5.0, 250.0, AS_OF - 10))
    mine = account(lots=recent, lt_gain_budget=50.0)
    assert rules(mine, ("A", 0, -5.0), ("B", 2, -5.0)) == ["lt_gain_budget"]


def test_tracking_error_stays_under_its_cap() -> None:
    capped = account(risk_aversion=None, te_cap=0.02)
    assert rules(capped) == []  # on target
    assert rules(capped, ("A", 0, -5.0), ("C", -1, 25.0)) == ["te_cap"]


def test_nothing_is_bought_in_a_group_sold_at_a_loss() -> None:
    assert rules(account(), ("C", -1, 1.0), loss_groups=(2,)) == ["wash_buy"]
    twins = universe(group=np.array([0, 1, 1, 3]))
    owner = taxpayer(account())
    found = check_trades(twins, owner, [moves(("B", 2, -5.0), ("C", -1, 5.0))], AS_OF)
    assert [violation.rule for violation in found] == ["wash_buy"]


def test_a_loss_bars_the_buys_of_every_account_even_where_it_is_untaxed() -> None:
    ira = account(account_id="ira", st_rate=0.0, lt_rate=0.0)
    owner = taxpayer(account(), ira)
    found = check_trades(universe(), owner, [moves(("B", -1, 1.0)), moves(("B", 2, -1.0))], AS_OF)
    assert [(v.account_id, v.rule) for v in found] == [("one", "wash_buy")]


def test_a_trade_of_something_unknown_is_named_and_nothing_else_is_computed() -> None:
    assert rules(account(), ("A", 9, -1.0)) == ["trade_shape"]
    assert rules(account(), ("A", 2, -1.0)) == ["trade_shape"]  # that lot holds B
    assert rules(account(), ("A", -1, -1.0)) == ["trade_shape"]
    assert rules(account(), ("A", 0, 1.0)) == ["trade_shape"]
    assert rules(account(), ("A", -1, 0.0)) == ["trade_shape"]
    assert rules(account(), ("A", -1, float("nan"))) == ["trade_shape"]


# --- figures by hand ---------------------------------------------------------------------------


def test_figures_of_a_sale_and_a_purchase_by_hand() -> None:
    exact = figures(account(), ("A", 0, -5.0), ("C", -1, 25.0))
    assert exact.value == 5000.0
    assert exact.tax == pytest.approx(5 * 20 * 0.2)
    assert exact.cost == pytest.approx(1.0)
    assert exact.cash_after == pytest.approx(999.0)
    assert exact.turnover == pytest.approx(0.1)
    assert (exact.st_gain, exact.lt_gain) == pytest.approx((0.0, 100.0))
    # Active weights -0.1 and +0.1: factors cancel, 2 * 0.01 * 0.09 of variance remain.
    assert exact.te_after == pytest.approx(0.0018**0.5)
    assert exact.objective_before == pytest.approx(0.0)
    assert exact.objective == pytest.approx(20.0 + 1.0 + 5000 * 2.5 * 0.0018)


def test_contributions_add_up_to_the_change_of_the_objective() -> None:
    mine = account(target=np.array([0.3, 0.1, 0.25, 0.15]))
    exact = figures(mine, ("A", 0, -2.0), ("A", 1, -1.0), ("B", 2, -3.0), ("C", -1, 25.0))
    parts = exact.trade_risk.sum() + exact.trade_tax.sum() + exact.trade_cost.sum()
    assert parts == pytest.approx(exact.objective - exact.objective_before, abs=1e-9)


def test_with_a_tracking_error_cap_risk_leaves_the_objective() -> None:
    exact = figures(account(risk_aversion=None, te_cap=0.1), ("A", 0, -5.0))
    assert exact.objective == pytest.approx(exact.tax + exact.cost)
    assert not exact.trade_risk.any()
    assert exact.trade_risk_unit.any()


def test_the_order_of_lots_does_not_matter() -> None:
    rows = (*LOTS, ("B", 4.0, 280.0, OLD), ("B", 6.0, 294.0, AS_OF - 3))
    back = account(lots=lots(*reversed(rows)))
    there = figures(account(lots=lots(*rows)), ("B", 2, -5.0), ("B", 5, -4.0))
    here = figures(back, ("B", 4, -5.0), ("B", 1, -4.0))
    assert here.objective == there.objective


# --- wash sales --------------------------------------------------------------------------------


def washed_tax(mine: Account, *rows: tuple[str, int, float]) -> float:
    return figures(mine, *rows).tax


@pytest.mark.parametrize(("days", "tax"), [(0, 0.0), (30, 0.0), (31, -5 * 10 * 0.2)])
def test_purchases_of_the_last_30_days_replace_what_is_sold(days: int, tax: float) -> None:
    mine = account(lots=lots(*LOTS, ("B", 5.0, 250.0, AS_OF - days)))
    assert washed_tax(mine, ("B", 2, -5.0)) == pytest.approx(tax)


def test_only_as_many_shares_are_replaced_as_were_bought() -> None:
    mine = account(lots=lots(*LOTS, ("B", 2.0, 100.0, AS_OF - 5)))
    exact = figures(mine, ("B", 2, -5.0))
    assert exact.tax == pytest.approx(-3 * 10 * 0.2)
    assert exact.trade_washed.tolist() == [2.0]


def test_losses_are_replaced_in_order_of_acquisition() -> None:
    rows = (("B", 5.0, 400.0, YOUNG), ("B", 5.0, 300.0, OLD), ("B", 5.0, 250.0, AS_OF - 5))
    mine = account(lots=lots(*rows))
    exact = figures(mine, ("B", 0, -5.0), ("B", 1, -5.0))
    assert exact.trade_washed.tolist() == [0.0, 5.0]
    assert exact.tax == pytest.approx(-5 * 30 * 0.4)


def test_shares_of_the_window_sold_in_the_plan_replace_nothing() -> None:
    mine = account(lots=lots(*LOTS, ("B", 5.0, 300.0, AS_OF - 5)))
    assert washed_tax(mine, ("B", 2, -5.0), ("B", 5, -5.0)) == pytest.approx(
        -5 * 10 * 0.2 - 5 * 10 * 0.4
    )


def test_what_is_kept_of_a_window_lot_replaces_what_is_sold_of_it() -> None:
    mine = account(lots=lots(("B", 5.0, 300.0, AS_OF - 5)))
    assert washed_tax(mine, ("B", 0, -2.0)) == 0.0
    assert washed_tax(mine, ("B", 0, -3.0)) == pytest.approx(-1 * 10 * 0.4)


def test_gains_are_never_washed() -> None:
    mine = account(lots=lots(*LOTS, ("A", 5.0, 500.0, AS_OF - 5)))
    assert washed_tax(mine, ("A", 0, -5.0)) == pytest.approx(20.0)


def test_identical_securities_replace_each_other() -> None:
    twins = universe(group=np.array([0, 1, 1, 3]))
    mine = account(lots=lots(*LOTS, ("C", 5.0, 100.0, AS_OF - 5)))
    exact = evaluate(twins, taxpayer(mine), [moves(("B", 2, -6.0))], AS_OF)[0]
    assert exact.tax == pytest.approx(-1 * 10 * 0.2)


def test_purchases_in_another_account_of_the_taxpayer_replace_too() -> None:
    ira = account(account_id="ira", st_rate=0.0, lt_rate=0.0)
    ira = replace(ira, lots=lots(("B", 3.0, 150.0, AS_OF - 5)))
    both = evaluate(universe(), taxpayer(account(), ira), [moves(("B", 2, -5.0)), moves()], AS_OF)
    assert both[0].tax == pytest.approx(-2 * 10 * 0.2)


def test_older_losses_of_another_account_use_up_the_replacements_first() -> None:
    first = account(lots=lots(("B", 5.0, 300.0, YOUNG)))
    second = account(account_id="two", lots=lots(("B", 5.0, 300.0, OLD), ("B", 5.0, 250.0, AS_OF)))
    both = evaluate(
        universe(),
        taxpayer(first, second),
        [moves(("B", 0, -5.0)), moves(("B", 0, -5.0))],
        AS_OF,
    )
    assert [exact.tax for exact in both] == pytest.approx([-5 * 10 * 0.4, 0.0])


# --- what a plan says about itself -------------------------------------------------------------


def plan_of(mine: Account, bare: BareMoves, **changes: Any) -> Plan:
    exact = evaluate(universe(), taxpayer(mine), [bare], AS_OF)[0]
    trades = Trades(
        bare.security,
        bare.lot,
        bare.shares,
        exact.trade_notional,
        exact.trade_tax,
        exact.trade_cost,
        exact.trade_risk,
        exact.trade_risk,
        (Reason.DRIFT_TO_TARGET,) * len(bare.shares),
    )
    plan = Plan(
        account_id=mine.account_id,
        status=Status.SOLVED,
        message="",
        trades=trades,
        non_trades=(),
        objective=exact.objective,
        objective_before=exact.objective_before,
        bound=exact.objective - 1.0,
        te_before=exact.te_before,
        te_after=exact.te_after,
        tax=exact.tax,
        cost=exact.cost,
        turnover=exact.turnover,
        cash_after=exact.cash_after,
        risk_aversion=5.0,
        binding=(),
        seconds=0.0,
    )
    return replace(plan, **changes)


def judged(mine: Account, bare: BareMoves, **changes: Any) -> list[str]:
    found = check_plans(universe(), taxpayer(mine), [plan_of(mine, bare, **changes)], AS_OF)
    return [f"{v.rule}: {v.message}".split(" is ")[0] for v in found]


def test_a_plan_is_held_to_its_own_figures() -> None:
    sale = moves(("A", 0, -5.0), ("C", -1, 25.0))
    assert judged(account(), sale) == []
    for name in ("objective", "objective_before", "tax", "cost", "cash_after", "te_before"):
        right = getattr(plan_of(account(), sale), name)
        assert judged(account(), sale, **{name: right + 0.01})[:1] == [f"figure: {name}"]
    assert judged(account(), sale, turnover=float("nan")) == ["figure: turnover"]


def test_each_trade_is_held_to_its_figures() -> None:
    sale = moves(("A", 0, -5.0), ("C", -1, 25.0))
    trades = plan_of(account(), sale).trades
    wrong = replace(trades, tax=trades.tax + np.array([0.01, -0.01]))
    assert judged(account(), sale, trades=wrong) == ["figure: trade tax"]


def test_a_bound_above_the_objective_is_no_bound() -> None:
    assert judged(account(), moves(), bound=0.01) == ["bound: the bound"]


def test_an_account_that_was_not_solved_may_not_trade() -> None:
    sale = moves(("A", 0, -5.0))
    assert judged(account(), sale, status=Status.INFEASIBLE) == [
        "not_solved: 1 trades in an account that was not solved"
    ]
    assert judged(account(cash_low=0.5), moves(), status=Status.INFEASIBLE) == []
