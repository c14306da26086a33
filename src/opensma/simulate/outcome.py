"""What a day did, in the numbers that the demo prints; read from the book and nowhere else."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date

import numpy as np

from opensma.book.journal import Kind
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.plans import StoredPlan, day_plans, day_trades
from opensma.book.runs import Run
from opensma.book.store import Book, Connection


@dataclass(frozen=True, slots=True)
class Outcome:
    """Totals of one day; tracking errors are annual means over the solved accounts."""

    accounts: int
    solved: int
    infeasible: int
    failed: int
    held_for_review: int
    trades: int  # of approved plans; a sale from several lots counts once a lot
    reasons: dict[str, int]  # trades by reason
    harvested_cents: int  # losses realised on purpose today, before wash sales
    disallowed_cents: int  # of all losses, washed by the day's end
    tax_value_cents: int  # of today's harvest at the owners' own rates
    tracking_error_before: float
    tracking_error_after: float
    gap_median_bps: float  # of account value: how much better than the plan anything could be
    gap_p95_bps: float


def day_outcome(book: Book, run: Run) -> Outcome:
    """The outcome of a day from its plans, trades and journal entries."""
    with book.read() as connection:
        plans = day_plans(connection, run.run_id)
        approved = {plan.account_id for plan in plans if plan.review == "approved"}
        trades = [t for t in day_trades(connection, run.run_id) if t.account_id in approved]
        harvested, disallowed = _losses(connection, run.day)
    solved = [plan for plan in plans if plan.status == "solved"]
    status = Counter(plan.status for plan in plans)
    gaps = np.array([_gap_bps(plan) for plan in solved if plan.value_cents] or [0.0])
    harvest = [t for t in trades if t.reason == "harvest_loss" and t.quantity_micros < 0]
    return Outcome(
        accounts=len(plans),
        solved=status["solved"],
        infeasible=status["infeasible"],
        failed=status["failed"],
        held_for_review=sum(plan.review == "held" for plan in plans),
        trades=len(trades),
        reasons=dict(Counter(t.reason for t in trades).most_common()),
        harvested_cents=harvested,
        disallowed_cents=disallowed,
        tax_value_cents=-sum(t.tax_cents for t in harvest),
        tracking_error_before=_mean([plan.te_before for plan in solved]),
        tracking_error_after=_mean([plan.te_after for plan in solved]),
        gap_median_bps=float(np.median(gaps)),
        gap_p95_bps=float(np.percentile(gaps, 95)),
    )


def _losses(connection: Connection, day: str) -> tuple[int, int]:
    """(harvested, disallowed) cents of the entries of one day over all accounts."""
    keys = [account.account_key for account in all_records(connection, AccountRecord)]
    evening_before = date.fromordinal(date.fromisoformat(day).toordinal() - 1).isoformat()
    harvested = disallowed = 0
    for booked in read_journal(connection, keys, evening_before):
        body = booked.entry.body
        if booked.entry.trade_day != date.fromisoformat(day).toordinal():
            continue
        if booked.entry.kind is Kind.SELL and body["taxed"]:
            columns = zip(body["basis"], body["proceeds"], body["harvest"], strict=True)
            harvested += sum(max(b - p, 0) for b, p, on_purpose in columns if on_purpose)
        elif booked.entry.kind is Kind.LOSS_DISALLOWED:
            disallowed += sum(body["cents"])
    return harvested, disallowed


def _gap_bps(plan: StoredPlan) -> float:
    return max(plan.objective - plan.bound, 0.0) / (plan.value_cents / 100) * 1e4


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
