"""Stage `decide`: ask `construct` for every taxpayer's plans and file them with their reasons.

Shards of taxpayers run in worker processes that read the book themselves; plans come back as rows
and are written here, a batch of taxpayers per transaction. One account's failure stays its own;
where the solver was in trouble, the problem is saved beside the book for `sma construct replay`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from opensma import __version__
from opensma.book.daybook import DayContext
from opensma.book.debits import fees_due
from opensma.book.gain_budgets import BudgetYear, budget_years
from opensma.book.ledger import load_states
from opensma.book.master import Household
from opensma.book.plans import (
    PlanContext,
    PlanRates,
    StoredPlan,
    day_plan_rates,
    day_plans,
    put_plan_rates,
    put_plan_rows,
    stored,
)
from opensma.book.runs import ExceptionRecord, RatesUsed, add_exceptions, day_exceptions
from opensma.book.state import AccountState
from opensma.book.store import Book, Connection, row_of
from opensma.book.taxnow import OnRecord, on_record
from opensma.construct.plan import Plan, Status
from opensma.construct.problem import Taxpayer
from opensma.construct.saved import Decided, SavedProblem, Solve, decide, file_name, pack
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.errors import InputError, InvariantError, OpensmaError, PlanError
from opensma.market import estimate_risk
from opensma.trade.gain_year import WithinYear, gains_left
from opensma.trade.marginal import NETTING, at_rates, decide_netted, netted_year
from opensma.trade.problem import DayUniverse, day_universe, day_view, taxpayer_problem
from opensma.units import notional_cents_array
from opensma.workers import map_shards

STAGE = "decide"
_SHARD = 24  # taxpayers per task: small enough to share evenly, large enough to be cheap


@dataclass(frozen=True, slots=True)
class DecideShared:
    """What every worker gets once."""

    book_url: str
    day: DayUniverse
    prepared: Prepared
    run_id: str
    skipped: frozenset[str]  # accounts that the opening stopped
    rates: RatesUsed
    fees: Mapping[str, int]  # cents billed and not collected, by paying account (B26)

    def named(self, plan: Plan) -> Plan:
        """The plan; where a fee raised the lower edge of cash, that edge is called `fee_cash`."""
        if plan.account_id not in self.fees:
            return plan
        names = ("fee_cash" if one == "cash_low" else one for one in plan.binding)
        return replace(plan, binding=tuple(names))


@dataclass(frozen=True, slots=True)
class Filed:
    """One taxpayer's result as rows of the book."""

    taxpayer_key: int
    plans: list[tuple[Any, ...]]
    trades: list[tuple[Any, ...]]
    rates: list[PlanRates]  # empty where the rates on file were used
    exceptions: list[ExceptionRecord]
    troubled: list[ExceptionRecord]  # accounts that the solver failed
    saved: tuple[str, bytes] | None  # their problem: file name and content


def decide_stage(context: DayContext) -> dict[str, object]:
    """Plan every account that has none yet; returns counts by status."""
    left = context.open_taxpayers(STAGE)
    shards = [left[start : start + _SHARD] for start in range(0, len(left), _SHARD)]
    if shards:
        shared = _shared(context)
        for some, filed in zip(
            shards, map_shards(decide_shard, shared, shards, context.workers), strict=True
        ):
            kept = [_saved(context.failed / context.iso, one) for one in filed]
            with context.commit(STAGE, some) as connection:
                _file(connection, kept)
            context.progress(sum(len(h.accounts) for h in some))
    return _outcome(context)


def _shared(context: DayContext) -> DecideShared:
    risk = estimate_risk(context.market, context.day)
    view = day_view(context.market, context.keys, context.day)
    day = day_universe(context.market, view, risk)
    run_id = context.run.run_id
    with context.book.read() as connection:
        stopped = frozenset(e.account_id for e in day_exceptions(connection, run_id))
        fees = fees_due(connection)
    prepared = Prepared(day.universe)
    return DecideShared(
        context.book.url, day, prepared, run_id, stopped, context.run.rates_used, fees
    )


def decide_shard(shared: DecideShared, shard: list[Household]) -> list[Filed]:
    """Decide for some taxpayers; runs in a worker process with its own connection."""
    keys = [a.account_key for h in shard for a in h.accounts]
    with Book(shared.book_url).read() as connection:
        states = load_states(connection, keys)
        records = on_record(connection, shard) if shared.rates.source == NETTING else {}
        budgets = budget_years(connection, shard, shared.day.view.day)
    keys = [household.taxpayer.taxpayer_key for household in shard]
    return [
        _decide(shared, household, states, records.get(key), budgets.get(key))
        for key, household in zip(keys, shard, strict=True)
    ]


