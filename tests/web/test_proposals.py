"""Proposals: a prospect's holdings in, choices and a PDF out, nothing kept."""

import re

import httpx
import pytest
from tests.report.documents.papers import text_of
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

from opensma.web.proposals import MOST_BYTES, MOST_LOTS


@pytest.fixture(scope="module")
def gated(portal: Shown) -> Signed:
    return signed(portal)


@pytest.fixture(scope="module")
def holdings(gated: Signed) -> str:
    symbols = gated.app.state.gate.pages(None).portal.desk.ready().symbols[:6]
    rows = [f"{s},{100 * (i + 1)},{2000 * (i + 1)},2020-03-1{i}" for i, s in enumerate(symbols)]
    return "\n".join(["symbol,shares,cost,acquired", *rows])


def ask(
    gated: Signed, holdings: str, user: str = "manager", file: bytes = b"", **more: str
) -> httpx.Response:
    client = gated.client(user)
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/me").text)
    assert word is not None
    form = {
        "csrf": word[1], "prospect": "Ann <b>Prospect</b>", "state": "CA", "status": "joint",
        "income": "400000", "years": "3", "exclude": "Energy", "holdings": holdings,
    }  # fmt: skip
    files = {"file": ("h.csv", file, "text/csv")} if file else None
    return client.post("/proposals", data=form | more, files=files)


def test_the_choices_are_shown_with_what_they_suppose(gated: Signed, holdings: str) -> None:
    answer = ask(gated, holdings)
    assert answer.status_code == 200
    assert "Ann &lt;b&gt;Prospect&lt;/b&gt;" in answer.text
    assert "hypothetical" in answer.text
    assert answer.text.count("least in all") == 1
    assert "Energy" in answer.text
    assert "not tax advice" in answer.text


def test_the_pdf_says_the_same_and_has_the_same_bytes_again(gated: Signed, holdings: str) -> None:
    pytest.importorskip("typst")
    page, first, again = (
        ask(gated, holdings), *(ask(gated, holdings, **{"as": "pdf"}) for _ in range(2)),
    )  # fmt: skip
    assert first.headers["content-type"] == "application/pdf"
    assert first.content == again.content
    text = " ".join(text_of(first.content).split())
    figures = re.findall(r"<dd>(\$[\d,]+|\d+\.\d+%)</dd>", page.text)
    assert figures
    assert not [figure for figure in figures if figure not in text]


def test_a_file_takes_the_place_of_what_was_typed(gated: Signed, holdings: str) -> None:
    answer = ask(gated, "nonsense", file=holdings.encode())
    assert answer.status_code == 200
    assert "least in all" in answer.text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "first line"),
        ("symbol,shares,cost,acquired\nNOPE,1,1,2020-01-01", "NOPE"),
        ("symbol,shares,cost,acquired\n{s},-1,1,2020-01-01", "above zero"),
        ("symbol,shares,cost,acquired\n{s},nan,1,2020-01-01", "shares"),
        ("symbol,shares,cost,acquired\n{s},1,0,2020-01-01", "above zero"),
        ("symbol,shares,cost,acquired\n{s},1,1,yesterday", "no date"),
        ("symbol,shares,cost,acquired\n{s},1,1,2999-01-01", "after"),
        ("\x00\x01\x02 PK\x03\x04", "first line"),
        ("=HYPERLINK(1)", "first line"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(
    gated: Signed, holdings: str, text: str, words: str
) -> None:
    symbol = holdings.splitlines()[1].split(",")[0]
    answer = ask(gated, text.replace("{s}", symbol))
    assert answer.status_code == 422
    assert words in answer.text


def test_too_much_is_refused(gated: Signed, holdings: str) -> None:
    row = holdings.splitlines()[1]
    many = "\n".join(["symbol,shares,cost,acquired", *[row] * (MOST_LOTS + 1)])
    assert ask(gated, many).status_code == 422
    assert ask(gated, "", file=b"x" * (MOST_BYTES + 1)).status_code == 413


@pytest.mark.parametrize("user", ["owner", "household", "auditor", "growth", "operations"])
def test_only_who_proposes_may(gated: Signed, holdings: str, user: str) -> None:
    assert gated.client(user).get("/proposals").status_code == 404
    assert ask(gated, holdings, user=user).status_code == 404
