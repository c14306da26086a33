"""The paragraph of a plan says only what the plan's figures say, and says it to the cent."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from opensma.book.store import open_book
from opensma.book.views import Decision, account_decision, program_rows
from opensma.construct.plan import Reason
from opensma.day import run_day
from opensma.market import open_market
from opensma.report.paragraph import cap_price_cents, plan_paragraph
from opensma.report.words import money, percent


@pytest.fixture
def decisions(small_book: str, small_market: Path) -> list[Decision]:
    book, market = open_book(small_book), open_market(small_market)
    run_day(book, market, market.day(-1), recorded_at="t")
    return [account_decision(book, r.account.account_id) for r in program_rows(book)]


def test_every_dollar_of_the_paragraph_is_one_of_the_plans(decisions: list[Decision]) -> None:
    for decision in decisions:
        plan = decision.plan
        assert plan is not None
        known = {plan.cost_cents, round((decision.gap or 0.0) * 100), cap_price_cents(plan) or 0}
        for side in ("sell", "buy"):
            known.add(sum(t.notional_cents for t in decision.trades if t.side == side))
        for reason in Reason:
            own = [t for t in decision.trades if t.reason == reason]
            lots = [t.notional_cents - t.lot.basis_cents for t in own if t.lot is not None]
            known |= {sum(t.notional_cents for t in own), -sum(lots)}
            known.add(-sum(t.tax_cents for t in own))
        known.add(sum(t.tax_cents for t in decision.trades if t.tax_cents > 0))
        known |= {n.worth_cents for n in decision.non_trades}
        said = set(re.findall(r"\$[\d,]+\.\d\d", plan_paragraph(decision)))
        assert said
        assert said <= {money(cents) for cents in known}


def test_it_tells_both_tracking_errors_and_the_day(decisions: list[Decision]) -> None:
    moved = [d for d in decisions if d.plan and d.trades and d.plan.te_before > d.plan.te_after]
    assert moved
    for decision in moved:
        told = plan_paragraph(decision)
        assert decision.plan is not None
        assert told.startswith("On 31 Dec 2024 the plan ")
        assert percent(decision.plan.te_after) in told


def test_the_dearest_trade_left_undone_is_named(decisions: list[Decision]) -> None:
    some = [d for d in decisions if d.non_trades and d.trades]
    assert some
    for decision in some:
        first = max(decision.non_trades, key=lambda n: n.worth_cents)
        if first.worth_cents > 0:
            told = plan_paragraph(decision)
            ways = (f"a loss in {first.symbol}", f"a gain in {first.symbol}")
            assert any(f"It left {way}" in told for way in (*ways, f"{first.symbol} alone"))


def test_a_plan_without_trades_an_infeasible_one_and_none_are_told(
    decisions: list[Decision],
) -> None:
    one = next(d for d in decisions if d.trades)
    assert one.plan is not None
    idle = replace(one, trades=(), non_trades=())
    assert "trades nothing" in plan_paragraph(idle)
    conflict = replace(one.plan, status="infeasible", message="These cannot hold together: x.")
    told = plan_paragraph(replace(one, plan=conflict, trades=()))
    assert told.endswith("keeps its holdings: These cannot hold together: x.")
    assert "No plan has been made" in plan_paragraph(replace(one, plan=None))
    held = plan_paragraph(replace(one, plan=replace(one.plan, review="held")))
    assert "nothing was traded" in held


def test_a_binding_cap_has_a_price_in_the_paragraph(decisions: list[Decision]) -> None:
    """Value times multiplier times tracking error, for ten basis points: $200 here."""
    one = next(d for d in decisions if d.plan is not None and d.plan.status == "solved")
    assert one.plan is not None
    figures = {"value_cents": 100_000_000, "risk_aversion": 20.0, "te_after": 0.01}
    capped = replace(one.plan, **figures, binding='["te_cap"]')
    assert cap_price_cents(capped) == 20_000
    words = "A cap 10 bp wider would save about $200.00 a year."
    assert words in plan_paragraph(replace(one, plan=capped))
    assert "10 bp wider" not in plan_paragraph(replace(one, plan=replace(capped, binding="[]")))
