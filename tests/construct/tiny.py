"""Four securities that can be reckoned by hand, and short ways to write accounts and trades."""

from dataclasses import replace
from typing import Any

import numpy as np

from opensma.construct.check import BareMoves
from opensma.construct.problem import Account, Limits, LotColumns, Taxpayer, Universe

AS_OF = 739_706  # 2026-03-31
OLD, YOUNG = AS_OF - 1000, AS_OF - 200  # long-term, short-term
NAMES = "ABCD"


def universe(**changes: Any) -> Universe:
    """A 100, B 50, C 20, D 10 dollars; sectors X (A, B) and Y (C, D); costs of 10 bp."""
    made = Universe(
        security=tuple(NAMES),
        price=np.array([100.0, 50.0, 20.0, 10.0]),
        cost_bps=np.full(4, 10.0),
        sector=np.array([0, 0, 1, 1]),
        sector_name=("X", "Y"),
        group=np.arange(4),
        loadings=np.ones((4, 1)),
        factor_cov=np.array([[0.04]]),
        specific_var=np.full(4, 0.09),
    )
    return replace(made, **changes)


def lots(*rows: tuple[str, float, float, int]) -> LotColumns:
    """Rows of (security, quantity, basis, acquired day)."""
    names, quantity, basis, acquired = zip(*rows, strict=True) if rows else ((), (), (), ())
    days = np.array(acquired, dtype=np.int64)
    return LotColumns(
        security=np.array([NAMES.index(name) for name in names], dtype=np.int64),
        quantity=np.array(quantity, dtype=np.float64),
        basis=np.array(basis, dtype=np.float64),
        acquired_day=days,
        long_term=days <= AS_OF - 366,
    )


def limits(**changes: Any) -> Limits:
    """No limits but those given, by name: `limits(exclude="A", max_weight={"B": 0.1})`."""
    made = Limits(
        exclude=np.zeros(4, bool),
        no_buy=np.zeros(4, bool),
        no_sell=np.zeros(4, bool),
        max_weight=np.full(4, np.inf),
        sector_max=np.full(2, np.inf),
        sector_min=np.zeros(2),
    )
    for name, given in changes.items():
        column = getattr(made, name)
        for key in given:
            row = "XY".index(key) if name.startswith("sector") else NAMES.index(key)
            column[row] = given[key] if isinstance(given, dict) else True
    return made


# A in two lots with a gain, B at a loss, C flat, D with a short-term gain: V = 5,000 dollars.
LOTS = (
    ("A", 6.0, 480.0, OLD),
    ("A", 4.0, 300.0, OLD),
    ("B", 20.0, 1200.0, OLD),
    ("C", 50.0, 1000.0, OLD),
    ("D", 100.0, 800.0, YOUNG),
)


def account(**changes: Any) -> Account:
    made = Account(
        account_id="one",
        lots=lots(*LOTS),
        cash=1000.0,
        cash_low=0.0,
        cash_high=1.0,
        target=np.full(4, 0.2),
        limits=limits(),
        st_rate=0.4,
        lt_rate=0.2,
        min_trade=0.0,
        whole_shares=True,
        risk_aversion=5.0,
    )
    return replace(made, **changes)


def taxpayer(*accounts: Account, loss_groups: tuple[int, ...] = ()) -> Taxpayer:
    return Taxpayer("owner", accounts, np.array(loss_groups, dtype=np.int64))


def moves(*rows: tuple[str, int, float]) -> BareMoves:
    """Rows of (security, lot or -1, shares)."""
    names, lot, shares = zip(*rows, strict=True) if rows else ((), (), ())
    return BareMoves(
        np.array([NAMES.index(name) for name in names], dtype=np.int64),
        np.array(lot, dtype=np.int64),
        np.array(shares, dtype=np.float64),
    )
