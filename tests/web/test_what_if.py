"""The what-if page: the comparison's figures on the page, errors in words, rights kept."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest
from tests.viewers import owner
from tests.web.shown import Shown
from tests.web.test_pages import shown, text_of

from opensma.book.runs import RatesUsed
from opensma.report.what_if import verdict
from opensma.tax.marginal import CARRIED_SHARE_MICROS
from opensma.trade.change_text import FIELDS
from opensma.trade.standing import Standing, ready_day, standing, standing_day
from opensma.trade.what_if import Change, what_if
from opensma.web import create_app
from opensma.web.what_if import Desk


@pytest.fixture(scope="session")
def stands(portal: Shown) -> Standing:
    day = standing_day(portal.book, portal.market)
    return standing(portal.book, ready_day(portal.book, portal.market, day), portal.busiest)


def address(portal: Shown, query: str = "") -> str:
    return f"/accounts/{portal.busiest}/what-if" + (f"?{query}" if query else "")


def sector(stands: Standing) -> str:
    view = stands.ready.day.view
    return view.sector_name[int(view.sector[int(view.target.argmax())])]


def test_the_account_page_leads_to_what_if(portal: Shown) -> None:
    assert f'href="{address(portal)}"' in portal.get(f"/accounts/{portal.busiest}").text


def test_the_comparison_stands_on_the_page_to_the_cent(portal: Shown, stands: Standing) -> None:
    name = sector(stands)
    told = what_if(stands, Change(exclude=(name,)))
    text = text_of(portal.get(address(portal, f"exclude={name}")).text)
    assert verdict(told).replace("-", "\u2212") in text.replace("-", "\u2212")
    for one in (told.before, told.after):
        for cents in (one.tax_cents, one.cost_cents, one.short_gain_cents, one.cash_cents):
            assert shown(cents) in text
    for move in told.moves:
        assert move.symbol in text


def test_every_field_of_the_form_keeps_what_was_written(portal: Shown) -> None:
    page = portal.get(address(portal)).text
    for name in FIELDS:
        assert f'name="{name}"' in page
        asked = portal.get(address(portal, f"{name}=%3Cb%3E1")).text
        assert 'value="&lt;b&gt;1"' in asked
        assert "<b>1" not in asked


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("exclude=NOBODY", "is no security, sector or theme of the day"),
        ("te_cap=much", "is not a number"),
        ("te_cap=1&aversion=10", "either a cap on tracking error or a price"),
        ("raise=999999999999", "cannot be raised from it"),
        ("budget=-5", "negative"),
        ("exclude=" + "x" * 500, "too long"),
    ],
)
def test_an_error_is_told_beside_the_form(portal: Shown, query: str, words: str) -> None:
    answer = portal.get(address(portal, query))
    assert answer.status_code == 200
    assert words in text_of(answer.text)
    assert 'role="alert"' in answer.text


def test_rates_of_the_netting_can_be_chosen_and_stay_chosen(portal: Shown) -> None:
    netted = RatesUsed("netting", CARRIED_SHARE_MICROS)
    ready = Desk(portal.book, portal.market).ready()
    told = what_if(
        standing(portal.book, ready, portal.busiest, rates=netted), Change(raise_cents=100_000)
    )
    page = portal.get(address(portal, "raise=1000&rates=netting")).text
    assert '<option value="netting" selected>' in page
    assert shown(told.after.tax_cents) in text_of(page)
    assert '<option value="file" selected>' in portal.get(address(portal, "raise=1000")).text


def test_a_conflict_is_named(portal: Shown) -> None:
    text = text_of(portal.get(address(portal, "te_cap=0.01")).text)
    assert "no plan exists" in text
    assert "These cannot hold together" in text
    assert "the cap on tracking error" in text


def test_nobody_sees_what_if_of_an_account_that_is_not_theirs(portal: Shown) -> None:
    mine, other = portal.view.rows[0].account, portal.view.rows[-1].account
    app = create_app(portal.book, portal.market, owner(mine.owner_id))

    async def ask(path: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=portal.address) as client:
            return (await client.get(path)).status_code

    with ThreadPoolExecutor(1) as pool:  # the browser's tests keep a loop in this thread
        status = partial(pool.submit, asyncio.run)
        assert status(ask(f"/accounts/{mine.account_id}/what-if")).result() == 200
        assert status(ask(f"/accounts/{other.account_id}/what-if")).result() == 404
        assert status(ask("/accounts/nobody/what-if")).result() == 404


def test_nothing_can_be_sent_to_it(portal: Shown) -> None:
    assert portal.client.post(address(portal), data={"exclude": "X"}).status_code == 405


def test_the_day_is_prepared_ahead_and_once(portal: Shown) -> None:
    desk = Desk(portal.book, portal.market)
    desk.warm()
    assert desk.ready() is desk.ready()
    assert desk.ready().ordinal == standing_day(portal.book, portal.market)
