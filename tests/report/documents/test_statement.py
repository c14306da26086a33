"""Statements: complete, to the cent, the same bytes each time, readable by everybody (P18-P45)."""

import json
import re
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from tests.report.documents.papers import TYPST, structure_of, text_of, words

from opensma.billing.cycle import parse_period
from opensma.book import schema
from opensma.book.series import account_series
from opensma.book.store import Book, open_book
from opensma.cli import run as sma
from opensma.errors import InputError
from opensma.market import Market, open_market
from opensma.report.documents import render as rendering
from opensma.report.documents.desk import Desk, open_desk
from opensma.report.documents.facts import read_facts
from opensma.report.documents.issue import INDEX, issue_statements, read_index
from opensma.report.documents.render import render
from opensma.report.documents.statement import statement_data

pytest.importorskip("typst", reason=TYPST)
PERIOD = parse_period("2024Q4")
EARLIER = parse_period("2024Q3")


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


@pytest.fixture
def desk(book: Book, market: Market) -> Desk:
    return open_desk(book, market, EARLIER)


def test_start_flows_market_income_and_fees_make_the_end_by_values_and_by_lots(
    desk: Desk, book: Book
) -> None:
    checked = 0
    for account in desk.accounts.values():
        if account.opened > "2024-09-30":
            continue
        made = read_facts(desk, account.account_id).bridge
        total = made.start_cents + made.flows_cents + made.market_cents + made.income_cents
        assert total - made.fees_cents == made.end_cents
        assert made.lots_market_cents == made.market_cents
        with book.read() as connection:
            series = account_series(connection, [account.account_key])[account.account_key]
        kept = dict(zip(series.days.tolist(), series.value_cents.tolist(), strict=True))
        assert kept[date(2024, 9, 30).toordinal()] == made.end_cents
        checked += made.lots_market_cents is not None
    assert checked > 5


def _funded(desk: Desk) -> str:
    day = desk.period.start.toordinal()
    for account in sorted(desk.accounts):
        try:
            facts = read_facts(desk, account)
        except InputError:
            continue
        if facts.account.taxed and facts.bridge.before.last_day < day and facts.bridge.sold:
            return account
    pytest.fail("no account of the book has sales in the period")


def test_the_text_of_the_pdf_holds_every_figure(desk: Desk) -> None:
    data = statement_data(desk, _funded(desk))
    text = text_of(render("statement", data, EARLIER.end))
    figures = {
        figure
        for part in words({k: v for k, v in data.items() if k != "chart"})
        for figure in re.findall(r"[-+]?\$[\d,]+\.\d\d|[-+]?\d+\.\d\d%", part)
    }
    assert len(figures) > 100
    assert not [figure for figure in figures if figure not in text]


def test_the_same_data_gives_the_same_bytes(desk: Desk) -> None:
    account = _funded(desk)
    once = render("statement", statement_data(desk, account), EARLIER.end)
    render("composite", _blank("another document between"), EARLIER.end)
    assert render("statement", statement_data(desk, account), EARLIER.end) == once


def _blank(name: str) -> dict[str, object]:
    return {
        "title": name,
        "name": name,
        "words": "",
        "account": {"firm": name, "program": ""},
        **{key: [] for key in ("figures", "definition", "years", "disclosures", "corrections")},
        "notes": [],
        "provisional": False,
        "claim": "",
    }


@pytest.mark.parametrize(
    "name",
    ['#read("/etc/passwd")', "*bold* _it_ $x^2$ @ref <label>", "\\ #{1+1} `raw` // end", "=="],
)
def test_names_are_shown_and_never_read_as_markup(name: str) -> None:
    text = text_of(render("composite", _blank(name), date(2024, 12, 31)))
    assert text.count(re.sub(r"\s+", " ", name)) >= 2
    assert "root:" not in text


def test_the_structure_has_headings_table_headers_and_words_for_the_chart(
    desk: Desk, tmp_path: Path
) -> None:
    data = statement_data(desk, _funded(desk))
    pdf = render("statement", data, EARLIER.end)
    tree = structure_of(pdf, tmp_path)
    for part in ("H1", "H2", "Table", "THead", "TH ", "/Scope /Column", "Figure"):
        assert part in tree
    assert "/Lang" in pdf.decode("latin-1")
    assert b"pdfuaid" in pdf  # PDF/UA-1


