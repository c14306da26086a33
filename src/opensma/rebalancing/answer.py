"""The answer as an object to read: trades, the objective's parts, the bound, reasons in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from opensma.construct.plan import NonTrade, Plan, Reason
from opensma.construct.prepare import account_value
from opensma.construct.problem import Account, Universe
from opensma.construct.saved import SavedProblem, pack
from opensma.rebalancing.risk import FactorModel
from opensma.rebalancing.tables import Columns

_WHY = {
    Reason.HARVEST_LOSS: "for the tax value of its loss",
    Reason.HARVEST_REPLACEMENT: "in place of what was harvested",
    Reason.DRIFT_TO_TARGET: "nearer to its target weight",
    Reason.RISK_CAP: "to stay under the tracking-error cap",
    Reason.CLIENT_EXCLUSION: "because it is excluded",
    Reason.POSITION_CAP: "because it was above its largest weight",
    Reason.SECTOR_CAP: "because its sector was outside its bounds",
    Reason.CASH_NEED: "to raise cash",
    Reason.CASH_INVEST: "to invest cash",
    Reason.MIN_TRADE_CLEANUP: "because only a small remainder was left",
}
_WHY_NOT = {
    Reason.WASH_BLOCKED: "a wash sale would follow",
    Reason.GAIN_TOO_DEAR: "the tax is above the gain in risk",
    Reason.BELOW_THRESHOLD: "it is worth too little",
    Reason.TRACKING_COST_TOO_HIGH: "the loss is worth less than the risk",
    Reason.RESTRICTED: "a restriction forbids it",
    Reason.GAIN_BUDGET_USED: "the gain budget is spent",
    Reason.MIN_TRADE: "it is below the smallest trade",
}


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised, in dollars: `total = risk + tax + cost`; tax below 0 is tax saved."""

    risk: float
    tax: float
    cost: float

    @property
    def total(self) -> float:
        """The sum of the three."""
        return self.risk + self.tax + self.cost

    def __float__(self) -> float:
        return self.total


@dataclass(frozen=True, slots=True)
class Restriction:
    """One limit of the account, and whether the plan ends at it."""

    name: str
    limit: float | None
    binding: bool


@dataclass(frozen=True, repr=False)
class Rebalance:
    """The decision. Where `status` is not "solved" nothing is traded and `message` says why.

    With several accounts the figures are sums; tracking error is each account's own.
    """

    status: str  # solved, infeasible, failed; of several accounts the worst
    message: str
    trades: Any  # a table of the kind that `lots` was
    objective: Objective
    objective_before: Objective
    bound: float  # certified: no plan whatever has a smaller objective
    value: float  # dollars before trading
    tracking_error_before: float
    tracking_error_after: float
    turnover: float  # one-way weight
    cash_after: float
    risk_aversion: float  # given, or the cap's multiplier
    restrictions: tuple[Restriction, ...]
    accounts: Mapping[str, Rebalance]  # by id, where there are several
    risk_model: FactorModel
    sentences: tuple[str, ...]
    problem: SavedProblem

    @property
    def gap_bps(self) -> float:
        """The most that any plan could still gain, in basis points of the account's value."""
        return (self.objective.total - self.bound) / self.value * 1e4

    def why(self) -> list[str]:
        """One sentence per trade, per notable trade not made, and on the plan as a whole."""
        return list(self.sentences)

    def save(self, path: str | Path) -> None:
        """Write the whole problem as one file for `sma construct replay`."""
        Path(path).write_bytes(pack(self.problem))

    def __repr__(self) -> str:
        if self.status != "solved":
            return f"<Rebalance {self.status}: {self.message}>"
        return (
            f"<Rebalance solved: objective {self.objective.total:,.2f} (risk "
            f"{self.objective.risk:,.2f}, tax {self.objective.tax:,.2f}, cost "
            f"{self.objective.cost:,.2f}), bound {self.bound:,.2f}, gap {self.gap_bps:.1f} bp>"
        )


# --- making it ---------------------------------------------------------------------------------


def trade_columns(universe: Universe, plan: Plan, lot_ids: list[Any]) -> Columns:
    """A row per lot sold and per security bought; `lot` is empty for a buy."""
    trades = plan.trades
    lots = np.empty(len(trades.lot), dtype=object)
    lots[:] = [lot_ids[lot] if lot >= 0 else None for lot in trades.lot.tolist()]
    names = np.array(universe.security, dtype=object)
    reasons = np.array([reason.value for reason in trades.reason], dtype=object)
    return {
        "security": names[trades.security],
        "lot": lots,
        "shares": trades.shares,
        "price": universe.price[trades.security],
        "notional": trades.notional,
        "tax": trades.tax + 0.0,  # + 0.0: no -0.0 in a table
        "cost": trades.cost + 0.0,
        "risk": trades.risk + 0.0,
        "reason": reasons,
    }


def objectives(account: Account, plan: Plan) -> tuple[Objective, Objective]:
    """After and before; what is neither tax nor cost is risk, and with a cap there is none."""
    capped = account.te_cap is not None
    before = Objective(plan.objective_before, 0.0, 0.0)
    if plan.status.value != "solved":
        return before, before
    risk = 0.0 if capped else plan.objective - plan.tax - plan.cost
    return Objective(risk, plan.tax, plan.cost), before


