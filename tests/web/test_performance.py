"""The performance page: figures of the measuring room with their meaning, none annualised early."""

import asyncio
import html
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date

import httpx
import numpy as np
import pytest
from tests.viewers import owner
from tests.web.shown import Shown
from tests.web.test_pages import shown, text_of

from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.taxviews import tax_year
from opensma.measure.after_tax_book import account_tax_management
from opensma.measure.attribution_book import account_attribution
from opensma.measure.losses_book import account_losses, losses_worth
from opensma.measure.performance import Performance, account_performance
from opensma.report.charts import LIGHT
from opensma.report.ladder import ladder_steps, waterfall, waterfall_spec
from opensma.web import create_app, performance
from opensma.web.render import percent, signed_percent


def accounts(portal: Shown) -> list[AccountRecord]:
    with portal.book.read() as connection:
        return all_records(connection, AccountRecord)


def oldest(portal: Shown) -> AccountRecord:
    return min(accounts(portal), key=lambda a: a.opened)


def series_of(portal: Shown, account: AccountRecord) -> DailyValues:
    with portal.book.read() as connection:
        return account_series(connection, [account.account_key])[account.account_key]


def measured(portal: Shown, account: AccountRecord, first: date | None = None) -> Performance:
    return account_performance(portal.book, portal.market, account.account_id, first, None)


def page_of(portal: Shown, account: AccountRecord, words: str = "") -> str:
    answer = portal.get(f"/accounts/{account.account_id}/performance{words}")
    assert answer.status_code == 200
    return answer.text


@pytest.mark.parametrize("period", list(performance.PERIODS))
def test_every_return_of_every_period_is_the_measured_one(portal: Shown, period: str) -> None:
    account = oldest(portal)
    first = performance.opening(period, series_of(portal, account))
    assert (first is None) is (period == "all")
    found = measured(portal, account, first)
    text = text_of(page_of(portal, account, f"?period={period}"))
    for figure in performance.figures(found):
        if figure.period is not None:
            assert signed_percent(figure.period) in text
        assert figure.meaning in text
    assert percent(found.tracking_error or 0.0) in text
    assert shown(found.end_cents) in text
    assert shown(found.inflow_cents) in text


def test_m12_nothing_under_a_year_is_annualised(portal: Shown) -> None:
    young = max(accounts(portal), key=lambda a: a.opened)
    page = page_of(portal, young)
    assert all(f.yearly is None for f in performance.figures(measured(portal, young)))
    assert page.count("under one year, nothing is annualised") >= 6  # title and spoken text each
    assert "no figure is annualised" in page
    old = oldest(portal)
    whole = measured(portal, old)
    assert whole.time_weighted.annualised is not None
    assert signed_percent(whole.time_weighted.annualised) in text_of(page_of(portal, old))


def test_the_chart_ends_where_the_figures_do_and_its_months_link(portal: Shown) -> None:
    account = oldest(portal)
    series = series_of(portal, account)
    for period in performance.PERIODS:
        first = performance.opening(period, series)
        found = measured(portal, account, first)
        lines = performance.growth_lines(
            account.account_id, series, portal.market.days, portal.market.benchmark_index(), first
        )
        months = performance.month_rows(lines, series)
        whole = found.time_weighted.cumulative
        assert lines.account[-1] == pytest.approx(whole, abs=1e-12)
        assert lines.benchmark[-1] == pytest.approx(found.benchmark.cumulative, abs=1e-12)
        assert np.prod([1 + m.account for m in months]) - 1 == pytest.approx(whole, abs=1e-12)
        flows = performance.flow_rows(series, first)
        assert sum(f.inflow_cents for f in flows) == found.inflow_cents
        net = found.inflow_cents - found.outflow_cents
        assert sum(m.net_cents for m in months) == net


def test_the_chart_is_an_image_of_this_server_in_both_schemes_and_sizes(portal: Shown) -> None:
    page = page_of(portal, oldest(portal), "?period=three")
    addresses = set(re.findall(r'(?:src|srcset)="(/accounts/[^"]+\.svg)"', page))
    assert len(addresses) == 8  # growth and waterfall
    for address in addresses:
        answer = portal.get(address)
        assert answer.headers["content-type"] == "image/svg+xml"
        title = "Return of" if "growth" in address else "From the benchmark"
        assert f"<title>{title}" in answer.text
    stale = re.sub(r"three-[0-9a-f]{16}", "three-" + "0" * 16, addresses.pop())
    assert portal.get(stale).status_code == 404


def test_m50_a_retirement_account_says_why_it_has_no_return_after_tax(portal: Shown) -> None:
    exempt = next(a for a in accounts(portal) if not a.taxed)
    text = text_of(page_of(portal, exempt))
    assert "No return after tax: the account is tax-exempt." in text


def test_a_young_account_says_that_its_period_is_shorter(portal: Shown) -> None:
    young = max(accounts(portal), key=lambda a: a.opened)
    assert "younger than this period" in page_of(portal, young, "?period=twelve")
    assert "younger than this period" not in page_of(portal, young)


