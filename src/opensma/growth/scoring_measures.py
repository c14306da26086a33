"""Measures of a score against what happened: Brier, reliability by tenths, area, lift (L3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats, Ints

RELIABLE = 0.03  # a tenth whose chance is nearer to what was observed is reliable
_DRAWS = 1000
_Z90 = 1.6448536269514722
_TOP = 0.1
_DECILES = 10


def measures(
    chance: Floats, target: Floats, seed: int, ranking: Floats | None = None
) -> dict[str, Any]:
    """Brier score, area under the curve, reliability by tenths and lift of the best tenth (L3).

    `ranking` orders leads of equal chance; without it they count as equal.
    """
    ranked = chance if ranking is None else ranking
    parts = _tenths(chance)
    reliability = [_tenth(chance[part], target[part]) for part in parts]
    gaps = [abs(r["predicted"] - r["observed"]) for r in reliability]
    return {
        "rows": len(target), "events": int(target.sum()),
        "brier": float(((chance - target) ** 2).mean()), "auc": _auc(ranked, target),
        "reliability": reliability,
        "largest_gap": max(gaps), "mean_gap": _weighted(gaps, [r["n"] for r in reliability]),
        "surely_off": sum(not r["could_be_reliable"] for r in reliability),
        "lift_top_tenth": _lift(ranked, target, seed),
    }  # fmt: skip


def _tenth(chance: Floats, target: Floats) -> dict[str, Any]:
    """A tenth's chance beside what was observed, with the 90 % interval (Wilson) of the latter.

    It could be reliable where some chance within RELIABLE of the predicted lies in the interval.
    """
    n, predicted, observed = len(target), float(chance.mean()), float(target.mean())
    z2 = _Z90**2
    middle = (observed + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z90 / (1 + z2 / n) * (observed * (1 - observed) / n + z2 / (4 * n * n)) ** 0.5
    low, high = middle - half, middle + half
    return {
        "n": n, "predicted": predicted, "observed": observed, "interval": [low, high],
        "could_be_reliable": low - RELIABLE <= predicted <= high + RELIABLE,
    }  # fmt: skip


def _weighted(gaps: Sequence[float], rows: Sequence[int]) -> float:
    return float(np.average(gaps, weights=rows))


def perfect_gaps(chance: Floats, seed: int) -> dict[str, float | int]:
    """Largest gap of a tenth that these very chances would show if they were the truth.

    Outcomes are drawn from the chances: no score can be told from a perfect one by a gap below the
    95th percentile, `high`.
    """
    random = np.random.default_rng(seed)
    parts = _tenths(chance)
    largest = []
    for _ in range(_DRAWS):
        happened = random.random(len(chance)) < chance
        largest.append(max(abs(chance[p].mean() - happened[p].mean()) for p in parts))
    median, high = np.percentile(largest, [50, 95])
    within = float(np.mean(np.array(largest) <= RELIABLE))
    return {"median": float(median), "high": float(high), "within_reliable": within, "seed": seed}


def _tenths(chance: Floats) -> list[Ints]:
    """Rows by score in ten parts; equal scores stay together, so parts differ in size."""
    order = np.argsort(chance, kind="stable")
    ranked = chance[order]
    cuts = np.searchsorted(ranked, ranked[np.arange(1, _DECILES) * len(ranked) // _DECILES])
    return [part for part in np.split(order, np.unique(cuts)) if len(part)]


def _auc(chance: Floats, target: Floats) -> float | None:
    """Chance that a lead with the event ranks above one without; ties count half."""
    ones = target > 0
    if not 0 < ones.sum() < len(ones):
        return None
    _, code, counts = np.unique(chance, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2)[code.reshape(-1)]
    n = float(ones.sum())
    return float((rank[ones].sum() - n * (n + 1) / 2) / (n * (len(ones) - n)))


def _lift(chance: Floats, target: Floats, seed: int) -> dict[str, Any]:
    def lift(c: Floats, y: Floats) -> float:
        best = np.argsort(-c, kind="stable")[: max(1, int(_TOP * len(c)))]
        return float(y[best].mean() / y.mean()) if y.any() else np.nan

    random = np.random.default_rng(seed)
    draws = []
    for _ in range(_DRAWS):
        chosen = random.integers(0, len(chance), len(chance))
        draws.append(lift(chance[chosen], target[chosen]))
    low, high = np.nanpercentile(draws, [5, 95])
    return {"lift": lift(chance, target), "interval": [float(low), float(high)], "seed": seed}
