"""Short sales a person has to look at (W24, S4, S5), and stock that became worthless."""

from __future__ import annotations

from typing import Any

import pytest

from opensma.cli._lots_bench import generate
from opensma.tax.replay import replay

Row = dict[str, Any]
ACCOUNTS = [
    {"id": "A", "type": "taxable", "household": "H", "owner": "P"},
    {"id": "B", "type": "taxable", "household": "H", "owner": "Q"},
    {"id": "I", "type": "ira", "household": "H", "owner": "P"},
    {"id": "Z", "type": "taxable", "household": "OTHER", "owner": "R"},
]


def event(seq: int, day: str, kind: str, **fields: Any) -> Row:
    return {"seq": seq, "date": day, "type": kind, "account": "A", "security": "X", **fields}


def buy(seq: int, day: str, amount: str, **fields: Any) -> Row:
    return event(seq, day, "buy", lot=f"L{seq}", qty="10", amount=amount, **fields)


def short(seq: int, day: str, amount: str, **fields: Any) -> Row:
    return event(seq, day, "short_sell", lot=f"S{seq}", qty="10", amount=amount, **fields)


def cover(seq: int, day: str, amount: str, **fields: Any) -> Row:
    return event(seq, day, "cover", qty="10", amount=amount, **fields)


def run(*events: Row, review: str = "on", **more: Any) -> Row:
    case = {"accounts": ACCOUNTS, "events": list(events), "policy": {"review": review}}
    return replay({**case, **more})


# --- constructive sales (S5) ---------------------------------------------------------------------


@pytest.mark.parametrize("holder", ["A", "B"])
def test_s5_a_short_sale_against_shares_with_a_gain_is_refused(holder: str) -> None:
    events = (buy(1, "2024-01-02", "100.00", account=holder), short(2, "2024-03-01", "150.00"))
    error = run(*events)["error"]
    assert (error["code"], error["reason"]) == ("INVALID_EVENT", "lots.constructive_sale")
    assert "10 own shares with a gain (lots L1)" in error["message"]
    assert "error" not in run(*events, review="off")


@pytest.mark.parametrize(
    "first",
    [
        buy(1, "2024-01-02", "150.00"),  # no gain at that price
        buy(1, "2024-01-02", "100.00", account="Z"),  # not theirs
        buy(1, "2024-01-02", "100.00", account="I"),
        buy(1, "2024-01-02", "100.00", security="Y"),
    ],
)
def test_s5_other_short_sales_are_none(first: Row) -> None:
    assert "error" not in run(first, short(2, "2024-03-01", "150.00"))


def test_s5_identical_securities_count() -> None:
    first = buy(1, "2024-01-02", "100.00", security="Y")
    answer = run(first, short(2, "2024-03-01", "150.00"), substantially_identical=[["X", "Y"]])
    assert answer["error"]["reason"] == "lots.constructive_sale"


def test_s5_before_june_1997_it_was_allowed() -> None:
    events = (buy(1, "1995-05-01", "100.00"), short(2, "1995-10-02", "160.00"))
    assert "error" not in run(*events)


# --- losses on short sales (W24, S4) -------------------------------------------------------------


def rules(answer: Row) -> list[tuple[str, str]]:
    assert "error" not in answer, answer["error"]
    return [(row["rule"], row["qty"]) for row in answer["review"]]


@pytest.mark.parametrize(("day", "found"), [("2024-05-01", True), ("2024-05-02", False)])
def test_w24_another_short_sale_within_30_days_of_the_closing(day: str, found: bool) -> None:
    events = (short(1, "2024-03-01", "100.00"), cover(2, "2024-04-01", "120.00"))
    again = short(3, day, "90.00", account="B")
    assert rules(run(*events, again)) == ([("W24", "10")] if found else [])


def test_w24_shares_sold_within_30_days_of_the_closing() -> None:
    events = (
        buy(1, "2024-01-02", "200.00"),
        short(2, "2024-03-01", "100.00"),
        event(3, "2024-03-20", "sell", qty="4", amount="50.00"),
        cover(4, "2024-04-01", "120.00"),
    )
    answer = run(*events)
    assert rules(answer) == [("W24", "4")]
    assert answer["review"][0]["loss"] == "20.00"


