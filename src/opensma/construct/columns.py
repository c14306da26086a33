"""What the compiled kernels read: one account as arrays, everything in shares of account value V.

Records instead of many arrays: a kernel passes one pointer where it would pass twenty columns.
Selling is priced twice: `tax` counts every loss (a lower bound, since the wash rule only takes
losses away); the exact price of washed groups is computed where trades are chosen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from opensma.construct.problem import Codes, Floats, Mask

SECURITY = np.dtype(
    [
        ("target", "f8"),
        ("cost", "f8"),  # fraction of what is traded; eats cash
        ("toll", "f8"),  # cost plus the price of turnover: what the kernels minimise
        ("held", "f8"),  # before trading
        ("low", "f8"),  # after trading, at least
        ("high", "f8"),  # at most; below `held` a sale is forced
        ("step", "f8"),  # one tradable unit
        ("least", "f8"),  # smallest trade that is no liquidation
        ("ticket", "f8"),  # what trading it costs whatever the size
        ("smallest", "f8"),  # position that a trade may leave, except nothing
        ("keep", "f8"),  # price of holding it after trading, where names are limited
        ("specific", "f8"),  # specific variance
        ("factor_square", "f8"),  # |row|^2 of `factor`
        ("shares", "f8"),  # shares in one weight, V / price
        ("part_units", "i8"),  # units that may be sold without a full liquidation
        ("empty_units", "i8"),  # units of a full liquidation, rounded down
        ("whole", "i8"),  # 1 where the position is a whole number of units
        ("start", "i8"),  # its lots are start:stop, by rising tax
        ("stop", "i8"),
        ("group", "i8"),
        ("row", "i8"),  # band row of the sector, -1 where free; row 0 is cash
    ],
    align=True,
)
LOT = np.dtype(
    [
        ("width", "f8"),  # weight of the lot
        ("tax", "f8"),  # per weight sold; with the price of gain budgets
        ("guide", "f8"),  # the same as relaxations see it: the wash rule priced in
        ("gain", "f8"),  # gain per weight sold
        ("rate", "f8"),
        ("turn", "i8"),  # rises in the order in which losses of the household are washed
        ("units", "i8"),  # whole units that may be sold of it
        ("before", "i8"),  # units of the same security that are sold earlier
        ("long_term", "i8"),
        ("recent", "i8"),  # 1 when bought on one of the 30 days before
        ("security", "i8"),
    ],
    align=True,
)
FOREIGN = np.dtype(
    [
        ("sold", "f8"),  # shares that another account of the household sells at a loss
        ("tax", "f8"),  # per share, in shares of this account's V
    ],
    align=True,
)
Record = Any  # one row of these tables


class Columns(NamedTuple):
    """One account for the kernels: n securities, m lots, k factors, r rows, G groups."""

    factor: Floats  # (n, k) L chol(C)
    security: Any  # (n,) SECURITY
    lot: Any  # (m,) LOT
    row_low: Floats  # (r,)
    row_high: Floats  # (r,)
    washed: Mask  # (G,) recent shares are held somewhere in the taxpayer
    elsewhere: Floats  # (G,) of them kept in the taxpayer's other accounts, in shares
    wash_start: Codes  # (G + 1,) lots of washed groups, in order of acquisition
    wash_lot: Codes  # (.,) row of the lot; -1 - row in `foreign`
    foreign: Any  # (f,) FOREIGN: what other accounts sell of washed groups


class Limits(NamedTuple):
    """Limits over the whole account, inf where there is none; gains in shares of V."""

    max_variance: float  # te_cap squared
    max_turnover: float  # one way
    short_gain: float
    long_gain: float
    max_names: float  # held after trading


@njit(cache=True, forceinline=True)
def product(factor: Floats, i: int, vector: Floats) -> float:
    """Row i of `factor` times a vector at least as long; four sums at once, in a fixed order.

    One sum would wait for every addition before the next.
    """
    k = factor.shape[1]
    whole = k - k % 4
    a = b = c = d = 0.0
    for f in range(0, whole, 4):
        a += factor[i, f] * vector[f]
        b += factor[i, f + 1] * vector[f + 1]
        c += factor[i, f + 2] * vector[f + 2]
        d += factor[i, f + 3] * vector[f + 3]
    for f in range(whole, k):
        a += factor[i, f] * vector[f]
    return (a + b) + (c + d)
