"""Fees leave the paying accounts' cash once, as the custodian did it, and come back (B26, B27)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from tests.billing.test_commands import Sma, sma  # noqa: F401 - a fixture

from opensma.book import schema
from opensma.book.debits import fee_cash, fees_due, newest_day
from opensma.book.export import export_book
from opensma.book.intake import record_facts
from opensma.book.journal import Entry, Kind
from opensma.book.ledger import load_states, read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.rebuild import rebuild
from opensma.book.store import Book, open_book
from opensma.book.verify import verify
from opensma.book.views import activity
from opensma.calendar import next_session
from opensma.day import run_day
from opensma.market import open_market
from opensma.report.activity import activity_words

QUARTER = "2024Q3"
P = ("--period", QUARTER)


def cash_of(book: Book) -> dict[str, int]:
    with book.read() as connection:
        people = all_records(connection, AccountRecord)
        states = load_states(connection, [a.account_key for a in people])
    return {a.account_id: states[a.account_key].cash_cents for a in people}


def move(book: Book, kind: Kind, cents: Callable[[str], int]) -> None:
    """Cash comes or goes in every account on the first day that nobody has measured."""
    with book.read() as connection:
        people = all_records(connection, AccountRecord)
        measured, _ = newest_day(connection)
    assert measured is not None
    day = next_session(measured).toordinal()
    facts = [
        Entry(a.account_key, kind, day, day, f"{kind}-{a.account_id}", {"cents": amount})
        for a in people
        if (amount := cents(a.account_id))
    ]
    record_facts(book, facts, "2024-12-31T21:00:00+00:00")


@pytest.fixture
def billed(sma: Sma) -> Sma:  # noqa: F811
    """The demo book with a quarter released and cash in every account."""
    sma("run", *P)
    move(open_book(sma.book), Kind.DEPOSIT, lambda _account: 20_000_00)
    return sma


def sent(sma: Sma, folder: Path) -> list[dict[str, Any]]:  # noqa: F811
    done = sma.json("collect", *P, "--await-results", "--out", str(folder / "debits.csv"))
    debits: list[dict[str, Any]] = done["debits"]
    return debits


def answer(sma: Sma, folder: Path, *rows: str, code: int = 0) -> dict[str, Any]:  # noqa: F811
    path = folder / "results.csv"
    path.write_text("key,status,amount,reason\n" + "\n".join(rows) + "\n")
    return sma.json("collect", *P, "--results", str(path), code=code)


def test_b26_fees_leave_cash_once_and_the_book_stays_proven(billed: Sma) -> None:
    book = open_book(billed.book)
    before = cash_of(book)
    done = billed.json("collect", *P)
    assert done["debits"]
    assert not done["shortfalls"]
    taken = {d["paying_account_id"]: d["amount_cents"] for d in done["debits"]}
    after = cash_of(book)
    assert {name: before[name] - after[name] for name in taken} == taken
    assert sum(taken.values()) == billed.json("open")["balance"]["collected_cents"]
    assert billed.json("open")["items"] == []
    assert verify(book) == []
    assert rebuild(book).changed == ()
    again = billed.json("collect", *P)
    assert again["status"] == "nothing_to_do"
    assert cash_of(book) == after
    assert "is collected already" in billed("collect", *P)


def test_m6_a_fee_is_no_flow_and_shows_its_invoice(billed: Sma, tmp_path: Path) -> None:
    book = open_book(billed.book)
    with book.read() as connection:
        people = all_records(connection, AccountRecord)
        flows = {k: s.withdrawn_cents for k, s in load_states(connection, None).items()}
    (debit, *_) = billed.json("collect", *P)["debits"]
    with book.read() as connection:
        states = load_states(connection, [a.account_key for a in people])
        key = next(a.account_key for a in people if a.account_id == debit["paying_account_id"])
        (entry,) = [b for b in read_journal(connection, [key]) if b.entry.kind is Kind.FEE]
        assert fee_cash(connection, [key])[key][0][1] == debit["amount_cents"]
    assert {k: s.withdrawn_cents for k, s in states.items()} == flows
    assert entry.entry.body["invoice"] == debit["invoice_id"]
    rows = activity(book, debit["paying_account_id"])
    words = [activity_words(row) for row in rows if row.kind == "fee"]
    assert len(words) == 1
    assert debit["invoice_id"] in words[0]
    export_book(book, tmp_path / "all")
    manifest = json.loads((tmp_path / "all" / "export.json").read_text())
    assert "debits.parquet" in json.dumps(manifest)


def test_b27_results_move_what_the_custodian_moved_and_f23_names_the_rest(
    billed: Sma, tmp_path: Path
) -> None:
    book = open_book(billed.book)
    before = cash_of(book)
    one, two, three, *others = sent(billed, tmp_path)
    assert cash_of(book) == before  # cash moves with results
    assert one["debit_id"] in (tmp_path / "debits.csv").read_text()
    half = one["amount_cents"] // 2
    rows = [
        f"{one['debit_id']},partial,{half / 100:.2f},limit",
        f"{two['debit_id']},rejected,,account closed",
        *(f"{d['debit_id']},accepted,," for d in (three, *others)),
    ]
    done = answer(billed, tmp_path, *rows, code=1)
    assert [f["code"] for f in done["findings"]] == ["F23", "F23"]
    after = cash_of(book)
    assert before[one["paying_account_id"]] - after[one["paying_account_id"]] == half
    assert before[two["paying_account_id"]] == after[two["paying_account_id"]]
    assert verify(book) == []
    assert answer(billed, tmp_path, *rows, code=1)["status"] == "nothing_to_do"
    still = billed.json("collect", *P, code=1)  # no blind retry
    assert still["debits"] == []
    assert len(still["held"]) == 2
    items = billed.json("open", code=1)["items"]
    assert sorted(i["state"] for i in items) == ["partial", "rejected"]
    assert all(i["age_days"] > 0 for i in items)
    again = billed.json("collect", *P, "--retry")
    assert sorted(d["amount_cents"] for d in again["debits"]) == sorted(
        [one["amount_cents"] - half, two["amount_cents"]]
    )
    assert not {d["debit_id"] for d in again["debits"]} & {one["debit_id"], two["debit_id"]}
    assert verify(book) == []


def test_b27_a_result_never_changes_and_an_unknown_key_is_refused(
    billed: Sma, tmp_path: Path
) -> None:
    one, *_ = sent(billed, tmp_path)
    answer(billed, tmp_path, f"{one['debit_id']},accepted,,", code=1)
    changed = answer(billed, tmp_path, f"{one['debit_id']},rejected,,no", code=2)
    assert changed["error"]["code"] == "billing.result_changed"
    unknown = answer(billed, tmp_path, "abc,accepted,,", code=2)
    assert unknown["error"]["code"] == "billing.debit_unknown"


def test_b18_what_was_collected_comes_back_after_a_reversal(billed: Sma) -> None:
    book = open_book(billed.book)
    before = cash_of(book)
    billed("collect", *P)
    billed("reverse", *P)
    back = billed.json("collect", *P)
    assert all(d["amount_cents"] < 0 for d in back["debits"])
    assert cash_of(book) == before
    assert billed.json("open")["balance"] == {
        "receivable_cents": 0, "collected_cents": 0, "payable_cents": 0,
    }  # fmt: skip
    assert verify(book) == []


def test_b26_a_short_account_is_listed_and_never_overdrawn(sma: Sma) -> None:  # noqa: F811
    sma("run", *P)
    book = open_book(sma.book)
    held = cash_of(book)
    move(book, Kind.WITHDRAWAL, lambda account: max(0, held[account] - 10_00))
    before = cash_of(book)
    done = sma.json("collect", *P, code=1)
    assert done["shortfalls"]
    for short in done["shortfalls"]:
        assert short["cash_cents"] < short["amount_cents"]
        assert cash_of(book)[short["account_id"]] == before[short["account_id"]]
    assert min(cash_of(book).values()) >= 0
    assert verify(book) == []


def test_a_measured_day_is_refused(billed: Sma) -> None:
    late = billed.json("collect", *P, "--date", "2024-01-03", code=2)
    assert late["error"]["code"] == "billing.collect_day"


def test_b37_verify_sees_a_result_that_the_journal_does_not_know(billed: Sma) -> None:
    (debit, *_) = billed.json("collect", *P)["debits"]
    book = open_book(billed.book)
    with book.write() as connection:
        connection.exec_driver_sql(
            f"UPDATE debit_results SET paid_cents = paid_cents + 1 "
            f"WHERE debit_id = '{debit['debit_id']}'"
        )
    assert [f.code for f in verify(book)] == ["fee.unequal"]


def test_b26_a_billed_fee_raises_cash_on_the_day_and_is_then_collected(
    sma: Sma,  # noqa: F811
    small_market: Path,
) -> None:
    sma("run", *P)
    book, market = open_book(sma.book), open_market(small_market)
    held = cash_of(book)
    move(book, Kind.WITHDRAWAL, lambda account: max(0, held[account] - 1_00))
    done = sma.json("collect", *P, code=1)
    short = {s["account_id"] for s in done["shortfalls"]}
    run_day(book, market, market.day(-1), recorded_at="2024-12-31T21:00:00+00:00")
    with book.read() as connection:
        due = fees_due(connection)
        table = schema.plans
        plans = {p.account_id: p for p in connection.execute(select(table))}
    cash = cash_of(book)
    assert short <= due.keys()
    decided = [name for name in due if name in plans and plans[name].status == "solved"]
    assert decided
    for name in decided:
        assert cash[name] >= due[name]
    assert any("fee_cash" in plans[name].binding for name in decided)
