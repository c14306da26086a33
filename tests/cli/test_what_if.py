"""`sma account what-if`: a comparison in tables and JSON, prices without a change, exit codes."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from opensma import cli

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(small_book: str, small_market: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def invoke(*words: str) -> tuple[int, str, str]:
        place = ["--book", small_book, "--market", str(small_market)]
        code = cli.run(["account", "what-if", "A000001", *words, *place])
        return code, *capsys.readouterr()

    return invoke


def test_json_holds_both_plans_and_their_difference(run: Run) -> None:
    code, out, _ = run("--raise-cash", "5,000", "--json")
    told = json.loads(out)
    assert code == 0
    for name in ("tax_cents", "cost_cents", "trades"):
        assert told["difference"][name] == told["after"][name] - told["before"][name]
    assert told["change"]["raise_cents"] == 500_000
    assert "Raising $5,000.00 would mean" in told["verdict"]


def test_the_terminal_says_what_changes_and_that_nothing_was_saved(run: Run) -> None:
    code, out, _ = run("--te-cap", "5%")
    assert code == 0
    for words in ("A cap of 5.00% on tracking error would", "without", "Nothing was saved."):
        assert words in out


def test_without_a_change_restrictions_are_priced(run: Run) -> None:
    code, out, _ = run("--json")
    told = json.loads(out)["prices"]
    assert code == 0
    for price in told["priced"]:
        parts = price["risk_year_cents"] + price["tax_cents"] + price["cost_cents"]
        assert price["total_cents"] == parts


def test_rates_of_the_netting_are_those_of_a_day_with_the_same_option(run: Run) -> None:
    """The demo's first owner has lost much this year: one more loss is worth less than on file."""
    taxes = {}
    for rates in (), ("--rates", "file"), ("--rates", "netting"):
        code, out, _ = run("--raise-cash", "5000", *rates, "--json")
        assert code == 0
        taxes[rates] = json.loads(out)["before"]["tax_cents"]
    assert taxes[()] == taxes["--rates", "file"] != taxes["--rates", "netting"]


def test_a_share_without_the_netting_is_refused(run: Run) -> None:
    code, out, _ = run("--carried-share", "50", "--json")
    assert code == 2
    assert "--rates netting" in json.loads(out)["error"]["message"]


def test_a_conflict_is_an_answer_without_a_difference(run: Run) -> None:
    code, out, _ = run("--te-cap", "0.01%", "--json")
    told = json.loads(out)
    assert (code, told["after"]["status"], told["difference"]) == (0, "infeasible", None)
    assert "cannot hold together" in told["verdict"]


@pytest.mark.parametrize("words", [("--exclude", "NOBODY"), ("--te-cap", "x")])
def test_bad_input_is_exit_code_2_with_a_remedy(run: Run, words: tuple[str, str]) -> None:
    code, out, _ = run(*words, "--json")
    assert code == 2
    assert json.loads(out)["error"]["remedy"]


def test_why_tells_the_plan_in_a_paragraph_and_prices_on_request(
    small_book: str, small_market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["account", "why", "A000001", "--book", small_book]
    assert cli.run([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["explained"] == "No plan has been made for this account yet."
    assert "prices" not in told
    assert cli.run([*words, "--prices", "--market", str(small_market), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["prices"]["status"] == "solved"
