"""Credit of channels from a path file: seven models, exact, with what chance alone would do.

Credit divides conversions and their value among touches; it does not say what caused them. The
models differ, so their spread is the honest answer: `credit_of_all` puts them side by side.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from opensma.errors import InputError
from opensma.growth import credit_markov

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats, Ints, PathTable

MODELS = ("first", "last", "linear", "position", "time-decay", "shapley", "markov")
NOT_CAUSAL = "Credit divides what happened; it does not say what caused it. An experiment does."
DEFINITIONS = {
    "first": "all credit to the first touch",
    "last": "all credit to the last touch",
    "linear": "equal credit to every touch, repeated channels included",
    "position": "ends get a fixed share each, touches between them the rest in equal parts",
    "time-decay": "credit halves with every half-life between the touch and the event",
    "shapley": "exact Shapley value: equal credit to every distinct channel of a path",
    "markov": credit_markov.DEFINITION,
}


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of the models; each has a default that is a choice, not a law (C4, C5, C10)."""

    half_life_days: float = 90.0
    ends_share: float = 0.4
    order: int = 1


@dataclass(frozen=True)
class Entries:
    """Credit that adds up path by path: `weight` of one conversion of `row` goes to `channel`."""

    row: Ints
    channel: Ints
    weight: Floats


@dataclass(frozen=True)
class Credit:
    """Result of one model; shares are NaN where nothing converted (C6, C9)."""

    model: str
    share: Floats
    conversions: Floats
    value: Floats
    removal: credit_markov.Removal | None = None


def credit_of(paths: PathTable, model: str, options: Options) -> Credit:
    """Credit of every channel under one model (C1-C8)."""
    if model == "markov":
        return _credit_markov(paths, options)
    entries = entries_of(paths, model, options)
    size = len(paths.channels)
    conversions = credited(entries, paths.conversions, size)
    value = credited(entries, paths.value, size)
    total = float(paths.conversions.sum())
    share = conversions / total if total else np.full(size, np.nan)
    return Credit(model, share, conversions, value)


def entries_of(paths: PathTable, model: str, options: Options) -> Entries:
    """Weights of one conversion inside every path that converts (C1-C5, C7)."""
    converting = paths.conversions > 0
    row = paths.touch_row
    kept = converting[row]
    row, channel = row[kept], paths.touch_channel[kept]
    if model == "shapley":
        return _distinct(row, channel, len(paths.channels), paths.rows)
    length = paths.lengths[row]
    place = np.flatnonzero(kept) - paths.starts[row]
    if model == "time-decay":
        if paths.days_before is None:
            raise no_times()
        weight = _decay(row, paths.days_before[kept], options.half_life_days, paths.rows)
    else:
        weight = _by_place(model, place, length, options)
    return Entries(row, channel, weight)


def credited(entries: Entries, amount: Floats, channels: int) -> Floats:
    """What each channel gets of the amounts of the rows."""
    by = amount[entries.row] * entries.weight
    return np.bincount(entries.channel, by, minlength=channels).astype(np.float64)


def no_times() -> InputError:
    """Time decay without times is refused, never guessed (C5)."""
    return InputError(
        "growth.no_times", "The model time-decay needs the days from each touch to the event.",
        where="days_before", remedy="Add the column days_before, or choose another model.",
    )  # fmt: skip


def _by_place(model: str, place: Ints, length: Ints, options: Options) -> Floats:
    if model == "first":
        return np.asarray(place == 0, dtype=np.float64)
    if model == "last":
        return np.asarray(place == length - 1, dtype=np.float64)
    if model == "linear":
        return np.asarray(1.0 / length)
    if model != "position":
        raise InputError(
            "growth.model", f"There is no model '{model}'.", where="--model",
            remedy=f"Choose one of {', '.join(MODELS)}.",
        )  # fmt: skip
    between = (1 - 2 * options.ends_share) / np.maximum(length - 2, 1)
    at_end = (place == 0) | (place == length - 1)
    long = np.where(at_end, options.ends_share, between)
    return np.asarray(np.where(length <= 2, 1.0 / length, long))


def _decay(row: Ints, days: Floats, half_life: float, rows: int) -> Floats:
    """Counted from the latest touch of the path, so that old paths do not vanish (C5)."""
    nearest = np.full(rows, np.inf)
    np.minimum.at(nearest, row, days)
    weight = np.exp2(-(days - nearest[row]) / half_life)
    return np.asarray(weight / np.bincount(row, weight, minlength=rows)[row])


def _distinct(row: Ints, channel: Ints, channels: int, rows: int) -> Entries:
    """Every channel of a path once (C7)."""
    keys = np.sort(row * channels + channel)
    fresh = np.ones(len(keys), dtype=bool)
    fresh[1:] = keys[1:] != keys[:-1]
    owner, which = np.divmod(keys[fresh], channels)
    return Entries(owner, which, 1.0 / np.bincount(owner, minlength=rows)[owner])


def _credit_markov(paths: PathTable, options: Options) -> Credit:
    size = len(paths.channels)
    if not paths.rows or not (paths.conversions.any() or paths.nulls.any()):
        nothing = credit_markov.Removal(math.nan, np.full(size, np.nan))
        return Credit("markov", np.full(size, np.nan), np.zeros(size), np.zeros(size), nothing)
    chain = credit_markov.build_chain(paths, options.order)
    removal = credit_markov.removal_effects(chain, size, paths.conversions, paths.nulls)
    share = shares(removal.effects)
    filled = np.nan_to_num(share)
    conversions = filled * float(paths.conversions.sum())
    return Credit("markov", share, conversions, filled * math.fsum(paths.value), removal)


def shares(effects: Floats) -> Floats:
    """Removal effects as parts of their sum; NaN where nothing converts."""
    return np.asarray(effects / effects.sum())
