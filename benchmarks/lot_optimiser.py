"""taxrebalance (PyPI, MIT): the open package that also puts lots into the optimisation.

It knows no whole shares, households, smallest trades or cash ceiling, so both sides get a problem
without them: fractions, one cost for all names, targets that sum to 1, no recent purchases.
"""

import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from opensma.construct.check import BareMoves
from opensma.construct.problem import Account, Taxpayer, Universe

COST_BPS = 5.0
NO_CAP = 0.99  # the package wants a tracking-error cap


def missing() -> str:
    """Why the package cannot run here; empty where it can."""
    return "" if find_spec("taxrebalance") else "taxrebalance is not installed"


def simplified(universe: Universe, taxpayer: Taxpayer) -> tuple[Universe, Taxpayer]:
    """The same account without what the package does not know."""
    n = len(universe.price)
    plain = replace(universe, cost_bps=np.full(n, COST_BPS), group=np.arange(n))
    account = replace(
        taxpayer.accounts[0],
        target=taxpayer.accounts[0].target / taxpayer.accounts[0].target.sum(),
        cash_low=0.0,
        cash_high=1.0,
        min_trade=0.0,
        whole_shares=False,
    )
    return plain, replace(taxpayer, accounts=(account,), loss_groups=np.zeros(0, dtype=np.int64))


def optimise(universe: Universe, account: Account) -> tuple[BareMoves, float]:
    """Its trades, and the seconds of its `rebalance` call."""
    from taxrebalance import Portfolio, RebalanceConfig, TaxLot, UnitedStatesLots, rebalance

    lots, names = account.lots, universe.security
    held = [
        TaxLot(str(row), names[lots.security[row]], float(lots.quantity[row]),
               float(lots.basis[row] / lots.quantity[row]), 400 if lots.long_term[row] else 100)
        for row in range(len(lots.quantity))
    ]  # fmt: skip
    covariance = universe.loadings @ universe.factor_cov @ universe.loadings.T
    covariance = (covariance + covariance.T) / 2.0 + np.diag(universe.specific_var)
    portfolio = Portfolio.from_tax_lots(
        held, prices=dict(zip(names, universe.price.tolist(), strict=True)), cash=account.cash
    )
    config = RebalanceConfig(
        max_tracking_error=NO_CAP,
        trading_cost_bps=COST_BPS,
        loss_utilization=1.0,
        future_recapture_fraction=0.0,
        risk_aversion=float(account.risk_aversion or 0.0) / 2.0,  # it leaves out the half
    )
    started = time.perf_counter()
    result = rebalance(
        portfolio,
        target_weights=dict(zip(names, account.target.tolist(), strict=True)),
        covariance=covariance,
        tax_policy=UnitedStatesLots(account.st_rate, account.lt_rate),
        config=config,
    )
    seconds = time.perf_counter() - started
    row_of = {name: row for row, name in enumerate(names)}
    trades = result.trades
    sides = [-1.0 if trade["side"] == "SELL" else 1.0 for trade in trades]
    return (
        BareMoves(
            np.array([row_of[trade["ticker"]] for trade in trades], dtype=np.int64),
            np.array([-1 if t["lot_id"] is None else int(t["lot_id"]) for t in trades], np.int64),
            np.array([s * t["shares"] for s, t in zip(sides, trades, strict=True)]),
        ),
        seconds,
    )
