"""The public cases: small account histories with the one right answer, each naming its rules.

Every case runs through the replay engine. Those that the column law of the book also covers run
through that as well (`driver.py`): two separate readings of the rules, one answer.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from opensma.tax.replay import replay
from opensma.tax.replay.policy import VALUES

from . import driver

Row = dict[str, Any]
CASES = sorted((Path(__file__).parent / "cases").glob("*.json"))
MONEY = ("proceeds", "basis", "disallowed", "gain", "permanently_disallowed", "loss_basis")
MONEY_OF_DIVIDENDS = ("amount",)
INPUT = ("schema", "id", "category", "method", "policy", "accounts", "substantially_identical")


def readings(case: Row) -> list[tuple[str, Row, Row]]:
    """The answer under the case's policy, and under every other reading it gives."""
    found = [("expect", {}, case["expect"])]
    for key in case:
        if key.startswith("expect_if_"):
            name = next(p for p in VALUES if key.startswith(f"expect_if_{p}_"))
            value = key.removeprefix(f"expect_if_{name}_")
            found.append((key, {name: value}, case[key]))
    return found


def in_column_law(case: Row, policy: Row) -> bool:
    """Whether the book's column law covers the case; the rest is the replay engine's alone."""
    try:
        driver.replay(case, policy)
    except driver.OutOfScope:
        return False
    return True


READINGS = [
    (path, name, policy, expect)
    for path in CASES
    for name, policy, expect in readings(json.loads(path.read_text()))
]
ALL = [pytest.param(p, policy, e, id=f"{p.stem}-{name}") for p, name, policy, e in READINGS]
COLUMNS = [
    pytest.param(p, policy, e, id=f"{p.stem}-{name}")
    for p, name, policy, e in READINGS
    if in_column_law(json.loads(p.read_text()), policy)
]


@pytest.mark.parametrize(("path", "policy", "expect"), ALL)
def test_public_case(path: Path, policy: Row, expect: Row) -> None:
    case = json.loads(path.read_text())
    given = {name: case[name] for name in (*INPUT, "events") if name in case}
    given["policy"] = {**case.get("policy", {}), **policy}
    check(replay(given), expect, case.get("tolerance", {}))


@pytest.mark.parametrize(("path", "policy", "expect"), COLUMNS)
def test_public_case_in_the_column_law_of_the_book(path: Path, policy: Row, expect: Row) -> None:
    case = json.loads(path.read_text())
    check(driver.replay(case, policy), expect, case.get("tolerance", {}))


def test_the_column_law_covers_most_cases() -> None:
    assert len(COLUMNS) > len(ALL) / 2


def check(answer: Row, expect: Row, slack: Row) -> None:
    """Section by section, rows without order, money to the cent unless the case allows more."""
    if "error" in expect:
        got = answer["error"]
        assert (got["code"], got["seq"]) == (expect["error"]["code"], expect["error"]["seq"])
        compare(answer["open"], expect["open"], slack, MONEY)
        return
    assert "error" not in answer, answer["error"]
    compare(answer["closed"], expect["closed"], slack, MONEY)
    compare(answer["open"], expect["open"], slack, MONEY)
    compare(answer.get("dividends", []), expect.get("dividends", []), slack, MONEY_OF_DIVIDENDS)
    for name, amount in expect["totals"].items():
        gap = abs(cents(answer["totals"][name]) - cents(amount))
        assert gap <= cents(slack.get("totals", "0")), name
    for row in answer["closed"]:
        money = {name: cents(row.get(name, 0)) for name in MONEY}
        assert money["gain"] == money["proceeds"] - money["basis"] + money["disallowed"]  # I4
        assert (row.get("code") == "W") == (money["disallowed"] > 0)


def compare(got: list[Row], expected: list[Row], slack: Row, money: tuple[str, ...]) -> None:
    """Rows equal in everything but amounts, and in amounts per share, are joined first."""
    mine, theirs = joined(got, money), joined(expected, money)
    loose = Fraction(slack.get("qty", "0"))
    assert [key for key, _ in mine] == [key for key, _ in theirs]
    for (key, one), (_, other) in zip(mine, theirs, strict=True):
        assert abs(one["qty"] - other["qty"]) <= loose, key
        assert abs(one["replaced"] - other["replaced"]) <= loose, key
        for name in money:
            gap = abs(one[name] - other[name])
            assert gap <= one["rows"] * cents(slack.get("money", "0")), (name, key, one, other)


def joined(rows: list[Row], money: tuple[str, ...]) -> list[tuple[str, Row]]:
    """Sums of quantity and money per everything else, in one order."""
    sums: dict[str, Row] = {}
    for row in rows:
        texts = {k: v for k, v in row.items() if k not in (*money, "qty", "replaced_by")}
        replaced = sorted({r["lot"] for r in row.get("replaced_by", [])})
        key = json.dumps([texts, replaced], sort_keys=True)
        into = sums.setdefault(key, dict.fromkeys(("qty", "replaced", "rows", *money), 0))
        into["qty"] += Fraction(row["qty"])
        into["replaced"] += sum(Fraction(r["qty"]) for r in row.get("replaced_by", []))
        into["rows"] += 1
        for name in money:
            into[name] += cents(row.get(name, 0))
    return sorted(sums.items())


def cents(amount: str | int) -> int:
    """Money of a case (text in dollars) or of the column law (integer cents)."""
    return amount if isinstance(amount, int) else int(Fraction(amount) * 100)
