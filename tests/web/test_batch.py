"""Documents of many accounts at once: what the viewer may see, in one ZIP with an index."""

import csv
import io
from hashlib import sha256
from zipfile import ZipFile

import pytest
from starlette.testclient import TestClient
from tests.web.billed import Billed
from tests.web.signed import Signed

from opensma.book.visible import find_viewer, visible_accounts
from opensma.report.documents.render import installed
from opensma.web import batch, create_app

pytestmark = pytest.mark.skipif(
    not installed(), reason='typst is not installed: pip install "opensma[documents]"'
)


@pytest.fixture(scope="module")
def gated(billed: Billed) -> Signed:
    return Signed(create_app(billed.book, billed.market, sign_in=True))


def opened(client: TestClient, path: str) -> tuple[ZipFile, list[dict[str, str]]]:
    answer = client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    archive = ZipFile(io.BytesIO(answer.content))
    return archive, list(csv.DictReader(io.StringIO(archive.read("index.csv").decode())))


def own(billed: Billed, user: str) -> set[str]:
    with billed.book.read() as connection:
        viewer = find_viewer(connection, user, "2026-01-01")
        return {a.account_id for a in visible_accounts(connection, viewer)}


def test_an_owner_gets_own_statements_and_the_index_says_what_they_are(
    gated: Signed, billed: Billed
) -> None:
    client = gated.client("owner")
    archive, index = opened(client, "/documents/statements-2024Q4.zip")
    assert {row["account"] for row in index} == own(billed, "owner")
    for row in index:
        if row["file"]:
            assert sha256(archive.read(row["file"])).hexdigest() == row["sha256"]
            assert archive.read(row["file"]).startswith(b"%PDF")
        else:
            assert row["why not"]
    assert any(row["file"] for row in index)
    again = client.get("/documents/statements-2024Q4.zip").content
    assert again == client.get("/documents/statements-2024Q4.zip").content


def test_words_choose_accounts(gated: Signed, billed: Billed) -> None:
    name = billed.members[0]
    client = gated.client("manager")
    assert "1 account<" in client.get(f"/documents?q={name}").text
    _, index = opened(client, f"/documents/tax-packs-2024.zip?q={name}")
    assert [row["account"] for row in index] == [name]
    assert client.get("/documents/statements-2024Q3.zip?q=nothing-like-it").status_code == 404


def test_an_invoice_is_given_to_who_sees_every_account_on_it(gated: Signed, billed: Billed) -> None:
    _, index = opened(gated.client("manager"), "/documents/invoices-2024Q4.zip")
    assert any(row["file"].startswith("invoice-") for row in index)
    assert all(row["file"] or row["why not"] for row in index)


def test_too_many_are_refused_with_what_to_do(
    gated: Signed, billed: Billed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST", 3)
    answer = gated.client("manager").get("/documents/statements-2024Q4.zip")
    assert "sma statements run" in answer.text
    assert "are the most" in answer.text


@pytest.mark.parametrize(
    "name", ["statements-2099Q1", "statements-x", "cakes-2024Q3", "tax-packs-x"]
)
def test_what_does_not_exist_is_not_there(gated: Signed, name: str) -> None:
    assert gated.client("manager").get(f"/documents/{name}.zip").status_code == 404


def test_taxes_alone_give_no_batch_of_statements(gated: Signed, billed: Billed) -> None:
    client = gated.client("accountant")
    assert client.get("/documents/statements-2024Q4.zip").status_code == 404


def test_the_documents_page_says_who_took_what_when(gated: Signed, billed: Billed) -> None:
    client, name = gated.client("owner"), sorted(own(billed, "owner"))[0]
    base = f"/accounts/{name}/documents"
    assert "by owner" not in client.get(base).text
    assert client.get(f"{base}/tax-pack-2024.pdf").status_code == 200
    assert "UTC by owner" in client.get(base).text
