"""Yearly gain budgets: on file, shared by the taxpayer's accounts in a day, new with the year."""

from dataclasses import replace
from datetime import date

import pytest

from opensma.book import schema
from opensma.book.actiondesk import Outcome, post
from opensma.book.actionfile import parse_actions
from opensma.book.gain_budgets import budget_on, budget_years, read_budgets
from opensma.book.ledger import load_states
from opensma.book.master import Household, households
from opensma.book.plans import day_plans
from opensma.book.reversing import reverse
from opensma.book.runs import RatesUsed
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.book.views import account_decision
from opensma.construct.solve import solve_taxpayer
from opensma.day import run_day
from opensma.market import Market, generate_market, import_market, open_market
from opensma.report.paragraph import plan_paragraph
from opensma.simulate.demo import build_book
from opensma.tax.marginal import CARRIED_SHARE_MICROS
from opensma.trade.marginal import gains_cents
from opensma.trade.restriction_prices import restriction_prices
from opensma.trade.standing import ready_day, standing
from opensma.trade.what_if import Change, what_if
from opensma.units import CENTS

AT = "2024-12-31T00:00:00Z"
OLD_YEAR, NEW_YEAR = date(2024, 12, 31), date(2025, 1, 2)
ROUNDING = 50  # cents: the book rounds each trade of a plan by itself


@pytest.fixture(scope="module")
def turn(tmp_path_factory: pytest.TempPathFactory) -> Market:
    """A market with three sessions of the new year."""
    folder = tmp_path_factory.mktemp("turn-market")
    generate_market(
        folder / "tables", seed=3, securities=60, start=date(2023, 10, 2), end=date(2025, 1, 6)
    )
    import_market(folder / "tables", folder / "sma.market")
    return open_market(folder / "sma.market")


@pytest.fixture
def book(book_url: str, turn: Market) -> Book:
    """On the evening before the year's last session, with accounts that want to realise gains."""
    build_book(book_url, turn.until(OLD_YEAR), OLD_YEAR, accounts=10, seed=7, workers=1)
    opened = Book(book_url)
    with opened.write() as connection:
        table = schema.accounts
        connection.execute(
            table.update().values(risk_aversion_micros=5_000_000_000, te_cap_bps=None)
        )
    return opened


def couple(book: Book, day: date = OLD_YEAR) -> Household:
    """The taxpayer with two taxable accounts."""
    with book.read() as connection:
        found = households(connection, day.isoformat())
    return next(h for h in found if sum(a.taxed for a in h.accounts) == 2)


def give(book: Book, account: str, short: str, long: str, day: date = OLD_YEAR) -> Outcome:
    row = f"b-{day}-{short}-{long},gain_budget,{day},{account},{short},{long},the client"
    found = parse_actions(f"action,kind,date,account,short_gain,long_gain,by\n{row}\n")
    assert found.findings == ()
    outcome = post(book, found.actions, AT)
    assert outcome.findings == ()
    return outcome


def year(book: Book, household: Household, number: int) -> dict[str, int]:
    """Net results of a year by term, over the taxable accounts; and by account."""
    with book.read() as connection:
        states = load_states(connection, [a.account_key for a in household.accounts if a.taxed])
    sums = [state.year(number) for state in states.values()]
    return {
        term: sum(
            s[f"{term}_gain_cents"] - s[f"{term}_loss_cents"] + s[f"disallowed_{term}_cents"]
            for s in sums
        )
        for term in ("short", "long")
    }


def run(book: Book, market: Market, day: date) -> dict[str, tuple[str, ...]]:
    """The limits at which every plan of the day ended."""
    report = run_day(book, market, day, recorded_at=AT)
    with book.read() as connection:
        plans = day_plans(connection, report.run.run_id)
    return {p.account_id: tuple(p.binding_names) for p in plans}


def wanted(book: Book, market: Market) -> dict[str, int]:
    """Short-term gains that each of the two accounts would realise in the new year by itself."""
    ready = ready_day(book, market, NEW_YEAR.toordinal())
    names = [a.account_id for a in couple(book).accounts]
    asked = standing(book, ready, names[0]).taxpayer
    plans = solve_taxpayer(ready.prepared, asked, ready.ordinal)
    return {
        name: gains_cents(ready.prepared, asked, plans, frozenset([name]), ready.ordinal)[0]
        for name in names
    }


def test_plans_of_two_accounts_keep_the_taxpayers_budget_together(book: Book, turn: Market) -> None:
    own, free = couple(book), wanted(book, turn)
    assert min(free.values()) > 0, "both accounts want short-term gains"
    budget = sum(free.values()) // 2
    give(book, own.accounts[0].account_id, f"{budget / CENTS:.2f}", "0", NEW_YEAR)
    binding = run(book, turn, NEW_YEAR)
    after = year(book, own, 2025)
    assert 0.9 * budget < after["short"] <= budget + ROUNDING
    assert after["long"] <= ROUNDING
    assert all("st_gain_year" in binding[a.account_id] for a in own.accounts)
    for account in own.accounts:  # neither has it all
        alone = replace(own, accounts=(account,))
        assert 0 < year(book, alone, 2025)["short"] < budget
    assert verify(book) == []


