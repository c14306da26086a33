"""The decision for one taxpayer: every account solved, the household settled, every plan checked.

Accounts are solved one by one; where one would buy what another sells at a loss, the household
gives up the side that is worth less, and the accounts concerned are solved again (W27). Every
plan's figures come from the independent check, which also judges it before it leaves.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from opensma.construct import check, reasons
from opensma.construct.bound import Priced, Ways, ways
from opensma.construct.conflict import explain
from opensma.construct.decide import choose, finish, rounded
from opensma.construct.household import beside, trades_of, units_sold, weights_sold
from opensma.construct.limits import (
    Relaxed,
    guided,
    limits_worth,
    relaxed,
    reprice,
    tighter,
    true_costs,
)
from opensma.construct.plan import Plan, Status, Trades
from opensma.construct.prepare import Choice, Desk, Prepared, blocked, desk, under
from opensma.construct.problem import Codes, Floats, Mask, Taxpayer
from opensma.construct.state import TAX, VARIANCE, Goal, State, start
from opensma.errors import ensure

__all__ = ["Prepared", "solve_taxpayer"]
_TIGHTER = (
    1.02,
    1.1,
    1.4,
    2.5,
    6.0,
    25.0,
)  # times the aversion, where rounding has left a cap exceeded
_CLOSE = 5e-5  # of V: a gap below which the bound is left alone
_ROUNDS = 2  # in which a household decides
_TOLERATED = 2e-4  # weight: what whole shares may miss a band by


@dataclass(frozen=True, slots=True)
class Draft:
    """One account relaxed, under what its household has decided so far."""

    open: Desk  # as the law leaves it, before the household decides
    table: Desk  # under the choice
    choice: Choice
    kept: Mask  # (G,) groups that better sell nothing at a loss
    relaxed: Relaxed
    seconds: float

    def priced(self, dual: Floats | None = None) -> Priced:
        """Its multipliers, for the bound: on the open desk, which knows no decision."""
        found, table = self.relaxed, self.open
        slack = (check.WHOLE_CASH, check.WHOLE_SECTOR) if table.whole else (check.CONTINUOUS,) * 2
        priced = table if found.prices.plain else reprice(table, found.prices)
        dual = found.dual.copy() if dual is None else dual
        return Priced(priced, found.prices.aversion, dual, limits_worth(found), *slack)


@dataclass(frozen=True, slots=True)
class Answer:
    """One account's trades in units, with what led to them."""

    draft: Draft
    relaxed: Relaxed
    state: State
    broken: float  # by how much limits are exceeded, as weights
    dual: Floats  # multipliers with every mode fixed
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
    drafts, found, bounds = _drafts(prepared, taxpayer, as_of)
    answers = _answers(prepared, drafts, as_of)
    if all(a.relaxed.prices.plain for a in answers) and _loose(answers, bounds):
        last = ways(prepared, [a.draft.priced(a.dual) for a in answers]).shares
        bounds = max(bounds, last, key=lambda parts: float(parts.sum()))
    if len(answers) > 1:
        answers = _settled(prepared, taxpayer, as_of, answers, found)
    plans = _judged(prepared, taxpayer, answers, as_of, bounds)
    stuck = [p for p, plan in enumerate(plans) if plan.status is not Status.SOLVED]
    if not stuck or len(answers) == 1:
        return plans
    turned = _in_turn(prepared, taxpayer, as_of, answers, stuck)
    again = _judged(prepared, taxpayer, turned, as_of, bounds)
    return again if _unsolved(again) < _unsolved(plans) else plans


def _loose(answers: list[Answer], bounds: Floats) -> bool:
    """Whether the bound is worth another try at the multipliers of the modes chosen."""
    value = np.array([a.desk.value for a in answers])
    reached = [_objective(a.state, a.desk.account.risk_aversion or 0.0) for a in answers]
    return bool(np.array(reached) @ value - bounds.sum() > _CLOSE * value.sum())


