"""`sma tax year`: tables, one JSON document, form files, and errors that help."""

import json
from collections.abc import Callable

import pytest

from opensma import cli

Run = Callable[..., tuple[int, str, str]]
pytestmark = pytest.mark.usefixtures("small_book")


@pytest.fixture
def run(small_book: str, capsys: pytest.CaptureFixture[str]) -> Run:
    def invoke(*words: str) -> tuple[int, str, str]:
        code = cli.run(["tax", "year", *words, "--book", small_book])
        return code, *capsys.readouterr()

    return invoke


def test_tables_tell_the_year(run: Run) -> None:
    code, out, _ = run("A000001", "2024")
    assert code == 0
    for words in ("Realised", "Netting", "Estimated tax 2024, rate table", "one more dollar"):
        assert words in out
    assert "can still change 2024" in out


def test_json_is_one_document_whose_parts_add_up(run: Run) -> None:
    code, out, _ = run("A000001", "2024", "--json")
    told = json.loads(out)
    assert code == 0
    tax = told["household"]["liability"]
    assert sum(tax["parts_cents"]) == tax["total_cents"]
    full = told["full"]
    assert full["value_cents"] == full["deferral_cents"] + full["rate_difference_cents"]
    assert told["forms"]["rows"] == len(told["rows"])


def test_assumptions_are_the_users(run: Run) -> None:
    _, out, _ = run("A000001", "2024", "--json", "--horizon", "0", "--later-rate", "20%")
    told = json.loads(out)
    assert told["assumed"]["later_rate_millionths"] == 200_000
    assert told["full"]["deferral_cents"] == 0


def test_csv_is_the_form_and_nothing_else(run: Run) -> None:
    _, out, _ = run("A000001", "2024", "--csv")
    _, document, _ = run("A000001", "2024", "--json")
    lines = out.splitlines()
    assert lines[0].startswith("account,owner,box,")
    assert len(lines) - 1 == json.loads(document)["forms"]["rows"]


def test_the_day_can_be_chosen(run: Run) -> None:
    code, out, _ = run("A000001", "2024", "--as-of", "2025-03-03")
    assert code == 0
    assert "is final since" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("nobody", "2024"), "account.unknown"),
        (("A000001", "2024", "--later-rate", "300"), "value.assumption"),
        (("A000001", "2031"), "tax.as_of"),
        (("A000001", "2024", "--csv", "--json"), "tax.format"),
    ],
)
def test_errors_help(run: Run, words: tuple[str, ...], expected: str) -> None:
    code, out, err = run(*words)
    assert code == 2
    assert expected in out + err