def _decide(
    shared: DecideShared,
    household: Household,
    states: dict[int, AccountState],
    records: OnRecord | None,
    year: BudgetYear | None,
) -> Filed:
    """Plans of one taxpayer. An account that the opening stopped has been reported there."""
    key = household.taxpayer.taxpayer_key
    problem, errors = taxpayer_problem(shared.day, household, states, shared.skipped, shared.fees)
    exceptions = [_stopped(shared.run_id, name, error) for name, error in errors.items()]
    if not problem.accounts:
        return Filed(key, [], [], [], exceptions, [], None)
    key_of_account = {a.account_id: a.account_key for a in household.accounts}
    try:
        problem, decided, rates = _decided(shared, household, problem, records, year)
    except InputError as unknown:  # no table for the year, status or state: told, never guessed
        exceptions += [_stopped(shared.run_id, a.account_id, unknown) for a in problem.accounts]
        return Filed(key, [], [], [], exceptions, [], None)
    trouble, error = decided.trouble, decided.error
    filed: list[tuple[Plan, tuple[StoredPlan, list[tuple[Any, ...]]]]] = []
    if error is None:
        try:
            filed = [
                (plan, stored(plan, _plan_context(shared, states[key_of_account[plan.account_id]])))
                for plan in map(shared.named, decided.plans)
            ]
        except (PlanError, InvariantError) as refused:
            trouble, error = (*trouble, str(refused)), refused
    if error is not None:
        ours = [_stopped(shared.run_id, a.account_id, error) for a in problem.accounts]
        return Filed(key, [], [], [], exceptions, ours, _packed(shared, problem, trouble))
    failed = [_not_solved(shared.run_id, p) for p in decided.plans if p.status is Status.FAILED]
    exceptions += [
        _not_solved(shared.run_id, p) for p in decided.plans if p.status is Status.INFEASIBLE
    ]
    rows = [row_of(record) for _, (record, _) in filed]
    trades = [row for _, (_, trades) in filed for row in trades]
    saved = _packed(shared, problem, trouble) if trouble else None
    return Filed(key, rows, trades, rates, exceptions, failed, saved)


def _decided(
    shared: DecideShared,
    household: Household,
    problem: Taxpayer,
    records: OnRecord | None,
    year: BudgetYear | None,
) -> tuple[Taxpayer, Decided, list[PlanRates]]:
    """The plans, the problem with the rates they were decided at, and these rates.

    With a yearly gain budget the problem is the last one asked: with every account's share.
    """
    left = gains_left(household, year)
    if left is None:
        return _at_rates(shared, household, problem, records, solve_taxpayer)
    within = WithinYear(left)
    asked, decided, rates = _at_rates(shared, household, problem, records, within)
    return within.asked or asked, decided, rates


def _at_rates(
    shared: DecideShared,
    household: Household,
    problem: Taxpayer,
    records: OnRecord | None,
    solve: Solve,
) -> tuple[Taxpayer, Decided, list[PlanRates]]:
    day = shared.day.view.day
    if records is None:
        return problem, decide(shared.prepared, problem, day, solve), []
    netted = netted_year(household, records, shared.rates.carried_share_micros, day)
    if netted.taxed.isdisjoint(a.account_id for a in problem.accounts):
        return problem, decide(shared.prepared, problem, day, solve), []
    found = decide_netted(shared.prepared, problem, day, netted, solve)
    columns = (
        *(found.rates.short_micros, found.rates.long_micros),
        *(found.after.short_micros, found.after.long_micros),
        found.rounds,
    )
    names = [p.account_id for p in found.answer.plans if p.account_id in netted.taxed]
    rates = [PlanRates(shared.run_id, name, *columns) for name in names]
    return at_rates(problem, netted.taxed, found.rates), found.answer, rates


def _packed(shared: DecideShared, problem: Taxpayer, trouble: tuple[str, ...]) -> tuple[str, bytes]:
    day = shared.day
    saved = SavedProblem(day.universe, problem, day.view.day, __version__, trouble)
    return file_name(problem.taxpayer_id), pack(saved)


def _saved(folder: Path, filed: Filed) -> Filed:
    """Write the problem of a taxpayer in trouble; its exceptions name the command to look closer.

    The same run writes the same bytes, so a day that is killed and run again changes nothing. The
    remedy names no folder: a book says the same on every machine.
    """
    if filed.saved is None:
        return filed
    name, content = filed.saved
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    except OSError as error:  # a full disk must not stop the accounts that were decided
        told = f"The problem could not be saved: {error.strerror}."
    else:
        told = f"In the folder of failed problems: sma construct replay {folder.name}/{name}"
    troubled = [replace(e, remedy=f"{e.remedy} {told}".strip()) for e in filed.troubled]
    return replace(filed, troubled=troubled)


def _plan_context(shared: DecideShared, state: AccountState) -> PlanContext:
    day = shared.day.view
    prices = day.price_micros[day.row_of_key[state.lots.security]]
    held = int(notional_cents_array(state.lots.quantity_micros, prices).sum())
    return PlanContext(
        shared.run_id,
        day.day,
        held + state.cash_cents,
        state.lots.lot,
        day.key_of_row,
        day.price_micros,
    )


def _not_solved(run_id: str, plan: Plan) -> ExceptionRecord:
    code = f"decide.{plan.status.value}"
    infeasible = plan.status is Status.INFEASIBLE
    remedy = (
        "Relax one of the restrictions named; the account keeps its holdings until then."
        if infeasible
        else "The account keeps its holdings; report the message with the day's date."
    )
    return ExceptionRecord(run_id, STAGE, plan.account_id, code, plan.message, remedy)


def _stopped(run_id: str, account_id: str, error: OpensmaError) -> ExceptionRecord:
    place = f" ({error.where})" if error.where not in ("", account_id) else ""
    return ExceptionRecord(
        run_id, STAGE, account_id, error.code, f"{error.message}{place}", error.remedy
    )


def _file(connection: Connection, filed: list[Filed]) -> None:
    put_plan_rows(
        connection, [row for f in filed for row in f.plans], [t for f in filed for t in f.trades]
    )
    put_plan_rates(connection, [rates for f in filed for rates in f.rates])
    add_exceptions(connection, [e for f in filed for e in (*f.exceptions, *f.troubled)])


def _outcome(context: DayContext) -> dict[str, object]:
    counts = dict.fromkeys(("solved", "infeasible", "failed"), 0)
    with context.book.read() as connection:
        for plan in day_plans(connection, context.run.run_id):
            counts[plan.status] += 1
        rates = day_plan_rates(connection, context.run.run_id)
    if context.run.rates == NETTING:
        counts["rates_unsettled"] = sum(not one.settled for one in rates.values())
    return dict(counts)
