"""Cents by largest remainder, splits as of a day, fees by the money that earned them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.growth.programme import lives, load_tables, programme

from opensma.growth.journeys import Rules
from opensma.growth.publish import publish
from opensma.growth.revenue import (
    AccountMonths,
    billionths,
    largest_remainder,
    split_cents,
    tranche_shares,
)
from opensma.growth.warehouse.schema import BILLION
from opensma.growth.warehouse.store import open_warehouse, query

FIFTHS = {"A": "1/5", "B": "2/5", "C": "2/5"}
THIRDS = {"A": "1/3", "B": "1/3", "C": "1/3"}
SEVENTHS = {"A": "1/7", "B": "2/7", "C": "4/7"}


@pytest.mark.parametrize(
    ("amount", "weights", "cents"),
    [
        (10_001, FIFTHS, (2000, 4001, 4000)),
        (-10_001, FIFTHS, (-2000, -4001, -4000)),
        (100, THIRDS, (34, 33, 33)),
        (5, SEVENTHS, (1, 1, 3)),
        (0, FIFTHS, (0, 0, 0)),
    ],
)
def test_cents_go_to_the_largest_remainders(
    amount: int, weights: dict[str, str], cents: tuple[int, ...]
) -> None:
    """R3; ties by key, sign restored last."""
    exact = {key: Fraction(weight) for key, weight in weights.items()}
    assert tuple(largest_remainder(amount, exact).values()) == cents


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9), st.lists(st.integers(0, 99), min_size=1, max_size=6)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_columns_of_lines_split_as_single_lines_do(lines: list[tuple[int, list[int]]]) -> None:
    lines = [(amount, raw if sum(raw) else [1]) for amount, raw in lines]
    segments = np.repeat(np.arange(len(lines)), [len(raw) for _, raw in lines])
    shares = np.concatenate([np.array(raw) / sum(raw) for _, raw in lines])
    weights = billionths(shares, segments, len(lines))
    cents = split_cents(np.array([a for a, _ in lines]), segments, weights, BILLION)
    for number, (amount, _) in enumerate(lines):
        mine = weights[segments == number]
        assert mine.sum() == BILLION
        exact = {f"{i}": Fraction(int(w), BILLION) for i, w in enumerate(mine)}
        assert cents[segments == number].tolist() == list(largest_remainder(amount, exact).values())


MONTHS = (
    # begin, flow, market, end
    (0, 10_000_000, 0, 10_000_000),
    (10_000_000, 5_500_000, 1_000_000, 16_500_000),
    (16_500_000, -3_300_000, 0, 13_200_000),
)


def grid(*accounts: tuple[tuple[int, int, int, int], ...]) -> AccountMonths:
    cells = np.array(accounts, dtype=np.int64)
    return AccountMonths(cells[..., 0], cells[..., 1], cells[..., 2], cells[..., 3])


def test_fees_follow_the_money_that_earned_them() -> None:
    """T1-T4: growth is everybody's, an outflow takes from all."""
    shares = tranche_shares(grid(MONTHS), np.array([0, 0]), np.array([1, 2]))
    cents = split_cents(np.array([13_750, 11_000]), shares.line, shares.weight, BILLION)
    assert shares.tranche.tolist() == [0, 1, 0, 1]
    assert cents.tolist() == [9167, 4583, 7333, 3667]


def test_a_last_fee_after_the_closing_goes_by_the_last_known_units() -> None:
    """T5."""
    closing = (13_200_000, -13_200_000, 0, 0)
    months = (*MONTHS, closing, (0, 0, 0, 0))
    shares = tranche_shares(grid(months), np.array([0, 0]), np.array([3, 4]))
    assert shares.weight.tolist() == [666_666_667, 333_333_333] * 2


def test_an_account_that_comes_back_starts_a_new_tranche() -> None:
    months = (MONTHS[0], (10_000_000, -10_500_000, 500_000, 0), (0, 7_000_000, 100, 7_000_100))
    shares = tranche_shares(grid(months), np.array([0]), np.array([2]))
    assert (shares.tranche.tolist(), shares.weight.tolist()) == ([2], [BILLION])


