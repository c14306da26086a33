"""What if: one account's next plan with a change beside the same plan without it.

Pure: the day's problem of one taxpayer and a `Change` in, a comparison out. The whole taxpayer is
solved both times, as a day would. Nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.motion.cash import raising
from opensma.construct.motion.moving import realised
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account, Floats, Mask
from opensma.errors import InputError
from opensma.trade.problem import DayView
from opensma.trade.standing import ReadyDay, Standing
from opensma.units import CENTS, MICROS

_ISSUER = "issuer "
_MOST_MOVES = 10
_BPS = 10_000


@dataclass(frozen=True, slots=True)
class Change:
    """What to try; None or empty leaves the account as it is."""

    exclude: tuple[str, ...] = ()  # tickers, security ids, sectors or themes
    te_cap_bps: int | None = None  # instead of the price on risk
    risk_aversion_micros: int | None = None  # instead of the cap
    raise_cents: int = 0  # to be paid out; the rest keeps its cash band
    gain_budget_cents: int | None = None  # net long-term gain that the plan may realise
    short_gain_budget_cents: int | None = None  # net short-term; 0 where only the other is given

    @property
    def empty(self) -> bool:
        """Whether nothing would change."""
        return self == Change()


@dataclass(frozen=True, slots=True)
class Outlook:
    """One plan in figures. Tracking error is that of what stays after a payment."""

    status: str
    message: str  # why there is no plan, with tickers
    tax_cents: int  # negative: the value of losses
    cost_cents: int
    short_gain_cents: int  # net, before wash sales
    long_gain_cents: int
    trades: int  # lots sold and securities bought
    securities: int
    turnover: float
    tracking_error: float
    risk_aversion: float
    cash_cents: int  # after trading and after the payment
    binding: tuple[str, ...]

    @property
    def solved(self) -> bool:
        """Whether there is a plan."""
        return self.status == Status.SOLVED


@dataclass(frozen=True, slots=True)
class Move:
    """One security that the two plans trade differently; negative dollars are sales."""

    symbol: str
    before_cents: int
    after_cents: int

    @property
    def difference_cents(self) -> int:
        """What the change adds."""
        return self.after_cents - self.before_cents


@dataclass(frozen=True, slots=True)
class Comparison:
    """The account's next plan without and with the change, at the closes of `day`."""

    account_id: str
    day: int
    value_cents: int
    te_now: float
    change: Change
    before: Outlook
    after: Outlook
    moves: tuple[Move, ...]  # the largest differences first
    moves_in_all: int
    others_tax_cents: int | None  # change in the taxpayer's other accounts; None: not for viewer

    @property
    def tax_cents(self) -> int:
        """Change of this account's tax."""
        return self.after.tax_cents - self.before.tax_cents

    @property
    def cost_cents(self) -> int:
        """Change of trading costs."""
        return self.after.cost_cents - self.before.cost_cents

    @property
    def trades(self) -> int:
        """Change of the number of trades."""
        return self.after.trades - self.before.trades

    @property
    def te_bps(self) -> float:
        """Change of tracking error in basis points."""
        return (self.after.tracking_error - self.before.tracking_error) * _BPS


def what_if(standing: Standing, change: Change) -> Comparison:
    """Solve the taxpayer without and with the change; InputError for a change that means nothing.

    An account for which no plan exists comes back with its status and the conflict in words.
    """
    ready, place = standing.ready, standing.position
    account = changed(ready, standing.account, change)
    before = standing.plans(standing.taxpayer)
    accounts = tuple(account if p == place else a for p, a in enumerate(standing.taxpayer.accounts))
    taxpayer = replace(standing.taxpayer, accounts=accounts)
    after = standing.plans(taxpayer)
    value = value_of(ready, standing.account)
    moves = _moves(ready, before[place], after[place])
    others = sum(_cents(a.tax) - _cents(b.tax) for a, b in zip(after, before, strict=True))
    others -= _cents(after[place].tax) - _cents(before[place].tax)
    return Comparison(
        account_id=standing.account_id,
        day=ready.ordinal,
        value_cents=_cents(value),
        te_now=before[place].te_before,
        change=change,
        before=outlook(ready, standing.account, before[place]),
        after=outlook(ready, account, after[place], change.raise_cents),
        moves=moves[:_MOST_MOVES],
        moves_in_all=len(moves),
        others_tax_cents=others if standing.all_seen else None,
    )


def changed(ready: ReadyDay, account: Account, change: Change) -> Account:
    """The account as the change would have it."""
    _check(change)
    limits = account.limits
    if change.exclude:
        rows = np.any([rows_named(ready, name) for name in change.exclude], axis=0)
        limits = replace(limits, exclude=limits.exclude | rows)
    account = replace(account, limits=limits)
    if change.te_cap_bps is not None:
        account = replace(account, te_cap=change.te_cap_bps / _BPS, risk_aversion=None)
    if change.risk_aversion_micros is not None:
        aversion = change.risk_aversion_micros / MICROS
        account = replace(account, te_cap=None, risk_aversion=aversion)
    long, short = change.gain_budget_cents, change.short_gain_budget_cents
    if long is not None:
        account = replace(account, lt_gain_budget=long / CENTS, st_gain_budget=(short or 0) / CENTS)
    elif short is not None:
        account = replace(account, st_gain_budget=short / CENTS)
    if change.raise_cents:
        account = raising(ready.prepared, account, change.raise_cents / CENTS)
    return account


