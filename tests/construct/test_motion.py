"""Money in motion: figures add up, budgets hold every year, lots age, nothing is sold twice."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest
from tests.construct import tiny

from opensma.construct.motion.cash import raise_by, raising
from opensma.construct.motion.gifts import gift
from opensma.construct.motion.moving import (
    Moving,
    active_weights,
    price_of_risk,
    tracking_error,
    unrealised,
    variance,
)
from opensma.construct.motion.substitute import substitute
from opensma.construct.motion.transition import Yearly, decision_days, transition
from opensma.construct.motion.waiting import waits
from opensma.construct.prepare import Prepared, account_value
from opensma.construct.problem import Account
from opensma.errors import InputError
from opensma.tax.holding import long_term_from

START = date(2026, 3, 31).toordinal()
NONE = np.zeros(0, dtype=np.int64)
PREPARED = Prepared(tiny.universe())


def account(*rows: tuple[str, float, float, int], **changes: Any) -> Account:
    """Fractional shares, target a quarter each, costs of 10 bp."""
    made = Account(
        account_id="a",
        lots=tiny.lots(*rows),
        cash=0.0,
        cash_low=0.0,
        cash_high=0.02,
        target=np.full(4, 0.25),
        limits=tiny.limits(),
        st_rate=0.4,
        lt_rate=0.2,
        min_trade=0.0,
        whole_shares=False,
        risk_aversion=10.0,
    )
    return replace(made, **changes)


def moving(one: Account) -> Moving:
    return Moving.start(one, long_term_from(one.lots.acquired_day), NONE, START)


LEGACY = account(
    ("A", 100.0, 4_000.0, tiny.OLD), ("A", 100.0, 6_000.0, tiny.YOUNG), ("B", 10.0, 500.0, tiny.OLD)
)


# --- an account between decisions ----------------------------------------------------------------


def test_trades_keep_value_less_costs_and_relieve_basis_pro_rata() -> None:
    before = moving(LEGACY)
    plan = before.decide(PREPARED, START)
    after = before.traded(PREPARED, plan, START)
    value = account_value(PREPARED.universe, LEGACY)
    assert account_value(PREPARED.universe, after.account) == pytest.approx(value - plan.cost)
    gain = unrealised(PREPARED, LEGACY).sum() - unrealised(PREPARED, after.account).sum()
    trades = plan.trades
    sold = trades.lot >= 0
    lots = LEGACY.lots
    own = -trades.shares[sold] * (
        PREPARED.universe.price[trades.security[sold]]
        - (lots.basis / lots.quantity)[trades.lot[sold]]
    )
    fees = trades.cost[~sold].sum()
    assert gain == pytest.approx(own.sum() + fees)


def test_h2_lots_turn_long_term_on_their_day() -> None:
    one = moving(LEGACY)
    turns = long_term_from(tiny.YOUNG)
    assert one.on(turns - 1).lots.long_term.tolist() == [True, False, True]
    assert one.on(turns).lots.long_term.all()


def test_w1_a_loss_sold_forbids_purchases_for_thirty_days() -> None:
    lossy = account(("A", 100.0, 20_000.0, tiny.OLD), cash=10_000.0)
    one = moving(lossy)
    plan = one.decide(PREPARED, START)
    after = one.traded(PREPARED, plan, START)
    assert 0 in after.loss_group
    for days, free in ((30, False), (31, True)):
        again = after.decide(PREPARED, START + days)
        bought = again.trades.security[again.trades.lot < 0]
        assert (0 in bought) == free


# --- transition ----------------------------------------------------------------------------------


def test_every_year_keeps_its_budget_and_begins_anew() -> None:
    (path,) = transition(PREPARED, moving(LEGACY), START, 4, [1_500.0])
    assert [y.status for y in path.years] == ["solved"] * 4
    for year in path.years:
        assert year.lt_gain <= 1_500.0 + 0.01
        assert year.st_gain <= 0.01
    assert sum(y.lt_gain for y in path.years[:2]) > 1_500.0  # the second year has its own


def test_a_path_adds_up_and_chains_year_by_year() -> None:
    for path in transition(PREPARED, moving(LEGACY), START, 3):
        assert path.total == pytest.approx(path.tax + path.cost + path.risk)
        assert path.tax == pytest.approx(sum(y.tax for y in path.years))
        for first, then in zip(path.years, path.years[1:], strict=False):
            # a year's costs come off its value, so weights move by no more than they
            assert then.te_before == pytest.approx(first.te_after, rel=1e-9)
        for year in path.years:
            value = account_value(PREPARED.universe, LEGACY)
            expected = 5.0 * year.te_after**2 * value
            assert year.risk == pytest.approx(expected, rel=0.01)


def test_more_budget_pays_more_tax_for_less_tracking_error() -> None:
    paths = transition(PREPARED, moving(LEGACY), START, 3, [0.0, 1_000.0, 3_000.0, None])
    taxes = [p.tax for p in paths]
    errors = [p.te_mean for p in paths]
    assert taxes == sorted(taxes)
    assert errors == sorted(errors, reverse=True)
    assert taxes[0] <= 0.01
    assert min(paths, key=lambda p: p.total).total <= paths[0].total


def test_years_begin_on_the_second_of_january() -> None:
    days = decision_days(START, 3)
    assert [str(date.fromordinal(d)) for d in days] == ["2026-03-31", "2027-01-02", "2028-01-02"]


CAPPED = replace(LEGACY, te_cap=0.05, risk_aversion=None)


def test_a_cap_on_tracking_error_gives_the_price_of_risk_itself() -> None:
    """The multiplier is the price at which the plan without a cap ends at the cap by itself."""
    found = price_of_risk(PREPARED, moving(CAPPED), START)
    priced = moving(replace(LEGACY, risk_aversion=found)).decide(PREPARED, START)
    assert priced.te_after == pytest.approx(0.05, rel=0.01)
    assert price_of_risk(PREPARED, moving(CAPPED), START, 7.0) == 7.0
    assert price_of_risk(PREPARED, moving(LEGACY), START) == LEGACY.risk_aversion


def test_every_motion_of_a_capped_account_weighs_risk_at_the_caps_price() -> None:
    found = price_of_risk(PREPARED, moving(CAPPED), START)
    own, given = moving(CAPPED), moving(replace(LEGACY, risk_aversion=found))
    assert transition(PREPARED, own, START, 2, [0.0, None]) == transition(
        PREPARED, given, START, 2, [0.0, None]
    )
    assert waits(PREPARED, own, START) == waits(PREPARED, given, START)
    amounts = [
        [lot.value for lot in gift(PREPARED, m, START, 1_000.0)[1].lots] for m in (own, given)
    ]
    assert amounts[0] == amounts[1]
    capped = replace(LOSER, te_cap=0.2, risk_aversion=None)
    price = price_of_risk(PREPARED, moving(capped), START)
    told = substitute(PREPARED, moving(capped), START, 0)
    same = substitute(PREPARED, moving(replace(LOSER, risk_aversion=price)), START, 0)
    assert told.risk_year == same.risk_year != 0.0


def test_a_cap_that_no_plan_keeps_has_no_price() -> None:
    frozen = replace(tiny.limits(), no_sell=np.ones(4, dtype=bool), no_buy=np.ones(4, dtype=bool))
    stuck = replace(CAPPED, limits=frozen, cash_high=1.0)
    with pytest.raises(InputError, match="risk has no price"):
        transition(PREPARED, moving(stuck), START, 3)
    assert transition(PREPARED, moving(stuck), START, 1, [None], 10.0)[0].years


def test_a_transition_keeps_the_taxpayers_budget_every_year() -> None:
    """Little left in the first year, more in every other: whatever the path's own budget is."""
    yearly = Yearly(0.0, 300.0, 0.0, 900.0)
    paths = transition(
        PREPARED, moving(LEGACY), START, 3, [0.0, 500.0, 5_000.0, None], None, yearly
    )
    for path, least in zip(paths, (0.0, 500.0, 5_000.0, 5_000.0), strict=True):
        for number, year in enumerate(path.years):
            assert year.lt_gain <= min(least, 900.0 if number else 300.0) + 0.01
            assert year.st_gain <= 0.01
    assert paths[-1].years[1].lt_gain > 300.0
    free = transition(PREPARED, moving(LEGACY), START, 3, [None])[0]
    assert free.years[0].lt_gain > 300.0