def test_the_paragraph_names_the_budget_that_held_a_plan_back(book: Book, turn: Market) -> None:
    own = couple(book)
    give(book, own.accounts[1].account_id, "0", "none", NEW_YEAR)
    run(book, turn, NEW_YEAR)
    for account in own.accounts:
        told = plan_paragraph(account_decision(book, account.account_id))
        assert "the taxpayer's yearly budget of short-term gains" in told


def test_what_a_year_has_used_is_there_again_in_the_next(book: Book, turn: Market) -> None:
    own = couple(book)
    give(book, own.accounts[0].account_id, "1000", "0")
    run(book, turn, OLD_YEAR)
    with book.read() as connection:
        old, new = (
            budget_years(connection, [own], day.toordinal())[own.taxpayer.taxpayer_key]
            for day in (OLD_YEAR, NEW_YEAR)
        )
    now = year(book, own, 2024)
    assert (old.short_cents, old.long_cents) == (now["short"], now["long"])
    assert (new.short_cents, new.long_cents) == (0, 0)
    assert new.budget == old.budget
    give(book, own.accounts[0].account_id, "700", "0", NEW_YEAR)
    run(book, turn, NEW_YEAR)
    fresh = year(book, own, 2025)
    assert fresh["short"] <= 700 * CENTS + ROUNDING
    assert fresh["long"] <= ROUNDING
    assert fresh["short"] > 0, "the new year's budget is used"


def test_a_day_without_a_budget_on_file_is_the_day_it_was(book: Book, turn: Market) -> None:
    binding = run(book, turn, OLD_YEAR)
    assert not any(name.endswith("_gain_year") for names in binding.values() for name in names)


def test_the_newest_budget_holds_and_a_reversed_one_never_did(book: Book) -> None:
    own = couple(book)
    first, second = (a.account_id for a in own.accounts[:2])
    keys = [a.account_key for a in own.accounts]
    give(book, first, "100", "none")
    give(book, second, "none", "2000.50")
    with book.read() as connection:
        found = budget_on(read_budgets(connection, keys), OLD_YEAR.toordinal())
        earlier = budget_on(read_budgets(connection, keys), OLD_YEAR.toordinal() - 1)
    assert found is not None
    assert (found.short_cents, found.long_cents, found.by) == (None, 200_050, "the client")
    assert earlier is None, "an instruction never reaches back (L3)"
    reverse(book, [found.action_id], AT, "a mistake")
    with book.read() as connection:
        again = budget_on(read_budgets(connection, keys), OLD_YEAR.toordinal())
    assert again is not None
    assert (again.short_cents, again.long_cents) == (10_000, None)


def test_two_times_none_lifts_the_budget(book: Book) -> None:
    own = couple(book)
    give(book, own.accounts[0].account_id, "0", "0")
    give(book, own.accounts[0].account_id, "none", "none")
    with book.read() as connection:
        assert budget_years(connection, [own], OLD_YEAR.toordinal()) == {}


@pytest.mark.parametrize("word", ["-1", "lots", "1.234"])
def test_a_budget_that_is_no_amount_is_refused(word: str) -> None:
    text = "action,kind,date,account,short_gain,long_gain,by\n"
    found = parse_actions(f"{text}b,gain_budget,2024-12-31,A000001,{word},none,me\n")
    assert [f.code for f in found.findings] == ["row.value"]
    assert "short_gain" in found.findings[0].what


def test_what_if_shows_the_day_inside_the_budget_and_prices_it(book: Book, turn: Market) -> None:
    own = couple(book)
    give(book, own.accounts[0].account_id, "1000", "0", NEW_YEAR)
    ready = ready_day(book, turn, NEW_YEAR.toordinal())
    stands = standing(book, ready, own.accounts[0].account_id)
    told = what_if(stands, Change(raise_cents=500_000))
    assert "st_gain_year" in told.before.binding
    kinds = {price.kind for price in restriction_prices(stands).priced}
    assert "st_gain_year" in kinds
    free = what_if(replace(stands, left=None), Change()).before
    assert told.before.short_gain_cents <= 1000 * CENTS + ROUNDING < free.short_gain_cents
    run(book, turn, NEW_YEAR)
    with book.read() as connection:
        plan = {p.account_id: p for p in day_plans(connection, "day-2025-01-02")}[stands.account_id]
    assert plan.tax_cents == pytest.approx(told.before.tax_cents, abs=ROUNDING)


def test_the_netting_decides_inside_the_budget_too(book: Book, turn: Market) -> None:
    own = couple(book)
    give(book, own.accounts[0].account_id, "1000", "0", NEW_YEAR)
    netted = RatesUsed("netting", CARRIED_SHARE_MICROS)
    run_day(book, turn, NEW_YEAR, recorded_at=AT, rates=netted)
    after = year(book, own, 2025)
    assert after["short"] <= 1000 * CENTS + ROUNDING
    assert after["long"] <= ROUNDING
