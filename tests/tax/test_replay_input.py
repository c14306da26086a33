"""Whatever a case holds, the replay answers or refuses by name: it never breaks."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError
from opensma.tax.replay import replay

CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
ODD: tuple[Any, ...] = (
    *(None, "", "0", "-1", "1.005", "1e9", "NaN", "9" * 5000, "1/0", "9999-12-31", "2024-02-30"),
    *(0, -1, 1.5, True, [], [1], {}, {"lot": 3}, "L1", "X", "A", "\x00", "½", "٣"),
)


@given(st.sampled_from(CASES), st.integers(0, 10**9))
def test_a_spoiled_case_is_answered_or_refused(path: Path, seed: int) -> None:
    case, chance = json.loads(path.read_text()), random.Random(seed)
    target = chance.choice([*case["events"]] * 3 + [*case["accounts"], case])
    target[chance.choice([k for k in target if not k.startswith("expect")])] = chance.choice(ODD)
    try:
        answer = replay(case)
    except InputError:
        return
    if "error" in answer:
        assert answer["error"]["remedy"]
        assert set(answer) == {"error", "open"}
    else:
        json.dumps(answer)


BUY = {"seq": 1, "date": "2024-01-02", "type": "buy", "account": "A", "security": "X",
       "lot": "L1", "qty": "10", "amount": "100.00"}  # fmt: skip
SELL = {"seq": 2, "date": "2024-02-01", "type": "sell", "account": "A", "security": "X",
        "qty": "5", "amount": "90.00"}  # fmt: skip
NEXT = {**BUY, "seq": 2, "lot": "L2"}
SPLIT = {"seq": 2, "date": "2024-02-01", "type": "split", "security": "X"}
OPEN = {"lot": "L1", "qty": "10", "basis": "100.00"}
ACCOUNTS = [{"id": "A", "type": "taxable", "household": "H", "owner": "P"}]


def picks(*named: tuple[str, str]) -> dict[str, Any]:
    return {"picks": [{"lot": lot, "qty": quantity} for lot, quantity in named]}


REFUSED: list[tuple[str, dict[str, Any], str, str]] = [
    ("oversell", {**SELL, "qty": "11"}, "INSUFFICIENT_LOTS", "lots.oversold"),
    ("lot oversold", SELL | picks(("L1", "11")) | {"qty": "11"},
     "INSUFFICIENT_LOTS", "lots.oversold"),
    ("unknown lot", SELL | picks(("L9", "5")), "NO_MATCHING_LOT", "lots.unknown"),
    ("lot picked twice", SELL | picks(("L1", "2"), ("L1", "3")), "INVALID_EVENT", "lots.twice"),
    ("picks short of the order", SELL | picks(("L1", "4")), "INVALID_EVENT", "event.picks_sum"),
    ("nothing selected", {**SELL, "select": {"acquired": "2023-01-03"}},
     "NO_MATCHING_LOT", "lots.unknown"),
    ("negative quantity", {**NEXT, "qty": "-5"}, "INVALID_EVENT", "event.bad_quantity"),
    ("no quantity", {**NEXT, "qty": "0"}, "INVALID_EVENT", "event.bad_quantity"),
    ("thirteen decimals", {**NEXT, "qty": "0.0000000000001"}, "INVALID_EVENT", "event.decimals"),
    ("parts of a cent", {**NEXT, "amount": "10.005"}, "INVALID_EVENT", "event.decimals"),
    ("binary number", {**NEXT, "qty": 5.5}, "INVALID_EVENT", "event.not_decimal"),
    ("negative cost", {**NEXT, "amount": "-1.00"}, "INVALID_EVENT", "event.negative"),
    ("lot named twice", {**NEXT, "lot": "L1"}, "INVALID_EVENT", "lots.exists"),
    ("no basis", {k: v for k, v in NEXT.items() if k != "amount"},
     "INVALID_EVENT", "lots.no_basis"),
    ("unknown account", {**NEXT, "account": "Q"}, "INVALID_EVENT", "event.unknown_account"),
    ("unknown action", {**SPLIT, "type": "reverse_merger"}, "INVALID_EVENT", "event.unknown_type"),
    ("no ratio", SPLIT, "INVALID_EVENT", "event.missing"),
    ("ratio of nothing", {**SPLIT, "ratio": "1/0"}, "INVALID_EVENT", "event.bad_ratio"),
    ("id twice", {**NEXT, "id": "T1"}, "INVALID_EVENT", "event.twice"),
    ("number twice", {**NEXT, "seq": 1, "date": "2024-01-03"}, "INVALID_EVENT", "event.twice"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "code", "reason"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
@pytest.mark.parametrize("backwards", [False, True])
def test_d7_what_cannot_be_is_refused_by_name_and_changes_nothing(
    event: dict[str, Any], code: str, reason: str, backwards: bool
) -> None:
    events = [{**BUY, "id": "T1"}, event]
    if backwards:  # D6
        events.reverse()
    answer = replay({"accounts": ACCOUNTS, "events": events})
    error = answer["error"]
    assert (error["code"], error["reason"], error["seq"]) == (code, reason, event["seq"])
    assert error["message"]
    assert error["remedy"]
    assert [{name: row[name] for name in OPEN} for row in answer["open"]] == [OPEN]


def test_l9_a_sale_before_its_purchase_is_refused() -> None:
    """Whatever the list says first, and whatever the numbers: the date decides (D6)."""
    answer = replay({"accounts": ACCOUNTS, "events": [BUY, {**SELL, "date": "2024-01-01"}]})
    assert answer["error"]["reason"] == "lots.oversold"
    assert "holds 0 X at this point of 2024-01-01" in answer["error"]["message"]
    assert answer["open"] == []


def test_i7_an_event_listed_twice_never_counts_twice() -> None:
    answer = replay({"accounts": ACCOUNTS, "events": [BUY, BUY]})
    assert answer["error"]["reason"] == "event.twice"
    assert [row["qty"] for row in answer["open"]] == ["10"]


@pytest.mark.parametrize("name", ["policy", "accounts", "substantially_identical", "events"])
@pytest.mark.parametrize("odd", [7, "text", {"a": 1}])
def test_a_spoiled_frame_is_refused(name: str, odd: object) -> None:
    case = json.loads(CASES[0].read_text())
    with pytest.raises(InputError):
        replay(case | {name: odd})