def test_a_transition_needs_a_sensible_number_of_years() -> None:
    with pytest.raises(InputError, match="negative"):
        transition(PREPARED, moving(LEGACY), START, 2, [-1.0])
    with pytest.raises(InputError, match="number of years"):
        transition(PREPARED, moving(LEGACY), START, 31)


# --- cash ----------------------------------------------------------------------------------------


def test_waiting_for_long_term_saves_the_difference_of_rates() -> None:
    turns = long_term_from(tiny.YOUNG)
    young = account(("A", 100.0, 6_000.0, tiny.YOUNG), target=np.array([1.0, 0, 0, 0]))
    found = raise_by(PREPARED, moving(young), START, turns + 20, 3_000.0)
    assert found[0].day == turns or found[0].day == turns + 20
    now = next(c for c in found if c.day == START and not c.least_tax)
    later = next(c for c in found if c.day == turns and not c.least_tax)
    assert later.tax == pytest.approx(now.tax / 2, rel=1e-3)
    assert (now.lt_gain, later.st_gain) == (0.0, 0.0)


def test_the_least_tax_takes_the_dearest_lots() -> None:
    two = account(
        ("A", 100.0, 4_000.0, tiny.OLD), ("B", 200.0, 10_000.0, tiny.OLD), risk_aversion=100.0
    )
    found = raise_by(PREPARED, moving(two), START, START, 4_000.0)
    assert found[0].least_tax
    assert found[0].tax < found[-1].tax
    assert found[0].tracking_error > found[-1].tracking_error


