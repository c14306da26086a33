"""An account that is decided again and again: trades applied, lots ageing, losses remembered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.plan import Plan, Status
from opensma.construct.prepare import WINDOW_DAYS, Prepared, account_value
from opensma.construct.problem import Account, Codes, Floats, LotColumns, Taxpayer
from opensma.construct.solve import solve_taxpayer
from opensma.errors import InputError
from opensma.tax.holding import long_term_from


@dataclass(frozen=True, slots=True)
class Moving:
    """One account between decisions."""

    account: Account
    long_from: Codes  # (m,) first day on which each lot is long-term (H2)
    loss_group: Codes  # groups sold at a loss, and on which day
    loss_day: Codes

    @staticmethod
    def start(account: Account, long_from: Codes, loss_groups: Codes, day: int) -> Moving:
        """Before the first decision; earlier losses count as sold on this day: never too few."""
        return Moving(account, long_from, loss_groups, np.full(len(loss_groups), day))

    def on(self, day: int) -> Account:
        """The account with the terms that its lots have on a day."""
        lots = replace(self.account.lots, long_term=self.long_from <= day)
        return replace(self.account, lots=lots)

    def decide(self, prepared: Prepared, day: int) -> Plan:
        """The plan of a day; losses sold up to 30 days before forbid purchases (W1)."""
        live = np.unique(self.loss_group[self.loss_day + WINDOW_DAYS >= day])
        return solve_taxpayer(prepared, Taxpayer("moving", (self.on(day),), live), day)[0]

    def traded(self, prepared: Prepared, plan: Plan, day: int) -> Moving:
        """After the plan's trades. A washed loss is dropped, not added to another basis."""
        if plan.status is not Status.SOLVED:
            return self
        universe, lots, trades = prepared.universe, self.account.lots, plan.trades
        sold = trades.lot >= 0
        quantity = lots.quantity.copy()
        np.add.at(quantity, trades.lot[sold], trades.shares[sold])
        left = quantity > 1e-9
        basis = lots.basis * quantity / lots.quantity
        bought, price = trades.security[~sold], universe.price
        shares = trades.shares[~sold]
        fresh = LotColumns(
            security=np.concatenate([lots.security[left], bought]),
            quantity=np.concatenate([quantity[left], shares]),
            basis=np.concatenate([basis[left], shares * price[bought] + trades.cost[~sold]]),
            acquired_day=np.concatenate([lots.acquired_day[left], np.full(len(bought), day)]),
            long_term=np.zeros(int(left.sum()) + len(bought), dtype=bool),
        )
        ages = np.full(len(bought), long_term_from(day))
        gain = price[lots.security] - lots.basis / lots.quantity
        lost = sold & (gain[trades.lot] < 0.0)  # row -1 is read for a purchase, and left out
        groups = np.unique(universe.group[trades.security[lost]])
        return Moving(
            replace(self.account, lots=fresh, cash=plan.cash_after),
            np.concatenate([self.long_from[left], ages]),
            np.concatenate([self.loss_group, groups]),
            np.concatenate([self.loss_day, np.full(len(groups), day)]),
        )


def realised(prepared: Prepared, account: Account, plan: Plan) -> tuple[float, float]:
    """Net short-term and long-term gain of a plan's sales in dollars, before wash sales."""
    trades, lots = plan.trades, account.lots
    sold = trades.lot >= 0
    lot = trades.lot[sold]
    price = prepared.universe.price[lots.security[lot]]
    gain = -trades.shares[sold] * (price - lots.basis[lot] / lots.quantity[lot])
    long = lots.long_term[lot]
    return float(gain[~long].sum()), float(gain[long].sum())


def unrealised(prepared: Prepared, account: Account) -> Floats:
    """(m,) gain of every lot at today's price."""
    lots = account.lots
    gain: Floats = lots.quantity * prepared.universe.price[lots.security] - lots.basis
    return gain


def active_weights(prepared: Prepared, account: Account) -> Floats:
    """(n,) weights less target."""
    lots, price = account.lots, prepared.universe.price
    held = np.zeros(len(price))
    np.add.at(held, lots.security, lots.quantity * price[lots.security])
    active: Floats = held / account_value(prepared.universe, account) - account.target
    return active


def variance(prepared: Prepared, active: Floats) -> float:
    """Active variance a year."""
    loaded = prepared.factor.T @ active
    return float(loaded @ loaded + (active**2 * prepared.universe.specific_var).sum())


def tracking_error(prepared: Prepared, account: Account) -> float:
    """Tracking error of an account as it stands, a year."""
    return float(np.sqrt(variance(prepared, active_weights(prepared, account))))


def risk_dollars(prepared: Prepared, account: Account, aversion: float, error: float) -> float:
    """What tracking error costs a year at a price of risk: `V * aversion / 2 * error^2`."""
    return account_value(prepared.universe, account) * 0.5 * aversion * error**2


def price_of_risk(
    prepared: Prepared, moving: Moving, day: int, given: float | None = None
) -> float:
    """The risk aversion to weigh with: as given, the account's own, or its cap's multiplier.

    A cap has a price in the plan that keeps it today: what the last basis point of it costs. Near
    zero where the cap does not bind. InputError where no plan keeps the cap.
    """
    own = moving.account.risk_aversion if given is None else given
    if own is not None:
        return own
    plan = moving.decide(prepared, day)
    if plan.status is Status.SOLVED and plan.risk_aversion > 0.0:
        return plan.risk_aversion
    raise InputError(
        "motion.no_aversion",
        "No plan keeps the account's cap on tracking error today, so risk has no price.",
        where=moving.account.account_id,
        remedy="Give a risk aversion to weigh with.",
    )


def with_aversion(account: Account, aversion: float) -> Account:
    """The account with a price on risk; a cap that cannot be kept at once would stop everything."""
    return replace(account, te_cap=None, risk_aversion=aversion)
