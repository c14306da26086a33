"""Returns from daily values and flows: time-weighted, linked, and the risk of their difference.

Inflows count at the start of their day, outflows at its end, unless another flow timing is asked
for (M8). Arrays over days; accounts may be stacked in front: (accounts, days). Ratios are float64
and rounded only for display.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.measure.conventions import FlowTiming
from opensma.measure.refusals import Floats, as_numbers, as_returns, positive_base, refuse
from opensma.units import Ints

SESSIONS_PER_YEAR = 252

__all__ = [
    "SESSIONS_PER_YEAR",
    "DailySeries",
    "Floats",
    "cumulative",
    "daily_returns",
    "daily_series",
    "gross_and_net",
    "link",
    "linked",
    "series_returns",
    "subperiod_returns",
    "tracking_error",
]


def daily_returns(
    before: Ints | Floats,
    after: Ints | Floats,
    inflow: Ints | Floats,
    outflow: Ints | Floats,
    timing: FlowTiming = FlowTiming.INFLOW_START_OUTFLOW_END,
) -> Floats:
    """`(EMV + out) / (BMV + in) - 1`, and 0 where nothing was invested (M8). Any shape.

    Other timings move net flows to the start, the end or the middle of the day.
    """
    base = _base(before, inflow, outflow, timing)
    if timing is FlowTiming.INFLOW_START_OUTFLOW_END:
        end = np.add(after, outflow, dtype=np.float64)
    else:
        net = np.subtract(inflow, outflow, dtype=np.float64)
        end = after - (1.0 - _SHARE_AT_START[timing]) * net
    invested = base > 0
    returns: Floats = np.divide(end, base, out=np.ones_like(base), where=invested)
    returns -= 1.0
    return returns


_SHARE_AT_START = {
    FlowTiming.START_OF_DAY: 1.0,
    FlowTiming.MID_DAY: 0.5,
    FlowTiming.END_OF_DAY: 0.0,
}


def _base(
    before: Ints | Floats, inflow: Ints | Floats, outflow: Ints | Floats, timing: FlowTiming
) -> Floats:
    """What a day's return divides by."""
    if timing is FlowTiming.INFLOW_START_OUTFLOW_END:
        return np.add(before, inflow, dtype=np.float64)
    net = np.subtract(inflow, outflow, dtype=np.float64)
    return np.asarray(before + _SHARE_AT_START[timing] * net)


def series_returns(values: Ints, inflows: Ints, outflows: Ints) -> Floats:
    """Daily returns of a series (days,) that starts from nothing."""
    before = np.concatenate([np.zeros(1, dtype=np.int64), values[:-1]])
    return daily_returns(before, values, inflows, outflows)


def gross_and_net(
    before: Ints | Floats,
    after: Ints | Floats,
    inflow: Ints | Floats,
    outflow: Ints | Floats,
    fee_inside: Ints | Floats,
    fee_outside: Ints | Floats,
) -> tuple[Floats, Floats]:
    """Daily returns before and after the management fee; any shape (M6, M19).

    A fee taken from the account is already missing in `after`, and gross gives it back. One paid
    from elsewhere never touched the account, and net takes it off. Neither is ever a flow.
    """
    gross = daily_returns(before, np.add(after, fee_inside), inflow, outflow)
    net = daily_returns(before, np.subtract(after, fee_outside), inflow, outflow)
    return gross, net


@dataclass(frozen=True, slots=True)
class DailySeries:
    """Daily returns of one account, linked after each day, and what was odd about them."""

    daily: Floats
    cumulative: Floats
    warnings: tuple[str, ...]

    @property
    def total(self) -> float:
        """The return of the whole series."""
        return float(self.cumulative[-1]) if len(self.cumulative) else 0.0


def daily_series(
    start_value: float,
    values: npt.ArrayLike,
    inflows: npt.ArrayLike,
    outflows: npt.ArrayLike,
    timing: FlowTiming = FlowTiming.INFLOW_START_OUTFLOW_END,
) -> DailySeries:
    """Checked daily returns of one account; arrays (days,). `zero_base` warns once per day (M8)."""
    after, into = as_numbers(values, "end_value"), as_numbers(inflows, "inflow")
    out = as_numbers(outflows, "outflow")
    if min(np.min(into, initial=0.0), np.min(out, initial=0.0)) < 0:
        refuse(
            "flow_negative",
            "Inflows and outflows are amounts of zero or more.",
            where="days",
            remedy="Give a withdrawal as a positive outflow.",
        )
    before = np.concatenate([as_numbers([start_value], "start_value"), after[:-1]])
    base = _base(before, into, out, timing)
    positive_base(base[base != 0], "previous value + inflow")
    daily = as_returns(daily_returns(before, after, into, out, timing), "days")
    warnings = ("zero_base",) * int(np.count_nonzero(base == 0))
    return DailySeries(daily, cumulative(daily), warnings)


def subperiod_returns(
    begins: npt.ArrayLike, flows_at_start: npt.ArrayLike, ends: npt.ArrayLike
) -> Floats:
    """Returns (subperiods,) between revaluations at flows: `end / (begin + flow) - 1` (M10)."""
    base = as_numbers(begins, "begin") + as_numbers(flows_at_start, "flow_at_start")
    return as_returns(as_numbers(ends, "end") / positive_base(base, "begin + flow") - 1.0)


def cumulative(returns: Floats) -> Floats:
    """Linked return after each period, over the last axis."""
    return np.asarray(np.cumprod(1.0 + returns, axis=-1, dtype=np.float64) - 1.0)


def link(returns: npt.ArrayLike) -> Floats:
    """`prod(1 + r) - 1` over the last axis, with no return below -100 % (2.A.24.f)."""
    return np.asarray(np.prod(1.0 + as_returns(returns), axis=-1) - 1.0)


def linked(returns: Floats) -> float:
    """`prod(1 + r) - 1` of one series (2.A.24.f)."""
    return float(np.prod(1.0 + returns) - 1.0)


def tracking_error(returns: Floats, benchmark: Floats) -> float:
    """Annualised standard deviation of the difference of daily returns; 0 below two days."""
    if len(returns) < 2:
        return 0.0
    active = returns - benchmark
    return float(np.std(active, ddof=1) * np.sqrt(SESSIONS_PER_YEAR))