def rows_named(ready: ReadyDay, name: str) -> Mask:
    """Universe rows that a ticker, security id, sector or theme names, in any case of letters.

    `issuer TICKER` names every share class of the issuer.
    """
    view, wanted = ready.day.view, name.strip().casefold()
    if wanted.startswith(_ISSUER):
        group = view.group_of_key[view.key_of_row]
        classes: Mask = group == group[security_named(ready, wanted.removeprefix(_ISSUER))]
        return classes
    for words in (ready.symbols, view.security):
        found = np.array([word.casefold() == wanted for word in words], dtype=bool)
        if found.any():
            return found
    return _family(view, wanted, name)


def scope_named(ready: ReadyDay, name: str) -> tuple[str, str]:
    """Scope and key of a restriction on what a name means, as in `rows_named`."""
    view, wanted = ready.day.view, name.strip().casefold()
    if wanted.startswith(_ISSUER):
        return "issuer", view.security[security_named(ready, wanted.removeprefix(_ISSUER))]
    for words in (ready.symbols, view.security):
        for row, word in enumerate(words):
            if word.casefold() == wanted:
                return "security", view.security[row]
    _family(view, wanted, name)  # an unknown name is told here
    for sector in view.sector_name:
        if sector.casefold() == wanted:
            return "sector", sector
    themes = (t for t in view.themes if wanted in (t.casefold(), t.replace("_", " ").casefold()))
    return "theme", next(themes)


def security_named(ready: ReadyDay, name: str) -> int:
    """The universe row of one security; InputError for a sector, a theme or an unknown name."""
    wanted = name.strip().casefold()
    for words in (ready.symbols, ready.day.view.security):
        for row, word in enumerate(words):
            if word.casefold() == wanted:
                return row
    raise InputError(
        "what_if.unknown_security",
        f"'{name}' is no security of the day.",
        where="TICKER",
        remedy="Give a ticker that the account page lists.",
    )


def _family(view: DayView, wanted: str, name: str) -> Mask:
    for code, sector in enumerate(view.sector_name):
        if sector.casefold() == wanted:
            mask: Mask = view.sector == code
            return mask
    for theme, members in view.themes.items():
        if wanted in (theme.casefold(), theme.replace("_", " ").casefold()):
            return members
    themes = ", ".join(sorted(view.themes))
    raise InputError(
        "what_if.unknown_name",
        f"'{name}' is no security, sector or theme of the day.",
        where="exclude",
        remedy="Give a ticker, `issuer TICKER` for all share classes, "
        f"a sector ({', '.join(view.sector_name)})"
        + (f" or a theme ({themes})." if themes else "."),
    )


def _check(change: Change) -> None:
    """InputError where the wish contradicts itself or has no meaning."""
    if change.te_cap_bps is not None and change.risk_aversion_micros is not None:
        raise InputError(
            "what_if.cap_and_aversion",
            "An account has either a cap on tracking error or a price on it.",
            where="tracking-error cap, risk aversion",
            remedy="Leave one of the two empty.",
        )
    for where, number, least in (
        ("tracking-error cap", change.te_cap_bps, 1),
        ("risk aversion", change.risk_aversion_micros, 1),
        ("cash to raise", change.raise_cents, 0),
        ("gain budget", change.gain_budget_cents, 0),
        ("short-term gain budget", change.short_gain_budget_cents, 0),
    ):
        if number is not None and number < least:
            raise InputError(
                "what_if.too_small",
                f"The {where} is {'negative' if number < 0 else 'zero'}.",
                where=where,
                remedy="Give a positive number." if least else "Give zero or more.",
            )


def outlook(ready: ReadyDay, account: Account, plan: Plan, paid_cents: int = 0) -> Outlook:
    """A plan's figures; tracking error and cash after a payment of `paid_cents`."""
    trades, value = plan.trades, value_of(ready, account)
    rest = 1.0 - paid_cents / CENTS / value if value > 0.0 else 1.0
    short, long = realised(ready.prepared, account, plan)
    return Outlook(
        status=plan.status.value,
        message=ready.named(plan.message),
        tax_cents=_cents(plan.tax),
        cost_cents=_cents(plan.cost),
        short_gain_cents=_cents(short),
        long_gain_cents=_cents(long),
        trades=len(trades.shares),
        securities=len(np.unique(trades.security)),
        turnover=plan.turnover,
        tracking_error=plan.te_after / rest,
        risk_aversion=plan.risk_aversion * rest,
        cash_cents=_cents(plan.cash_after) - paid_cents,
        binding=tuple(ready.named(name) for name in plan.binding),
    )


def value_of(ready: ReadyDay, account: Account) -> float:
    """Cash and holdings at the day's closes, in dollars."""
    price = ready.day.universe.price[account.lots.security]
    return account.cash + float((account.lots.quantity * price).sum())


def _moves(ready: ReadyDay, before: Plan, after: Plan) -> tuple[Move, ...]:
    old, new = (_traded(ready, plan) for plan in (before, after))
    rows = np.flatnonzero(np.abs(new - old) >= 0.005)
    found = [Move(ready.symbols[i], _cents(old[i]), _cents(new[i])) for i in rows.tolist()]
    return tuple(sorted(found, key=lambda m: (-abs(m.difference_cents), m.symbol)))


def _traded(ready: ReadyDay, plan: Plan) -> Floats:
    """(n,) dollars bought, negative where sold."""
    universe, trades = ready.day.universe, plan.trades
    dollars = trades.shares * universe.price[trades.security]
    total = np.zeros(len(universe.price))
    np.add.at(total, trades.security, dollars)
    return total


def _cents(dollars: float) -> int:
    return round(dollars * CENTS)
