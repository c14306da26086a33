"""Who chose the lots, when, and until when that can change (L2, L3)."""

from __future__ import annotations

from typing import Any

import pytest

from opensma.errors import InputError
from opensma.tax.replay import replay

Row = dict[str, Any]


def buy(seq: int, day: str, qty: str, amount: str) -> Row:
    return {"seq": seq, "date": day, "type": "buy", "account": "A", "security": "X",
            "lot": f"L{seq}", "qty": qty, "amount": amount}  # fmt: skip


def sell(seq: int, day: str, **fields: Any) -> Row:
    return {"seq": seq, "date": day, "type": "sell", "account": "A", "security": "X",
            "qty": "10", "amount": "150.00", **fields}  # fmt: skip


def choose(seq: int, day: str, sale: int, **fields: Any) -> Row:
    return {"seq": seq, "date": day, "type": "choose_lots", "sell": sale, **fields}


LOTS = (
    buy(1, "2023-01-03", "50", "500.00"),
    buy(2, "2023-02-01", "50", "1000.00"),
    buy(3, "2023-03-01", "50", "700.00"),
)


def run(*events: Row, methods: list[Row] | None = None, method: str = "FIFO") -> Row:
    account: Row = {"id": "A", "type": "taxable", "household": "H", "owner": "P"}
    if methods is not None:
        account["methods"] = methods
    return replay({"method": method, "accounts": [account], "events": [*LOTS, *events]})


def sold(answer: Row) -> list[str]:
    assert "error" not in answer, answer["error"]
    return [row["lot"] for row in answer["closed"]]


def refusal(answer: Row) -> tuple[str, int]:
    return answer["error"]["reason"], answer["error"]["seq"]


# --- standing orders (L3) ------------------------------------------------------------------------

HIFO = {"method": "HIFO", "from": "2024-02-01", "instructed_by": "owner"}


def test_l3_a_standing_order_holds_from_its_day_on_and_not_before() -> None:
    sales = [sell(4, "2024-01-31"), sell(5, "2024-02-01"), sell(6, "2024-06-03")]
    lifo = {"method": "LIFO", "from": "2024-06-03"}
    assert sold(run(*sales, methods=[lifo, HIFO])) == ["L1", "L2", "L3"]


def test_l3_rows_of_a_standing_order_say_so() -> None:
    answer = run(sell(4, "2024-01-31"), sell(5, "2024-02-01"), methods=[HIFO])
    first, second = answer["closed"]
    assert "instruction" not in first
    assert second["instruction"] == {
        "standing": "HIFO", "from": "2024-02-01", "instructed_by": "owner"
    }  # fmt: skip


def test_l3_a_standing_order_cannot_be_given_afterwards() -> None:
    with pytest.raises(InputError, match="before it was given"):
        run(methods=[HIFO | {"instructed_at": "2024-02-02"}])


@pytest.mark.parametrize(
    "methods",
    [
        [{"method": "AVERAGE", "from": "2024-01-02"}],
        [{"method": "HIFO"}],
        [{"method": "HIFO", "from": "2024-02-30"}],
        [HIFO, HIFO],
        ["HIFO"],
        "HIFO",
    ],
)
def test_l3_a_spoiled_standing_order_is_refused(methods: Any) -> None:
    with pytest.raises(InputError) as caught:
        run(methods=methods)
    assert caught.value.code == "case.methods"


# --- the choice of one order (L2) ----------------------------------------------------------------


def test_l2_a_sale_can_name_its_own_method() -> None:
    answer = run(sell(4, "2024-03-01", method="LIFO"), sell(5, "2024-03-01"), methods=[HIFO])
    assert sold(answer) == ["L3", "L2"]
    assert answer["closed"][0]["instruction"] == {"chosen": "LIFO"}


def test_l2_who_chose_and_when_is_returned_with_the_rows() -> None:
    by = {"instructed_by": "adviser", "instructed_at": "2024-03-01T15:02:00Z"}
    answer = run(sell(4, "2024-03-01", picks=[{"lot": "L2", "qty": "10"}], **by))
    assert answer["closed"][0]["instruction"] == {"chosen": "picks", **by}


def test_l2_without_an_instruction_rows_stay_as_they_were() -> None:
    answer = run(sell(4, "2024-03-01", picks=[{"lot": "L2", "qty": "10"}]), sell(5, "2024-03-04"))
    assert not any("instruction" in row for row in answer["closed"])


