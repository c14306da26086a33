"""What the least change of one limit would be that frees an account without a plan.

Each limit of the smallest conflicting set is moved alone, by doubling and then by halving, for as
long as the set still conflicts; what frees the set is then tried with everything that the account
must keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from opensma.construct.problem import Account, Floats, Universe

Item = tuple[str, str]  # kind, security id or sector ("" for the account)
_DOUBLINGS, _HALVINGS = 8, 6
_SPARE = 1.01  # limits over the whole account are asked with one per cent to spare
_MOST = 4  # limits that are named


@dataclass(frozen=True, slots=True)
class Relaxation:
    """One limit moved, in its own unit: weights, annual tracking error, dollars or names."""

    item: Item
    now: float
    least: float


def least_relaxations(
    universe: Universe,
    account: Account,
    core: Sequence[Item],
    feasible: Callable[[Account, Sequence[Item]], bool],
    items: Sequence[Item],
) -> list[Relaxation]:
    """Changes of single limits of `core` that free the account, each as small as can be."""
    found: list[Relaxation] = []
    for item in core:
        if len(found) == _MOST:
            break
        moved = _least(universe, account, item, lambda tried: feasible(tried, core))
        if moved and feasible(_with(universe, account, item, moved.least), items):
            found.append(moved)
    return found


def _least(
    universe: Universe, account: Account, item: Item, feasible: Callable[[Account], bool]
) -> Relaxation | None:
    """The smallest change of one limit with which the set holds; None where none helps."""
    now, step, end = _start(universe, account, item)
    if step == 0.0:
        return None
    low, high = 0.0, 1.0  # in steps
    for _ in range(_DOUBLINGS):
        if feasible(_with(universe, account, item, _moved(now, step * high, end))):
            break
        if _moved(now, step * high, end) == end:
            return None
        low, high = high, 2.0 * high
    else:
        return None
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if feasible(_with(universe, account, item, _moved(now, step * middle, end))):
            high = middle
        else:
            low = middle
    least = _moved(now, step * high, end)
    if item[0] in ("te_cap", "max_turnover", "st_gain_budget", "lt_gain_budget"):
        least = _moved(least * _SPARE, 0.0, end)
    elif item[0] != "max_names":  # costs, and what was spared of the turnover beside it
        spared = 5e-4 + 2.0 * (_SPARE - 1.0) * (account.max_turnover or 0.0)
        least = _moved(least, float(np.sign(step)) * spared, end)
    return Relaxation(item, now, float(np.ceil(least)) if item[0] == "max_names" else least)


def _moved(now: float, by: float, end: float) -> float:
    return float(min(now + by, end) if end >= now else max(now + by, end))


def _start(universe: Universe, account: Account, item: Item) -> tuple[float, float, float]:
    """Where a limit stands, a first step (0 where it has no size), and how far it may go."""
    kind, key = item
    limits = account.limits
    if kind in ("te_cap", "max_turnover"):
        now = float(getattr(account, kind))
        return now, max(0.1 * now, 1e-3), 1e3
    if kind in ("st_gain_budget", "lt_gain_budget"):
        now = float(getattr(account, kind))
        return now, max(0.1 * abs(now), 100.0), np.inf
    if kind == "max_names":
        now = float(account.max_names or 0)
        return now, 4.0, float(len(universe.price))
    if kind == "cash_low":
        return account.cash_low, -0.01, 0.0
    if kind == "cash_high":
        return account.cash_high, 0.01, 1.0
    if kind == "max_weight":
        return float(limits.max_weight[universe.security.index(key)]), 0.01, 1.0
    if kind == "sector_max":
        return float(limits.sector_max[universe.sector_name.index(key)]), 0.01, 1.0
    if kind == "sector_min":
        return float(limits.sector_min[universe.sector_name.index(key)]), -0.01, 0.0
    return 0.0, 0.0, 0.0


def _with(universe: Universe, account: Account, item: Item, value: float) -> Account:
    """The account with one limit at another value."""
    kind, key = item
    limits = account.limits
    if kind == "max_names":
        return replace(account, max_names=int(np.ceil(value)))
    if kind == "max_weight":
        highest = _changed(limits.max_weight, universe.security.index(key), value)
        return replace(account, limits=replace(limits, max_weight=highest))
    if kind in ("sector_max", "sector_min"):
        band = _changed(getattr(limits, kind), universe.sector_name.index(key), value)
        changed: dict[str, Any] = {kind: band}
        return replace(account, limits=replace(limits, **changed))
    moved: dict[str, Any] = {kind: value}
    return replace(account, **moved)


def _changed(column: Floats, place: int, value: float) -> Floats:
    copy = column.copy()
    copy[place] = value
    return copy


def words(relaxations: Sequence[Relaxation]) -> str:
    """`max_turnover from 0.1 to 0.1204`, one after another."""
    parts = []
    for one in relaxations:
        kind, key = one.item
        named = f"{kind} {key}".strip()
        parts.append(f"{named} from {one.now:.6g} to {_rounded(one):.6g}")
    return "; ".join(parts)


def _rounded(one: Relaxation) -> float:
    """To three digits of the change, away from what holds now."""
    change = one.least - one.now
    unit = 10.0 ** np.floor(np.log10(abs(change)) - 2.0) if change else 1.0
    steps = np.ceil(abs(change) / unit - 1e-9)
    return float(one.now + np.sign(change) * steps * unit)
