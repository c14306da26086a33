"""`sma account transition|raise-cash|gift|wait|substitute`: figures add up, bad input is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from opensma import cli

Run = Callable[..., tuple[int, str, str]]
ACCOUNT = "A000001"


@pytest.fixture
def run(small_book: str, small_market: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def invoke(verb: str, *words: str) -> tuple[int, str, str]:
        place = ["--book", small_book, "--market", str(small_market)]
        code = cli.run(["account", verb, ACCOUNT, *words, *place])
        return code, *capsys.readouterr()

    return invoke


def told(answer: tuple[int, str, str]) -> Any:
    assert answer[0] == 0, answer
    return json.loads(answer[1])


def test_transition_paths_add_up_and_keep_their_budgets(run: Run) -> None:
    words = ("--years", "2", "--budget", "0", "--budget", "1,000", "--risk-aversion", "100")
    paths = told(run("transition", *words, "--json"))["paths"]
    assert [p["budget"] for p in paths] == [0.0, 1000.0]
    for path in paths:
        assert path["total"] == pytest.approx(path["tax"] + path["cost"] + path["risk"])
        assert [y["day"] for y in path["years"]] == ["2024-12-31", "2025-01-02"]
        assert all(y["lt_gain"] <= path["budget"] + 0.01 for y in path["years"])
    code, out, _ = run("transition", *words)
    assert code == 0
    assert "best" in out


def test_raise_cash_lists_days_with_the_least_tax_first(run: Run) -> None:
    found = told(run("raise-cash", "5,000", "--by", "2025-12-31", "--json"))["choices"]
    totals = [c["tax"] + c["cost"] for c in found if c["status"] == "solved"]
    assert totals == sorted(totals)
    assert {"2024-12-31", "2025-12-31"} <= {c["day"] for c in found}
    assert "least tax first" in run("raise-cash", "5,000", "--by", "2025-12-31")[1]


def test_gift_names_lots_that_sum_to_the_gift(
    small_book: str, small_market: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = 0
    for number in range(1, 13):
        words = ["account", "gift", f"A{number:06d}", "500", "--book", small_book]
        code = cli.run([*words, "--market", str(small_market), "--json"])
        answer = json.loads(capsys.readouterr().out)
        if code == 2:  # no long-term lots with a gain in so young a market
            assert answer["error"]["code"] == "gift.amount"
            continue
        given += 1
        for choice in answer["choices"]:
            assert choice["value"] == pytest.approx(sum(x["value"] for x in choice["lots"]))
            assert choice["value"] <= 500
        assert cli.run([*words, "--market", str(small_market)]) == 0
        assert "not modelled" in capsys.readouterr().out
    assert given


def test_wait_sorts_lots_by_the_worth_of_waiting(run: Run) -> None:
    found = told(run("wait", "--risk-aversion", "10", "--json"))["lots"]
    worth = [x["worth"] for x in found]
    assert worth == sorted(worth)
    for one in found:
        assert one["worth"] == pytest.approx(one["tax_saved"] - one["risk"])


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("gift", "999,999,999"), "gift.amount"),
        (("gift", "much"), "number.invalid"),
        (("raise-cash", "10", "--by", "2020-01-01"), "cash.past"),
        (("substitute", "NOBODY"), "what_if.unknown_security"),
    ],
)
def test_bad_input_is_exit_code_2_with_a_remedy(
    run: Run, words: tuple[str, ...], code: str
) -> None:
    exit_code, out, _ = run(*words, "--json")
    error = json.loads(out)["error"]
    assert (exit_code, error["code"]) == (2, code)
    assert error["remedy"]
