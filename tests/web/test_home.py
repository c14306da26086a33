"""An owner's first page: sums that tie to the cent, figures of the pages behind them."""

import re

import pytest
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

from opensma.access.store import Access
from opensma.book.visible import find_viewer, visible_accounts
from opensma.web.home import Home, totals
from opensma.web.pages import Pages


@pytest.fixture(scope="module")
def gated(portal: Shown) -> Signed:
    return signed(portal)


def pages_of(gated: Signed, portal: Shown, user: str) -> Pages:
    with portal.book.read() as connection:
        viewer = find_viewer(connection, user, "2024-12-31")
    found = gated.app.state.gate.pages(viewer)
    assert isinstance(found, Pages)
    return found


def test_the_change_of_value_is_explained_to_the_cent(gated: Signed, portal: Shown) -> None:
    pages = pages_of(gated, portal, "household")
    with portal.book.read() as connection:
        accounts = visible_accounts(connection, pages.viewer)
    homes = [pages.home._home(account) for account in accounts]
    assert all(home.bridge is not None and home.bridge.checked for home in homes)
    made = totals(homes)
    assert made.start + made.flows + made.income + made.market - made.fees == made.end
    values = {r.account.account_id: r.measures for r in portal.view.rows}
    for home in homes:
        measures = values[home.account.account_id]
        assert home.bridge is not None
        assert measures is not None
        assert home.bridge.end_cents == measures.value_cents


def test_returns_are_those_of_the_performance_page(gated: Signed, portal: Shown) -> None:
    client = gated.client("owner")
    home = client.get("/").text
    account = re.search(r'href="/accounts/(\w+)"', home)
    assert account is not None
    year = client.get(f"/accounts/{account[1]}/performance?period=year").text
    shown = re.findall(r"<dd><span class=\"\w+\">([+\u2212]\d+\.\d\d%)</span></dd>", home)
    assert len(shown) >= 2
    assert [one for one in shown if one not in year] == []


def test_whoever_serves_accounts_keeps_the_list(gated: Signed) -> None:
    assert 'id="accounts"' in gated.client("manager").get("/").text
    assert 'id="accounts"' not in gated.client("owner").get("/").text


def test_it_is_measured_again_only_when_the_book_changes(gated: Signed, portal: Shown) -> None:
    pages = pages_of(gated, portal, "owner")
    home = Home(pages.portal, Access(portal.book))
    with portal.book.read() as connection:
        account = visible_accounts(connection, pages.viewer)[0]
    assert home._kept_home(account) is home._kept_home(account)
