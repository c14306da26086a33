"""A tax year from the book: equal to the book's totals, as of any day, and nobody else's."""

from dataclasses import replace
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from tests.viewers import viewer

from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, all_records
from opensma.book.rights import Role, Scope
from opensma.book.store import Book, open_book
from opensma.book.taxcalendar import CalendarDay, OpenLoss, calendar_days
from opensma.book.taxviews import TaxYear, tax_year
from opensma.day import run_day
from opensma.errors import BookError, InputError
from opensma.market import open_market
from opensma.tax.liability import tax_on


@pytest.fixture(scope="module")
def book(small_market: Path, _demo_book: Path, tmp_path_factory: pytest.TempPathFactory) -> Book:
    path = tmp_path_factory.mktemp("taxes") / "book.db"
    path.write_bytes(_demo_book.read_bytes())
    opened, market = open_book(str(path)), open_market(small_market)
    run_day(opened, market, market.day(-1), recorded_at="2024-12-31T21:00:00Z")
    return opened


@pytest.fixture(scope="module")
def accounts(book: Book) -> list[AccountRecord]:
    with book.read() as connection:
        return all_records(connection, AccountRecord)


@pytest.fixture(scope="module")
def years(book: Book, accounts: list[AccountRecord]) -> list[TaxYear]:
    return [tax_year(book, t) for t in sorted({a.taxpayer_id for a in accounts})]


def test_every_total_is_that_of_the_books_own_states(book: Book, years: list[TaxYear]) -> None:
    """The reference engine here, the column law there: to the cent, by term."""
    with book.read() as connection:
        states = load_states(connection)
    seen = 0
    for view in years:
        for line in view.accounts:
            own = states[line.account.account_key].year(view.year)
            short, long = (
                own[f"{t}_gain_cents"] - own[f"{t}_loss_cents"] + own[f"disallowed_{t}_cents"]
                for t in ("short", "long")
            )
            assert (line.short_cents, line.long_cents) == (short, long)
            disallowed = own["disallowed_short_cents"] + own["disallowed_long_cents"]
            assert line.deferred_cents + line.permanent_cents == disallowed
            assert line.harvested_short_cents == own["harvested_short_cents"]
            assert line.harvested_long_cents == own["harvested_long_cents"]
            if line.account.taxed:
                paid = line.qualified_cents + line.ordinary_dividend_cents
                assert paid == own["dividend_cents"]
            seen += bool(line.sales)
    assert seen > 5


def test_f2_form_rows_add_up_to_the_realised_result(years: list[TaxYear]) -> None:
    for view in years:
        gain = sum(row.gain_cents for row in view.rows)
        assert gain == sum(a.short_cents + a.long_cents for a in view.accounts)


def test_r6_the_ledger_carries_from_year_to_year(years: list[TaxYear]) -> None:
    for view in years:
        assert view.household is not None
        ledger = view.household.ledger
        assert ledger[-1].result.year == view.year
        for before, after in pairwise(ledger):
            assert after.short_in_cents == before.netting.short_carry_cents
            assert after.long_in_cents == before.netting.long_carry_cents


def test_the_estimate_nets_what_the_ledger_nets(years: list[TaxYear]) -> None:
    for view in years:
        house = view.household
        assert house is not None
        assert house.liability is not None
        assert house.liability.netting == house.ledger[-1].netting
        assert house.liability == tax_on(house.liability.income)


def test_r7_the_value_is_that_of_the_losses_harvested(years: list[TaxYear]) -> None:
    for view in years:
        full = view.full
        lost = sum(a.harvested_short_cents + a.harvested_long_cents for a in view.accounts)
        assert full.short_loss_cents + full.long_loss_cents == lost
        assert full.value_cents == full.deferral_cents + full.rate_difference_cents


def test_w1_windows_close_on_day_30_and_open_again_on_day_31(years: list[TaxYear]) -> None:
    losses = [loss for view in years for loss in view.losses]
    purchases = [one for view in years for one in view.purchases]
    assert losses
    assert purchases
    for loss in losses:
        assert (loss.until - loss.sold).days == 30
        assert loss.free_from - loss.until == timedelta(days=1)
        assert loss.loss_cents > 0
    for one in purchases:
        assert (one.safe_from - one.bought).days == 31


def test_w1_the_calendar_moves_with_the_day(book: Book, years: list[TaxYear]) -> None:
    view = max(years, key=lambda v: len(v.losses))
    name, year = view.taxpayer.taxpayer_id, view.year
    last = max(r.until for r in (*view.losses, *view.purchases))
    assert tax_year(book, name, year, last).losses or tax_year(book, name, year, last).purchases
    after = tax_year(book, name, year, last + timedelta(days=1))
    assert (after.losses, after.purchases) == ((), ())
    assert calendar_days(after.losses, after.purchases) == ()


