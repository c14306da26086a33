"""Holding period: the first day on which a sale is long-term (H1, H2).

The count starts the day after the purchase and includes the day of sale; long-term is more than
one calendar year. So a lot is long-term from (bought + 1 day) + 1 year, where 29 February + 1 year
is 1 March. Never 365 days, which is a day wrong in leap years (T2). Pure: no clock.
"""

from __future__ import annotations

from datetime import date
from typing import overload

import numpy as np

from opensma.units import Ints

_EPOCH = date(1970, 1, 1).toordinal()


@overload
def long_term_from(holding_day: int) -> int: ...
@overload
def long_term_from(holding_day: Ints) -> Ints: ...
def long_term_from(holding_day: int | Ints) -> int | Ints:
    """First sale day that is long-term, for one holding day or an array of them (H2)."""
    if isinstance(holding_day, np.ndarray):
        return _long_term_from_array(holding_day)
    first = date.fromordinal(int(holding_day) + 1)
    if (first.month, first.day) == (2, 29):
        return date(first.year + 1, 3, 1).toordinal()
    return first.replace(year=first.year + 1).toordinal()


@overload
def is_long_term(holding_day: int, sold_day: int) -> bool: ...
@overload
def is_long_term(holding_day: Ints, sold_day: int | Ints) -> np.ndarray: ...
def is_long_term(holding_day: int | Ints, sold_day: int | Ints) -> bool | np.ndarray:
    """Whether a sale on `sold_day` is long-term; arrays give a mask of the same shape (H2)."""
    if isinstance(holding_day, np.ndarray):
        mask: np.ndarray = sold_day >= _long_term_from_array(holding_day)
        return mask
    return bool(sold_day >= long_term_from(int(holding_day)))


def _long_term_from_array(holding_day: Ints) -> Ints:
    first = (holding_day + (1 - _EPOCH)).astype("datetime64[D]")
    month = first.astype("datetime64[M]")
    # Day 29 of a February that has 28 days runs over into 1 March: exactly H2.
    day = (month + np.timedelta64(12, "M")).astype("datetime64[D]") + (
        first - month.astype("datetime64[D]")
    )
    result: Ints = day.astype(np.int64) + _EPOCH
    return result
