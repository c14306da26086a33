"""Whether so few names can be enough: conditions without which no plan holds at most `max_names`.

Each is necessary, none is sufficient: what they refuse has no plan, what they pass may have none.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opensma.construct.bound import Priced, ways
from opensma.construct.check import CONTINUOUS, SHARES, WHOLE_CASH, WHOLE_SECTOR
from opensma.construct.limits import limits_worth, relaxed
from opensma.construct.prepare import Choice, Prepared, desk, held_shares
from opensma.construct.problem import Account, Floats, Mask, Taxpayer, Universe

_SLACK = 2e-4
_AVERSIONS = (1e2, 1e3, 1e4)  # prices of the variance above the cap


def names_meet(universe: Universe, account: Account, low: Floats, high: Floats) -> bool:
    """Names that must stay, bands that must be filled, and what closing names takes at least."""
    most, n = account.max_names, len(universe.price)
    if most is None:
        return True
    owned = held_shares(account, n)
    value = account.cash + float(owned @ universe.price)
    held = owned * universe.price / (value if value > 0.0 else 1.0)
    counted = owned > SHARES
    forced = counted & (low > 0.0)
    if int(forced.sum()) > most:
        return False
    if _most_invested(universe, account, forced, high) < 1.0 - account.cash_high - _SLACK:
        return False
    closed = int(counted.sum()) - most
    return closed <= 0 or _closing_fits(universe, account, held, counted & ~forced, closed)


def _most_invested(universe: Universe, account: Account, forced: Mask, high: Floats) -> float:
    """The largest weight that so many names can reach, sector bands kept; -inf where they cannot.

    What each further name adds to its sector never rises, so the greatest first is the best.
    """
    limits, total, added = account.limits, 0.0, []
    left = int(account.max_names or 0) - int(forced.sum())
    for code in range(len(universe.sector_name)):
        mine = universe.sector == code
        base, cap = float(high[mine & forced].sum()), float(limits.sector_max[code])
        reached = base + np.cumsum(np.sort(high[mine & ~forced & (high > 0.0)])[::-1])
        reached = np.concatenate([[base], reached])
        needed = int((reached < limits.sector_min[code] - 5e-4).sum())
        if needed >= len(reached):
            return -np.inf
        capped = np.minimum(reached, cap)
        left -= needed
        total += float(capped[needed])
        added += np.diff(capped[needed:]).tolist()
    if left < 0:
        return -np.inf
    return float(total + sum(sorted(added, reverse=True)[:left]))


def _closing_fits(
    universe: Universe, account: Account, held: Floats, closable: Mask, closed: int
) -> bool:
    """Turnover and gain budgets allow that so many names are closed, the cheapest ones."""
    sold = float(np.sort(held[closable])[:closed].sum())
    bought = max(0.0, 1.0 - account.cash_high - (float(held.sum()) - sold))
    if account.max_turnover is not None and (sold + bought) / 2.0 > account.max_turnover + _SLACK:
        return False
    lots, n = account.lots, len(universe.price)
    gain = lots.quantity * universe.price[lots.security] - lots.basis
    for budget, term in (
        (account.st_gain_budget, ~lots.long_term),
        (account.lt_gain_budget, lots.long_term),
    ):
        if budget is None:
            continue
        mine = np.where(term, gain, 0.0)
        all_of_it = np.bincount(lots.security, mine, minlength=n)
        losses = np.bincount(lots.security, np.minimum(mine, 0.0), minlength=n)
        least = losses.sum() + np.sort((all_of_it - losses)[closable])[:closed].sum()
        if least > budget + 0.01:
            return False
    return True


def cap_is_beyond(
    prepared: Prepared, alone: Taxpayer, position: int, as_of: int, choice: Choice
) -> bool:
    """Whether the certified bound proves that so few names cannot keep the tracking-error cap.

    At a price of the excess over the cap every plan costs more than any trades could.
    """
    account = alone.accounts[position]
    cap = account.te_cap or 0.0
    for aversion in _AVERSIONS:
        accounts = list(alone.accounts)
        accounts[position] = replace(account, te_cap=None, risk_aversion=aversion)
        table = desk(prepared, replace(alone, accounts=tuple(accounts)), position, as_of, choice)
        found = relaxed(table)
        slack = (WHOLE_CASH, WHOLE_SECTOR) if table.whole else (CONTINUOUS, CONTINUOUS)
        worth = limits_worth(found) + 0.5 * aversion * cap**2
        priced = Priced(found.desk, aversion, found.dual, worth, *slack)
        tickets = account.ticket_cost * len(prepared.cost)
        dearest = 3.0 * float(prepared.cost.max(initial=0.0)) * table.value + tickets
        if ways(prepared, [priced]).shares[0] > dearest:
            return True
    return False
