"""Money-weighted returns: the one rate at which all dated flows of an owner are worth nothing.

Amounts are from the owner's pocket: paid in negative, received (and the closing value) positive.
Everything is solved in x = ln(1 + r), scaled so that no power overflows, however close r is to
-100 %. Two roots are never reported as one (M17).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NoReturn

import numpy as np
import numpy.typing as npt

from opensma.measure.conventions import DayCount, RootPolicy
from opensma.measure.daycount import year_fractions
from opensma.measure.length import full_year
from opensma.measure.refusals import Floats, as_numbers, refuse

_GRID = 4_096
_ITERATIONS = 200
_LOWEST, _HIGHEST = -1.0 + 1e-9, 1e6  # where several roots are looked for when none may be missed


@dataclass(frozen=True, slots=True)
class CashFlows:
    """Flows of one owner: one row per date, in order; `years` from the earliest date given."""

    dates: tuple[date, ...]
    amounts: Floats
    years: Floats

    @property
    def sign_changes(self) -> int:
        """How often paying in turns into receiving, or back."""
        signs = np.sign(self.amounts)
        return int(np.count_nonzero(signs[1:] != signs[:-1]))


def cash_flows(
    dates: Sequence[date],
    amounts: Sequence[float],
    day_count: DayCount = DayCount.ACT_365F,
) -> CashFlows:
    """Sorted by date, summed per date, without zeros; in any order as given."""
    if len(dates) != len(amounts) or not dates:
        refuse(
            "flow_without_date",
            f"There are {len(amounts)} amounts and {len(dates)} dates.",
            where="dates",
            remedy="Give every flow its date.",
        )
    as_numbers(amounts, "amounts")
    sums: dict[date, float] = {}
    for day, amount in sorted(zip(dates, amounts, strict=True), key=lambda pair: pair[0]):
        sums[day] = sums.get(day, 0.0) + float(amount)
    ordered = list(sums)
    years = year_fractions(ordered, day_count)
    kept = [i for i, day in enumerate(ordered) if sums[day] != 0.0]
    values = np.array([sums[ordered[i]] for i in kept], dtype=np.float64)
    return CashFlows(tuple(ordered[i] for i in kept), values, years[kept])


# --- one rate ----------------------------------------------------------------------------------


def xirr(
    flows: CashFlows,
    policy: RootPolicy = RootPolicy.REFUSE,
    guess: float | None = None,
) -> float:
    """The yearly rate at which the flows are worth nothing; several rates are refused (M17).

    With NEAREST_TO_GUESS the root nearest to `guess` is taken.
    """
    if flows.sign_changes == 1:
        return float(internal_rates(flows.amounts[None, :], flows.years[None, :])[0])
    roots = all_roots(flows, _LOWEST, _HIGHEST) if flows.sign_changes else []
    if not roots:
        _refuse_none()
    if len(roots) == 1:
        return roots[0]
    if policy is RootPolicy.NEAREST_TO_GUESS and guess is not None:
        return min(roots, key=lambda root: abs(root - guess))
    return _refuse_several(flows, roots)


def _refuse_none() -> NoReturn:
    refuse(
        "no_rate",
        "No rate makes these flows worth nothing: money must go both in and out.",
        where="amounts",
        remedy="Add the closing value as money received on the last date.",
    )


def _refuse_several(flows: CashFlows, roots: Sequence[float]) -> NoReturn:
    named = ", ".join(f"{root:.4%}" for root in roots)
    refuse(
        "several_rates",
        f"The flows change sign {flows.sign_changes} times and {len(roots)} rates fit: {named}.",
        where=_listed(flows),
        remedy="Report the time-weighted return, or name a guess and take the nearest rate.",
    )


def _listed(flows: CashFlows) -> str:
    rows = [f"{d} {a:,.2f}" for d, a in zip(flows.dates, flows.amounts.tolist(), strict=True)]
    return "; ".join(rows if len(rows) <= 12 else [*rows[:11], f"and {len(rows) - 11} more"])


def internal_rates(amounts: Floats, years: Floats) -> Floats:
    """Rates (accounts,) of conventional flows (accounts, flows); pad with amount 0 and year 0.

    Newton inside a bracket that is halved whenever a step leaves it. Each row must change sign once
    in order of time; its one root is then certain.
    """
    last = np.max(np.where(amounts != 0, years, -np.inf), axis=1, keepdims=True)
    first = np.min(np.where(amounts != 0, years, np.inf), axis=1, keepdims=True)
    falling = np.sign(np.sum(np.where(years == first, amounts, 0.0), axis=1))
    low, high = _bracket(amounts, years, first, last, falling)
    x = 0.5 * (low + high)
    for _ in range(_ITERATIONS):
        value, slope = _worth(amounts, years, first, last, x)
        right = np.sign(value) == falling  # beyond the root the first flow outweighs the rest
        low, high = np.where(right, low, x), np.where(right, x, high)
        step = np.divide(value, slope, out=np.zeros_like(value), where=slope != 0)
        following = x - step
        inside = (following > low) & (following < high) & (slope != 0)
        following = np.where(inside, following, 0.5 * (low + high))
        following = np.where(value == 0, x, following)
        if np.all(np.abs(following - x) <= 4e-16 * np.maximum(1.0, np.abs(x))):
            x = following
            break
        x = following
    found: Floats = np.expm1(x)
    return found


def _bracket(
    amounts: Floats, years: Floats, first: Floats, last: Floats, falling: Floats
) -> tuple[Floats, Floats]:
    low, high = np.full(len(amounts), -1.0), np.full(len(amounts), 1.0)
    for _ in range(40):
        below = np.sign(_worth(amounts, years, first, last, low)[0]) == falling
        above = np.sign(_worth(amounts, years, first, last, high)[0]) == -falling
        if not below.any() and not above.any():
            return low, high
        low, high = np.where(below, 2 * low, low), np.where(above, 2 * high, high)
    return _refuse_none()


def _worth(
    amounts: Floats, years: Floats, first: Floats, last: Floats, x: Floats
) -> tuple[Floats, Floats]:
    """Present worth (accounts,) at x = ln(1 + r), times a positive factor, and its slope."""
    at = x[:, None]
    shifted = np.where(amounts != 0, years - np.where(at < 0, last, first), 0.0)
    terms = amounts * np.exp(-at * shifted)
    return terms.sum(axis=1), -(terms * shifted).sum(axis=1)


# --- all rates ---------------------------------------------------------------------------------


def all_roots(flows: CashFlows, lowest: float, highest: float) -> list[float]:
    """Every rate in [lowest, highest] that makes the flows worth nothing, ascending (M17).

    A grid in ln(1 + r) brackets what changes sign; where the worth comes near zero and turns, the
    turning point is looked for, so that two close roots are not missed.
    """
    if not -1.0 < lowest < highest:
        refuse("interval", f"No rates lie between {lowest} and {highest}.", where="interval")
    if len(flows.amounts) < 2:
        return []
    grid = np.linspace(np.log1p(lowest), np.log1p(highest), _GRID + 1)
    value = np.array([_single(flows, x) for x in grid])
    found = [float(grid[i]) for i in np.flatnonzero(value == 0)]
    for i in np.flatnonzero(value[:-1] * value[1:] < 0):
        found.append(_bisected(flows, float(grid[i]), float(grid[i + 1])))
    found += _between_turns(flows, grid, value)
    return sorted(float(np.expm1(x)) for x in found)


def _single(flows: CashFlows, x: float) -> float:
    shift = flows.years - (flows.years[-1] if x < 0 else flows.years[0])
    return float(flows.amounts @ np.exp(-x * shift))


def _bisected(flows: CashFlows, low: float, high: float) -> float:
    sign = np.sign(_single(flows, low))
    for _ in range(_ITERATIONS):
        middle = 0.5 * (low + high)
        if not low < middle < high:
            break
        low, high = (middle, high) if np.sign(_single(flows, middle)) == sign else (low, middle)
    return 0.5 * (low + high)


def _between_turns(flows: CashFlows, grid: Floats, value: Floats) -> list[float]:
    """Pairs of roots inside one cell of the grid, around a turn towards zero."""
    size, sign = np.abs(value), np.sign(value)
    inner = (size[1:-1] < size[:-2]) & (size[1:-1] <= size[2:])
    inner &= (sign[1:-1] == sign[:-2]) & (sign[1:-1] == sign[2:])
    found = []
    for i in np.flatnonzero(inner) + 1:
        low, high = float(grid[i - 1]), float(grid[i + 1])
        turn = _turning_point(flows, low, high, float(sign[i]))
        if _single(flows, turn) * sign[i] < 0:
            found += [_bisected(flows, low, turn), _bisected(flows, turn, high)]
    return found


def _turning_point(flows: CashFlows, low: float, high: float, sign: float) -> float:
    """The lowest worth (times sign) between two points, by golden section."""
    golden = (np.sqrt(5.0) - 1.0) / 2.0
    for _ in range(80):
        width = golden * (high - low)
        left, right = high - width, low + width
        if sign * _single(flows, left) < sign * _single(flows, right):
            high = right
        else:
            low = left
    return 0.5 * (low + high)


# --- groups and lengths ------------------------------------------------------------------------


def pooled(groups: Iterable[tuple[Sequence[date], Sequence[float]]], count: DayCount) -> CashFlows:
    """Dated flows of several accounts as one owner's: solve once, never average rates (M16)."""
    dates: list[date] = []
    amounts: list[float] = []
    for some_dates, some_amounts in groups:
        if len(some_dates) != len(some_amounts):
            refuse("flow_without_date", "A flow has no date.", where="accounts")
        dates += some_dates
        amounts += some_amounts
    return cash_flows(dates, amounts, count)


@dataclass(frozen=True, slots=True)
class SinceInception:
    """A money-weighted return of a whole life; `annualised` is None under one year (M12, M15)."""

    annualised: float | None
    period: float


def since_inception(
    dates: Sequence[date], amounts: Sequence[float], day_count: DayCount = DayCount.ACT_365F
) -> SinceInception:
    """The owner's rate by year, and over the days from first to last date (M15)."""
    rate = xirr(cash_flows(dates, amounts, day_count))
    first, last = min(dates), max(dates)
    period = (1.0 + rate) ** ((last - first).days / 365) - 1.0
    return SinceInception(rate if full_year(first, last) else None, float(period))


def padded(flows: Sequence[CashFlows]) -> tuple[Floats, Floats]:
    """Flows of many accounts as arrays (accounts, flows) for `internal_rates`."""
    width = max((len(f.amounts) for f in flows), default=0)
    amounts: npt.NDArray[np.float64] = np.zeros((len(flows), width))
    years = np.zeros((len(flows), width))
    for row, flow in enumerate(flows):
        amounts[row, : len(flow.amounts)] = flow.amounts
        years[row, : len(flow.years)] = flow.years
    return amounts, years
