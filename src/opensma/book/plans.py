"""Plans and their trades as kept: dollars of the decision turned into cents that still add up.

Over a plan, `sum(risk + tax + cost)` in cents equals the change of its objective in cents: the
contributions are rounded cumulatively (D4), never one by one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.journal import canonical
from opensma.book.store import insert_rows, row_of
from opensma.construct.plan import Plan, Status
from opensma.errors import ensure
from opensma.units import MICROS, Ints


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """The decision for one account on one day."""

    run_id: str
    account_id: str
    status: str
    review: str
    message: str
    value_cents: int
    objective_before_cents: int
    objective_cents: int
    objective: float
    bound: float
    te_before: float
    te_after: float
    tax_cents: int
    cost_cents: int
    risk_cents: int
    turnover: float
    risk_aversion: float
    binding: str
    non_trades: str

    @property
    def binding_names(self) -> list[str]:
        """Constraints that bind at the solution."""
        names: list[str] = json.loads(self.binding)
        return names

    @property
    def not_traded(self) -> list[tuple[int, str, int]]:
        """(security key, reason, cents) of notable trades that were not made."""
        return [(int(key), str(why), int(cents)) for key, why, cents in json.loads(self.non_trades)]


@dataclass(frozen=True, slots=True)
class PlanRates:
    """The rates of a plan that was decided by the netting of the year, in millionths.

    `after` is the next dollar's rate once all plans of the taxpayer are done: the same where the
    rates stand still.
    """

    run_id: str
    account_id: str
    short_rate_micros: int
    long_rate_micros: int
    after_short_micros: int
    after_long_micros: int
    rounds: int

    @property
    def settled(self) -> bool:
        """Whether the plan changes none of the rates that it was decided with."""
        after = (self.after_short_micros, self.after_long_micros)
        return after == (self.short_rate_micros, self.long_rate_micros)


@dataclass(frozen=True, slots=True)
class PlanTrade:
    """One trade: a part of a lot sold, or a purchase, with what it does to the objective."""

    trade_id: str
    run_id: str
    account_id: str
    security_key: int
    lot: int | None
    quantity_micros: int  # negative = sell
    price_micros: int
    notional_cents: int
    risk_cents: int
    tax_cents: int
    cost_cents: int
    shadow_cents: int
    reason: str


@dataclass(frozen=True, slots=True)
class PlanContext:
    """What turns a plan's rows into the book's keys."""

    run_id: str
    day: int  # ordinal
    value_cents: int
    lot_number: Ints  # of each row of the account's lot columns
    key_of_row: Ints  # book key of each row of the universe
    price_micros: Ints  # of each row of the universe


def stored(plan: Plan, context: PlanContext) -> tuple[StoredPlan, list[tuple[Any, ...]]]:
    """A plan in cents, with its trades as rows; unsolved plans have no trades."""
    solved = plan.status is Status.SOLVED
    cents = _contributions(plan) if solved else np.zeros((0, 3), dtype=np.int64)
    before = _cents(plan.objective_before)
    risk, tax, cost = (int(v) for v in cents.sum(axis=0)) if len(cents) else (0, 0, 0)
    record = StoredPlan(
        context.run_id,
        plan.account_id,
        plan.status.value,
        "pending" if solved else "none",
        plan.message,
        context.value_cents,
        before,
        before + risk + tax + cost,
        _finite(plan.objective),
        _finite(plan.bound),
        _finite(plan.te_before),
        _finite(plan.te_after),
        tax,
        cost,
        risk,
        _finite(plan.turnover),
        _finite(plan.risk_aversion),
        canonical(list(plan.binding)),
        canonical(
            [
                [int(context.key_of_row[n.security]), n.reason.value, _cents(n.dollars)]
                for n in plan.non_trades
            ]
        ),
    )
    return record, _trade_rows(plan, context, cents) if solved else []


def _contributions(plan: Plan) -> Ints:
    """(t, 3) cents of risk, tax and cost that add up to the change of the objective."""
    trades = plan.trades
    flat = np.stack([trades.risk, trades.tax, trades.cost], axis=1).ravel()
    reached = np.cumsum(flat)
    change = plan.objective - plan.objective_before
    gap = abs((float(reached[-1]) if len(flat) else 0.0) - change)
    ensure(
        gap <= 1e-6 * max(1.0, abs(plan.objective), abs(plan.objective_before)),
        "contributions do not add up to the plan's change",
        account=plan.account_id,
        gap=gap,
    )
    whole = np.floor(reached * 100 + 0.5).astype(np.int64)
    parts: Ints = np.diff(whole, prepend=0).reshape(-1, 3)
    return parts


def _trade_rows(plan: Plan, context: PlanContext, cents: Ints) -> list[tuple[Any, ...]]:
    """Rows of `plan_trades`, column by column: hundreds an account, so no record for each."""
    trades, count = plan.trades, len(plan.trades.security)
    stem = f"{plan.account_id}-{date.fromordinal(context.day):%Y%m%d}-"
    lot = np.append(context.lot_number, 0)[trades.lot].tolist()
    lots = [own if row >= 0 else None for own, row in zip(lot, trades.lot.tolist(), strict=True)]
    columns = (
        [f"{stem}{number}" for number in range(1, count + 1)],
        [context.run_id] * count,
        [plan.account_id] * count,
        context.key_of_row[trades.security].tolist(),
        lots,
        np.rint(trades.shares * MICROS).astype(np.int64).tolist(),
        context.price_micros[trades.security].tolist(),
        _cents_column(trades.notional),
        *cents.T.tolist(),
        _cents_column(trades.risk_shadow),
        [reason.value for reason in trades.reason],
    )
    return list(zip(*columns, strict=True))


def _cents_column(dollars: npt.NDArray[np.float64]) -> list[int]:
    rounded: list[int] = np.floor(dollars * 100 + 0.5).astype(np.int64).tolist()
    return rounded


def _cents(dollars: float) -> int:
    return int(np.floor(_finite(dollars) * 100 + 0.5))


def _finite(value: float) -> float:
    """Unsolved plans carry NaN where nothing was computed; the book keeps 0 there."""
    return float(value) if np.isfinite(value) else 0.0


def put_plan_rows(
    connection: Connection, plans: list[tuple[Any, ...]], trades: list[tuple[Any, ...]]
) -> None:
    """Keep plans and their trades, both as rows from `row_of`, in the caller's transaction."""
    insert_rows(connection, schema.plans, plans)
    insert_rows(connection, schema.plan_trades, trades)


