"""What happened that a webhook may be told: read off the book and the requests, for one viewer.

Ids only, never values: a program asks the API for the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection

from opensma.access import requests
from opensma.access.store import Access
from opensma.book import runs
from opensma.book.feeviews import billing_runs
from opensma.book.invoices import all_invoices, lines_of
from opensma.book.rights import Right, Viewer
from opensma.book.visible import visible_accounts
from opensma.calendar import epoch_seconds

Told = tuple[str, dict[str, Any]]  # id of an event, and its body
_DAYS = 10


def happened(access: Access, viewer: Viewer, since: int) -> list[Told]:
    """Events that the viewer may be told, by id; `since` in seconds of the epoch.

    Days and exceptions are those of the newest days, whenever a hook was made.
    """
    with access.book.read() as connection:
        accounts = [a.account_id for a in visible_accounts(connection, viewer, Right.HOLDINGS)]
        found = [*_days(connection, viewer), *_exceptions(connection, viewer)]
        found += _invoices(connection, viewer, since)
    return sorted([*found, *_requests(access, accounts, since)], key=lambda told: told[0])


def _told(event: str, name: str, **ids: str) -> Told:
    return f"{event}/{name}", {"id": f"{event}/{name}", "event": event, **ids}


def _days(connection: Connection, viewer: Viewer) -> Iterator[Told]:
    for run in runs.newest_runs(connection, _DAYS) if viewer.has(Right.OPERATIONS) else []:
        if run.status == "done":
            yield _told("day.finished", run.run_id, day=run.day)


def _exceptions(connection: Connection, viewer: Viewer) -> Iterator[Told]:
    """Each exception once, on the first day of those that it has stood without a break."""
    run = runs.latest_run(connection)
    seen = {a.account_id for a in visible_accounts(connection, viewer, Right.EXCEPTIONS)}
    if run is None or not seen:
        return
    since = runs.since_when(connection)
    for one in runs.day_exceptions(connection, run.run_id):
        if one.account_id in seen:
            day = since.get((one.account_id, one.code), run.day)
            name = f"{one.account_id}/{one.code}/{day}"
            yield _told(
                "exception.opened", name, account_id=one.account_id, code=one.code, since=day
            )


def _invoices(connection: Connection, viewer: Viewer, since: int) -> Iterator[Told]:
    """Invoices and reversals of runs since then, where the viewer sees every account on them."""
    seen = {a.account_id for a in visible_accounts(connection, viewer, Right.FEES)}
    recent = {r.run_id for r in billing_runs(connection) if epoch_seconds(r.recorded_at) >= since}
    if not seen or not recent:
        return
    for row in all_invoices(connection):
        if row.run_id not in recent:
            continue
        named = {line.account_id for line in lines_of(connection, row.invoice_id)}
        if named and named <= seen:
            event = "invoice.reversed" if row.reversal_of else "invoice.released"
            yield _told(event, row.invoice_id, invoice_id=row.invoice_id, period=row.period)


def _requests(access: Access, accounts: list[str], since: int) -> Iterator[Told]:
    for one in requests.of_accounts(access, accounts):
        ids = {"request_id": one.request_id, "account_id": one.account_id}
        if one.asked_at >= since:
            yield _told("request.made", one.request_id, **ids)
        if one.decided_at is not None and one.decided_at >= since:
            yield _told("request.decided", one.request_id, state=one.state.value, **ids)
