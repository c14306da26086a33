"""Why each trade is made, and why notable ones are not: from the figures of the plan alone."""

from __future__ import annotations

import numpy as np

from opensma.construct.check import BareMoves, Figures, names_held
from opensma.construct.plan import NonTrade, Reason
from opensma.construct.prepare import Desk, Prepared
from opensma.construct.problem import Floats, Mask, Taxpayer
from opensma.construct.state import State, broken_by

MOST_NON_TRADES = 12
_NOTABLE_DOLLARS = 25.0
_EDGE = 1e-6  # weight: closer than this a bound binds
_CASH_EDGE = 2e-4


def broken(table: Desk, state: State) -> float:
    """How far an account's limits are exceeded, as weights."""
    return float(broken_by(table.data, table.limits, state))


def of_trades(
    prepared: Prepared, table: Desk, trades: BareMoves, figures: Figures
) -> tuple[Reason, ...]:
    """One reason for each trade, the most binding first."""
    account, security = table.account, trades.security
    sells = trades.shares < 0.0
    capped = account.te_cap is not None and figures.te_before > account.te_cap
    drift = Reason.RISK_CAP if capped else Reason.DRIFT_TO_TARGET
    code = np.full(len(security), _CODES.index(drift))

    def mark(where: Mask, reason: Reason) -> None:
        code[where] = _CODES.index(reason)

    cash = account.cash / table.value
    harvested = -float(figures.trade_tax[figures.trade_tax < 0.0].sum())
    spare = (cash - account.cash_high) * table.value
    bought = float(figures.trade_notional[~sells].sum())
    mark(~sells & (harvested > 0.0), Reason.HARVEST_REPLACEMENT)
    mark(~sells & (spare > 0.5 * bought), Reason.CASH_INVEST)
    mark(sells & (cash < account.cash_low), Reason.CASH_NEED)
    small = figures.weight_before[security] * table.value < account.min_trade
    mark(sells & small & (figures.weight_after[security] <= 1e-12), Reason.MIN_TRADE_CLEANUP)
    mark(_sector_bound(prepared, table, figures, security), Reason.SECTOR_CAP)
    mark(sells & (figures.trade_tax < 0.0), Reason.HARVEST_LOSS)
    over = figures.weight_before > account.limits.max_weight
    mark(sells & over[security], Reason.POSITION_CAP)
    mark(sells & account.limits.exclude[security], Reason.CLIENT_EXCLUSION)
    return tuple(_CODES[c] for c in code)


_CODES = list(Reason)


def _sector_bound(prepared: Prepared, table: Desk, figures: Figures, rows: np.ndarray) -> Mask:
    """Trades in a sector that was outside its band before."""
    limits, sector = table.account.limits, prepared.universe.sector
    before = np.bincount(sector, figures.weight_before, minlength=len(limits.sector_max))
    outside = (before > limits.sector_max) | (before < limits.sector_min)
    mask: Mask = outside[sector[rows]]
    return mask


def binding(prepared: Prepared, table: Desk, figures: Figures) -> tuple[str, ...]:
    """Names of the limits that the plan ends at."""
    account, universe = table.account, prepared.universe
    limits, cash = account.limits, figures.cash_after / table.value
    names = []
    if cash <= account.cash_low + _CASH_EDGE:
        names.append("cash_low")
    if cash >= account.cash_high - _CASH_EDGE:
        names.append("cash_high")
    after = np.bincount(universe.sector, figures.weight_after, minlength=len(limits.sector_max))
    for code, sector in enumerate(universe.sector_name):
        if after[code] >= limits.sector_max[code] - 5e-4:
            names.append(f"sector_max:{sector}")
        if limits.sector_min[code] > 0.0 and after[code] <= limits.sector_min[code] + 5e-4:
            names.append(f"sector_min:{sector}")
    for name, limit, reached in (
        ("te_cap", account.te_cap, figures.te_after),
        ("max_turnover", account.max_turnover, figures.turnover),
        ("st_gain_budget", account.st_gain_budget, figures.st_gain),
        ("lt_gain_budget", account.lt_gain_budget, figures.lt_gain),
    ):
        if limit is not None and reached >= 0.99 * limit and reached > 0.0:
            names.append(name)
    shares = figures.weight_after * table.data.security["shares"]
    if account.max_names is not None and names_held(shares) >= account.max_names:
        names.append("max_names")
    step = table.data.security["step"]
    full = figures.weight_after > limits.max_weight - np.maximum(step, _EDGE)
    names += [f"max_weight:{universe.security[i]}" for i in np.flatnonzero(full)]
    kept = limits.no_sell & (figures.weight_after > account.target + 1e-3)
    names += [f"no_sell:{universe.security[i]}" for i in np.flatnonzero(kept)]
    return tuple(names)


