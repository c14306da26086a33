"""Stage `review`: a second look at every plan before it may leave, by rules a person switched on.

Plans inside the limits are approved; the others are held for a person and reported. Nothing here
knows how a plan was found: it looks at trades, holdings and wishes only.
"""

from __future__ import annotations

from dataclasses import dataclass

from opensma.book.daybook import DayContext
from opensma.book.plans import PlanTrade, StoredPlan, day_plans, day_trades, set_reviews
from opensma.book.runs import ExceptionRecord, add_exceptions

STAGE = "review"


@dataclass(frozen=True, slots=True)
class ReviewLimits:
    """What a plan may do without a person. Weights are one-way, of account value."""

    max_turnover: float = 0.40
    max_te_after: float = 0.08
    max_tax_of_value: float = 0.02  # net tax a plan may cost


def review_stage(context: DayContext, limits: ReviewLimits | None = None) -> dict[str, object]:
    """Approve or hold every pending plan; returns counts."""
    chosen = limits or ReviewLimits()
    run_id = context.run.run_id
    with context.book.read() as connection:
        plans = [p for p in day_plans(connection, run_id) if p.status == "solved"]
        trades: dict[str, list[PlanTrade]] = {}
        for trade in day_trades(connection, run_id):
            trades.setdefault(trade.account_id, []).append(trade)
    held = []
    for plan in plans:
        doubt = _doubt(plan, trades.get(plan.account_id, []), chosen)
        if doubt:
            held.append(ExceptionRecord(run_id, STAGE, plan.account_id, *doubt))
    stopped = {e.account_id for e in held}
    approved = [p.account_id for p in plans if p.account_id not in stopped]
    with context.commit(STAGE, context.open_taxpayers(STAGE)) as connection:
        set_reviews(connection, run_id, "approved", approved)
        set_reviews(connection, run_id, "held", sorted(stopped))
        add_exceptions(connection, held)
    return {"approved": len(approved), "held": len(held)}


def _doubt(
    plan: StoredPlan, trades: list[PlanTrade], limits: ReviewLimits
) -> tuple[str, str, str] | None:
    """(code, message, remedy) of the first rule that a plan breaks, None when it may leave."""
    remedy = (
        f"Nothing is traded today: sma account why {plan.account_id} shows the plan. The next day "
        "decides again; change the account's wishes or limits if it should end otherwise."
    )
    if plan.turnover > limits.max_turnover and plan.te_before < limits.max_te_after:
        return (
            "review.turnover",
            f"The plan trades {plan.turnover:.1%} of the account one way.",
            remedy,
        )
    if plan.te_after > max(limits.max_te_after, plan.te_before):
        return (
            "review.tracking_error",
            f"The plan ends at {plan.te_after:.2%} tracking error.",
            remedy,
        )
    if plan.tax_cents > limits.max_tax_of_value * plan.value_cents:
        return (
            "review.tax",
            f"The plan costs {plan.tax_cents / max(plan.value_cents, 1):.2%} of value in tax.",
            remedy,
        )
    if any(t.quantity_micros == 0 or t.price_micros <= 0 for t in trades):
        return ("review.empty_trade", "A trade has no quantity or no price.", remedy)
    return None