def test_w17_what_is_substantially_identical_is_blocked_too() -> None:
    day, far = date(2025, 1, 31), date(2025, 2, 5)
    loss = OpenLoss(
        "A", 1, "GO", "Go A", ("GOB",), "1-1", day - timedelta(days=31), day - timedelta(days=1),
        day, 1_000_000, 5_00, harvest=True,
    )  # fmt: skip
    later = replace(loss, symbol="GOB", also=("GO",), free_from=far)
    assert calendar_days((loss,), ()) == (CalendarDay(day, ("GO", "GOB"), ()),)
    assert calendar_days((loss, later), ()) == (CalendarDay(far, ("GO", "GOB"), ()),)


def test_w22_final_only_after_january(book: Book, years: list[TaxYear]) -> None:
    name = years[0].taxpayer.taxpayer_id
    assert not years[0].final.final
    assert not tax_year(book, name, 2024, date(2025, 1, 31)).final.final
    assert tax_year(book, name, 2024, date(2025, 2, 3)).final.final


def test_d9_a_year_can_be_asked_for_as_it_stood(book: Book, years: list[TaxYear]) -> None:
    view = max(years, key=lambda v: len(v.losses))
    before = tax_year(book, view.taxpayer.taxpayer_id, 2024, date(2024, 12, 30))
    assert all(row.sold <= "2024-12-30" for row in before.rows)
    assert len(before.rows) < len(view.rows)


def test_q3_open_dividends_are_final_sixty_days_later(book: Book, years: list[TaxYear]) -> None:
    view = max(years, key=lambda v: sum(a.open_dividend_cents for a in v.accounts))
    waiting = [d for d in view.dividends if not d.final]
    assert waiting
    assert all(d.qualified and (view.as_of - d.ex_date).days < 60 for d in waiting)
    later = tax_year(book, view.taxpayer.taxpayer_id, 2024, view.as_of + timedelta(days=60))
    assert all(d.final for d in later.dividends)
    assert sum(d.cents for d in later.dividends) == sum(d.cents for d in view.dividends)


def test_an_account_shows_its_own_rows_beside_its_household(
    book: Book, accounts: list[AccountRecord]
) -> None:
    taxpayers = [a.taxpayer_id for a in accounts]
    account = next(a for a in accounts if taxpayers.count(a.taxpayer_id) > 1 and a.taxed)
    alone, together = tax_year(book, account.account_id), tax_year(book, account.taxpayer_id)
    assert {row.account for row in alone.rows} <= {account.account_id}
    assert alone.household is not None
    assert together.household is not None
    assert alone.household.ledger == together.household.ledger
    assert alone.accounts == together.accounts


def test_i10_a_viewer_of_one_account_gets_no_figure_of_the_household(
    book: Book, accounts: list[AccountRecord]
) -> None:
    taxpayers = [a.taxpayer_id for a in accounts]
    account = next(a for a in accounts if taxpayers.count(a.taxpayer_id) > 1)
    with book.write() as connection:
        from opensma.book import schema

        table = schema.accounts
        was = account.advisor_id
        change = table.update().where(table.c.account_id == account.account_id)
        known = connection.execute(schema.advisors.select()).first()
        assert known is not None
        new = next(
            row.advisor_id
            for row in connection.execute(schema.advisors.select())
            if row.advisor_id not in {a.advisor_id for a in accounts}
        )
        connection.execute(change.values(advisor_id=new))
    try:
        view = tax_year(book, account.account_id, viewer=viewer(Role.ADVISOR, Scope.ADVISOR, new))
        assert view.household is None
        assert [a.account.account_id for a in view.accounts] == [account.account_id]
        shown = {r.account_id for r in (*view.losses, *view.purchases, *view.dividends)}
        assert shown <= {account.account_id}
        with pytest.raises(BookError):
            tax_year(
                book, account.account_id, viewer=viewer(Role.ADVISOR, Scope.ADVISOR, "adv-nobody")
            )
    finally:
        with book.write() as connection:
            connection.execute(change.values(advisor_id=was))


def test_a_year_that_has_not_begun_is_refused(book: Book, accounts: list[AccountRecord]) -> None:
    with pytest.raises(InputError) as error:
        tax_year(book, accounts[0].account_id, 2031)
    assert error.value.code == "tax.as_of"


def test_r9_without_a_table_the_estimate_is_missing_and_says_why(
    book: Book, accounts: list[AccountRecord]
) -> None:
    view = tax_year(book, accounts[0].account_id, 2015)
    assert view.household is not None
    assert view.household.liability is None
    assert "2015" in view.household.missing
