"""The taxes page of an account and of a taxpayer: figures of the book, dates, forms, no leaks."""

import asyncio
import csv
import io
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from tests.viewers import owner
from tests.web.shown import Shown
from tests.web.test_pages import shown, text_of

from opensma.book.taxcalendar import calendar_days
from opensma.book.taxviews import TaxYear, tax_year
from opensma.report.words import day_words
from opensma.web import create_app, taxes
from opensma.web.portal import Portal


@pytest.fixture(scope="session")
def view(portal: Shown) -> TaxYear:
    return tax_year(portal.book, portal.busiest)


@pytest.fixture(scope="session")
def page(portal: Shown) -> str:
    return portal.get(f"/accounts/{portal.busiest}/taxes").text


def test_realised_and_carryforward_stand_on_the_page_to_the_cent(view: TaxYear, page: str) -> None:
    text = text_of(page)
    for account in view.shown():
        for cents in (account.short_gain_cents, -account.short_loss_cents, account.deferred_cents):
            assert shown(cents) in text
    assert view.household is not None
    for line in view.household.ledger:
        assert shown(line.netting.short_carry_cents) in text
        assert shown(line.netting.long_carry_cents) in text


def test_w27_every_window_has_its_date_on_the_page(view: TaxYear, page: str) -> None:
    text = text_of(page)
    days = calendar_days(view.losses, view.purchases)
    assert days
    for day in days:
        assert day_words(day.day.isoformat()) in text
        for symbol in (*day.buy_again, *day.sell_again):
            assert re.search(rf"\b{re.escape(symbol)}\b", text)


def test_w22_the_page_says_until_when_the_year_can_change(view: TaxYear, page: str) -> None:
    assert not view.final.final
    assert day_words(view.final.last_purchase) in text_of(page)


def test_form_8949_is_paged_and_downloads_whole(portal: Shown, view: TaxYear) -> None:
    answer = portal.get(f"/accounts/{portal.busiest}/taxes/form-8949-{view.year}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == len(view.rows) > taxes.ROWS_PER_PAGE
    last = taxes.form_page(view, 10**6)
    text = text_of(portal.get(f"/accounts/{portal.busiest}/taxes?page={last[1]}").text)
    assert last[2][-1].description in text
    assert f"Page {last[1]} of {last[1]}" in text


def test_a_taxpayer_has_the_same_page_with_all_accounts(portal: Shown) -> None:
    siblings = [r.account for r in portal.view.rows]
    households = [a.taxpayer_id for a in siblings]
    taxpayer = next(t for t in households if households.count(t) > 1)
    text = text_of(portal.get(f"/taxpayers/{taxpayer}/taxes").text)
    for account in siblings:
        if account.taxpayer_id == taxpayer:
            assert account.account_id in text


def test_the_account_page_leads_to_its_taxes(portal: Shown) -> None:
    address = f"/accounts/{portal.busiest}"
    assert f'href="{address}/taxes"' in portal.get(address).text


def test_every_table_has_a_caption_and_nothing_is_styled_inline(page: str) -> None:
    assert page.count("<table") == page.count("<caption") > 5
    assert "style=" not in page


@pytest.mark.parametrize(
    "path",
    [
        "/accounts/{taxpayer}/taxes",
        "/taxpayers/{account}/taxes",
        "/accounts/{account}/taxes?year=2030",
        "/accounts/nobody/taxes",
        "/taxpayers/nobody/taxes",
        "/accounts/nobody/taxes/form-8949-2024.csv",
        "/taxpayers/nobody/taxes/form-8949-2024.csv",
        "/accounts/{account}/taxes/form-8949-2099.csv",
    ],
)
def test_what_is_not_there_is_not_found(portal: Shown, view: TaxYear, path: str) -> None:
    filled = path.format(account=portal.busiest, taxpayer=view.taxpayer.taxpayer_id)
    assert portal.get(filled).status_code == 404


@pytest.mark.parametrize("words", ["year=x", "page=-1", "page=99999", "year=12"])
def test_words_that_mean_nothing_are_ignored(portal: Shown, words: str) -> None:
    assert portal.get(f"/accounts/{portal.busiest}/taxes?{words}").status_code == 200


def test_an_owner_sees_own_taxes_and_no_others(portal: Shown) -> None:
    mine, other = portal.view.rows[0].account, portal.view.rows[-1].account
    assert mine.taxpayer_id != other.taxpayer_id
    themselves = owner(mine.owner_id)
    app = create_app(portal.book, portal.market, themselves)

    async def ask(path: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=portal.address) as client:
            return (await client.get(path)).status_code

    with ThreadPoolExecutor(1) as pool:  # the browser's tests keep a loop in this thread
        status = partial(pool.submit, asyncio.run)
        assert status(ask(f"/accounts/{mine.account_id}/taxes")).result() == 200
        for path in (f"/accounts/{other.account_id}", f"/taxpayers/{other.taxpayer_id}"):
            assert status(ask(f"{path}/taxes")).result() == 404
            assert status(ask(f"{path}/taxes/form-8949-2024.csv")).result() == 404


def test_few_years_are_kept_in_memory(portal: Shown) -> None:
    from opensma.web.assets import load_assets
    from opensma.web.portal import YEARS_KEPT
    from opensma.web.render import environment
    from opensma.web.what_if import Desk

    assets, desk = load_assets(), Desk(portal.book, portal.market)
    one = Portal(portal.book, portal.market, None, environment(assets, {}), assets, desk)
    for row in portal.view.rows:
        one._kept_year(row.account.account_id, 2024)
    assert len(one._years) == YEARS_KEPT