def _drafts(prepared: Prepared, taxpayer: Taxpayer, as_of: int) -> tuple[list[Draft], Ways, Floats]:
    """Relax every account, let the household decide group by group, and relax again.

    Also returns the last ways of every group and the best bounds: (accounts,) dollars.
    """
    barred = Choice(blocked(prepared, taxpayer), np.zeros(len(prepared.group), dtype=bool))
    drafts = [_draft(prepared, taxpayer, p, as_of, barred) for p in range(len(taxpayer.accounts))]
    found = ways(prepared, [draft.priced() for draft in drafts])
    bounds = found.shares
    several = len(drafts) > 1
    rounds = _ROUNDS if several else int(_minds_washes(prepared, drafts))
    for _ in range(rounds):
        drafts = [
            _relaxed_again(_redraft(prepared, several, found, barred, draft)) for draft in drafts
        ]
        found = ways(prepared, [draft.priced() for draft in drafts])
        bounds = max(bounds, found.shares, key=lambda parts: float(parts.sum()))
    if rounds:  # the last word, without relaxing once more
        drafts = [_redraft(prepared, several, found, barred, draft) for draft in drafts]
    else:
        drafts = [replace(draft, kept=found.kept) for draft in drafts]
    return drafts, found, bounds


def _minds_washes(prepared: Prepared, drafts: list[Draft]) -> bool:
    """Whether a lot at a loss could be washed by recent shares."""
    data = drafts[0].open.data
    lossy = data.lot["security"][data.lot["gain"] < 0.0]
    return bool(data.washed[prepared.group[lossy]].any())


def _draft(
    prepared: Prepared, taxpayer: Taxpayer, position: int, as_of: int, choice: Choice
) -> Draft:
    started = time.perf_counter()
    table = desk(prepared, taxpayer, position, as_of, choice)
    found = relaxed(table)
    kept = np.zeros(len(prepared.group_code), dtype=bool)
    return Draft(table, table, choice, kept, found, time.perf_counter() - started)


def _decided(prepared: Prepared, found: Ways, barred: Choice) -> Choice:
    """Where accounts of a household want different ways, the way that costs least in all."""
    alone = found.keep <= found.harvest
    contested = np.logical_and(np.any(alone, axis=0), ~np.all(alone, axis=0))[prepared.group]
    kept = found.kept[prepared.group]
    return Choice(barred.no_buy | (contested & ~kept), barred.no_loss | (contested & kept))


def _redraft(prepared: Prepared, several: bool, found: Ways, barred: Choice, draft: Draft) -> Draft:
    """The draft under the household's choice, recent shares at their price."""
    started = time.perf_counter()
    table, choice = draft.open, barred
    if several:
        choice = _decided(prepared, found, barred)
        table = under(table, choice)
    relief = np.where(found.kept, -1.0, found.relief)[prepared.group]
    relief = np.where(relief > 0.0, relief / prepared.universe.price, relief)
    relief = np.where(table.data.washed[prepared.group], relief, 0.0)
    table = guided(table, relief, found.last[prepared.group])
    prices = draft.relaxed.prices
    priced = table if prices.plain else reprice(table, prices)
    seconds = draft.seconds + time.perf_counter() - started
    again = replace(draft.relaxed, desk=priced)
    return Draft(draft.open, table, choice, found.kept, again, seconds)


def _relaxed_again(draft: Draft) -> Draft:
    started = time.perf_counter()
    again = relaxed(draft.table, draft.relaxed)
    return replace(draft, relaxed=again, seconds=draft.seconds + time.perf_counter() - started)


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
        solved[p] = _answer(_draft_as(prepared, taxpayer, p, as_of, choice, answers[p]))
    return [solved[p] for p in range(len(answers))]


