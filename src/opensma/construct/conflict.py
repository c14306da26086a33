"""Why no plan exists: the smallest set of wishes and limits that cannot hold together.

Bounds, sector bands and the cash band are compared as intervals; whether limits over the whole
account can be kept is asked without a full solve (`meet`). The set is found by leaving out halves,
then one wish at a time, for as long as the rest still conflicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from opensma.construct.check import Violation
from opensma.construct.few import cap_is_beyond, names_meet
from opensma.construct.meet import Room, Sales, by_relaxing, by_sorting, limits_meet
from opensma.construct.plan import Status
from opensma.construct.prepare import (
    Choice,
    Prepared,
    account_value,
    blocked,
    bounds,
    desk,
    held_shares,
    whole_limits,
)
from opensma.construct.problem import Account, Floats, Limits, Mask, Taxpayer
from opensma.construct.relaxation import Item, least_relaxations, words

_SLACK = 2e-4
_SECURITY_KINDS = ("exclude", "no_buy", "no_sell", "max_weight")
_ACCOUNT_KINDS = ("te_cap", "max_turnover", "st_gain_budget", "lt_gain_budget")
_NAMED = 6


def explain(
    prepared: Prepared, taxpayer: Taxpayer, position: int, as_of: int, violation: Violation
) -> tuple[Status, str]:
    """Status and message for an account without a plan; names the smallest conflicting set."""
    core = smallest_conflict(prepared, taxpayer, position, as_of)
    if not core:
        text = f"No plan was found that keeps every limit; nearest miss: {violation.message}."
        return Status.FAILED, text
    account = taxpayer.accounts[position]

    def feasible(tried: Account, kept: Sequence[Item]) -> bool:
        accounts = list(taxpayer.accounts)
        accounts[position] = tried
        changed = replace(taxpayer, accounts=tuple(accounts))
        return _feasible(prepared, changed, position, as_of, list(kept))

    # A cap that is no part of the conflict would cost seconds to ask about.
    capped = ("te_cap", "") in core
    every = [i for i in _items(prepared, taxpayer, account) if capped or i[0] != "te_cap"]
    free = least_relaxations(prepared.universe, account, core, feasible, every)
    text = f"These cannot hold together: {_words(prepared, core)}."
    if free:
        text += f" Any of these would free it: {words(free)}."
    return Status.INFEASIBLE, text


def smallest_conflict(
    prepared: Prepared, taxpayer: Taxpayer, position: int, as_of: int
) -> list[Item]:
    """Wishes and limits that cannot hold together, each of them needed; none if all can."""
    items = _items(prepared, taxpayer, taxpayer.accounts[position])

    def feasible(kept: list[Item]) -> bool:
        return _feasible(prepared, taxpayer, position, as_of, kept)

    return [] if feasible(items) else _smallest(items, feasible)


def _items(prepared: Prepared, taxpayer: Taxpayer, account: Account) -> list[Item]:
    """Everything that the account must keep, those that a person can change last."""
    limits, universe = account.limits, prepared.universe
    found: list[Item] = []
    masks = {
        "exclude": limits.exclude,
        "no_buy": limits.no_buy,
        "no_sell": limits.no_sell,
        "max_weight": np.isfinite(limits.max_weight),
        "wash_window": blocked(prepared, taxpayer),
    }
    for kind, mask in masks.items():
        found += [(kind, universe.security[i]) for i in np.flatnonzero(mask)]
    for code, sector in enumerate(universe.sector_name):
        if np.isfinite(limits.sector_max[code]):
            found.append(("sector_max", sector))
        if limits.sector_min[code] > 0.0:
            found.append(("sector_min", sector))
    found += [(kind, "") for kind in _ACCOUNT_KINDS if getattr(account, kind) is not None]
    if account.max_names is not None:
        found.append(("max_names", ""))
    return [*found, ("cash_low", ""), ("cash_high", "")]


def _smallest(items: list[Item], feasible: Callable[[list[Item]], bool]) -> list[Item]:
    """A set that conflicts and whose every part is needed: leave out halves, then single ones."""
    kept, size = list(items), max(1, len(items) // 2)
    while True:
        start = 0
        while start < len(kept):
            rest = kept[:start] + kept[start + size :]
            if rest and not feasible(rest):
                kept = rest
            else:
                start += size
        if size == 1:
            return kept
        size = max(1, size // 2)


def _words(prepared: Prepared, core: list[Item]) -> str:
    groups: dict[str, list[str]] = {}
    for kind, key in core:
        groups.setdefault(kind, []).append(key)
    parts = []
    for kind, keys in groups.items():
        named = ", ".join(key for key in keys[:_NAMED] if key)
        more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
        parts.append(f"{kind} {named}{more}".strip())
    return "; ".join(parts)


def _feasible(
    prepared: Prepared, taxpayer: Taxpayer, position: int, as_of: int, kept: list[Item]
) -> bool:
    """Whether fractional weights exist that keep these items (minimum trades left out)."""
    account, barred = _only(prepared, taxpayer.accounts[position], kept)
    if not _intervals_meet(prepared, account, barred):
        return False
    if not any(kind in _ACCOUNT_KINDS for kind, _ in kept):
        return True
    limits = np.array(whole_limits(account, account_value(prepared.universe, account))[:4])
    limits = limits + np.where(np.isfinite(limits), 0.01 * np.abs(limits), 0.0) + 1e-7
    linear = limits.copy()
    linear[0] = np.inf
    room, sales = _room(prepared, account, barred)
    if np.isfinite(linear).any() and not limits_meet(by_sorting(room, sales), linear):
        return False
    if account.te_cap is None:
        return True
    accounts = list(taxpayer.accounts)
    untaxed = replace(account, st_rate=0.0, lt_rate=0.0, whole_shares=False)
    accounts[position] = replace(untaxed, max_names=None)
    alone = replace(taxpayer, accounts=tuple(accounts))
    none = np.zeros(len(barred), dtype=bool)
    table = desk(prepared, alone, position, as_of, Choice(barred, none))
    if not limits_meet(by_relaxing(table), limits):
        return False
    if account.max_names is None:
        return True
    accounts[position] = replace(untaxed, whole_shares=account.whole_shares)
    alone = replace(taxpayer, accounts=tuple(accounts))
    return not cap_is_beyond(prepared, alone, position, as_of, Choice(barred, none))


def _room(prepared: Prepared, account: Account, barred: Mask) -> tuple[Room, Sales]:
    universe, lots, limits = prepared.universe, account.lots, account.limits
    value = account_value(universe, account)
    held = held_shares(account, len(universe.price)) * universe.price / value
    low, high = bounds(prepared, account, held, Choice(barred, np.zeros_like(barred)))
    room = Room(
        low,
        high,
        held,
        universe.sector,
        limits.sector_min,
        limits.sector_max,
        1.0 - account.cash_high,
        1.0 - account.cash_low,
    )
    price = universe.price[lots.security]
    width, gain = lots.quantity * price / value, 1.0 - lots.basis / (lots.quantity * price)
    return room, Sales(lots.security, width, gain, lots.long_term)


def _only(prepared: Prepared, account: Account, kept: list[Item]) -> tuple[Account, Mask]:
    """The account with these items alone, and the securities that a wash window bars."""
    universe, limits = prepared.universe, account.limits
    row = {name: i for i, name in enumerate(universe.security)}
    sector = {name: i for i, name in enumerate(universe.sector_name)}
    n = len(universe.price)
    masks = {kind: np.zeros(n, dtype=bool) for kind in (*_SECURITY_KINDS, "wash_window")}
    high, low = np.full(len(sector), np.inf), np.zeros(len(sector))
    account_kinds = {kind for kind, key in kept if not key}
    for kind, key in kept:
        if kind in masks:
            masks[kind][row[key]] = True
        elif kind == "sector_max":
            high[sector[key]] = limits.sector_max[sector[key]]
        elif kind == "sector_min":
            low[sector[key]] = limits.sector_min[sector[key]]
    wish = Limits(
        masks["exclude"],
        masks["no_buy"],
        masks["no_sell"],
        np.where(masks["max_weight"], limits.max_weight, np.inf),
        high,
        low,
    )
    capped = "te_cap" in account_kinds

    def kept_limit(kind: str) -> float | None:
        return getattr(account, kind) if kind in account_kinds else None

    only = replace(
        account,
        limits=wish,
        min_trade=0.0,
        min_position=0.0,
        risk_aversion=None if capped else account.risk_aversion or 1.0,
        cash_low=account.cash_low if "cash_low" in account_kinds else -10.0,
        cash_high=account.cash_high if "cash_high" in account_kinds else 10.0,
        te_cap=kept_limit("te_cap"),
        max_turnover=kept_limit("max_turnover"),
        st_gain_budget=kept_limit("st_gain_budget"),
        lt_gain_budget=kept_limit("lt_gain_budget"),
        max_names=account.max_names if "max_names" in account_kinds else None,
    )
    return only, masks["wash_window"]


def _intervals_meet(prepared: Prepared, account: Account, barred: Mask) -> bool:
    """Bounds, sector bands and the cash band as intervals; trading costs within the slack."""
    universe, limits = prepared.universe, account.limits
    n = len(universe.price)
    value = account_value(universe, account)
    shares = np.bincount(account.lots.security, account.lots.quantity, minlength=n)
    held = shares * universe.price / value
    high = np.minimum(np.where(limits.exclude, 0.0, limits.max_weight), 1e3)
    high = np.where(limits.no_buy | barred, np.minimum(high, held), high)
    low = np.where(limits.no_sell, held, 0.0)
    if (low > high + 1e-9).any() or not names_meet(universe, account, low, high):
        return False
    least, most = (
        _by_sector(universe.sector, bound, len(limits.sector_max)) for bound in (low, high)
    )
    least, most = np.maximum(least, limits.sector_min), np.minimum(most, limits.sector_max)
    if (least > most + _SLACK).any():
        return False
    invested = (1.0 - account.cash_high, 1.0 - account.cash_low)
    return bool(least.sum() <= invested[1] + _SLACK and most.sum() >= invested[0] - _SLACK)


def _by_sector(sector: np.ndarray, values: Floats, count: int) -> Floats:
    total: Floats = np.bincount(sector, values, minlength=count).astype(np.float64)
    return total
