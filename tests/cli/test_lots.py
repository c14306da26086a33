"""`sma lots` as people type it: one JSON document, and errors with what, where and remedy."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from opensma import cli

Row = dict[str, Any]
CASES = Path(__file__).parent.parent / "tax" / "cases"
BUY = {
    "seq": 1,
    "date": "2024-01-02",
    "type": "buy",
    "account": "A",
    "security": "X",
    "lot": "L1",
    "qty": "100",
    "amount": "1000.00",
}
SELL = {
    "seq": 2,
    "date": "2024-02-01",
    "type": "sell",
    "account": "A",
    "security": "X",
    "qty": "40",
    "amount": "300.00",
}
OPEN = [
    {
        "account": "A",
        "security": "X",
        "lot": "L1",
        "qty": "100",
        "acquired": "2024-01-02",
        "holding_date": "2024-01-02",
        "basis": "1000.00",
    }
]


def case_of(*events: Row, **frame: object) -> Row:
    accounts = [{"id": "A", "type": "taxable", "household": "H", "owner": "P"}]
    return {"method": "FIFO", "accounts": accounts, "events": list(events), **frame}


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Replay a case from a file: exit code, and the one document on standard output."""

    def run(case: Row) -> tuple[int, Row]:
        path = tmp_path / "case.json"
        path.write_text(json.dumps(case))
        code = cli.run(["lots", "replay", str(path)])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_a_case_gives_its_answer(replay: Any) -> None:
    case = json.loads((CASES / "irs_p550_wash_1.json").read_text())
    code, answer = replay(case)
    assert code == 0
    assert answer["closed"] == case["expect"]["closed"]
    assert answer["open"] == case["expect"]["open"]
    assert answer["totals"] == case["expect"]["totals"]
    assert answer["policy"]["sold_together"] == "order"  # stamped on every result


def test_the_order_of_the_list_has_no_meaning(replay: Any) -> None:
    assert replay(case_of(BUY, SELL)) == replay(case_of(SELL, BUY))


