"""Owners are drawn from a seed: always the same, and a small book begins a large one."""

from collections import Counter
from pathlib import Path

import pytest

from opensma.errors import BookError, InputError
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book
from opensma.simulate.people import SimulatedHousehold, World, household, world_of
from opensma.units import CENTS


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture(scope="module")
def world(market: Market) -> World:
    return world_of(market)


def people(world: World, seed: int, accounts: int) -> list[SimulatedHousehold]:
    found: list[SimulatedHousehold] = []
    made = 0
    while made < accounts:
        found.append(household(seed, len(found), made + 1, accounts - made, world))
        made += len(found[-1].household.accounts)
    return found


def test_a_book_of_10_is_the_beginning_of_a_book_of_20(world: World) -> None:
    def accounts(count: int) -> list[object]:
        return [
            (account, plan, one.household.restrictions[account.account_id])
            for one in people(world, 7, count)
            for account, plan in zip(one.household.accounts, one.plans, strict=True)
        ]

    assert accounts(10) == accounts(20)[:10]


def test_another_seed_gives_other_people(world: World) -> None:
    assert people(world, 7, 5) == people(world, 7, 5)
    assert people(world, 7, 5) != people(world, 8, 5)


def test_owners_are_as_different_as_promised(world: World) -> None:
    everybody = people(world, 7, 1_000)
    accounts = [a for one in everybody for a in one.household.accounts]
    plans = [p for one in everybody for p in one.plans]
    assert len(accounts) == 1_000
    assert {a.registration for a in accounts} == {"individual", "joint", "trust", "ira", "roth_ira"}
    assert len({one.household.taxpayer.state for one in everybody}) >= 10
    assert len({one.household.profile.short_rate_micros for one in everybody}) > 50
    assert Counter(len(one.household.accounts) for one in everybody).keys() == {1, 2, 3}
    assert min(p.initial_cents for p in plans) >= 100_000 * CENTS
    assert sorted(p.initial_cents for p in plans)[500] < 400_000 * CENTS
    assert any(p.initial_cents > 1_000_000 * CENTS for p in plans)
    assert len({p.funded_row for p in plans}) > 100
    wishes = [w for one in everybody for some in one.household.restrictions.values() for w in some]
    assert {w.scope for w in wishes} == {"theme", "sector"}


def test_nobody_objects_to_a_theme_that_the_market_does_not_have(world: World) -> None:
    assert world.themes
    asked = {
        wish.scope_key
        for one in people(world, 7, 300)
        for some in one.household.restrictions.values()
        for wish in some
        if wish.scope == "theme"
    }
    assert asked == set(world.themes)


@pytest.mark.parametrize("accounts", [0, 100_001])
def test_a_number_of_accounts_out_of_range_is_refused(
    accounts: int, market: Market, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="cannot be made"):
        build_book(
            str(tmp_path / "b.db"), market, market.day(-1), accounts=accounts, seed=1, workers=1
        )
    assert not (tmp_path / "b.db").exists()


def test_a_day_with_too_little_history_is_refused(market: Market, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a history needs 120"):
        build_book(str(tmp_path / "b.db"), market, market.day(50), accounts=1, seed=1, workers=1)
    assert not (tmp_path / "b.db").exists()


def test_a_book_is_never_built_over_another(small_book: str, market: Market) -> None:
    with pytest.raises(BookError, match="another demo book here: 12 accounts, seed 7"):
        build_book(small_book, market, market.day(-1), accounts=1, seed=1, workers=1)
