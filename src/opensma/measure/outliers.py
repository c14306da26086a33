"""Members whose month differs from their composite's, and what most likely made the difference.

A member's distance from the benchmark is split by what it held when the month began (M66): names
that its owner excludes, positions it brought along, all other differences from the model, cash.
What the opening holdings do not explain came from flows, or from trades, of the month. Each part
is set against the same part of all members together, so the parts add up to the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum

import numpy as np
import numpy.typing as npt

from opensma.measure.account_month import AccountMonth
from opensma.measure.composite_record import CompositeMonth
from opensma.measure.conventions import CompositeMethod
from opensma.measure.refusals import Floats

LEGACY_OVERWEIGHT = 0.02  # further above the model than this, a position was not bought for it
FLOW_SHARE = 0.01  # from here on the rest of a month is told by its flows


class Cause(Enum):
    """What moved a member away from the others."""

    RESTRICTIONS = "restrictions"
    LEGACY = "legacy positions"
    SETTING = "tracking-error setting"
    CASH = "uninvested cash"
    FLOWS = "cash flow"
    TRADES = "trades of the month"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a member held when a month began; (securities,) as shares of its value."""

    weights: Floats
    cash: float
    excluded: npt.NDArray[np.bool_]
    setting: str  # how closely it follows the model, in words


@dataclass(frozen=True, slots=True)
class MonthMarket:
    """The model's weights when a month began, and what everything returned in it."""

    model: Floats  # (securities,)
    returns: Floats  # (securities,)
    benchmark: float


@dataclass(frozen=True, slots=True)
class Outlier:
    """One member in one month; `parts` add up to the difference."""

    account_id: str
    month: date
    account_return: float
    composite_return: float
    cause: Cause
    evidence: str
    parts: dict[Cause, float]

    @property
    def difference(self) -> float:
        """The member's return less the composite's."""
        return self.account_return - self.composite_return


def outlying(
    month: CompositeMonth, method: CompositeMethod, threshold_bps: float
) -> dict[str, float]:
    """Members further from the composite than the threshold, with their difference."""
    whole = month.returns[method]
    found = {name: r - whole for name, r in month.member_returns.items()}
    return {name: gap for name, gap in found.items() if abs(gap) > threshold_bps / 1e4}


def explain(
    month: CompositeMonth,
    method: CompositeMethod,
    threshold_bps: float,
    members: Mapping[str, AccountMonth],
    openings: Mapping[str, Opening],
    market: MonthMarket,
) -> list[Outlier]:
    """Entries of one month, the largest difference first."""
    gaps = outlying(month, method, threshold_bps)
    effects = {name: _effects(openings[name], market) for name in month.members}
    base = np.array([members[name].begin_cents for name in month.members], dtype=np.float64)
    together = {
        cause: float(np.array([effects[n][cause] for n in month.members]) @ base / base.sum())
        for cause in _HELD
    }
    usual = _usual([openings[name].setting for name in month.members])
    found = []
    for name, gap in gaps.items():
        parts = {cause: effects[name][cause] - together[cause] for cause in _HELD}
        flows = members[name].flow_share >= FLOW_SHARE
        parts[Cause.FLOWS if flows else Cause.TRADES] = gap - sum(parts.values())
        cause = max(parts, key=lambda one: parts[one] * np.sign(gap))
        evidence = _evidence(cause, members[name], openings[name], market, usual)
        found.append(
            Outlier(
                name,
                month.month,
                month.member_returns[name],
                month.returns[method],
                cause,
                evidence,
                parts,
            )
        )
    return sorted(found, key=lambda o: (-abs(o.difference), o.account_id))


_HELD = (Cause.RESTRICTIONS, Cause.LEGACY, Cause.SETTING, Cause.CASH)


def _groups(opening: Opening, market: MonthMarket) -> dict[Cause, npt.NDArray[np.bool_]]:
    """Every security once: excluded, brought along, or anything else."""
    outside = (opening.weights > 0) & (market.model == 0)
    legacy = (outside | _overweight(opening, market)) & ~opening.excluded
    return {
        Cause.RESTRICTIONS: opening.excluded,
        Cause.LEGACY: legacy,
        Cause.SETTING: ~opening.excluded & ~legacy,
    }


def _overweight(opening: Opening, market: MonthMarket) -> npt.NDArray[np.bool_]:
    return np.asarray(opening.weights - market.model > LEGACY_OVERWEIGHT)


def _effects(opening: Opening, market: MonthMarket) -> dict[Cause, float]:
    """Active weight times return above the benchmark's, by group; cash returns nothing."""
    each = (opening.weights - market.model) * (market.returns - market.benchmark)
    found = {cause: float(each[mask].sum()) for cause, mask in _groups(opening, market).items()}
    return found | {Cause.CASH: -opening.cash * market.benchmark}


def _usual(settings: Sequence[str]) -> str:
    return max(sorted(set(settings)), key=list(settings).count)


def _evidence(
    cause: Cause, month: AccountMonth, opening: Opening, market: MonthMarket, usual: str
) -> str:
    """The fact behind a cause, in words."""
    groups = _groups(opening, market)
    if cause is Cause.RESTRICTIONS:
        share = float(market.model[groups[cause]].sum())
        return f"its owner excludes {share:.1%} of the model"
    if cause is Cause.LEGACY:
        share = float(opening.weights[groups[cause]].sum())
        above = f"{LEGACY_OVERWEIGHT:.0%} above it"
        return f"{share:.1%} of its value lay outside the model or more than {above}"
    if cause is Cause.SETTING:
        most = "as most members" if opening.setting == usual else f"most members: {usual}"
        return f"{opening.setting} ({most})"
    if cause is Cause.CASH:
        return f"{opening.cash:.1%} of its value was in cash when the month began"
    if cause is Cause.FLOWS:
        return f"{month.flow_share:.1%} of its opening value came or went in the month"
    return "its opening holdings do not explain the difference"
