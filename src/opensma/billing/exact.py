"""Exact amounts, and the one rounding at the end of a fee (B17).

An amount is a `Fraction` of dollars: nothing is rounded while it is carried. Binary floating point
never enters: 518 x 1 % / 4 is 1.295 and bills 1.30.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import NoReturn

from opensma.errors import InputError
from opensma.units import CENTS


def refuse(code: str, message: str, *, where: str = "", remedy: str = "") -> NoReturn:
    """Raise the InputError `billing.<code>`."""
    raise InputError(f"billing.{code}", message, where=where, remedy=remedy)


def to_cents(amount: Fraction) -> int:
    """Whole cents, half a cent away from zero; unlike D3, a credit rounds like a charge (B17)."""
    twice = 2 * abs(amount) * CENTS
    size = (twice.numerator + twice.denominator) // (2 * twice.denominator)
    return -size if amount < 0 else size


def share_out(total_cents: int, exact: Mapping[str, Fraction], residual: str) -> dict[str, int]:
    """Each part rounded; what is left over or missing goes to one of them (B5, B21)."""
    if residual not in exact:
        refuse(
            "residual_unknown",
            f"'{residual}' takes the rounding difference but has no part.",
            where="residual_payee",
            remedy="Name one of the payees.",
        )
    parts = {name: to_cents(amount) for name, amount in exact.items()}
    parts[residual] += total_cents - sum(parts.values())
    return parts


def not_negative(amount: Fraction, name: str) -> Fraction:
    """An amount or rate of zero or more."""
    if amount < 0:
        refuse("negative", f"{name} is {float(amount):g}; it must be zero or more.", where=name)
    return amount


def once_each(names: Sequence[str], where: str) -> None:
    """No name may be listed twice: an amount would be lost."""
    if len(set(names)) != len(names):
        refuse("listed_twice", "A name is listed twice.", where=where, remedy="List it once.")


def largest_remainder(total_cents: int, weights: Sequence[Fraction]) -> list[int]:
    """Cents by weight that sum to the total; missing cents go to the largest fractions.

    On a tie to the first. Each part is less than one cent from its exact share.
    """
    whole = sum(weights, Fraction(0))
    if whole == 0:
        if total_cents and not weights:
            refuse("no_parts", "There is nobody to share an amount with.", where="weights")
        weights, whole = [Fraction(1)] * len(weights), Fraction(max(1, len(weights)))
    exact = [total_cents * weight / whole for weight in weights]
    parts = [part.numerator // part.denominator for part in exact]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - exact[i], i))
    for i in order[: total_cents - sum(parts)]:
        parts[i] += 1
    return parts
