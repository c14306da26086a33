"""Fills are shared out exactly, fairly, and in whole units."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from opensma.trade.execute import allocate
from opensma.units import MICROS

orders = st.lists(st.integers(1, 5_000), min_size=1, max_size=30)


@given(orders, st.integers(0, 100))
def test_a_partial_fill_is_allocated_whole_and_within_a_unit_of_pro_rata(
    asked: list[int], percent: int
) -> None:
    micros = [shares * MICROS for shares in asked]
    total = sum(micros)
    filled = total * percent // 100 // MICROS * MICROS
    parts = allocate(filled, micros, MICROS)
    assert sum(parts) == filled
    for part, wanted in zip(parts, micros, strict=True):
        assert 0 <= part <= wanted
        assert part % MICROS == 0
        assert abs(part - Fraction(wanted * filled, total)) < MICROS


def test_a_complete_fill_gives_everyone_what_was_asked_fractions_included() -> None:
    assert allocate(3_500_000, [1_250_000, 2_250_000], MICROS) == [1_250_000, 2_250_000]


def test_the_largest_remainder_comes_first_and_ties_go_by_position() -> None:
    assert allocate(2 * MICROS, [MICROS, MICROS, MICROS], MICROS) == [MICROS, MICROS, 0]
    asked = [3 * MICROS, 7 * MICROS]
    assert allocate(4 * MICROS, asked, MICROS) == [MICROS, 3 * MICROS]
