"""The growth page: the figures of the pack for the growth team, nothing of accounts."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.growth.programme import load_tables, programme
from tests.web.shown import Shown
from tests.web.signed import Signed

from opensma.growth.journeys import Rules
from opensma.growth.pack import make_pack
from opensma.growth.pack_data import Options
from opensma.growth.publish import publish
from opensma.growth.warehouse.store import open_warehouse
from opensma.web import create_app


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("growth-page") / "w.growth"
    connection = open_warehouse(path, create=True)
    tables, given = programme(240, 24, seed=31)
    load_tables(connection, path.parent / "files", tables)
    publish(connection, given, Rules(given.as_of))
    connection.close()
    return path


@pytest.fixture
def gated(portal: Shown, warehouse: Path, monkeypatch: pytest.MonkeyPatch) -> Signed:
    monkeypatch.setenv("OPENSMA_GROWTH", str(warehouse))
    return Signed(create_app(portal.book, portal.market, sign_in=True))


def test_it_shows_the_packs_figures_tables_and_charts(gated: Signed, warehouse: Path) -> None:
    client = gated.client("growth")
    page = client.get("/growth").text
    connection = open_warehouse(warehouse)
    pack = make_pack(connection, Options(0, "linear", 0.10))
    connection.close()
    assert all(figure.value in page for figure in pack.page.figures)
    assert all(section.title in page for section in pack.page.sections)
    charts = re.findall(r'src="(/growth/chart-\d+-\d+\.svg)"', page)
    assert len(charts) == sum(len(section.charts) for section in pack.page.sections) > 0
    for address in charts:
        drawn = client.get(address)
        assert drawn.headers["content-type"] == "image/svg+xml"
        assert drawn.text.startswith("<svg")
    assert client.get("/growth/chart-99-0.svg").status_code == 404


def test_every_table_exports_whole(gated: Signed) -> None:
    client = gated.client("growth")
    exported = client.get("/growth?csv=1")
    rows = list(csv.reader(io.StringIO(exported.text)))
    assert len(rows) > 2
    assert "$" in ",".join(rows[0])


def test_growth_sees_no_account_and_others_see_no_growth(gated: Signed, portal: Shown) -> None:
    names = [row.account.account_id for row in portal.view.rows]
    page = gated.client("growth").get("/growth").text
    assert not [name for name in names if name in page]
    for user in ("owner", "advisor", "accountant", "manager", "auditor"):
        assert gated.client(user).get("/growth").status_code == 404


def test_without_a_warehouse_it_says_what_to_do(
    portal: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENSMA_GROWTH", str(tmp_path / "none.growth"))
    client = TestClient(create_app(portal.book, portal.market), base_url="http://127.0.0.1")
    page = client.get("/growth")
    assert page.status_code == 200
    assert "sma growth demo" in page.text


def test_the_pack_can_be_kept_as_pdf(gated: Signed) -> None:
    pytest.importorskip("typst", reason="typst is not installed")
    client = gated.client("growth")
    answer = client.get("/growth.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF")
    assert gated.client("growth", ago=1200).get("/growth.pdf").status_code == 303  # step up


def test_where_something_does_not_tie_there_is_no_page(
    portal: Shown, warehouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "w.growth"
    copy.write_bytes(warehouse.read_bytes())
    connection = open_warehouse(copy)
    connection.execute("UPDATE revenue SET amount_c = amount_c + 1 WHERE rowid = 0")
    connection.close()
    monkeypatch.setenv("OPENSMA_GROWTH", str(copy))
    client = Signed(create_app(portal.book, portal.market, sign_in=True)).client("growth")
    page = client.get("/growth").text
    assert "checks have a difference" in page
    assert "Net revenue billed" not in page
    assert client.get("/growth.pdf").status_code == 404
