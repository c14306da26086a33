"""Late, corrected and cancelled events (D9, D10, I9), and why a loss was disallowed (I13)."""

from __future__ import annotations

import random
from fractions import Fraction
from typing import Any

import pytest

from opensma.cli._lots_bench import generate
from opensma.errors import InputError
from opensma.tax.replay import replay, restate
from opensma.tax.replay.restate import amend

Row = dict[str, Any]
ACCOUNTS = [
    {"id": "A", "type": "taxable", "household": "H", "owner": "P"},
    {"id": "I", "type": "ira", "household": "H", "owner": "P"},
    {"id": "S", "type": "taxable", "household": "H", "owner": "Q"},
    {"id": "Z", "type": "taxable", "household": "OTHER", "owner": "R"},
]


def buy(seq: int, day: str, qty: str, amount: str, account: str = "A", **fields: Any) -> Row:
    return {"seq": seq, "date": day, "type": "buy", "account": account, "security": "X",
            "lot": f"L{seq}", "qty": qty, "amount": amount, **fields}  # fmt: skip


def sell(seq: int, day: str, qty: str, amount: str, account: str = "A", **fields: Any) -> Row:
    return {"seq": seq, "date": day, "type": "sell", "account": account, "security": "X",
            "qty": qty, "amount": amount, **fields}  # fmt: skip


def case(*events: Row, **more: Any) -> Row:
    return {"accounts": ACCOUNTS, "events": list(events), **more}


LOSS = (
    buy(1, "2024-05-01", "100", "1000.00"),
    sell(2, "2024-12-20", "100", "750.00"),
    buy(3, "2024-05-01", "100", "1000.00", "Z"),
    sell(4, "2024-12-20", "100", "750.00", "Z"),
)


@pytest.mark.parametrize("seed", range(8))
def test_i9_a_late_trade_gives_what_it_would_have_given_in_order(seed: int) -> None:
    whole = generate(400, 4, seed, "HIFO")
    chance = random.Random(seed)
    bought = [e for e in whole["events"] if e["type"] == "buy"]
    late = chance.sample(bought, 5)
    early = [e for e in whole["events"] if e not in late]
    answer = restate({**whole, "events": early}, late)
    assert {k: v for k, v in answer.items() if k != "changes"} == replay(whole)


def test_d10_a_late_purchase_is_told_with_everything_it_changed() -> None:
    late = [buy(9, "2025-01-10", "40", "320.00")]
    told = restate(case(*LOSS), late)["changes"]
    assert [(row["lot"], row["gain_change"]) for row in told["closed"]] == [("L1", "100.00")]
    (wash,) = told["wash_sales"]
    assert wash["before"]["disallowed"] == "0.00"
    assert wash["after"] == {
        "disallowed": "100.00", "permanently_disallowed": "0.00", "replaced_by": ["L9"]
    }  # fmt: skip
    assert [row["lot"] for row in told["open"]] == ["L9"]
    assert told["totals"]["gain"] == {"before": "-500.00", "after": "-400.00", "change": "100.00"}


def test_w22_a_january_purchase_reopens_the_forms_of_december() -> None:
    told = restate(case(*LOSS), [buy(9, "2025-01-10", "40", "320.00")])["changes"]
    assert told["forms"] == [
        {"year": 2024, "forms": ["1099-B", "8949"], "accounts": ["A"],
         "short_term_gain_change": "100.00", "long_term_gain_change": "0.00"}
    ]  # fmt: skip


def test_i10_nothing_changes_for_another_household() -> None:
    told = restate(case(*LOSS), [buy(9, "2025-01-10", "40", "320.00", "I")])["changes"]
    assert told["households"] == ["H"]
    everyone = {row["account"] for part in ("closed", "open") for row in told[part]}
    assert everyone == {"A", "I"}


def test_d10_a_late_lot_is_sold_instead_of_a_younger_one() -> None:
    told = restate(case(*LOSS), [buy(9, "2020-01-02", "30", "100.00")])["changes"]
    assert told["terms"] == []  # fewer of L1 were sold, all of them short-term as before
    assert {row["lot"]: (len(row["before"]), len(row["after"])) for row in told["closed"]} == {
        "L1": (1, 1), "L9": (0, 1)
    }  # fmt: skip
    assert told["forms"][0]["long_term_gain_change"] == "125.00"


