"""The billing desk on both stores: terms in, invoices out, taken back, and what is refused."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.book.households import household_book

from opensma.billing.cycle import parse_period
from opensma.billing.desk import load_terms, preview, release, take_back
from opensma.billing.drafts import Draft
from opensma.book.export import export_book
from opensma.book.invoices import (
    all_invoices,
    ledger_of,
    lines_of,
    live_invoices,
    put_invoice,
    rows_since,
)
from opensma.book.master import AccountRecord, all_records
from opensma.book.proof import book_hash
from opensma.book.series import put_days
from opensma.book.store import Book
from opensma.calendar import sessions
from opensma.errors import BookError, InputError, InvariantError

NOW = "2025-01-03T09:00:00+00:00"
Q3, Q4, NEXT = (parse_period(name) for name in ("2024Q3", "2024Q4", "2025Q1"))
VALUES = {1: 300_000_00, 2: 200_000_00, 3: 500_000_00}
PAYEES = [
    {"payee": "Platform", "role": "platform", "bps": 1_000},
    {"payee": "Sponsor", "role": "sponsor", "bps": 1_500},
    {"payee": "Advisor", "role": "advisor", "bps": 5_000},
    {"payee": "Manager", "role": "manager", "bps": 2_500},
]
TIERED = {
    "schedule": "core", "version": 1, "valid_from": "2024-01-01", "style": "tiered",
    "tiers": [{"up_to": "500000", "rate": "0.01"}, {"up_to": None, "rate": "0.0075"}],
}  # fmt: skip
HOUSE = {
    "agreement": "ada", "version": 1, "valid_from": "2024-01-01", "schedule": "core",
    "timing": "arrears", "frequency": "quarterly", "basis": "average_daily",
    "members": ["A1", "A2", "A3"], "payees": PAYEES,
}  # fmt: skip


@pytest.fixture
def book(book_url: str) -> Book:
    """Three accounts with a value on every session of 2024 and the first of 2025."""
    made = household_book(book_url)
    rows = [
        (key, day.isoformat(), cents, cents if day == date(2024, 1, 2) else 0, 0)
        for key, cents in VALUES.items()
        for day in sessions(date(2024, 1, 2), date(2025, 3, 31))
    ]
    with made.write() as connection:
        put_days(connection, rows)
    return made


class Desk:
    """Loads terms from a document and keeps the folder for the files."""

    def __init__(self, book: Book, folder: Path) -> None:
        self.book, self.folder = book, folder

    def load(self, *records: dict[str, Any]) -> int:
        document: dict[str, list[dict[str, Any]]] = {"schedules": [], "agreements": []}
        for record in records:
            document["agreements" if "agreement" in record else "schedules"].append(record)
        path = self.folder / "terms.json"
        path.write_text(json.dumps(document))
        return len(load_terms(self.book, path, NOW).added)

    def refused(self, *records: dict[str, Any]) -> InputError:
        with pytest.raises(InputError) as caught:
            self.load(*records)
        return caught.value

    def run(self, period: Any = Q4) -> list[Draft]:
        return release(self.book, period, NOW).invoices

    def findings(self, period: Any = Q4) -> dict[str, str]:
        made = preview(self.book, period)
        return {f.code: f.severity for d in made.drafts.drafts for f in d.findings}

    def set(self, statement: str) -> None:
        with self.book.write() as connection:
            connection.exec_driver_sql(statement)


@pytest.fixture
def desk(book: Book, tmp_path: Path) -> Desk:
    return Desk(book, tmp_path)


def total(draft: Draft) -> int:
    assert draft.invoice is not None
    return draft.invoice.amount_cents


# --- a period ----------------------------------------------------------------------------------


def test_a_run_bills_the_household_and_pays_out_every_cent(desk: Desk) -> None:
    assert desk.load(TIERED, HOUSE) == 2
    (draft,) = desk.run()
    assert total(draft) == 2_205_48  # (5,000 + 3,750) for 92 of 365 days
    with desk.book.read() as connection:
        (kept,) = live_invoices(connection)
        lines = lines_of(connection, kept.invoice_id)
        ledger = ledger_of(connection, kept.invoice_id)
    assert sum(line.amount_cents for line in lines) == kept.amount_cents == 2_205_48
    assert sum(part.amount_cents for part in ledger) == kept.amount_cents
    assert {(part.account_id, part.payee) for part in ledger} == {
        (account, str(payee["payee"])) for account in ("A1", "A2", "A3") for payee in PAYEES
    }
    assert lines[0].sentence == "150,000.00 at 1.00 % for 92 of 365 days = 378.08"
    assert (lines[0].tier, lines[0].schedule_version, lines[0].rate_e8) == (1, 1, 1_000_000)


def test_b19_a_second_run_changes_nothing_and_says_so(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    desk.run()
    before = book_hash(desk.book)
    again = release(desk.book, Q4, "2025-01-04T09:00:00+00:00")
    assert again.run_id == ""
    assert again.invoices == again.held == []
    assert [row.agreement for row in again.drafts.already] == ["ada"]
    assert book_hash(desk.book) == before


def test_a_preview_writes_nothing_and_shows_what_the_run_releases(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    before = book_hash(desk.book)
    seen = preview(desk.book, Q4).invoices
    assert book_hash(desk.book) == before
    assert [d.lines for d in desk.run()] == [d.lines for d in seen]


def test_b18_a_reversal_adds_entries_that_sum_to_zero_and_can_be_billed_again(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    (first,) = desk.run()
    done = take_back(desk.book, Q4, NOW)
    assert [pair[1].amount_cents for pair in done.pairs] == [-total(first)]
    with desk.book.read() as connection:
        rows = all_invoices(connection)
        lines, ledger = rows_since(connection, "2024-01-01")
        assert live_invoices(connection) == []
    assert sum(row.amount_cents for row in rows) == 0
    assert sum(x.amount_cents for x in lines) == sum(x.amount_cents for x in ledger) == 0
    assert take_back(desk.book, Q4, NOW).pairs == ()
    (second,) = desk.run()
    assert first.invoice is not None and second.invoice is not None  # noqa: PT018
    assert second.invoice.follows == first.invoice.invoice_id != second.invoice.invoice_id
    assert total(second) == total(first)


def test_b9_a_new_account_pays_from_its_first_day(desk: Desk) -> None:
    desk.set("UPDATE accounts SET opened = '2024-12-02' WHERE account_id = 'A3'")
    desk.set("DELETE FROM account_days WHERE account_key = 3 AND day < '2024-12-02'")
    desk.load(TIERED, HOUSE)
    (draft,) = desk.run()
    assert {x.days for x in draft.lines if x.account_id == "A3"} == {30}
    assert {x.days for x in draft.lines if x.account_id == "A1"} == {92}


# --- advance: flows and refunds ------------------------------------------------------------------

ADVANCE = HOUSE | {"timing": "advance", "basis": "period_end", "flow_threshold": "5000"}


def test_b14_a_flow_after_an_advance_bill_is_on_the_next_one(desk: Desk) -> None:
    desk.load(TIERED, ADVANCE)
    (first,) = desk.run(Q4)
    desk.set("UPDATE account_days SET inflow_cents = 3650000 "
             "WHERE account_key = 1 AND day = '2024-12-02'")  # fmt: skip
    (second,) = desk.run(NEXT)
    (flow,) = [x for x in second.lines if x.kind == "flow"]
    assert (flow.account_id, flow.days, flow.days_in_period) == ("A1", 30, 92)
    assert flow.amount_cents == 26_25  # 36,500 at 0.875 % for 30 of 365 days
    assert total(second) == 26_25 + 2_157_53
    assert total(first) == 2_205_48


def test_b10_an_account_that_leaves_gets_its_unearned_days_back_unasked(desk: Desk) -> None:
    desk.load(TIERED, ADVANCE)
    (first,) = desk.run(Q4)
    left = [*HOUSE["members"][:2], {"account": "A3", "from": "2024-01-01", "to": "2024-11-15"}]
    desk.load(ADVANCE | {"version": 2, "valid_from": "2024-10-01", "members": left})
    (back,) = desk.run(Q4)
    billed = sum(x.amount_cents for x in first.lines if x.account_id == "A3")
    assert back.invoice is not None
    assert back.invoice.kind == "refund"
    assert back.lines[0].days == 46
    assert total(back) == -round(billed / 2) == sum(x.amount_cents for x in back.ledger)
    assert desk.run(Q4) == []
    (after,) = desk.run(NEXT)
    assert {x.account_id for x in after.lines} == {"A1", "A2"}
    with pytest.raises(InputError) as caught:
        take_back(desk.book, Q4, NOW, [first.invoice.invoice_id] if first.invoice else [])
    assert caught.value.code == "billing.refunded"


def test_f12_days_that_an_advance_bill_could_not_know_hold_the_next_one(desk: Desk) -> None:
    desk.set("UPDATE accounts SET opened = '2025-06-02' WHERE account_id = 'A3'")
    desk.load(TIERED, ADVANCE)
    desk.run(Q4)
    desk.set("UPDATE accounts SET opened = '2024-12-02' WHERE account_id = 'A3'")
    assert desk.findings(NEXT)["F12"] == "error"
    take_back(desk.book, Q4, NOW)
    desk.run(Q4)
    assert "F12" not in desk.findings(NEXT)


def test_an_invoice_that_does_not_add_up_is_never_kept(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    (draft,) = preview(desk.book, Q4).invoices
    assert draft.invoice is not None
    with pytest.raises(InvariantError), desk.book.write() as connection:
        put_invoice(connection, draft.invoice, draft.lines[1:], draft.ledger)
    with desk.book.read() as connection:
        assert all_invoices(connection) == []


def test_an_account_taken_away_takes_its_own_invoices_only(desk: Desk, tmp_path: Path) -> None:
    desk.load(TIERED, HOUSE | {"members": ["A1", "A2"]},
              HOUSE | {"agreement": "ira", "members": ["A3"]})  # fmt: skip
    assert len(desk.run()) == 2
    manifest = export_book(desk.book, tmp_path / "out", ["A3"])
    rows = {file["file"]: file["rows"] for file in manifest["files"]}
    assert rows["tables/invoices.parquet"] == 1
    assert rows["tables/invoice_lines.parquet"] == 1
    assert rows["tables/fee_ledger.parquet"] == len(PAYEES)
    assert "tables/fee_terms.parquet" not in rows


def test_nobody_bills_while_a_day_runs(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    with desk.book.only_run(), pytest.raises(BookError) as caught:
        desk.run()
    assert caught.value.code == "book.locked"


# --- what is refused ---------------------------------------------------------------------------


def test_overlapping_versions_are_refused_and_nothing_is_loaded(desk: Desk) -> None:
    error = desk.refused(
        TIERED | {"valid_to": "2024-06-30"},
        TIERED | {"version": 2, "valid_from": "2024-06-30"},
    )
    assert error.code == "billing.overlap"
    assert desk.load(TIERED) == 1


def test_a_member_without_an_account_is_refused(desk: Desk) -> None:
    error = desk.refused(TIERED, HOUSE | {"members": ["A1", "A9"]})
    assert error.code == "billing.member_unknown"
    assert "A9" in error.message


def test_a_version_never_changes(desk: Desk) -> None:
    desk.load(TIERED)
    assert desk.load(TIERED) == 0
    assert desk.refused(TIERED | {"valid_from": "2024-02-01"}).code == "billing.version_changed"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (TIERED | {"tiers": [{"up_to": None, "rate": "0.123456789"}]}, "8 decimals"),
        (TIERED | {"tiers": [{"up_to": "5", "rate": "0.01"}]}, "only the last one"),
        (TIERED | {"style": "banded"}, "banded"),
        (TIERED | {"colour": "red"}, "colour"),
        (TIERED | {"valid_to": "2023-12-31"}, "before the first"),
        (HOUSE | {"payees": PAYEES[:3]}, "10,000"),
        (HOUSE | {"timing": "sometimes"}, "advance"),
        (HOUSE | {"flow_threshold": "5000"}, "holds them already"),
        (HOUSE | {"members": ["A1", "A1"]}, "twice"),
        (HOUSE | {"cap": "-1"}, "zero or more"),
        (HOUSE | {"version": "one"}, "numbered from 1"),
    ],
)
def test_every_mistake_of_a_file_is_told(desk: Desk, record: dict[str, Any], said: str) -> None:
    error = desk.refused(record, TIERED | {"version": 0})
    assert error.code == "billing.terms"
    assert said in error.message
    assert "numbered from 1" in error.message


def test_schedules_may_come_as_csv(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "schedules.csv"
    path.write_text(
        "schedule,version,valid_from,valid_to,style,up_to,rate,amount\n"
        "core,1,2024-01-01,,tiered,500000,0.01,\n"
        "core,1,2024-01-01,,tiered,,0.0075,\n"
        "retainer,1,2024-01-01,,flat_amount,,,1200\n"
    )
    assert [row.name for row in load_terms(desk.book, path, NOW).added] == ["core", "retainer"]
    desk.load(HOUSE)
    assert [total(d) for d in desk.run()] == [2_205_48]


# --- checks before release -----------------------------------------------------------------------


def test_a_missing_valuation_day_holds_its_agreement_and_the_rest_goes_on(desk: Desk) -> None:
    desk.set("DELETE FROM account_days WHERE account_key = 3 AND day = '2024-11-13'")
    alone = HOUSE | {"agreement": "ira", "members": ["A3"]}
    desk.load(TIERED, HOUSE | {"members": ["A1", "A2"]}, alone)
    made = release(desk.book, Q4, NOW)
    assert [d.agreement for d in made.invoices] == ["ada"]
    (held,) = made.held
    assert (held.agreement, held.findings[0].code) == ("ira", "billing.valuation_missing")
    assert "2024-11-13" in held.findings[0].what
    desk.set("INSERT INTO account_days VALUES (3, '2024-11-13', 50000000, 0, 0)")
    assert [d.agreement for d in desk.run()] == ["ira"]


def test_a_negative_base_holds_its_agreement(desk: Desk) -> None:
    too_much = {"account": "A2", "amount": "200000.01", "reason": "held away"}
    desk.load(TIERED, HOUSE | {"exclusions": [too_much]})
    assert desk.findings()["billing.negative_base"] == "error"
    assert desk.run() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"tiers": [{"up_to": None, "rate": "0.031"}]}, "F03"),
        ({"tiers": [{"up_to": None, "rate": "0"}]}, "F20"),
        ({"valid_to": "2024-11-30"}, "billing.schedule_missing"),
    ],
)
def test_schedules_that_cannot_be_right_hold(desk: Desk, change: dict[str, Any], code: str) -> None:
    desk.load(TIERED | change, HOUSE)
    assert desk.findings()[code] == "error"


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"minimum": "20000"}, "F17", "warning"),
        ({"members": ["A1"]}, "F07", "warning"),
        ({"members": [{"account": "A1", "pays_from": "A3"}]}, "F24", "error"),
        ({"version": 2, "valid_from": "2024-11-15"}, "F01", "error"),
        ({"agreement": "second", "members": ["A1"]}, "F08", "error"),
    ],
)
def test_agreements_that_the_regulator_would_find(
    desk: Desk, change: dict[str, Any], code: str, severity: str
) -> None:
    desk.load(TIERED, HOUSE)
    assert not desk.findings()
    second = HOUSE | change
    if {"version", "agreement"} & change.keys():
        desk.load(second)
    else:
        desk.load(second | {"version": 2, "valid_from": "2024-10-01"})
    assert desk.findings()[code] == severity


def test_f04_days_are_billed_once(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    desk.run(Q4)
    yearly = HOUSE | {"agreement": "yearly", "frequency": "annual", "members": ["A1"]}
    desk.load(yearly)
    assert desk.findings(parse_period("2024"))["F04"] == "error"


def test_f05_a_skipped_period_is_seen(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    desk.run(parse_period("2024Q2"))
    assert desk.findings(Q4)["F05"] == "error"
    desk.run(Q3)
    assert "F05" not in desk.findings(Q4)


def test_f08_a_closed_account_needs_its_last_day(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    desk.set("UPDATE accounts SET status = 'closed' WHERE account_id = 'A2'")
    assert desk.findings()["F08"] == "error"


def test_f21_a_large_change_is_shown(desk: Desk) -> None:
    desk.load(TIERED, HOUSE)
    desk.run(Q3)
    desk.load(TIERED | {"version": 2, "valid_from": "2024-10-01",
                        "tiers": [{"up_to": None, "rate": "0.0150"}]})  # fmt: skip
    assert desk.findings(Q4) == {"F21": "warning"}


def test_f28_a_value_beside_a_cliff_is_shown(desk: Desk) -> None:
    cliff = [{"up_to": "995000", "rate": "0.01"}, {"up_to": None, "rate": "0.0075"}]
    desk.load(TIERED | {"style": "cliff", "tiers": cliff}, HOUSE)
    assert desk.findings() == {"F28": "warning"}


def test_the_books_accounts_are_as_they_were(desk: Desk) -> None:
    with desk.book.read() as connection:
        before = all_records(connection, AccountRecord)
    desk.load(TIERED, HOUSE)
    desk.run()
    with desk.book.read() as connection:
        assert all_records(connection, AccountRecord) == before
