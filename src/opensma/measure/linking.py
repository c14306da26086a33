"""Coefficients that make effects of periods add up to the compounded difference (M63, M64).

Returns are (..., periods); coefficients have the same shape. The closed forms divide by differences
that may vanish, so each is written in a ratio near one that does not lose its digits there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from opensma.measure.conventions import Linker
from opensma.measure.refusals import Floats, as_returns, refuse

RESIDUAL = 1e-9


def compounded(returns: Floats) -> Floats:
    """`prod(1 + R) - 1` over the periods."""
    found: Floats = np.prod(1.0 + returns, axis=-1) - 1.0
    return found


def coefficients(portfolio: Floats, benchmark: Floats, linker: Linker) -> Floats:
    """One coefficient for each period; R <= -100 % on either leg is refused (M63)."""
    p, b = as_returns(portfolio, "portfolio"), as_returns(benchmark, "benchmark")
    if p.shape != b.shape or p.shape[-1] == 0:
        refuse(
            "series_differ",
            "Portfolio and benchmark need the same periods, and at least one.",
            where="periods",
        )
    if min(float(p.min()), float(b.min())) <= -1.0:
        refuse(
            "total_loss",
            "A period that loses everything cannot be linked.",
            where="periods",
            remedy="End the attribution before that period.",
        )
    return _LINKERS[linker](p, b)


def check_residual(linked: Floats, excess: Floats) -> None:
    """Linked effects must sum to the compounded difference (M63)."""
    gap = float(np.max(np.abs(linked - excess), initial=0.0))
    if gap > RESIDUAL:
        refuse(
            "attribution_residual",
            f"Effects miss the active return by {gap:.3e}.",
            where="effects",
            remedy="Give weights that sum to the same total on both sides, and all effects.",
        )


def _log_slope(p: Floats, b: Floats) -> Floats:
    """`(ln(1+p) - ln(1+b)) / (p - b)`, and `1 / (1+b)` where both are equal."""
    x = (p - b) / (1.0 + b)
    ratio = np.divide(np.log1p(x), x, out=np.ones_like(x), where=x != 0)
    found: Floats = ratio / (1.0 + b)
    return found


def _carino(p: Floats, b: Floats) -> Floats:
    whole = _log_slope(compounded(p), compounded(b))
    return _log_slope(p, b) / whole[..., None]


def _frongello(p: Floats, b: Floats) -> Floats:
    """Portfolio growth of the periods before, times benchmark growth of those after."""
    ones = np.ones_like(p[..., :1])
    before = np.concatenate([ones, np.cumprod(1.0 + p, axis=-1)[..., :-1]], axis=-1)
    later = np.cumprod((1.0 + b)[..., ::-1], axis=-1)[..., ::-1]
    after = np.concatenate([later[..., 1:], ones], axis=-1)
    found: Floats = before * after
    return found


def _menchero(p: Floats, b: Floats) -> Floats:
    periods, d = p.shape[-1], p - b
    total_b = compounded(b)
    slopes = _frongello(p, b)  # sum of slope x d is the compounded difference, digit for digit
    x = (slopes * d).sum(axis=-1) / (1.0 + total_b)
    root = periods * np.expm1(np.log1p(x) / periods)
    ratio = np.divide(x, root, out=np.ones_like(x), where=root != 0)
    scale = (1.0 + total_b) ** ((periods - 1) / periods) * ratio
    square = (d**2).sum(axis=-1)
    missing = ((slopes - scale[..., None]) * d).sum(axis=-1)
    correction = np.divide(missing, square, out=np.zeros_like(square), where=square > 0)
    found: Floats = scale[..., None] + correction[..., None] * d
    return found


_LINKERS: dict[Linker, Callable[[Floats, Floats], Floats]] = {
    Linker.CARINO: _carino,
    Linker.FRONGELLO: _frongello,
    Linker.MENCHERO: _menchero,
}
