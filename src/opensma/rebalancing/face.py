"""`opensma.rebalance`: the whole decision in one call, for a notebook or a script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from opensma import __version__
from opensma.construct.plan import Plan
from opensma.construct.prepare import Prepared, account_value
from opensma.construct.problem import Account, Universe
from opensma.construct.saved import SavedProblem, decide
from opensma.rebalancing import answer, question, tables
from opensma.rebalancing.answer import Objective, Rebalance
from opensma.rebalancing.question import ALONE, Wishes
from opensma.rebalancing.risk import FactorModel, factor_model
from opensma.rebalancing.tables import bad

RISK_AVERSION = 60.0  # where neither it nor a cap is given: a 2 % tracking error costs 1.2 % a year
ST_RATE, LT_RATE = 0.408, 0.238  # highest federal brackets with the tax on investment income
COST_BPS = 5.0
_CASH_BELOW, _CASH_ABOVE = 0.01, 0.02  # of V, around the cash that the targets leave

_WORST = ("failed", "infeasible", "solved")
_WISHES = ("exclude", "no_buy", "no_sell", "max_weight", "sector_min", "sector_max")


def rebalance(
    lots: Any,
    targets: Any,
    risk: Any,
    *,
    prices: Any,
    as_of: date | str,
    cash: float = 0.0,
    accounts: Any = None,
    securities: Sequence[str] | None = None,
    cost_bps: Any = COST_BPS,
    sectors: Any = None,
    groups: Any = None,
    loss_sales: Any = (),
    periods_per_year: float | None = None,
    max_factors: int | None = None,
    **limits: Any,
) -> Rebalance:
    """Which lots to sell and what to buy: tax, risk and cost minimised together.

    Limits by keyword: risk_aversion or te_cap, st_rate, lt_rate, exclude, no_buy, no_sell,
    max_weight, sector_min, sector_max, min_trade, turnover, st_gain_budget, lt_gain_budget,
    cash_band, whole_shares, ticket_cost, min_position, max_names. More: docs/rebalance.md.
    """
    day = tables.day_of(as_of, "as_of")
    order = None if securities is None else [str(name) for name in securities]
    rows = _accounts(accounts, cash, limits)
    held = question.read_lots(lots, day, list(rows))
    model = factor_model(risk, order, periods_per_year=periods_per_year, max_factors=max_factors)
    order = order or list(model.securities)
    weights = {name: _targets(row.pop("targets", targets), order) for name, row in rows.items()}
    needed = {n: "targets" for given in weights.values() for n, w in given.items() if w != 0.0}
    needed |= dict.fromkeys(held.security, "lots")
    universe = question.make_universe(
        tables.named_numbers(prices, "prices", tables.PRICE, order), model, needed,
        cost_bps=cost_bps, sectors=sectors, groups=groups,
    )  # fmt: skip
    made, lot_ids = [], {}
    for name, row in rows.items():
        account, ids = _account(universe, held, name, weights[name], row)
        made.append(account)
        lot_ids[name] = ids
    losses = question.loss_groups(universe, loss_sales, day)
    taxpayer = question.taxpayer_of(made, losses)
    decided = decide(Prepared(universe), taxpayer, day)
    problem = SavedProblem(universe, taxpayer, day, __version__, decided.trouble)
    answers = {
        plan.account_id: _answer(lots, model, problem, account, plan, lot_ids)
        for account, plan in zip(taxpayer.accounts, decided.plans, strict=True)
    }
    if accounts is None:
        return answers[ALONE]
    columns = _all_trades(universe, decided.plans, lot_ids)
    return _together({name: answers[name] for name in rows}, tables.like(lots, columns))


def _targets(given: Any, order: list[str]) -> dict[str, float]:
    return tables.named_numbers(given, "targets", tables.WEIGHT, order)


# --- accounts ----------------------------------------------------------------------------------


def _accounts(given: Any, cash: float, limits: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Arguments of every account by id: those of the call, and over them the account's own."""
    if given is None:
        return {ALONE: {**limits, "cash": cash}}
    if isinstance(given, Mapping) and all(isinstance(row, Mapping) for row in given.values()):
        listed = [(str(name), dict(row)) for name, row in given.items()]
    else:
        listed = _rows(given)
    if not listed or len({name for name, _ in listed}) != len(listed):
        raise bad(
            "accounts", "There is no account, or an id appears twice.", "accounts",
            "Give one row per account.",
        )  # fmt: skip
    base = {**limits, "cash": cash}
    return {name: _merged(base, row) for name, row in listed}


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """An account's own way of counting risk takes the place of the call's."""
    if {"risk_aversion", "te_cap"} & set(own):
        base = {k: v for k, v in base.items() if k not in ("risk_aversion", "te_cap")}
    return {**base, **own}


def _rows(given: Any) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(given, Sequence):
        found = [dict(row) for row in given]
    else:
        columns = tables.columns_of(given, "accounts")
        lines = zip(*(values.tolist() for values in columns.values()), strict=True)
        found = [dict(zip(columns, line, strict=True)) for line in lines]
    listed = []
    for row in found:
        own = {k: v for k, v in row.items() if v is not None and not _is_nan(v)}
        key = next((k for k in own if tables.plain(k) in tables.ACCOUNT), None)
        if key is None:
            raise bad("column_missing", "A row has no account_id.", "accounts", "Add account_id.")
        listed.append((str(own.pop(key)), own))
    return listed


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and np.isnan(value)