def _draft_as(
    prepared: Prepared,
    taxpayer: Taxpayer,
    position: int,
    as_of: int,
    choice: Choice,
    earlier: Answer,
) -> Draft:
    """A draft of one account under another choice, recent shares priced as before."""
    started = time.perf_counter()
    table = under(earlier.draft.open, choice)
    table = guided(table, earlier.desk.relief, earlier.desk.last)
    found = relaxed(table, earlier.draft.relaxed)
    seconds = earlier.seconds + time.perf_counter() - started
    return replace(earlier.draft, table=table, choice=choice, relaxed=found, seconds=seconds)


def _answer(draft: Draft) -> Answer:
    """Whole units for one account; where they exceed a tracking-error cap, at a higher aversion."""
    started = time.perf_counter()
    found = draft.relaxed
    dual, state, broken = _whole_units(found, draft.kept)
    capped = found.desk.account.te_cap is not None
    for times in _TIGHTER if capped or not found.prices.plain else ():
        if broken <= 0.0:
            break
        dearer = tighter(draft.table, draft.relaxed, times)
        other = _whole_units(dearer, draft.kept)
        if other[2] < broken:
            found, (dual, state, broken) = dearer, other
    if broken > _TOLERATED:
        state, broken = _from_nothing(found, state, broken)
    found = replace(found, desk=replace(found.desk, data=true_costs(found.desk)))
    state, broken = _no_worse(found, state, broken)
    seconds = time.perf_counter() - started + draft.seconds
    return Answer(draft, found, state, broken, dual, seconds)


def _from_nothing(found: Relaxed, state: State, broken: float) -> tuple[State, float]:
    """The same search from no trades at all, where that ends nearer to the limits."""
    table, idle = found.desk, np.zeros(len(state.units), dtype=np.int64)
    other = finish(true_costs(table), table.limits, idle, _goal(found, found.dual))
    return other if other[1] < broken else (state, broken)


def _adjusted(
    prepared: Prepared,
    taxpayer: Taxpayer,
    position: int,
    as_of: int,
    choice: Choice,
    answers: list[Answer],
) -> Answer:
    """An account that must give up a few trades: the others are improved around them."""
    earlier = answers[position]
    prices = earlier.relaxed.prices
    sales = {q: _sales(answer) for q, answer in enumerate(answers)}
    started = time.perf_counter()
    units = earlier.state.units.copy()
    lost = (units < 0) & choice.no_loss & earlier.state.loss
    units[(units > 0) & choice.no_buy | lost] = 0
    if lost.any() and (earlier.desk.account.te_cap is not None or not prices.plain):
        return _answer(_draft_as(prepared, taxpayer, position, as_of, choice, earlier))
    table = under(earlier.draft.open, choice)
    table = guided(table, earlier.desk.relief, earlier.desk.last)
    table = _beside_others(prepared, table, position, sales, as_of)
    found = replace(earlier.relaxed, desk=replace(table, data=true_costs(table)))
    state, broken = finish(found.desk.data, table.limits, units, _goal(found, found.dual))
    state, broken = _no_worse(found, state, broken)
    seconds = earlier.seconds + time.perf_counter() - started
    return replace(earlier, relaxed=found, state=state, broken=broken, seconds=seconds)


def _whole_units(found: Relaxed, kept: Mask) -> tuple[Floats, State, float]:
    """Multipliers, trades in whole units and what limits they still break."""
    table, aversion = found.desk, found.prices.aversion
    dual, weight = found.dual.copy(), found.weight.copy()
    centre = found.centre.copy()
    state, broken = choose(table.data, table.limits, aversion, dual, centre, weight, kept)
    capped = table.account.te_cap is not None
    if not capped and found.prices.plain:
        return dual, state, broken
    # Modes fixed at the price of a limit can end far from it: start from the relaxation as well.
    data, goal = true_costs(table), _goal(found, dual)
    state, broken = finish(data, table.limits, state.units, goal)
    near = rounded(table.data, found.weight, kept)
    other, still = finish(data, table.limits, near, _goal(found, found.dual))
    own = goal.aversion
    if (still, _objective(other, own)) < (broken, _objective(state, own)):
        return dual, other, still
    return dual, state, broken


