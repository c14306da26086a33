"""The decision for one taxpayer: every account solved, the household settled, every plan checked.

Accounts are solved one by one; where one would buy what another sells at a loss, the household
gives up the side that is worth less, and the accounts concerned are solved again (W27). Every
plan's figures come from the independent check, which also judges it before it leaves.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np

from opensma.construct import check, reasons
from opensma.construct.conflict import explain
from opensma.construct.decide import choose, finish
from opensma.construct.limits import Relaxed, at_aversion, lower_bound, relaxed, true_costs
from opensma.construct.plan import Plan, Status, Trades
from opensma.construct.prepare import Choice, Desk, Prepared, blocked, desk
from opensma.construct.problem import Codes, Floats, Taxpayer
from opensma.construct.search import TAX, VARIANCE, State, removal, start
from opensma.construct.wash import lot_rows
from opensma.errors import ensure

__all__ = ["Prepared", "solve_taxpayer"]
_TIGHTER = (2.0, 5.0, 25.0)  # times the aversion, where rounding has left a cap exceeded
_TOLERATED = 2e-4  # weight: what whole shares may miss a band by


@dataclass(frozen=True, slots=True)
class Answer:
    """One account's trades in units, with what led to them."""

    relaxed: Relaxed
    state: State
    broken: float  # by how much limits are exceeded, as weights
    bound: float  # on J / V
    seconds: float

    @property
    def desk(self) -> Desk:
        """The account's desk, lots in the order in which they are sold."""
        return self.relaxed.desk


def solve_taxpayer(prepared: Prepared, taxpayer: Taxpayer, as_of: int) -> list[Plan]:
    """Plans of the taxpayer's accounts, in order; `as_of` is a date ordinal.

    A plan that the independent check refuses is reported as infeasible, with the conflict, or as
    failed, and trades nothing.
    """
    n = len(prepared.universe.price)
    choices = [
        Choice(blocked(prepared, taxpayer), np.zeros(n, dtype=bool)) for _ in taxpayer.accounts
    ]
    answers = [_answer(prepared, taxpayer, p, as_of, c, None) for p, c in enumerate(choices)]
    if len(answers) > 1:
        for p in sorted(_settle(prepared, answers, choices)):
            answers[p] = _answer(prepared, taxpayer, p, as_of, choices[p], answers[p])
        for p in _contesting(answers):
            choice = _beside(prepared, answers, p, choices[p])
            answers[p] = _adjusted(prepared, taxpayer, p, as_of, choice, answers[p])
    plans = _judged(prepared, taxpayer, answers, as_of)
    stuck = [p for p, plan in enumerate(plans) if plan.status is not Status.SOLVED]
    if not stuck or len(answers) == 1:
        return plans
    again = _judged(prepared, taxpayer, _in_turn(prepared, taxpayer, as_of, answers, stuck), as_of)
    return again if _unsolved(again) < _unsolved(plans) else plans


def _unsolved(plans: list[Plan]) -> int:
    return sum(plan.status is not Status.SOLVED for plan in plans)


def _in_turn(
    prepared: Prepared, taxpayer: Taxpayer, as_of: int, answers: list[Answer], first: list[int]
) -> list[Answer]:
    """Solve again one after another, those that found no room first; the rest give way."""
    order = [*first, *(p for p in range(len(answers)) if p not in first)]
    barred = Choice(blocked(prepared, taxpayer), np.zeros(len(prepared.group), dtype=bool))
    solved: dict[int, Answer] = {}
    for p in order:
        choice = _beside(prepared, list(solved.values()), None, barred) if solved else barred
        solved[p] = _answer(prepared, taxpayer, p, as_of, choice, answers[p])
    return [solved[p] for p in range(len(answers))]


def _answer(
    prepared: Prepared,
    taxpayer: Taxpayer,
    position: int,
    as_of: int,
    choice: Choice,
    earlier: Answer | None,
) -> Answer:
    """Solve one account; a repeated solve keeps the first one's bound, which knew fewer bars."""
    started = time.perf_counter()
    table = desk(prepared, taxpayer, position, as_of, choice)
    found = relaxed(table, earlier.relaxed if earlier else None)
    slack = (check.WHOLE_CASH, check.WHOLE_SECTOR) if table.whole else (check.CONTINUOUS,) * 2
    bound = lower_bound(found, *slack)
    dual, state, broken = _whole_units(found)
    for times in _TIGHTER if table.account.te_cap is not None else ():
        if broken <= 0.0:
            break
        found = at_aversion(table, found, times)
        dual, state, broken = _whole_units(found)
    found = replace(found, desk=replace(found.desk, data=true_costs(found.desk)))
    state, broken = _no_worse(found, state, broken)
    if earlier is not None:
        bound = earlier.bound
    elif found.prices.plain:
        bound = max(bound, lower_bound(replace(found, dual=dual), *slack))
    seconds = time.perf_counter() - started + (earlier.seconds if earlier else 0.0)
    return Answer(found, state, broken, bound, seconds)


