"""Credit as a document: channels by share with intervals and ranks, warnings, spread of models.

Ranks need numbers: none below `rank_from` conversions (N2), and only between channels that
chance does not exchange (N3). The limits are settings (N4); n stands in every document.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.credit import (
    DEFINITIONS,
    MODELS,
    NOT_CAUSAL,
    Credit,
    Options,
    credit_of,
    no_times,
)
from opensma.growth.credit_bootstrap import Resampled, draw_cost, resample

if TYPE_CHECKING:
    from opensma.growth.credit_paths import PathTable

AUTOMATIC_COST = 160_000  # up to here intervals take about a second and come unasked
DRAWS = 1000
_SAME = 12  # digits: shares that differ by less are equal, and sorted by name


@dataclass(frozen=True, slots=True)
class Settings:
    """How certain a report has to be; `draws` None means: as many as the file allows."""

    draws: int | None = None
    seed: int = 0
    rank_from: int = 100
    winner_from: int = 30


def attribution(
    paths: PathTable, model: str, options: Options, settings: Settings
) -> dict[str, Any]:
    """The document of one model, or of all side by side with their spread (E8)."""
    names = _chosen(paths, model)
    draws = _draws(paths, settings)
    drawn = resample(paths, names, options, draws, settings.seed) if draws else {}
    parts = [
        _one(paths, credit_of(paths, name, options), options, settings, drawn.get(name))
        for name in names
    ]
    common = {
        "note": NOT_CAUSAL,
        "bootstrap": {"draws": draws, "seed": settings.seed, "percentiles": [5, 95]},
    }
    if model != "all":
        return parts[0] | common | {"warnings": _warnings(paths, settings, draws)}
    extra = [] if "time-decay" in names else [_warning("NO_TIMES", no_times().message)]
    return {
        "model": "all",
        "totals": _totals(paths),
        "models": parts,
        "spread": _spread(paths, parts),
        **common,
        "warnings": _warnings(paths, settings, draws) + extra,
    }


def _chosen(paths: PathTable, model: str) -> Sequence[str]:
    if model == "all":
        return [m for m in MODELS if m != "time-decay" or paths.days_before is not None]
    if model not in MODELS:
        raise InputError(
            "growth.model", f"There is no model '{model}'.", where="--model",
            remedy=f"Choose one of {', '.join(MODELS)}, all.",
        )  # fmt: skip
    return [model]


def _draws(paths: PathTable, settings: Settings) -> int:
    if not paths.conversions.any():
        return 0
    if settings.draws is not None:
        return settings.draws
    return DRAWS if draw_cost(paths) <= AUTOMATIC_COST else 0


def _totals(paths: PathTable) -> dict[str, Any]:
    return {
        "paths": paths.rows,
        "conversions": int(paths.conversions.sum()),
        "nulls": int(paths.nulls.sum()),
        "value": math.fsum(paths.value),
    }


def _one(
    paths: PathTable, credit: Credit, options: Options, settings: Settings, drawn: Resampled | None
) -> dict[str, Any]:
    document: dict[str, Any] = {"model": credit.model, "definition": definition(credit, options)}
    document["totals"] = _totals(paths)
    if credit.removal is not None:
        document["p_conversion"] = credit.removal.p_conversion
        document["sum_removal_effects"] = float(credit.removal.effects.sum())
    document["channels"] = _channels(paths, credit, settings, drawn)
    return document


def definition(credit: Credit, options: Options) -> str:
    """What the model means here, with its settings."""
    text = DEFINITIONS[credit.model]
    if credit.model == "time-decay":
        return f"{text}; half-life {options.half_life_days:g} days"
    if credit.model == "position":
        return f"{text}; {options.ends_share:g} for each end, from three touches on"
    if credit.model == "markov" and options.order > 1:
        return f"{text}; states of {options.order} touches"
    return text


def _channels(
    paths: PathTable, credit: Credit, settings: Settings, drawn: Resampled | None
) -> list[dict[str, Any]]:
    sure = drawn is not None and len(drawn.shares) > 0
    intervals = drawn.intervals() if sure and drawn else None
    enough = paths.conversions.sum() >= settings.rank_from
    ranks = drawn.ranks() if sure and drawn and enough else None
    rows = []
    for k, name in enumerate(paths.channels):
        row = {
            "channel": name,
            "share": _number(credit.share[k]),
            "conversions": float(credit.conversions[k]),
            "value": float(credit.value[k]),
        }
        if credit.removal is not None:
            row["removal_effect"] = _number(credit.removal.effects[k])
        row["interval"] = None if intervals is None else intervals[k].tolist()
        row["rank"] = None if ranks is None else int(ranks[k])
        rows.append(row)
    return sorted(rows, key=_by_share)


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _by_share(row: Mapping[str, Any]) -> tuple[float, str]:
    return (-round(row["share"] or 0.0, _SAME), row["channel"])


def _spread(paths: PathTable, parts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The least and the largest share of every channel over the models (E8)."""
    rows: list[dict[str, Any]] = []
    for name in paths.channels:
        shares = {
            part["model"]: row["share"]
            for part in parts for row in part["channels"] if row["channel"] == name
        }  # fmt: skip
        known = [share for share in shares.values() if share is not None]
        least, most = (min(known), max(known)) if known else (None, None)
        difference = None if least is None or most is None else most - least
        rows.append({"channel": name, "spread": difference, "min": least, "max": most,
                     "shares": shares})  # fmt: skip
    return sorted(rows, key=lambda row: (-round(row["spread"] or 0.0, _SAME), row["channel"]))


def _warning(code: str, text: str) -> dict[str, str]:
    return {"code": code, "text": text}


def _warnings(paths: PathTable, settings: Settings, draws: int) -> list[dict[str, str]]:
    n = int(paths.conversions.sum())
    found = []
    if not n:
        found.append(_warning("NO_CONVERSIONS", "Nothing converted: there is no credit to share."))
    if n < settings.rank_from:
        text = f"{n} conversions, below {settings.rank_from}: channels are not ranked."
        if n < settings.winner_from:
            text += f" Below {settings.winner_from} no model wins and no budget follows."
        found.append(_warning("SMALL_N", text))
    if n and not draws:
        text = "No intervals, and so no ranks: ask for them with --bootstrap."
        found.append(_warning("NO_INTERVALS", text))
    return found
