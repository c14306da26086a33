"""Attribution on the book: two views of the active return, each adds up to it (M62 to M66)."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, Restriction, all_records
from opensma.book.series import account_series
from opensma.book.state import new_account
from opensma.book.store import open_book
from opensma.book.taxviews import tax_year
from opensma.cli import run
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.measure.after_tax_book import account_tax_management
from opensma.measure.attribution_book import (
    CASH,
    AccountAttribution,
    MonthFacts,
    account_attribution,
    attribute,
    openings,
)
from opensma.measure.conventions import Conventions
from opensma.measure.losses_book import account_losses
from opensma.measure.performance import Performance, account_performance
from opensma.measure.wishes import bounds, personal_target


@pytest.fixture
def market(small_book: str, small_market: Path) -> Market:
    opened = open_market(small_market)
    run_day(open_book(small_book), opened, opened.day(-1), recorded_at="t", workers=1)
    return opened


def people(book: str) -> list[AccountRecord]:
    with open_book(book).read() as connection:
        return all_records(connection, AccountRecord)


def explained(
    book: str, market: Market, name: str, first: date | None = None
) -> tuple[Performance, AccountAttribution]:
    opened = open_book(book)
    found = account_performance(opened, market, name, first, None)
    return found, account_attribution(opened, market, found)


def steps(one: AccountAttribution) -> float:
    ladder = one.ladder
    return ladder.manager + ladder.client_directed + ladder.tax_trading + ladder.implementation


def sectors(one: AccountAttribution) -> float:
    within = one.ladder.manager + one.ladder.trading
    return one.allocation + one.selection + one.interaction + within


@pytest.mark.parametrize("first", [None, date(2024, 6, 12)])
def test_m63_m65_both_views_sum_to_the_active_return(
    small_book: str, market: Market, first: date | None
) -> None:
    some = 0
    for account in people(small_book):
        with open_book(small_book).read() as connection:
            days = account_series(connection, [account.account_key])[account.account_key].days
        if first is not None and int(days[0]) > first.toordinal():
            continue
        found, one = explained(small_book, market, account.account_id, first)
        active = found.time_weighted.cumulative - found.benchmark.cumulative
        assert one.active == active
        assert abs(steps(one) - active) < 1e-12
        assert abs(sectors(one) - active) < 1e-12
        wishes = sum(w.effect for w in one.wishes) + one.together
        assert wishes == pytest.approx(one.ladder.client_directed, abs=1e-15)
        assert sum(s.weight for s in one.sectors) == pytest.approx(1.0)
        assert sum(s.benchmark_weight for s in one.sectors) == pytest.approx(1.0)
        some += abs(active) > 1e-4
    assert some > 3


def test_m65_only_a_wish_is_client_directed_and_only_a_taxed_account_trades_for_tax(
    small_book: str, market: Market
) -> None:
    with open_book(small_book).read() as connection:
        wished = {w.account_id for w in all_records(connection, Restriction)}
    taxed = 0.0
    for account in people(small_book):
        _, one = explained(small_book, market, account.account_id)
        assert bool(one.wishes) == (account.account_id in wished)
        if not one.wishes:
            assert one.ladder.client_directed == 0.0
        if not account.taxed:
            assert one.ladder.tax_trading == 0.0
        taxed += abs(one.ladder.tax_trading)
        assert [s for s in one.sectors if s.sector == CASH]
    assert taxed > 0


def test_m66_holdings_are_those_of_the_close_before(small_book: str, market: Market) -> None:
    """The state at an opening is the fold of every entry until that day, and of none after."""
    account = min(people(small_book), key=lambda a: a.opened)
    with open_book(small_book).read() as connection:
        journal = list(read_journal(connection, [account.account_key]))
    days = np.array(sorted({b.entry.trade_day for b in journal}))
    found = openings(new_account(account.account_key), journal, days)
    for day, one in zip(days, found, strict=True):
        assert one.state.seq == max(b.seq for b in journal if b.entry.trade_day <= day)
    before = openings(new_account(account.account_key), journal, days[:1] - 1)
    assert before[0].state.seq == 0


# --- by hand -----------------------------------------------------------------------------------


def month(market: Market, **changes: object) -> MonthFacts:
    """Everybody holds the model of two names and both return the same."""
    count = len(market.security_id)
    model, returns = np.zeros(count), np.zeros(count)
    model[:2], returns[:2] = (0.6, 0.4), (0.10, -0.05)
    facts = MonthFacts(0.04, 0.04, model, model, model, {}, returns, np.zeros(count, dtype=bool))
    return replace(facts, **changes)  # type: ignore[arg-type]


def made(
    market: Market, book: str, months: list[MonthFacts], words: dict[str, str]
) -> AccountAttribution:
    found = account_performance(open_book(book), market, people(book)[0].account_id, None, None)
    return attribute(found, months, market, words, Conventions())


def test_who_holds_the_benchmark_has_nothing_to_explain(small_book: str, market: Market) -> None:
    one = made(market, small_book, [month(market)] * 3, {})
    assert steps(one) == sectors(one) == 0.0


def test_m65_each_step_alone(small_book: str, market: Market) -> None:
    same = month(market)
    count = len(same.model)
    # Ten percent of cash instead of the model: A = 0.9 x 4 %, and nothing else differs.
    cash = made(market, small_book, [month(market, weights=same.model * 0.9, account=0.036)], {})
    assert cash.ladder.cash == pytest.approx(-0.004, abs=1e-15)
    assert cash.ladder.positions == pytest.approx(0.0, abs=1e-15)
    # The owner excludes the second name: the target holds only the first.
    only = np.zeros(count)
    only[0] = 1.0
    wish = month(market, target=only, weights=only, account=0.10, without={"R": same.model})
    directed = made(market, small_book, [wish], {"R": "exclude"})
    assert directed.ladder.client_directed == pytest.approx(0.06, abs=1e-15)
    assert [w.effect for w in directed.wishes] == pytest.approx([0.06], abs=1e-15)
    assert directed.together == pytest.approx(0.0, abs=1e-15)
    # The same holdings without a wish are kept for tax, or they are the manager's choice.
    kept = np.arange(count) < 2
    for_tax = month(market, weights=only, account=0.10, for_tax=kept)
    assert made(market, small_book, [for_tax], {}).ladder.tax_trading == pytest.approx(0.06)
    chosen = month(market, weights=only, account=0.10)
    assert made(market, small_book, [chosen], {}).ladder.positions == pytest.approx(0.06)
    # What the opening holdings do not explain was made by trades, and is never called selection.
    traded = made(market, small_book, [month(market, account=0.05)], {})
    assert traded.ladder.trading == pytest.approx(0.01, abs=1e-15)
    assert traded.selection == pytest.approx(0.0, abs=1e-15)


# --- the personal target -----------------------------------------------------------------------


def wish_of(kind: str, scope: str, key: str, bps: int | None = None) -> Restriction:
    return Restriction("R", "A", kind, scope, key, bps, "2020-01-01", None, "")


def test_m65_the_target_is_the_model_inside_the_wishes(market: Market) -> None:
    model = market.target_weights(int(market.days[-1]))
    first, largest = market.security_id[0], int(np.argmax(model))
    held = np.zeros(len(model))
    sector = market.sector_name[int(market.sector_code[largest])]
    inside = market.sector_code == market.sector_code[largest]

    def target(*wishes: Restriction) -> np.ndarray:
        found = personal_target(model, bounds(market, wishes, held))
        assert found.sum() == pytest.approx(1.0, abs=1e-12)
        assert found.min() >= 0.0
        return found

    without = target(wish_of("exclude", "security", first))
    assert without[0] == 0.0
    assert without[1:] == pytest.approx(model[1:] / model[1:].sum(), abs=1e-12)
    capped = target(wish_of("max_weight", "security", market.security_id[largest], 100))
    assert capped[largest] == pytest.approx(0.01, abs=1e-12)
    assert target(wish_of("sector_max", "sector", sector, 500))[inside].sum() == pytest.approx(0.05)
    least = target(wish_of("sector_min", "sector", sector, 5000))
    assert least[inside].sum() == pytest.approx(0.5, abs=1e-12)
    assert target(wish_of("no_buy", "sector", sector))[inside].sum() == pytest.approx(0.0)
    assert target() == pytest.approx(model, abs=1e-15)


def test_what_an_owner_leaves_of_the_model_may_be_less_than_all_of_it(market: Market) -> None:
    model = market.target_weights(int(market.days[-1]))
    everything = [wish_of("exclude", "sector", name) for name in market.sector_name]
    assert personal_target(model, bounds(market, everything, model)).sum() == 0.0


# --- the command -------------------------------------------------------------------------------


def test_measure_account_explains_the_active_return_and_what_losses_are_worth(
    small_book: str, small_market: Path, market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    account = next(a for a in people(small_book) if a.taxed)
    place = [account.account_id, "--book", small_book, "--market", str(small_market)]
    assert run(["measure", "account", *place, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    why, losses = document["attribution"], document["losses"]
    active = document["time_weighted"]["cumulative"] - document["benchmark"]["cumulative"]
    assert why["active"] == active
    names = ("manager", "client_directed", "tax_trading", "implementation")
    assert sum(why["ladder"][name] for name in names) == pytest.approx(active, abs=1e-12)
    assert sum(s["total"] for s in why["sectors"]) == pytest.approx(
        why["allocation"] + why["selection"] + why["interaction"], abs=1e-12
    )
    # M58: both values, and they are those of the tax page.
    view = tax_year(open_book(small_book), account.account_id, 2024)
    assert view.household is not None
    assert view.household.usable is not None
    assert losses["potential_cents"] == view.full.now_cents
    assert losses["usable_cents"] == view.household.usable.this_year.now_cents
    netting = view.household.ledger[-1].netting
    assert losses["short_carry_cents"] == netting.short_carry_cents
    assert losses["long_carry_cents"] == netting.long_carry_cents
    assert run(["measure", "account", *place]) == 0
    text = capsys.readouterr().out
    assert "in full" in text
    assert "usable in 2024" in text
    assert "Active return" in text


def test_m60_the_deferred_base_is_what_no_carryforward_covers(
    small_book: str, market: Market
) -> None:
    book = open_book(small_book)
    for account in people(small_book):
        found = account_performance(book, market, account.account_id, None, None)
        managed = account_tax_management(book, market, found)
        if managed is None:
            continue
        worth = account_losses(book, found, managed)
        assert worth.carryforward_share is not None
        assert worth.net_deferred_share is not None
        gain = max(managed.unrealised_share, 0.0)
        assert worth.net_deferred_share == max(gain - worth.carryforward_share, 0.0)
        assert worth.usable_cents is not None
        assert worth.usable_cents >= 0
        assert worth.deferred_cents is not None
