"""Maximum likelihood on log-parameters: L-BFGS, then Nelder-Mead, with intervals (V8)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats

SMALL_N = 30
_NORMAL_95 = 1.6448536269514722  # 90 % of a normal lie within
_STEP = 1e-3
_FAR = 12.0  # parameters beyond e^12 have run away


@dataclass(frozen=True)
class Fit:
    """Parameters at the maximum, the log-likelihood there, and what is uncertain about both."""

    params: dict[str, float]
    log_likelihood: float
    intervals: dict[str, list[float]] | None
    converged: bool

    @property
    def values(self) -> tuple[float, ...]:
        """The parameters in order."""
        return tuple(self.params.values())


def maximise(
    names: Sequence[str], log_likelihood: Callable[..., float], start: Sequence[float]
) -> Fit:
    """The best parameters from a start and its neighbours; all of them are positive."""
    optimize = scipy_part("optimize")

    def loss(logs: Floats) -> float:
        with np.errstate(all="ignore"):
            value = -log_likelihood(*np.exp(np.clip(logs, -_FAR * 2, _FAR * 2)))
        return value if np.isfinite(value) else 1e15

    best: Any = None
    for shift in (0.0, 1.0, -1.0):
        found = optimize.minimize(loss, np.log(start) + shift, method="L-BFGS-B")
        if best is None or found.fun < best.fun - 1e-9:
            best = found
    options = {"xatol": 1e-9, "fatol": 1e-10, "maxiter": 4000, "maxfev": 8000}
    polished = optimize.minimize(loss, best.x, method="Nelder-Mead", options=options)
    if polished.fun > best.fun:
        polished = best
    params = dict(zip(names, np.exp(polished.x).tolist(), strict=True))
    inside = bool((np.abs(polished.x) < _FAR).all())
    return Fit(params, -float(polished.fun), _intervals(names, loss, polished.x), inside)


def _intervals(
    names: Sequence[str], loss: Callable[[Floats], float], at: Floats
) -> dict[str, list[float]] | None:
    """5 and 95 percent from the curvature at the maximum; None where it is flat."""
    size = len(at)
    hessian = np.empty((size, size))
    steps = np.eye(size) * _STEP
    for i in range(size):
        for j in range(size):
            hessian[i, j] = (
                loss(at + steps[i] + steps[j]) - loss(at + steps[i] - steps[j])
                - loss(at - steps[i] + steps[j]) + loss(at - steps[i] - steps[j])
            ) / (4 * _STEP**2)  # fmt: skip
    values, vectors = np.linalg.eigh((hessian + hessian.T) / 2)
    if values.min() <= 1e-9:
        return None
    deviation = np.sqrt(((vectors**2) / values).sum(axis=1)) * _NORMAL_95
    return {
        name: [float(np.exp(at[i] - deviation[i])), float(np.exp(at[i] + deviation[i]))]
        for i, name in enumerate(names)
    }