def _adjusted(
    prepared: Prepared,
    taxpayer: Taxpayer,
    position: int,
    as_of: int,
    choice: Choice,
    earlier: Answer,
) -> Answer:
    """An account that must give up a few trades: the others are improved around them."""
    prices = earlier.relaxed.prices
    if earlier.desk.account.te_cap is not None or not prices.plain:
        return _answer(prepared, taxpayer, position, as_of, choice, earlier)
    started = time.perf_counter()
    table = desk(prepared, taxpayer, position, as_of, choice)
    units = earlier.state.units.copy()
    units[(units > 0) & choice.no_buy | (units < 0) & choice.no_loss] = 0
    found = replace(earlier.relaxed, desk=table)
    cash = float(found.dual[table.data.factor.shape[1]])
    state, broken = finish(table.data, table.limits, units, prices.aversion, prices.aversion, cash)
    state, broken = _no_worse(found, state, broken)
    seconds = earlier.seconds + time.perf_counter() - started
    return Answer(found, state, broken, earlier.bound, seconds)


def _whole_units(found: Relaxed) -> tuple[Floats, State, float]:
    """Multipliers, trades in whole units and what limits they still break."""
    table, aversion = found.desk, found.prices.aversion
    dual, weight = found.dual.copy(), found.weight.copy()
    state, broken = choose(table.data, table.limits, aversion, dual, found.centre.copy(), weight)
    capped = table.account.te_cap is not None
    if capped or not found.prices.plain:
        own, cash = 0.0 if capped else aversion, float(dual[table.data.factor.shape[1]])
        state, broken = finish(true_costs(table), table.limits, state.units, own, aversion, cash)
    return dual, state, broken


def _no_worse(found: Relaxed, state: State, broken: float) -> tuple[State, float]:
    """Doing nothing, where that is allowed and no worse."""
    table = found.desk
    idle = np.zeros(len(state.units), dtype=np.int64)
    nothing, still = _nothing_done(table, idle)
    if not len(table.account.lots.quantity) and table.account.cash <= 0.0:
        return nothing, 0.0  # nothing to decide about
    if still > 0.0:
        return state, broken
    aversion = table.account.risk_aversion or 0.0
    better = _objective(state, aversion) < _objective(nothing, aversion)
    return (state, broken) if better and broken <= _TOLERATED else (nothing, 0.0)


def _nothing_done(table: Desk, idle: Codes) -> tuple[State, float]:
    """The account as it is, and how far it breaks its limits."""
    state = start(table.data, idle)
    security = table.data.security
    forced = float(np.maximum(security["held"] - security["high"], 0.0).sum())
    return state, forced + float(reasons.broken(table, state))


def _objective(state: State, aversion: float) -> float:
    return float(0.5 * aversion * state.total[VARIANCE] + state.total[TAX])


# --- the household -----------------------------------------------------------------------------


def _settle(prepared: Prepared, answers: list[Answer], choices: list[Choice]) -> set[int]:
    """Where one account buys what another sells at a loss, bar the side worth less."""
    bought = [a.state.buys > 0 for a in answers]
    lost = [a.state.losses > 0 for a in answers]
    changed: set[int] = set()
    contested = np.flatnonzero(np.any(bought, axis=0) & np.any(lost, axis=0))
    for group in contested.tolist():
        buyers = [p for p, mask in enumerate(bought) if mask[group]]
        sellers = [p for p, mask in enumerate(lost) if mask[group]]
        members = prepared.group == group
        buying = sum(_worth(answers[p], members, True) for p in buyers)
        losing = sum(_worth(answers[p], members, False) for p in sellers)
        if buying > losing:
            changed |= set(sellers)
            choices[:] = [replace(c, no_loss=c.no_loss | members) for c in choices]
        else:
            changed |= set(buyers)
            choices[:] = [replace(c, no_buy=c.no_buy | members) for c in choices]
    return changed


def _contesting(answers: list[Answer]) -> list[int]:
    """Accounts that still buy what another sells at a loss, or the other way round."""
    found = []
    for p, answer in enumerate(answers):
        others = [a.state for q, a in enumerate(answers) if q != p]
        clash = [
            (answer.state.buys > 0) & (s.losses > 0) | (answer.state.losses > 0) & (s.buys > 0)
            for s in others
        ]
        if np.any(clash):
            found.append(p)
    return found


def _beside(
    prepared: Prepared, answers: list[Answer], position: int | None, choice: Choice
) -> Choice:
    """Bars for one account so that it fits what all others do now; they stay as they are."""
    others = [a.state for q, a in enumerate(answers) if q != position]
    sold = np.any([s.losses > 0 for s in others], axis=0)[prepared.group]
    bought = np.any([s.buys > 0 for s in others], axis=0)[prepared.group]
    return Choice(choice.no_buy | sold, choice.no_loss | bought)


