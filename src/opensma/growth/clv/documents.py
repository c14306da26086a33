"""The documents of `sma growth clv`: parameters, likelihood, predictions, totals, hold-out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from opensma.errors import InputError, ensure
from opensma.growth.clv import contracts, purchases
from opensma.growth.clv.fitting import SMALL_N, Fit
from opensma.growth.clv.histories import DAYS_OF_UNIT, Histories

_AHEAD_WEEKS = 52.0
_AHEAD_PERIODS = 5

_PURCHASES: Mapping[str, tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]] = {
    "bgnbd": (purchases.fit_bgnbd, purchases.expected_bgnbd, purchases.alive_bgnbd),
    "pnbd": (purchases.fit_pnbd, purchases.expected_pnbd, purchases.alive_pnbd),
}


def parse_predict(text: str, names: tuple[str, ...]) -> dict[str, float]:
    """`x=2,tx=30.43,...` as numbers; InputError growth.predict names what is expected."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, number = part.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            break
    sound = all(np.isfinite(value) and value >= 0 for value in found.values())
    if set(found) != set(names) or len(text.split(",")) != len(names) or not sound:
        raise InputError(
            "growth.predict", f"'{text}' is not understood.", where="--predict",
            remedy="Give " + ",".join(f"{name}=NUMBER" for name in names) + ", none below 0.",
        )  # fmt: skip
    return found


def _document(model: str, n: int, fit: Fit, unit: str) -> dict[str, Any]:
    warnings = []
    if n < SMALL_N:
        text = f"{n} customers, below {SMALL_N}: parameters mean little."
        warnings.append({"code": "SMALL_N", "text": text})
    if not fit.converged:
        text = "A parameter ran away: the data do not fix this model."
        warnings.append({"code": "NOT_IDENTIFIED", "text": text})
    return {
        "model": model, "n_customers": n, "params": fit.params,
        "intervals": fit.intervals, "log_likelihood": fit.log_likelihood, "time_unit": unit,
        "observation_end": None, "prediction": None, "totals": {}, "warnings": warnings,
    }  # fmt: skip


def purchases_document(model: str, histories: Histories, predict: str | None) -> dict[str, Any]:
    """BG/NBD or Pareto/NBD of transactions (V1, V2, V4)."""
    fit_of, expected_of, alive_of = _PURCHASES[model]
    fit = fit_of(histories)
    found = _document(model, histories.n, fit, "week")
    asked = parse_predict(predict, ("x", "tx", "T", "t")) if predict else None
    ahead = asked["t"] if asked else _AHEAD_WEEKS
    if asked:
        x, t_x, t = asked["x"], asked["tx"], asked["T"]
        if t_x > t or (x == 0 and t_x > 0):
            raise InputError(
                "growth.predict", f"x={x:g}, tx={t_x:g}, T={t:g} do not fit.", where="--predict",
                remedy="tx is at most T, and 0 without repeats.",
            )  # fmt: skip
        found["prediction"] = {
            "expected_purchases": float(expected_of(fit.values, x, t_x, t, ahead)),
            "p_alive": float(alive_of(fit.values, x, t_x, t)),
        }
    own = (fit.values, histories.x, histories.t_x, histories.t)
    found["totals"] = {
        "n_repeat_customers": int((histories.x > 0).sum()),
        "time_ahead": ahead,
        "expected_purchases": float(np.sum(expected_of(*own, ahead))),
        "expected_alive": float(np.sum(alive_of(*own))),
    }
    found["n_repeat_customers"] = found["totals"]["n_repeat_customers"]
    found["observation_end"] = histories.observation_end
    found["hold_out"] = _hold_out(histories, own, expected_of)
    return found


def _hold_out(
    histories: Histories, own: tuple[Any, ...], expected_of: Callable[..., Any]
) -> dict[str, Any] | None:
    """Purchase days after observation beside what was expected (V8)."""
    if histories.later is None or histories.later_end is None:
        return None
    ensure(histories.observation_end is not None, "a hold-out without an end of observation")
    end = histories.observation_end or date.min
    ahead = (histories.later_end - end).days / DAYS_OF_UNIT
    actual, expected = float(histories.later.sum()), float(np.sum(expected_of(*own, ahead)))
    return {
        "until": histories.later_end, "time_ahead": ahead, "actual": actual, "expected": expected,
        "error": expected / actual - 1 if actual else None,
    }  # fmt: skip


