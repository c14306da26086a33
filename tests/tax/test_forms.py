"""Form 8949: boxes, codes and identity per row, and what the broker's 1099-B will not show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from opensma.tax.forms import differences, form_8949
from opensma.tax.replay import Policy, run

Row = dict[str, Any]
CASES = Path(__file__).parent / "cases"
ACCOUNTS = [
    {"id": "A", "type": "taxable", "household": "H", "owner": "P"},
    {"id": "IRA", "type": "ira", "household": "H", "owner": "P"},
]


def trade(seq: int, day: str, kind: str, qty: int, amount: str, **more: str) -> Row:
    row = {"seq": seq, "date": day, "type": kind, "account": "A", "security": "X"}
    return row | {"qty": str(qty), "amount": amount, "lot": f"L{seq}"} | more


def case_of(*events: Row) -> Row:
    return {"method": "FIFO", "accounts": ACCOUNTS, "events": list(events)}


def test_f5_a_wash_sale_has_code_w_and_its_adjustment() -> None:
    (line,) = form_8949(run(json.loads((CASES / "irs_p550_wash_1.json").read_text())), 2014)
    assert (line.box, line.description, line.acquired) == ("A", "100 X", "2014-05-01")
    assert (line.proceeds_cents, line.basis_cents) == (750_00, 1000_00)
    assert (line.code, line.adjustment_cents, line.gain_cents) == ("W", 250_00, 0)


def test_f4_boxes_follow_term_and_coverage() -> None:
    state = run(
        case_of(
            trade(1, "2010-12-31", "buy", 10, "100.00"),
            trade(2, "2011-01-03", "buy", 10, "100.00"),
            trade(3, "2012-06-01", "sell", 20, "300.00"),
            trade(4, "2012-07-02", "buy", 10, "100.00"),
            trade(5, "2012-08-01", "sell", 10, "150.00"),
        )
    )
    assert [line.box for line in form_8949(state, 2012)] == ["A", "E", "D"]
    assert form_8949(state, 2011) == []


def test_f1_inherited_shares_say_so() -> None:
    death = {"seq": 1, "date": "2024-01-02", "type": "inherit", "account": "A", "security": "X"}
    state = run(
        case_of(
            death | {"lot": "L1", "qty": "5", "fmv": "50.00"},
            trade(2, "2024-02-01", "sell", 5, "60.00"),
        )
    )
    (line,) = form_8949(state, 2024)
    assert (line.acquired, line.box) == ("INHERITED", "D")


def test_f7_a_retirement_account_is_not_reported() -> None:
    state = run(
        case_of(
            trade(1, "2024-01-02", "buy", 5, "50.00", account="IRA"),
            trade(2, "2024-02-01", "sell", 5, "60.00", account="IRA"),
        )
    )
    assert form_8949(state, 2024) == []


def test_f6_the_broker_does_not_see_a_purchase_in_another_account() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"),
        trade(2, "2024-06-03", "sell", 10, "60.00"),
        trade(3, "2024-06-10", "buy", 10, "60.00", account="IRA"),
    )
    (found,) = differences(run(case), run(case, Policy(view="broker")))
    assert (found.account, found.lot, found.codes) == ("A", "L1", "W")
    assert (found.basis_cents, found.disallowed_cents) == (0, 40_00)


def test_f6_a_carried_loss_changes_basis_and_term_of_the_later_sale() -> None:
    case = case_of(
        trade(1, "2023-01-03", "buy", 10, "100.00"),
        trade(2, "2024-06-03", "sell", 10, "60.00"),
        trade(3, "2024-06-10", "buy", 10, "60.00", security="Y"),
        trade(4, "2024-12-02", "sell", 10, "120.00", security="Y"),
    ) | {"substantially_identical": [["X", "Y"]]}
    first, second = differences(run(case), run(case, Policy(view="broker")))
    assert (first.lot, first.codes) == ("L1", "W")
    assert (second.lot, second.codes, second.basis_cents) == ("L3", "BT", 40_00)


@pytest.mark.parametrize("path", sorted(CASES.glob("scn_*.json")), ids=lambda p: p.stem)
def test_f2_the_form_adds_up_to_the_reportable_gain(path: Path) -> None:
    case = json.loads(path.read_text())
    state = run(case)
    years = {int(event["date"][:4]) for event in case["events"]}
    total = sum(line.gain_cents for year in years for line in form_8949(state, year))
    expected = case["expect"]["totals"]["reportable_gain"]
    assert f"{total / 100:.2f}" == expected
