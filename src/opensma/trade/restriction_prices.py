"""What every restriction and binding limit costs: the plan with it beside the plan without it.

Pure. Each price is one more solve of the taxpayer, so only what can bind is asked about. The risk
part is a price for every year that the restriction stands; tax and cost are paid once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from opensma.book.master import CASH_RESERVE, Restriction
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account
from opensma.trade.problem import limits
from opensma.trade.standing import Standing
from opensma.trade.what_if import value_of
from opensma.units import CENTS

MOST_PRICED = 12
WIDER_CAP = 0.0010  # a cap is priced by what this much more of it would bring
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class RestrictionPrice:
    """What one limit costs the account now; negative where it happens to help."""

    kind: str  # a restriction's kind, or te_cap, max_turnover, cash_low, ... of the account
    scope: str  # security, sector, theme or account
    key: str
    te_bps: float  # tracking error with the limit less without it
    risk_year_cents: int  # that at the account's price of risk; 0 under a cap, which is wanted
    tax_cents: int  # with less without, once
    cost_cents: int  # with less without, once
    wider: bool = False  # priced against a cap 10 bp wider, not against none

    @property
    def total_cents(self) -> int:
        """What the limit costs over the first year."""
        return self.risk_year_cents + self.tax_cents + self.cost_cents


@dataclass(frozen=True, slots=True)
class RestrictionPrices:
    """Prices of what binds, the dearest first, and what was seen to cost nothing."""

    status: str  # of the plan with everything; without a plan nothing has a price
    priced: tuple[RestrictionPrice, ...]
    idle: tuple[Restriction, ...]  # touch no target and no holding: no price
    not_asked: int  # restrictions beyond the most that are priced at once
    unsolved: int  # left out: without them no plan was found


def restriction_prices(standing: Standing) -> RestrictionPrices:
    """Solve without each restriction and binding limit of the account in turn, and compare.

    Rates of the netting are settled once, with everything in place: a price is at the margin.
    """
    standing = standing.settled()
    base = _plan(standing, standing.account)
    if base.status is not Status.SOLVED:
        return RestrictionPrices(base.status.value, (), (), 0, 0)
    binding = {name.partition(":")[0] for name in base.binding}
    asked: list[tuple[RestrictionPrice, Account, Standing]] = []
    idle = []
    for wish in standing.wishes:
        if wish.kind == CASH_RESERVE:
            continue  # priced as the lower edge of cash, which it raises
        if not _touches(standing, wish, base):
            idle.append(wish)
            continue
        head = RestrictionPrice(wish.kind, wish.scope, wish.scope_key, 0.0, 0, 0, 0)
        asked.append((head, _without(standing, wish), standing))
    own = _account_limits(standing.account, binding)
    asked += [(head, account, standing) for head, account in own]
    asked += [(head, standing.account, other) for head, other in _yearly(standing, binding)]
    found = [_priced(other, base, head, account) for head, account, other in asked[:MOST_PRICED]]
    solved = [one for one in found if one is not None]
    ranked = sorted(solved, key=lambda p: (-p.total_cents, p.kind, p.key))
    return RestrictionPrices(
        base.status.value,
        tuple(ranked),
        tuple(idle),
        max(0, len(asked) - MOST_PRICED),
        len(found) - len(solved),
    )


def _plan(standing: Standing, account: Account) -> Plan:
    place = standing.position
    accounts = tuple(account if p == place else a for p, a in enumerate(standing.taxpayer.accounts))
    taxpayer = replace(standing.taxpayer, accounts=accounts)
    return standing.plans(taxpayer)[place]


def _touches(standing: Standing, wish: Restriction, base: Plan) -> bool:
    """Whether a restriction can matter today: its names are wanted or held, its limit is met."""
    view, account = standing.ready.day.view, standing.account
    if wish.kind in ("sector_max", "sector_min", "max_weight"):
        kinds = {name.partition(":")[0] for name in base.binding}
        return wish.kind in kinds or any(
            r.value == _REASON.get(wish.kind) for r in base.trades.reason
        )
    alone = limits(view, (wish,))
    rows = getattr(alone, wish.kind)
    held = np.bincount(account.lots.security, account.lots.quantity, minlength=len(rows)) > 0.0
    wanted = account.target > 0.0
    if wish.kind == "no_sell":
        wanted = np.zeros(len(rows), dtype=bool)
    return bool((rows & (held | wanted)).any())


_REASON = {"max_weight": "position_cap", "sector_max": "sector_cap", "sector_min": "sector_cap"}


def _without(standing: Standing, wish: Restriction) -> Account:
    """The account without one wish; what another account's purchases forbid stays forbidden."""
    view, account = standing.ready.day.view, standing.account
    every = limits(view, standing.wishes)
    rest = limits(view, tuple(w for w in standing.wishes if w is not wish))
    law = account.limits.no_sell & ~every.no_sell
    return replace(account, limits=replace(rest, no_sell=rest.no_sell | law))


def _account_limits(account: Account, binding: set[str]) -> list[tuple[RestrictionPrice, Account]]:
    """The binding limits over the whole account, each with the account that lacks it."""
    lacking = {
        "max_turnover": replace(account, max_turnover=None),
        "st_gain_budget": replace(account, st_gain_budget=None),
        "lt_gain_budget": replace(account, lt_gain_budget=None),
        "max_names": replace(account, max_names=None),
        "cash_low": replace(account, cash_low=min(account.cash_low, 0.0)),
        "cash_high": replace(account, cash_high=max(account.cash_high, 1.0)),
    }
    found = [
        (RestrictionPrice(kind, "account", "", 0.0, 0, 0, 0), other)
        for kind, other in lacking.items()
        if kind in binding
    ]
    if account.te_cap is not None and "te_cap" in binding:
        head = RestrictionPrice("te_cap", "account", "", 0.0, 0, 0, 0, wider=True)
        found.append((head, replace(account, te_cap=account.te_cap + WIDER_CAP)))
    return found


def _yearly(standing: Standing, binding: set[str]) -> list[tuple[RestrictionPrice, Standing]]:
    """The taxpayer's yearly budgets that bind, each with the taxpayer that lacks it."""
    left = standing.left
    if left is None:
        return []
    lacking = {
        "st_gain_year": replace(left, short_cents=None),
        "lt_gain_year": replace(left, long_cents=None),
    }
    return [
        (RestrictionPrice(kind, "account", "", 0.0, 0, 0, 0), replace(standing, left=other))
        for kind, other in lacking.items()
        if kind in binding
    ]


def _priced(
    standing: Standing, base: Plan, head: RestrictionPrice, account: Account
) -> RestrictionPrice | None:
    """With less without; None where no plan was found without it."""
    plan = _plan(standing, account)
    if plan.status is not Status.SOLVED:
        return None
    value = value_of(standing.ready, account)
    half, variance = 0.5 * base.risk_aversion, base.te_after**2 - plan.te_after**2
    return replace(
        head,
        te_bps=(base.te_after - plan.te_after) * _BPS,
        risk_year_cents=0 if head.wider else round(half * variance * value * CENTS),
        tax_cents=round(base.tax * CENTS) - round(plan.tax * CENTS),
        cost_cents=round(base.cost * CENTS) - round(plan.cost * CENTS),
    )
