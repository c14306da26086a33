"""Exact quantities: whole millionths where possible, fractions where a ratio leaves none (D2).

A quantity is an int of micros nearly always; after a 1:3 split it may be a `Fraction` of micros.
Money stays whole cents, and parts always sum to the whole (D3, D4).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from opensma.units import MICROS, cut_cents, round_half_up

Quantity = int | Fraction

_PRINTED_DECIMALS = 12


def exact(value: Quantity) -> Quantity:
    """The same number, as an int where it is one."""
    if isinstance(value, int):
        return value
    return value.numerator if value.denominator == 1 else value


def times(value: Quantity, ratio: Quantity) -> Quantity:
    """Product, as an int where it is one."""
    return value if ratio == 1 else exact(value * ratio)


def over(value: Quantity, ratio: Quantity) -> Quantity:
    """Exact quotient, as an int where it is one."""
    return value if ratio == 1 else exact(Fraction(value) / ratio)


def rounded(value: Quantity) -> int:
    """Nearest integer, halves up (D3)."""
    return round_half_up(value.numerator, value.denominator)


def cut(amount_cents: int, part: Quantity, whole: Quantity) -> int:
    """The part's share of an amount, rounded half up (D3)."""
    if isinstance(part, int) and isinstance(whole, int):
        return cut_cents(amount_cents, part, whole)
    return amount_cents if part == whole else rounded(Fraction(amount_cents) * part / whole)


def cut_all(amount_cents: int, quantities: Sequence[Quantity]) -> list[int]:
    """Cut an amount over quantities in turn; the parts sum to it exactly (D4)."""
    if len(quantities) == 1:
        return [amount_cents if quantities[0] else 0]
    left: Quantity = sum(quantities)
    parts = []
    for quantity in quantities:
        part = cut(amount_cents, quantity, left) if left else 0
        parts.append(part)
        amount_cents, left = amount_cents - part, left - quantity
    return parts


def worth(quantity: Quantity, dollars_per_share: Fraction) -> int:
    """Cents of a quantity at an amount per share, rounded half up once (D3)."""
    return rounded(quantity * dollars_per_share * 100 / MICROS)


def money_text(cents: int) -> str:
    """Cents as dollars: 123450 -> '1234.50'."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def quantity_text(quantity: Quantity) -> str:
    """Shares as decimal text; what has no finite decimal is printed to twelve places."""
    if isinstance(quantity, int) and quantity % MICROS == 0:
        return str(quantity // MICROS)
    scale = 10**_PRINTED_DECIMALS
    units = rounded(Fraction(quantity) * scale / MICROS)
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), scale)
    digits = f".{rest:0{_PRINTED_DECIMALS}d}".rstrip("0").rstrip(".")
    return f"{sign}{whole}{digits}"