def test_w24_a_gain_or_another_household_is_no_matter() -> None:
    gain = (short(1, "2024-03-01", "100.00"), cover(2, "2024-04-01", "80.00"))
    assert rules(run(*gain, short(3, "2024-04-02", "90.00"))) == []
    loss = (short(1, "2024-03-01", "100.00"), cover(2, "2024-04-01", "120.00"))
    assert rules(run(*loss, short(3, "2024-04-02", "90.00", account="Z"))) == []


def test_s4_stock_held_over_a_year_at_the_opening_is_noted() -> None:
    events = (
        buy(1, "2022-01-03", "200.00"),
        short(2, "2024-03-01", "100.00"),
        cover(3, "2024-04-01", "120.00"),
    )
    answer = run(*events)
    assert rules(answer) == [("S4", "10")]
    assert answer["closed"][0]["term"] == "ST"  # a person decides


def test_a_review_changes_no_amount_and_is_not_made_unless_asked() -> None:
    events = (
        buy(1, "2022-01-03", "200.00"),
        short(2, "2024-03-01", "100.00"),
        cover(3, "2024-04-01", "120.00"),
        short(4, "2024-04-10", "100.00"),
    )
    on, off = run(*events), run(*events, review="off")
    assert (on["closed"], on["totals"]) == (off["closed"], off["totals"])
    assert "review" not in off
    assert "review" not in off["policy"]
    assert on["policy"]["review"] == "on"


# --- worthless stock -----------------------------------------------------------------------------


def test_worthless_stock_is_lost_on_the_last_day_of_its_year() -> None:
    """Bought on 30 December 2022, it is long-term by then, and not on the day of the event."""
    events = (
        buy(1, "2022-12-30", "100.00"),
        buy(2, "2023-05-01", "70.00", account="I"),
        {"seq": 3, "date": "2023-06-15", "type": "worthless", "security": "X"},
    )
    answer = run(*events, review="off")
    assert answer["open"] == []
    rows = {row["lot"]: row for row in answer["closed"]}
    assert {(row["sold"], row["proceeds"], row["kind"]) for row in rows.values()} == {
        ("2023-12-31", "0.00", "worthless")
    }
    assert (rows["L1"]["gain"], rows["L1"]["term"], rows["L2"]["term"]) == ("-100.00", "LT", "ST")
    assert answer["totals"]["reportable_gain"] == "-100.00"


@pytest.mark.parametrize("seed", range(5))
def test_worthless_stock_is_a_cash_merger_for_nothing_at_the_end_of_its_year(seed: int) -> None:
    """The auditor knows cash mergers, so it vouches for this one too."""
    history = generate(300, 3, seed, "HIFO")
    history["events"] = [event for event in history["events"] if event["date"] < "2024"]
    last = {"seq": 9_000, "date": "2023-12-31", "type": "cash_merger", "security": "S0"}
    merged = replay({**history, "events": [*history["events"], {**last, "cash_per_share": "0"}]})
    lost = {**last, "date": f"2023-0{seed + 1}-15", "type": "worthless"}
    answer = replay({**history, "events": [*history["events"], lost]})
    for row in answer["closed"]:
        if row.get("kind") == "worthless":
            row["kind"] = "cash_merger"
    assert answer == merged
    assert any(row["sold"] == "2023-12-31" for row in answer["closed"])


def test_worthless_stock_can_be_sold_before_the_end_of_the_year() -> None:
    events = (
        buy(1, "2022-12-30", "100.00"),
        {"seq": 2, "date": "2023-06-15", "type": "worthless", "security": "X"},
        event(3, "2023-09-01", "sell", qty="4", amount="0.01"),
    )
    answer = run(*events, review="off")
    assert [(row["qty"], row["sold"]) for row in answer["closed"]] == [
        ("4", "2023-09-01"),
        ("6", "2023-12-31"),
    ]


def test_w2_worthless_stock_bought_again_is_washed() -> None:
    events = (
        buy(1, "2022-12-30", "100.00"),
        {"seq": 2, "date": "2023-06-15", "type": "worthless", "security": "X"},
        buy(3, "2024-01-05", "1.00"),
    )
    assert run(*events, review="off")["totals"]["disallowed"] == "100.00"
