"""What one more dollar of gain costs after a plan, and after every plan asked for in turn.

The rates of a decision change with what it decides: past the gains of the year a loss only takes
the yearly deduction, and past that it waits (R5, R6). So decision and rates are asked for in turn
until the rates stand still.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from opensma.errors import InputError
from opensma.tax.liability import Change, Income, next_dollar
from opensma.tax.loss_value import BPS
from opensma.units import MICROS, round_half_up

MOST_ROUNDS = 3
# A loss that waits counts as if it were used in ten years, at five percent a year: the horizon
# and the discount that value a harvest (R7).
_YEARS, _DISCOUNT_BPS = 10, 500
CARRIED_SHARE_MICROS = round_half_up(MICROS * BPS**_YEARS, (BPS + _DISCOUNT_BPS) ** _YEARS)

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class TermRates:
    """Rates on a dollar of short-term and of long-term gain, in millionths."""

    short_micros: int
    long_micros: int


@dataclass(frozen=True, slots=True)
class Settled(Generic[A]):
    """The answer chosen: the rates it was decided with, and the rates after it."""

    answer: A
    rates: TermRates
    after: TermRates
    rounds: int  # decisions made

    @property
    def settled(self) -> bool:
        """Whether the rates stand still; else the best of the rounds was taken."""
        return self.rates == self.after


def after_gains(income: Income, short_cents: int, long_cents: int) -> Income:
    """The year with more results of a plan, losses negative; the state's own basis moves along."""
    short, long = income.state_short_cents, income.state_long_cents
    return replace(
        income,
        short_cents=income.short_cents + short_cents,
        long_cents=income.long_cents + long_cents,
        state_short_cents=None if short is None else short + short_cents,
        state_long_cents=None if long is None else long + long_cents,
    )


def rates_after(
    income: Income,
    short_cents: int,
    long_cents: int,
    on_file: TermRates,
    carried_share_micros: int = CARRIED_SHARE_MICROS,
) -> TermRates:
    """Rates on one more dollar after these gains: the difference of two taxes on the year.

    A dollar that only uses up a loss carried forward costs that loss's later use, so no rate is
    below `carried_share_micros` of the rate on file. A dollar at a cliff is taken at 100 percent.
    InputError rates.carried_share, and as `tax_on`.
    """
    check_share(carried_share_micros)
    following = next_dollar(after_gains(income, short_cents, long_cents))
    return TermRates(
        _rate(following.short, on_file.short_micros, carried_share_micros),
        _rate(following.long, on_file.long_micros, carried_share_micros),
    )


def check_share(carried_share_micros: int) -> None:
    """InputError rates.carried_share unless it is a share."""
    if not 0 <= carried_share_micros <= MICROS:
        raise InputError(
            "rates.carried_share",
            f"A loss carried forward cannot be worth {carried_share_micros / 10_000:g}% of its "
            "rate.",
            where="carried share",
            remedy="Give a share from 0% to 100%.",
        )


def _rate(change: Change, on_file_micros: int, share_micros: int) -> int:
    later = round_half_up(on_file_micros * share_micros, MICROS)
    return min(MICROS, max(later, change.rate_millionths))


def settle(
    solve: Callable[[TermRates], A],
    after: Callable[[A], TermRates],
    worth: Callable[[A, TermRates], tuple[int, ...]],
    first: TermRates,
    most_rounds: int = MOST_ROUNDS,
) -> Settled[A]:
    """Decide, ask for the rates after the answer, decide with those: until they stand still.

    After `most_rounds` the answer is taken that is best at the rates after it (`worth`, lower is
    better), of equals the earliest. The same questions always give the same answer.
    """
    tried: list[Settled[A]] = []
    rates = first
    for number in range(1, most_rounds + 1):
        answer = solve(rates)
        tried.append(Settled(answer, rates, after(answer), number))
        rates = tried[-1].after
        if tried[-1].settled:
            return tried[-1]
    best = min(tried, key=lambda one: worth(one.answer, one.after))
    return replace(best, rounds=len(tried))
