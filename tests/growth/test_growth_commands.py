"""The demo's story from the command line: demo, publish, tie, why, report, sql, export."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import write_csv

from opensma.cli import run
from opensma.growth.dialects import QUERIES
from opensma.growth.journeys import MODELS
from opensma.growth.warehouse.store import open_warehouse, query


class Sma:
    """`sma growth ...` on one book and warehouse."""

    def __init__(self, book: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.book, self.folder, self.capsys = book, folder, capsys
        self.warehouse = folder / "w.growth"

    def __call__(self, *arguments: str, code: int = 0) -> str:
        where = [] if arguments[0] == "sql" else ["--warehouse", str(self.warehouse)]
        if where:
            where += ["--book", self.book]
        self.capsys.readouterr()
        assert run(["growth", *arguments, *where]) == code, self.capsys.readouterr().err
        return self.capsys.readouterr().out

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code))


@pytest.fixture
def sma(small_book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sma:
    made = Sma(small_book, tmp_path, capsys)
    made.json("demo", "--folder", str(tmp_path / "files"))
    return made


def test_a_demo_book_gets_a_past_that_ties_in_every_month_and_model(sma: Sma) -> None:
    published = sma.json("publish")
    assert published["broken_ties"] == 0
    assert published["published"]["account"] == 12
    checks = sma.json("tie")["checks"]
    assert {c["difference_c"] for c in checks} == {0}
    assert set(checks[0]) == {"name", "expected_c", "actual_c", "difference_c"}
    connection = open_warehouse(sma.warehouse)
    lines = query(
        connection,
        "SELECT count(*) AS n, count(reversal_of) AS turned, "
        "count(DISTINCT date_trunc('month', period_end)) AS months FROM fee_ledger",
    )[0]
    connection.close()
    assert lines["turned"] >= 1, "a correction is part of the story"
    named = [c for c in checks if re.fullmatch(r"revenue \S+ \d{4}-\d\d net", c["name"])]
    assert len(named) == lines["months"] * len(MODELS)


def test_the_ledger_published_is_the_books_to_the_cent(sma: Sma) -> None:
    from opensma.book.invoices import rows_since
    from opensma.book.store import open_book

    sma.json("publish")
    with open_book(sma.book).read() as book:
        _, ledger = rows_since(book, "0000-00-00")
    connection = open_warehouse(sma.warehouse)
    total = query(
        connection, "SELECT sum(amount_c) AS a, sum(platform_share_c) AS p FROM fee_ledger"
    )
    connection.close()
    assert total[0]["a"] == sum(row.amount_cents for row in ledger)
    kept = sum(r.amount_cents for r in ledger if r.role in ("platform", "sponsor"))
    assert total[0]["p"] == kept


def test_a_break_on_purpose_ends_with_exit_code_one(sma: Sma) -> None:
    sma.json("publish")
    connection = open_warehouse(sma.warehouse)
    connection.execute(
        "UPDATE revenue SET amount_c = amount_c - 1 WHERE rowid = (SELECT max(rowid) FROM revenue "
        "WHERE model = 'shapley')"
    )
    connection.close()
    bad = [c for c in sma.json("tie", code=1)["checks"] if c["difference_c"]]
    assert bad
    assert all("shapley" in c["name"] for c in bad)
    assert "with a difference" in sma("tie", code=1)
    told = sma.json("report", "--out", str(sma.folder / "out"), code=1)
    assert told["broken"] > 0
    assert [Path(f).name for f in told["files"]] == ["ties.csv"]  # no pack is built
    assert sorted(p.name for p in (sma.folder / "out").iterdir()) == ["ties.csv"]
    assert "No pack was written" in sma("report", "--out", str(sma.folder / "out"), code=1)


def test_the_same_book_and_seed_give_the_same_files(sma: Sma) -> None:
    first = {p.name: p.read_bytes() for p in (sma.folder / "files" / "tables").iterdir()}
    again = sma.json("demo", "--folder", str(sma.folder / "again"))
    second = {p.name: p.read_bytes() for p in (sma.folder / "again" / "tables").iterdir()}
    assert first == second
    assert sum(again["added"].values()) == 0
    assert again["billed"]["invoices"] == 0


def test_why_walks_from_a_line_to_its_touches(sma: Sma) -> None:
    sma.json("publish", "--tranches")
    connection = open_warehouse(sma.warehouse)
    line = query(connection, "SELECT max(line_id) AS id FROM fee_ledger")[0]["id"]
    connection.close()
    found = sma.json("why", line)
    touches = [t for s in found["splits"] for tranche in s["tranches"] for t in tranche["touches"]]
    assert sum(t["amount_c"] for t in touches) == found["line"]["amount_c"]
    assert "Weights of the model" in sma("why", line, "--model", "first")
    connection = open_warehouse(sma.warehouse)
    bought = query(
        connection, "SELECT max(line_id) AS id FROM fee_ledger JOIN acquisition USING (account_id)"
    )[0]["id"]
    connection.close()
    assert "bought and not won: book of an adviser who retired" in sma("why", bought)
    assert sma.json("why", "x", code=2)["error"]["code"] == "growth.line_unknown"
    assert sma.json("why", line, "--model", "x", code=2)["error"]["code"] == "growth.model_unknown"


def test_the_report_is_a_page_and_its_tables(sma: Sma) -> None:
    sma.json("publish")
    out = sma.folder / "pack"
    found = sma.json("report", "--out", str(out), "--servicing-cents", "500")
    assert found["broken"] == 0
    assert {Path(f).name for f in found["files"]} >= {
        "growth.html", "aum_bridge.csv", "revenue_by_channel.csv", "cac_by_channel.csv",
        "cac_by_campaign.csv", "cac_by_segment.csv", "cohorts.csv", "cohort_revenue.csv",
        "tested_effects.csv", "ties.csv",
    }  # fmt: skip
    assert "servicing of $5.00" in (out / "growth.html").read_text()


def test_an_export_cannot_be_invented_into_a_real_book(
    book_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from opensma.book.store import init_book

    init_book(book_url)
    sma = Sma(book_url, tmp_path, capsys)
    assert sma.json("demo", code=2)["error"]["code"] == "demo.no_demo"
    assert sma.json("publish", code=2)["error"]["code"] == "growth.empty_book"
    assert sma.json("tie", "--period", "2024Q1", code=2)["error"]["code"] == "growth.no_warehouse"
    assert not sma.warehouse.exists()


def test_a_refused_folder_is_told_with_its_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sma = Sma(str(tmp_path / "none.db"), tmp_path, capsys)
    write_csv(
        tmp_path / "in", "spend", [("s", "2024-01-01", "radio", None, "media", 1, None, None)]
    )
    error = sma.json("load", str(tmp_path / "in"), code=2)["error"]
    assert (error["code"], error["where"]) == ("growth.channel_unknown", "spend.csv:2")


def test_queries_are_printed_for_another_warehouse(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sma = Sma("", tmp_path, capsys)
    text = sma("sql", "--dialect", "snowflake", "--tables")
    assert text.count("\n-- ") + text.startswith("-- ") == len(QUERIES)
    assert sma.json("sql", "tie", "--dialect", "postgres")["queries"].keys() == {"tie"}
    assert sma.json("sql", "--dialect", "cobol", code=2)["error"]["code"] == "growth.dialect"