def _worth(answer: Answer, members: np.ndarray, buys: bool) -> float:
    """Dollars lost when an account gives up its trades on one side of these securities."""
    units = answer.state.units
    chosen = np.flatnonzero(members & ((units > 0) if buys else (units < 0)))
    prices = answer.relaxed.prices
    lost = sum(removal(answer.desk.data, answer.state, prices.aversion, int(i)) for i in chosen)
    forced = any(answer.desk.data.security["high"][i] < answer.desk.data.security["held"][i]
                 for i in chosen)  # fmt: skip
    return np.inf if forced else float(lost * answer.desk.value)


# --- from units to plans -----------------------------------------------------------------------


def moves(answer: Answer) -> check.BareMoves:
    """The trades lot by lot, in shares."""
    table, data = answer.desk, answer.desk.data
    room = len(data.security) + len(data.lot)
    security, lot, parts = (np.zeros(room, dtype=np.int64) for _ in range(3))
    count = lot_rows(data, answer.state.units, security, lot, parts)
    security, lot, parts = security[:count], lot[:count], parts[:count]
    sold, every = lot >= 0, parts < 0
    shares: Floats = np.where(sold, -1.0, 1.0) * parts.astype(np.float64) * table.unit
    own = np.full(count, -1, dtype=np.int64)
    own[sold] = table.lot[lot[sold]]
    shares[every] = -table.account.lots.quantity[own[every]]
    return check.BareMoves(security, own, shares)


def _judged(
    prepared: Prepared, taxpayer: Taxpayer, answers: list[Answer], as_of: int
) -> list[Plan]:
    """Plans with exact figures; what the check refuses trades nothing, and all are judged again."""
    refused: dict[int, tuple[Status, str]] = {}
    number = {a.account_id: p for p, a in enumerate(taxpayer.accounts)}
    while True:
        trades = [check.BareMoves.none() if p in refused else moves(a)
                  for p, a in enumerate(answers)]  # fmt: skip
        solved = [p not in refused for p in range(len(answers))]
        violations, figures = check.judge(prepared.universe, taxpayer, trades, as_of, solved)
        ensure(len(figures) == len(answers), "trades name what is not there", found=violations)
        if not violations:
            break
        for found in violations:
            position = number[found.account_id]
            ensure(solved[position], "a plan without trades breaks a rule", found=found)
            if position not in refused:
                refused[position] = explain(prepared, taxpayer, position, as_of, found)
    return [
        _nothing(answer, figures[p], *refused[p])
        if p in refused
        else _plan(prepared, taxpayer, p, answer, trades[p], figures[p])
        for p, answer in enumerate(answers)
    ]


def _nothing(answer: Answer, figures: check.Figures, status: Status, message: str) -> Plan:
    """An account that is left alone, with the reason."""
    before = figures.objective_before
    account = answer.desk.account
    return Plan(
        account.account_id, status, message, _no_trades(), (), before, before, np.nan,
        figures.te_before, figures.te_before, 0.0, 0.0, 0.0, account.cash,
        answer.relaxed.prices.aversion, (), answer.seconds,
    )  # fmt: skip


def _no_trades() -> Trades:
    codes, floats = np.zeros(0, dtype=np.int64), np.zeros(0)
    return Trades(codes, codes, floats, floats, floats, floats, floats, floats, ())


def _plan(
    prepared: Prepared,
    taxpayer: Taxpayer,
    position: int,
    answer: Answer,
    trades: check.BareMoves,
    figures: check.Figures,
) -> Plan:
    table, prices = answer.desk, answer.relaxed.prices
    account = table.account
    why = reasons.of_trades(prepared, table, trades, figures)
    capped = account.te_cap is not None
    shadow = prices.aversion * figures.trade_risk_unit if capped else figures.trade_risk
    return Plan(
        account_id=account.account_id,
        status=Status.SOLVED,
        message="",
        trades=Trades(
            trades.security, trades.lot, trades.shares, figures.trade_notional,
            figures.trade_tax, figures.trade_cost, figures.trade_risk, shadow, why,
        ),
        non_trades=reasons.not_traded(prepared, taxpayer, table, trades),
        objective=figures.objective,
        objective_before=figures.objective_before,
        bound=min(answer.bound * table.value, figures.objective),
        te_before=figures.te_before,
        te_after=figures.te_after,
        tax=figures.tax,
        cost=figures.cost,
        turnover=figures.turnover,
        cash_after=figures.cash_after,
        risk_aversion=prices.aversion,
        binding=reasons.binding(prepared, table, figures),
        seconds=answer.seconds,
    )  # fmt: skip