def test_t5_a_quarter_of_a_million_tranche_rows_keep_every_cent() -> None:
    """Lives of 3,600 accounts over 60 months (their time: `benchmarks/growth.py`)."""
    rows = lives(3_600, 60, seed=5)
    account, month = np.nonzero(rows[..., 3] > 0)
    shares = tranche_shares(grid(*rows), account, month)
    fees = rows[account, month, 3] // 2000
    cents = split_cents(fees, shares.line, shares.weight, BILLION)
    assert len(cents) > 250_000
    assert (cents >= 0).all()
    assert np.array_equal(np.bincount(shares.line, cents).astype(np.int64), fees)


# --- in the warehouse ----------------------------------------------------------------------------


@pytest.fixture
def split(tmp_path: Path) -> Any:
    """An account whose second person changes on 2026-04-01, and its two quarterly fees."""
    from datetime import date

    from opensma.growth.publish import Published

    connection = open_warehouse(None)
    people = [
        (p, "f1", p, None, "advisor", "granted", "2024-01-01", None) for p in ("P1", "P2", "P3")
    ]
    links = [
        ("A1", "f1", "P1", None, None, 6000, "2025-01-01", "2026-03-31", "a"),
        ("A1", "f1", "P2", None, None, 4000, "2025-01-01", "2026-03-31", "a"),
        ("A1", "f1", "P1", None, None, 5000, "2026-04-01", None, "a"),
        ("A1", "f1", "P3", None, None, 5000, "2026-04-01", None, "a"),
    ]
    firm = [("f1", None, None, "ria", None, "2024-01-01", None)]
    load_tables(connection, tmp_path, {"firm": firm, "person": people, "account_link": links})
    months = [
        (
            "A1",
            date(2025 + m // 12, m % 12 + 1, 1),
            10**7 if m else 0,
            0 if m else 10**7,
            0,
            10**7,
            0,
        )
        for m in range(18)
    ]
    fees = [
        ("F1", "A1", "2026Q1", "fee", 33_333, 0, None, date(2026, 1, 1), date(2026, 3, 31)),
        ("F2", "A1", "2026Q2", "fee", 33_333, 0, None, date(2026, 4, 1), date(2026, 6, 30)),
        ("F3", "A1", "half", "fee", 33_333, 0, None, date(2026, 3, 2), date(2026, 4, 30)),
        ("R1", "A1", "2026Q1", "reversal", -33_333, 0, "F1", date(2026, 1, 1), date(2026, 3, 31)),
    ]
    account = ("A1", "f1", "adv", "s", "x", date(2025, 1, 1), None)
    return connection, Published([account], months, fees)


def parts(connection: Any, line: str) -> dict[str, int]:
    rows = query(
        connection,
        "SELECT person_id, CAST(sum(amount_c) AS BIGINT) AS c FROM revenue "
        "WHERE line_id = ? AND model = 'first' GROUP BY ALL ORDER BY 1", [line],
    )  # fmt: skip
    return {r["person_id"]: r["c"] for r in rows}


def test_splits_are_read_as_of_the_end_of_the_fees_period(split: Any) -> None:
    """S2, R4."""
    connection, published = split
    publish(connection, published, Rules(published.as_of))
    assert parts(connection, "F1") == {"P1": 20_000, "P2": 13_333}
    assert parts(connection, "F2") == {"P1": 16_667, "P3": 16_666}


def test_splits_may_be_weighted_by_days(split: Any) -> None:
    """S2, the setting: 30 of 60 days under each agreement."""
    connection, published = split
    publish(connection, published, Rules(published.as_of, split_by_days=True))
    assert parts(connection, "F3") == {"P1": 18_333, "P2": 6_667, "P3": 8_333}


def test_a_reversal_mirrors_the_cents_of_its_line(split: Any) -> None:
    """R5."""
    connection, published = split
    publish(connection, published, Rules(published.as_of))
    mirrored = parts(connection, "R1")
    assert mirrored == {p: -c for p, c in parts(connection, "F1").items()}


def test_credit_of_a_programme_sums_to_a_billion_everywhere(tmp_path: Path) -> None:
    connection = open_warehouse(None)
    tables, published = programme(60, 24, seed=4)
    load_tables(connection, tmp_path, tables)
    publish(connection, published, Rules(published.as_of))
    off = query(
        connection,
        "SELECT event_id, model FROM credit GROUP BY ALL HAVING sum(weight) <> 1000000000",
    )
    assert off == []
