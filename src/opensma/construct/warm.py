"""Compile the kernel once: numba keeps the machine code beside the source, for every process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from opensma.construct.convex import convex_sides, solve_convex
from opensma.construct.prepare import Prepared
from opensma.construct.problem import Account, Limits, LotColumns, Taxpayer, Universe
from opensma.construct.solve import solve_taxpayer

_N = 6
_TODAY = 740_000


def is_warm() -> bool:
    """Whether compiled code of this source is there; a guess from dates, for messages only."""
    room = Path(__file__).parent
    compiled = [p.stat().st_mtime for p in (room / "__pycache__").glob("decide.choose*.nbi")]
    kernel = [p.stat().st_mtime for p in room.glob("*.py") if "\n@njit" in p.read_text("utf-8")]
    return bool(compiled) and max(compiled) >= max(kernel)


def forget() -> None:
    """Drop compiled code: numba does not see that a function called by another has changed."""
    for path in (Path(__file__).parent / "__pycache__").glob("*.nb[ic]"):
        path.unlink(missing_ok=True)


def compile_kernel() -> None:
    """Solve one tiny account with an aversion and one with every limit."""
    universe, account = _universe(), _account()
    prepared = Prepared(universe)
    none = np.zeros(0, dtype=np.int64)
    limited = replace(
        account, account_id="limited", risk_aversion=None, te_cap=0.05, max_turnover=0.2,
        st_gain_budget=100.0, lt_gain_budget=100.0, max_names=_N - 1,
    )  # fmt: skip
    solve_taxpayer(prepared, Taxpayer("warm", (account, limited), none), _TODAY)
    solve_convex(prepared, account, convex_sides(prepared, account))


def _universe() -> Universe:
    return Universe(
        security=tuple(f"W{i}" for i in range(_N)),
        price=np.linspace(20.0, 120.0, _N),
        cost_bps=np.full(_N, 2.0),
        sector=np.zeros(_N, dtype=np.int64),
        sector_name=("all",),
        group=np.arange(_N),
        loadings=np.ones((_N, 1)),
        factor_cov=np.full((1, 1), 0.03),
        specific_var=np.full(_N, 0.05),
    )


def _account() -> Account:
    free = np.zeros(_N, dtype=bool)
    lots = LotColumns(
        security=np.arange(_N),
        quantity=np.full(_N, 100.0),
        basis=np.linspace(3_000.0, 9_000.0, _N),
        acquired_day=np.full(_N, _TODAY - 400),
        long_term=np.ones(_N, dtype=bool),
    )
    inf = np.full(_N, np.inf)
    limits = Limits(free, free, free, inf, np.array([0.999]), np.zeros(1))
    return Account(
        "warm", lots, 2_000.0, 0.0, 0.02, np.full(_N, 0.99 / _N), limits, 0.4, 0.2, 50.0, True,
        risk_aversion=20.0,
    )  # fmt: skip
