"""The auditor against the published cases, and the column law of the book against the auditor."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given

from opensma.tax import wash

from . import driver
from .auditor import audit
from .compare import differences
from .ledgers import Bounds, ledger, ledgers
from .test_lot_cases import ALL

Row = dict[str, Any]

# What the column law speaks about when it is driven event by event: whole shares, whole cents.
COLUMNS = Bounds(
    methods=("FIFO", "HIFO"),
    sometimes=("split", "spinoff", "cash_merger", "symbol_change", "wrong"),
    policies=("earlier_acquired", "view", "wash_sales", "jurisdiction"),
    ratios=("2", "3"),
    unit=2**9 * 3**5 * 5**2,
    halves=False,
    blocks=False,
    fills=False,
    tidy=True,
)


@pytest.mark.parametrize(("path", "policy", "expect"), ALL)
def test_the_auditor_gives_the_published_answer(path: Path, policy: Row, expect: Row) -> None:
    """It never rounds: where a case rounds, it may stand less than a cent away from each row."""
    case = json.loads(path.read_text())
    slack = 1 + 100 * Fraction(case.get("tolerance", {}).get("money", "0"))
    assert not differences(expect, audit(case, policy), cents=slack)


@given(ledgers(COLUMNS))
def test_i12_the_column_law_and_the_auditor_agree(drawn: tuple[Row, Row]) -> None:
    case, exact = drawn
    assert not differences(driver.replay(case), exact)


def test_the_random_ledgers_wash_in_the_columns_too() -> None:
    """A property that nothing can break proves nothing."""
    answers = [ledger(Random(seed), COLUMNS)[1] for seed in range(60)]
    totals = [answer["totals"] for answer in answers if "totals" in answer]
    assert sum(t["disallowed"] > 0 for t in totals) > 20
    assert sum(t["permanently_disallowed"] > 0 for t in totals) > 5


def test_a_wrong_column_law_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window that is one day short (W1) shows within a few ledgers."""
    monkeypatch.setattr(wash, "WINDOW_DAYS", 29)
    drawn = [ledger(Random(seed), COLUMNS) for seed in range(300)]
    assert any(differences(driver.replay(case), exact) for case, exact in drawn)
