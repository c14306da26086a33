"""Returns and index levels from closes and corporate actions; every row uses only rows above it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from opensma.market.actions import ActionKind, adjustment_arrays
from opensma.units import MICROS, Ints

if TYPE_CHECKING:
    from opensma.market.panel import Market

Floats = npt.NDArray[np.float64]


def carry_forward(close_micros: Ints, days: Ints, listed_until: Ints) -> tuple[Ints, Ints]:
    """Closes carried over gaps while listed, and their age in sessions (-1 for no price).

    Shapes (days, securities); sessions after `listed_until` (ordinals) have no price.
    """
    sessions = np.arange(len(days))[:, None]
    source = np.maximum.accumulate(np.where(close_micros > 0, sessions, -1), axis=0)
    dead = (source < 0) | (days[:, None] > listed_until[None, :])
    carried = np.take_along_axis(close_micros, np.maximum(source, 0), axis=0)
    return np.where(dead, 0, carried), np.where(dead, -1, sessions - source)


def total_returns(market: Market) -> Floats:
    """(days, securities) total returns; NaN before the second price and after the listing.

    The session after a listing ends carries the derived merger (0) or loss (-1).
    """
    carried, _ = carry_forward(market.close_micros, market.days, market.listed_until)
    close = carried / MICROS
    factor, cash = adjustment_arrays(market.actions, market.days, len(market.security_id))
    result = np.full(close.shape, np.nan)
    before = close[:-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = (close[1:] * factor[1:] + cash[1:]) / before - 1.0
    result[1:] = np.where(before > 0, moved, np.nan)
    return result


def benchmark_income(market: Market) -> Floats:
    """(days,) cash dividends of the members as a share of the index's last level; 0 at first."""
    paid_out = tuple(a for a in market.actions if a.kind is ActionKind.CASH_DIVIDEND)
    _, cash = adjustment_arrays(paid_out, market.days, len(market.security_id))
    carried, _ = carry_forward(market.close_micros, market.days, market.listed_until)
    close = carried / MICROS
    known = member_matrix(market)[1:] & np.isfinite(market.total_returns()[1:])
    shares = np.where(known, shares_matrix(market)[:-1], 0)
    total = (close[:-1] * shares).sum(axis=1)
    paid = (cash[1:] * shares).sum(axis=1)
    income = np.divide(paid, total, out=np.zeros_like(total), where=total > 0)
    return np.concatenate([[0.0], income])


def benchmark_levels(market: Market) -> Floats:
    """(days,) index of the members, weighted by last session's capitalisation, from 1.0.

    A session's return uses the members of that session and weights of the session before.
    """
    moved = market.total_returns()
    carried, _ = carry_forward(market.close_micros, market.days, market.listed_until)
    shares = shares_matrix(market)
    members = member_matrix(market)
    weight = np.where(members[1:], carried[:-1] / MICROS * shares[:-1], 0.0)
    weight = np.where(np.isfinite(moved[1:]), weight, 0.0)
    total = weight.sum(axis=1)
    gained = (weight * np.nan_to_num(moved[1:])).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        daily = np.where(total > 0, gained / total, 0.0)
    return np.concatenate([[1.0], np.cumprod(1.0 + daily)])


def shares_matrix(market: Market) -> Ints:
    """(days, securities) shares outstanding as last reported by each session; 0 when unknown."""
    counts = market.shares_outstanding
    matrix = np.zeros(market.close_micros.shape, np.int64)
    row = np.searchsorted(market.days, counts.day)
    inside = row < len(market.days)
    # Rows are sorted by security and day, so the latest report of a session is written last.
    matrix[row[inside], counts.security[inside]] = counts.shares[inside]
    rows = np.arange(len(market.days))[:, None]
    source = np.maximum.accumulate(np.where(matrix > 0, rows, 0), axis=0)
    return np.take_along_axis(matrix, source, axis=0)


def member_matrix(market: Market) -> npt.NDArray[np.bool_]:
    """(days, securities) benchmark membership on each session."""
    matrix = np.zeros(market.close_micros.shape, bool)
    table = market.memberships
    first = np.searchsorted(market.days, table.first_day)
    after = np.searchsorted(market.days, table.last_day, side="right")
    for row, label in enumerate(table.label):
        if label == market.benchmark_id:
            matrix[first[row] : after[row], table.security[row]] = True
    return matrix
