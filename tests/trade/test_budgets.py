"""One budget of gains for a household: shared by need, never exceeded, and used where it can be."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.construct.check import evaluate
from opensma.construct.problem import Taxpayer
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.errors import InputError
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems
from opensma.trade.budgets import MOST_ROUNDS, budget_left, by_need, share_budget
from opensma.units import CENTS

Budgets = tuple[int | None, ...]
NEEDS = st.lists(st.integers(0, 1_000_000_00), min_size=1, max_size=8)


def liking(lumps: Sequence[Sequence[int]]) -> Callable[[Budgets], list[int]]:
    """Accounts that sell lots of these gains, in order, as long as the budget holds."""

    def realised(budgets: Budgets) -> list[int]:
        found = []
        for own, budget in zip(lumps, budgets, strict=True):
            total = 0
            for lump in own:
                if budget is None or total + lump <= budget:
                    total += lump
            found.append(total)
        return found

    return realised


@given(budget=st.integers(0, 2_000_000_00), wanted=NEEDS)
def test_shares_follow_the_need_and_use_all_there_is(budget: int, wanted: list[int]) -> None:
    shares = by_need(budget, wanted)
    assert sum(shares) == min(budget, sum(wanted))
    for share, want in zip(shares, wanted, strict=True):
        assert 0 <= share <= want
        if sum(wanted) > budget:
            assert abs(share * sum(wanted) - budget * want) < sum(wanted)  # less than a cent away


def test_odd_cents_go_to_the_largest_remainder_then_to_the_first() -> None:
    assert by_need(100, [1_000, 1_000, 1_000]) == (34, 33, 33)
    assert by_need(10, [1_000, 2_600]) == (3, 7)


def test_what_is_left_of_a_year_counts_losses_and_ends_at_zero() -> None:
    assert budget_left(10_000_00, 4_000_00) == 6_000_00
    assert budget_left(10_000_00, -4_000_00) == 14_000_00
    assert budget_left(10_000_00, 12_000_00) == 0


@pytest.mark.parametrize("ask", [lambda: by_need(-1, [1]), lambda: budget_left(-1, 0)])
def test_a_negative_budget_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(InputError) as caught:
        ask()
    assert caught.value.code == "budget.negative"


def test_a_budget_larger_than_every_wish_binds_nobody() -> None:
    shared = share_budget(100_00, 2, liking([[10_00], [20_00, 5_00]]))
    assert (shared.given, shared.used) == ((10_00, 25_00), (10_00, 25_00))
    assert (shared.left, shared.rounds) == (65_00, 1)


def test_what_one_account_cannot_use_goes_to_the_other() -> None:
    """The first has one lot of 60: half of 60 is of no use to it, all of it is to the second."""
    shared = share_budget(60_00, 2, liking([[60_00], [10_00] * 6]))
    assert shared.used == (0, 60_00)
    assert shared.left == 0


def test_losses_of_one_account_do_not_stretch_the_budget_of_the_others() -> None:
    def realised(budgets: Budgets) -> list[int]:
        return [-500_00, 80_00 if budgets[1] is None else min(80_00, budgets[1])]

    assert share_budget(50_00, 2, realised).used == (0, 50_00)


LUMPS = st.lists(st.lists(st.integers(1, 50_000_00), max_size=6), min_size=1, max_size=5)


@given(budget=st.integers(0, 200_000_00), lumps=LUMPS)
def test_a_budget_is_never_exceeded_and_sharing_again_never_uses_less(
    budget: int, lumps: list[list[int]]
) -> None:
    realised = liking(lumps)
    shared = share_budget(budget, len(lumps), realised)
    wanted = realised((None,) * len(lumps))
    assert sum(shared.given) <= budget
    assert sum(shared.used) + shared.left == budget
    assert all(u <= g <= w for u, g, w in zip(shared.used, shared.given, wanted, strict=True))
    assert shared.rounds <= MOST_ROUNDS
    assert sum(shared.used) >= sum(realised(by_need(budget, wanted)))
    assert shared == share_budget(budget, len(lumps), realised)


def deciding(prepared: Prepared, taxpayer: Taxpayer) -> Callable[[Budgets], list[int]]:
    """Long-term gains of the real decision under budgets for them, where they are not taxed."""

    def realised(budgets: Budgets) -> list[int]:
        accounts = tuple(
            replace(
                a, lt_gain_budget=None if b is None else b / CENTS, st_gain_budget=None, lt_rate=0.0
            )
            for a, b in zip(taxpayer.accounts, budgets, strict=True)
        )
        household = replace(taxpayer, accounts=accounts)
        moves = [plan.trades for plan in solve_taxpayer(prepared, household, AS_OF_DAY)]
        figures = evaluate(prepared.universe, household, moves, AS_OF_DAY)
        return [round(f.lt_gain * CENTS) for f in figures]

    return realised


def test_generated_households_share_a_budget_of_long_term_gains() -> None:
    """With the real decision: half of what all accounts would realise is never exceeded."""
    recipe = Recipe(names=40, accounts=8, lots=120, factors=6, sectors=4)
    universe, taxpayers = generate_problems(3, recipe)
    prepared, shared_by_two = Prepared(universe), 0
    for taxpayer in (t for t in taxpayers if len(t.accounts) > 1):
        realised = deciding(prepared, taxpayer)
        wanted = [max(0, cents) for cents in realised((None,) * len(taxpayer.accounts))]
        shared = share_budget(sum(wanted) // 2, len(wanted), realised)
        assert sum(shared.used) <= sum(wanted) // 2
        assert sum(realised(shared.given)) <= sum(wanted) // 2 + len(wanted)
        shared_by_two += sum(cents > 0 for cents in wanted) > 1
    assert shared_by_two