def put_plan_rates(connection: Connection, rates: Sequence[PlanRates]) -> None:
    """Keep the rates of plans, in the transaction of the plans."""
    insert_rows(connection, schema.plan_rates, [row_of(one) for one in rates])


def day_plan_rates(connection: Connection, run_id: str) -> dict[str, PlanRates]:
    """By account; plans decided at the rates on file have none."""
    rows = connection.execute(select(schema.plan_rates).where(schema.plan_rates.c.run_id == run_id))
    return {found.account_id: found for found in (PlanRates(*row) for row in rows)}


def rates_of(connection: Connection, run_id: str, account_id: str) -> PlanRates | None:
    """The rates of one plan; None where it was decided at the rates on file."""
    table = schema.plan_rates
    where = (table.c.run_id == run_id) & (table.c.account_id == account_id)
    row = connection.execute(select(table).where(where)).first()
    return None if row is None else PlanRates(*row)


def day_plans(connection: Connection, run_id: str) -> list[StoredPlan]:
    """Every plan of a day, by account id."""
    rows = connection.execute(select(schema.plans).where(schema.plans.c.run_id == run_id))
    return sorted((StoredPlan(*row) for row in rows), key=lambda plan: plan.account_id)


def day_trades(
    connection: Connection, run_id: str, account_id: str | None = None
) -> list[PlanTrade]:
    """Trades of a day (of one account), by account and number."""
    table = schema.plan_trades
    query = select(table).where(table.c.run_id == run_id)
    if account_id is not None:
        query = query.where(table.c.account_id == account_id)
    return sorted((PlanTrade(*row) for row in connection.execute(query)), key=_trade_order)


def _trade_order(trade: PlanTrade) -> tuple[str, int]:
    return trade.account_id, int(trade.trade_id.rsplit("-", 1)[1])


def set_reviews(connection: Connection, run_id: str, review: str, accounts: Sequence[str]) -> None:
    """Record the outcome of a review for some accounts."""
    table = schema.plans
    for start in range(0, len(accounts), 500):
        some = list(accounts[start : start + 500])
        where = (table.c.run_id == run_id) & table.c.account_id.in_(some)
        connection.execute(table.update().where(where).values(review=review))