def test_every_page_names_the_custodian_and_its_place(desk: Desk) -> None:
    account = _funded(desk)
    text = text_of(render("statement", statement_data(desk, account), EARLIER.end))
    pages = max(int(n) for n in re.findall(r"Page \d+ of (\d+)", text))
    custodian = desk.accounts[account].custodian
    assert pages > 1
    assert text.count(f"Please compare this document with the statements that {custodian}") > pages
    assert {f"Page {n} of {pages}" for n in range(1, pages + 1)} <= set(
        re.findall(r"Page \d+ of \d+", text)
    )
    assert "Not tax advice" in text


def test_a_statement_without_its_custodian_does_not_issue(desk: Desk) -> None:
    account = _funded(desk)
    desk.accounts[account] = replace(desk.accounts[account], custodian=" ")
    with pytest.raises(InputError, match="custodian's name") as caught:
        statement_data(desk, account)
    assert caught.value.code == "statement.item_missing"


def test_a_statement_without_a_price_does_not_issue(desk: Desk) -> None:
    account = _funded(desk)
    held = read_facts(desk, account).lots[0]
    desk.prices.closes[:, held.security_key] = 0
    with pytest.raises(InputError, match=held.symbol):
        statement_data(desk, account)


def test_a_market_result_that_lots_do_not_confirm_does_not_issue(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opensma.report.documents import facts as module

    true = module.bridge

    def wrong(*given: object) -> object:
        made = true(*given)  # type: ignore[arg-type]
        return replace(made, end_cents=made.end_cents + 1)

    monkeypatch.setattr(module, "bridge", wrong)
    with pytest.raises(InputError) as caught:
        statement_data(desk, _funded(desk))
    assert caught.value.code == "statement.unbalanced"


def test_a_period_that_is_not_over_is_refused(book: Book, market: Market) -> None:
    with pytest.raises(InputError) as caught:
        open_desk(book, market, parse_period("2025Q1"))
    assert caught.value.code == "statement.period_open"


def test_without_typst_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "find_spec", lambda _name: None)
    with pytest.raises(InputError) as caught:
        render("statement", {}, date(2024, 12, 31))
    assert caught.value.code == "documents.typst_missing"
    assert "pip install 'opensma[documents]'" in caught.value.remedy


# --- issuing -------------------------------------------------------------------------------------


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_any_number_of_workers_writes_the_same_files(
    small_book: str, small_market: Path, tmp_path: Path
) -> None:
    for workers in (1, 2):
        made = issue_statements(
            small_book, small_market, EARLIER, (), tmp_path / str(workers), workers
        )
        assert made.rows
        assert not made.refused
    assert _files(tmp_path / "1") == _files(tmp_path / "2")


def test_the_index_keeps_what_was_issued_and_says_what_replaces_it(
    small_book: str, small_market: Path, tmp_path: Path, desk: Desk, book: Book
) -> None:
    account = _funded(desk)
    given = (small_book, small_market, EARLIER, [account], tmp_path)
    (first,) = issue_statements(*given).rows
    again = issue_statements(*given)
    assert (again.rows, again.unchanged) == ((), (first,))
    before = (tmp_path / first.file).read_bytes()
    assert sha256(before).hexdigest() == first.sha256

    with book.write() as connection:
        owner = desk.accounts[account].owner_id
        table = schema.owners
        connection.execute(
            table.update().where(table.c.owner_id == owner).values(name="Corrected Name")
        )
    (second,) = issue_statements(*given).rows
    assert (second.version, second.supersedes) == (2, first.sha256)
    assert (tmp_path / first.file).read_bytes() == before
    assert read_index(tmp_path) == [first, second]
    assert json.loads((tmp_path / INDEX).read_text())["documents"][1]["template"] == "statement"


def test_the_command_tells_what_it_made(
    small_book: str, small_market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["statements", "run", "--book", small_book, "--market", str(small_market)]
    words += ["--workers", "1", "--out", str(tmp_path / "out")]
    assert sma([*words, "--period", "2024Q3", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["rows"]) + len(document["not_funded"]) == 12
    assert sma([*words, "--period", "2025Q4"]) == 2
    assert "statement.period_open" in capsys.readouterr().err
    assert sma([*words, "--period", "2024Q3", "--account", "nobody"]) == 2
    assert "account.unknown" in capsys.readouterr().err