def test_words_that_mean_nothing_are_ignored(portal: Shown) -> None:
    account = oldest(portal)
    asked, plain = page_of(portal, account, "?period=%3Cb%3E"), page_of(portal, account)
    foot = '<nav class="csv"'  # its links lead to this very address, whatever it holds
    assert asked.split(foot)[0] == plain.split(foot)[0]


def test_every_table_has_a_caption_and_nothing_is_styled_inline(portal: Shown) -> None:
    page = html.unescape(page_of(portal, oldest(portal)))
    assert page.count("<table") == page.count("<caption") == 7
    assert "style=" not in page


def test_m55_tax_alpha_is_shown_beside_its_two_excesses(portal: Shown) -> None:
    account = next(a for a in accounts(portal) if a.taxed)
    found = measured(portal, account)
    managed = account_tax_management(portal.book, portal.market, found)
    assert managed is not None
    assert managed.shadow is not None
    text = text_of(page_of(portal, account))
    alpha = managed.shadow.alpha
    for value in (alpha.excess_after, alpha.excess_pre, alpha.tax_alpha):
        assert signed_percent(value) in text
    for figure in performance.figures(found, managed):
        assert figure.meaning in text
    assert "Time-weighted, net" in text  # or why there is none


def test_the_account_page_leads_to_its_performance(portal: Shown) -> None:
    address = f"/accounts/{portal.busiest}"
    assert f'href="{address}/performance"' in portal.get(address).text


def test_an_owner_sees_own_performance_and_no_other(portal: Shown) -> None:
    mine, other = portal.view.rows[0].account, portal.view.rows[-1].account
    app = create_app(portal.book, portal.market, owner(mine.owner_id))

    async def ask(path: str) -> int:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=portal.address) as client:
            return (await client.get(path)).status_code

    with ThreadPoolExecutor(1) as pool:  # the browser's tests keep a loop in this thread
        for account, expected in ((mine, 200), (other, 404)):
            path = f"/accounts/{account.account_id}/performance"
            assert pool.submit(asyncio.run, ask(path)).result() == expected


@pytest.mark.parametrize("period", list(performance.PERIODS))
def test_m65_the_waterfall_and_its_table_are_the_attribution(portal: Shown, period: str) -> None:
    account = oldest(portal)
    first = performance.opening(period, series_of(portal, account))
    found = measured(portal, account, first)
    why = account_attribution(portal.book, portal.market, found)
    page = page_of(portal, account, f"?period={period}")
    text = text_of(page)
    for step in ladder_steps(why):
        assert step.name in text
        assert signed_percent(step.effect) in text
    for one in why.sectors:
        assert signed_percent(one.total) in text
    drawing = waterfall(account.account_id, why)
    assert drawing.description in html.unescape(page)
    (address,) = re.findall(r'<img class="chart" src="([^"]+/ladder-[^"]+)"', page)
    svg = portal.get(address)
    assert svg.status_code == 200
    assert svg.headers["content-type"] == "image/svg+xml"
    for step in ladder_steps(why):
        assert step.name in svg.text
    # Bars join: each begins where the one before it ended, and the last is the sum.
    rows = waterfall_spec(drawing, width=1060, height=320, scheme=LIGHT)["layer"][0]
    assert rows["encoding"]["y2"] == {"field": "to"}
    assert portal.get(address.replace(drawing.digest(), "0" * 16)).status_code == 404
    assert portal.get(address.replace(f"ladder-{period}", "ladder-never")).status_code == 404


def test_m58_what_losses_are_worth_stands_beside_what_is_usable(portal: Shown) -> None:
    account = next(a for a in accounts(portal) if a.taxed)
    found = measured(portal, account)
    managed = account_tax_management(portal.book, portal.market, found)
    assert managed is not None
    worth = account_losses(portal.book, found, managed)
    text = text_of(page_of(portal, account))
    assert worth.usable_cents is not None
    for words in (shown(worth.potential_cents), shown(worth.usable_cents), "Usable in 2024"):
        assert words in text
    assert signed_percent(worth.embedded_gain_share) in text


def test_who_may_not_see_every_account_of_a_taxpayer_is_told_so(portal: Shown) -> None:
    """Usable value needs the taxpayer's whole year; it is left out with the reason, never zero."""
    account = next(a for a in accounts(portal) if a.taxed)
    found = measured(portal, account)
    managed = account_tax_management(portal.book, portal.market, found)
    assert managed is not None
    whole = tax_year(portal.book, account.account_id, 2024)
    worth = losses_worth(replace(whole, household=None), found, managed)
    assert worth.usable_cents is worth.short_carry_cents is worth.net_deferred_share is None
    assert worth.missing == (
        "usable value of losses: not all accounts of the taxpayer may be seen",
    )
    assert worth.potential_cents == whole.full.now_cents
