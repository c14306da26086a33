"""Substitution: sell a name at a loss, hold a basket that tracks it, and go back on day 31 or not.

The basket is a decision of its own: the proceeds as an account whose whole target is the name that
must not be bought. Prices stand still, so the basket has no gain on day 31; the result says up to
which gain going back would still be worth its tax.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.motion.moving import (
    Moving,
    active_weights,
    price_of_risk,
    unrealised,
    variance,
)
from opensma.construct.plan import Status
from opensma.construct.prepare import WINDOW_DAYS, Prepared, account_value
from opensma.construct.problem import Account, Floats, Limits, LotColumns, Taxpayer
from opensma.construct.solve import solve_taxpayer
from opensma.errors import InputError

BACK_AFTER_DAYS = WINDOW_DAYS + 1  # the first day outside the window (W1)
_YEAR = 365.0
_BASKET_AVERSION = 50.0  # of the basket alone: near the best tracking for its trading cost


@dataclass(frozen=True, slots=True)
class Held:
    """One member of the basket."""

    security: int
    shares: float
    value: float


@dataclass(frozen=True, slots=True)
class Substitution:
    """Both ways out of a loss, in dollars; risk is at the account's price of risk."""

    security: int
    status: str
    message: str
    loss: float  # of the lots at a loss, positive
    tax_value: float  # what the loss is worth now
    sold: float  # proceeds
    basket: tuple[Held, ...]
    basket_te: float  # of the basket against the name, a year
    te_name: float  # of the account with the name
    te_basket: float  # of the account with the basket instead
    cost_out: float  # selling the name and buying the basket
    cost_back: float  # the other way
    risk_window: float  # of the basket against the name for the days of the window
    risk_year: float  # the same for a year, were the basket kept
    back_day: int
    st_rate: float

    @property
    def worth(self) -> float:
        """Tax value less all costs and the risk of the window, going back at unchanged prices."""
        return self.tax_value - self.cost_out - self.cost_back - self.risk_window

    @property
    def worth_going_back(self) -> bool:
        """Whether a year of the basket's risk costs more than the way back."""
        return self.risk_year > self.cost_back

    @property
    def gain_to_stay(self) -> float | None:
        """Basket gain above which staying is better than paying tax to go back; None: never back.

        The gain would be short-term, so `(risk of a year - cost back) / short-term rate`.
        """
        if not self.worth_going_back or self.st_rate <= 0.0:
            return None
        return (self.risk_year - self.cost_back) / self.st_rate


def substitute(
    prepared: Prepared, moving: Moving, day: int, security: int, aversion: float | None = None
) -> Substitution:
    """Sell the lots of a name that stand at a loss and hold a tracking basket for 31 days.

    InputError where there is no such lot, or where shares bought in the last 30 days would wash it.
    """
    account, universe = moving.on(day), prepared.universe
    lots = account.lots
    rows = np.flatnonzero((lots.security == security) & (unrealised(prepared, account) < 0.0))
    _check(prepared, account, day, security, len(rows))
    loss = -unrealised(prepared, account)[rows]
    rate = np.where(lots.long_term[rows], account.lt_rate, account.st_rate)
    proceeds = float((lots.quantity[rows] * universe.price[security]).sum())
    fee = proceeds * float(universe.cost_bps[security]) / 1e4
    basket = _account(prepared, account, security, proceeds - fee)
    none = np.unique(moving.loss_group[moving.loss_day + WINDOW_DAYS >= day])
    plan = solve_taxpayer(prepared, Taxpayer("basket", (basket,), none), day)[0]
    solved = plan.status is Status.SOLVED
    held = np.zeros(len(universe.price))
    np.add.at(held, plan.trades.security, plan.trades.shares * universe.price[plan.trades.security])
    swap = held.copy()
    swap[security] -= proceeds
    return _result(
        prepared, account, price_of_risk(prepared, moving, day, aversion), swap,
        Substitution(
            security=security, status=plan.status.value, message=plan.message,
            loss=float(loss.sum()), tax_value=float((loss * rate).sum()), sold=proceeds,
            basket=_members(plan.trades.security, plan.trades.shares, universe.price),
            basket_te=plan.te_after if solved else float("nan"),
            te_name=0.0, te_basket=0.0, cost_out=fee + plan.cost, cost_back=plan.cost + fee,
            risk_window=0.0, risk_year=0.0, back_day=day + BACK_AFTER_DAYS,
            st_rate=account.st_rate,
        ),
    )  # fmt: skip


def _result(
    prepared: Prepared, account: Account, aversion: float, swap: Floats, found: Substitution
) -> Substitution:
    """With the account's risk before and after the swap, and its price."""
    value = account_value(prepared.universe, account)
    before = active_weights(prepared, account)
    risks = [variance(prepared, before), variance(prepared, before + swap / value)]
    year = value * 0.5 * aversion * (risks[1] - risks[0])
    return replace(
        found,
        te_name=float(np.sqrt(risks[0])),
        te_basket=float(np.sqrt(risks[1])),
        risk_year=year,
        risk_window=year * BACK_AFTER_DAYS / _YEAR,
    )


def _members(security: np.ndarray, shares: Floats, price: Floats) -> tuple[Held, ...]:
    rows = [
        Held(int(i), float(s), float(s * price[i])) for i, s in zip(security, shares, strict=True)
    ]
    return tuple(sorted(rows, key=lambda h: (-h.value, h.security)))


def _account(prepared: Prepared, account: Account, security: int, cash: float) -> Account:
    """The proceeds as an account of their own, whose target is the name alone."""
    universe, count = prepared.universe, len(prepared.universe.price)
    target = np.zeros(count)
    target[security] = 1.0
    same = universe.group == universe.group[security]
    wishes = account.limits
    sectors = len(wishes.sector_max)
    limits = Limits(
        exclude=wishes.exclude,
        no_buy=wishes.no_buy | same,
        no_sell=np.zeros(count, dtype=bool),
        max_weight=np.full(count, np.inf),
        sector_max=np.full(sectors, np.inf),
        sector_min=np.zeros(sectors),
    )
    empty, no = np.zeros(0, dtype=np.int64), np.zeros(0)
    lots = LotColumns(empty, no, no, empty, np.zeros(0, dtype=bool))
    return replace(
        account, account_id="basket", lots=lots, cash=cash, cash_low=0.0, cash_high=1.0,
        target=target, limits=limits, risk_aversion=_BASKET_AVERSION, te_cap=None,
        max_turnover=None, st_gain_budget=None, lt_gain_budget=None, max_names=None,
    )  # fmt: skip


def _check(prepared: Prepared, account: Account, day: int, security: int, lots: int) -> None:
    name, group = prepared.universe.security[security], prepared.universe.group
    if not lots:
        raise InputError(
            "substitute.no_loss",
            f"No lot of {name} stands at a loss.",
            where=name,
            remedy="Choose a security that is held at a loss.",
        )
    own = account.lots
    same = group[own.security] == group[security]
    if bool((same & (own.acquired_day >= day - WINDOW_DAYS)).any()):
        raise InputError(
            "substitute.washed",
            f"Shares of {name} bought in the last 30 days would wash the loss.",
            where=name,
            remedy="Wait until 30 days after the purchase.",
        )
