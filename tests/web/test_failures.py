"""When something fails, the page says what to do, and shows nothing of the inside."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from tests.web.shown import Shown

from opensma.book.store import Book
from opensma.errors import BookError
from opensma.market import Market
from opensma.web import create_app
from opensma.web import portal as pages
from opensma.web.shield import POLICY


def answer_of(book: Book, market: Market, path: str) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(book, market), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    with ThreadPoolExecutor(1) as pool:  # the browser's tests keep a loop in this thread
        return pool.submit(asyncio.run, ask()).result()


def test_a_bug_of_ours_is_a_page_with_a_remedy_and_the_policy(
    portal: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("secret of the inside")

    monkeypatch.setattr(pages, "program_view", fail)
    answer = answer_of(portal.book, portal.market, "/")
    assert answer.status_code == 500
    assert "What to do" in answer.text
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_a_book_that_cannot_be_read_says_why_and_what_to_do(
    portal: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise BookError("book.locked", "Somebody <b>works</b>.", where="x.db", remedy="Wait.")

    monkeypatch.setattr(pages, "program_view", fail)
    answer = answer_of(portal.book, portal.market, "/")
    assert answer.status_code == 503
    assert "Somebody &lt;b&gt;works" in answer.text
    assert "Wait." in answer.text
    assert answer.headers["content-security-policy"] == POLICY


def test_a_book_changed_by_a_new_fact_is_shown_anew(portal: Shown) -> None:
    from opensma.book import schema

    before = portal.get("/").text
    row = portal.view.rows[0]
    with portal.book.write() as connection:
        change = schema.owners.update().where(schema.owners.c.owner_id == row.account.owner_id)
        connection.execute(change.values(name="Renamed Owner"))
    assert "Renamed Owner" not in before
    assert "Renamed Owner" in portal.get("/").text
    with portal.book.write() as connection:
        connection.execute(change.values(name=row.owner))
    assert "Renamed Owner" not in portal.get("/").text
