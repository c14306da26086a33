"""Seeing the portal as an owner does: read-only, marked on every page, in the log by both names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access import viewings
from opensma.access.audit import Action, Line, append
from opensma.book.rights import Right
from opensma.book.seeing_as import owners_of, seen_as
from opensma.book.visible import seen_account
from opensma.errors import BookError, InputError
from opensma.web.person import CURRENT

if TYPE_CHECKING:
    from opensma.web.gate import Gate

# What a session may still send while it sees as somebody else: about the session alone.
ALLOWED = frozenset({
    "see-as-end", "sign-out", "step-up-answer", "sign-in-challenge", "sign-in-passkey",
})  # fmt: skip


@dataclass
class SeeAs:
    """Begin and end; only where people sign in, as it belongs to a session."""

    gate: Gate

    async def begin(self, _pages: Any, request: Request) -> Response:
        """See as the owner of an account."""
        return await run_in_threadpool(self._begin, request.path_params["account_id"])

    def _begin(self, account_id: str) -> Response:
        person, now = CURRENT.get(), self.gate.now()
        if person.session is None or person.viewer is None or person.actor is not None:
            raise HTTPException(404)
        day = datetime.fromtimestamp(now, UTC).date().isoformat()
        with self.gate.book.read() as connection:
            try:
                account = seen_account(connection, account_id, person.viewer, Right.SEE_AS)
            except BookError:
                raise HTTPException(404) from None
            owners = owners_of(connection, account, day)
            found = next(
                (o for o in owners if seen_as(connection, person.viewer, o.user_id, day)), None
            )
        if found is None:
            raise InputError(
                "access.no_owner", "No owner of this account has access to the portal yet.",
                where=account_id, remedy="Invite the owner: sma access invite.",
            )  # fmt: skip
        with self.gate.access.lock, self.gate.access.write() as connection:
            viewings.begin(connection, person.session.session_id, found.user_id, now)
            line = Line(
                now, person.user_id, Action.CHANGE, "see-as", account_id, f"as {found.user_id}"
            )
            append(self.gate.access, connection, line)
        return RedirectResponse(f"/accounts/{account_id}", status_code=303)

    async def end(self, _pages: Any, _request: Request) -> Response:
        """See as oneself again."""
        return await run_in_threadpool(self._end)

    def _end(self) -> Response:
        person, now = CURRENT.get(), self.gate.now()
        if person.session is not None:
            with self.gate.access.lock, self.gate.access.write() as connection:
                viewings.end(connection, person.session.session_id)
                line = Line(now, person.user_id, Action.CHANGE, "see-as-end")
                append(self.gate.access, connection, line)
        return RedirectResponse("/", status_code=303)
