"""Two arms compared: t-test, an always-valid interval, and CUPED (X3-X5).

The always-valid interval may be looked at every day and stopped at will; the t-test may be looked
at once, on the day that was fixed before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from opensma.growth.experiments.assignment import mismatch
from opensma.growth.experiments.spec import Spec
from opensma.growth.scientific import scipy_part

DEFAULT_TUNING = 5000.0


@dataclass(frozen=True, slots=True)
class Arm:
    """Sums over the units of one arm; those of the time before are there for CUPED."""

    n: float
    total: float
    squares: float
    pre_total: float = 0.0
    pre_squares: float = 0.0
    products: float = 0.0

    @property
    def mean(self) -> float:
        """Mean of the metric."""
        return self.total / self.n

    @property
    def pre_mean(self) -> float:
        """Mean of the metric before the experiment."""
        return self.pre_total / self.n

    @property
    def variance(self) -> float:
        """Of the metric, with n - 1."""
        return _moment(self.squares, self.total, self.total, self.n)

    @property
    def pre_variance(self) -> float:
        """Of the metric before, with n - 1."""
        return _moment(self.pre_squares, self.pre_total, self.pre_total, self.n)

    @property
    def covariance(self) -> float:
        """Of the metric after and before, with n - 1."""
        return _moment(self.products, self.total, self.pre_total, self.n)


def _moment(products: float, left: float, right: float, n: float) -> float:
    return (products - left * right / n) / (n - 1)


@dataclass(frozen=True, slots=True)
class Difference:
    """An estimate with the variance to judge it by, and degrees of freedom of the t-test."""

    estimate: float
    variance: float
    dof: float


def compare(spec: Spec) -> dict[str, Any]:
    """The kind `ab`: difference of two arms (X2-X5)."""
    metric = spec.choice("metric", ("proportion", "mean"))
    a, b = (_arm(spec.part(name), metric) for name in ("a", "b"))
    variances = [
        arm.mean * (1 - arm.mean) if metric == "proportion" else arm.variance for arm in (a, b)
    ]
    return {"kind": "ab"} | _judged(spec, a, b, _difference(spec, a, b, variances))


def adjusted(spec: Spec) -> dict[str, Any]:
    """The kind `cuped`: the same with what was known before taken out (X4)."""
    a, b = (_arm(spec.part(name), "mean", before=True) for name in ("a", "b"))
    n = a.n + b.n
    pre = _moment(a.pre_squares + b.pre_squares, a.pre_total + b.pre_total,
                  a.pre_total + b.pre_total, n)  # fmt: skip
    both = _moment(a.products + b.products, a.total + b.total, a.pre_total + b.pre_total, n)
    theta = both / pre if pre > 0 else 0.0
    variances = [
        arm.variance + theta**2 * arm.pre_variance - 2 * theta * arm.covariance for arm in (a, b)
    ]
    found = _judged(spec, a, b, _difference(spec, a, b, variances, theta))
    return {"kind": "cuped", "theta": theta} | found


def _arm(spec: Spec, metric: str, *, before: bool = False) -> Arm:
    n = spec.number("n", least=2, whole=True)
    total = spec.number("sum")
    if metric == "proportion":
        if not 0 <= total <= n:
            raise spec.fail("sum", f"{total:g} of {n:g} units.", f"Give a number from 0 to {n:g}.")
        return Arm(n, total, total)
    arm = Arm(n, total, spec.number("sum_squares", least=0))
    _check_squares(spec, "sum_squares", arm.variance, arm.squares)
    if not before:
        return arm
    arm = Arm(
        n, total, arm.squares, spec.number("pre_sum"), spec.number("pre_sum_squares", least=0),
        spec.number("sum_products"),
    )  # fmt: skip
    _check_squares(spec, "pre_sum_squares", arm.pre_variance, arm.pre_squares)
    if arm.covariance**2 > arm.variance * arm.pre_variance * (1 + 1e-9) + 1e-12:
        raise spec.fail(
            "sum_products", "The products do not fit the sums and squares.",
            "Give sums over the same units.",
        )  # fmt: skip
    return arm


def _check_squares(spec: Spec, name: str, variance: float, squares: float) -> None:
    if variance < -1e-9 * max(1.0, squares):
        raise spec.fail(
            name, "The sum of squares is smaller than the sum allows.",
            "Give the sum of the squared values of the units.",
        )  # fmt: skip


def _difference(
    spec: Spec, a: Arm, b: Arm, variances: list[float], theta: float = 0.0
) -> Difference:
    """Absolute or relative; degrees of freedom come from the absolute variances (X3)."""
    va, vb = (max(v, 0.0) / arm.n for v, arm in zip(variances, (a, b), strict=True))
    below = va**2 / (a.n - 1) + vb**2 / (b.n - 1)
    dof = (va + vb) ** 2 / below if below else math.nan
    estimate = (b.mean - theta * b.pre_mean) - (a.mean - theta * a.pre_mean)
    if spec.choice("effect", ("absolute", "relative"), "absolute") == "absolute":
        return Difference(estimate, va + vb, dof)
    if a.mean == 0:
        return Difference(math.nan, math.nan, dof)
    ratio = b.mean / a.mean
    own = va * ratio**2
    if theta:
        own = (
            a.variance * ratio**2 - 2 * theta * a.covariance * ratio + theta**2 * a.pre_variance
        ) / a.n
    return Difference(estimate / abs(a.mean), (vb + own) / a.mean**2, dof)


def _judged(spec: Spec, a: Arm, b: Arm, found: Difference) -> dict[str, Any]:
    """Standard error, interval and p-value; withheld where the split itself is wrong (X2)."""
    alpha = spec.fraction("alpha", 0.05)
    method = spec.choice("method", ("t", "sequential"), "t")
    error = math.sqrt(found.variance) if found.variance >= 0 else math.nan
    shown: dict[str, Any] = {
        "estimate": found.estimate, "standard_error": error, "ci": None, "p_value": None,
        "n": [int(a.n), int(b.n)], "method": method, "alpha": alpha, "warnings": [],
    }  # fmt: skip
    if spec.has("weights"):
        weights = spec.numbers("weights")
        if len(weights) != 2 or not all(weights):
            raise spec.fail("weights", "Two arms need two weights.", "Give two above 0.")
        shown["srm"] = mismatch([a.n, b.n], weights)
        if shown["srm"]["flag"]:
            return shown | {"estimate": None, "standard_error": None} | _warned(
                "SRM", "Units did not fall into the arms as planned: the result is withheld."
            )  # fmt: skip
    if not found.variance > 0:
        code = "ZERO_BASE" if math.isnan(found.estimate) else "ZERO_VARIANCE"
        return shown | _warned(code, "There is no variation to judge the difference by.")
    if method == "t":
        return shown | _t_test(found, error, alpha)
    tuning = spec.number("tuning", DEFAULT_TUNING, least=1)
    return shown | sequential(found.estimate, found.variance, a.n + b.n, alpha, tuning)


def _warned(code: str, text: str) -> dict[str, Any]:
    return {"warnings": [{"code": code, "text": text}]}


def _t_test(found: Difference, error: float, alpha: float) -> dict[str, Any]:
    special = scipy_part("special")
    wide = float(special.stdtrit(found.dof, 1 - alpha / 2)) * error
    p_value = 2 * float(special.stdtr(found.dof, -abs(found.estimate / error)))
    return {
        "dof": found.dof, "ci": [found.estimate - wide, found.estimate + wide], "p_value": p_value
    }  # fmt: skip


def sequential(
    estimate: float, variance: float, n: float, alpha: float, tuning: float
) -> dict[str, Any]:
    """Asymptotic confidence sequence: holds at every look, narrowest near `tuning` units (X5)."""
    rho = math.sqrt((-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / tuning)
    grown = n * rho**2 + 1
    wide = math.sqrt(n * variance) * math.sqrt(
        2 * grown * (math.log(grown) / 2 - math.log(alpha)) / (n * rho) ** 2
    )
    z2 = estimate**2 / variance
    p_value = min(1.0, math.exp(math.log(grown) / 2 - rho**2 * n * z2 / (2 * grown)))
    return {"rho": rho, "ci": [estimate - wide, estimate + wide], "p_value": p_value}
