"""The convex kernel alone: modes fixed, fractions allowed, every loss counted; what peers race."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.branch import tax_of
from opensma.construct.columns import Columns
from opensma.construct.decide import first_rows, fixed, relax
from opensma.construct.dual import BUY, FREE, SELL
from opensma.construct.prepare import Choice, Desk, Prepared, desk
from opensma.construct.problem import Account, Codes, Floats, Taxpayer


@dataclass(frozen=True, slots=True)
class ConvexResult:
    """Weights and both values in dollars; `seconds` is the kernel alone, from cold multipliers."""

    weight: Floats  # (n,)
    objective: float
    bound: float
    steps: int
    seconds: float


def convex_sides(prepared: Prepared, account: Account) -> Codes:
    """(n,) -1 where only selling, 1 where only buying keeps the problem convex, 0 elsewhere.

    A security is restricted only where a loss makes it non-convex; the relaxation picks the side.
    """
    table = _desk(prepared, account)
    data, aversion = table.data, account.risk_aversion or 50.0
    prices = np.zeros(data.factor.shape[1] + len(data.row_low))
    weight = np.zeros(len(data.security))
    relax(data, aversion, prices, np.zeros(len(data.row_low)), weight, True)
    security = data.security
    side = np.zeros(len(weight), dtype=np.int64)
    for i in range(len(weight)):
        first, name = int(security["start"][i]), security[i]
        if first < int(name["stop"]) and data.lot["guide"][first] < -name["toll"]:
            side[i] = -1 if weight[i] < name["held"] or name["high"] <= name["held"] else 1
    return side


def solve_convex(prepared: Prepared, account: Account, side: Codes) -> ConvexResult:
    """Minimise the account's J with these sides; risk aversion, bounds, bands, no wash rule."""
    table = _desk(prepared, account)
    data, aversion = table.data, float(account.risk_aversion or 0.0)
    mode = np.where(side < 0, SELL, np.where(side > 0, BUY, FREE)).astype(np.int64)
    mode = np.where((side > 0) & (data.security["high"] <= data.security["held"]), FREE, mode)
    weight = np.zeros(len(data.security))
    rows = len(data.row_low)
    prices, centre = np.zeros(data.factor.shape[1] + rows), np.zeros(rows)
    started = time.perf_counter()
    first = first_rows(data, aversion, mode, prices, centre, weight)
    height, _, steps = fixed(data, aversion, mode, prices, centre, weight)
    seconds = time.perf_counter() - started
    objective = _objective(data, aversion, weight) * table.value
    return ConvexResult(weight, objective, height * table.value, first + steps, seconds)


def _desk(prepared: Prepared, account: Account) -> Desk:
    """The account alone: no household, no windows, no minimum trade, fractions allowed."""
    plain = replace(
        account,
        min_trade=0.0,
        min_position=0.0,
        ticket_cost=0.0,
        max_names=None,
        whole_shares=False,
    )
    alone = Taxpayer("", (plain,), np.zeros(0, dtype=np.int64))
    none = np.zeros(len(prepared.universe.price), dtype=bool)
    return desk(prepared, alone, 0, 10**9, Choice(none, none))


def _objective(data: Columns, aversion: float, weight: Floats) -> float:
    security = data.security
    gap, sold = weight - security["target"], security["held"] - weight
    exposure = data.factor.T @ gap
    risk = float(exposure @ exposure + (gap * gap) @ security["specific"])
    cost = float(security["toll"] @ np.abs(sold))
    tax = sum(tax_of(security[i], data.lot, float(sold[i])) for i in np.flatnonzero(sold > 0.0))
    return 0.5 * aversion * risk + cost + float(tax)