def _account(
    universe: Universe,
    held: question.Held,
    name: str,
    weights: dict[str, float],
    given: dict[str, Any],
) -> tuple[Account, list[Any]]:
    row = dict(given)
    wishes = Wishes(**{key: row.pop(key) for key in _WISHES if key in row})
    lots, ids = question.make_lots(universe, held, name)
    target = question.make_target(universe, weights)
    left = max(0.0, 1.0 - float(target.sum()))
    low, high = _band(row.pop("cash_band", None), left)
    cap = _optional(row, "te_cap")
    aversion = _optional(row, "risk_aversion")
    account = Account(
        account_id=name,
        lots=lots,
        cash=_number(row, "cash", 0.0),
        cash_low=low,
        cash_high=high,
        target=target,
        limits=question.make_limits(universe, wishes),
        st_rate=_number(row, "st_rate", ST_RATE),
        lt_rate=_number(row, "lt_rate", LT_RATE),
        min_trade=_number(row, "min_trade", 0.0),
        whole_shares=bool(row.pop("whole_shares", True)),
        risk_aversion=RISK_AVERSION if aversion is None and cap is None else aversion,
        te_cap=cap,
        max_turnover=_optional(row, "turnover"),
        st_gain_budget=_optional(row, "st_gain_budget"),
        lt_gain_budget=_optional(row, "lt_gain_budget"),
        ticket_cost=_number(row, "ticket_cost", 0.0),
        min_position=_number(row, "min_position", 0.0),
        max_names=_whole(row, "max_names"),
    )
    return question.check_account(question.with_more(account, row)), ids


def _band(given: Any, left: float) -> tuple[float, float]:
    if given is None:
        return max(0.0, left - _CASH_BELOW), min(1.0, left + _CASH_ABOVE)
    if not isinstance(given, Sequence | np.ndarray) or len(given) != 2:
        raise bad("cash_band", f"It is {given!r}.", "cash_band", "Give (low, high) as weights.")
    return float(given[0]), float(given[1])


def _number(row: dict[str, Any], name: str, default: float) -> float:
    found = _optional(row, name)
    return default if found is None else found


def _optional(row: dict[str, Any], name: str) -> float | None:
    value = row.pop(name, None)
    return None if value is None else float(tables.numbers(np.array([value], object), name)[0])


def _whole(row: dict[str, Any], name: str) -> int | None:
    found = _optional(row, name)
    if found is not None and not found.is_integer():
        raise bad("value_range", f"It is {found:g}; it must be whole.", name, "Give a count.")
    return None if found is None else int(found)


# --- answers -----------------------------------------------------------------------------------


def _answer(
    lots: Any,
    model: FactorModel,
    problem: SavedProblem,
    account: Account,
    plan: Plan,
    lot_ids: dict[str, list[Any]],
) -> Rebalance:
    universe, ids = problem.universe, lot_ids[plan.account_id]
    after, before = answer.objectives(account, plan)
    return Rebalance(
        status=plan.status.value,
        message=plan.message,
        trades=tables.like(lots, answer.trade_columns(universe, plan, ids)),
        objective=after,
        objective_before=before,
        bound=plan.bound,
        value=account_value(universe, account),
        tracking_error_before=plan.te_before,
        tracking_error_after=plan.te_after,
        turnover=plan.turnover,
        cash_after=plan.cash_after,
        risk_aversion=plan.risk_aversion,
        restrictions=answer.restrictions_of(universe, account, plan),
        accounts={},
        risk_model=model,
        sentences=answer.sentences_of(universe, account, plan, ids),
        problem=problem,
    )


def _all_trades(
    universe: Universe, plans: list[Plan], lot_ids: dict[str, list[Any]]
) -> tables.Columns:
    parts = [answer.trade_columns(universe, plan, lot_ids[plan.account_id]) for plan in plans]
    owner = [np.full(len(p.trades.shares), p.account_id, dtype=object) for p in plans]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return {"account_id": np.concatenate(owner), **joined}


def _together(parts: dict[str, Rebalance], trades: Any) -> Rebalance:
    """Sums over the accounts of a household; what has no sum is not a number."""
    every = list(parts.values())
    worst = min((one.status for one in every), key=_WORST.index)
    value = sum(one.value for one in every)
    told = [f"{name}: {one.message}" for name, one in parts.items() if one.message]
    return Rebalance(
        status=worst,
        message="; ".join(told),
        trades=trades,
        objective=_sum([one.objective for one in every]),
        objective_before=_sum([one.objective_before for one in every]),
        bound=sum(one.bound for one in every),
        value=value,
        tracking_error_before=np.nan,
        tracking_error_after=np.nan,
        turnover=sum(one.turnover * one.value for one in every) / value,
        cash_after=sum(one.cash_after for one in every),
        risk_aversion=np.nan,
        restrictions=(),
        accounts=parts,
        risk_model=every[0].risk_model,
        sentences=tuple(f"{name}: {text}" for name, one in parts.items() for text in one.why()),
        problem=every[0].problem,
    )


def _sum(parts: list[Objective]) -> Objective:
    return Objective(
        sum(p.risk for p in parts), sum(p.tax for p in parts), sum(p.cost for p in parts)
    )
