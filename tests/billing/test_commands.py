"""`sma bill` as a person and a script use it, on a small demo book."""

import json
from pathlib import Path
from typing import Any

import pytest

from opensma.book.master import AccountRecord, all_records
from opensma.book.store import open_book
from opensma.cli import run

TIERS = [
    {"up_to": 500000, "rate": 0.01},
    {"up_to": 2000000, "rate": 0.0075},
    {"up_to": None, "rate": 0.005},
]


class Sma:
    """Runs `sma bill` against one book and gives what it prints."""

    def __init__(self, book: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.book, self.capsys = book, capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self.capsys.readouterr()
        assert run(["bill", *arguments, "--book", self.book]) == code
        return self.capsys.readouterr().out

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self(*arguments, "--json", code=code))
        return document


@pytest.fixture
def sma(small_book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Sma:
    """The demo's book with one agreement for each of its households."""
    households: dict[str, list[AccountRecord]] = {}
    with open_book(small_book).read() as connection:
        for account in all_records(connection, AccountRecord):
            households.setdefault(account.taxpayer_id, []).append(account)
    agreements = [
        {
            "agreement": taxpayer, "version": 1, "valid_from": "2023-01-01", "schedule": "core",
            "timing": "arrears", "frequency": "quarterly", "basis": "average_daily",
            "members": [a.account_id for a in accounts],
            "payees": [
                {"payee": "platform", "role": "platform", "bps": 1_000},
                {"payee": "sponsor", "role": "sponsor", "bps": 1_333},
                {"payee": accounts[0].advisor_id, "role": "advisor", "bps": 5_167},
                {"payee": "manager", "role": "manager", "bps": 2_500},
            ],
        }
        for taxpayer, accounts in sorted(households.items())
    ]  # fmt: skip
    core = {
        "schedule": "core", "version": 1, "valid_from": "2023-01-01", "style": "tiered",
        "tiers": TIERS,
    }  # fmt: skip
    path = tmp_path / "terms.json"
    path.write_text(json.dumps({"schedules": [core], "agreements": agreements}))
    made = Sma(small_book, capsys)
    assert len(made.json("schedules", str(path))["added"]) == 1 + len(agreements)
    return made


def test_a_quarter_of_the_demo_is_billed_and_paid_out_to_the_cent(sma: Sma) -> None:
    seen = sma.json("preview", "--period", "2024Q3")
    done = sma.json("run", "--period", "2024Q3")
    assert (seen["status"], done["status"]) == ("preview", "released")
    assert seen["billed_cents"] == done["billed_cents"] > 0
    assert sum(p["cents"] for p in done["payouts"]) == done["billed_cents"]
    for invoice in done["invoices"]:
        cents = invoice["invoice"]["amount_cents"]
        assert sum(line["amount_cents"] for line in invoice["lines"]) == cents
        assert sum(part["amount_cents"] for part in invoice["payouts"]) == cents
        assert all(line["schedule_version"] == 1 for line in invoice["lines"])


def test_a_released_invoice_shows_its_lines_and_payees(sma: Sma) -> None:
    done = sma.json("run", "--period", "2024Q3")["invoices"][0]
    name = done["invoice"]["invoice_id"]
    document = sma.json("show", name)
    assert document["stands"]
    assert document["invoice"] == done["invoice"]
    assert document["lines"] == done["lines"]
    ordered = sorted(done["payouts"], key=lambda p: (p["account_id"], p["payee"]))
    assert document["payouts"] == ordered
    printed = sma("show", name)
    assert all(line["sentence"] in printed for line in document["lines"])
    sma("reverse", "--period", "2024Q3")
    assert not sma.json("show", name)["stands"]
    assert sma.json("show", "none", code=2)["error"]["code"] == "invoice.unknown"


def test_a_second_run_says_that_nothing_was_changed(sma: Sma) -> None:
    sma("run", "--period", "2024Q3")
    assert "2024Q3 is billed already" in sma("run", "--period", "2024Q3")
    assert sma.json("run", "--period", "2024Q3")["status"] == "nothing_to_do"


def test_a_quarter_without_its_last_day_is_held_with_the_day_named(sma: Sma) -> None:
    printed = sma("run", "--period", "2024Q4", code=1)
    assert "no value on 2024-12-31" in printed
    document = sma.json("preview", "--period", "2024Q4", code=1)
    assert document["invoices"] == []
    assert document["held"]


def test_a_reversal_is_shown_and_done_once(sma: Sma) -> None:
    billed = sma.json("run", "--period", "2024Q3")["billed_cents"]
    back = sma.json("reverse", "--period", "2024Q3")
    assert sum(row["cents"] for row in back["reversed"]) == -billed
    assert "nothing to reverse" in sma("reverse", "--period", "2024Q3")
    assert sma.json("run", "--period", "2024Q3")["billed_cents"] == billed


def test_corrections_are_listed_with_exit_code_one_and_change_nothing(sma: Sma) -> None:
    sma("run", "--period", "2024Q3")
    assert "Invoices that differ: 0" in sma("corrections", "--period", "2024Q3")
    with open_book(sma.book).write() as connection:
        connection.exec_driver_sql("UPDATE account_days SET value_cents = value_cents * 2")
    document = sma.json("corrections", "--period", "2024Q3", code=1)
    assert all(c["difference_cents"] > 0 for c in document["corrections"])
    printed = sma("corrections", "--period", "2024Q3", code=1)
    assert "Proposed corrections: 2024Q3" in printed
    assert f"Invoices that differ: {len(document['corrections'])}" in printed


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "--period", "2024Q7"], "billing.period"),
        (["reverse", "--period", "2024Q3", "--invoice", "none"], "billing.invoice_unknown"),
        (["schedules", "no-such-file.json"], "file.missing"),
    ],
)
def test_mistakes_have_a_code_a_place_and_a_remedy(
    sma: Sma, arguments: list[str], code: str
) -> None:
    error = sma.json(*arguments, code=2)["error"]
    assert error["code"] == code
    assert error["where"]
    assert error["remedy"]


def test_a_file_that_is_no_json_is_refused(sma: Sma, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    assert sma.json("schedules", str(path), code=2)["error"]["code"] == "billing.file"
    path.write_text("[]")
    assert sma.json("schedules", str(path), code=2)["error"]["code"] == "billing.file"


def test_a_period_without_agreements_says_what_to_do(sma: Sma) -> None:
    assert "load some with sma bill schedules" in sma("run", "--period", "2024M9")
