"""Corporate actions as exact integers, and those that follow from a price history that ends.

Recorded actions come from the `actions` table. A listing that ends gives a derived action: it is
WORTHLESS when its last close is below 60 % of its highest close of the last 60 sessions, else a
CASH_MERGER at the last close. On the first session after the listing the action is known.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from opensma.units import MICROS, Ints

WORTHLESS_BELOW = 0.60  # of the highest close of the window
WORTHLESS_WINDOW = 60  # sessions
_SIMPLE = sorted(
    {Fraction(1, n) for n in range(1, 13)}
    | {Fraction(n) for n in range(1, 13)}
    | {Fraction(2, 3), Fraction(3, 2), Fraction(3, 4), Fraction(4, 3), Fraction(2, 5)}
)
SNAP_WITHIN = 0.01


class ActionKind(StrEnum):
    """What happens to a share on the ex-day."""

    CASH_DIVIDEND = "cash_dividend"
    SPLIT = "split"
    SPIN_OFF = "spin_off"
    CASH_MERGER = "cash_merger"
    WORTHLESS = "worthless"


@dataclass(frozen=True, slots=True)
class Action:
    """One corporate action of one security, effective before the open of `ex_day` (ordinal).

    numerator / denominator: new shares per old for a split, child shares per parent share for a
    spin-off with a child in the tables (else 0 / 1). `amount_micros`: dollars per share.
    """

    action_id: str
    security: int
    ex_day: int
    kind: ActionKind
    numerator: int
    denominator: int
    amount_micros: int
    child: int = -1  # index of the spun-off security, -1 when it is not in the tables
    child_symbol: str = ""
    derived: bool = False


def split_fraction(ratio: float) -> Fraction:
    """The exact ratio of new per old shares behind a decimal such as 1.3333 or 0.125."""
    small = Fraction(ratio).limit_denominator(60)
    if abs(float(small) - ratio) <= 1e-4 * ratio:
        return small
    return Fraction(ratio).limit_denominator(100_000)


def child_fraction(amount: float, child_close: float) -> Fraction:
    """Child shares per parent share: value distributed over the child's first close.

    Snapped to a simple fraction when one lies within 1 %.
    """
    measured = amount / child_close
    best = min(_SIMPLE, key=lambda simple: abs(float(simple) - measured))
    if abs(float(best) - measured) <= SNAP_WITHIN * measured:
        return best
    return Fraction(measured).limit_denominator(10_000)


def termination(
    security: int, security_id: str, closes: Ints, days: Ints, last_day: int
) -> Action | None:
    """The derived action of one security whose listing ended on `last_day`; None while it lives.

    closes (days,) micros with 0 for none, days (days,) ordinals: the panel as known.
    """
    after = int(np.searchsorted(days, last_day, side="right"))
    priced = np.flatnonzero(closes[:after])
    if after >= len(days) or not len(priced):
        return None
    window = closes[max(0, after - WORTHLESS_WINDOW) : after]
    last = int(closes[priced[-1]])
    worthless = last < WORTHLESS_BELOW * int(window.max(initial=last))
    kind = ActionKind.WORTHLESS if worthless else ActionKind.CASH_MERGER
    ex_day = int(days[after])
    amount = 0 if worthless else last
    action_id = f"{security_id}/{kind}"
    return Action(action_id, security, ex_day, kind, 0, 1, amount, derived=True)


def sort_actions(actions: list[Action]) -> tuple[Action, ...]:
    """By ex-day, then action id: the order in which a book must apply them."""
    return tuple(sorted(actions, key=lambda action: (action.ex_day, action.action_id)))


def adjustment_arrays(
    actions: tuple[Action, ...], days: Ints, securities: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """(split factor, cash per old share in dollars), each (days, securities), at the ex-session.

    An ex-day that is no session counts on the next session.
    """
    factor = np.ones((len(days), securities))
    cash = np.zeros((len(days), securities))
    rows = np.searchsorted(days, np.array([action.ex_day for action in actions], np.int64))
    for row, action in zip(rows.tolist(), actions, strict=True):
        if row >= len(days):
            continue
        if action.kind is ActionKind.SPLIT:
            factor[row, action.security] *= action.numerator / action.denominator
        elif action.kind in (ActionKind.CASH_DIVIDEND, ActionKind.SPIN_OFF, ActionKind.CASH_MERGER):
            cash[row, action.security] += action.amount_micros / MICROS
    return factor, cash