def restrictions_of(universe: Universe, account: Account, plan: Plan) -> tuple[Restriction, ...]:
    """Every limit that was set, by the names that `Plan.binding` uses."""
    limits, names = account.limits, universe.security
    found: list[tuple[str, float | None]] = [
        ("cash_low", account.cash_low),
        ("cash_high", account.cash_high),
    ]
    for kind in ("te_cap", "max_turnover", "st_gain_budget", "lt_gain_budget", "max_names"):
        if getattr(account, kind) is not None:
            found.append((kind, float(getattr(account, kind))))
    for kind in ("exclude", "no_buy", "no_sell"):
        rows = np.flatnonzero(getattr(limits, kind))
        found += [(f"{kind}:{names[row]}", None) for row in rows]
    rows = np.flatnonzero(limits.max_weight < np.inf)
    found += [(f"max_weight:{names[row]}", float(limits.max_weight[row])) for row in rows]
    for code, sector in enumerate(universe.sector_name):
        if limits.sector_max[code] < np.inf:
            found.append((f"sector_max:{sector}", float(limits.sector_max[code])))
        if limits.sector_min[code] > 0.0:
            found.append((f"sector_min:{sector}", float(limits.sector_min[code])))
    excluded = limits.exclude & _moved(plan, len(names))
    bound = {*plan.binding, *(f"exclude:{names[row]}" for row in np.flatnonzero(excluded))}
    return tuple(Restriction(name, limit, name in bound) for name, limit in found)


def _moved(plan: Plan, count: int) -> Any:
    moved = np.zeros(count, dtype=bool)
    moved[plan.trades.security] = True
    return moved


# --- in words ----------------------------------------------------------------------------------


def sentences_of(
    universe: Universe, account: Account, plan: Plan, lot_ids: list[Any]
) -> tuple[str, ...]:
    """Why: trades first, then what was not traded, then the whole."""
    if plan.status.value != "solved":
        return (f"Nothing is traded ({plan.status.value}): {plan.message}",)
    trades = range(len(plan.trades.shares))
    found = [_of_trade(universe, account, plan, row, lot_ids) for row in trades]
    found += [_of_non_trade(universe, non_trade) for non_trade in plan.non_trades]
    return (*found, _of_plan(universe, account, plan))


def _of_trade(
    universe: Universe, account: Account, plan: Plan, row: int, lot_ids: list[Any]
) -> str:
    trades = plan.trades
    shares, lot = float(trades.shares[row]), int(trades.lot[row])
    name = universe.security[int(trades.security[row])]
    verb = "Sell" if shares < 0.0 else "Buy"
    text = f"{verb} {abs(shares):,.6g} {name} ({_usd(float(trades.notional[row]))})"
    if lot >= 0:
        text += _of_lot(universe, account, lot, -shares, lot_ids)
    text += f" {_WHY.get(trades.reason[row], trades.reason[row].value)}:"
    tax, parts = float(trades.tax[row]), []
    if abs(tax) >= 0.005:
        parts.append(f"{_usd(-tax)} of tax saved" if tax < 0 else f"{_usd(tax)} of tax")
    capped = account.te_cap is not None
    risk = float((trades.risk_shadow if capped else trades.risk)[row])
    word = "taken off" if risk < 0.0 else "added"
    parts.append(f"{_usd(abs(risk))} of risk {word}")
    parts.append(f"{_usd(float(trades.cost[row]))} of cost")
    return f"{text} {', '.join(parts)}."


def _of_lot(
    universe: Universe, account: Account, lot: int, shares: float, lot_ids: list[Any]
) -> str:
    lots = account.lots
    price = float(universe.price[lots.security[lot]])
    gain = shares * (price - float(lots.basis[lot] / lots.quantity[lot]))
    term = "long-term" if lots.long_term[lot] else "short-term"
    bought = date.fromordinal(int(lots.acquired_day[lot]))
    word = "gain" if gain >= 0.0 else "loss"
    return f" from lot {lot_ids[lot]} of {bought}, a {term} {word} of {_usd(abs(gain))},"


def _of_non_trade(universe: Universe, non_trade: NonTrade) -> str:
    name = universe.security[non_trade.security]
    why = _WHY_NOT.get(non_trade.reason, non_trade.reason.value)
    return f"No further trade in {name}: {why} ({_usd(abs(non_trade.dollars))})."


def _of_plan(universe: Universe, account: Account, plan: Plan) -> str:
    value = account_value(universe, account)
    gap = (plan.objective - plan.bound) / value * 1e4
    held = f" At its limit: {', '.join(plan.binding)}." if plan.binding else ""
    return (
        f"{len(plan.trades.shares)} trades take the objective from "
        f"{_usd(plan.objective_before)} to {_usd(plan.objective)} "
        f"(tax {_usd(plan.tax)}, cost {_usd(plan.cost)}) and tracking error "
        f"from {plan.te_before:.2%} to {plan.te_after:.2%}; no plan can be better by more than "
        f"{gap:.1f} bp of the account.{held}"
    )


def _usd(dollars: float) -> str:
    return f"-${-dollars:,.2f}" if dollars <= -0.005 else f"${abs(dollars):,.2f}"