def _goal(found: Relaxed, dual: Floats) -> Goal:
    """The real objective, with the prices of limits to guide the search."""
    prices, table = found.prices, found.desk
    own = 0.0 if table.account.te_cap is not None else prices.aversion
    cash = float(dual[table.data.factor.shape[1]])
    extra = (0.5 * prices.turnover, prices.short_gain, prices.long_gain, prices.names)
    return Goal(own, prices.aversion, cash, *extra)


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


def _answers(prepared: Prepared, drafts: list[Draft], as_of: int) -> list[Answer]:
    """Whole units account by account, each beside what the others do or are about to do."""
    others = {p: (d.relaxed.desk, weights_sold(d.relaxed)) for p, d in enumerate(drafts)}
    answers = []
    for p, draft in enumerate(drafts):
        if len(drafts) > 1:
            table = _beside_others(prepared, draft.relaxed.desk, p, others, as_of)
            draft = replace(draft, relaxed=replace(draft.relaxed, desk=table))
        answers.append(_answer(draft))
        others[p] = _sales(answers[p])
    return answers


def _sales(answer: Answer) -> tuple[Desk, Floats]:
    return answer.desk, units_sold(answer.desk, answer.state.units)


def _beside_others(
    prepared: Prepared,
    table: Desk,
    position: int,
    sales: Mapping[int, tuple[Desk, Floats]],
    as_of: int,
) -> Desk:
    others = {q: sale for q, sale in sales.items() if q != position}
    return beside(prepared, table, position, others, as_of)


def _settled(
    prepared: Prepared, taxpayer: Taxpayer, as_of: int, answers: list[Answer], found: Ways
) -> list[Answer]:
    """Give up one side of every group that one account buys and another sells at a loss.

    Then every account is improved once more beside what all others do.
    """
    buys = np.any([a.state.buys > 0 for a in answers], axis=0)
    losses = np.any([a.state.losses > 0 for a in answers], axis=0)
    clash: Mask = np.logical_and(buys, losses)[prepared.group]
    kept = found.kept[prepared.group]
    answers = list(answers)
    for p, answer in enumerate(answers):
        fits = _beside(prepared, answers, p, answer.draft.choice)
        no_buy = np.where(clash, answer.draft.choice.no_buy | ~kept, fits.no_buy)
        no_loss = np.where(clash, answer.draft.choice.no_loss | kept, fits.no_loss)
        answers[p] = _adjusted(prepared, taxpayer, p, as_of, Choice(no_buy, no_loss), answers)
    return answers


def _beside(
    prepared: Prepared, answers: list[Answer], position: int | None, choice: Choice
) -> Choice:
    """Bars for one account so that it fits what all others do now; they stay as they are."""
    others = [a.state for q, a in enumerate(answers) if q != position]
    sold = np.any([s.losses > 0 for s in others], axis=0)[prepared.group]
    bought = np.any([s.buys > 0 for s in others], axis=0)[prepared.group]
    return Choice(choice.no_buy | sold, choice.no_loss | bought)


# --- from units to plans -----------------------------------------------------------------------


def _judged(
    prepared: Prepared, taxpayer: Taxpayer, answers: list[Answer], as_of: int, bounds: Floats
) -> list[Plan]:
    """Plans with exact figures; what the check refuses trades nothing, and all are judged again."""
    refused: dict[int, tuple[Status, str]] = {}
    number = {a.account_id: p for p, a in enumerate(taxpayer.accounts)}
    while True:
        trades = [check.BareMoves.none() if p in refused else trades_of(a.desk, a.state.units)
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
        else _plan(prepared, taxpayer, p, answer, trades[p], figures[p], bounds[p])
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
    bound: float,
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
        bound=min(bound, figures.objective),
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
