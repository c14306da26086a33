"""Replay and auditor on the same random histories must agree in every row (I12).

The long run is `tools/audit_ledgers.py`; a seed that ever failed stands in `FOUND`.
"""

from __future__ import annotations

import importlib.util
from collections import Counter
from functools import cache
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given

from opensma.tax.holding import is_long_term
from opensma.tax.replay import replay
from opensma.tax.replay.engine import HANDLERS

from .auditor import Auditor, audit, is_long
from .compare import disagreements
from .ledgers import METHODS, POLICIES, ledger, ledgers

Row = dict[str, Any]
SEEDS = range(400)


@cache
def drawn(seed: int) -> tuple[Row, Row]:
    return ledger(Random(seed))


@given(ledgers())
def test_i12_replay_and_auditor_agree(both: tuple[Row, Row]) -> None:
    case, exact = both
    assert disagreements(case, replay(case), exact) == []


def test_i12_replay_and_auditor_agree_on_the_seeds_of_the_long_run() -> None:
    drawings = {seed: drawn(seed) for seed in SEEDS}
    assert not [
        seed for seed, (case, exact) in drawings.items() if disagreements(case, replay(case), exact)
    ]


def test_the_generator_books_along_what_the_auditor_says_of_the_whole() -> None:
    """The answer that comes with a case is that of a fresh auditor on its shuffled events."""
    for seed in SEEDS[:100]:
        case, exact = drawn(seed)
        again = audit(case)
        assert again.get("totals") == exact.get("totals")
        assert again.get("error") == exact.get("error")


def test_the_random_histories_hold_what_is_to_be_tested() -> None:
    """A property that nothing can break proves nothing."""
    found: Counter[str] = Counter()
    for seed in SEEDS:
        case, exact = drawn(seed)
        found.update({f"type {event['type']}" for event in case["events"]})
        found[f"method {case['method']}"] += 1
        found.update(f"{name} {value}" for name, value in case["policy"].items())
        found["refused"] += "error" in exact
        found["households"] += len({a["household"] for a in case["accounts"]}) > 1
        for row in exact.get("closed", ()):
            found["washed"] += row.get("code") == "W"
            found["lost for good"] += row["permanently_disallowed"] > 0
            found["long"] += row["term"] == "LT"
        lots = [(row["account"], row["lot"]) for row in exact["open"]]
        found["parts of a lot"] += len(set(lots)) < len(lots)
    assert found["washed"] > len(SEEDS)
    assert min(found[name] for name in ("lost for good", "long", "parts of a lot")) > 50
    assert min(found[f"method {name}"] for name in METHODS) > 5
    assert not [name for name in (*HANDLERS, "sell") if found[f"type {name}"] < 5]
    others = [f"{name} {value}" for name, values in POLICIES.items() for value in values[1:]
              if value != values[0]]  # fmt: skip
    assert not [name for name in others if found[name] < 5]
    assert min(found["refused"], found["households"]) > 20


@pytest.mark.parametrize(
    ("module", "name", "wrong"),
    [
        ("washing.WINDOW_DAYS", "W1", 29),
        ("washing.WINDOW_DAYS", "W1", 31),
        ("dividends.WINDOW_DAYS", "Q1", 61),
        ("washing._for_good", "W14", lambda *_: False),
    ],
)
def test_a_wrong_engine_is_found(
    monkeypatch: pytest.MonkeyPatch, module: str, name: str, wrong: object
) -> None:
    monkeypatch.setattr(f"opensma.tax.replay.{module}", wrong)
    assert any(disagreements(drawn(s)[0], replay(drawn(s)[0]), drawn(s)[1]) for s in SEEDS), name


def test_h2_law_and_auditor_count_the_year_alike() -> None:
    """Every pair of days around three leap years, one walked, one computed."""
    from datetime import date

    for start in (date(2015, 2, 20), date(2016, 2, 20), date(2019, 2, 20), date(2023, 12, 25)):
        for first in range(start.toordinal(), start.toordinal() + 20):
            for last in range(first + 355, first + 375):
                walked = is_long(date.fromordinal(first), date.fromordinal(last))
                assert walked == is_long_term(first, last)