def test_d10_a_corrected_date_changes_the_term() -> None:
    corrected = {"corrects": 1, **{k: v for k, v in LOSS[0].items() if k != "seq"}}
    corrected["date"] = "2023-05-01"
    told = restate(case(*LOSS), [corrected])["changes"]
    assert [(row["before"], row["after"]) for row in told["terms"]] == [
        ({"ST": "100"}, {"LT": "100"})
    ]


def test_d9_a_correction_leaves_the_case_as_it_was() -> None:
    original = case(*LOSS)
    amended = amend(original, [{"cancels": 4}, {"corrects": 2, **sell(2, "2024-12-20", "50", "9")}])
    assert original == case(*LOSS)
    assert [event["seq"] for event in amended["events"]] == [1, 2, 3]
    assert amended["events"][1]["qty"] == "50"


def test_d10_what_cuts_a_lot_into_other_rows_only_is_no_change() -> None:
    """A late purchase and sale of another security touch nothing of X."""
    late = [
        buy(9, "2024-06-03", "10", "50.00", security="Y"),
        sell(10, "2024-12-20", "10", "60.00", security="Y"),
    ]
    told = restate(case(*LOSS), late)["changes"]
    assert {row["security"] for row in (*told["closed"], *told["open"])} == {"Y"}
    assert told["wash_sales"] == []


def test_d10_a_late_event_that_cannot_be_is_the_answer() -> None:
    answer = restate(case(*LOSS), [sell(9, "2024-06-03", "500", "1.00")])
    assert (answer["error"]["seq"], answer["error"]["code"]) == (9, "INSUFFICIENT_LOTS")


def test_d10_a_late_purchase_can_repair_a_history() -> None:
    answer = restate(case(*LOSS[1:]), [LOSS[0]])
    assert answer["changes"]["repairs"]["seq"] == 2
    assert answer["totals"]["gain"] == "-500.00"


@pytest.mark.parametrize(
    ("late", "code"),
    [
        ([{"cancels": 99}], "late.no_target"),
        ([{"corrects": "1"}], "late.no_target"),
        ([{"cancels": 1, "corrects": 1}], "late.no_target"),
        ([{"cancels": 1}, {"cancels": 1}], "late.twice"),
        (["buy"], "late.not_event"),
    ],
)
def test_a_spoiled_correction_is_refused_by_name(late: list[Any], code: str) -> None:
    with pytest.raises(InputError) as caught:
        restate(case(*LOSS), late)
    assert caught.value.code == code


# --- explanations ------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["FIFO", "HIFO", "TLO"])
def test_i13_every_disallowed_dollar_is_explained(method: str) -> None:
    history = generate(600, 3, 5, method)
    answer = replay(history, explain=True)
    told = answer["explanations"]
    assert sum(Fraction(row["disallowed"]) for row in told) == Fraction(
        answer["totals"]["disallowed"]
    )
    assert all(abs(row["replacement"]["days_from_sale"]) <= 30 for row in told)  # W1
    washed = [row for row in answer["closed"] if row.get("code") == "W"]
    for row, why in zip(washed, told, strict=True):
        assert [{"lot": why["replacement"]["lot"], "qty": why["replacement"]["qty"]}] == row[
            "replaced_by"
        ]
        gone = "permanently_disallowed" in row
        assert ("W9" in why["rules"]) != gone
        assert ("W14" in why["rules"]) == (why["replacement"]["account"] == "IRA")
        assert ("W16" in why["rules"]) == (why["replacement"]["account"] != row["account"])


def test_i13_without_asking_the_answer_stays_as_it_was() -> None:
    assert "explanations" not in replay(case(*LOSS))


def test_i13_an_explanation_names_shares_days_rules_and_policies() -> None:
    events = (*LOSS, buy(9, "2025-01-10", "40", "320.00", "S"))
    answer = replay(case(*events, policy={"spouse_adjustment": "lost"}), explain=True)
    (why,) = answer["explanations"]
    assert why["replacement"] == {
        "account": "S", "security": "X", "lot": "L9", "qty": "40",
        "acquired": "2025-01-10", "days_from_sale": 21,
    }  # fmt: skip
    assert why["effect"] == {"permanently_disallowed": "100.00"}
    assert {"W15", "W16", "W22"} <= set(why["rules"])
    assert why["policy"]["spouse_adjustment"] == "lost"
    assert "21 days after the sale" in why["text"]
