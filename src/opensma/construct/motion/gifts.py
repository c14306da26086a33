"""Which long-term lots to give to charity for an amount: the largest gain per dollar first.

The gain of a gift is never taxed. What the taxpayer may deduct, and its limits, are not modelled:
every choice has the same value, so the deduction is the same for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.motion.moving import (
    Moving,
    active_weights,
    price_of_risk,
    realised,
    tracking_error,
)
from opensma.construct.prepare import Prepared, account_value
from opensma.construct.problem import Account, Codes, Floats
from opensma.errors import InputError


@dataclass(frozen=True, slots=True)
class GiftLot:
    """A part of a lot to give, in dollars; `lot` is the row in the account's lots."""

    lot: int
    security: int
    shares: float
    value: float
    basis: float
    tax_avoided: float  # on the gain, at the long-term rate

    @property
    def gain(self) -> float:
        """Gain that nobody pays tax on."""
        return self.value - self.basis


@dataclass(frozen=True, slots=True)
class Gift:
    """What is given, and what becomes of the account."""

    with_risk: bool  # ranked by tax avoided less what giving does to risk, else by gain alone
    lots: tuple[GiftLot, ...]
    te_before: float
    te_given: float  # after the gift, before any trade
    status: str
    message: str
    te_after: float  # after the next plan of what is left
    tax_after: float
    cost_after: float
    st_gain_after: float
    lt_gain_after: float

    @property
    def value(self) -> float:
        """Dollars given."""
        return sum(lot.value for lot in self.lots)

    @property
    def gain(self) -> float:
        """Gain given away untaxed."""
        return sum(lot.gain for lot in self.lots)

    @property
    def tax_avoided(self) -> float:
        """Tax that a sale of the same lots would have cost."""
        return sum(lot.tax_avoided for lot in self.lots)


def gift(
    prepared: Prepared, moving: Moving, day: int, amount: float, given: float | None = None
) -> tuple[Gift, Gift]:
    """Lots for an amount, ranked by gain alone and by gain and risk; each with the next plan.

    At most `amount` is given, in whole shares where the account holds those. InputError where the
    long-term lots with a gain are worth less. Risk is priced as `price_of_risk` says.
    """
    account = moving.on(day)
    lots, price = account.lots, prepared.universe.price[account.lots.security]
    worth = lots.quantity * price
    fit = lots.long_term & (worth > lots.basis) & ~account.limits.no_sell[lots.security]
    if amount <= 0.0 or float(worth[fit].sum()) < amount:
        raise InputError(
            "gift.amount",
            f"Long-term lots with a gain are worth ${worth[fit].sum():,.2f}; "
            f"${amount:,.2f} cannot be given from them.",
            where="amount",
            remedy="Give a positive amount that the long-term lots with a gain are worth.",
        )
    ratio = 1.0 - lots.basis / worth  # gain per dollar
    by_gain = np.flatnonzero(fit)[np.argsort(-ratio[fit], kind="stable")]
    first = _gift(prepared, moving, day, _picked(account, price, by_gain, amount), False)
    aversion = price_of_risk(prepared, moving, day, given)
    weighed = _with_risk(prepared, account, aversion, price, np.flatnonzero(fit), ratio, amount)
    return first, _gift(prepared, moving, day, weighed, True)


def _picked(
    account: Account, price: Floats, order: Codes, amount: float
) -> list[tuple[int, float]]:
    """(lot, shares) in this order until the amount is reached."""
    left, found = amount, []
    for row in order.tolist():
        shares = min(float(account.lots.quantity[row]), left / float(price[row]))
        if account.whole_shares:
            shares = float(np.floor(shares + 1e-9))
        if shares > 0.0:
            found.append((row, shares))
            left -= shares * float(price[row])
    return found


def _with_risk(
    prepared: Prepared,
    account: Account,
    aversion: float,
    price: Floats,
    rows: Codes,
    ratio: Floats,
    amount: float,
) -> list[tuple[int, float]]:
    """Lot by lot what avoids most tax and removes most risk per dollar, weights kept up to date."""
    lots, value = account.lots, account_value(prepared.universe, account)
    left, active, found = amount, active_weights(prepared, account), []
    open_rows = rows
    while len(open_rows) and left > 0.0:
        loaded = prepared.factor @ (prepared.factor.T @ active)
        slope = loaded + prepared.universe.specific_var * active
        score = ratio[open_rows] * account.lt_rate + aversion * slope[lots.security[open_rows]]
        best = int(open_rows[int(score.argmax())])
        open_rows = open_rows[open_rows != best]
        for row, shares in _picked(account, price, np.array([best]), left):
            found.append((row, shares))
            left -= shares * float(price[row])
            active[lots.security[row]] -= shares * price[row] / value
    return found


def _gift(
    prepared: Prepared, moving: Moving, day: int, picked: list[tuple[int, float]], with_risk: bool
) -> Gift:
    account = moving.on(day)
    lots, price = account.lots, prepared.universe.price
    given = np.zeros(len(lots.quantity))
    for row, shares in picked:
        given[row] += shares
    left = lots.quantity - given
    keep = left > 1e-9
    rest = replace(
        lots,
        security=lots.security[keep],
        quantity=left[keep],
        basis=(lots.basis * left / lots.quantity)[keep],
        acquired_day=lots.acquired_day[keep],
        long_term=lots.long_term[keep],
    )
    after = replace(moving, account=replace(account, lots=rest), long_from=moving.long_from[keep])
    plan = after.decide(prepared, day)
    short, long = realised(prepared, after.account, plan)
    return Gift(
        with_risk=with_risk,
        lots=tuple(_part(account, float(price[lots.security[row]]), row, n) for row, n in picked),
        te_before=tracking_error(prepared, account),
        te_given=tracking_error(prepared, after.account),
        status=plan.status.value,
        message=plan.message,
        te_after=plan.te_after,
        tax_after=plan.tax,
        cost_after=plan.cost,
        st_gain_after=short,
        lt_gain_after=long,
    )


def _part(account: Account, price: float, row: int, shares: float) -> GiftLot:
    lots = account.lots
    basis = float(lots.basis[row]) * shares / float(lots.quantity[row])
    value = shares * price
    avoided = (value - basis) * account.lt_rate
    return GiftLot(row, int(lots.security[row]), shares, value, basis, avoided)
