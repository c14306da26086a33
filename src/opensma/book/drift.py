"""Where accounts stand away from the model: active weight by sector, for many accounts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import Connection

from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord
from opensma.book.views import prices_by_key, securities_by_key
from opensma.market import Market
from opensma.units import notional_cents_array


@dataclass(frozen=True, slots=True)
class Drift:
    """Active weights: (accounts, sectors), of account value; cash is what sectors leave."""

    accounts: tuple[AccountRecord, ...]
    sectors: tuple[str, ...]
    weights: np.ndarray[Any, np.dtype[np.float64]]
    cash: np.ndarray[Any, np.dtype[np.float64]]  # (accounts,)


def sector_drift(
    connection: Connection, market: Market, accounts: Sequence[AccountRecord], day: int
) -> Drift:
    """Weights of every sector at the closes of a day less the benchmark's."""
    prices, target = prices_by_key(connection, market, day)
    securities = securities_by_key(connection)
    names = tuple(sorted({s.sector for s in securities.values()}))
    code = np.zeros(len(prices), dtype=np.int64)
    for key, security in securities.items():
        code[key] = names.index(security.sector)
    goal = np.zeros(len(names))
    for key, weight in target.items():
        goal[code[key]] += weight
    states = load_states(connection, [a.account_key for a in accounts])
    weights, cash = np.zeros((len(accounts), len(names))), np.zeros(len(accounts))
    for row, account in enumerate(accounts):
        state = states[account.account_key]
        lots = state.lots
        cents = notional_cents_array(lots.quantity_micros, prices[lots.security])
        value = float(cents.sum() + state.cash_cents)
        if value <= 0.0:
            weights[row] = np.nan
            continue
        held = np.bincount(code[lots.security], cents, minlength=len(names)) / value
        weights[row], cash[row] = held - goal, state.cash_cents / value
    return Drift(tuple(accounts), names, weights, cash)
