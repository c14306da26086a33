"""Composite reports with their corrections, and tax packs."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from tests.report.documents.papers import TYPST, text_of, words

from opensma.book.store import Book, open_book
from opensma.book.taxviews import tax_year
from opensma.cli import run as sma
from opensma.errors import InputError
from opensma.market import open_market
from opensma.measure.composite_book import record_of
from opensma.measure.composite_record import CompositeRecord
from opensma.measure.conventions import Materiality
from opensma.report.documents.composite import composite_data, composite_pdf, report_figures
from opensma.report.documents.reissue import Why, issue_report
from opensma.report.documents.tax_pack import tax_pack_data, tax_pack_pdf
from opensma.report.words import money, percent, signed_money

pytest.importorskip("typst", reason=TYPST)
WHY = Why("a late price", "A. Person", Materiality(0.01, 0.0))
LAST = date(2024, 12, 31)


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


@pytest.fixture
def record(book: Book, small_market: Path) -> CompositeRecord:
    return record_of(book, open_market(small_market), None)


def test_m30_the_report_has_every_year_with_benchmark_count_and_assets(
    record: CompositeRecord,
) -> None:
    text = text_of(composite_pdf(record, "The Firm"))
    assert record.years
    for year in record.years:
        assert f"{year.year}" in text
        for figure in (percent(year.composite), percent(year.benchmark), money(year.assets_cents)):
            assert figure in text
        for why in year.missing:
            assert why in text


def test_the_report_never_claims_compliance(record: CompositeRecord) -> None:
    told = " ".join(words(composite_data(record, "The Firm"))).lower()
    assert "nothing here says that the firm, or this document, complies" in told
    for claim in ("gips", "claims compliance", "in compliance", "verified by", "we comply"):
        assert claim not in told


def test_m39_disclosures_have_ids_that_are_there_once(record: CompositeRecord) -> None:
    names = [name for name, _ in composite_data(record, "The Firm")["disclosures"]]
    assert len(set(names)) == len(names)
    assert {"D-BASIS", "D-METHOD", "D-DISPERSION", "D-RISK", "D-WRAP"} <= set(names)


def _wrong(record: CompositeRecord) -> CompositeRecord:
    first = record.years[0]
    return replace(
        record, years=(replace(first, composite=first.composite + 0.01), *record.years[1:])
    )


def test_m37_a_changed_figure_needs_a_reason_and_the_old_report_stays(
    record: CompositeRecord, tmp_path: Path
) -> None:
    file = tmp_path / "report.pdf"

    def issue(one: CompositeRecord, why: Why | None) -> None:
        make = lambda log: composite_pdf(one, "The Firm", log)  # noqa: E731
        issue_report(file, report_figures(one), LAST, make, why)

    issue(_wrong(record), None)
    wrong = file.read_bytes()
    with pytest.raises(InputError) as caught:
        issue(record, None)
    assert caught.value.code == "documents.correction_reason"
    assert file.read_bytes() == wrong
    issue(record, WHY)
    assert (tmp_path / "report-1.pdf").read_bytes() == wrong
    text = text_of(file.read_bytes())
    assert "Report report-2 replaces report-1: a late price (A. Person)" in text
    assert f"{record.years[0].year} composite" in text
    assert "Shown until 31 Dec 2025" in text
    again = file.read_bytes()
    issue(record, None)
    assert file.read_bytes() == again


def test_a_new_year_is_no_correction(record: CompositeRecord, tmp_path: Path) -> None:
    file = tmp_path / "report.pdf"
    shorter = replace(record, years=record.years[:-1])
    for one in (shorter, record):
        make = lambda log, one=one: composite_pdf(one, "The Firm", log)  # noqa: E731
        issue_report(file, report_figures(one), LAST, make, None)
    assert json.loads((tmp_path / "report.pdf.json").read_text())["log"] == []


def test_the_composite_command_writes_the_report(
    small_book: str, small_market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "c.pdf"
    command = ["measure", "composite", "--book", small_book, "--market", str(small_market)]
    assert sma([*command, "--pdf", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["years"]
    assert file.read_bytes().startswith(b"%PDF")
    assert sma([*command, "--pdf", str(file), "--reason", "only a reason"]) == 2


# --- tax packs -----------------------------------------------------------------------------------


def _busy(book: Book) -> str:
    whole = {a.account.account_id: a.sales for a in _accounts(book) if a.account.taxed}
    return max(sorted(whole), key=lambda name: whole[name])


def _accounts(book: Book) -> list:  # type: ignore[type-arg]
    from opensma.book.master import TaxpayerRecord, all_records

    with book.read() as connection:
        names = [t.taxpayer_id for t in all_records(connection, TaxpayerRecord)]
    return [a for name in names for a in tax_year(book, name, 2024).accounts]


def test_f7_the_pack_lists_every_sale_with_its_code_and_the_carryforward(book: Book) -> None:
    account = _busy(book)
    view = tax_year(book, account, 2024)
    text = text_of(tax_pack_pdf(book, account, 2024))
    assert view.rows
    for row in view.rows:
        assert row.description in text
        assert money(row.proceeds_cents) in text
        assert signed_money(row.gain_cents) in text
    assert view.household is not None
    for line in view.household.ledger:
        assert money(line.netting.long_carry_cents) in text
    assert "Not tax advice, and not a Form 1099-B" in text  # P45


def test_the_rows_of_the_pack_add_up_to_its_figures(book: Book) -> None:
    for account in _accounts(book):
        if not account.account.taxed:
            continue
        view = tax_year(book, account.account.account_id, 2024)
        data = tax_pack_data(book, view)
        assert sum(len(box["rows"]) for box in data["boxes"]) == len(view.rows)
        gain = sum(row.gain_cents for row in view.rows)
        own = view.shown()[0]
        assert gain == own.short_cents + own.long_cents
        assert [f[1] for f in data["figures"][:2]] == [
            signed_money(own.short_cents), signed_money(own.long_cents)
        ]  # fmt: skip
        assert len(data["wash"]) == sum("W" in row.code for row in view.rows)


def test_a_pack_is_of_one_account(book: Book) -> None:
    view = tax_year(book, tax_year(book, _busy(book), 2024).taxpayer.taxpayer_id, 2024)
    with pytest.raises(InputError) as caught:
        tax_pack_data(book, view)
    assert caught.value.code == "tax.pack_account"


def test_the_pack_command_writes_the_file(
    small_book: str, book: Book, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "pack.pdf"
    command = ["tax", "pack", _busy(book), "2024", "--book", small_book, "--out", str(file)]
    assert sma([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bytes"] == len(file.read_bytes())
