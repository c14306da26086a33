"""A taxpayer's budget of gains shared by its accounts: by need, and what one leaves to the others.

Pure: how much an account would realise with a budget is asked of a function. A loss in one account
does not stretch the others' budget: it is not sure before the plans are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opensma.errors import InputError, ensure

MOST_ROUNDS = 4
Cents = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Shared:
    """What every account may realise and does, in the order asked; all in cents."""

    given: Cents
    used: Cents  # net gain realised within it, zero or more
    left: int  # of the whole budget
    rounds: int  # times that the accounts were asked


def budget_left(yearly_cents: int, realised_cents: int) -> int:
    """What a year's budget still allows after what the taxpayer has realised, net, so far.

    Losses of the year stretch it: the budget is for the year's net gain.
    InputError budget.negative.
    """
    _check(yearly_cents)
    return max(0, yearly_cents - realised_cents)


def by_need(budget_cents: int, wanted: Sequence[int]) -> Cents:
    """Shares of a budget in proportion to what is wanted, never more than that.

    The shares add up to the budget or to all that is wanted; odd cents go to the largest
    remainders, of equals to the first. InputError budget.negative.
    """
    _check(budget_cents)
    ensure(all(cents >= 0 for cents in wanted), "a negative need", wanted=tuple(wanted))
    total = sum(wanted)
    if total <= budget_cents:
        return tuple(wanted)
    shares = [budget_cents * cents // total for cents in wanted]
    order = sorted(range(len(wanted)), key=lambda i: (-(budget_cents * wanted[i] % total), i))
    for place in order[: budget_cents - sum(shares)]:
        shares[place] += 1
    return tuple(shares)


def share_budget(
    budget_cents: int,
    accounts: int,
    realised: Callable[[tuple[int | None, ...]], Sequence[int]],
    most_rounds: int = MOST_ROUNDS,
) -> Shared:
    """Share a budget over accounts by what each would realise without one; what is left goes on.

    `realised(budgets)` is the net gain of every account under its budget, None for no limit. An
    account that does no more with a larger budget is asked for no more again, so its part goes to
    the others. The round that uses most of the budget is kept, of equals the earliest.
    """
    _check(budget_cents)
    wanted = _gains(realised((None,) * accounts))
    if sum(wanted) <= budget_cents:
        return Shared(wanted, wanted, budget_cents - sum(wanted), 1)
    given, before = by_need(budget_cents, wanted), (0,) * accounts
    best = Shared((0,) * accounts, before, budget_cents, 1)
    growing = [cents > 0 for cents in wanted]
    for number in range(2, most_rounds + 1):
        asked = _gains(realised(given))
        kept = all(u <= g + 1 for u, g in zip(asked, given, strict=True))  # a plan may be half a
        ensure(kept, "a budget was not kept", given=given, used=asked)  # cent above its budget
        used = tuple(map(min, asked, given))
        left = budget_cents - sum(used)
        if sum(used) > sum(best.used) or number == 2:
            best = Shared(given, used, left, number)
        growing = [g and u > b for g, u, b in zip(growing, used, before, strict=True)]
        need = [(w - u) * g for w, u, g in zip(wanted, used, growing, strict=True)]
        more = by_need(left, [max(0, cents) for cents in need])
        if not any(more):
            break
        given, before = tuple(u + m for u, m in zip(used, more, strict=True)), used
    return best


def _gains(net: Sequence[int]) -> Cents:
    return tuple(max(0, cents) for cents in net)


def _check(budget_cents: int) -> None:
    if budget_cents < 0:
        raise InputError(
            "budget.negative",
            "A budget of gains cannot be negative.",
            where="gain budget",
            remedy="Give zero or more; zero allows no net gain.",
        )