def not_traded(
    prepared: Prepared, taxpayer: Taxpayer, table: Desk, trades: BareMoves
) -> tuple[NonTrade, ...]:
    """The losses that were left, the gains that were too dear and the buys that are barred."""
    found = [*_losses_left(prepared, table, trades), *_gains_kept(table, trades)]
    found += _barred_buys(prepared, taxpayer, table)
    found = [n for n in found if abs(n.dollars) >= _NOTABLE_DOLLARS]
    ranked = sorted(found, key=lambda n: (-abs(n.dollars), n.security, n.reason.value))
    return tuple(ranked[:MOST_NON_TRADES])


def _left(table: Desk, trades: BareMoves) -> Floats:
    """(m,) shares that stay in each lot."""
    lots = table.account.lots
    left = lots.quantity.copy()
    sells = trades.lot >= 0
    np.add.at(left, trades.lot[sells], trades.shares[sells])
    kept: Floats = np.maximum(left, 0.0)
    return kept


def _losses_left(prepared: Prepared, table: Desk, trades: BareMoves) -> list[NonTrade]:
    universe, account = prepared.universe, table.account
    lots, left = account.lots, _left(table, trades)
    gain = left * (universe.price[lots.security] - lots.basis / lots.quantity)
    rate = np.where(lots.long_term, account.lt_rate, account.st_rate)
    n = len(universe.price)
    worth = np.bincount(lots.security, np.where(gain < 0.0, -gain * rate, 0.0), minlength=n)
    size = np.bincount(lots.security, np.where(gain < 0.0, left, 0.0), minlength=n)
    notional = size * universe.price
    washed = table.data.washed[prepared.group]
    found = []
    for i in np.flatnonzero(worth >= _NOTABLE_DOLLARS).tolist():
        if account.limits.no_sell[i]:
            why = Reason.RESTRICTED
        elif washed[i]:
            why = Reason.WASH_BLOCKED
        elif notional[i] < account.min_trade:
            why = Reason.MIN_TRADE
        elif worth[i] <= 2.0 * notional[i] * prepared.cost[i]:
            why = Reason.BELOW_THRESHOLD
        else:
            why = Reason.TRACKING_COST_TOO_HIGH
        found.append(NonTrade(i, why, float(worth[i])))
    return found


def _gains_kept(table: Desk, trades: BareMoves) -> list[NonTrade]:
    """Overweight names whose sale would cost more tax than the risk is worth."""
    security, lots = table.data.security, table.data.lot
    traded = np.zeros(len(security), dtype=bool)
    traded[trades.security] = True
    over = security["held"] - security["target"]
    found = []
    for i in np.flatnonzero((over > 2e-3) & ~traded).tolist():
        own = slice(int(security["start"][i]), int(security["stop"][i]))
        tax = float((lots["gain"][own] * lots["rate"][own] * lots["width"][own]).sum())
        width = float(lots["width"][own].sum())
        due = tax / width * over[i] * table.value if width > 0.0 else 0.0
        if due > 0.0:
            budget = min(table.limits.short_gain, table.limits.long_gain) < np.inf
            why = Reason.GAIN_BUDGET_USED if budget else Reason.GAIN_TOO_DEAR
            found.append(NonTrade(i, why, float(due)))
    return found


def _barred_buys(prepared: Prepared, taxpayer: Taxpayer, table: Desk) -> list[NonTrade]:
    """Underweight names that may not be bought: what the missing weight costs in risk."""
    security = table.data.security
    under = security["target"] - security["held"]
    barred = np.isin(prepared.universe.group, taxpayer.loss_groups)
    wish = table.account.limits.no_buy | table.account.limits.exclude
    found = []
    aversion = table.account.risk_aversion or 0.0
    for i in np.flatnonzero((barred | wish) & (under > 2e-4)).tolist():
        variance = security["specific"][i] + security["factor_square"][i]
        dollars = 0.5 * aversion * variance * under[i] ** 2 * table.value
        why = Reason.RESTRICTED if wish[i] else Reason.WASH_BLOCKED
        found.append(NonTrade(i, why, float(dollars)))
    return found
