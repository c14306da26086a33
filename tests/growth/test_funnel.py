"""The funnel agrees with plain counts; gates stand apart; steps have reasons."""

from __future__ import annotations

import csv
import json
import os
from datetime import date, datetime
from pathlib import Path
from statistics import mean, median
from typing import Any

import pytest
from tests.growth.programme import write_csv
from tests.growth.test_loading import MAVEN

from opensma.growth import funnel
from opensma.growth.exports import export
from opensma.growth.next_steps import next_steps
from opensma.growth.warehouse.load import load_folder
from opensma.growth.warehouse.mapping import read_mapping
from opensma.growth.warehouse.store import open_warehouse

DAY = date(2024, 6, 30)


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """Four opportunities: one funded by the whole way, one lost, one waits, one new and quiet."""
    write_csv(tmp_path, "firm", [(f"f{i}", None, None, "ria", None, "2020-01-01", None)
                                 for i in range(4)])  # fmt: skip
    write_csv(tmp_path, "opportunity", [
        (f"o{i}", f"f{i}", None, "core", "tamp", f"2024-01-0{i + 1} 00:00:00") for i in range(4)
    ])  # fmt: skip
    write_csv(tmp_path, "stage_event", [
        ("o0", "meeting", "2024-01-11 00:00:00", "crm"),
        ("o0", "proposal", "2024-02-10 00:00:00", "crm"),
        ("o0", "funded", "2024-04-10 00:00:00", "crm"),
        ("o1", "meeting", "2024-01-22 00:00:00", "crm"),
        ("o1", "lost", "2024-03-01 00:00:00", "crm"),
        ("o2", "proposal", "2024-05-01 00:00:00", "crm"),
    ])  # fmt: skip
    write_csv(tmp_path, "gate", [
        ("f0", "tamp", "core", "requested", "2023-10-01 00:00:00", 5000),
        ("f0", "tamp", "core", "approved", "2023-12-30 00:00:00", None),
        ("f1", "tamp", "core", "requested", "2023-10-01 00:00:00", None),
        ("f1", "tamp", "core", "declined", "2023-11-01 00:00:00", None),
        ("f3", "tamp", "tilt", "approved", "2024-06-01 00:00:00", None),
    ])  # fmt: skip
    write_csv(tmp_path, "touch", [
        ("t1", "2024-01-01 00:00:00", None, "f0", "wholesaler", "w1", None, None, "call", None,
         None, None),
        ("t2", "2023-12-01 00:00:00", None, "f0", "email", None, None, None, "open", None, None,
         None),
        ("t3", "2023-12-02 00:00:00", None, "f0", "email", None, None, None, "open", None, None,
         None),
        ("t4", "2024-01-12 00:00:00", None, "f0", "wholesaler", "w1", None, None, "call", None,
         None, None),
        ("t5", "2024-06-01 00:00:00", None, "f1", "wholesaler", "w1", None, None, "call", None,
         None, None),
        ("t6", "2024-06-20 00:00:00", None, "f2", "email", None, None, None, "open", None, None,
         None),
    ])  # fmt: skip
    connection = open_warehouse(None)
    load_folder(connection, tmp_path, read_mapping("plain", DAY), None)
    return connection


def test_stages_count_who_came_further_and_the_days_between(small: Any) -> None:
    rows = {r["stage"]: r for r in funnel.stages(small)}
    assert list(rows) == ["meeting", "proposal", "funded"]
    assert (rows["meeting"]["opportunities"], rows["meeting"]["further"]) == (2, 1)
    assert rows["proposal"]["yield"] == 0.5
    assert rows["funded"]["median_days_from_before"] == 60
    assert rows["funded"]["median_days_from_opening"] == 100


def test_open_opportunities_are_in_no_win_rate(small: Any) -> None:
    row = funnel.outcomes(small)[0]
    assert (row["won"], row["lost"], row["open"], row["win_rate"]) == (1, 1, 2, 0.5)
    assert {r["label"] for r in funnel.outcomes(small, "firm")} == {"f0", "f1", "f2", "f3"}


