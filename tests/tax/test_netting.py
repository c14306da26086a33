"""Netting of a year and the carryforward: the table of checks of R6, and what always holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.errors import InputError, InvariantError
from opensma.tax.netting import YearResult, carry_ledger, net_year

AMPLE = 100_000_00
CHECKS = [
    (-8_000, 3_000, AMPLE, 3_000, 2_000, 0),
    (-1_000, -6_000, AMPLE, 3_000, 0, 4_000),
    (2_000, -7_000, AMPLE, 3_000, 0, 2_000),
    (-2_000, 5_000, AMPLE, 0, 0, 0),
    (-5_000, 0, -1_000_00, 2_000, 3_000, 0),
]
AMOUNTS = st.integers(-20_000_00, 20_000_00)
CARRIES = st.integers(0, 20_000_00)


@pytest.mark.parametrize(("short", "long", "income", "used", "short_carry", "long_carry"), CHECKS)
def test_r6_table_of_checks(
    short: int, long: int, income: int, used: int, short_carry: int, long_carry: int
) -> None:
    year = net_year(short * 100, long * 100, income)
    assert year.used_cents == used * 100
    assert year.short_carry_cents == short_carry * 100
    assert year.long_carry_cents == long_carry * 100


def test_r5_a_long_term_gain_is_taxed_after_the_short_term_loss() -> None:
    year = net_year(-2_000_00, 5_000_00, AMPLE)
    assert (year.short_gain_cents, year.long_gain_cents) == (0, 3_000_00)


def test_r6_separate_returns_have_half_the_limit() -> None:
    assert net_year(-5_000_00, 0, AMPLE, status="separate").used_cents == 1_500_00


def test_r5_carryovers_enter_with_their_own_term() -> None:
    year = net_year(4_000_00, 0, AMPLE, long_carry_cents=9_000_00)
    assert (year.short_cents, year.long_cents) == (4_000_00, -9_000_00)
    assert (year.used_cents, year.long_carry_cents) == (3_000_00, 2_000_00)


@given(AMOUNTS, AMOUNTS, AMOUNTS, CARRIES, CARRIES)
def test_no_dollar_of_loss_is_lost_or_used_twice(
    short: int, long: int, income: int, short_carry: int, long_carry: int
) -> None:
    year = net_year(short, long, income, short_carry_cents=short_carry, long_carry_cents=long_carry)
    gains = year.short_gain_cents + year.long_gain_cents
    carried = year.short_carry_cents + year.long_carry_cents
    assert year.short_cents + year.long_cents == gains - year.used_cents - carried
    assert not (gains and carried)
    assert min(gains, carried, year.used_cents) >= 0


@pytest.mark.parametrize("wrong", [{"status": "alone"}, {"short_carry_cents": -1}])
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        net_year(0, 0, 0, **wrong)  # type: ignore[arg-type]


def test_r6_a_carryforward_goes_through_the_years_by_term() -> None:
    years = [
        YearResult(2023, -10_000_00, 2_000_00, AMPLE),
        YearResult(2024, 0, -4_000_00, AMPLE),
        YearResult(2025, 1_000_00, 6_000_00, AMPLE),
    ]
    lines = carry_ledger(reversed(years))
    assert [(y.short_in_cents, y.long_in_cents) for y in lines] == [
        (0, 0),
        (5_000_00, 0),
        (2_000_00, 4_000_00),
    ]
    last = lines[-1].netting
    assert (last.short_gain_cents, last.long_gain_cents) == (0, 1_000_00)


def test_r6_a_year_without_sales_still_uses_the_deduction() -> None:
    years = [YearResult(2023, -10_000_00, 0, AMPLE), YearResult(2024, 0, 0, AMPLE)]
    assert carry_ledger(years)[-1].netting.short_carry_cents == 4_000_00
    with pytest.raises(InvariantError):
        carry_ledger([years[0], YearResult(2025, 0, 0, AMPLE)])
