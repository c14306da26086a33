"""Time to long-term: what waiting saves in tax, and what it costs in tracking error until then."""

from __future__ import annotations

from dataclasses import dataclass

from opensma.construct.motion.moving import (
    Moving,
    active_weights,
    price_of_risk,
    unrealised,
    variance,
)
from opensma.construct.prepare import Prepared, account_value
from opensma.construct.problem import Account

_YEAR = 365.0


@dataclass(frozen=True, slots=True)
class Wait:
    """One short-term lot with a gain: sold now, or on the first long-term day. Dollars."""

    lot: int
    security: int
    days: int
    long_from: int
    value: float
    gain: float
    tax_now: float
    tax_then: float
    risk: float  # of keeping the lot until then, against its proceeds in the target

    @property
    def tax_saved(self) -> float:
        """Tax now less tax then, at an unchanged price."""
        return self.tax_now - self.tax_then

    @property
    def worth(self) -> float:
        """What waiting is worth: tax saved less risk; negative means selling now is better."""
        return self.tax_saved - self.risk


def waits(
    prepared: Prepared, moving: Moving, day: int, aversion: float | None = None
) -> tuple[Wait, ...]:
    """Every short-term lot with a gain, those whose waiting is worth least first.

    The risk is exact for the lot alone: active variance with it less with its proceeds spread over
    the target, for the days until it turns. Priced as `price_of_risk` says.
    """
    account = moving.on(day)
    price = price_of_risk(prepared, moving, day, aversion)
    gain = unrealised(prepared, account)
    rows = ((~account.lots.long_term) & (gain > 0.0)).nonzero()[0]
    found = [_wait(prepared, moving, account, int(row), day, price) for row in rows]
    return tuple(sorted(found, key=lambda w: (w.worth, w.lot)))


def _wait(
    prepared: Prepared, moving: Moving, account: Account, row: int, day: int, aversion: float
) -> Wait:
    lots, value = account.lots, account_value(prepared.universe, account)
    security = int(lots.security[row])
    worth = float(lots.quantity[row] * prepared.universe.price[security])
    gain = worth - float(lots.basis[row])
    kept = active_weights(prepared, account)
    sold = kept + worth / value * account.target / float(account.target.sum() or 1.0)
    sold[security] -= worth / value
    more = variance(prepared, kept) - variance(prepared, sold)
    days = int(moving.long_from[row]) - day
    return Wait(
        lot=row,
        security=security,
        days=days,
        long_from=int(moving.long_from[row]),
        value=worth,
        gain=gain,
        tax_now=gain * account.st_rate,
        tax_then=gain * account.lt_rate,
        risk=value * 0.5 * aversion * more * days / _YEAR,
    )