def test_a_gate_has_a_yield_and_days_and_is_no_channel(small: Any) -> None:
    core, tilt = funnel.gates(small)
    assert (core["asked"], core["approved"], core["refused"], core["yield"]) == (2, 1, 1, 0.5)
    assert (core["median_days"], core["cost_c"], tilt["waiting"]) == (90, 5000, 0)
    assert {r["channel"] for r in funnel.channel_mix(small)} == {"email", "wholesaler"}


def test_coverage_is_meetings_near_to_which_the_wholesaler_logged_something(small: Any) -> None:
    row = funnel.coverage(small)[0]
    assert (row["wholesaler"], row["firms"], row["meetings"], row["covered"]) == ("w1", 2, 2, 1)


def test_the_steps_name_rule_and_reasons_and_say_that_only_rules_spoke(small: Any) -> None:
    steps, label = next_steps(small, DAY)
    assert label.startswith("rules only: ")
    by_rule = {s.rule: s for s in steps}
    assert by_rule["proposal_waits"].opp_id == "o2"
    assert "proposal for 60 days" in by_rule["proposal_waits"].reasons
    assert by_rule["quiet"].opp_id == "o3"
    assert by_rule["approved_unused"].action == "Introduce tilt on tamp"
    assert {s.confidence for s in steps} == {"rule"}
    assert not {"o0", "o1"} & {s.opp_id for s in steps}


def test_the_source_goes_back_with_confidence_and_basis(small: Any, tmp_path: Path) -> None:
    export(small, "crm", tmp_path / "out")
    with (tmp_path / "out" / "crm_sources.csv").open() as file:
        rows = {r["opp_id"]: r for r in csv.DictReader(file)}
    assert rows["o0"]["source"] == "email"
    assert float(rows["o0"]["confidence"]) == pytest.approx(2 / 3)
    assert rows["o0"]["basis"] == "2 of 3 touches before opening"
    assert rows["o3"]["source"] == "(unattributed)"


def test_a_real_pipeline_agrees_with_plain_counts(tmp_path: Path) -> None:
    folder = Path(os.environ.get("OPENSMA_DATA", "")) / "crm"
    if not (folder / "crm_maven_sales_pipeline.csv").is_file():
        pytest.skip("no real pipeline: set OPENSMA_DATA to a folder that holds crm/")
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps(MAVEN))
    connection = open_warehouse(None)
    load_folder(connection, folder, read_mapping(str(mapping), DAY), None)
    with (folder / "crm_maven_sales_pipeline.csv").open() as file:
        deals = list(csv.DictReader(file))
    won = [_days(d) for d in deals if d["deal_stage"] == "Won"]
    lost = [_days(d) for d in deals if d["deal_stage"] == "Lost"]
    found = funnel.outcomes(connection)[0]
    assert (found["opportunities"], found["won"], found["lost"]) == (
        len(deals), len(won), len(lost),
    )  # fmt: skip
    assert found["win_rate"] == len(won) / (len(won) + len(lost))
    assert found["median_days_to_won"] == median(won)
    assert found["mean_days_to_won"] == pytest.approx(mean(won))
    assert found["median_days_to_lost"] == median(lost)
    for row in funnel.outcomes(connection, "strategy"):
        mine = [d["deal_stage"] for d in deals if d["product"] == row["label"]]
        assert (row["won"], row["lost"]) == (mine.count("Won"), mine.count("Lost"))
    clicks = connection.execute(
        "SELECT source, count(*) FROM read_parquet(?) GROUP BY 1",
        [str(folder / "crm_clicks.parquet")],
    ).fetchall()
    assert sorted(r["touches"] for r in funnel.channel_mix(connection)) == sorted(
        n for name, n in clicks if name
    )
    steps, label = next_steps(connection, funnel.today_of(connection))
    assert label.startswith("chance of the next stage")
    assert len([s for s in steps if s.opp_id]) == found["open"]


def _days(deal: dict[str, str]) -> int:
    first, last = (datetime.fromisoformat(deal[n]) for n in ("created_on", "close_date"))
    return (last - first).days
