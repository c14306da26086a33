"""A person's word on a plan, between the day's review and its trading: approve or hold, and why.

The rules of the review (`trade.review`) speak first. Until the day trades, a person may let a held
plan go or hold an approved one; each word is kept with its reason, and what the rule had said.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from opensma.book import runs, schema
from opensma.book.plans import StoredPlan, day_plans, set_reviews
from opensma.book.store import insert_rows
from opensma.errors import InputError

STAGE = "review"
VERDICTS = ("approved", "held")


@dataclass(frozen=True, slots=True)
class PlanReview:
    """One word of a person."""

    run_id: str
    account_id: str
    number: int
    verdict: str
    rule: str  # what the review's rule had said; empty where none had
    by: str
    recorded_at: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A plan that waits or was decided, the rule that held it, and what persons said, in order."""

    plan: StoredPlan
    rule: str
    words: tuple[PlanReview, ...]


def open_run(connection: Connection) -> runs.Run:
    """The newest day if it stands between its review and its trading; InputError otherwise."""
    run = runs.latest_run(connection)
    stages = {} if run is None else runs.stage_outcomes(connection, run.run_id)
    if run is None or STAGE not in stages or "trade" in stages:
        raise InputError(
            "review.closed",
            "No day waits between its review and its trading.",
            where="the newest day",
            remedy="sma day run --date D --until review stops there; run it again to go on.",
        )
    return run


def decide_plan(
    connection: Connection, account_id: str, verdict: str, by: str, recorded_at: str, reason: str
) -> PlanReview:
    """Approve or hold a plan of the day that waits; InputError where that cannot be."""
    run = open_run(connection)
    if verdict not in VERDICTS:
        raise _wrong("verdict", f"'{verdict}' is no verdict.", "Use approved or held.")
    if not reason.strip():
        raise _wrong("reason", "A word on a plan needs a reason.", "Write why: it is kept.")
    plan = next((p for p in day_plans(connection, run.run_id) if p.account_id == account_id), None)
    if plan is None or plan.status != "solved":
        raise _wrong("plan", "This account has no plan today.", "sma day show lists why.")
    if plan.review == verdict:
        raise _wrong("verdict", f"The plan is {verdict} already.", "Nothing needs to be done.")
    rule = _rule(connection, run.run_id, account_id)
    table = schema.plan_reviews
    where = (table.c.run_id == run.run_id) & (table.c.account_id == account_id)
    query = select(func.count()).select_from(table).where(where)
    number = int(connection.execute(query).scalar_one()) + 1
    word = PlanReview(run.run_id, account_id, number, verdict, rule, by, recorded_at,
                      reason.strip()[:2000])  # fmt: skip
    insert_rows(connection, table, [_row(word)])
    set_reviews(connection, run.run_id, verdict, [account_id])
    _tell_exceptions(connection, word)
    return word


def reviewed(connection: Connection, run_id: str) -> list[Reviewed]:
    """Plans of a day that were held, or on which a person spoke, by account id."""
    table = schema.plan_reviews
    query = select(table).where(table.c.run_id == run_id).order_by(table.c.number)
    words: dict[str, list[PlanReview]] = {}
    for row in connection.execute(query):
        word = PlanReview(*row)
        words.setdefault(word.account_id, []).append(word)
    rules = {
        e.account_id: e.message
        for e in runs.day_exceptions(connection, run_id)
        if e.stage == STAGE and e.code != "review.person"
    }
    return [
        Reviewed(
            plan,
            rules.get(plan.account_id, "") or _first_rule(words.get(plan.account_id, [])),
            tuple(words.get(plan.account_id, ())),
        )
        for plan in sorted(day_plans(connection, run_id), key=lambda p: p.account_id)
        if plan.review == "held" or plan.account_id in words
    ]


def _first_rule(words: list[PlanReview]) -> str:
    return next((word.rule for word in words if word.rule), "")


def _rule(connection: Connection, run_id: str, account_id: str) -> str:
    found = runs.day_exceptions(connection, run_id)
    mine = [e for e in found if (e.stage, e.account_id) == (STAGE, account_id)]
    return mine[0].message if mine else ""


def _tell_exceptions(connection: Connection, word: PlanReview) -> None:
    """An approved plan needs nobody any more; one that a person holds does."""
    table = schema.exceptions
    where = (table.c.run_id == word.run_id) & (table.c.account_id == word.account_id)
    connection.execute(table.delete().where(where & (table.c.stage == STAGE)))
    if word.verdict == "held":
        note = runs.ExceptionRecord(
            word.run_id, STAGE, word.account_id, "review.person",
            f"Held by {word.by}: {word.reason}",
            "Nothing is traded today; the next day decides again.",
        )  # fmt: skip
        runs.add_exceptions(connection, [note])


def _row(word: PlanReview) -> tuple[object, ...]:
    return (word.run_id, word.account_id, word.number, word.verdict, word.rule, word.by,
            word.recorded_at, word.reason)  # fmt: skip


def _wrong(where: str, what: str, remedy: str) -> InputError:
    return InputError(f"review.{where}", what, where=where, remedy=remedy)
