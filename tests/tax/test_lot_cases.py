"""The public cases: small account histories with the one right answer, each naming its rules."""

from __future__ import annotations

import json
from collections import defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from .driver import POLICIES, OutOfScope, replay

Row = dict[str, Any]
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
MONEY = ("proceeds", "basis", "disallowed", "gain", "permanently_disallowed")


def readings(case: Row) -> list[tuple[str, Row, Row]]:
    """The answer under the case's policy, and under every other reading it gives."""
    found = [("expect", {}, case["expect"])]
    for key in case:
        if key.startswith("expect_if_"):
            name = next(p for p in POLICIES if key.startswith(f"expect_if_{p}_"))
            value = key.removeprefix(f"expect_if_{name}_")
            found.append((key, {name: value}, case[key]))
    return found


ALL = [
    pytest.param(path, policy, expect, id=f"{path.stem}-{name}")
    for path in CASES
    for name, policy, expect in readings(json.loads(path.read_text()))
]


@pytest.mark.parametrize(("path", "policy", "expect"), ALL)
def test_public_case(path: Path, policy: Row, expect: Row) -> None:
    case = json.loads(path.read_text())
    try:
        answer = replay(case, policy)
    except OutOfScope as reason:
        pytest.skip(f"next issue: {reason}")
    slack = case.get("tolerance", {})
    if "error" in expect:
        assert {k: answer["error"][k] for k in ("code", "seq")} == {
            k: expect["error"][k] for k in ("code", "seq")
        }
        compare(answer["open"], expect["open"], slack)
        return
    assert "error" not in answer
    compare(answer["closed"], expect["closed"], slack)
    compare(answer["open"], expect["open"], slack)
    for name, amount in expect["totals"].items():
        gap = abs(answer["totals"][name] - cents(amount))
        assert gap <= cents(slack.get("totals", "0")), name
    for row in answer["closed"]:
        assert row["gain"] == row["proceeds"] - row["basis"] + row["disallowed"]  # I4


def test_skipped_cases_are_those_of_the_next_issue() -> None:
    """Nothing is skipped by accident: the list of reasons is the list of what is missing."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for path in CASES:
        case = json.loads(path.read_text())
        try:
            replay(case)
        except OutOfScope as reason:
            reasons[str(reason)].append(case["id"])
    print(json.dumps(reasons, indent=1))  # noqa: T201 - shown by `pytest -s`
    assert sum(map(len, reasons.values())) < len(CASES) / 3
    assert not [
        name for names in reasons.values() for name in names if name.startswith("irs_p550_w")
    ]


def compare(got: list[Row], expected: list[Row], slack: Row) -> None:
    """Rows without order; rows equal in everything but amounts are joined first."""
    mine, theirs = joined(got), joined(expected)
    loose = Fraction(slack.get("qty", "0"))
    if loose:
        assert sorted(k[:3] for k in mine) == sorted(k[:3] for k in theirs)
    else:
        assert set(mine) == set(theirs)
        assert {k: v["qty"] for k, v in mine.items()} == {k: v["qty"] for k, v in theirs.items()}
    for (_, one), (_, other) in zip(
        sorted(mine.items(), key=lambda item: str(item[0])),
        sorted(theirs.items(), key=lambda item: str(item[0])),
        strict=True,
    ):
        assert abs(one["qty"] - other["qty"]) <= loose
        for name in MONEY:
            gap = abs(one[name] - other[name])
            assert gap <= one["rows"] * cents(slack.get("money", "0")), (name, one, other)


def joined(rows: list[Row]) -> dict[tuple[object, ...], Row]:
    """Sums of quantity and money per everything else."""
    sums: dict[tuple[object, ...], Row] = {}
    for row in rows:
        texts = (
            "account",
            "security",
            "lot",
            "acquired",
            "holding_date",
            "sold",
            "term",
            "code",
            "kind",
        )
        replaced = tuple(sorted({r["lot"] for r in row.get("replaced_by", [])}))
        key = (*(row.get(name, "") for name in texts), replaced)
        into = sums.setdefault(key, dict.fromkeys(("qty", "rows", *MONEY), 0))
        into["qty"] += Fraction(row["qty"])
        into["rows"] += 1
        for name in MONEY:
            into[name] += cents(row.get(name, 0))
    return sums


def cents(amount: str | int) -> int:
    """Money of a case (text in dollars) or of the replay (integer cents)."""
    return amount if isinstance(amount, int) else int(Fraction(amount) * 100)
