"""Shares of channels by removal from an absorbing chain (C8), for weights inside journeys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np


def shares_of_paths(paths: Sequence[tuple[tuple[str, ...], int, int]]) -> Mapping[str, float]:
    """Each channel's share; empty where nothing converts."""
    channels = sorted({channel for path, _, _ in paths for channel in path})
    if not channels or not any(c for _, c, _ in paths):
        return {}
    place = {channel: i + 1 for i, channel in enumerate(channels)}
    counts = np.zeros((len(channels) + 1, len(channels) + 3))
    for path, funded, nothing in paths:
        states = [0, *(place[channel] for channel in path)]
        for a, b in pairwise(states):
            if a != b:
                counts[a, b] += funded + nothing
        counts[states[-1], -2] += funded
        counts[states[-1], -1] += nothing
    rows = counts / counts.sum(axis=1, keepdims=True)
    visits = np.linalg.inv(np.eye(len(channels) + 1) - rows[:, :-2])
    reach = visits @ rows[:, -2]
    effects = visits[0, 1:] / np.diag(visits)[1:] * reach[1:] / reach[0]
    return dict(zip(channels, (effects / effects.sum()).tolist(), strict=True))
