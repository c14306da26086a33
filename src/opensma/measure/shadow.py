"""The benchmark as if each account had held it: same flows, same rates, its own lots (M52 to M54).

All accounts at once: values and bases are (accounts, lots), where lot 0 is what the account began
with and every period may add one for the inflow and one for the reinvested dividend.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from opensma.measure.after_tax import TaxRates
from opensma.measure.conventions import LotRelief
from opensma.measure.length import years_later
from opensma.measure.refusals import Floats, as_numbers, as_returns, refuse
from opensma.units import Ints


@dataclass(frozen=True, slots=True)
class Shadow:
    """Returns per period (accounts, periods) and where the shadow ends (accounts,)."""

    pre_tax: Floats
    after_tax: Floats
    ending_value: Floats
    ending_basis: Floats


@dataclass(slots=True)
class _Lots:
    value: Floats  # (accounts, lots)
    basis: Floats
    short_until: Ints  # (accounts, lots): the last day on which a sale is short-term
    count: int = 1

    def add(self, amount: Floats, day: date) -> None:
        """A new lot at cost, for every account with an amount."""
        self.value[:, self.count] = amount
        self.basis[:, self.count] = amount
        self.short_until[:, self.count] = years_later(day).toordinal()
        self.count += 1


def shadow_benchmark(
    start: date,
    ends: Sequence[date],
    start_value: npt.ArrayLike,
    start_basis: npt.ArrayLike,
    start_acquired: Sequence[date],
    flows_at_start: npt.ArrayLike,
    price_returns: npt.ArrayLike,
    dividend_yields: npt.ArrayLike,
    rates: Sequence[TaxRates],
    relief: LotRelief = LotRelief.FIFO,
) -> Shadow:
    """Shadows of all accounts (M53): flow, then value B, then dividend and growth.

    `flows_at_start` (accounts, periods); benchmark columns (periods,); one rate set per account.
    """
    flows = as_numbers(flows_at_start, "flow_at_start")
    growth, income = (
        as_returns(price_returns, "price_return"),
        as_numbers(dividend_yields, "dividend_yield"),
    )
    days = [start, *ends]
    _check(days, start_acquired, growth, income)
    lots = _opening(start_value, start_basis, start_acquired, len(ends))
    short, long, qualified = (
        np.array([getattr(r, name) for r in rates]) for name in ("short", "long", "qualified")
    )
    pre, after = np.empty_like(flows), np.empty_like(flows)
    for t, end in enumerate(ends):
        flow = flows[:, t]
        gain_short, gain_long = _sell(lots, np.maximum(-flow, 0.0), days[t], relief)
        lots.add(np.maximum(flow, 0.0), days[t])
        value = lots.value.sum(axis=1)
        if value.min() <= 0:
            refuse(
                "base_not_positive",
                "Nothing is left in the shadow benchmark after a withdrawal.",
                where=days[t].isoformat(),
                remedy="End the account's record there.",
            )
        dividend = value * income[t]
        lots.value *= 1.0 + growth[t]
        lots.add(dividend, end)
        tax = gain_short * short + gain_long * long + dividend * qualified
        pre[:, t] = growth[t] + income[t]
        after[:, t] = pre[:, t] - tax / value
    return Shadow(pre, after, lots.value.sum(axis=1), lots.basis.sum(axis=1))


def _check(days: Sequence[date], acquired: Sequence[date], growth: Floats, income: Floats) -> None:
    if any(after <= before for before, after in pairwise(days)):
        refuse(
            "period",
            "Periods must end one after the other, after the start.",
            where="end_date",
            remedy="Sort the periods by date.",
        )
    if any(day > days[0] for day in acquired):
        refuse(
            "acquired_late",
            f"What the account began with was acquired after {days[0]}.",
            where="start_acquired",
            remedy="Give the date on which it was bought.",
        )
    if income.size and income.min() < 0:
        refuse("dividend", "A dividend yield is zero or more.", where="dividend_yield")
    if growth.shape != income.shape or len(growth) != len(days) - 1:
        refuse("series_differ", "Each period needs a price return and a dividend yield.")


def _opening(
    value: npt.ArrayLike, basis: npt.ArrayLike, acquired: Sequence[date], periods: int
) -> _Lots:
    values, bases = as_numbers(value, "start_value"), as_numbers(basis, "start_basis")
    if values.min() < 0 or bases.min() < 0:
        refuse("start", "Value and basis at the start are zero or more.", where="start_value")
    shape = (len(values), 1 + 2 * periods)
    lots = _Lots(np.zeros(shape), np.zeros(shape), np.zeros(shape, np.int64))
    lots.value[:, 0], lots.basis[:, 0] = values, bases
    lots.short_until[:, 0] = [years_later(day).toordinal() for day in acquired]
    return lots


def _sell(lots: _Lots, amount: Floats, day: date, relief: LotRelief) -> tuple[Floats, Floats]:
    """Sell an amount (accounts,) out of the lots; short- and long-term gains (accounts,)."""
    none = np.zeros_like(amount)
    if not amount.any():
        return none, none
    count = lots.count
    value, basis = lots.value[:, :count], lots.basis[:, :count]
    held = value.sum(axis=1)
    if (amount > held * (1.0 + 1e-12)).any():
        account = int(np.argmax(amount - held))
        refuse(
            "withdrawal_too_large",
            f"{amount[account]:,.2f} are withdrawn from {held[account]:,.2f}.",
            where=day.isoformat(),
            remedy="Check the flow: the benchmark is worth less than the withdrawal.",
        )
    taken = _taken(value, basis, np.minimum(amount, held), relief)
    share = np.divide(taken, value, out=np.zeros_like(value), where=value > 0)
    sold_basis = basis * share
    gain = taken - sold_basis
    is_long = day.toordinal() > lots.short_until[:, :count]
    lots.value[:, :count] -= taken
    lots.basis[:, :count] -= sold_basis
    return (gain * ~is_long).sum(axis=1), (gain * is_long).sum(axis=1)


def _taken(value: Floats, basis: Floats, amount: Floats, relief: LotRelief) -> Floats:
    """How much of each lot is sold (accounts, lots). Columns are already first in, first out."""
    if relief is LotRelief.PRO_RATA:
        total = value.sum(axis=1)
        share = np.divide(amount, total, out=np.zeros_like(amount), where=total > 0)
        return np.asarray(value * share[:, None])
    if relief is LotRelief.FIFO:
        return _in_order(value, amount)
    cost = np.divide(basis, value, out=np.zeros_like(value), where=value > 0)
    order = np.argsort(-cost, axis=1, kind="stable")
    taken = _in_order(np.take_along_axis(value, order, axis=1), amount)
    found = np.empty_like(taken)
    np.put_along_axis(found, order, taken, axis=1)
    return found


def _in_order(value: Floats, amount: Floats) -> Floats:
    before = np.cumsum(value, axis=1) - value
    return np.asarray(np.clip(amount[:, None] - before, 0.0, value))
