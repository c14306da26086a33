"""The Documents page, its downloads and the composite page: what is theirs, and nothing else."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.report.documents.papers import TYPST, text_of
from tests.viewers import owner
from tests.web.shown import Shown
from tests.web.signed import copied

from opensma.book.runs import ExceptionRecord, add_exceptions, latest_run
from opensma.measure.composite_book import OUTLIER_CODE, OUTLIER_STAGE
from opensma.report.words import money
from opensma.web import create_app, documents

pytest.importorskip("typst", reason=TYPST)


def _links(page: str) -> list[str]:
    return re.findall(r'href="(/accounts/[^"]+\.pdf)"', page)


def test_every_link_of_the_page_leads_to_a_pdf(portal: Shown) -> None:
    base = f"/accounts/{portal.busiest}/documents"
    assert f'href="{base}"' in portal.get(f"/accounts/{portal.busiest}").text
    links = _links(portal.get(base).text)
    assert [link for link in links if "statement-2024Q4" in link]
    for link in [links[0], links[-1]]:
        answer = portal.get(link)
        assert answer.headers["content-type"] == "application/pdf"
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.content.startswith(b"%PDF")


def test_the_statement_ends_with_the_value_of_the_account_page(portal: Shown) -> None:
    row = next(r for r in portal.view.rows if r.account.account_id == portal.busiest)
    assert row.measures is not None
    link = f"/accounts/{portal.busiest}/documents/statement-2024Q4.pdf"
    assert money(row.measures.value_cents) in text_of(portal.get(link).content)


@pytest.mark.parametrize(
    "name",
    [
        "statement-2025Q1.pdf",  # not over
        "statement-2001Q1.pdf",  # before the market
        "statement-nonsense.pdf",
        "tax-pack-2031.pdf",
        "invoice-nothing.pdf",
        "statement-2024Q4.exe",
    ],
)
def test_what_does_not_exist_is_not_found(portal: Shown, name: str) -> None:
    assert portal.get(f"/accounts/{portal.busiest}/documents/{name}").status_code == 404


def test_another_persons_documents_are_not_there(portal: Shown) -> None:
    mine, other = portal.view.rows[0].account, portal.view.rows[-1].account
    assert mine.owner_id != other.owner_id
    app = create_app(portal.book, portal.market, owner(mine.owner_id))
    client = TestClient(app, base_url=portal.address)
    for tail in ("", "/statement-2024Q4.pdf", "/tax-pack-2024.pdf"):
        assert client.get(f"/accounts/{other.account_id}/documents{tail}").status_code == 404
    assert client.get(f"/accounts/{mine.account_id}/documents").status_code == 200
    for path in ("/composite", "/composite.pdf"):
        assert client.get(path).status_code == 404
    assert "/composite" not in client.get("/").text


def test_the_composite_page_and_its_pdf_show_the_same_years(portal: Shown) -> None:
    page = portal.get("/composite")
    assert page.status_code == 200
    assert "Nothing here says that the firm" in page.text
    text = text_of(portal.get("/composite.pdf").content)
    cells = re.findall(r"<td class=\"n\"[^>]*>(-?\d+\.\d\d%)</td>", page.text)
    assert cells
    assert not [cell for cell in cells if cell not in text]


def test_without_typst_the_page_says_what_to_install(
    portal: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "installed", lambda: False)
    page = portal.get(f"/accounts/{portal.busiest}/documents").text
    assert "pip install" in page
    assert not _links(page)


def test_the_composite_page_names_members_that_stand_apart(portal: Shown, tmp_path: Path) -> None:
    gated = copied(portal, tmp_path)
    book, account = gated.app.state.gate.book, portal.view.rows[0].account.account_id
    manager = gated.client("manager")
    assert "None is on record" in manager.get("/composite").text
    with book.write() as connection:
        run = latest_run(connection)
        assert run is not None
        why = "2024-12: +99 bp from composite x, most likely restrictions: it excludes 31%."
        found = ExceptionRecord(run.run_id, OUTLIER_STAGE, account, OUTLIER_CODE, why, "Look.")
        add_exceptions(connection, [found])
    page = manager.get("/composite").text
    assert why in page
    assert f"/accounts/{account}/performance" in page