@cache
def tool() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "tools" / "audit_ledgers.py"
    spec = importlib.util.spec_from_file_location("audit_ledgers", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_tool(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr("sys.argv", ["audit_ledgers.py", *words])
    code: int = tool().main()
    return code


def test_the_long_run_tells_what_it_saw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_tool(monkeypatch, "--count", "40", "--seed", "1") == 0
    told = dict(line.split()[:2] for line in capsys.readouterr().out.splitlines() if " " in line)
    assert told["ledgers"] == "40"
    assert told["disagreements"] == "0"


def test_the_long_run_fails_with_the_seeds_of_disagreements(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("opensma.tax.replay.washing.WINDOW_DAYS", 5)
    assert run_tool(monkeypatch, "--count", "40", "--seed", "1") == 1
    assert "  seed " in capsys.readouterr().out


# Histories on which engine and auditor once differed, smallest form first.

ACCOUNTS = [{"id": name, "type": "taxable", "household": "H", "owner": "P"} for name in ("A", "B")]


def agree(events: list[Row], **frame: Any) -> Row:
    rows = [
        {"seq": number, "account": "A", "security": "X", **event}
        for number, event in enumerate(events, 1)
    ]
    case = {"method": "FIFO", "accounts": ACCOUNTS, "events": rows, **frame}
    answer = replay(case)
    assert disagreements(case, answer, audit(case)) == []
    return answer


def buy(day: str, lot: str, qty: str, amount: str, **more: Any) -> Row:
    return {"date": day, "type": "buy", "lot": lot, "qty": qty, "amount": amount, **more}


def test_c6_a_cash_merger_line_by_line_leaves_no_share_behind() -> None:
    """What replaced an earlier line was cut off its lot, and stayed open after the merger (P1)."""
    answer = agree(
        [
            buy("2023-01-04", "L1", "2", "1800.00"),
            buy("2023-03-25", "L2", "7", "2100.00"),
            {"date": "2023-03-26", "type": "cash_merger", "cash_per_share": "400"},
        ],
        policy={"sold_together": "line"},
    )
    assert answer["open"] == []


def test_w2_a_merger_does_not_undo_a_purchase_in_the_window() -> None:
    """Shares keep their day of purchase: they replace what is sold after the merger (C4, C12)."""
    answer = agree(
        [
            buy("2023-02-19", "L1", "7", "2800.00", account="B"),
            buy("2023-04-21", "L2", "5", "1000.00"),
            {"date": "2023-04-22", "type": "stock_merger", "new_security": "N", "ratio": "1"},
            {"date": "2023-05-05", "type": "sell", "account": "B", "security": "N", "qty": "7",
             "amount": "1400.00"},
        ]
    )  # fmt: skip
    assert answer["totals"]["disallowed"] == "1000.00"


def test_w13_an_order_waits_for_its_own_last_sale_not_for_another_order() -> None:
    """Order P is complete first; the loss of O met shares that O itself sells a moment later."""
    sale = {"date": "2023-05-05", "type": "sell"}
    answer = agree(
        [
            buy("2023-05-01", "L1", "10", "1000.00"),
            buy("2023-05-02", "L2", "10", "1000.00"),
            buy("2023-05-02", "L3", "5", "500.00", security="Y"),
            sale | {"qty": "10", "amount": "600.00", "order": "O"},
            sale | {"security": "Y", "qty": "5", "amount": "600.00", "order": "P"},
            sale | {"qty": "10", "amount": "600.00", "order": "O"},
        ]
    )
    assert (answer["totals"]["gain"], answer["totals"]["disallowed"]) == ("-700.00", "0.00")


def test_p8_a_lot_in_parts_has_a_fraction_only_as_a_whole() -> None:
    """Half a share of L2 replaced a loss: the lot still has two whole shares, L3 has the half."""
    answer = agree(
        [
            buy("2024-04-08", "L1", "0.5", "350.00", account="B"),
            buy("2024-05-09", "L2", "2", "1000.00"),
            {
                "date": "2024-05-12",
                "type": "sell",
                "account": "B",
                "qty": "0.5",
                "amount": "150.00",
            },
            buy("2024-05-18", "L3", "0.5", "100.00"),
            {"date": "2024-10-12", "type": "cash_in_lieu", "qty": "0.5", "amount": "350.00"},
        ],
        policy={"cash_in_lieu_lot": "fraction"},
    )
    assert answer["closed"][-1]["lot"] == "L3"


def test_s3_one_cover_of_two_short_lots_restarts_shares_for_both() -> None:
    """The second short lot took the shares that the first had already started again."""
    short = {"date": "2024-02-01", "type": "short_sell", "qty": "5", "amount": "500.00"}
    answer = agree(
        [
            buy("2024-01-02", "L1", "5", "500.00"),
            buy("2024-01-03", "L2", "5", "500.00"),
            short | {"lot": "S1"},
            short | {"lot": "S2"},
            {"date": "2024-03-01", "type": "cover", "qty": "10", "amount": "900.00"},
        ]
    )
    assert {row["holding_date"] for row in answer["open"]} == {"2024-03-01"}


def test_w1_a_lot_told_of_late_replaces_by_its_day_of_purchase() -> None:
    """A purchase in between made the replay forget the loss; without it the loss was found (C9)."""
    answer = agree(
        [
            buy("2023-01-17", "L1", "2", "1200.00"),
            {"date": "2023-01-20", "type": "sell", "qty": "2", "amount": "1000.00"},
            buy("2023-02-21", "L2", "5", "4500.00"),
            {"date": "2023-03-02", "type": "transfer_in", "lot": "T", "qty": "3",
             "basis": "2700.00", "acquired": "2023-01-30", "holding_date": "2023-01-30"},
        ]
    )  # fmt: skip
    assert answer["totals"]["disallowed"] == "200.00"


def test_the_auditor_is_an_auditor_and_no_copy() -> None:
    """It shares no code with the engines: its module imports nothing of the project."""
    import inspect

    source = inspect.getsource(inspect.getmodule(Auditor) or Auditor)
    assert "opensma" not in source.replace("`docs/tax.md`", "").split('"""', 2)[2]
