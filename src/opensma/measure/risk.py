"""Risk after the fact: how far returns moved, alone and against their benchmark (M67, M68).

Series over the last axis (periods), accounts may be stacked in front. Every deviation divides by
n - ddof; the caller says which. A ratio whose divisor is zero is None, never infinite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.measure.refusals import Floats, as_numbers, as_returns, refuse

MONTHS_OF_RECORD = 36


@dataclass(frozen=True, slots=True)
class RiskSummary:
    """Portfolio against benchmark. Deviations are yearly unless the name says otherwise."""

    annualised_return: float
    benchmark_annualised_return: float
    std: float
    benchmark_std: float
    tracking_error: float
    information_ratio: float | None
    beta: float | None
    fama_beta: float | None
    jensen_alpha: float | None
    specific_risk: float | None
    m2: float | None
    downside_deviation: float  # per period, against the target
    upside_risk: float
    downside_potential: float
    upside_potential: float
    mean_absolute_deviation: float
    upside_frequency: float
    downside_frequency: float
    max_drawdown: float


def deviation(returns: Floats, ddof: int) -> Floats:
    """Standard deviation over the last axis, divided by n - ddof."""
    if returns.shape[-1] <= ddof:
        refuse(
            "too_few_returns",
            f"{returns.shape[-1]} returns are too few for a deviation with ddof {ddof}.",
            where="returns",
            remedy="Give more periods.",
        )
    found: Floats = np.std(returns, axis=-1, ddof=ddof)
    return found


def tracking_errors(portfolio: Floats, benchmark: Floats, periods: float, ddof: int = 1) -> Floats:
    """Ex-post tracking error (accounts,): std of the difference x sqrt(periods) (M67, M69)."""
    found: Floats = deviation(portfolio - benchmark, ddof) * np.sqrt(periods)
    return found


def betas(portfolio: Floats, benchmark: Floats) -> Floats:
    """Covariance over variance of the benchmark (accounts,); not-a-number where it never moves."""
    moved = benchmark - benchmark.mean(axis=-1, keepdims=True)
    with_it = (portfolio - portfolio.mean(axis=-1, keepdims=True)) * moved
    variance = (moved**2).sum(axis=-1)
    found: Floats = np.divide(
        with_it.sum(axis=-1),
        variance,
        out=np.full(np.shape(with_it.sum(axis=-1)), np.nan),
        where=variance > 0,
    )
    return found


def annualised_returns(returns: Floats, periods: float) -> Floats:
    """`prod(1 + r)^(P/n) - 1` over the last axis: for risk figures, never for a headline (M12)."""
    found: Floats = np.prod(1.0 + returns, axis=-1) ** (periods / returns.shape[-1]) - 1.0
    return found


def drawdowns(returns: Floats) -> Floats:
    """Deepest fall from a peak (accounts,), zero or less; the opening value is a peak (M68)."""
    wealth = np.cumprod(1.0 + returns, axis=-1)
    peak = np.maximum(np.maximum.accumulate(wealth, axis=-1), 1.0)
    found: Floats = np.min(wealth / peak - 1.0, axis=-1, initial=0.0)
    return found


def max_drawdown(returns: npt.ArrayLike) -> float:
    """`drawdowns` of one series, checked."""
    return float(drawdowns(as_returns(returns)))


def risk_summary(
    portfolio: npt.ArrayLike,
    benchmark: npt.ArrayLike,
    periods_per_year: float,
    target_per_period: float,
    ddof: int = 1,
) -> RiskSummary:
    """All figures of one account; both legs of the same length and periodicity (M67)."""
    p, b = as_returns(portfolio, "portfolio"), as_returns(benchmark, "benchmark")
    if len(p) != len(b) or not len(p):
        refuse(
            "series_differ",
            f"{len(p)} returns of the portfolio stand beside {len(b)} of the benchmark.",
            where="benchmark",
            remedy="Give both for the same periods.",
        )
    if periods_per_year <= 0:
        refuse("periods_per_year", "A year has a positive number of periods.")
    root = float(np.sqrt(periods_per_year))
    growth = float(annualised_returns(p, periods_per_year))
    benchmark_growth = float(annualised_returns(b, periods_per_year))
    std, benchmark_std = float(deviation(p, ddof)) * root, float(deviation(b, ddof)) * root
    error = float(tracking_errors(p, b, periods_per_year, ddof))
    beta = float(betas(p, b)) if benchmark_std > 0 else None
    below, above = np.minimum(p - target_per_period, 0.0), np.maximum(p - target_per_period, 0.0)
    return RiskSummary(
        annualised_return=growth,
        benchmark_annualised_return=benchmark_growth,
        std=std,
        benchmark_std=benchmark_std,
        tracking_error=error,
        information_ratio=_ratio(growth - benchmark_growth, error),
        beta=beta,
        fama_beta=_ratio(std, benchmark_std),
        jensen_alpha=None if beta is None else growth - beta * benchmark_growth,
        specific_risk=None
        if beta is None
        else float(deviation(_residual(p, b, beta), ddof)) * root,
        m2=_ratio(growth * benchmark_std, std),
        downside_deviation=float(np.sqrt(np.mean(below**2))),
        upside_risk=float(np.sqrt(np.mean(above**2))),
        downside_potential=float(-below.mean()),
        upside_potential=float(above.mean()),
        mean_absolute_deviation=float(np.abs(p - p.mean()).mean()),
        upside_frequency=float(np.mean(p > target_per_period)),
        downside_frequency=float(np.mean(p < target_per_period)),
        max_drawdown=float(drawdowns(p)),
    )


def _residual(p: Floats, b: Floats, beta: float) -> Floats:
    alpha = float(p.mean()) - beta * float(b.mean())
    return p - alpha - beta * b


def _ratio(numerator: float, denominator: float) -> float | None:
    return numerator / denominator if denominator > 0 else None


def whole_period_volatility(returns: npt.ArrayLike, ddof: int = 1) -> float:
    """Deviation of ln(1 + r) x sqrt(number of returns): of the period, not of a year."""
    found = as_returns(returns)
    if found.size and float(found.min()) <= -1.0:
        refuse("total_loss", "A loss of everything has no logarithm.", where="returns")
    return float(deviation(np.log1p(found), ddof)) * float(np.sqrt(len(found)))


def three_year_deviation(monthly_returns: npt.ArrayLike, ddof: int = 1) -> float | None:
    """Yearly deviation of the last 36 monthly returns; None with fewer, to be disclosed (M31)."""
    found = as_returns(monthly_returns, "monthly_returns")
    if len(found) < MONTHS_OF_RECORD:
        return None
    return float(deviation(found[-MONTHS_OF_RECORD:], ddof)) * float(np.sqrt(12))


def active_share(portfolio: Mapping[str, float], benchmark: Mapping[str, float]) -> float:
    """Half the sum of absolute differences over all names of either; a missing one weighs 0."""
    names = list(dict.fromkeys([*portfolio, *benchmark]))
    held = as_numbers([portfolio.get(name, 0.0) for name in names], "portfolio")
    wanted = as_numbers([benchmark.get(name, 0.0) for name in names], "benchmark")
    return float(active_shares(held, wanted))


def active_shares(portfolio: Floats, benchmark: Floats) -> Floats:
    """Active share (accounts,) from weights (accounts, names)."""
    found: Floats = np.abs(portfolio - benchmark).sum(axis=-1) / 2.0
    return found
