"""The Fees page and the Billing page: every line as released, and nothing that is not theirs."""

import csv
import io
import re

import pytest
from tests.viewers import owner
from tests.web.billed import Billed
from tests.web.shown import Shown

from opensma.book.invoices import lines_of
from opensma.units import dollars


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
    client = billed.client(owner(account.owner_id))
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