def test_a_case_is_read_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = io.TextIOWrapper(io.BytesIO(json.dumps(case_of(BUY)).encode()))
    monkeypatch.setattr("sys.stdin", text)
    assert cli.run(["lots", "replay", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["open"] == OPEN


PICK = {"lot": "L1", "qty": "20"}
REFUSALS = {
    "oversell": (SELL | {"qty": "101"}, "INSUFFICIENT_LOTS", "lots.oversold", "holds 100"),
    "pick over the lot": (
        SELL | {"qty": "101", "picks": [{"lot": "L1", "qty": "101"}]},
        "INSUFFICIENT_LOTS",
        "lots.oversold",
        "Lot L1 holds 100",
    ),
    "another security": (SELL | {"security": "Y"}, "INSUFFICIENT_LOTS", "lots.oversold", "holds 0"),
    "unknown lot": (
        SELL | {"picks": [{"lot": "L9", "qty": "40"}]},
        "NO_MATCHING_LOT",
        "lots.unknown",
        "L9",
    ),
    "lot picked twice": (SELL | {"picks": [PICK, PICK]}, "INVALID_EVENT", "lots.twice", "L1"),
    "picks are not the order": (
        SELL | {"picks": [PICK]},
        "INVALID_EVENT",
        "event.picks_sum",
        "sum to 20",
    ),
    "no match": (
        SELL | {"select": {"unit_basis": "11"}},
        "NO_MATCHING_LOT",
        "lots.unknown",
        "criteria",
    ),
    "negative quantity": (
        SELL | {"qty": "-40"},
        "INVALID_EVENT",
        "event.bad_quantity",
        "greater than zero",
    ),
    "zero quantity": (
        SELL | {"qty": "0"},
        "INVALID_EVENT",
        "event.bad_quantity",
        "greater than zero",
    ),
    "decimals of money": (
        SELL | {"amount": "1.005"},
        "INVALID_EVENT",
        "event.decimals",
        "2 decimals",
    ),
    "decimals of shares": (
        SELL | {"qty": "1.0000000000001"},
        "INVALID_EVENT",
        "event.decimals",
        "12 decimals",
    ),
    "a JSON number": (SELL | {"qty": 40}, "INVALID_EVENT", "event.not_decimal", "decimal text"),
    "not a number": (SELL | {"qty": "NaN"}, "INVALID_EVENT", "event.not_decimal", "decimal text"),
    "a field missing": (
        {k: v for k, v in SELL.items() if k != "amount"},
        "INVALID_EVENT",
        "event.missing",
        "amount",
    ),
    "basis missing": (
        {k: v for k, v in BUY.items() if k != "amount"} | {"seq": 2, "lot": "L2"},
        "INVALID_EVENT",
        "lots.no_basis",
        "basis",
    ),
    "lot given twice": (BUY | {"seq": 2}, "INVALID_EVENT", "lots.exists", "L1"),
    "unknown corporate action": (
        {"seq": 2, "date": "2024-02-01", "type": "rights_issue", "security": "X"},
        "INVALID_EVENT",
        "event.unknown_type",
        "rights_issue",
    ),
    "ratio of zero": (
        {"seq": 2, "date": "2024-02-01", "type": "split", "security": "X", "ratio": "0"},
        "INVALID_EVENT",
        "event.bad_ratio",
        "ratio",
    ),
    "unknown account": (
        SELL | {"account": "B"},
        "INVALID_EVENT",
        "event.unknown_account",
        "account B",
    ),
    "nothing is short": (
        SELL | {"type": "cover"},
        "INSUFFICIENT_LOTS",
        "lots.oversold",
        "0 are short",
    ),
}


@pytest.mark.parametrize(("event", "code", "reason", "words"), REFUSALS.values(), ids=REFUSALS)
def test_what_cannot_be_is_refused_and_nothing_is_booked(
    replay: Any, event: Row, code: str, reason: str, words: str
) -> None:
    status, answer = replay(case_of(BUY, event))
    error = answer["error"]
    assert (status, error["code"], error["reason"], error["seq"]) == (2, code, reason, 2)
    assert words in error["message"]
    assert error["where"] == "event 2"
    assert error["remedy"].endswith(".")
    assert answer["open"] == OPEN  # D7: whole or not at all
    assert "closed" not in answer


def test_a_sale_before_the_purchase_is_refused(replay: Any) -> None:
    status, answer = replay(case_of(BUY, SELL | {"date": "2024-01-01"}))
    assert (status, answer["error"]["code"]) == (2, "INSUFFICIENT_LOTS")
    assert answer["open"] == []


def test_a_sequence_number_used_twice_is_refused(replay: Any) -> None:
    status, answer = replay(case_of(BUY, SELL, SELL | {"date": "2024-02-02"}))
    assert (status, answer["error"]["reason"], answer["error"]["seq"]) == (2, "event.twice", 2)
    assert answer["open"][0]["qty"] == "60"


def test_lots_that_match_together_but_are_not_the_order_are_ambiguous(replay: Any) -> None:
    other = BUY | {"seq": 3, "lot": "L2"}
    event = SELL | {"select": {"acquired": "2024-01-02"}}
    status, answer = replay(case_of(BUY, other, event))
    assert (status, answer["error"]["code"]) == (2, "AMBIGUOUS_SELECTION")
    assert "L1, L2" in answer["error"]["message"]


def test_unknown_basis_is_zero_only_where_the_policy_says_so(replay: Any) -> None:
    bare = {k: v for k, v in BUY.items() if k != "amount"}
    status, answer = replay(case_of(bare, policy={"unknown_basis": "zero"}))
    assert (status, answer["open"][0]["basis"]) == (0, "0.00")


FRAMES = {
    "policy.unknown": case_of(policy={"view": "nobody"}),
    "case.method": case_of(method="RANDOM"),
    "case.accounts": case_of(accounts=[]),
    "case.events": {k: v for k, v in case_of().items() if k != "events"},
    "event.bad_seq": case_of({k: v for k, v in BUY.items() if k != "seq"}),
    "event.bad_date": case_of(BUY | {"date": "2024-02-30"}),
}


@pytest.mark.parametrize("reason", FRAMES)
def test_a_frame_that_is_wrong_is_refused(replay: Any, reason: str) -> None:
    status, answer = replay(FRAMES[reason])
    assert (status, answer["error"]["reason"], answer["open"]) == (2, reason, [])
    assert answer["error"]["seq"] == (1 if reason == "event.bad_date" else None)


def test_a_file_that_is_no_case_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for text in (b"{", b"[]", b"\xff\xfe"):
        (tmp_path / "bad.json").write_bytes(text)
        assert cli.run(["lots", "replay", str(tmp_path / "bad.json")]) == 2
        assert json.loads(capsys.readouterr().out)["error"]["reason"] == "case.not_json"
    assert cli.run(["lots", "replay", str(tmp_path / "none.json")]) == 2
    assert "file.missing" in capsys.readouterr().err


def test_the_benchmark_replays_what_it_generates(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["lots", "bench", "--trades", "300", "--securities", "3"]
    for method in ("FIFO", "TLO"):
        assert cli.run([*words, "--method", method, "--json"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["trades"] == 300
        assert result["washed_slices"] > 0
        assert result["form_rows"] > result["washed_slices"] / 2
        assert result["trades_per_second"] == pytest.approx(300 / result["seconds"])
    assert cli.run(words) == 0
    assert "trades per second" in capsys.readouterr().out
