"""The whole problem as one mixed-integer quadratic program for SCIP, an exact solver.

Whole shares of every lot and purchase are integers; a binary a name says which side it trades on,
one more whether it is sold out, and one a group whether its losses are taken. Accounts without
recent purchases only, so that no loss is washed by them.
"""

import time
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from opensma.construct.check import BareMoves
from opensma.construct.problem import Account, Taxpayer, Universe

Vector = np.ndarray
SETTLED_DAYS = 60  # lots are made this much older, so that none is a recent purchase


def missing() -> str:
    """Why SCIP cannot run here; empty where it can."""
    return "" if find_spec("pyscipopt") else "pyscipopt is not installed"


def settled(taxpayer: Taxpayer) -> Taxpayer:
    """The same taxpayer, everything bought long enough ago that it washes nothing."""
    return replace(
        taxpayer,
        accounts=tuple(
            replace(a, lots=replace(a.lots, acquired_day=a.lots.acquired_day - SETTLED_DAYS))
            for a in taxpayer.accounts
        ),
    )


def scip(
    universe: Universe,
    taxpayer: Taxpayer,
    account: Account,
    limit_seconds: float,
    start: BareMoves | None = None,
) -> tuple[BareMoves | None, float, float]:
    """The best trades SCIP finds in the time, the seconds it took, and its lower bound on J.

    `start` is a legal plan to begin with: alone, SCIP spends its time finding one.
    """
    from pyscipopt import Model, quicksum

    started = time.perf_counter()
    model = Model()
    model.hideOutput()
    model.setParam("limits/time", limit_seconds)
    lots, price, n = account.lots, universe.price, len(universe.price)
    value = account.cash + float(lots.quantity @ price[lots.security])
    held = np.bincount(lots.security, lots.quantity, minlength=n)
    sells = [model.addVar(vtype="I", lb=0, ub=float(q)) for q in lots.quantity]
    most = np.floor(0.2 * value / price) + 1.0  # more than any plan here buys of one name
    barred = np.isin(universe.group, taxpayer.loss_groups)
    buys = [model.addVar(vtype="I", lb=0, ub=0.0 if barred[i] else most[i]) for i in range(n)]
    _sides(model, universe, account, sells, buys, held, most)
    mine = [np.flatnonzero(lots.security == i) for i in range(n)]
    net = [buys[i] - quicksum(sells[row] for row in mine[i]) for i in range(n)]
    spent = quicksum(net[i] * float(price[i]) for i in range(n))
    toll = price * universe.cost_bps / 1e4
    cost = quicksum(float(toll[i]) * buys[i] for i in range(n)) + quicksum(
        float(toll[lots.security[row]]) * sells[row] for row in range(len(sells))
    )
    model.addCons((account.cash - spent - cost) / value >= account.cash_low)
    model.addCons((account.cash - spent - cost) / value <= account.cash_high)
    rate = np.where(lots.long_term, account.lt_rate, account.st_rate)
    unit = rate * (price[lots.security] - lots.basis / lots.quantity)
    tax = quicksum(float(unit[row]) * sells[row] for row in range(len(sells)))
    risk = _risk(model, universe, account, [net[i] * float(price[i] / value) for i in range(n)])
    model.setObjective(tax + cost + value * risk, "minimize")
    if start is not None:
        _begin(model, start, sells, buys)
    model.optimize()
    seconds = time.perf_counter() - started
    if not model.getNSols():
        return None, seconds, model.getDualbound()
    return _moves(model, account, sells, buys), seconds, model.getDualbound()


def _begin(model: Any, start: BareMoves, sells: list[Any], buys: list[Any]) -> None:
    """Hand over whole shares; SCIP finds what follows from them."""
    sold, bought = np.zeros(len(sells)), np.zeros(len(buys))
    sales = start.shares < 0.0
    np.add.at(sold, start.lot[sales], -start.shares[sales])
    np.add.at(bought, start.security[~sales], start.shares[~sales])
    begun = model.createPartialSol()
    for variable, shares in zip([*sells, *buys], [*sold, *bought], strict=True):
        model.setSolVal(begun, variable, float(shares))
    model.addSol(begun)


def _sides(
    model: Any,
    universe: Universe,
    account: Account,
    sells: list[Any],
    buys: list[Any],
    held: Vector,
    most: Vector,
) -> None:
    """One side a name, none bought in a group whose losses are taken, and smallest trades."""
    from pyscipopt import quicksum

    lots, price = account.lots, universe.price
    gain = price[lots.security] * lots.quantity - lots.basis
    harvest = {int(g): model.addVar(vtype="B") for g in np.unique(universe.group)}
    for i, buy in enumerate(buys):
        mine = np.flatnonzero(lots.security == i)
        sold = quicksum(sells[row] for row in mine)
        selling, buying, emptied = (model.addVar(vtype="B") for _ in range(3))
        model.addCons(selling + buying <= 1)
        model.addCons(emptied <= selling)
        model.addCons(sold <= float(held[i]) * selling)
        model.addCons(sold >= float(held[i]) * emptied)
        model.addCons(buy <= float(most[i]) * buying)
        model.addCons(buying + harvest[int(universe.group[i])] <= 1)
        model.addCons(buy * float(price[i]) >= account.min_trade * buying)
        model.addCons(sold * float(price[i]) >= account.min_trade * (selling - emptied))
        for row in mine[gain[mine] < 0.0]:
            model.addCons(sells[row] <= float(lots.quantity[row]) * harvest[int(universe.group[i])])


def _risk(model: Any, universe: Universe, account: Account, change: list[Any]) -> Any:
    """A variable no less than aversion / 2 * active variance."""
    from pyscipopt import quicksum

    lots, n = account.lots, len(universe.price)
    value = account.cash + float(lots.quantity @ universe.price[lots.security])
    held = np.bincount(lots.security, lots.quantity, minlength=n) * universe.price / value
    values, vectors = np.linalg.eigh(universe.factor_cov)
    root = universe.loadings @ (vectors * np.sqrt(np.maximum(values, 0.0)))
    active = [model.addVar(lb=-1.0, ub=1.0) for _ in range(n)]
    for i in range(n):
        model.addCons(active[i] == change[i] + float(held[i] - account.target[i]))
    exposure = [model.addVar(lb=None, ub=None) for _ in range(root.shape[1])]
    for j, one in enumerate(exposure):
        model.addCons(one == quicksum(float(root[i, j]) * active[i] for i in range(n)))
    risk = model.addVar(lb=0.0, ub=None)
    half = float(account.risk_aversion or 0.0) / 2.0
    squares = quicksum(half * one * one for one in exposure) + quicksum(
        half * float(universe.specific_var[i]) * active[i] * active[i] for i in range(n)
    )
    model.addCons(squares <= risk)
    return risk


def _moves(model: Any, account: Account, sells: list[Any], buys: list[Any]) -> BareMoves:
    sold = np.rint([model.getVal(one) for one in sells])
    bought = np.rint([model.getVal(one) for one in buys])
    lots, names = np.flatnonzero(sold), np.flatnonzero(bought)
    return BareMoves(
        np.concatenate([account.lots.security[lots], names]).astype(np.int64),
        np.concatenate([lots, np.full(len(names), -1)]).astype(np.int64),
        np.concatenate([-sold[lots], bought[names]]),
    )
