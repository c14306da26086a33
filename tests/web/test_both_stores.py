"""The portal over either store: every page for who may see it, and every kind of change."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.book.stores import Store
from tests.web.signed import Signed
from tests.web.test_axe import who_may

from opensma.access.audit import verify
from opensma.book.store import open_book
from opensma.book.views import account_view
from opensma.book.visible import find_viewer, visible_accounts
from opensma.day import run_day
from opensma.market import open_market
from opensma.simulate.demo import build_book
from opensma.web import create_app


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def gated(
    request: pytest.FixtureRequest, small_market: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Signed]:
    server = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    store, market = Store(tmp_path_factory.mktemp("stores"), server), open_market(small_market)
    url = store.place()
    build_book(url, market, market.day(-1), accounts=12, seed=11, workers=1)
    book = open_book(url)
    run_day(book, market, market.day(-1), recorded_at="2024-12-31T21:00:00Z", workers=1)
    yield Signed(create_app(book, market, sign_in=True))
    book.engine.dispose()
    store.drop()


def own(gated: Signed) -> str:
    with gated.app.state.gate.book.read() as connection:
        viewer = find_viewer(connection, "owner", "2026-01-01")
        return visible_accounts(connection, viewer)[0].account_id


def send(client: TestClient, path: str, **fields: str) -> int:
    word = re.search(r'name="csrf" value="([^"]+)"', client.get("/me").text)
    assert word
    return client.post(path, data={"csrf": word[1], **fields}).status_code


def test_every_page_is_there_for_who_may_see_it(gated: Signed) -> None:
    account, gate = own(gated), gated.app.state.gate
    market = gate.pages(None).portal.market
    view = account_view(gate.book, market, account)
    trades = view.decision.trades
    values = {
        "account_id": account, "taxpayer_id": view.account.taxpayer_id, "security_key": "1",
        "trade_id": trades[0].trade_id if trades else "none",
    }  # fmt: skip
    wrong = {}
    for screen in gated.app.state.screens:
        page = "GET" in screen.methods and not screen.policy.public and not screen.policy.export
        if page and ".svg" not in screen.path:
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: values[m[1]], screen.path)
            status = gated.client(who_may(screen.policy.right)).get(path).status_code
            if status != 200:
                wrong[path] = status
    assert not wrong


def test_what_people_change_is_kept_and_in_the_log(gated: Signed) -> None:
    account, access = own(gated), gated.app.state.gate.access
    owner, manager, base = gated.client("owner"), gated.client("manager"), f"/accounts/{account}"
    assert send(owner, f"{base}/requests", exclude="Energy") == 303
    page = manager.get("/requests").text
    (number,) = re.findall(r'action="/requests/(rq-\w+)"', page)
    assert send(manager, f"/requests/{number}", what="approve", reason="Reasonable.") == 303
    assert send(manager, f"{base}/contact", kind="annual", day="2026-01-05", means="meeting") == 303
    assert "Yearly review" in owner.get(f"{base}/contact").text
    until = time.strftime("%Y-12-31")
    assert send(owner, f"{base}/access", user="cpa", name="Carla", role="accountant",
                until=until) == 200  # fmt: skip
    assert gated.client("cpa").get(f"{base}/taxes").status_code == 200
    assert gated.client("cpa").get(base).status_code == 404
    (wish,) = re.findall(rf'value="({number}/[^"]+)"', manager.get("/restrictions").text)
    assert send(manager, "/restrictions", restriction=wish) == 303
    assert send(manager, f"{base}/as-owner") == 303
    assert "You see this as" in manager.get(base).text
    assert manager.get("/exceptions").status_code == 404
    assert send(manager, "/as-owner/end") == 303
    assert verify(access) == []
