"""Customers under contract (sBG) and yearly gifts (BG/BB) (V3, V7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.errors import InputError
from opensma.growth.clv.fitting import Fit, maximise
from opensma.growth.credit_paths import lines_of, number_of
from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats

# --- sBG -----------------------------------------------------------------------------------------


def read_survival(file: Path, cohort: str | None) -> tuple[str, Floats]:
    """Survivors of a cohort at periods 0, 1, ...; InputError names the cohorts there are."""
    found: dict[str, dict[int, float]] = {}
    column = ""
    for line, row in lines_of(file, ("cohort", "period")):
        where = f"{file}:{line}"
        column = next((name for name in row if name.startswith("survivors")), "")
        if not column:
            raise InputError("growth.columns", "There is no column of survivors.",
                             where=f"{file}:1", remedy="Name it survivors.")  # fmt: skip
        period = number_of(row["period"], "period", where, least=0)
        own = found.setdefault(row["cohort"].strip(), {})
        if period != len(own):
            raise InputError(
                "growth.period", f"Period {period:g} comes where {len(own)} is next.", where=where,
                remedy="Give periods 0, 1, 2, ... of every cohort in order.",
            )  # fmt: skip
        survivors = number_of(row[column], column, where, least=0)
        if own and survivors > own[len(own) - 1]:
            raise InputError("growth.survivors", f"{survivors:g} are more than before.",
                             where=where, remedy="Survivors never grow.")  # fmt: skip
        own[int(period)] = survivors
    name = cohort if cohort is not None else next(iter(found), "") if len(found) == 1 else None
    if name not in found:
        raise InputError(
            "growth.cohort", f"There is no cohort '{name or ''}'.", where="--cohort",
            remedy=f"Choose one of {', '.join(found)}." if found else "The file has no rows.",
        )  # fmt: skip
    return name, np.array(list(found[name].values()))


def fit_sbg(survivors: Floats, periods: int) -> Fit:
    """Chance to leave at a renewal by a beta, from the first renewals (V3)."""
    if not 1 <= periods < len(survivors) or survivors[0] <= 0:
        raise InputError(
            "growth.fit_periods", f"{periods} periods cannot be fitted.", where="--fit-periods",
            remedy=f"Give 1 to {len(survivors) - 1}.",
        )  # fmt: skip
    special = scipy_part("special")
    lost = -np.diff(survivors[: periods + 1])
    t = np.arange(1, periods + 1)

    def value(alpha: float, beta: float) -> float:
        leaves = special.betaln(alpha + 1, beta + t - 1) - special.betaln(alpha, beta)
        stays = special.betaln(alpha, beta + periods) - special.betaln(alpha, beta)
        return float(lost @ leaves + survivors[periods] * stays)

    return maximise(("alpha", "beta"), value, (1.0, 2.0))


def survival_sbg(params: tuple[float, ...], periods: Any) -> Any:
    """Share that is left after each number of periods (V3)."""
    alpha, beta = params
    betaln = scipy_part("special").betaln
    return np.exp(betaln(alpha, beta + np.asarray(periods)) - betaln(alpha, beta))


def retention_sbg(params: tuple[float, ...], periods: Any) -> Any:
    """Share of those still there that renews (V3)."""
    alpha, beta = params
    return (beta + np.asarray(periods) - 1) / (alpha + beta + np.asarray(periods) - 1)


def discounted_lifetime(params: tuple[float, ...], discount: float) -> float:
    """Expected discounted periods, the first counted whole (V3)."""
    alpha, beta = params
    return float(scipy_part("special").hyp2f1(1, beta, alpha + beta, 1 / (1 + discount)))


# --- BG/BB ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Opportunities:
    """Donors alike: gifts, the last opportunity with one, opportunities, how many donors."""

    x: Floats
    t_x: Floats
    n: Floats
    weight: Floats


def read_opportunities(file: Path) -> Opportunities:
    """Rows of a CSV frequency,recency,periods[,weights]."""
    rows = []
    for line, row in lines_of(file, ("frequency", "recency", "periods")):
        where = f"{file}:{line}"
        names = ("frequency", "recency", "periods")
        x, t_x, n = (number_of(row[name], name, where, least=0) for name in names)
        weight = number_of(row.get("weights", "1"), "weights", where, least=0)
        whole = all(value == int(value) for value in (x, t_x, n))
        if not whole or not x <= t_x <= n or (x == 0) != (t_x == 0):
            raise InputError(
                "growth.history", f"frequency {x:g}, recency {t_x:g}, periods {n:g} do not fit.",
                where=where, remedy="Whole numbers, frequency <= recency <= periods.",
            )  # fmt: skip
        rows.append((x, t_x, n, weight))
    if not rows or not sum(row[3] for row in rows):
        raise InputError("growth.no_customers", "The file has no donors.", where=str(file),
                         remedy="Give rows with a weight.")  # fmt: skip
    return Opportunities(*np.array(rows, dtype=np.float64).T)


def fit_bgbb(donors: Opportunities) -> Fit:
    """Giving by a beta at every opportunity, leaving by another (V7)."""

    def value(*params: float) -> float:
        return float(donors.weight @ _log_likelihood(params, donors.x, donors.t_x, donors.n))

    return maximise(("alpha", "beta", "gamma", "delta"), value, (1.0, 1.0, 1.0, 2.0))


def _log_likelihood(params: Sequence[float], x: Any, t_x: Any, n: Any) -> Any:
    alpha, beta, gamma, delta = params
    betaln = scipy_part("special").betaln
    x, t_x, n = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (x, t_x, n))
    base = betaln(alpha, beta) + betaln(gamma, delta)
    total = betaln(alpha + x, beta + n - x) + betaln(gamma, delta + n)
    for i in range(int((n - t_x).max())):
        with np.errstate(invalid="ignore"):
            left = betaln(alpha + x, beta + t_x - x + i) + betaln(gamma + 1, delta + t_x + i)
        total = np.where(i < n - t_x, np.logaddexp(total, left), total)
    return total - base


def alive_bgbb(params: tuple[float, ...], x: Any, t_x: Any, n: Any, ahead: float) -> Any:
    """Chance to be a donor `ahead` opportunities after the last one seen (V7)."""
    alpha, beta, gamma, delta = params
    betaln = scipy_part("special").betaln
    stays = betaln(alpha + x, beta + n - x) + betaln(gamma, delta + n + ahead)
    base = betaln(alpha, beta) + betaln(gamma, delta)
    return np.exp(stays - base - _log_likelihood(params, x, t_x, n))


def expected_bgbb(params: tuple[float, ...], x: Any, t_x: Any, n: Any, ahead: int) -> Any:
    """Gifts expected in the next `ahead` opportunities: alive at each, and then giving (V7)."""
    alpha, beta, _, _ = params
    gives = (alpha + np.asarray(x)) / (alpha + beta + np.asarray(n))
    return gives * sum(alive_bgbb(params, x, t_x, n, k) for k in range(1, ahead + 1))
