"""Purchases without a contract: BG/NBD and Pareto/NBD, and what is spent (V2, V4, V5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.errors import InputError
from opensma.growth.clv.fitting import Fit, maximise
from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from opensma.growth.clv.histories import Histories
    from opensma.growth.credit_paths import Floats


def _groups(*columns: Floats) -> tuple[Floats, Floats]:
    """Customers alike are one with a weight: the likelihood has fewer terms."""
    rows, counts = np.unique(np.column_stack(columns), axis=0, return_counts=True)
    return rows.T, counts.astype(np.float64)


def _need_repeats(histories: Histories) -> None:
    if not (histories.x > 0).any():
        raise InputError(
            "growth.no_repeats", "No customer came back: there is nothing to fit.",
            where="--transactions", remedy="Give a longer time, or use the model of contracts.",
        )  # fmt: skip


# --- BG/NBD --------------------------------------------------------------------------------------


def fit_bgnbd(histories: Histories) -> Fit:
    """Rate of purchases by a gamma, leaving after a purchase by a beta (V2)."""
    _need_repeats(histories)
    special = scipy_part("special")
    (x, t_x, t), weight = _groups(histories.x, histories.t_x, histories.t)
    repeat = x > 0
    z = np.where(repeat, x, 1.0)

    def value(r: float, alpha: float, a: float, b: float) -> float:
        stays = special.betaln(a, b + x) - (r + x) * np.log(alpha + t)
        leaves = np.where(
            repeat, special.betaln(a + 1, b + z - 1) - (r + x) * np.log(alpha + t_x), -np.inf
        )
        terms = (
            special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha)
            - special.betaln(a, b) + np.logaddexp(stays, leaves)
        )  # fmt: skip
        return float(weight @ terms)

    return maximise(("r", "alpha", "a", "b"), value, (0.5, float(t.mean()) / 5, 1.0, 2.0))


def alive_bgnbd(params: tuple[float, ...], x: Any, t_x: Any, t: Any) -> Any:
    """Chance that a customer is still one (V2)."""
    return 1 / _leaving_bgnbd(params, x, t_x, t)


def _leaving_bgnbd(params: tuple[float, ...], x: Any, t_x: Any, t: Any) -> Any:
    r, alpha, a, b = params
    x = np.asarray(x, dtype=np.float64)
    with np.errstate(over="ignore"):
        ratio = np.exp((r + x) * np.log((alpha + t) / (alpha + t_x)))
    return 1 + np.where(x > 0, a / (b + np.where(x > 0, x, 1.0) - 1) * ratio, 0.0)


def expected_bgnbd(params: tuple[float, ...], x: Any, t_x: Any, t: Any, ahead: float) -> Any:
    """Purchases expected in the time ahead (V2); Euler's form of 2F1, which cannot overflow."""
    r, alpha, a, b = params
    special = scipy_part("special")
    z = ahead / (alpha + t + ahead)
    power = (1 - z) ** (a - 1) * special.hyp2f1(a + b - 1 - r, a - 1, a + b + x - 1, z)
    return (a + b + x - 1) / (a - 1) * (1 - power) / _leaving_bgnbd(params, x, t_x, t)


# --- Pareto/NBD ----------------------------------------------------------------------------------


def fit_pnbd(histories: Histories) -> Fit:
    """Rates of purchases and of leaving, each by a gamma (V4)."""
    _need_repeats(histories)
    special = scipy_part("special")
    (x, t_x, t), weight = _groups(histories.x, histories.t_x, histories.t)

    def value(r: float, alpha: float, s: float, beta: float) -> float:
        stays = -(r + x) * np.log(alpha + t) - s * np.log(beta + t)
        leaves = np.log(s / (r + s + x)) + _log_a0((r, alpha, s, beta), x, t_x, t)
        terms = (
            special.gammaln(r + x) - special.gammaln(r) + r * np.log(alpha) + s * np.log(beta)
            + np.logaddexp(stays, leaves)
        )  # fmt: skip
        return float(weight @ terms)

    mean = float(t.mean())
    return maximise(("r", "alpha", "s", "beta"), value, (0.5, mean / 4, 0.5, mean / 4))


def _log_a0(params: tuple[float, ...], x: Any, t_x: Any, t: Any) -> Any:
    """ln A0 (V4), as a difference of logarithms so that many purchases do not underflow."""
    r, alpha, s, beta = params
    special = scipy_part("special")
    c = r + s + x
    k = s + 1 if alpha >= beta else r + x
    m, z = max(alpha, beta), abs(alpha - beta)
    early = np.log(special.hyp2f1(c, k, c + 1, z / (m + t_x))) - c * np.log(m + t_x)
    late = np.log(special.hyp2f1(c, k, c + 1, z / (m + t))) - c * np.log(m + t)
    with np.errstate(divide="ignore"):
        return early + np.log1p(-np.exp(np.minimum(late - early, 0.0)))


def alive_pnbd(params: tuple[float, ...], x: Any, t_x: Any, t: Any) -> Any:
    """Chance that a customer is still one (V4)."""
    r, alpha, s, beta = params
    x = np.asarray(x, dtype=np.float64)
    log_odds = (
        np.log(s / (r + s + x)) + (r + x) * np.log(alpha + t) + s * np.log(beta + t)
        + _log_a0(params, x, t_x, t)
    )  # fmt: skip
    return scipy_part("special").expit(-log_odds)


def expected_pnbd(params: tuple[float, ...], x: Any, t_x: Any, t: Any, ahead: float) -> Any:
    """Purchases expected in the time ahead (V4)."""
    r, alpha, s, beta = params
    shrink = -np.expm1((s - 1) * np.log((beta + t) / (beta + t + ahead))) / (s - 1)
    return (r + x) * (beta + t) / (alpha + t) * shrink * alive_pnbd(params, x, t_x, t)


# --- Gamma-Gamma ---------------------------------------------------------------------------------


def fit_gamma_gamma(histories: Histories) -> Fit:
    """Spend of a purchase day by a gamma, its scale by another (V5); repeat customers only."""
    _need_repeats(histories)
    special = scipy_part("special")
    used = (histories.x > 0) & (histories.mean_spend > 0)
    if not used.any():
        raise InputError(
            "growth.no_spend", "No repeat customer has spent anything.", where="amount",
            remedy="Give amounts above 0.",
        )  # fmt: skip
    (x, m), weight = _groups(histories.x[used], histories.mean_spend[used])

    def value(p: float, q: float, v: float) -> float:
        terms = (
            special.gammaln(p * x + q) - special.gammaln(p * x) - special.gammaln(q)
            + q * np.log(v) + (p * x - 1) * np.log(m) + p * x * np.log(x)
            - (p * x + q) * np.log(x * m + v)
        )  # fmt: skip
        return float(weight @ terms)

    return maximise(("p", "q", "v"), value, (2.0, 3.0, float(m.mean())))


def expected_spend(params: tuple[float, ...], x: Any, m: Any) -> Any:
    """Mean spend expected of a customer; without repeats that of the population (V5)."""
    p, q, v = params
    return p * (v + x * m) / (p * x + q - 1)