def spend_document(histories: Histories, predict: str | None) -> dict[str, Any]:
    """Gamma-Gamma of repeat customers' spend (V5)."""
    fit = purchases.fit_gamma_gamma(histories)
    used = (histories.x > 0) & (histories.mean_spend > 0)
    found = _document("gg", histories.n, fit, "week")
    left = int(((histories.x > 0) & ~used).sum())
    if left:
        text = f"{left} repeat customers without a spend above 0 are left out."
        found["warnings"].append({"code": "NO_SPEND", "text": text})
    if predict:
        asked = parse_predict(predict, ("x", "m"))
        spend = purchases.expected_spend(fit.values, asked["x"], asked["m"])
        found["prediction"] = {"expected_mean_spend": float(spend)}
    p, q, v = fit.values
    if q <= 1:
        text = "q is at most 1: the population has no mean spend."
        found["warnings"].append({"code": "NO_MEAN", "text": text})
    found["totals"] = {
        "n_repeat_customers": int(used.sum()),
        "population_mean_spend": p * v / (q - 1) if q > 1 else None,
        "observed_mean_spend": float(histories.mean_spend[used].mean()),
    }
    found["n_repeat_customers"] = int(used.sum())
    found["observation_end"] = histories.observation_end
    return found


def contract_document(
    file: Path, cohort: str | None, periods: int, discount: float
) -> dict[str, Any]:
    """Shifted beta-geometric of a cohort, with the periods after the fit as hold-out (V3)."""
    name, survivors = contracts.read_survival(file, cohort)
    fit = contracts.fit_sbg(survivors, periods)
    found = _document("sbg", int(survivors[0]), fit, "period")
    at = np.arange(len(survivors))
    share = contracts.survival_sbg(fit.values, at)
    found |= {
        "cohort": name,
        "survival_pct": (100 * share).tolist(),
        "retention_rate": contracts.retention_sbg(fit.values, at[1:]).tolist(),
        "discounted_expected_lifetime": contracts.discounted_lifetime(fit.values, discount),
        "discount": discount,
    }
    found["totals"] = {
        "discounted_expected_lifetime": found["discounted_expected_lifetime"],
        "survivors_at_end": float(share[-1] * survivors[0]),
    }
    after = slice(periods + 1, None)
    if len(share[after]):
        misses = 100 * (share[after] - survivors[after] / survivors[0])
        found["hold_out"] = {
            "periods": len(misses), "mean_abs_error_pct": float(np.abs(misses).mean()),
            "last_error_pct": float(misses[-1]),
        }  # fmt: skip
    return found


def opportunities_document(file: Path, predict: str | None) -> dict[str, Any]:
    """BG/BB of yearly gifts (V7)."""
    donors = contracts.read_opportunities(file)
    fit = contracts.fit_bgbb(donors)
    found = _document("bgbb", int(donors.weight.sum()), fit, "opportunity")
    ahead = _AHEAD_PERIODS
    if predict:
        asked = parse_predict(predict, ("x", "tx", "n", "t"))
        x, t_x, n, ahead = asked["x"], asked["tx"], asked["n"], int(asked["t"])
        if not x <= t_x <= n or (x == 0) != (t_x == 0):
            raise InputError(
                "growth.predict", f"x={x:g}, tx={t_x:g}, n={n:g} do not fit.", where="--predict",
                remedy="x <= tx <= n.",
            )  # fmt: skip
        found["prediction"] = {
            "expected_purchases": float(contracts.expected_bgbb(fit.values, x, t_x, n, ahead)[0]),
            "p_alive": float(contracts.alive_bgbb(fit.values, x, t_x, n, 1)[0]),
        }
    own = (fit.values, donors.x, donors.t_x, donors.n)
    expected = contracts.expected_bgbb(*own, ahead)
    alive = contracts.alive_bgbb(*own, 1)
    found["totals"] = {
        "time_ahead": ahead, "expected_purchases": float(donors.weight @ expected),
        "expected_alive": float(donors.weight @ alive),
    }  # fmt: skip
    columns = (donors.x, donors.t_x, donors.n, donors.weight, expected, alive)
    names = ("x", "tx", "n", "weight", "expected_purchases", "p_alive")
    found["rows"] = [
        dict(zip(names, map(float, row), strict=True)) for row in zip(*columns, strict=True)
    ]
    return found
