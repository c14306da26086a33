"""`sma tax forms` and `sma tax reconcile` as people type them."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.tax.forms_cases import case_of, trade

from opensma import cli
from opensma.tax import Policy, from_csv, from_txf
from opensma.tax.forms import Form1099BRow, Form8949Row

CASE = case_of(
    trade(1, "2022-01-03", "buy", 10, "100.00"),
    trade(2, "2024-06-03", "sell", 10, "60.00"),
    trade(3, "2024-06-10", "buy", 4, "24.00", account="B"),
    trade(4, "2024-08-01", "sell", 4, "50.00", account="B"),
)


@pytest.fixture
def trades(tmp_path: Path) -> str:
    path = tmp_path / "trades.json"
    path.write_text(json.dumps(CASE))
    return str(path)


def answer(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code = cli.run([*words, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_form_8949_as_a_document(trades: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = answer(capsys, "tax", "forms", trades, "--year", "2024")
    assert code == 0
    assert [(r["account"], r["box"], r["code"], r["gain"]) for r in told["rows"]] == [
        ("A", "D", "", "-24.00"),
        ("A", "D", "W", "0.00"),
        ("B", "D", "BT", "10.00"),
    ]
    assert told["totals"][0]["gain"] == "-14.00"
    assert told["policy"] == Policy().as_dict()
    assert told["finality"]["final"] is False


def test_the_table_names_account_owner_and_until_when_the_year_is_open(
    trades: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["tax", "forms", trades, "--year", "2024"]) == 0
    text = capsys.readouterr().out
    assert "Form 8949, 2024: account A of P" in text
    assert "account B of Q" in text
    assert "As of 2024-08-01, 2024 can still change: purchases up to 2025-01-30" in text
    cli.run(["tax", "forms", trades, "--year", "2024", "--as-of", "2025-03-01"])
    assert "2024 is past its wash-sale window as of 2025-03-01." in capsys.readouterr().out


def test_one_owner_alone(trades: str, capsys: pytest.CaptureFixture[str]) -> None:
    _, told = answer(capsys, "tax", "forms", trades, "--year", "2024", "--owner", "Q")
    assert [row["account"] for row in told["rows"]] == ["B"]
    code, told = answer(capsys, "tax", "forms", trades, "--year", "2024", "--owner", "Z")
    assert (code, told["error"]["code"]) == (2, "forms.owner")


def test_schedule_d_for_each_owner_or_for_the_household(
    trades: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("tax", "forms", trades, "--year", "2024", "--form", "schedule-d")
    _, told = answer(capsys, *words)
    assert [(r["return"], r["total"]) for r in told["returns"]] == [("P", "-24.00"), ("Q", "10.00")]
    _, told = answer(capsys, *words, "--status", "joint", "--long-carry", "5,000")
    (joint,) = told["returns"]
    assert (joint["return"], joint["total"], joint["deduction"]) == ("H", "-5014.00", "-3000.00")
    code, told = answer(capsys, *words, "--long-carry", "5000")
    assert (code, told["error"]["code"]) == (2, "forms.several_returns")


def test_files_are_what_the_library_reads(
    trades: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "form"
    words = ["tax", "forms", trades, "--year", "2024", "--out", str(out)]
    assert cli.run([*words, "--format", "csv"]) == 0
    assert len(from_csv(out.read_bytes().decode(), Form8949Row)) == 3
    assert cli.run([*words, "--format", "csv", "--form", "1099-B"]) == 0
    assert len(from_csv(out.read_bytes().decode(), Form1099BRow)) == 2
    assert cli.run([*words, "--format", "txf", "--form", "1099-B"]) == 0
    assert [record.box for record in from_txf(out.read_bytes().decode())] == ["D", "A"]
    assert cli.run([*words, "--format", "json"]) == 0
    assert json.loads(out.read_text())["year"] == 2024
    assert capsys.readouterr().out == ""


def test_what_txf_cannot_carry_is_refused_and_nothing_is_written(
    trades: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "form.txf"
    words = ["tax", "forms", trades, "--year", "2024", "--format", "txf", "--out", str(out)]
    assert cli.run(words) == 2
    assert "txf.code" in capsys.readouterr().err
    assert not out.exists()
    assert cli.run([*words, "--form", "schedule-d"]) == 2
    assert not out.exists()


def test_our_own_form_reconciles_and_a_changed_one_does_not(
    trades: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "1099b.csv"
    words = ["tax", "forms", trades, "--year", "2024", "--form", "1099-B", "--format", "csv"]
    assert cli.run([*words, "--out", str(csv)]) == 0
    reconcile = ["tax", "reconcile", trades, str(csv), "--year", "2024"]
    assert cli.run(reconcile) == 0
    assert "2 compared: 0 matched, 2 explained, 0 unexplained." in capsys.readouterr().out
    changed = tmp_path / "changed.csv"
    changed.write_text(csv.read_text().replace("50.00", "55.00"))
    code, told = answer(capsys, *reconcile, "--corrected", str(changed))
    assert code == 1
    assert told["counts"] == {"matched": 0, "explained": 1, "unexplained": 1}
    assert [change["reasons"] for change in told["corrections"]] == [["corrected"]]


def test_a_statement_of_another_year_is_refused(
    trades: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "1099b.csv"
    csv.write_text("account,security,quantity,sold,proceeds\nA,X,10,2023-06-03,60\n")
    code, told = answer(capsys, "tax", "reconcile", trades, str(csv), "--year", "2024")
    assert (code, told["error"]["code"]) == (2, "custodian.year")


def test_accounts_of_another_custodian_are_left_out_by_name(
    trades: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "1099b.csv"
    csv.write_text("account,security,quantity,sold,proceeds,basis\nA,X,10,2024-06-03,60,100\n")
    code, told = answer(capsys, "tax", "reconcile", trades, str(csv), "--year", "2024")
    assert (code, told["accounts_not_on_the_statement"]) == (0, ["B"])
    csv.write_text("account,security,quantity,sold,proceeds\n")
    code, told = answer(capsys, "tax", "reconcile", trades, str(csv), "--year", "2024")
    assert (code, told["error"]["code"]) == (2, "custodian.empty")


@pytest.mark.parametrize(
    ("form", "option"),
    [
        ("8949", "--joined"),
        ("1099-B", "--direct"),
        ("1099-B", "--whole-dollars"),
        ("8949", "--short-carry=5"),
        ("8949", "--taxable-income=0"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    trades: str, form: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("tax", "forms", trades, "--year", "2024", "--form", form, option)
    code, told = answer(capsys, *words)
    assert (code, told["error"]["code"]) == (2, "forms.option")


def test_a_history_that_cannot_be_names_its_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trades.json"
    path.write_text(json.dumps(case_of(trade(7, "2024-06-03", "sell", 10, "60.00"))))
    code, told = answer(capsys, "tax", "forms", str(path), "--year", "2024")
    assert (code, told["error"]["code"], told["error"]["where"]) == (2, "lots.oversold", "event 7")
