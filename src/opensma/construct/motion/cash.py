"""Cash to be paid out: an account that raises it now, and the day on which raising it is cheapest.

Prices stand still. What changes with the day is only the term of the lots (H2).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.motion.moving import Moving, realised, unrealised
from opensma.construct.prepare import Prepared, account_value
from opensma.construct.problem import Account, Codes, Limits
from opensma.errors import InputError

_MOST_DAYS = 8
_LEAST_TAX = 0.01  # of the price of risk: what is left to choose among equal taxes


@dataclass(frozen=True, slots=True)
class CashChoice:
    """The cash raised on one day, dollars; tracking error is that of what stays."""

    day: int
    least_tax: bool  # the risk hardly counted; else weighed at the account's price
    status: str
    message: str
    st_gain: float
    lt_gain: float
    tax: float
    cost: float
    tracking_error: float
    trades: int


def raising(prepared: Prepared, account: Account, amount: float) -> Account:
    """The account that must have `amount` dollars more than its band, to be paid out.

    Weights are of the value before: limits, target and band shrink to what stays, and so do cap
    and price of risk, so that they mean the same for the rest as they do today for the whole.
    """
    value = account_value(prepared.universe, account)
    if not 0.0 <= amount < value:
        raise InputError(
            "cash.more_than_all",
            f"The account is worth ${value:,.2f}; ${amount:,.2f} cannot be raised from it.",
            where="cash to raise",
            remedy="Ask for less than the account is worth.",
        )
    rest, paid = 1.0 - amount / value, amount / value
    cap, aversion = account.te_cap, account.risk_aversion
    return replace(
        account,
        cash_low=paid + account.cash_low * rest,
        cash_high=paid + account.cash_high * rest,
        target=account.target * rest,
        limits=_scaled(account.limits, rest),
        te_cap=None if cap is None else cap * rest,
        risk_aversion=None if aversion is None else aversion / rest,
    )


def _scaled(limits: Limits, rest: float) -> Limits:
    return replace(
        limits,
        max_weight=limits.max_weight * rest,
        sector_max=limits.sector_max * rest,
        sector_min=limits.sector_min * rest,
    )


def raise_by(
    prepared: Prepared, moving: Moving, day: int, by_day: int, amount: float
) -> tuple[CashChoice, ...]:
    """Choices from today to the last day, the least tax first; unsolved ones last.

    Days asked: today, the last, and those between on which the largest gains turn long-term.
    An account with a price on risk is asked twice a day: as it weighs risk, and for least tax.
    """
    if by_day < day:
        raise InputError(
            "cash.past", "The day is already past.", where="by", remedy="Give a later day."
        )
    account = raising(prepared, moving.account, amount)
    aims = [(False, account)]
    if account.risk_aversion is not None:
        aims.append((True, replace(account, risk_aversion=account.risk_aversion * _LEAST_TAX)))
    found = [
        _choice(prepared, replace(moving, account=one), when, least, amount)
        for when in _days(prepared, moving, day, by_day)
        for least, one in aims
    ]
    return tuple(sorted(found, key=lambda c: (c.status != "solved", c.tax + c.cost, c.day)))


def _days(prepared: Prepared, moving: Moving, day: int, by_day: int) -> list[int]:
    gain = unrealised(prepared, moving.account)
    turning = (moving.long_from > day) & (moving.long_from <= by_day) & (gain > 0.0)
    days, place = np.unique(moving.long_from[turning], return_inverse=True)
    weight = np.bincount(place, gain[turning], minlength=len(days))
    best: Codes = days[np.argsort(-weight, kind="stable")[: _MOST_DAYS - 2]]
    return sorted({day, by_day, *best.tolist()})


def _choice(
    prepared: Prepared, moving: Moving, day: int, least_tax: bool, amount: float
) -> CashChoice:
    account = moving.on(day)
    plan = moving.decide(prepared, day)
    short, long = realised(prepared, account, plan)
    rest = 1.0 - amount / account_value(prepared.universe, account)
    return CashChoice(
        day=day,
        least_tax=least_tax,
        status=plan.status.value,
        message=plan.message,
        st_gain=short,
        lt_gain=long,
        tax=plan.tax,
        cost=plan.cost,
        tracking_error=plan.te_after / rest,
        trades=len(plan.trades.shares),
    )
