"""Schedule D, whole dollars, and until when a year can still change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from tests.tax.forms_cases import case_of, trade, trade_lists, years_of

from opensma.errors import InputError
from opensma.tax import box_totals, finality, form_8949, run, schedule_d, two_views, whole_dollars
from opensma.tax.forms import Form8949Row

Row = dict[str, Any]


def row_of(box: str, proceeds: int, basis: int, code: str = "", adjustment: int = 0) -> Form8949Row:
    gain = proceeds - basis + adjustment
    dates = ("2024-01-02", "2024-06-03")
    return Form8949Row(
        "A", "P", box, "1 X", *dates, proceeds, basis, code, adjustment, gain, "H", "X", "L1"
    )


def lines(rows: list[Form8949Row], **options: Any) -> dict[str, int]:
    return {line.line: line.gain_cents for line in schedule_d(rows, **options).lines}


def test_f4_every_box_has_its_line() -> None:
    rows = [row_of(box, 100 * (n + 1), 0) for n, box in enumerate("ABCDEFGHIJKL")]
    assert lines(rows) == {
        "1a": 0,
        "1b": 100 + 700,
        "2": 200 + 800,
        "3": 300 + 900,
        "8a": 0,
        "8b": 400 + 1000,
        "9": 500 + 1100,
        "10": 600 + 1200,
    }


def test_rows_without_corrections_may_go_to_1a_and_8a_at_once() -> None:
    rows = [
        row_of("A", 500, 100),
        replace(row_of("A", 100, 500, "W", 400), lot="L2"),
        replace(row_of("A", 700, 500), lot="L2"),  # the rest of that lot stays with it
        row_of("B", 300, 100),
        row_of("D", 900, 100),
    ]
    direct = lines(rows, direct=True)
    assert (direct["1a"], direct["1b"], direct["2"]) == (400, 200, 200)
    assert (direct["8a"], direct["8b"]) == (800, 0)


@pytest.mark.parametrize(
    ("short", "long", "income", "line_21", "short_next", "long_next"),
    [
        (-8_000, 3_000, None, -3_000, 2_000, 0),
        (-1_000, -6_000, None, -3_000, 0, 4_000),
        (2_000, -7_000, None, -3_000, 0, 2_000),
        (-2_000, 5_000, None, 0, 0, 0),
        # Line 21 allows 3,000; an income of -1,000 uses only 2,000 of it.
        (-5_000, 0, -1_000, -3_000, 3_000, 0),
    ],
)
def test_r6_line_21_and_what_carries_on(
    short: int, long: int, income: int | None, line_21: int, short_next: int, long_next: int
) -> None:
    rows = [
        row_of(box, max(0, gain) * 100, max(0, -gain) * 100)
        for box, gain in (("A", short), ("D", long))
    ]
    cents = None if income is None else income * 100
    made = schedule_d(rows, taxable_income_cents=cents)
    assert (made.short_cents, made.long_cents) == (short * 100, long * 100)
    assert made.total_cents == (short + long) * 100
    assert made.deduction_cents == line_21 * 100
    assert (made.next_short_carry_cents, made.next_long_carry_cents) == (
        short_next * 100,
        long_next * 100,
    )


def test_r6_losses_carried_in_are_lines_6_and_14_and_a_separate_filer_deducts_half() -> None:
    made = schedule_d(
        [row_of("A", 1_000_00, 0)],
        status="separate",
        short_carry_cents=4_000_00,
        long_carry_cents=500_00,
    )
    assert (made.short_carry_cents, made.long_carry_cents) == (-4_000_00, -500_00)
    assert (made.short_cents, made.long_cents, made.total_cents) == (-3_000_00, -500_00, -3_500_00)
    assert made.deduction_cents == -1_500_00
    assert (made.next_short_carry_cents, made.next_long_carry_cents) == (1_500_00, 500_00)


def test_a_carryover_below_zero_is_refused() -> None:
    with pytest.raises(InputError, match="zero or more"):
        schedule_d([], short_carry_cents=-1)


def test_whole_dollars_round_half_away_from_zero_and_still_add_up() -> None:
    (row,) = whole_dollars([row_of("A", 100_49, 250_50, "W", 150_01)])
    assert (row.proceeds_cents, row.basis_cents, row.adjustment_cents) == (100_00, 251_00, 150_00)
    assert row.gain_cents == -1_00
    (row,) = whole_dollars([row_of("A", 0, 0, "E", -4_50)])
    assert row.adjustment_cents == -5_00


@given(trade_lists())
def test_f2_schedule_d_has_every_row_once(case: Row) -> None:
    taxpayer, broker = two_views(case)
    for year in years_of(case):
        rows = form_8949(taxpayer, year, broker)
        for direct in (False, True):
            made = schedule_d(rows, direct=direct)
            assert sum(line.rows for line in made.lines) == len(rows)
            assert made.total_cents == sum(row.gain_cents for row in rows)
        for total in box_totals(whole_dollars(rows)):
            assert total.gain_cents == (
                total.proceeds_cents - total.basis_cents + total.adjustment_cents
            )
            assert total.gain_cents % 100 == 0


LOSS = case_of(
    trade(1, "2024-01-02", "buy", 10, "100.00"),
    trade(2, "2024-12-20", "sell", 10, "60.00"),
)


@pytest.mark.parametrize(
    ("as_of", "final", "in_reach"),
    [
        (date(2024, 12, 20), False, 1),
        (date(2025, 1, 19), False, 1),  # day 30
        (date(2025, 1, 20), False, 0),
        (date(2025, 1, 31), False, 0),  # trades of 30 January settle
        (date(2025, 2, 1), True, 0),
    ],
)
def test_w22_a_year_is_open_until_30_january_is_processed(
    as_of: date, final: bool, in_reach: int
) -> None:
    told = finality(run(LOSS), 2024, as_of)
    assert (told.last_purchase, told.processed) == ("2025-01-30", "2025-01-31")
    assert (told.final, told.losses_in_reach) == (final, in_reach)


def test_w22_a_january_purchase_changes_the_form_of_december() -> None:
    before = form_8949(run(LOSS), 2024)
    bought = trade(3, "2025-01-19", "buy", 10, "60.00")
    after = form_8949(run(LOSS | {"events": [*LOSS["events"], bought]}), 2024)
    assert [row.gain_cents for row in before] == [-40_00]
    assert [(row.code, row.gain_cents) for row in after] == [("W", 0)]
