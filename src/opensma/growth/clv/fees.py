"""The value of an account as the fees it will pay: the only one an SMA has (V6).

The base case has no market in it. What markets or new money would add are lines of their own: a
large part of a value with drift is a market call, and the reader should see which.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.growth.experiments.spec import Spec

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats

_BPS = 10_000.0
Tier = tuple[float, float, float]  # from, to, basis points of what lies between


def fee_value(spec: Spec) -> dict[str, Any]:
    """Discounted fees of an account or of many; tiers apply to each, never to their mean (V6)."""
    aum = _aum(spec)
    schedules = _schedules(spec)
    lines = {name: _lines(spec, aum, tiers) for name, tiers in schedules.items()}
    main = next(iter(lines.values()))
    return {
        "model": "fee", "n_customers": len(aum), **main, "schedules": lines,
        "time_unit": "month", "warnings": [],
    }  # fmt: skip


def _aum(spec: Spec) -> Floats:
    if isinstance(spec.fields.get("aum"), list):
        values = spec.numbers("aum")
        if not values:
            raise spec.fail("aum", "The list is empty.", "Give the value of each account.")
        return np.array(values)
    return np.array([spec.number("aum", least=0)])


def _schedules(spec: Spec) -> dict[str, list[Tier]]:
    found: dict[str, list[Tier]] = {}
    if spec.has("flat_bps"):
        found["flat"] = [(0.0, np.inf, spec.number("flat_bps", least=0))]
    if spec.has("tiers_bps"):
        found["tiered"] = _tiers(spec)
    if not found:
        raise spec.fail("flat_bps", "There is no schedule.", "Give flat_bps or tiers_bps.")
    return found


def _tiers(spec: Spec) -> list[Tier]:
    tiers: list[Tier] = []
    legal = "Tiers are [from, to, bps] without gaps, from 0; `to` of the last one is null."
    for row in spec.get("tiers_bps", list, "a list of tiers"):
        if not isinstance(row, list) or len(row) != 3:
            raise spec.fail("tiers_bps", f"{row!r} is not a tier.", legal)
        ends = [np.inf if part is None and i == 1 else part for i, part in enumerate(row)]
        if not all(isinstance(part, int | float) for part in ends):
            raise spec.fail("tiers_bps", f"{row!r} is not a tier.", legal)
        low, high, bps = (float(part) for part in ends)
        if low != (tiers[-1][1] if tiers else 0) or high <= low or not 0 <= bps < np.inf:
            raise spec.fail("tiers_bps", f"{row!r} does not follow.", legal)
        tiers.append((low, high, bps))
    if not tiers or tiers[-1][1] != np.inf:
        raise spec.fail("tiers_bps", "The last tier has an end.", legal)
    return tiers


def annual_fee(aum: Floats, tiers: Sequence[Tier]) -> Floats:
    """The fee of a year at each value; every slice at its own rate."""
    fee = np.zeros_like(aum)
    for low, high, bps in tiers:
        fee += np.clip(aum - low, 0.0, high - low) * (bps / _BPS)
    return fee


def _lines(spec: Spec, aum: Floats, tiers: Sequence[Tier]) -> dict[str, float]:
    months = np.arange(int(spec.number("horizon_months", 360, least=1, most=1200, whole=True)))
    kept = 1 - spec.number("platform_share", 0.0, least=0, most=1)
    discount = 1 + spec.number("annual_discount", 0.0, least=0) / 12
    weight = _survival(spec, months) * kept / discount**months / 12
    organic = 1 + spec.number("monthly_net_organic", 0.0, least=-1)
    market = 1 + spec.number("monthly_market", 0.0, least=-1)
    more = 1 + spec.number("monthly_expansion", 0.0, least=-1)

    def value(growth: float) -> float:
        fees = annual_fee(np.multiply.outer(aum, growth**months), tiers)
        return float(fees.sum(axis=0) @ weight)

    base, drifted, expanded = value(organic), value(organic * market), value(organic * more)
    return {
        "ex_market": base, "market_line": drifted - base, "with_market": drifted,
        "expansion_line": expanded - base,
    }  # fmt: skip


def _survival(spec: Spec, months: Any) -> Floats:
    """A constant closure each month, or the life of contracts with its changing one (V3)."""
    if not spec.has("sbg"):
        stays = 1 - spec.number("monthly_closure", least=0, most=1)
        return np.asarray(stays**months, dtype=np.float64)
    from opensma.growth.clv.contracts import survival_sbg

    part = spec.part("sbg")
    params = tuple(part.number(name, least=1e-12) for name in ("alpha", "beta"))
    return np.asarray(survival_sbg(params, months), dtype=np.float64)
