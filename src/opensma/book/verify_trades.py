"""Second half of the proof: plans add up, and the journal holds exactly what was allocated."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.journal import Booked, Kind
from opensma.errors import Finding

_REMEDY = "Restore the book from a copy and run the day again."
Amounts = tuple[int, int, int]  # signed quantity, net cents (cost or proceeds), fee


def trade_findings(
    connection: Connection, account_id: str, entries: Sequence[Booked]
) -> list[Finding]:
    """What does not agree between an account's plans, allocations and journal."""
    return _plans(connection, account_id) + _posted(connection, account_id, entries)


def _plans(connection: Connection, account_id: str) -> list[Finding]:
    """Contributions in cents add up to the plan's parts, and these to the objective's change."""
    plans, trades = schema.plans, schema.plan_trades
    sums: dict[str, list[int]] = {}
    columns = (trades.c.run_id, trades.c.risk_cents, trades.c.tax_cents, trades.c.cost_cents)
    for run, *cents in connection.execute(
        select(*columns).where(trades.c.account_id == account_id)
    ):
        total = sums.setdefault(run, [0, 0, 0])
        for i, part in enumerate(cents):
            total[i] += part
    found = []
    for plan in connection.execute(select(plans).where(plans.c.account_id == account_id)):
        parts = sums.pop(plan.run_id, [0, 0, 0])
        where = f"{account_id}, {plan.run_id}"
        if parts != [plan.risk_cents, plan.tax_cents, plan.cost_cents]:
            what = "The trades' risk, tax and cost are not those of the plan."
            found.append(Finding("error", "plan.parts", where, what, _REMEDY))
        if sum(parts) != plan.objective_cents - plan.objective_before_cents:
            what = "The trades' dollars do not add up to the change of the objective."
            found.append(Finding("error", "plan.sum", where, what, _REMEDY))
    what = "There are trades without a plan."
    found += [
        Finding("error", "plan.missing", f"{account_id}, {run}", what, _REMEDY) for run in sums
    ]
    return found


def _posted(connection: Connection, account_id: str, entries: Sequence[Booked]) -> list[Finding]:
    """Allocations of posted days are in the journal, once, with the same amounts; nothing else."""
    booked = _booked(entries)
    found = []
    for trade, run, amounts in _allocations(connection, account_id):
        posted = booked.pop(trade, None)
        if posted is None:
            if run in _posted_runs(connection, account_id):
                what = "The allocation was never booked."
                found.append(Finding("error", "posting.missing", trade, what, _REMEDY))
        elif posted != [amounts]:
            what = f"Allocated {amounts}, booked {posted} (quantity, cents, fee)."
            found.append(Finding("error", "posting.differs", trade, what, _REMEDY))
    runs = {str(run) for run in connection.execute(select(schema.runs.c.run_id)).scalars()}
    own = {ref for b in entries if _run_of(b) in runs for ref in b.entry.body["ref"]}
    what = "The journal holds a trade that was never allocated."
    found += [
        Finding("error", "posting.unfounded", trade, what, _REMEDY)
        for trade in sorted(own & booked.keys())
    ]
    return found


def _booked(entries: Sequence[Booked]) -> dict[str, list[Amounts]]:
    found: dict[str, list[Amounts]] = {}
    for entry in (b.entry for b in entries if b.entry.kind in (Kind.BUY, Kind.SELL)):
        body = entry.body
        sold = entry.kind is Kind.SELL
        net = body["proceeds"] if sold else body["cost"]
        for ref, micros, cents, fee in zip(
            body["ref"], body["quantity"], net, body["fee"], strict=True
        ):
            found.setdefault(ref, []).append((-micros if sold else micros, cents, fee))
    return found


def _allocations(connection: Connection, account_id: str) -> list[tuple[str, str, Amounts]]:
    table = schema.allocations
    query = select(table).where(table.c.account_id == account_id)
    found = []
    for row in connection.execute(query):
        sign = 1 if row.quantity_micros > 0 else -1
        net = row.notional_cents + sign * row.fee_cents
        found.append((row.trade_id, row.run_id, (row.quantity_micros, net, row.fee_cents)))
    return found


def _posted_runs(connection: Connection, account_id: str) -> set[str]:
    """Runs whose posting has passed this account's taxpayer."""
    marks, accounts, payers = schema.progress, schema.accounts, schema.taxpayers
    query = (
        select(marks.c.run_id)
        .join(payers, payers.c.taxpayer_key == marks.c.taxpayer_key)
        .join(accounts, accounts.c.taxpayer_id == payers.c.taxpayer_id)
        .where(marks.c.stage == "post", accounts.c.account_id == account_id)
    )
    return {str(run) for run in connection.execute(query).scalars()}


def _run_of(booked: Booked) -> str:
    """The run that posted an entry, as its source id says."""
    if booked.entry.kind not in (Kind.BUY, Kind.SELL):
        return ""
    return booked.entry.source_id.rsplit("/", 1)[0]
