"""How the room refuses: one sentence for what cannot be measured, and what to do about it."""

from __future__ import annotations

from typing import NoReturn

import numpy as np
import numpy.typing as npt

from opensma.errors import InputError

Floats = npt.NDArray[np.float64]

LOWEST_RETURN = -1.0


def refuse(code: str, message: str, *, where: str = "", remedy: str = "") -> NoReturn:
    """Raise the InputError `measure.<code>`."""
    raise InputError(f"measure.{code}", message, where=where, remedy=remedy)


def as_returns(values: npt.ArrayLike, where: str = "returns") -> Floats:
    """Returns as float64, finite and not below -100 %: nobody loses more than everything (M63)."""
    returns = as_numbers(values, where)
    if returns.size and float(returns.min()) < LOWEST_RETURN:
        refuse(
            "return_below_minus_100",
            f"A return of {float(returns.min()):.4%} would lose more than everything.",
            where=where,
            remedy="Check the values and flows it was computed from.",
        )
    return returns


def as_numbers(values: npt.ArrayLike, where: str) -> Floats:
    """An array of finite float64."""
    numbers = np.asarray(values, dtype=np.float64)
    if not np.isfinite(numbers).all():
        refuse(
            "not_finite",
            "A number is missing or not finite.",
            where=where,
            remedy="Give every value as a plain number.",
        )
    return numbers


def positive_base(base: Floats, where: str) -> Floats:
    """What a return divides by must be above zero."""
    lowest = float(np.min(base, initial=np.inf))
    if lowest <= 0:
        refuse(
            "base_not_positive",
            f"The base of a return is {lowest:,.2f}; it must be above zero.",
            where=where,
            remedy="Start the period when the account holds something, or break it at the flow.",
        )
    return base
