"""Returns from daily values and flows: time-weighted, linked, and the risk of their difference.

Inflows count at the start of their day, outflows at its end (M8). Arrays over days; accounts may
be stacked in front. Ratios are float64 and rounded only for display.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from opensma.units import Ints

Floats = npt.NDArray[np.float64]
SESSIONS_PER_YEAR = 252


def daily_returns(before: Ints, after: Ints, inflow: Ints, outflow: Ints) -> Floats:
    """`(EMV + out) / (BMV + in) - 1`, and 0 where nothing was invested (M8). Cents, any shape."""
    base = (before + inflow).astype(np.float64)
    end = (after + outflow).astype(np.float64)
    safe = np.where(base > 0, base, 1.0)
    returns: Floats = np.where(base > 0, end / safe - 1.0, 0.0)
    return returns


def series_returns(values: Ints, inflows: Ints, outflows: Ints) -> Floats:
    """Daily returns of a series (days,) that starts from nothing."""
    before = np.concatenate([np.zeros(1, dtype=np.int64), values[:-1]])
    return daily_returns(before, values, inflows, outflows)


def linked(returns: Floats) -> float:
    """`prod(1 + r) - 1` over the last axis (2.A.24.f)."""
    return float(np.prod(1.0 + returns) - 1.0)


def tracking_error(returns: Floats, benchmark: Floats) -> float:
    """Annualised standard deviation of the difference of daily returns; 0 below two days."""
    if len(returns) < 2:
        return 0.0
    active = returns - benchmark
    return float(np.std(active, ddof=1) * np.sqrt(SESSIONS_PER_YEAR))
