"""The independent check: every plan recomputed and judged from its trades alone, in plain numpy.

Nothing here knows the solver. `evaluate` gives the exact figures of a taxpayer's trades,
`check_plans` every rule they break. It stays on in production, so it is kept obvious and costs well
under 1 ms an account. Wash sales need the whole taxpayer: shares bought in one account replace
those of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Account, Codes, Floats, Mask, Taxpayer, Universe

WINDOW_DAYS = 30  # W1: a purchase on the day or on any of the 30 before replaces what is sold now

# Every tolerance, with its reason. Weights are shares of V.
SHARES = 1e-6  # the smallest quantity that the book keeps
DOLLARS = 1e-6  # rounding of floats in sums of dollars, not a loss and not a breach
WEIGHT = 1e-9  # bounds of one security: a single comparison, nothing accumulates
CONTINUOUS = 1e-6  # sums over all names where shares may be fractions: cash, sectors
WHOLE_CASH = 2e-4  # contract: 2 bp, since whole shares cannot spend every dollar
WHOLE_SECTOR = 5e-4  # contract: 5 bp, for the same reason
BUDGET = 0.005  # dollars: half a cent, since the book keeps cents
FIGURE = 1e-9  # of V: what a plan says about itself against what its trades say


class Moves(Protocol):
    """What is judged: `Trades`, or any three columns of the same meaning."""

    @property
    def security(self) -> Codes:
        """Row in the universe."""

    @property
    def lot(self) -> Codes:
        """Row in the account's LotColumns, -1 for a buy."""

    @property
    def shares(self) -> Floats:
        """Negative = sell."""


