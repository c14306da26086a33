"""Invoices as PDF: every line, the terms, the payees, and the statement's same fee (B29 to B31)."""

import json
from pathlib import Path

import pytest
from tests.report.documents.papers import TYPST, text_of, words

from opensma.billing.cycle import parse_period
from opensma.billing.desk import load_terms, release, take_back
from opensma.book.invoices import ledger_of, lines_of
from opensma.book.store import Book, open_book
from opensma.cli import run as sma
from opensma.errors import BookError, InputError
from opensma.market import open_market
from opensma.report.documents.desk import open_desk
from opensma.report.documents.invoice import invoice_data, invoice_pdf
from opensma.report.documents.render import render
from opensma.report.documents.statement import statement_data
from opensma.report.words import money
from opensma.units import dollars

pytest.importorskip("typst", reason=TYPST)
PERIOD = parse_period("2024Q3")
NOW = "2024-10-02T09:00:00+00:00"
TERMS = {
    "schedules": [
        {
            "schedule": "core", "version": 1, "valid_from": "2023-01-01", "style": "tiered",
            "tiers": [{"up_to": "100000", "rate": "0.01"}, {"up_to": None, "rate": "0.0075"}],
        }
    ],
    "agreements": [
        {
            "agreement": "#read(\"house\")", "version": 1, "valid_from": "2023-01-01",
            "schedule": "core", "timing": "arrears", "frequency": "quarterly",
            "basis": "average_daily", "discount": "0.10", "minimum": "75", "cap": "90000",
            "members": [{"account": "ACCOUNT"}],
            "exclusions": [{"account": "ACCOUNT", "amount": "1234.56", "reason": "held away"}],
            "credits": [{"period": "2024Q3", "amount": "2.50", "reason": "late report"}],
            "payees": [
                {"payee": "The Platform", "role": "platform", "bps": 2500},
                {"payee": "The Adviser", "role": "advisor", "bps": 7500},
            ],
        }
    ],
}  # fmt: skip


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


@pytest.fixture
def invoice(book: Book, small_market: Path, tmp_path: Path) -> tuple[str, str]:
    """(account, id) of an invoice of one account that was open all quarter."""
    desk = open_desk(book, open_market(small_market), PERIOD)
    account = next(a for a in sorted(desk.accounts) if desk.accounts[a].opened < "2024-06-30")
    path = tmp_path / "terms.json"
    path.write_text(json.dumps(TERMS).replace("ACCOUNT", account))
    load_terms(book, path, NOW)
    (draft,) = release(book, PERIOD, NOW).invoices
    assert draft.invoice is not None
    return account, draft.invoice.invoice_id


def test_b29_the_document_has_value_terms_lines_and_payees(
    book: Book, invoice: tuple[str, str]
) -> None:
    account, identity = invoice
    text = text_of(invoice_pdf(book, identity))
    with book.read() as connection:
        lines, ledger = lines_of(connection, identity), ledger_of(connection, identity)
    kinds = {line.kind for line in lines}
    assert {"base", "discount", "credit"} <= kinds
    for line in lines:
        assert line.sentence in text  # B30
        assert dollars(line.amount_cents).lstrip("-") in text
    for part in ledger:
        assert part.payee in text
        assert money(part.amount_cents) in text
    for words_there in (
        account, identity, '#read("house"), version 1', "$1,234.56", "held away", "1.0000% a year",
        "Least fee $75.00", "Largest fee $90,000.00", "given back", "Fees of 2024",
    ):  # fmt: skip
        assert words_there in text


def test_the_lines_of_the_document_add_up_to_its_total(
    book: Book, invoice: tuple[str, str]
) -> None:
    with book.read() as connection:
        data, _ = invoice_data(connection, invoice[1])
        cents = sum(line.amount_cents for line in lines_of(connection, invoice[1]))
    assert data["total"] == money(cents)
    assert sum(_cents(row[-1]) for one in data["accounts"] for row in one["rows"]) == cents
    assert sum(_cents(row[-1]) for row in data["payees"]) == cents


def _cents(text: str) -> int:
    return round(float(text.replace("$", "").replace(",", "")) * 100)


def test_b31_the_statement_quotes_the_same_fee(
    book: Book, invoice: tuple[str, str], small_market: Path
) -> None:
    account, identity = invoice
    data = statement_data(open_desk(book, open_market(small_market), PERIOD), account)
    with book.read() as connection:
        lines = lines_of(connection, identity)
    assert data["fees"]["total"] == money(sum(line.amount_cents for line in lines))
    assert [row[2] for row in data["fees"]["rows"]] == [line.sentence for line in lines]


def test_m19_a_statement_shows_net_beside_gross_and_names_the_invoice(
    book: Book, invoice: tuple[str, str], small_market: Path
) -> None:
    account, identity = invoice
    data = statement_data(open_desk(book, open_market(small_market), PERIOD), account)
    assert all(identity in row[1] for row in data["fees"]["rows"])
    period = dict(zip(data["returns"]["heads"], data["returns"]["rows"][0], strict=True))
    assert period["Fees"] == data["fees"]["total"]
    gross, net = (float(period[name].rstrip("%")) for name in ("Gross", "Net of fees"))
    assert net < gross
    text = text_of(render("statement", data, PERIOD.end))
    assert period["Net of fees"] in text
    assert identity in text
    assert "had no invoice yet" in text  # earlier quarters were never billed


def test_without_any_invoice_the_net_return_is_missing_and_says_why(
    book: Book, small_market: Path
) -> None:
    desk = open_desk(book, open_market(small_market), PERIOD)
    account = next(a for a in sorted(desk.accounts) if desk.accounts[a].opened < "2024-06-30")
    returns = statement_data(desk, account)["returns"]
    assert {row[2] for row in returns["rows"]} == {"-"}
    assert any("no management fee has been invoiced" in note for note in returns["notes"])


def test_a_statement_without_the_periods_invoice_does_not_issue(
    book: Book, invoice: tuple[str, str], small_market: Path
) -> None:
    take_back(book, PERIOD, NOW)
    desk = open_desk(book, open_market(small_market), PERIOD)
    with pytest.raises(InputError, match="lacks the invoice of agreement") as caught:
        statement_data(desk, invoice[0])
    assert caught.value.code == "statement.item_missing"


def test_b18_a_reversal_and_what_it_takes_back_name_each_other(
    book: Book, invoice: tuple[str, str]
) -> None:
    ((old, back),) = take_back(book, PERIOD, NOW).pairs
    with book.read() as connection:
        taken, _ = invoice_data(connection, old.invoice_id)
        taking, _ = invoice_data(connection, back.invoice_id)
    assert back.invoice_id in " ".join(words(taken))
    assert old.invoice_id in " ".join(words(taking))
    assert taking["kind"] == "Reversal of an invoice"


def test_the_command_writes_the_same_bytes_twice(
    small_book: str, book: Book, invoice: tuple[str, str], tmp_path: Path
) -> None:
    for name in ("a.pdf", "b.pdf"):
        command = ["bill", "invoice", invoice[1], "--book", small_book]
        assert sma([*command, "--out", str(tmp_path / name)]) == 0
    assert (tmp_path / "a.pdf").read_bytes() == (tmp_path / "b.pdf").read_bytes()
    with pytest.raises(BookError, match="no invoice"):
        invoice_pdf(book, "nothing")
