"""The desk: the day stage by stage, plans that wait for a person, exceptions with owner and age."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access import cares
from opensma.access.audit import Action, Line, record
from opensma.access.cares import Care
from opensma.access.store import Access
from opensma.book import runs
from opensma.book.reviews import Reviewed, decide_plan, reviewed
from opensma.book.rights import Right
from opensma.book.runs import ExceptionRecord
from opensma.book.store import Book
from opensma.book.views import ProgramView
from opensma.book.visible import visible_accounts
from opensma.errors import InputError
from opensma.web.person import CURRENT
from opensma.web.portal import Portal

HISTORY = 10
STAGES = ("open", "decide", "review", "trade", "post", "measure")


@dataclass(frozen=True, slots=True)
class Standing:
    """An exception with how long it stands and who has it."""

    found: ExceptionRecord
    since: str
    days: int
    care: Care | None


@dataclass
class DeskPages:
    """Pages of the desk, for the portal's viewer; `whole` is the book that is written to."""

    portal: Portal
    access: Access
    whole: Book

    def day(self, _request: Request) -> Response:
        """The newest day's stages, and the days before."""
        with self.whole.read() as connection:
            run = runs.latest_run(connection)
            stages = {} if run is None else runs.stage_outcomes(connection, run.run_id)
            history = runs.newest_runs(connection, HISTORY)
        view = self.portal.program_seen()
        held: dict[str, int] = {}
        for one in view.exceptions:
            held[one.code] = held.get(one.code, 0) + 1
        return self.portal.page(
            "day.html", run=run, stages=stages, names=STAGES, history=history,
            held=sorted(held.items(), key=lambda item: (-item[1], item[0])), view=view,
        )  # fmt: skip

    # --- plans ---------------------------------------------------------------------------------

    def review(self, _request: Request) -> Response:
        """Plans that rules or persons held, and what persons said."""
        return self._review(None)

    async def decide(self, request: Request) -> Response:
        """Approve or hold one plan."""
        form = await request.form()
        given = {name: str(form.get(name, "")) for name in ("account", "verdict", "reason")}
        return await run_in_threadpool(self._decide, given)

    def _decide(self, given: Mapping[str, str]) -> Response:
        account = self.portal.seen(given["account"], Right.REVIEW).account_id
        by, now = CURRENT.get().user_id, datetime.now(UTC)
        try:
            with self.whole.write() as connection:
                decide_plan(
                    connection, account, given["verdict"], by,
                    now.isoformat(timespec="seconds"), given["reason"],
                )  # fmt: skip
        except InputError as error:
            answer = self._review(error)
            answer.status_code = 422
            return answer
        line = Line(int(now.timestamp()), by, Action.CHANGE, "plan", account, given["verdict"])
        record(self.access, line)
        return RedirectResponse("/review", status_code=303)

    def _review(self, error: InputError | None) -> Response:
        with self.whole.read() as connection:
            run = runs.latest_run(connection)
            stages = {} if run is None else runs.stage_outcomes(connection, run.run_id)
            accounts = visible_accounts(connection, self.portal.viewer, Right.REVIEW)
            found = [] if run is None else reviewed(connection, run.run_id)
        seen = {account.account_id for account in accounts}
        mine: list[Reviewed] = [one for one in found if one.plan.account_id in seen]
        waits = "review" in stages and "trade" not in stages
        return self.portal.page("review.html", run=run, found=mine, waits=waits, error=error)

    # --- exceptions ----------------------------------------------------------------------------

    def exceptions(self, request: Request) -> Response:
        """What needs a person, since when, and who has it."""
        view = self.portal.program_seen()
        words = request.query_params.get("q", "").strip()[:100]
        owners = {row.account.account_id: row.owner for row in view.rows}
        found = [
            one for one in self._standing(view)
            if all(
                word in f"{one.found.account_id} {owners[one.found.account_id]} {one.found.code} "
                f"{one.found.message} {one.care.user_id if one.care else ''}".casefold()
                for word in words.casefold().split()
            )
        ]  # fmt: skip
        return self.portal.page("exceptions.html", view=view, found=found, owners=owners, q=words)

    def _standing(self, view: ProgramView) -> list[Standing]:
        if view.run is None:
            return []
        with self.whole.read() as connection:
            since = runs.since_when(connection)
        care, today = cares.newest(self.access), date.fromisoformat(view.run.day)
        found = []
        for one in view.exceptions:
            key = (one.account_id, one.code)
            first = since.get(key, view.run.day)
            days = (today - date.fromisoformat(first)).days
            found.append(Standing(one, first, days, care.get(key)))
        return sorted(found, key=lambda s: (s.care is not None, -s.days, s.found.account_id))

    async def care(self, request: Request) -> Response:
        """Take an exception, or say that it is done."""
        form = await request.form()
        names = ("account", "code", "state", "note")
        given = {name: str(form.get(name, ""))[:500] for name in names}
        return await run_in_threadpool(self._care, given)

    def _care(self, given: Mapping[str, str]) -> Response:
        account = self.portal.seen(given["account"], Right.EXCEPTIONS).account_id
        known = {e.code for e in self.portal.program_seen().exceptions if e.account_id == account}
        if given["code"] not in known or given["state"] not in cares.STATES:
            raise HTTPException(404)
        now = int(datetime.now(UTC).timestamp())
        cares.say(
            self.access, account, given["code"], CURRENT.get().user_id, given["state"],
            given["note"], now,
        )  # fmt: skip
        return RedirectResponse("/exceptions", status_code=303)