def test_what_cannot_be_raised_is_refused() -> None:
    with pytest.raises(InputError, match="cannot be raised"):
        raising(PREPARED, LEGACY, 1e9)
    with pytest.raises(InputError, match="already past"):
        raise_by(PREPARED, moving(LEGACY), START, START - 1, 100.0)


# --- gifts ---------------------------------------------------------------------------------------


def test_a_gift_takes_the_largest_gain_per_dollar_and_never_a_short_term_lot() -> None:
    by_gain, by_risk = gift(PREPARED, moving(LEGACY), START, 5_000.0)
    assert [(x.lot, x.shares) for x in by_gain.lots] == [(0, 50.0)]
    for one in (by_gain, by_risk):
        assert one.value == pytest.approx(5_000.0)
        assert one.gain == pytest.approx(sum(x.value - x.basis for x in one.lots))
        assert one.tax_avoided == pytest.approx(0.2 * one.gain)
        assert all(x.lot != 1 for x in one.lots)
        assert one.status == "solved"


def test_a_gift_with_risk_in_view_leaves_less_risk_behind() -> None:
    many = account(
        ("A", 100.0, 9_000.0, tiny.OLD), ("B", 50.0, 1_000.0, tiny.OLD), risk_aversion=200.0
    )
    by_gain, by_risk = gift(PREPARED, moving(many), START, 2_000.0)
    assert by_gain.gain > by_risk.gain
    assert by_risk.te_given < by_gain.te_given


def test_a_gift_is_in_whole_shares_where_the_account_is() -> None:
    whole = replace(LEGACY, whole_shares=True)
    for one in gift(PREPARED, moving(whole), START, 5_050.0):
        assert all(x.shares == int(x.shares) for x in one.lots)
        assert 4_950.0 < one.value <= 5_050.0


def test_more_than_the_lots_with_a_gain_cannot_be_given() -> None:
    with pytest.raises(InputError, match="cannot be given"):
        gift(PREPARED, moving(LEGACY), START, 12_000.0)


# --- time to long-term ---------------------------------------------------------------------------


def test_waiting_weighs_tax_saved_against_risk_until_the_day() -> None:
    (one,) = waits(PREPARED, moving(LEGACY), START)
    assert one.lot == 1
    assert (one.tax_now, one.tax_then) == (pytest.approx(1_600.0), pytest.approx(800.0))
    assert one.days == long_term_from(tiny.YOUNG) - START
    kept = active_weights(PREPARED, LEGACY)
    value = account_value(PREPARED.universe, LEGACY)
    sold = kept + 10_000.0 / value * np.full(4, 0.25)
    sold[0] -= 10_000.0 / value
    more = variance(PREPARED, kept) - variance(PREPARED, sold)
    assert one.risk == pytest.approx(value * 5.0 * more * one.days / 365)
    assert one.worth == pytest.approx(one.tax_saved - one.risk)


def test_a_high_price_of_risk_makes_waiting_a_mistake() -> None:
    (patient,) = waits(PREPARED, moving(LEGACY), START, 0.01)
    (hurried,) = waits(PREPARED, moving(LEGACY), START, 1_000.0)
    assert patient.worth > 0 > hurried.worth


# --- substitution --------------------------------------------------------------------------------

LOSER = account(
    ("A", 50.0, 8_000.0, tiny.OLD), ("B", 100.0, 4_000.0, tiny.OLD), ("C", 250.0, 4_000.0, tiny.OLD)
)


def test_a_basket_replaces_the_name_without_buying_it_and_adds_up() -> None:
    found = substitute(PREPARED, moving(LOSER), START, 0)
    assert found.status == "solved"
    assert found.loss == pytest.approx(3_000.0)
    assert found.tax_value == pytest.approx(600.0)
    assert 0 not in {h.security for h in found.basket}
    assert sum(h.value for h in found.basket) <= found.sold
    parts = found.tax_value - found.cost_out - found.cost_back - found.risk_window
    assert found.worth == pytest.approx(parts)
    assert found.risk_window == pytest.approx(found.risk_year * 31 / 365)
    assert found.back_day == START + 31
    assert found.te_name == pytest.approx(tracking_error(PREPARED, LOSER))


def test_going_back_pays_until_the_basket_has_gained_too_much() -> None:
    dear = substitute(PREPARED, moving(replace(LOSER, risk_aversion=100.0)), START, 0)
    assert dear.worth_going_back
    assert dear.gain_to_stay is not None
    assert dear.gain_to_stay * 0.4 + dear.cost_back == pytest.approx(dear.risk_year)
    calm = substitute(PREPARED, moving(replace(LOSER, risk_aversion=1e-6)), START, 0)
    assert not calm.worth_going_back
    assert calm.gain_to_stay is None


def test_w1_recent_shares_or_no_loss_leave_nothing_to_substitute() -> None:
    with pytest.raises(InputError, match="No lot of B"):
        substitute(PREPARED, moving(LOSER), START, 1)
    fresh = account(("A", 50.0, 8_000.0, tiny.OLD), ("A", 1.0, 100.0, START - 30))
    with pytest.raises(InputError, match="would wash the loss"):
        substitute(PREPARED, moving(fresh), START, 0)
