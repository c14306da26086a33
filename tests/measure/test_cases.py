"""Worked cases through `sma measure check`, and what it answers to cases that are wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from opensma.cli import run
from opensma.cli.measure_cases.checking import OPERATIONS, check_cases, matches, read_cases

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))


def loaded(path: Path) -> list[dict[str, Any]]:
    return read_cases(path.read_bytes(), path.name)


def answer(op: str, inputs: object, **conventions: object) -> dict[str, Any]:
    case = {"id": "x", "op": op, "inputs": inputs, "conventions": conventions}
    return check_cases(read_cases(json.dumps([case]).encode(), "x"))[0]


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_worked_case_is_met(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["measure", "check", str(path)]) == 0
    answers = json.loads(capsys.readouterr().out)
    assert [a["id"] for a in answers] == [c["id"] for c in loaded(path)]
    assert all(a["ok"] is True and "error" not in a for a in answers)


def test_every_operation_has_a_worked_case() -> None:
    used = {case["op"] for path in CASES for case in loaded(path)}
    assert used == set(OPERATIONS)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_answers_do_not_look_at_what_is_expected(path: Path) -> None:
    cases = loaded(path)
    bare = [{k: c[k] for k in ("id", "op", "inputs", "conventions")} for c in cases]
    known, unknown = check_cases(cases), check_cases(bare)
    assert [a["computed"] for a in known] == [a["computed"] for a in unknown]
    assert all(a["ok"] is None and a["expected"] is None for a in unknown)


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_a_spoiled_expectation_is_found(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: spoil(v) for k, v in value.items()}
        if isinstance(value, list):
            return [*map(spoil, value), "more"]
        return "other" if isinstance(value, str | bool | None) else value + 1

    spoiled = [{**case, "expected": spoil(case["expected"])} for case in loaded(path)]
    (tmp_path / "spoiled.json").write_text(json.dumps(spoiled))
    assert run(["measure", "check", str(tmp_path / "spoiled.json")]) == 1
    assert all(a["ok"] is False for a in json.loads(capsys.readouterr().out))


def test_a_wrong_case_has_an_error_and_stops_no_other() -> None:
    good = {"id": "good", "op": "twr_link", "inputs": {"returns": [0.5]}, "conventions": {}}
    bad = [7, {"id": "b", "op": "none", "inputs": {}}, {"op": "twr_link"}, good]
    *failed, again = check_cases([*bad, good])
    assert [a["ok"] for a in failed] == [False, False, False, None]
    assert failed[3]["computed"] == 0.5
    assert "id_twice" in again["error"]
    assert all(a["computed"] is None and a["error"] for a in failed[:3])


@pytest.mark.parametrize("text", ["", "{}", "[1", '"x"', "\xff"])
def test_a_file_that_is_no_list_of_cases_exits_with_two(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.json").write_text(text, encoding="latin-1")
    assert run(["measure", "check", str(tmp_path / "f.json"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"].startswith("case.not_")


def test_an_unknown_convention_or_value_is_an_error() -> None:
    dietz = {"begin": 100, "end": 110, "days": 30, "flows": []}
    assert answer("modified_dietz", dietz, flow_weight="end_of_day")["computed"]["return"] == 0.1
    assert "convention_value" in answer("modified_dietz", dietz, flow_weight="noon")["error"]
    assert "convention_unknown" in answer("modified_dietz", dietz, mood="good")["error"]
    assert "missing" in answer("modified_dietz", dietz)["error"]
    assert "convention_value" in answer("active_share", {}, missing_weight=1)["error"]
    order = ["standard", "minimum", "negotiated", "cap", "credit"]
    assert "convention_value" in answer("fee_order", {}, order=order)["error"]


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"dates": ["2020-01-01"], "amounts": [-1, 2]}, "flow_without_date"),
        ({"dates": ["2020-01-01", None], "amounts": [-1, 2]}, "flow_without_date"),
        ({"dates": ["2020-01-01", "2021-01-01"], "amounts": [-1, "2"]}, "not_a_number"),
        ({"dates": ["2020-01-01", "2021-01-01"], "amounts": [-1, True]}, "not_a_number"),
        ({"dates": ["2020-01-01", "2021-01-01"], "amounts": [1, 2]}, "no_rate"),
        ({"dates": ["2020-01-01", "2021-13-01"], "amounts": [-1, 2]}, "date"),
        ({"amounts": [-1, 2]}, "missing"),
    ],
)
def test_bad_flows_are_named(inputs: dict[str, Any], code: str) -> None:
    assert code in answer("xirr", inputs, day_count="act/365F")["error"]


def test_a_missing_valuation_day_is_named() -> None:
    day = {"date": "2012-01-01", "inflow": 0, "outflow": 0, "end_value": None}
    inputs = {"start_date": "2011-12-31", "start_value": 5, "days": [day]}
    assert "days[0].end_value" in answer("twr_daily", inputs)["error"]
    twice = {**inputs, "days": [{**day, "end_value": 5}] * 2}
    assert "case.dates" in answer("twr_daily", twice)["error"]


def test_numbers_that_are_not_finite_never_pass() -> None:
    text = b'[{"id":"a","op":"twr_link","inputs":{"returns":[1e999]}},'
    text += b'{"id":"b","op":"twr_link","inputs":{"returns":[0.1]},"expected":NaN}]'
    first, second = check_cases(read_cases(text, "x"))
    assert "not_finite" in first["error"]
    assert second["ok"] is False
    assert second["expected"] is None


def test_comparison_is_by_type_and_by_the_innermost_tolerance() -> None:
    assert not matches(1, True, 0)
    assert not matches(True, 1, 0)
    assert not matches(0.1, "0.1", 1)
    assert not matches(None, 0.0, 1)
    assert matches({"a": 1}, {"a": 1, "b": 2}, 0)
    assert not matches({"a": 1}, {"b": 1}, 0)
    assert not matches([1], [1, 2], 0)
    wide = {"default": 1e-9, "a": 0.5}
    assert matches({"a": [1.0]}, {"a": [1.4]}, wide)
    assert not matches({"a": {"c": 1.0}}, {"a": {"c": 1.4}}, wide)


def test_fees_are_exact_on_the_digits_of_the_file() -> None:
    """518 x 1 % / 4 is 1.295 and bills 1.30; binary floats would bill 1.29 (B17)."""
    text = b'[{"id":"a","op":"period_fee","inputs":{"value":518,"annual_rate":0.01,'
    text += b'"days_in_period":91,"days_open":91,"periods_per_year":4},'
    text += b'"conventions":{"basis":"value","day_basis":"divide_by_frequency"}}]'
    assert check_cases(read_cases(text, "x"))[0]["computed"]["fee"] == 1.3
