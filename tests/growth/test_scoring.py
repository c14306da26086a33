"""Lead scores: reasons, honest reliability, rules below 100 events, nothing protected."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("scipy", reason='scipy is not installed: pip install "opensma[growth]"')

from tests.growth.files import Command, command, data

from opensma.errors import InputError
from opensma.growth import scoring
from opensma.growth.scoring_measures import measures, perfect_gaps
from opensma.growth.scoring_report import score_document


def leads(rows: int, seed: int = 1) -> dict[str, list[Any]]:
    """Advisers whose next stage depends on an RFP and on visits; some values are missing."""
    random = np.random.default_rng(seed)
    rfp = random.choice(["yes", "no"], rows, p=[0.3, 0.7])
    visits = random.poisson(4, rows)
    chance = 1 / (1 + np.exp(2.2 - 1.6 * (rfp == "yes") - 0.25 * visits))
    return {
        "lead": [f"L{i}" for i in range(rows)],
        "day": list(range(rows)),
        "rfp": [str(x) if random.random() > 0.05 else None for x in rfp],
        "visits": [int(v) for v in visits],
        "noise": random.normal(size=rows).tolist(),
        "next": (random.random(rows) < chance).astype(int).tolist(),
    }


def test_l3_chances_are_reliable_on_later_days_and_beat_a_guess() -> None:
    found = score_document(leads(6000), "next", "day", "lead", 0.7, 0)
    test = found["test"]
    assert found["model"] == "logistic"
    assert found["warnings"] == []
    rate = test["events"] / test["rows"]
    assert test["brier"] < rate * (1 - rate)
    # ten parts of 180 leads each: chance alone moves a part by about .04, the worst of ten by .09
    assert test["largest_gap"] < 0.1
    low, high = test["lift_top_tenth"]["interval"]
    assert 1 < low <= test["lift_top_tenth"]["lift"] <= high


def test_l3_a_tenth_is_surely_off_only_beyond_what_chance_does() -> None:
    random = np.random.default_rng(3)
    chance = np.repeat(np.linspace(0.05, 0.95, 10), 300)
    target = (random.random(3000) < chance).astype(float)
    assert measures(chance, target, 0)["surely_off"] == 0
    wrong = np.clip(chance + 0.15, 0, 1)
    assert measures(wrong, target, 0)["surely_off"] >= 8
    low, high = measures(chance, target, 0)["reliability"][0]["interval"]
    assert low < target[:300].mean() < high


def test_l3_values_that_were_never_trained_on_are_announced() -> None:
    columns = leads(3000)
    columns["source"] = ["web"] * 2100 + ["event"] * 900
    found = score_document(columns, "next", "day", "lead", 0.7, 0)
    assert found["unseen"]["columns"]["source"] == 1.0
    assert [w["code"] for w in found["warnings"]] == ["UNSEEN_VALUES"]


def test_l4_every_score_has_three_reasons_in_words() -> None:
    found = score_document(leads(3000), "next", "day", "lead", 0.7, 0)
    assert all(len(row["reasons"]) == 3 for row in found["scores"])
    best = max(found["scores"], key=lambda row: row["score"])
    assert {"rfp: yes"} <= {r["reason"] for r in best["reasons"]}
    effects = [abs(r["effect"]) for r in best["reasons"]]
    assert effects == sorted(effects, reverse=True)


def test_l2_later_rows_change_nothing_before() -> None:
    columns = leads(3000)
    first = score_document(columns, "next", "day", "lead", 0.7, 0)
    changed = {name: list(column) for name, column in columns.items()}
    changed["next"] = columns["next"][:2100] + [1] * 900
    second = score_document(changed, "next", "day", "lead", 0.7, 0)
    assert [r["score"] for r in first["scores"]] == [r["score"] for r in second["scores"]]


def test_l2_the_order_of_rows_in_the_file_does_not_matter() -> None:
    columns = leads(1500)
    turned = {name: column[::-1] for name, column in columns.items()}
    one, two = (score_document(c, "next", "day", "lead", 0.7, 0) for c in (columns, turned))
    assert one["scores"] == two["scores"]


def test_l1_the_target_is_unknown_while_the_horizon_runs() -> None:
    day = date(2025, 1, 1)
    late = date(2025, 6, 1)
    assert scoring.next_stage_within(day, date(2025, 1, 20), late, 30) is True
    assert scoring.next_stage_within(day, date(2025, 3, 20), late, 30) is False
    assert scoring.next_stage_within(day, None, date(2025, 1, 10), 30) is None
    assert scoring.next_stage_within(day, day, late, 30) is False  # nothing known on the day itself


@pytest.mark.parametrize("name", ["gender", "Age", "marital_status", "race_code", "net_worth"])
def test_l5_protected_attributes_and_bought_wealth_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        score_document(leads(300) | {name: [1] * 300}, "next", "day", "lead", 0.7, 0)
    assert caught.value.where == name


def test_l5_words_that_only_sound_alike_are_fine() -> None:
    scoring.check_features(["page_views", "stage", "trace_id", "agency"])


def test_l5_below_100_events_only_rules_score(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = leads(120)
    file = tmp_path / "leads.csv"
    names = ("lead", "day", "rfp", "visits", "next")
    lines = [",".join("" if columns[n][i] is None else str(columns[n][i]) for n in names)
             for i in range(120)]  # fmt: skip
    file.write_text("\n".join([",".join(names), *lines]))
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"rules": [
        {"column": "rfp", "any_of": ["yes"], "points": 5, "words": "sent an RFP"},
        {"column": "visits", "at_least": 6, "points": 2, "words": "came six times"},
    ]}))  # fmt: skip
    sma: Command = command(capsys)
    ask = ("score", "--leads", file, "--target", "next", "--id", "lead", "--time", "day")
    assert sma(*ask, status=2)["error"]["code"] == "growth.score_events"
    found = sma(*ask, "--rules", rules)
    assert found["model"] == "rules"
    assert found["warnings"][0]["code"] == "RULES_ONLY"
    for i, row in enumerate(found["scores"]):
        want = 5 * (columns["rfp"][i] == "yes") + 2 * (columns["visits"][i] >= 6)
        assert row["score"] == want


def test_isotonic_chances_rise_and_fit_what_was_observed() -> None:
    random = np.random.default_rng(0)
    chance = random.random(4000)
    target = (random.random(4000) < chance**2).astype(float)
    knots = scoring.isotonic_knots(chance, target)
    later = np.linspace(0, 1, 50)
    fitted = np.interp(later, *knots)
    assert (np.diff(fitted) >= 0).all()
    assert np.abs(fitted - later**2).max() < 0.12
    assert np.interp(chance, *knots).mean() == pytest.approx(target.mean(), abs=1e-9)


def with_a_new_source(rows: int) -> dict[str, list[Any]]:
    """Leads of whom the last 30 % come half from a source that nobody had seen, and that wins."""
    columns = leads(rows)
    random = np.random.default_rng(9)
    first = int(0.7 * rows)
    columns["source"] = ["web"] * first + random.choice(["web", "event"], rows - first).tolist()
    columns["next"] = [
        int(random.random() < 0.9) if source == "event" else happened
        for source, happened in zip(columns["source"], columns["next"], strict=True)
    ]
    return columns


def test_later_outcomes_move_the_weights_of_a_source_that_was_never_seen() -> None:
    found = score_document(with_a_new_source(6000), "next", "day", "lead", 0.7, 0)
    assert found["test"]["surely_off"] >= 2
    moved = found["moved"]
    assert moved["surely_off"] <= 1  # of ten intervals of 90 %, chance alone puts one outside
    assert moved["largest_gap"] <= moved["perfect_score"]["high"]
    assert moved["brier"] < found["test"]["brier"] - 0.05


def test_too_few_later_outcomes_move_nothing() -> None:
    columns = leads(1000)
    columns["next"] = columns["next"][:700] + [1] * 15 + [0] * 285
    assert score_document(columns, "next", "day", "lead", 0.7, 0)["moved"] is None


def test_weights_move_only_as_far_as_later_rows_can_show() -> None:
    columns = with_a_new_source(6000)
    inputs = {name: columns[name] for name in ("rfp", "visits", "source")}
    target = np.array(columns["next"], dtype=float)
    first = 4200
    stiff = scoring.move_score(inputs, target, first, 1e7)
    free = scoring.move_score(inputs, target, first, 1.0)
    before, _ = scoring.logistic(
        scoring.design(stiff.features, inputs)[:first], target[:first], 1e7
    )
    assert stiff.weights == pytest.approx(before, abs=1e-3)
    event = stiff.features[2].levels.index("event") - len(stiff.features[2].levels)
    assert free.weights[event] > 1
    assert stiff.weights[event] == pytest.approx(0, abs=1e-3)


def test_open_leads_are_scored_by_the_moved_weights() -> None:
    columns = with_a_new_source(3000)
    waiting = {name: [*column[-3:]] for name, column in columns.items()}
    waiting |= {"lead": ["A", "B", "C"], "next": [None] * 3, "source": ["event", "web", "event"],
                "rfp": ["no"] * 3, "visits": [4] * 3, "noise": [0.0] * 3}  # fmt: skip
    both = {name: columns[name] + waiting[name] for name in columns}
    found = score_document(both, "next", "day", "lead", 0.7, 0)
    assert [row["id"] for row in found["open"]] == ["A", "B", "C"]
    event, web, again = (row["score"] for row in found["open"])
    assert event == again > 0.8 > web
    assert "source: event" in [r["reason"] for r in found["open"][0]["reasons"]]
    without = score_document(columns, "next", "day", "lead", 0.7, 0)
    assert without["open"] == []
    assert without["test"] == found["test"]  # a lead without outcome teaches nothing


def test_the_reliability_plot_shows_both_and_says_so_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "leads.csv"
    columns = with_a_new_source(3000)
    rows = zip(*columns.values(), strict=True)
    lines = [",".join("" if v is None else str(v) for v in row) for row in rows]
    file.write_text("\n".join([",".join(columns), *lines]))
    sma: Command = command(capsys)
    ask = ("score", "--leads", file, "--target", "next", "--id", "lead", "--time", "day")
    found = sma(*ask, "--plot", tmp_path / "new" / "plot.svg")
    drawing = (tmp_path / "new" / "plot.svg").read_text()
    assert f"As trained: largest gap {found['test']['largest_gap']:.3f}" in drawing
    assert "Weights moved by later outcomes" in drawing
    tenths = len(found["test"]["reliability"]) + len(found["moved"]["reliability"])
    assert drawing.count('aria-roledescription="point"') == tenths
    assert sma(*ask, "--plot", tmp_path / "plot.png", status=2)["error"]["code"] == "growth.plot"


def test_a_target_that_is_no_outcome_is_refused() -> None:
    columns = leads(1000)
    columns["next"][5] = 2
    with pytest.raises(InputError) as caught:
        score_document(columns, "next", "day", "lead", 0.7, 0)
    assert caught.value.code == "growth.target"


def test_a_perfect_score_has_gaps_too_and_smaller_ones_in_larger_samples() -> None:
    chance = np.repeat(np.linspace(0.05, 0.95, 10), 277)
    small, large = perfect_gaps(chance, 0), perfect_gaps(np.repeat(chance, 20), 0)
    assert 0.03 < small["median"] < small["high"] < 0.1
    assert large["high"] < 0.03
    assert large["within_reliable"] > 0.95 > small["within_reliable"]


def test_real_leads_are_reliable_once_the_rest_has_moved_the_weights_and_beat_a_plain_logistic(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The file is sorted by source, not by time: the later part has sources never seen before.

    So no model is reliable there untouched. With weights moved by the rest, every row scored by
    rows it is not among, every tenth is within .03.
    """
    file = data("crm/leads_x_education.parquet")
    ask = ("score", "--leads", file, "--target", "Converted", "--id", "ProspectID")
    found = command(capsys)(*ask)
    assert found["train"]["rows"] == int(0.7 * 9240)
    assert found["test"]["brier"] < found["plain_logistic"]["brier"]
    assert found["test"]["auc"] > found["plain_logistic"]["auc"]
    moved = found["moved"]
    assert len(moved["reliability"]) == 10
    assert moved["largest_gap"] < 0.03
    assert moved["surely_off"] == 0
    assert moved["brier"] < found["test"]["brier"] - 0.04
    assert moved["auc"] > 0.89
    assert 0.2 < found["unseen"]["share"] < 0.4
    assert [w["code"] for w in found["warnings"]] == ["FILE_ORDER", "UNSEEN_VALUES"]
