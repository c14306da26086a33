"""Every route without a browser: figures equal the book, names are escaped, addresses are safe."""

import html
import re
from dataclasses import replace

import pytest
from tests.web.shown import HOSTILE, Shown

from opensma.book.records import trade_record
from opensma.book.views import account_view, activity
from opensma.report.explain import why_traded
from opensma.units import dollars
from opensma.web import accounts, listing

MINUS = "\u2212"


def shown(cents: int) -> str:
    return dollars(cents).replace("-", MINUS)


def signed(cents: int) -> str:
    return f"+{shown(cents)}" if cents > 0 else shown(cents)


def text_of(page: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def rows_of(page: str) -> list[str]:
    return re.findall(r'<a href="/accounts/([^"?/]+)">', page)


# --- figures -----------------------------------------------------------------------------------


def test_the_program_page_shows_every_accounts_cents(portal: Shown) -> None:
    text = text_of(portal.get("/").text)
    for row in portal.view.rows:
        assert row.measures is not None
        assert row.account.account_id in text
        assert shown(row.measures.value_cents) in text
        if row.account.taxed:
            assert shown(row.measures.harvested_year_cents) in text
    total = sum(row.measures.value_cents for row in portal.view.rows if row.measures)
    assert f"${shown(total)}" in text


def test_the_program_page_shows_the_days_stages_with_their_seconds(portal: Shown) -> None:
    text = text_of(portal.get("/").text)
    for stage in portal.view.stages:
        assert re.search(rf"{stage.capitalize()} .*?\d+\.\d\d s", text)
    assert "31 Dec 2024" in text


def test_a_retirement_account_has_no_harvest_rather_than_zero(portal: Shown) -> None:
    retired = next(r for r in portal.view.rows if not r.account.taxed).account.account_id
    page = portal.get(f"/?q={retired}").text
    assert "not available: a retirement account has no losses to use" in page


def test_trades_on_the_account_page_add_up_to_the_change_of_the_objective(portal: Shown) -> None:
    account_id = portal.busiest
    view = account_view(portal.book, portal.market, account_id)
    plan = view.decision.plan
    assert plan is not None
    change = plan.objective_cents - plan.objective_before_cents
    assert change == sum(t.total_cents for t in view.decision.trades)
    pages = -(-len(view.decision.trades) // accounts.TRADES_PER_PAGE)
    text = " ".join(
        text_of(portal.get(f"/accounts/{account_id}?tpage={n}").text) for n in range(1, pages + 1)
    )
    for trade in view.decision.trades:
        for cents in (trade.risk_cents, trade.tax_cents, trade.cost_cents, trade.total_cents):
            assert signed(cents) in text
        assert shown(trade.notional_cents) in text
    assert f"{signed(plan.tax_cents)} {signed(plan.cost_cents)} {signed(change)}" in text


def test_positions_and_lots_on_the_page_are_the_books_and_add_up(portal: Shown) -> None:
    account_id = portal.busiest
    view = account_view(portal.book, portal.market, account_id)
    pages = -(-len(view.holdings.positions) // accounts.HOLDINGS_PER_PAGE)
    text = " ".join(
        text_of(portal.get(f"/accounts/{account_id}?lots=all&hpage={n}").text)
        for n in range(1, pages + 1)
    )
    assert f"${shown(view.holdings.value_cents)}" in text
    for lot in view.holdings.lots:
        assert f"Lot {lot.lot} " in text
        assert f"{shown(lot.value_cents)} {signed(lot.gain_cents)} {shown(lot.wash_cents)}" in text
    value = sum(lot.value_cents for lot in view.holdings.lots) + view.holdings.cash_cents
    assert value == view.holdings.value_cents


def test_one_positions_lots_come_alone_for_the_script(portal: Shown) -> None:
    account_id = portal.busiest
    view = account_view(portal.book, portal.market, account_id)
    key = view.holdings.lots[0].security_key
    answer = portal.get(f"/accounts/{account_id}/lots/{key}")
    mine = [lot for lot in view.holdings.lots if lot.security_key == key]
    assert answer.text.count('class="lot"') == len(mine)
    assert portal.get(f"/accounts/{account_id}/lots/999999").status_code == 404


def test_activity_is_all_of_the_journal_newest_first(portal: Shown) -> None:
    account_id = portal.busiest
    entries = activity(portal.book, account_id)
    last = -(-len(entries) // accounts.ACTIVITY_PER_PAGE)
    first = portal.get(f"/accounts/{account_id}").text
    assert f'title="Hash {entries[0].hash}"' in first
    assert (
        f'title="Hash {entries[-1].hash}"'
        in portal.get(f"/accounts/{account_id}?apage={last}").text
    )


def test_every_trade_page_is_the_whole_record(portal: Shown) -> None:
    account_id = portal.busiest
    for trade in account_view(portal.book, portal.market, account_id).decision.trades[::7]:
        record = trade_record(portal.book, trade.trade_id)
        text = text_of(portal.get(f"/trades/{trade.trade_id}").text)
        assert why_traded(record.trade, record.decision) in text
        assert record.order is not None
        assert record.allocation is not None
        assert record.order.order_id in text
        assert f"fee ${shown(record.allocation.fee_cents)}" in text
        for entry in record.entries:
            assert entry.hash[:12] in text
        if trade.lot is not None and trade.lot.wash_until is not None:
            assert "open through 30 Jan 2025" in text


def test_exceptions_name_the_account_and_the_remedy(portal: Shown) -> None:
    page = portal.get("/exceptions").text
    account_id = portal.view.rows[2].account.account_id
    assert rows_of(page) == [e.account_id for e in portal.view.exceptions]
    assert "Relax a restriction." in page
    assert "<b>nothing</b>" not in page
    assert f"0 exceptions of {len(portal.view.exceptions)}" in text_of(
        portal.get("/exceptions?q=zzz").text
    )
    assert "Relax a restriction." in portal.get(f"/accounts/{account_id}").text


# --- search, filter, sort, pages ---------------------------------------------------------------


@pytest.mark.parametrize("sort", listing.SORTS)
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_column_sorts_both_ways_and_loses_nobody(
    portal: Shown, sort: str, direction: str
) -> None:
    page = portal.get(f"/?sort={sort}&dir={direction}").text
    assert sorted(rows_of(page)) == [r.account.account_id for r in portal.view.rows]
    key = listing.SORTS[sort]
    by_id = {r.account.account_id: r for r in portal.view.rows}
    values = [v for a in rows_of(page) if (v := key(by_id[a])) is not None]
    assert values == sorted(values, reverse=direction == "desc")
    word = "descending" if direction == "desc" else "ascending"
    assert page.count(f'aria-sort="{word}"') == 1


def test_search_finds_owner_advisor_and_account_in_any_case(portal: Shown) -> None:
    row = portal.view.rows[4]
    for words in (row.account.account_id.lower(), row.owner.upper(), row.advisor.split()[0]):
        assert row.account.account_id in rows_of(portal.get(f"/?q={words}").text)
    assert rows_of(portal.get("/?q=nobody+has+this+name").text) == []


def test_filters_narrow_and_combine(portal: Shown) -> None:
    ira = {r.account.account_id for r in portal.view.rows if r.account.registration == "ira"}
    assert set(rows_of(portal.get("/?registration=ira").text)) == ira
    stopped = portal.view.rows[2]
    for outcome in listing.OUTCOMES:
        wanted = {r.account.account_id for r in portal.view.rows if listing.outcome(r) == outcome}
        assert set(rows_of(portal.get(f"/?outcome={outcome}").text)) == wanted
    both = portal.get(f"/?outcome=exception&q={stopped.account.account_id}")
    assert rows_of(both.text) == [stopped.account.account_id]
    mine = {
        r.account.account_id
        for r in portal.view.rows
        if r.account.advisor_id == stopped.account.advisor_id
    }
    assert set(rows_of(portal.get(f"/?advisor={stopped.account.advisor_id}").text)) == mine


@pytest.mark.parametrize(
    "query",
    [
        "page=0", "page=-1", "page=999999999", "page=99999999999999999999", "page=²", "page=1e9",
        "sort=__class__", "sort=value;drop", "dir=sideways", "registration=%00", "outcome=<x>",
        "advisor=' or 1=1 --", "q=" + "a" * 5000, "q=%f0%9f%92%b8", "q[]=1", "&&&=", "q=%ff",
        "sort=value&sort=owner",
    ],
)  # fmt: skip
def test_no_address_breaks_the_program_page(portal: Shown, query: str) -> None:
    answer = portal.get(f"/?{query}")
    assert answer.status_code == 200
    assert "Accounts" in answer.text


@pytest.mark.parametrize(
    "query",
    ["lots=zzz", "lots=²", "hsort=x&hdir=y", "tsort=__init__", "tpage=0", "apage=77777777",
     "reason=<script>", "holding=%00%ff", "hpage=-3"],
)  # fmt: skip
def test_no_address_breaks_the_account_page(portal: Shown, query: str) -> None:
    answer = portal.get(f"/accounts/{portal.busiest}?{query}")
    assert answer.status_code == 200
    assert "<script>" not in answer.text


def test_ten_thousand_accounts_page_quickly_and_lose_nobody(portal: Shown) -> None:
    row = portal.view.rows[0]
    many = [
        replace(row, account=replace(row.account, account_id=f"X{n:05d}")) for n in range(10_000)
    ]
    first = listing.page_of(many, listing.read_choice({"sort": "value"}))
    assert (first.matching, first.pages, len(first.rows)) == (10_000, 200, 50)
    pages = [listing.page_of(many, listing.Choice(page=page)).rows for page in (1, 2, 200, 201)]
    assert [rows[0].account.account_id for rows in pages] == [
        "X00000",
        "X00050",
        "X09950",
        "X09950",
    ]
    assert listing.page_of(many, listing.Choice(q="x04321")).matching == 1


def test_a_query_written_by_the_page_reads_back_as_the_same_choice() -> None:
    from urllib.parse import parse_qsl

    for choice in (
        listing.Choice(),
        listing.Choice(q="a&b=c", registration="ira", sort="value", descending=True, page=3),
        listing.Choice(sort="te", descending=False),
        listing.Choice(sort="owner", descending=True, outcome="held", advisor="x y"),
    ):
        assert listing.read_choice(dict(parse_qsl(choice.query()))) == choice


# --- safety ------------------------------------------------------------------------------------


def test_names_are_escaped_everywhere(portal: Shown) -> None:
    account_id = portal.view.rows[-1].account.account_id
    for path in ("/", f"/accounts/{account_id}", "/?q=<script>alert(1)</script>"):
        page = portal.get(path).text
        assert "<script>alert" not in page
    assert html.escape(HOSTILE, quote=False)[:20] in portal.get("/").text


PATHS = ["/", "/exceptions", "/nope", "/accounts/nope", "/trades/nope", "/assets/nope.css"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_policy(portal: Shown, path: str) -> None:
    headers = portal.get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_no_page_needs_what_the_policy_forbids(portal: Shown) -> None:
    account_id = portal.busiest
    trade = account_view(portal.book, portal.market, account_id).decision.trades[0].trade_id
    for path in ("/", "/exceptions", f"/accounts/{account_id}?lots=all", f"/trades/{trade}"):
        page = portal.get(path).text
        assert not re.search(r"\sstyle=|<style|\son\w+=|<script(?![^>]*\ssrc=)|https?://", page)


def test_what_does_not_exist_is_answered_alike(portal: Shown) -> None:
    bodies = {
        portal.get(path).text
        for path in ("/nope", "/accounts/nope", "/accounts/%3Cb%3E", "/trades/A-1", "/assets/x")
    }
    assert len(bodies) == 1
    assert portal.get("/accounts/nope").status_code == 404
    assert "What to do" in bodies.pop()


def test_a_foreign_host_name_is_refused(portal: Shown) -> None:
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "10.0.0.1", ""):
        assert portal.get("/", Host=host).status_code == 421
    for host in ("localhost", "localhost:9", "127.0.0.1", "[::1]:80"):
        assert portal.get("/", Host=host).status_code == 200


def test_nothing_can_be_sent(portal: Shown) -> None:
    for path in ("/", f"/accounts/{portal.busiest}"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = portal.client.request(method, path)
            assert answer.status_code == 405
            assert "What to do" in answer.text


# --- delivery ----------------------------------------------------------------------------------


def test_pages_are_compressed_and_assets_kept_for_ever(portal: Shown) -> None:
    answer = portal.get("/", **{"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    addresses = re.findall(r'(?:href|src)="(/assets/[^"]+)"', answer.text)
    assert len(addresses) == 3
    for address in addresses:
        asset = portal.get(address)
        assert "immutable" in asset.headers["cache-control"]
        again = portal.get(address, **{"If-None-Match": asset.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_the_chart_is_named_and_its_address_holds_its_data(portal: Shown) -> None:
    page = portal.get(f"/accounts/{portal.busiest}").text
    addresses = set(re.findall(r'"(/accounts/[^"]+\.svg)"', page))
    assert len(addresses) == 4
    for address in addresses:
        answer = portal.get(address)
        assert answer.headers["content-type"] == "image/svg+xml"
        assert "<title>Value of" in answer.text
        assert portal.get(address).text == answer.text
    assert portal.get(address.replace("value-", "value-0")).status_code == 404
    assert portal.get(address.replace("light", "pink").replace("dark", "pink")).status_code == 404