@pytest.mark.parametrize("fields", [{"method": "AVERAGE"}, {"method": "BEST"}, {"method": ""}])
def test_l2_a_method_that_is_none_is_refused(fields: Row) -> None:
    reason, seq = refusal(run(sell(4, "2024-03-01", **fields)))
    assert (reason.split(".")[0], seq) == ("event", 4)


def test_l8_average_leaves_no_choice() -> None:
    sale = sell(4, "2024-03-01", method="LIFO")
    assert refusal(run(sale, method="AVERAGE")) == ("event.method", 4)


# --- changed until settlement --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sold_on", "last"),
    [
        ("2024-05-29", "2024-05-30"),  # T+1
        ("2024-05-24", "2024-05-29"),  # T+2, over Memorial Day
        ("2017-09-01", "2017-09-07"),  # T+3, over Labor Day
        ("2024-08-02", "2024-08-05"),  # T+1, over a weekend
    ],
)
def test_l2_a_choice_can_change_until_settlement(sold_on: str, last: str) -> None:
    lots = [{**event, "date": "2016-01-04"} for event in LOTS]
    account = {"id": "A", "type": "taxable", "household": "H", "owner": "P"}
    year, month, day = last.split("-")
    late = f"{year}-{month}-{int(day) + 1:02d}"
    for chosen_on, expected in ((last, "L2"), (late, "")):
        events = [*lots, sell(4, sold_on), choose(5, chosen_on, 4, method="HIFO")]
        answer = replay({"accounts": [account], "events": events})
        if expected:
            assert sold(answer) == [expected]
        else:
            assert refusal(answer) == ("lots.frozen", 5)
            assert "settled on " + last in answer["error"]["message"]


def test_l2_a_refused_choice_leaves_the_sale_as_it_was() -> None:
    answer = run(sell(4, "2024-06-03"), choose(5, "2024-06-10", 4, method="HIFO"))
    assert {row["lot"]: row["qty"] for row in answer["open"]} == {
        "L1": "40", "L2": "50", "L3": "50"
    }  # fmt: skip


def test_l2_the_last_choice_in_time_counts_and_is_named() -> None:
    answer = run(
        choose(7, "2024-06-04", 4, method="LIFO", instructed_by="owner"),
        choose(6, "2024-06-03", 4, picks=[{"lot": "L2", "qty": "10"}]),
        sell(4, "2024-06-03", picks=[{"lot": "L1", "qty": "10"}]),
    )
    assert sold(answer) == ["L3"]
    assert answer["closed"][0]["instruction"] == {
        "chosen": "LIFO", "instructed_by": "owner", "instructed_at": "2024-06-04", "event": 7
    }  # fmt: skip


def test_l2_a_sale_can_say_when_it_settles() -> None:
    sale = sell(4, "2024-06-03", settles="2024-06-17")
    assert sold(run(sale, choose(5, "2024-06-17", 4, method="HIFO"))) == ["L2"]
    assert refusal(run(sale, choose(5, "2024-06-18", 4, method="HIFO"))) == ("lots.frozen", 5)


def test_l2_an_instruction_after_settlement_is_none() -> None:
    sale = sell(4, "2024-06-03", method="HIFO", instructed_at="2024-06-05")
    assert refusal(run(sale)) == ("lots.frozen", 4)


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        (choose(5, "2024-06-03", 99, method="HIFO"), "event.no_such_sale"),
        (choose(5, "2024-06-03", 1, method="HIFO"), "event.no_such_sale"),
        (choose(3_000, "2024-05-31", 4, method="HIFO"), "event.no_such_sale"),
        (choose(5, "2024-06-03", 4), "event.choice"),
        (choose(5, "2024-06-03", 4, method="HIFO", picks=[]), "event.choice"),
        (choose(5, "2024-06-03", 4, picks=[{"lot": "NONE", "qty": "10"}]), "lots.unknown"),
        (choose(5, "2024-06-03", 4, picks=[{"lot": "L1", "qty": "9"}]), "event.picks_sum"),
    ],
)
def test_l2_a_choice_that_cannot_be_is_refused_under_its_own_number(
    choice: Row, reason: str
) -> None:
    assert refusal(run(sell(4, "2024-06-03"), choice)) == (reason, choice["seq"])
