"""Units: exact products far beyond int64, roundings by name, parts that always add up (D1-D4)."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma import units
from opensma.errors import InputError, InvariantError

cents = st.integers(-(10**13), 10**13)
weights = st.lists(st.integers(0, 10**12), min_size=1, max_size=30).filter(any)
quantities = st.integers(0, 10**9 * units.MICROS)  # up to a billion shares
prices = st.integers(0, 10**6 * units.MICROS)  # up to $1m a share
FIFTY_BILLION_CENTS = 50 * 10**9 * units.CENTS


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**15))
def test_d3_halves_go_up_whatever_the_sign(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    assert units.round_half_up(numerator, denominator) == floor(exact + Fraction(1, 2))


@pytest.mark.parametrize(
    ("numerator", "denominator", "expected"),
    [(5, 2, 3), (-5, 2, -2), (3, 2, 2), (-3, 2, -1), (1, 3, 0), (-1, 3, 0), (-2, 3, -1), (0, 7, 0)],
)
def test_d3_by_example(numerator: int, denominator: int, expected: int) -> None:
    assert units.round_half_up(numerator, denominator) == expected


@given(cents, weights)
def test_d4_parts_add_up_and_none_is_a_cent_off(amount: int, parts_of: list[int]) -> None:
    parts = units.split_cents(amount, parts_of)
    assert sum(parts) == amount
    for part, weight in zip(parts, parts_of, strict=True):
        assert abs(part - Fraction(amount * weight, sum(parts_of))) <= 1


def test_d4_ten_dollars_over_three() -> None:
    assert units.split_cents(1000, [1, 1, 1]) == [333, 334, 333]
    assert units.split_cents(0, [0, 0]) == [0, 0]


def test_d4_an_amount_is_never_lost() -> None:
    with pytest.raises(InvariantError, match="without weights"):
        units.split_cents(1000, [0, 0])


@given(cents, st.integers(1, 10**12), st.integers(0, 10**12))
def test_a_cut_and_its_rest_are_the_whole(amount: int, part: int, rest: int) -> None:
    whole = part + rest
    taken = units.cut_cents(amount, part, whole)
    assert taken + units.cut_cents(amount - taken, rest, rest) == amount
    assert units.cut_cents(amount, whole, whole) == amount


@given(st.lists(st.tuples(quantities, prices), min_size=1, max_size=20))
def test_array_product_equals_the_exact_one(pairs: list[tuple[int, int]]) -> None:
    inside = [(q, p) for q, p in pairs if units.notional_cents(q, p) <= FIFTY_BILLION_CENTS]
    quantity, price = np.array(inside, dtype=np.int64).reshape(-1, 2).T
    expected = [units.notional_cents(q, p) for q, p in inside]
    assert units.notional_cents_array(quantity, price).tolist() == expected


@pytest.mark.parametrize(
    ("quantity", "price"),
    [
        (15_000_000_000, 700_000_000),  # 15,000 x $700 is where a plain int64 product wraps
        (9_223_372_036_854, 1_000_000),  # just under 2**63 as one product
        (9_223_372_036_855, 1_000_000),  # just above
        (50_000_000_000_000_000, 1_000_000),  # $50 bn
        (71_428_571_428_571, 700_000_013),  # $50 bn with both parts odd
        (1, 4_999_999_999),  # a hair under half a cent
        (1, 5_000_000_000),  # exactly half a cent goes up
        (333_333, 15_000),  # fractions of a share
    ],
)
def test_array_product_at_the_edges(quantity: int, price: int) -> None:
    column = units.notional_cents_array(np.array([quantity]), np.array([price]))
    assert column.tolist() == [units.notional_cents(quantity, price)]


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_text_comes_back_as_the_number_it_shows(value: int) -> None:
    assert units.parse_micros(units.shares(value).replace(",", "")) == value
    assert units.parse_cents(units.dollars(value).replace(",", "")) == value


@pytest.mark.parametrize(
    "text",
    [
        *("1.0000001", "1.0000000000000000000000000000000001", "", "ten", "NaN", "sNaN", "inf"),
        *("9223372036855", "1e400000", "1234567890123456789012.1234567"),
    ],
)
def test_d2_what_is_not_exact_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        units.parse_micros(text, where="trades.csv:7")
    assert caught.value.code == "number.invalid"
    assert caught.value.where == "trades.csv:7"
    assert text in caught.value.message


def test_d1_a_tenth_of_a_cent_is_refused() -> None:
    assert units.parse_cents("-1234.5") == -123_450
    with pytest.raises(InputError, match="at most two decimals"):
        units.parse_cents("0.001")


def test_text_for_people() -> None:
    assert units.dollars(123_456_789) == "1,234,567.89"
    assert units.dollars(-5) == "-0.05"
    assert units.shares(1_250_000) == "1.25"
    assert units.shares(-1_000_000_000) == "-1,000"
    assert units.micros_from_float(0.1 + 0.2) == 300_000
    assert units.ratio(3, 2) * 2 == 3
