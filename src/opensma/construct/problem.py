"""What the decision needs: the universe once, a taxpayer with its accounts many times.

All money is float dollars and all quantities float shares at this door only; the callers hold
integers. `n` securities, `k` factors, `m` lots. Universe arrays are shared by every account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Universe:
    """Securities and the risk model `Sigma = L C L' + D`, annual; every array has n rows."""

    security: tuple[str, ...]  # ids, for messages only
    price: Floats  # dollars
    cost_bps: Floats  # one way, of notional
    sector: Codes  # code into sector_name
    sector_name: tuple[str, ...]
    group: Codes  # identical group: equal codes are substantially identical (W17)
    loadings: Floats  # L, (n, k)
    factor_cov: Floats  # C, (k, k)
    specific_var: Floats  # diagonal of D, (n,)


@dataclass(frozen=True, slots=True)
class LotColumns:
    """Open lots of one account, any order; every column (m,)."""

    security: Codes  # row in the universe
    quantity: Floats  # shares
    basis: Floats  # total dollars
    acquired_day: Codes  # date.toordinal(): feeds the wash window
    long_term: Mask  # at as_of, by the tacked holding date


@dataclass(frozen=True, slots=True)
class Limits:
    """Client and manager restrictions of one account, by universe row or sector code."""

    exclude: Mask  # (n,) none may be held afterwards
    no_buy: Mask  # (n,)
    no_sell: Mask  # (n,)
    max_weight: Floats  # (n,) np.inf where not limited
    sector_max: Floats  # (sectors,) np.inf where not limited
    sector_min: Floats  # (sectors,) 0 where not limited


@dataclass(frozen=True, slots=True)
class Account:
    """One account before trading. Weights are shares of account value V (cash + holdings)."""

    account_id: str
    lots: LotColumns
    cash: float
    cash_low: float  # weight
    cash_high: float  # weight
    target: Floats  # b, (n,), sums to 1 with target cash
    limits: Limits
    st_rate: float
    lt_rate: float
    min_trade: float  # dollars
    whole_shares: bool
    risk_aversion: float | None = None  # exactly one of risk_aversion and te_cap is set
    te_cap: float | None = None  # annual tracking error
    max_turnover: float | None = None  # one-way weight
    st_gain_budget: float | None = None  # net dollars this plan may realise
    lt_gain_budget: float | None = None
    ticket_cost: float = 0.0  # dollars for each security that is traded
    min_position: float = 0.0  # weight: no trade leaves less of a security, except nothing
    max_names: int | None = None  # securities held after trading


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """The unit of tax: accounts that share wash sales, decided together."""

    taxpayer_id: str
    accounts: tuple[Account, ...]
    loss_groups: Codes  # group codes sold at a loss in the last 30 days: no buys anywhere
