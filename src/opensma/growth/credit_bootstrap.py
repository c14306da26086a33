"""What chance alone would do to shares of credit, and which channels can be ranked (N1-N4).

Journeys are drawn again with replacement, as many as there are; every draw is credited by the
same exact model. A channel ranks behind those that stay above it in 95 of 100 paired draws, so
channels that chance could exchange share a rank.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opensma.growth import credit_markov
from opensma.growth.credit import Options, credited, entries_of, shares

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats, Ints, PathTable

LOW, HIGH = 5.0, 95.0
_MOST_INDEXED = 20_000_000  # journeys that fit in one index
_CELL_COST = 8  # drawing the count of a cell takes as long as drawing so many journeys


@dataclass(frozen=True)
class Resampled:
    """Shares of every draw in which something converted: draws x channels."""

    shares: Floats

    def intervals(self) -> Floats:
        """The 5th and 95th percentile of every channel's share: channels x 2 (N1)."""
        return np.asarray(np.percentile(self.shares, [LOW, HIGH], axis=0).T)

    def ranks(self) -> Ints:
        """1 + the number of channels whose paired difference stays above 0 (N3)."""
        draws = self.shares
        below = [
            int((np.percentile(draws - draws[:, [k]], LOW, axis=0) > 0).sum())
            for k in range(draws.shape[1])
        ]
        return np.array(below, dtype=np.int64) + 1


def resample(
    paths: PathTable, models: Sequence[str], options: Options, draws: int, seed: int
) -> Mapping[str, Resampled]:
    """Credit of `draws` samples of the journeys under every model, from one seed (N1)."""
    size = len(paths.channels)
    entries = {m: entries_of(paths, m, options) for m in models if m != "markov"}
    chain = credit_markov.build_chain(paths, options.order) if "markov" in models else None
    found: dict[str, list[Floats]] = {model: [] for model in models}
    counts = np.concatenate([paths.conversions, paths.nulls]).astype(np.int64)
    sampler = _Sampler(counts, np.random.default_rng(seed))
    for _ in range(draws):
        drawn = sampler.draw()
        conversions, nulls = drawn[: paths.rows], drawn[paths.rows :]
        if not conversions.any():
            continue
        for model, one in entries.items():
            found[model].append(credited(one, conversions, size) / conversions.sum())
        if chain is not None:
            removal = credit_markov.removal_effects(chain, size, conversions, nulls)
            found["markov"].append(shares(removal.effects))
    return {m: Resampled(np.array(rows).reshape(-1, size)) for m, rows in found.items()}


def draw_cost(paths: PathTable) -> float:
    """Work of one draw, in journeys drawn: there are two ways, and the cheaper one is taken."""
    journeys = float(paths.conversions.sum() + paths.nulls.sum())
    return min(journeys, 2.0 * _CELL_COST * paths.rows)


class _Sampler:
    """Multinomial draws over rows, converting and not, as many journeys as were observed."""

    def __init__(self, counts: Ints, random: np.random.Generator) -> None:
        self.counts, self.random = counts, random
        self.total = int(counts.sum())
        cells = np.arange(len(counts), dtype=np.int32)
        indexed = self.total <= min(_MOST_INDEXED, _CELL_COST * len(counts))
        self.owner = np.repeat(cells, counts) if indexed else None

    def draw(self) -> Floats:
        """How often each cell came up."""
        if self.owner is None:
            drawn = self.random.multinomial(self.total, self.counts / self.total)
        else:
            picked = self.owner[self.random.integers(0, self.total, self.total, dtype=np.int32)]
            drawn = np.bincount(picked, minlength=len(self.counts))
        return drawn.astype(np.float64)
