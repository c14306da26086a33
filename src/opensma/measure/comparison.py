"""What the account's own deposits and withdrawals would have become in the benchmark."""

from __future__ import annotations

import numpy as np

from opensma.book.series import DailyValues
from opensma.measure.returns import Floats
from opensma.units import Ints


def benchmark_cents(series: DailyValues, market_days: Ints, levels: Floats) -> Floats:
    """(days,) value of the same flows in the benchmark: in at a day's start, out at its end (M8).

    `levels` (market days,) is the benchmark's total-return index. The account was funded at its
    first close, so the comparison starts there, as the benchmark's return does. Never booked.
    """
    start, end = np.searchsorted(market_days, [int(series.days[0]), int(series.days[-1])])
    path = levels[start : end + 1]
    growth = np.append(1.0, path[1:] / path[:-1])
    value, found = 0.0, np.empty(len(series.days))
    flows = zip(
        growth.tolist(), series.inflow_cents.tolist(), series.outflow_cents.tolist(), strict=True
    )
    for i, (factor, inflow, outflow) in enumerate(flows):
        value = (value + inflow) * factor - outflow
        found[i] = value
    return found


def contributed_cents(series: DailyValues) -> Ints:
    """(days,) deposits less withdrawals so far."""
    found: Ints = np.cumsum(series.inflow_cents - series.outflow_cents)
    return found
