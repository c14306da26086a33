"""One history, two bases: Pennsylvania has no wash rule (W26, R8)."""

from __future__ import annotations

from typing import Any

from opensma.tax.jurisdiction import compare, year_gains
from opensma.tax.replay import Policy, run

CASE: dict[str, Any] = {
    "method": "FIFO",
    "accounts": [
        {"id": "A", "type": "taxable", "household": "H", "owner": "P"},
        {"id": "I", "type": "ira", "household": "H", "owner": "P"},
    ],
    "events": [
        {"seq": 1, "date": "2024-05-01", "type": "buy", "account": "A", "security": "X",
         "lot": "L1", "qty": "100", "amount": "1000.00"},
        {"seq": 2, "date": "2025-03-03", "type": "sell", "account": "A", "security": "X",
         "qty": "100", "amount": "750.00"},
        {"seq": 3, "date": "2025-03-05", "type": "buy", "account": "A", "security": "X",
         "lot": "L2", "qty": "40", "amount": "320.00"},
        {"seq": 4, "date": "2025-03-06", "type": "buy", "account": "I", "security": "X",
         "lot": "L3", "qty": "10", "amount": "80.00"},
        {"seq": 5, "date": "2026-02-02", "type": "sell", "account": "A", "security": "X",
         "qty": "20", "amount": "200.00"},
    ],
}  # fmt: skip


def test_w26_basis_and_gain_side_by_side() -> None:
    federal, state = run(CASE), run(CASE, Policy(jurisdiction="PA"))
    sold, later, still_open = compare(federal, state)
    assert (sold.federal_gain_cents, sold.state_gain_cents) == (-125_00, -250_00)
    assert (later.federal_basis_cents, later.state_basis_cents) == (210_00, 160_00)
    assert (later.federal_gain_cents, later.state_gain_cents) == (-10_00, 40_00)
    assert (still_open.sold_day, still_open.quantity) == (None, 20_000_000)
    assert (still_open.federal_basis_cents, still_open.state_basis_cents) == (210_00, 160_00)


def test_w26_tacking_makes_the_term_differ_too() -> None:
    federal, state = run(CASE), run(CASE, Policy(jurisdiction="PA"))
    _, later, _ = compare(federal, state)
    assert (later.federal_long, later.state_long) == (20_000_000, 0)


def test_r8_results_of_a_year_under_both() -> None:
    federal, state = run(CASE), run(CASE, Policy(jurisdiction="PA"))
    assert year_gains(federal, 2025) == (-125_00, 0)
    assert year_gains(state, 2025) == (-250_00, 0)
    assert year_gains(federal, 2026) == (0, -10_00)
    assert year_gains(state, 2026) == (40_00, 0)


def test_a_history_without_washes_has_one_basis() -> None:
    quiet = CASE | {"events": CASE["events"][:2]}
    assert compare(run(quiet), run(quiet, Policy(jurisdiction="PA"))) == ()
