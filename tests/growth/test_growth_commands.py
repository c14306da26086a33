"""The demo's story from the command line: demo, publish, tie, why, report, sql, export."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import load_tables, programme, write_csv

from opensma.cli import run
from opensma.growth.dialects import QUERIES
from opensma.growth.exports import export
from opensma.growth.journeys import MODELS, Rules
from opensma.growth.publish import publish
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


# --- exports -------------------------------------------------------------------------------------


@pytest.fixture
def warehouse(tmp_path: Path) -> Any:
    connection = open_warehouse(None)
    tables, given = programme(60, 24, seed=41)
    last = given.as_of.isoformat()
    tables["opportunity"] = [
        (f"x{i}", "f0", f"o{i}", None, None, "2021-01-01 09:00:00") for i in range(3)
    ]
    tables["stage_event"] = [
        ("x0", "funded", f"{last} 10:00:00", "crm"),
        ("x0", "meeting", "2021-02-01 10:00:00", "crm"),
        ("x1", "funded", f"{last} 10:00:00", "crm"),
    ]
    tables["consent"] = [("o0-p0", "ads", "granted", "form", "2021-01-01 00:00:00")]
    tables["alias"] = [
        ("email_hmac", f"{i:064x}", f"o{o}-p{p}", None, "imported", "crm", "2021-01-01 00:00:00")
        for i, (o, p) in enumerate(((0, 0), (0, 1), (1, 0)))
    ]
    load_tables(connection, tmp_path / "in", tables)
    publish(connection, given, Rules(given.as_of))
    return connection


def test_uploads_hold_fresh_milestones_of_those_who_agreed_and_a_log(
    warehouse: Any, tmp_path: Path
) -> None:
    """B5, P6."""
    done = export(warehouse, "linkedin", tmp_path / "out")
    with (tmp_path / "out" / "linkedin.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["event_id"], r["hashed_email"]) for r in rows] == [("x0:funded", f"{0:064x}")]
    assert set(rows[0]) == {"event", "event_time", "event_id", "hashed_email"}
    assert done.files["linkedin_log.csv"] == 1
    assert done.left_out == {"older than 90 days": 2, "no consent to ads": 3}


def test_media_tables_keep_all_spend_and_merge_small_cells(warehouse: Any, tmp_path: Path) -> None:
    """B6, P5."""
    export(warehouse, "mmm", tmp_path)
    with (tmp_path / "media.csv").open() as file:
        rows = list(csv.DictReader(file))
    spent, touched = query(
        warehouse,
        "SELECT (SELECT sum(amount_c) FROM spend) AS s, (SELECT count(*) FROM touch) AS t",
    )[0].values()
    assert sum(int(r["spend_cents"]) for r in rows) == spent
    assert sum(int(r["touches"] or 0) for r in rows) == touched
    assert all(int(r["persons"]) >= 10 for r in rows if r["persons"])


def test_a_dbt_package_refers_to_everything_it_reads(warehouse: Any, tmp_path: Path) -> None:
    export(warehouse, "dbt", tmp_path)
    known = {p.stem for p in tmp_path.rglob("*.sql")} | {p.stem for p in tmp_path.rglob("*.csv")}
    for path in (tmp_path / "models").glob("*.sql"):
        text = path.read_text()
        bare = re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)\b(?!\.)", text)
        assert bare == [], f"{path.name} reads {bare}"
        assert set(re.findall(r"ref\('(\w+)'\)", text)) <= known
        assert path.stem not in re.findall(r"ref\('(\w+)'\)", text)


def test_metrics_are_written_for_a_metrics_layer(warehouse: Any, tmp_path: Path) -> None:
    export(warehouse, "metricflow", tmp_path)
    document = json.loads((tmp_path / "metrics.yml").read_text())
    assert {m["name"] for m in document["metrics"]} == {"billed_revenue", "net_revenue"}
