"""Quantities and prices in millionths, money in cents, all as integers, and the named roundings.

`_micros` is millionths of a share or of a dollar, `_cents` whole cents. Two rules round:

- `round_half_up` (D3): halves go up (towards plus infinity); used wherever one amount is formed.
- `split_cents` (D4): cumulative, so that the parts always return the whole.

A quantity times a price passes 2**63 from $9.2m upwards, so products are split first:
`(q // M) * p + (q % M) * p // M`. Floats never enter here; the solver converts at its own door.
"""

from collections.abc import Sequence
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from opensma.errors import InputError, ensure

Ints = npt.NDArray[np.int64]

MICROS = 1_000_000
CENTS = 100
MICROS_PER_CENT = MICROS // CENTS

# Decimal rounds to its context's precision without a word; D2 wants an error instead.
_EXACT = Context(prec=40, traps=[Inexact, InvalidOperation, Overflow])


def round_half_up(numerator: int, denominator: int) -> int:
    """Integer nearest to numerator / denominator, halves up; denominator > 0 (D3)."""
    return (2 * numerator + denominator) // (2 * denominator)


def cut_cents(amount_cents: int, part: int, whole: int) -> int:
    """The part's share of an amount: round-half-up(amount x part / whole) (D3)."""
    return amount_cents if part == whole else round_half_up(amount_cents * part, whole)


def split_cents(amount_cents: int, weights: Sequence[int]) -> list[int]:
    """Split an amount by weights so that the parts sum to it exactly, whatever its sign (D4)."""
    total = sum(weights)
    ensure(total or not amount_cents, "an amount without weights", amount_cents=amount_cents)
    parts, reached, before = [], 0, 0
    for weight in weights:
        reached += weight
        after = round_half_up(amount_cents * reached, total) if total else 0
        parts.append(after - before)
        before = after
    return parts


def notional_cents(quantity_micros: int, price_micros: int) -> int:
    """Value in cents of a quantity at a price, round-half-up once (D3)."""
    return round_half_up(quantity_micros * price_micros, MICROS * MICROS_PER_CENT)


def notional_cents_array(quantity_micros: Ints, price_micros: Ints) -> Ints:
    """`notional_cents` over arrays without overflow; quantities and prices >= 0."""
    whole = (quantity_micros // MICROS) * price_micros
    rest = (quantity_micros % MICROS) * price_micros
    # `rest % MICROS` cannot change a half-up rounding of micro-dollars to cents: a tie in cents
    # is an exact number of micro-dollars, so anything beyond it only decides ties upwards.
    micros = whole + rest // MICROS
    result: Ints = (micros + MICROS_PER_CENT // 2) // MICROS_PER_CENT
    return result


def parse_micros(text: str, where: str = "") -> int:
    """Decimal text to millionths; more than six decimals is an error, never a rounding (D2)."""
    return _parse(text, MICROS, "a number with at most six decimals", where)


def parse_cents(text: str, where: str = "") -> int:
    """Decimal dollars to cents; more than two decimals is an error (D1)."""
    return _parse(text, CENTS, "dollars with at most two decimals", where)


def _parse(text: str, scale: int, wanted: str, where: str) -> int:
    try:
        scaled = _EXACT.multiply(Decimal(text), scale)
        if scaled == scaled.to_integral_value() and abs(scaled) < 2**63:
            return int(scaled)
    except (ArithmeticError, ValueError):  # no number, NaN, infinity, or more digits than exact
        pass
    raise InputError(
        "number.invalid", f"'{text}' is not {wanted}.", where=where, remedy="Correct the value."
    )


def micros_from_float(value: float) -> int:
    """A price or quantity read from a file of floats, to the nearest millionth (ties to even)."""
    return round(value * MICROS)


def dollars(cents: int) -> str:
    """Cents as text with thousands separators: 123456 -> '1,234.56', negatives with a minus."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100:,}.{abs(cents) % 100:02d}"


def shares(quantity_micros: int) -> str:
    """Micros as decimal text without trailing zeros: 1250000 -> '1.25'."""
    sign = "-" if quantity_micros < 0 else ""
    whole, rest = divmod(abs(quantity_micros), MICROS)
    return f"{sign}{whole:,}" + (f".{rest:06d}".rstrip("0") if rest else "")


def ratio(numerator: int, denominator: int) -> Fraction:
    """An exact ratio such as new shares per old share."""
    return Fraction(numerator, denominator)
