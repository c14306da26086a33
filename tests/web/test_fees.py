"""The Fees page and the Billing page: every line as released, and nothing that is not theirs."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown

from opensma.billing.cycle import parse_period
from opensma.billing.desk import load_terms, release, take_back
from opensma.book.invoices import InvoiceRow, lines_of, live_invoices
from opensma.book.master import User
from opensma.book.store import Book, open_book
from opensma.market import Market
from opensma.units import dollars
from opensma.web import create_app

PERIODS = ("2024Q3", "2024Q4")
AT = "2025-01-02T09:00:00+00:00"
SCHEDULE = {
    "schedule": "core", "version": 1, "valid_from": "2000-01-01", "style": "tiered",
    "tiers": [{"up_to": "100000", "rate": "0.01"}, {"up_to": None, "rate": "0.005"}],
}  # fmt: skip


@dataclass(frozen=True)
class Billed:
    """A billed copy of the portal's book: two accounts of two owners under one agreement."""

    book: Book
    market: Market
    members: tuple[str, str]
    unbilled: str

    def client(self, viewer: User | None = None) -> TestClient:
        app = create_app(self.book, self.market, viewer)
        return TestClient(app, base_url="http://127.0.0.1")

    def invoices(self) -> list[InvoiceRow]:
        with self.book.read() as connection:
            return live_invoices(connection)


@pytest.fixture(scope="module")
def billed(portal: Shown, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Billed]:
    folder = tmp_path_factory.mktemp("billed")
    assert portal.book.path is not None
    with portal.book.read() as connection:  # the copy must hold what is still in the log beside it
        target = folder / "book.db"
        connection.exec_driver_sql("SELECT 1")
        for ending in ("", "-wal"):
            source = Path(f"{portal.book.path}{ending}")
            if source.exists():
                shutil.copy(source, f"{target}{ending}")
    book = open_book(str(target))
    accounts = [row.account for row in portal.view.rows if row.account.opened < "2024-07-01"]
    first = accounts[0]
    second = next(a for a in accounts if a.owner_id != first.owner_id)
    third = next(a for a in accounts if a not in (first, second))
    agreement = {
        "agreement": "=HYPERLINK(1)", "version": 1, "valid_from": "2024-07-01", "schedule": "core",
        "timing": "arrears", "frequency": "quarterly", "basis": "period_end", "minimum": "90000",
        "members": [first.account_id, second.account_id],
        "payees": [{"payee": "Harbor", "role": "sponsor", "bps": 4000},
                   {"payee": "Direct", "role": "manager", "bps": 6000}],
    }  # fmt: skip
    terms = folder / "terms.json"
    terms.write_text(json.dumps({"schedules": [SCHEDULE], "agreements": [agreement]}))
    load_terms(book, terms, AT)
    for period in PERIODS:
        made = release(book, parse_period(period), AT)
        assert made.invoices, [f.what for d in made.held for f in d.findings]
    take_back(book, parse_period("2024Q3"), "2025-01-03T09:00:00+00:00")
    yield Billed(book, portal.market, (first.account_id, second.account_id), third.account_id)


def test_every_line_stands_on_the_page_with_its_sentence(billed: Billed) -> None:
    text = billed.client().get(f"/accounts/{billed.members[0]}/fees").text
    for row in billed.invoices():
        with billed.book.read() as connection:
            lines = lines_of(connection, row.invoice_id)
        assert {line.kind for line in lines} >= {"base", "minimum"}
        assert {line.account_id for line in lines} == set(billed.members)
        for line in lines:
            assert line.sentence in text
            assert dollars(line.amount_cents) in text
        assert f"/documents/invoice-{row.invoice_id}.pdf" in text
        assert f"{row.amount_cents * 365 / row.value_cents / 92 * 100:.3f}" in text
    assert "Minimum applied" in text
    assert "Harbor" in text


def test_a_reversal_is_shown_beside_what_it_takes_back(billed: Billed) -> None:
    text = billed.client().get(f"/accounts/{billed.members[0]}/fees").text
    assert text.count("taken back</td>") == 1
    assert text.count("takes one back</td>") == 1
    assert "and no longer due" in text


def test_the_year_to_date_leaves_out_what_was_taken_back(billed: Billed) -> None:
    (standing,) = billed.invoices()
    with billed.book.read() as connection:
        lines = lines_of(connection, standing.invoice_id)
    own = sum(x.amount_cents for x in lines if x.account_id == billed.members[0])
    text = billed.client().get(f"/accounts/{billed.members[0]}/fees").text
    assert f"Fees of 2024 so far</dt><dd>${dollars(own)}</dd>" in text


def test_an_account_without_an_invoice_says_so_plainly(billed: Billed) -> None:
    text = billed.client().get(f"/accounts/{billed.unbilled}/fees").text
    assert "Not billed yet" in text
    assert "No agreement in the book covers this account" in text


def test_an_owner_sees_own_lines_of_a_shared_invoice_and_no_whole_one(
    billed: Billed, portal: Shown
) -> None:
    mine, other = billed.members
    account = next(r.account for r in portal.view.rows if r.account.account_id == mine)
    client = billed.client(User("u", "Owner", "owner", account.owner_id))
    answer = client.get(f"/accounts/{mine}/fees")
    assert answer.status_code == 200
    assert other not in answer.text
    assert "Accounts that you may not see are part of it" in answer.text
    assert ".pdf" not in answer.text
    assert client.get(f"/accounts/{other}/fees").status_code == 404
    assert client.get("/billing").status_code == 404


def test_the_billing_page_adds_up_runs_and_payees(billed: Billed) -> None:
    text = billed.client().get("/billing").text
    (standing,) = billed.invoices()
    for share in (4000, 6000):
        assert dollars(standing.amount_cents * share // 10_000)[:-1] in text
    assert text.count("bill-2024Q3-") == 2
    assert "The newest run held nothing." in text


def test_corrections_are_drawn_up_for_the_period_asked(billed: Billed) -> None:
    client = billed.client()
    assert "would be billed the same today" in client.get("/billing?corrections=2024Q4").text
    assert client.get("/billing?corrections=tomorrow").status_code == 404


def test_lines_are_exported_with_units_and_without_formulas(billed: Billed) -> None:
    client = billed.client()
    page = client.get(f"/accounts/{billed.members[0]}/fees").text
    assert re.search(r'href="\?csv=1" download', page)
    answer = client.get(f"/accounts/{billed.members[0]}/fees?csv=1")
    assert answer.headers["content-type"].startswith("text/csv")
    head, *rows = csv.reader(io.StringIO(answer.text, newline=""))
    assert head[-3:] == ["This account, $", "Invoice, $", "Effective rate a year, %"]
    assert len(rows) == 3
    assert sum(float(row[-2]) for row in rows) == pytest.approx(
        sum(r.amount_cents for r in billed.invoices()) / 100
    )
    runs = client.get("/billing?csv=1").text
    assert "\r\n" in runs
    assert not [c for row in csv.reader(io.StringIO(runs)) for c in row if c.startswith("=")]
