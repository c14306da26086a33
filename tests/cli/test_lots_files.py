"""`sma lots replay` on files: the line of the event that cannot be, late events, explanations."""

import json
from pathlib import Path
from typing import Any

import pytest

from opensma import cli

FRAME = """{"events": [
  {"seq": 1, "date": "2024-01-02", "type": "buy", "account": "A",
   "security": "X", "lot": "L1", "qty": "10", "amount": "100.00"},

  {"seq": 2, "date": "2024-02-01", "type": "sell", "account": "A",
   "security": "X", "qty": "%s", "amount": "50.00"}
 ], "accounts": [{"id": "A", "type": "taxable", "household": "H", "owner": "P"}]}
"""
LATE = """[
  {"seq": 3, "date": "2024-02-05", "type": "buy", "account": "%s",
   "security": "X", "lot": "L2", "qty": "4", "amount": "40.00"}]
"""


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    code = cli.run(["lots", "replay", *words])
    return code, json.loads(capsys.readouterr().out)


@pytest.fixture
def case(tmp_path: Path) -> Path:
    path = tmp_path / "case.json"
    path.write_text(FRAME % "10")
    return path


def test_an_error_names_the_line_where_its_event_starts(
    capsys: pytest.CaptureFixture[str], case: Path
) -> None:
    case.write_text(FRAME % "11")
    code, told = answer(capsys, str(case))
    assert code == 2
    assert (told["error"]["line"], told["error"]["file"]) == (5, str(case))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lines_are_counted_in_every_encoding(
    capsys: pytest.CaptureFixture[str], case: Path, encoding: str
) -> None:
    case.write_bytes((FRAME % "-1").replace("X", "Äß").encode(encoding))
    _, told = answer(capsys, str(case))
    assert (told["error"]["reason"], told["error"]["line"]) == ("event.bad_quantity", 5)


def test_an_event_without_a_number_is_found_by_its_line(
    capsys: pytest.CaptureFixture[str], case: Path
) -> None:
    case.write_text((FRAME % "10").replace('"seq": 2, ', ""))
    _, told = answer(capsys, str(case))
    assert (told["error"]["seq"], told["error"]["line"]) == (None, 5)


def test_late_events_are_told_with_what_they_change(
    capsys: pytest.CaptureFixture[str], case: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late.json"
    late.write_text(LATE % "A")
    code, told = answer(capsys, str(case), "--late", str(late), "--explain")
    assert code == 0
    assert told["changes"]["totals"]["disallowed"]["change"] == "20.00"
    assert [why["replacement"]["days_from_sale"] for why in told["explanations"]] == [4]


def test_an_error_in_late_events_names_their_file(
    capsys: pytest.CaptureFixture[str], case: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late.json"
    late.write_text(LATE % "NONE")
    code, told = answer(capsys, str(case), "--late", str(late))
    assert code == 2
    assert (told["error"]["line"], told["error"]["file"]) == (2, str(late))


def test_a_file_without_late_events_is_refused(
    capsys: pytest.CaptureFixture[str], case: Path, tmp_path: Path
) -> None:
    late = tmp_path / "late.json"
    late.write_text('{"trades": []}')
    code, told = answer(capsys, str(case), "--late", str(late))
    assert (code, told["error"]["reason"]) == (2, "late.not_list")
