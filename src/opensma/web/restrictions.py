"""Restrictions in force across accounts, and ending one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access.audit import Action, Line, record
from opensma.access.store import Access
from opensma.book.master import Restriction, all_records, end_restriction, some_records
from opensma.book.rights import Right
from opensma.book.store import Book
from opensma.book.views import ProgramRow, ProgramView
from opensma.book.visible import visible_accounts
from opensma.web.person import CURRENT
from opensma.web.portal import Portal

MOST_SHOWN = 500


@dataclass(frozen=True, slots=True)
class InForce:
    """One restriction; `binds` where the newest plan ended at it."""

    wish: Restriction
    row: ProgramRow
    binds: bool
    ends: bool  # whether the viewer may end it


@dataclass
class Restrictions:
    """The page, for the portal's viewer; `whole` is the book that is written to."""

    portal: Portal
    access: Access
    whole: Book

    def show(self, request: Request) -> Response:
        """What is in force on the newest day, those that bind first."""
        view = self.portal.program_seen()
        words = request.query_params.get("q", "").strip()[:100]
        found = [one for one in self._in_force(view) if _matches(one, words)]
        found.sort(key=lambda o: (not o.binds, o.wish.account_id, o.wish.restriction_id))
        return self.portal.page(
            "restrictions.html", found=found[:MOST_SHOWN], total=len(found), q=words,
            accounts=len({one.wish.account_id for one in found}),
        )  # fmt: skip

    def _in_force(self, view: ProgramView) -> list[InForce]:
        if view.run is None:
            return []
        day, rows = view.run.day, {row.account.account_id: row for row in view.rows}
        with self.portal.book.read() as connection:
            wishes = all_records(connection, Restriction)
            decides = {
                a.account_id for a in visible_accounts(connection, self.portal.viewer, Right.DECIDE)
            }
        return [
            InForce(wish, rows[wish.account_id], _binds(wish, rows[wish.account_id]),
                    wish.account_id in decides)
            for wish in wishes
            if wish.account_id in rows and wish.valid_from <= day
            and (wish.valid_to is None or day < wish.valid_to)
        ]  # fmt: skip

    async def end(self, request: Request) -> Response:
        """End one restriction: the newest day was its last."""
        form = await request.form()
        return await run_in_threadpool(self._end, str(form.get("restriction", ""))[:300])

    def _end(self, restriction_id: str) -> Response:
        run = self.portal.program_seen().run
        with self.portal.book.read() as connection:
            found = some_records(connection, Restriction, "restriction_id", [restriction_id])
        if not found or run is None:
            raise HTTPException(404)
        account = self.portal.seen(found[0].account_id, Right.DECIDE)
        with self.whole.write() as connection:
            end_restriction(connection, found[0].restriction_id, run.day)
        now, by = int(datetime.now(UTC).timestamp()), CURRENT.get().user_id
        line = Line(
            now, by, Action.CHANGE, "restriction-end", account.account_id, found[0].restriction_id
        )
        record(self.access, line)
        return RedirectResponse("/restrictions", status_code=303)


def _binds(wish: Restriction, row: ProgramRow) -> bool:
    """Whether the newest plan names it among its binding limits."""
    if row.plan is None:
        return False
    named = {f"{wish.kind}:{wish.scope_key}"}
    if wish.kind == "cash_reserve":
        named.add("cash_low")
    return bool(named & set(row.plan.binding_names))


def _matches(one: InForce, words: str) -> bool:
    wish = one.wish
    text = (
        f"{wish.account_id} {one.row.owner} {one.row.taxpayer} {wish.kind} {wish.scope} "
        f"{wish.scope_key} {wish.reason}"
    ).casefold()
    return all(word in text for word in words.casefold().split())