@dataclass(frozen=True, slots=True)
class BareMoves:
    """Trades without figures; every column (t,)."""

    security: Codes
    lot: Codes  # row in the account's LotColumns, -1 for a buy
    shares: Floats  # negative = sell

    @staticmethod
    def none() -> BareMoves:
        """No trades."""
        return BareMoves(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule; `amount` is the excess in the unit of the rule."""

    account_id: str
    rule: str
    amount: float
    message: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Exact figures of one account's trades; (n,) by security, (t,) by trade."""

    value: float  # V, dollars
    objective: float
    objective_before: float
    te_before: float
    te_after: float
    tax: float
    cost: float
    turnover: float  # one-way weight
    cash_after: float  # dollars
    st_gain: float  # net dollars realised; a washed loss counts 0
    lt_gain: float
    weight_before: Floats  # (n,)
    weight_after: Floats  # (n,)
    trade_notional: Floats  # (t,)
    trade_tax: Floats  # (t,)
    trade_cost: Floats  # (t,)
    trade_risk: Floats  # (t,) exact share of the change in J's risk term
    trade_risk_unit: Floats  # (t,) the same share at a risk aversion of 1
    trade_washed: Floats  # (t,) shares sold at a loss that are replaced


def evaluate(
    universe: Universe, taxpayer: Taxpayer, trades: Sequence[Moves], as_of_day: int
) -> list[Figures]:
    """Exact figures of every account, in order; trades must name existing lots."""
    washed = replaced_shares(universe, taxpayer, trades, as_of_day)
    return [
        _figures(universe, account, moves, shares)
        for account, moves, shares in zip(taxpayer.accounts, trades, washed, strict=True)
    ]


def check_plans(
    universe: Universe, taxpayer: Taxpayer, plans: Sequence[Plan], as_of_day: int
) -> list[Violation]:
    """Every rule that a taxpayer's plans break, and every figure that their trades do not give."""
    trades = [plan.trades for plan in plans]
    solved = [plan.status is Status.SOLVED for plan in plans]
    found, figures = judge(universe, taxpayer, trades, as_of_day, solved)
    for account, plan, exact in zip(taxpayer.accounts, plans, figures, strict=False):
        if plan.status is Status.SOLVED:
            found += _claims(account, plan, exact)
    return found


def check_trades(
    universe: Universe, taxpayer: Taxpayer, trades: Sequence[Moves], as_of_day: int
) -> list[Violation]:
    """Every rule that trades break which no plan vouches for."""
    return judge(universe, taxpayer, trades, as_of_day, [True] * len(trades))[0]


def judge(
    universe: Universe,
    taxpayer: Taxpayer,
    trades: Sequence[Moves],
    as_of_day: int,
    solved: Sequence[bool],
) -> tuple[list[Violation], list[Figures]]:
    """Violations and figures; no figures where trades name something that is not there."""
    found: list[Violation] = []
    for account, moves in zip(taxpayer.accounts, trades, strict=True):
        found += _shape(universe, account, moves)
    if found:
        return found, []
    figures = evaluate(universe, taxpayer, trades, as_of_day)
    barred = _barred(universe, taxpayer, trades)
    for account, moves, exact, may_trade in zip(
        taxpayer.accounts, trades, figures, solved, strict=True
    ):
        if may_trade:
            found += _rules(universe, account, moves, exact, barred)
        elif len(moves.shares):
            message = f"{len(moves.shares)} trades in an account that was not solved"
            found.append(_violation(account, "not_solved", len(moves.shares), message))
    return found, figures


# --- figures -----------------------------------------------------------------------------------


def replaced_shares(
    universe: Universe, taxpayer: Taxpayer, trades: Sequence[Moves], as_of_day: int
) -> list[Floats]:
    """For every trade the shares sold at a loss that purchases of the window replace.

    Losses come in order of acquisition; lots of the same day by account, security, then the
    dearest first, so that the order of lots in memory never matters.
    """
    replaced = [np.zeros(len(moves.shares)) for moves in trades]
    left = _window_shares(universe, taxpayer, trades, as_of_day)
    sales = [np.zeros((5, 0))]
    for number, (account, moves) in enumerate(zip(taxpayer.accounts, trades, strict=True)):
        lots = account.lots
        near = np.isin(universe.group[moves.security], np.array(sorted(left), dtype=np.int64))
        row = np.flatnonzero(near & _at_a_loss(universe, account, moves))
        lot, security = moves.lot[row], moves.security[row]
        unit, place = lots.basis[lot] / lots.quantity[lot], np.full(len(row), number)
        sales.append(np.array([row, -unit, security, place, lots.acquired_day[lot]]))
    columns = np.concatenate(sales, axis=1)
    last_key_first = columns[:, np.lexsort(tuple(columns))].astype(np.int64)
    for row, _, security, number, _ in last_key_first.T.tolist():
        group = int(universe.group[security])
        taken = min(left.get(group, 0.0), -float(trades[number].shares[row]))
        if taken > 0.0:
            left[group] -= taken
            replaced[number][row] = taken
    return replaced


def _window_shares(
    universe: Universe, taxpayer: Taxpayer, trades: Sequence[Moves], as_of_day: int
) -> dict[int, float]:
    """Shares by group that were bought in the window and that no trade here sells."""
    left: dict[int, float] = {}
    for account, moves in zip(taxpayer.accounts, trades, strict=True):
        lots = account.lots
        recent = np.flatnonzero(
            (lots.acquired_day >= as_of_day - WINDOW_DAYS) & (lots.acquired_day <= as_of_day)
        )
        if not len(recent):
            continue
        kept = (lots.quantity - _sold_by_lot(account, moves))[recent]
        group = universe.group[lots.security[recent]]
        for code, shares in zip(group.tolist(), kept.tolist(), strict=True):
            left[code] = left.get(code, 0.0) + max(shares, 0.0)
    return left


def _sums(rows: Codes, amounts: Floats, size: int) -> Floats:
    total: Floats = np.bincount(rows, amounts, minlength=size).astype(np.float64, copy=False)
    return total


def _sold_by_lot(account: Account, moves: Moves) -> Floats:
    sells = moves.shares < 0.0
    return _sums(moves.lot[sells], -moves.shares[sells], len(account.lots.quantity))


def _unit_gain(universe: Universe, account: Account, moves: Moves) -> Floats:
    """Dollars of gain per share of every trade, 0 for buys."""
    gain = np.zeros(len(moves.shares))
    sells = np.flatnonzero(moves.shares < 0.0)
    lots, lot = account.lots, moves.lot[sells]
    gain[sells] = universe.price[moves.security[sells]] - lots.basis[lot] / lots.quantity[lot]
    return gain


def _at_a_loss(universe: Universe, account: Account, moves: Moves) -> Mask:
    """Which trades sell below basis; a millionth of a dollar in all is rounding, not a loss."""
    mask: Mask = _unit_gain(universe, account, moves) * -moves.shares < -DOLLARS
    return mask


def _figures(universe: Universe, account: Account, moves: Moves, washed: Floats) -> Figures:
    price, lots = universe.price, account.lots
    n = len(price)
    held = _sums(lots.security, lots.quantity, n)
    traded = _sums(moves.security, moves.shares, n)
    value = account.cash + float(lots.quantity @ price[lots.security])
    scale = value if value > 0.0 else 1.0  # an empty account has weights of 0
    before, after = held * price / scale, (held + traded) * price / scale
    notional = np.abs(moves.shares) * price[moves.security]
    cost = notional * universe.cost_bps[moves.security] / 1e4
    if account.ticket_cost:
        cost[np.unique(moves.security, return_index=True)[1]] += account.ticket_cost  # first row
    term = _terms(account, moves)
    gain = _unit_gain(universe, account, moves) * (-moves.shares - washed)
    tax = gain * np.where(term, account.lt_rate, account.st_rate)
    active = [weight - account.target for weight in (before, after)]
    slope = [_times_sigma(universe, weight) for weight in active]
    pull = (slope[0] + slope[1]) / 2.0
    unit = moves.shares * price[moves.security] * pull[moves.security]
    unit = unit * (value / scale)
    aversion = account.risk_aversion or 0.0
    variance = [max(float(a @ s), 0.0) for a, s in zip(active, slope, strict=True)]
    risk = [value * aversion / 2.0 * v for v in variance]
    paid, spent = float(tax.sum()), float(cost.sum())
    return Figures(
        value=value,
        objective=paid + spent + risk[1],
        objective_before=risk[0],
        te_before=variance[0] ** 0.5,
        te_after=variance[1] ** 0.5,
        tax=paid,
        cost=spent,
        turnover=float(notional.sum()) / 2.0 / scale,
        cash_after=account.cash - float(moves.shares @ price[moves.security]) - spent,
        st_gain=float(gain[~term].sum()),
        lt_gain=float(gain[term].sum()),
        weight_before=before,
        weight_after=after,
        trade_notional=notional,
        trade_tax=tax,
        trade_cost=cost,
        trade_risk=aversion * unit,
        trade_risk_unit=unit,
        trade_washed=washed,
    )


def _terms(account: Account, moves: Moves) -> Mask:
    """Whether each trade sells a long-term lot."""
    term = np.zeros(len(moves.shares), dtype=bool)
    sells = moves.shares < 0.0
    term[sells] = account.lots.long_term[moves.lot[sells]]
    return term


def _times_sigma(universe: Universe, active: Floats) -> Floats:
    exposure = universe.factor_cov @ (universe.loadings.T @ active)
    product: Floats = universe.loadings @ exposure + universe.specific_var * active
    return product


# --- rules -------------------------------------------------------------------------------------


def _violation(account: Account, rule: str, amount: float, message: str) -> Violation:
    return Violation(account.account_id, rule, float(amount), message)


def _over(
    universe: Universe, account: Account, rule: str, excess: Floats, tolerance: float, what: str
) -> list[Violation]:
    """One violation for each security whose excess is above the tolerance."""
    return [
        _violation(account, rule, excess[i], f"{universe.security[i]}: {what} ({excess[i]:.6g})")
        for i in np.flatnonzero(excess > tolerance)
    ]


def _shape(universe: Universe, account: Account, moves: Moves) -> list[Violation]:
    """Trades that name something which is not there, or that trade nothing."""
    lots, size = account.lots, len(moves.shares)
    if len(moves.security) != size or len(moves.lot) != size:
        return [_violation(account, "trade_shape", size, "columns of different length")]
    known = (moves.security >= 0) & (moves.security < len(universe.price))
    known &= np.isfinite(moves.shares) & (moves.shares != 0.0)
    buys = moves.shares > 0.0
    lot = (moves.lot >= 0) & (moves.lot < len(lots.quantity))
    own = np.zeros(size, dtype=bool)
    own[lot] = lots.security[moves.lot[lot]] == moves.security[lot]
    good = known & np.where(buys, moves.lot == -1, own)
    return [
        _violation(account, "trade_shape", 1.0, f"trade {row}: no such security, lot or quantity")
        for row in np.flatnonzero(~good)
    ]


def _rules(
    universe: Universe, account: Account, moves: Moves, exact: Figures, barred: Mask
) -> list[Violation]:
    n = len(universe.price)
    buys = moves.shares > 0.0
    bought = _sums(moves.security[buys], moves.shares[buys], n)
    sold = _sums(moves.security[~buys], -moves.shares[~buys], n)
    held = _sums(account.lots.security, account.lots.quantity, n)
    return [
        *_share_rules(universe, account, moves, held, bought, sold),
        *_wish_rules(universe, account, exact, bought, sold, held),
        *_over(
            universe, account, "wash_buy", bought * barred, SHARES,
            "shares bought in a group sold at a loss",
        ),
        *_account_rules(universe, account, exact),
        *_name_rules(account, held + bought - sold),
    ]  # fmt: skip


def names_held(shares: Floats) -> int:
    """Securities of which more than the smallest quantity is held."""
    return int((shares > SHARES).sum())


def _name_rules(account: Account, left: Floats) -> list[Violation]:
    """No more securities are held than may be."""
    most, held = account.max_names, names_held(left)
    if most is None or held <= most:
        return []
    message = f"{held} names are held, {most} may be"
    return [_violation(account, "max_names", held - most, message)]


def _share_rules(
    universe: Universe,
    account: Account,
    moves: Moves,
    held: Floats,
    bought: Floats,
    sold: Floats,
) -> list[Violation]:
    """Lots, shorts, whole shares, smallest trades, and both sides of one security."""
    lots = account.lots
    over = _sold_by_lot(account, moves) - lots.quantity
    found = [
        _violation(
            account, "oversold_lot", over[lot],
            f"{universe.security[lots.security[lot]]}, lot {lot}: {over[lot]:.6g} shares too many",
        )
        for lot in np.flatnonzero(over > SHARES)
    ]  # fmt: skip
    found += _over(universe, account, "short", sold - bought - held, SHARES, "shares short")
    both = np.minimum(bought, sold)
    found += _over(universe, account, "both_sides", both, 0.0, "shares bought and sold")
    emptied = held + bought - sold <= SHARES
    if account.whole_shares:
        off = np.abs(moves.shares - np.rint(moves.shares))
        off = np.where(emptied[moves.security] & (moves.shares < 0.0), 0.0, off)
        parts = np.zeros(len(held))
        np.maximum.at(parts, moves.security, off)
        found += _over(universe, account, "whole_shares", parts, WEIGHT, "a fraction is traded")
    size = np.abs(bought - sold) * universe.price
    short = np.where((size > 0.0) & ~emptied, account.min_trade - size, 0.0)
    found += _over(universe, account, "min_trade", short, DOLLARS, "dollars below the minimum")
    left = (held + bought - sold) * universe.price
    scale = max(account.cash + float(held @ universe.price), 0.0)
    stub = np.where((size > 0.0) & ~emptied, account.min_position * scale - left, 0.0)
    found += _over(universe, account, "min_position", stub, DOLLARS, "dollars below the minimum")
    return found


def _wish_rules(
    universe: Universe,
    account: Account,
    exact: Figures,
    bought: Floats,
    sold: Floats,
    held: Floats,
) -> list[Violation]:
    limits = account.limits
    left = (held + bought - sold) * limits.exclude
    above = exact.weight_after - limits.max_weight
    return [
        *_over(universe, account, "exclude", left, SHARES, "shares left of an exclusion"),
        *_over(universe, account, "no_buy", bought * limits.no_buy, 0.0, "shares bought"),
        *_over(universe, account, "no_sell", sold * limits.no_sell, 0.0, "shares sold"),
        *_over(universe, account, "max_weight", above, WEIGHT, "weight above its maximum"),
    ]


def excesses(
    universe: Universe, account: Account, exact: Figures
) -> list[tuple[str, float, float]]:
    """(rule, excess, tolerance) of bands, budgets and caps, all in weights of V."""
    cash_slack = WHOLE_CASH if account.whole_shares else CONTINUOUS
    sector_slack = WHOLE_SECTOR if account.whole_shares else CONTINUOUS
    value = exact.value if exact.value > 0.0 else 1.0
    limits, cash = account.limits, exact.cash_after / value
    sectors = _sums(universe.sector, exact.weight_after, len(limits.sector_max))
    found = [
        ("cash_low", account.cash_low - cash, cash_slack),
        ("cash_high", cash - account.cash_high, cash_slack),
    ]
    for code, name in enumerate(universe.sector_name):
        reached, high, low = sectors[code], limits.sector_max[code], limits.sector_min[code]
        found.append((f"sector_max:{name}", float(reached - high), sector_slack))
        if low > 0.0:
            found.append((f"sector_min:{name}", float(low - reached), sector_slack))
    for rule, limit, reached, unit, tolerance in (
        ("max_turnover", account.max_turnover, exact.turnover, 1.0, WEIGHT),
        ("st_gain_budget", account.st_gain_budget, exact.st_gain, value, BUDGET / value),
        ("lt_gain_budget", account.lt_gain_budget, exact.lt_gain, value, BUDGET / value),
        ("te_cap", account.te_cap, exact.te_after, 1.0, WEIGHT),
    ):
        if limit is not None:
            found.append((rule, (reached - limit) / unit, tolerance))
    return found


def _account_rules(universe: Universe, account: Account, exact: Figures) -> list[Violation]:
    return [
        _violation(account, rule, amount, f"{rule} is missed by {amount * 1e4:.6g} bp of value")
        for rule, amount, tolerance in excesses(universe, account, exact)
        if not amount <= tolerance  # NaN is a breach too
    ]


def _barred(universe: Universe, taxpayer: Taxpayer, trades: Sequence[Moves]) -> Mask:
    """(n,) groups sold at a loss in the last 30 days or by any account here (IRAs too)."""
    lost = [taxpayer.loss_groups]
    for account, moves in zip(taxpayer.accounts, trades, strict=True):
        lost.append(universe.group[moves.security[_at_a_loss(universe, account, moves)]])
    mask: Mask = np.isin(universe.group, np.concatenate(lost))
    return mask


# --- what a plan says about itself --------------------------------------------------------------


def _claims(account: Account, plan: Plan, exact: Figures) -> list[Violation]:
    """Figures of the plan that its own trades do not bear out."""
    scale = max(abs(exact.value), 1.0)
    trades = plan.trades
    pairs = (
        ("objective", plan.objective, exact.objective, scale),
        ("objective_before", plan.objective_before, exact.objective_before, scale),
        ("tax", plan.tax, exact.tax, scale),
        ("cost", plan.cost, exact.cost, scale),
        ("cash_after", plan.cash_after, exact.cash_after, scale),
        ("te_before", plan.te_before, exact.te_before, 1.0),
        ("te_after", plan.te_after, exact.te_after, 1.0),
        ("turnover", plan.turnover, exact.turnover, 1.0),
        ("trade notional", trades.notional, exact.trade_notional, scale),
        ("trade tax", trades.tax, exact.trade_tax, scale),
        ("trade cost", trades.cost, exact.trade_cost, scale),
        ("trade risk", trades.risk, exact.trade_risk, scale),
    )
    found = []
    for name, said, true, unit in pairs:
        off = float(np.max(np.abs(np.asarray(said) - true), initial=0.0))
        if not off <= FIGURE * unit:
            found.append(_violation(account, "figure", off, f"{name} is off by {off:.6g}"))
    if plan.bound > plan.objective + FIGURE * scale:
        over = plan.bound - plan.objective
        found.append(_violation(account, "bound", over, f"the bound is {over:.6g} too high"))
    return found
