"""A day at the rates of the netting: whose year, which gains, what is kept, nothing else new."""

import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from opensma import cli
from opensma import day as spine
from opensma.book.master import TaxProfile, add_records, households
from opensma.book.plans import PlanRates, day_plan_rates, day_plans
from opensma.book.proof import book_hash
from opensma.book.runs import RatesUsed
from opensma.book.store import Book, open_book
from opensma.book.taxnow import on_record, year_so_far
from opensma.book.taxviews import tax_year
from opensma.book.verify import verify
from opensma.book.views import account_decision
from opensma.construct.saved import Decided
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.day import TRADING_DAY, run_day
from opensma.errors import BookError, InvariantError
from opensma.market import Market, open_market
from opensma.report.paragraph import plan_paragraph
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems
from opensma.tax.liability import Income
from opensma.tax.marginal import CARRIED_SHARE_MICROS, MOST_ROUNDS, Settled, TermRates
from opensma.trade.marginal import NettedYear, at_rates, decide_netted, gains_cents

NETTED = RatesUsed("netting", CARRIED_SHARE_MICROS)


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture(scope="module")
def netted(market: Market, _demo_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Book:
    """The demo's book after a day at the rates of the netting."""
    path = tmp_path_factory.mktemp("netted") / "book.db"
    shutil.copyfile(_demo_book, path)
    book = open_book(str(path))
    run_day(book, market, market.day(-1), recorded_at="t", rates=NETTED)
    return book


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


def kept(book: Book) -> dict[str, PlanRates]:
    with book.read() as connection:
        return day_plan_rates(connection, "day-2024-12-31")


# --- the year so far -----------------------------------------------------------------------------


def test_the_short_way_finds_the_netting_that_the_journals_give(netted: Book) -> None:
    """Gains by term and carryforward as the reference engine has them, for every taxpayer."""
    with netted.read() as connection:
        found = households(connection, "2024-12-31")
        records = on_record(connection, found)
    seen = set()
    for household in found:
        day = date(2024, 12, 31).toordinal()
        year = year_so_far(household, records[household.taxpayer.taxpayer_key], day)
        told = tax_year(netted, household.taxpayer.taxpayer_id, 2024)
        assert told.household is not None
        line = told.household.ledger[-1]
        assert (year.short_cents, year.long_cents) == (
            line.result.short_cents,
            line.result.long_cents,
        )
        assert (year.short_carry_cents, year.long_carry_cents) == (
            line.short_in_cents,
            line.long_in_cents,
        )
        assert year.ordinary_cents == told.profile.taxable_income_cents
        seen.add(bool(year.short_carry_cents or year.short_cents))
    assert True in seen  # the demo's year has results


# --- the day -------------------------------------------------------------------------------------


def test_a_day_at_netted_rates_ends_in_a_proven_book_and_keeps_its_rates(netted: Book) -> None:
    assert verify(netted) == []
    with netted.read() as connection:
        plans = {p.account_id for p in day_plans(connection, "day-2024-12-31")}
        taxed = {
            a.account_id: h.taxpayer.taxpayer_id
            for h in households(connection, "2024-12-31")
            for a in h.accounts
            if a.taxed
        }
    rates = kept(netted)
    assert set(rates) == plans & set(taxed)
    shared: dict[str, set[tuple[int, ...]]] = {}
    for name, one in rates.items():
        figures = (one.short_rate_micros, one.long_rate_micros, one.rounds)
        shared.setdefault(taxed[name], set()).add(figures)
        assert one.settled or one.rounds == MOST_ROUNDS
    assert all(len(figures) == 1 for figures in shared.values())  # one taxpayer, one set of rates
    members = [taxed[name] for name in rates]
    assert len(members) > len(set(members))  # some taxpayer has several accounts
    assert any(one.settled for one in rates.values())


def test_trades_are_told_with_the_rates_that_they_were_decided_at(netted: Book) -> None:
    for name, rates in kept(netted).items():
        decision = account_decision(netted, name)
        assert decision.rates == rates
        assert "as netted this year" in plan_paragraph(decision)
        assert rates.settled != ("the next one costs" in plan_paragraph(decision))
        for trade in decision.trades:
            if trade.lot is not None:
                long = trade.lot.long_term
                wanted = rates.long_rate_micros if long else rates.short_rate_micros
                assert trade.lot.rate_micros == wanted


def test_a_day_at_the_rates_on_file_keeps_none_and_is_what_it_was(
    book: Book, market: Market, tmp_path: Path
) -> None:
    assert book.path is not None
    other = tmp_path / "other.db"
    shutil.copyfile(book.path, other)
    run_day(book, market, market.day(-1), recorded_at="t")
    run_day(open_book(str(other)), market, market.day(-1), recorded_at="t", rates=RatesUsed())
    assert kept(book) == {}
    assert book_hash(book) == book_hash(open_book(str(other)))


def test_the_same_day_at_netted_rates_is_the_same_on_any_number_of_workers(
    netted: Book, book: Book, market: Market
) -> None:
    run_day(book, market, market.day(-1), recorded_at="t", rates=NETTED, workers=2)
    assert book_hash(book) == book_hash(netted)


def test_an_interrupted_day_keeps_its_rates(
    netted: Book, book: Book, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_context: object) -> dict[str, object]:
        raise InvariantError("test.broken", "The stage breaks here.")

    stages = tuple((name, fails if name == "decide" else work) for name, work in TRADING_DAY)
    with monkeypatch.context() as broken:
        broken.setattr(spine, "TRADING_DAY", stages)
        with pytest.raises(InvariantError):
            run_day(book, market, market.day(-1), recorded_at="t", rates=NETTED)
    with pytest.raises(BookError) as caught:
        run_day(book, market, market.day(-1), recorded_at="t", rates=RatesUsed())
    assert caught.value.code == "day.other_rates"
    assert "netting, carried losses at 61.3913% of the rate on file" in caught.value.message
    run_day(book, market, market.day(-1), recorded_at="t")
    assert book_hash(book) == book_hash(netted)


def test_a_taxpayer_without_a_table_of_rates_stops_alone(book: Book, market: Market) -> None:
    with book.write() as connection:
        first = households(connection, "2024-12-31")[0]
        connection.exec_driver_sql(
            f"UPDATE taxpayers SET state = 'ZZ' WHERE taxpayer_key = {first.taxpayer.taxpayer_key}"
        )
    report = run_day(book, market, market.day(-1), recorded_at="t", rates=NETTED)
    assert {e.account_id for e in report.exceptions} == {a.account_id for a in first.accounts}
    assert {e.code for e in report.exceptions} == {"rates.unknown_state"}
    assert int(str(report.stages["decide"]["solved"])) == 12 - len(first.accounts)


def test_a_loss_that_only_waits_makes_the_rate_the_share_of_that_on_file(
    book: Book, market: Market
) -> None:
    """No income, a large loss this year: a gain costs nothing now, so the share alone counts."""
    with book.write() as connection:
        for household in households(connection, "2024-12-31"):
            add_records(
                connection,
                [TaxProfile(household.taxpayer.taxpayer_id, "2024-12-31", 0, 400_000, 200_000)],
            )
    share = RatesUsed("netting", 500_000)
    run_day(book, market, market.day(-1), recorded_at="t", rates=share)
    assert kept(book)
    for one in kept(book).values():
        assert one.short_rate_micros >= 200_000
        assert one.long_rate_micros >= 100_000
    assert any(one.short_rate_micros == 200_000 for one in kept(book).values())


# --- generated taxpayers -------------------------------------------------------------------------


def decided(seed: int, income: Income) -> list[tuple[NettedYear, Settled[Decided], bool]]:
    """Every generated taxpayer twice, and whether both times ended alike."""
    recipe = Recipe(names=40, accounts=6, lots=120, factors=6, sectors=4, wishes=0.2)
    universe, taxpayers = generate_problems(seed, recipe)
    prepared, found = Prepared(universe), []
    for taxpayer in taxpayers:
        ids = frozenset(a.account_id for a in taxpayer.accounts if a.st_rate > 0.0)
        year = NettedYear(income, TermRates(408_000, 238_000), ids, CARRIED_SHARE_MICROS)
        one, other = (
            decide_netted(prepared, taxpayer, AS_OF_DAY, year, solve_taxpayer) for _ in range(2)
        )
        after = gains_cents(prepared, taxpayer, one.answer.plans, ids, AS_OF_DAY)
        assert one.after == year.rates(*after)
        again = solve_taxpayer(prepared, at_rates(taxpayer, ids, one.rates), AS_OF_DAY)
        assert [p.objective for p in again] == [p.objective for p in one.answer.plans]
        same = (one.rates, one.after, one.rounds) == (other.rates, other.after, other.rounds)
        found.append((year, one, same))
    return found


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("short", "long"), [(0, 0), (40_000_00, 200_000_00), (-500_000_00, 0), (3_000_00, -5_000_00)]
)
def test_generated_taxpayers_reach_rates_that_stand_still(seed: int, short: int, long: int) -> None:
    income = Income(
        year=2025,
        status="joint",
        state="TX",
        ordinary_cents=400_000_00,
        short_cents=short,
        long_cents=long,
    )
    found = decided(seed, income)
    assert all(same for _, _, same in found)
    assert all(one.settled or one.rounds == MOST_ROUNDS for _, one, _ in found)
    if abs(short) + abs(long) > 100_000_00:  # no plan of these accounts comes near a threshold
        assert all(one.settled for _, one, _ in found)


