"""The desk: plans that a person lets go or holds, exceptions with owner and age, the day."""

import re
import shutil
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed

from opensma.access.audit import lines_of
from opensma.access.cares import newest
from opensma.book import runs
from opensma.book.plans import day_plans
from opensma.book.store import Book, open_book
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book
from opensma.trade import review
from opensma.web import create_app

AT = "2024-12-31T21:00:00Z"


@pytest.fixture(scope="module")
def evening(small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Market]:
    market, path = open_market(small_market), tmp_path_factory.mktemp("desk") / "book.db"
    build_book(str(path), market, market.day(-1), accounts=8, seed=7, workers=1)
    return path, market


@pytest.fixture
def waiting(
    evening: tuple[Path, Market], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Signed:
    """A day that waits after a strict review."""
    path, market = evening
    shutil.copyfile(path, tmp_path / "book.db")
    limits = review.ReviewLimits(max_turnover=0.01)
    monkeypatch.setattr(review, "ReviewLimits", lambda: limits)
    book = open_book(str(tmp_path / "book.db"))
    run_day(book, market, market.day(-1), recorded_at=AT, until="review")
    return Signed(create_app(book, market, sign_in=True))


def book_of(gated: Signed) -> Book:
    book = gated.app.state.gate.book
    assert isinstance(book, Book)
    return book


def verdicts(book: Book) -> dict[str, str]:
    with book.read() as connection:
        run = runs.latest_run(connection)
        assert run is not None
        return {p.account_id: p.review for p in day_plans(connection, run.run_id)}


def post(client: TestClient, path: str, **fields: str) -> int:
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/me").text)
    assert word is not None
    return client.post(path, data={"csrf": word[1], **fields}).status_code


def test_a_manager_lets_a_held_plan_go_and_the_day_goes_on(
    waiting: Signed, evening: tuple[Path, Market]
) -> None:
    book, client = book_of(waiting), waiting.client("manager")
    held = sorted(name for name, verdict in verdicts(book).items() if verdict == "held")
    page = client.get("/review").text
    assert all(name in page for name in held)
    assert post(client, "/review", account=held[0], verdict="approved", reason="Fine.") == 303
    assert verdicts(book)[held[0]] == "approved"
    assert "manager approved it: Fine." in client.get("/review").text
    assert lines_of(waiting.app.state.gate.access, [held[0]], size=1)[0].line.screen in (
        "plan", "review-decide",
    )  # fmt: skip
    run_day(book, evening[1], evening[1].day(-1), recorded_at=AT)
    after = client.get("/review").text
    assert "nothing can be decided now" in after
    assert post(client, "/review", account=held[0], verdict="held", reason="Late.") == 422


def test_a_word_needs_a_reason_and_the_right(waiting: Signed) -> None:
    book, client = book_of(waiting), waiting.client("manager")
    name = next(name for name, verdict in verdicts(book).items() if verdict == "held")
    assert post(client, "/review", account=name, verdict="approved", reason=" ") == 422
    assert post(client, "/review", account="nobody", verdict="approved", reason="x") == 404
    for user in ("owner", "advisor", "auditor", "growth", "sponsor"):
        other = waiting.client(user)
        assert post(other, "/review", account=name, verdict="approved", reason="x") == 404
    assert verdicts(book)[name] == "held"


def test_an_exception_is_taken_and_done_and_shows_its_age(waiting: Signed) -> None:
    client, access = waiting.client("operations"), waiting.app.state.gate.access
    book = book_of(waiting)
    with book.read() as connection:
        run = runs.latest_run(connection)
        assert run is not None
        one = runs.day_exceptions(connection, run.run_id)[0]
        assert runs.since_when(connection)[one.account_id, one.code] == run.day
    fields = {"account": one.account_id, "code": one.code, "note": "Calling the owner."}
    assert post(client, "/exceptions", state="taken", **fields) == 303
    page = client.get("/exceptions").text
    assert "Calling the owner." in page
    assert "today" in page
    assert post(client, "/exceptions", state="done", **fields) == 303
    assert newest(access)[one.account_id, one.code].state == "done"
    assert post(client, "/exceptions", state="gone", **fields) == 404
    assert post(client, "/exceptions", state="taken", account=one.account_id, code="x") == 404


def test_the_day_shows_its_stages_as_they_stand(waiting: Signed, portal: Shown) -> None:
    page = waiting.client("manager").get("/day").text
    assert page.count(">done<") == 3
    assert page.count(">waits<") == 3
    assert "review.turnover" in page
