"""Removal effects in an absorbing chain, exactly and for all channels at once (C8-C10).

Every transition is weighted by conversions plus nulls of its path; stays in a state are dropped;
removing a channel sends every arrival at it to the null state and nothing is weighted anew. With
N the visits, b the chance to convert from each state and G the states of a channel,
removal effect = N[start, G] N[G, G]^-1 b[G] / b[start]: one inverse, no loop over chains.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opensma.errors import InputError, ensure

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats, Ints, PathTable

DEFINITION = "absorbing chain, removal to null"
MOST_STATES = 3000  # a dense inverse of this size takes seconds; beyond it, minutes
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class Chain:
    """Where paths go: steps between states (0 is the start), and the last state of each row."""

    states: int  # the start included
    channel_of_state: Ints  # of states 1, 2, ...
    step_code: Ints  # from * states + to
    step_row: Ints
    last_state: Ints  # of each row


@dataclass(frozen=True)
class Removal:
    """What removing each channel would do; `effects` are NaN where nothing converts."""

    p_conversion: float
    effects: Floats


def build_chain(paths: PathTable, order: int = 1) -> Chain:
    """States are the last `order` touches once repeats in a row are one touch (C8, C10)."""
    row, channel = paths.touch_row, paths.touch_channel
    fresh = np.ones(len(channel), dtype=bool)
    fresh[1:] = (channel[1:] != channel[:-1]) | (row[1:] != row[:-1])
    row, channel = row[fresh], channel[fresh]
    state, channel_of_state = _states(row, channel, order, len(paths.channels))
    states = len(channel_of_state) + 1
    if states > MOST_STATES:
        raise InputError(
            "growth.too_many_states",
            f"Order {order} needs {states:,} states; the exact solution takes {MOST_STATES:,}.",
            where="--order", remedy="Choose a lower order, or put rare channels together.",
        )  # fmt: skip
    begins = np.ones(len(row), dtype=bool)
    begins[1:] = row[1:] != row[:-1]
    before = np.zeros_like(state)
    before[1:] = state[:-1]
    before[begins] = 0
    ends = np.ones(len(row), dtype=bool)
    ends[:-1] = begins[1:]
    return Chain(states, channel_of_state, before * states + state, row, state[ends])


def _states(row: Ints, channel: Ints, order: int, channels: int) -> tuple[Ints, Ints]:
    """The state after each touch, counted from 1, and the latest channel of each state."""
    if order == 1:
        return channel + 1, np.arange(channels, dtype=np.int64)
    base = channels + 1
    if base**order >= 2**62:
        raise InputError(
            "growth.too_many_states", f"Order {order} of {channels} channels has no end.",
            where="--order", remedy="Choose a lower order.",
        )  # fmt: skip
    code = channel + 1
    for back in range(1, order):
        same = np.zeros(len(row), dtype=bool)
        same[back:] = row[back:] == row[:-back]
        earlier = np.zeros_like(channel)
        earlier[back:] = channel[:-back] + 1
        code = code + np.where(same, earlier, 0) * base**back
    known, state = np.unique(code, return_inverse=True)
    return state.reshape(-1) + 1, known % base - 1


def removal_effects(chain: Chain, channels: int, conversions: Floats, nulls: Floats) -> Removal:
    """Conversion chance and removal effects for these counts of the rows (C8)."""
    size = chain.states
    weight = conversions + nulls
    steps = np.bincount(chain.step_code, weight[chain.step_row], minlength=size * size)
    moves = steps.reshape(size, size)
    converts = np.bincount(chain.last_state, conversions, minlength=size)
    ends = np.bincount(chain.last_state, weight, minlength=size)
    total = moves.sum(axis=1) + ends
    scale = np.where(total > 0, total, 1.0)
    visits = np.asarray(np.linalg.inv(np.eye(size) - moves / scale[:, None]), dtype=np.float64)
    reach = np.asarray(visits @ (converts / scale), dtype=np.float64)
    p = float(reach[0])
    if not p > 0:
        return Removal(p, np.full(channels, np.nan))
    ensure(
        abs(p - conversions.sum() / weight.sum()) < _TOLERANCE,
        "the chain does not convert as its paths do (C9)", p=p,
    )  # fmt: skip
    return Removal(p, np.clip(_effects(chain, channels, visits, reach), 0.0, 1.0))


def _effects(chain: Chain, channels: int, visits: Floats, reach: Floats) -> Floats:
    if np.array_equal(chain.channel_of_state, np.arange(channels)):  # blocks are single numbers
        share = visits[0, 1:] / np.diagonal(visits)[1:] * reach[1:] / reach[0]
        return np.asarray(share)
    effects = np.zeros(channels)
    for channel in range(channels):
        group = np.flatnonzero(chain.channel_of_state == channel) + 1
        if len(group):
            inner = np.linalg.solve(visits[np.ix_(group, group)], reach[group])
            effects[channel] = visits[0, group] @ inner / reach[0]
    return effects