def test_retirement_accounts_add_nothing_and_keep_their_rate_of_zero() -> None:
    recipe = Recipe(names=30, accounts=6, lots=90, factors=5, sectors=3)
    universe, taxpayers = generate_problems(5, recipe)
    prepared, taxpayer = Prepared(universe), taxpayers[0]
    plans = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
    assert gains_cents(prepared, taxpayer, plans, frozenset(), AS_OF_DAY) == (0, 0)
    untaxed = replace(
        taxpayer, accounts=tuple(replace(a, st_rate=0.0, lt_rate=0.0) for a in taxpayer.accounts)
    )
    assert at_rates(untaxed, frozenset(), TermRates(1, 1)) == untaxed


# --- the command ---------------------------------------------------------------------------------


def test_the_command_says_which_rates_a_day_used(
    netted: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["day", "show", "--book", netted.url]) == 0
    told = capsys.readouterr().out
    assert "Rates of netting, carried losses at 61.3913% of the rate on file." in told
    assert "rates unsettled" in told
    assert cli.run(["day", "show", "--book", netted.url, "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert (run["rates"], run["carried_share_micros"]) == ("netting", CARRIED_SHARE_MICROS)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--carried-share", "50"], "means nothing without --rates netting"),
        (["--rates", "netting", "--carried-share", "120%"], "cannot be worth 120%"),
    ],
)
def test_a_share_without_meaning_is_refused(
    netted: Book, options: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["day", "run", "--book", netted.url, "--date", "2024-12-31", *options]
    assert cli.run(command) == 2
    assert words in capsys.readouterr().err
