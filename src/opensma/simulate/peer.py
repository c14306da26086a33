"""The convex problem with fixed sides, given to Clarabel: the peer of the benchmark.

Factor form: variables are weights after trading, what is sold of each lot, purchases and factor
exposures. Clarabel and scipy are development tools, so they are imported only here and on demand.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from opensma.construct.problem import Account, Codes, Floats, Mask, Universe

# Below Clarabel's own 1e-8, so that objectives can be compared to 1e-7. Its gaps are relative only
# above 1, so the objective is given in basis points of value: in weights it would be about 1e-3.
_TOLERANCE = 1e-10
_SCALE = 1e4


@dataclass(frozen=True, slots=True)
class PeerResult:
    """Clarabel's answer; seconds of set-up and solve, without building the matrices."""

    weight: Floats  # (n,)
    objective: float  # dollars
    status: str
    seconds: float


@dataclass(frozen=True, slots=True)
class _Terms:
    """One account in weights; (n,) by security, (m,) by lot that may be sold."""

    value: float
    held: Floats
    low: Floats
    high: Floats
    cost: Floats
    lot_security: Codes
    lot_width: Floats
    lot_tax: Floats  # per dollar sold
    buyable: Codes
    root: Floats  # (n, k)


def available() -> bool:
    """Whether Clarabel is installed."""
    return find_spec("clarabel") is not None and find_spec("scipy") is not None


def solve_with_clarabel(universe: Universe, account: Account, side: Codes) -> PeerResult:
    """The optimum of the convex problem: only sales where side is -1, only purchases where 1."""
    import clarabel

    terms = _terms(universe, account, side)
    quadratic, linear = _objective(universe, account, terms)
    matrix, right, equal = _constraints(universe, account, terms)
    cones = [clarabel.ZeroConeT(equal), clarabel.NonnegativeConeT(len(right) - equal)]
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = _TOLERANCE
    started = time.perf_counter()
    solver = clarabel.DefaultSolver(
        quadratic * _SCALE, linear * _SCALE, matrix, right, cones, settings
    )
    solution = solver.solve()
    seconds = time.perf_counter() - started
    n = len(universe.price)
    weight = np.asarray(solution.x)[:n]
    active = account.target * universe.specific_var * account.target
    constant = 0.5 * float(account.risk_aversion or 0.0) * float(active.sum())
    objective = terms.value * (float(solution.obj_val) / _SCALE + constant)
    return PeerResult(weight, objective, str(solution.status), seconds)


def _terms(universe: Universe, account: Account, side: Codes) -> _Terms:
    lots, limits, n = account.lots, account.limits, len(universe.price)
    value = account.cash + float(lots.quantity @ universe.price[lots.security])
    held = np.bincount(lots.security, lots.quantity, minlength=n) * universe.price / value
    high = np.where(limits.exclude, 0.0, limits.max_weight)
    high = np.where(limits.no_buy, np.minimum(high, held), high)
    sold = np.flatnonzero(_sellable(account, side)[lots.security])
    security = lots.security[sold]
    market = lots.quantity[sold] * universe.price[security]
    rate = np.where(lots.long_term[sold], account.lt_rate, account.st_rate)
    values, vectors = np.linalg.eigh(universe.factor_cov)
    return _Terms(
        value=value,
        held=held,
        low=np.where(limits.no_sell, held, 0.0),
        high=high,
        cost=universe.cost_bps / 1e4,
        lot_security=security,
        lot_width=market / value,
        lot_tax=rate * (market - lots.basis[sold]) / market,
        buyable=np.flatnonzero((side >= 0) & (high > held)),
        root=universe.loadings @ (vectors * np.sqrt(np.maximum(values, 0.0))),
    )


def _sellable(account: Account, side: Codes) -> Mask:
    mask: Mask = (side <= 0) & ~account.limits.no_sell
    return mask


def _objective(universe: Universe, account: Account, terms: _Terms) -> tuple[Any, Floats]:
    """x = (w, lots sold, purchases, factor exposures)."""
    from scipy import sparse

    aversion = float(account.risk_aversion or 0.0)
    k = terms.root.shape[1]
    between = len(terms.lot_security) + len(terms.buyable)
    curve = [aversion * universe.specific_var, np.zeros(between), np.full(k, aversion)]
    linear = np.concatenate(
        [
            -aversion * universe.specific_var * account.target,
            terms.lot_tax + terms.cost[terms.lot_security],
            terms.cost[terms.buyable],
            np.zeros(k),
        ]
    )
    return sparse.diags(np.concatenate(curve), format="csc"), linear


def _constraints(universe: Universe, account: Account, terms: _Terms) -> tuple[Any, Floats, int]:
    """`A x + s = b`: equalities first, then s >= 0."""
    from scipy import sparse

    n, k = terms.root.shape
    m, p = len(terms.lot_security), len(terms.buyable)
    sells = sparse.csc_matrix((np.ones(m), (terms.lot_security, np.arange(m))), shape=(n, m))
    buys = sparse.csc_matrix((np.ones(p), (terms.buyable, np.arange(p))), shape=(n, p))
    eye, width = sparse.identity, n + m + p + k
    balance = sparse.hstack([eye(n), sells, -buys, sparse.csc_matrix((n, k))])
    exposure = sparse.hstack(
        [sparse.csc_matrix(terms.root.T), sparse.csc_matrix((k, m + p)), -eye(k)]
    )
    rows, right = [balance, exposure], [terms.held, terms.root.T @ account.target]

    def pick(start: int, index: Codes, sign: float) -> Any:
        size = len(index)
        where = (np.arange(size), start + index)
        return sparse.csc_matrix((np.full(size, sign), where), shape=(size, width))

    def at_most(matrix: Any, bound: Floats) -> None:
        rows.append(matrix)
        right.append(bound)

    capped = np.flatnonzero(terms.high < np.inf)
    at_most(pick(0, capped, 1.0), terms.high[capped])
    at_most(pick(0, np.arange(n), -1.0), -terms.low)
    at_most(pick(n, np.arange(m + p), -1.0), np.zeros(m + p))
    at_most(pick(n, np.arange(m), 1.0), terms.lot_width)
    for line, low, high in _bands(universe, account, terms):
        if high < np.inf:
            at_most(sparse.csc_matrix(line[None, :]), np.array([high]))
        if low > -np.inf:
            at_most(sparse.csc_matrix(-line[None, :]), np.array([-low]))
    return sparse.vstack(rows, format="csc"), np.concatenate(right), n + k


def _bands(
    universe: Universe, account: Account, terms: _Terms
) -> list[tuple[Floats, float, float]]:
    """Rows over all variables with their limits: cash after costs, then sectors."""
    n, k = terms.root.shape
    m, p = len(terms.lot_security), len(terms.buyable)
    cash = np.zeros(n + m + p + k)
    cash[n : n + m] = 1.0 - terms.cost[terms.lot_security]
    cash[n + m : n + m + p] = -1.0 - terms.cost[terms.buyable]
    now = account.cash / terms.value
    bands = [(cash, account.cash_low - now, account.cash_high - now)]
    limits = account.limits
    for code in range(len(universe.sector_name)):
        low, high = float(limits.sector_min[code]), float(limits.sector_max[code])
        if low > 0.0 or high < np.inf:
            line = np.zeros(n + m + p + k)
            line[:n] = universe.sector == code
            bands.append((line, low if low > 0.0 else -np.inf, high))
    return bands
