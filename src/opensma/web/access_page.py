"""Who can see an account, who looked, and an owner's grants to others (P27, P28)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access import sessions, tickets
from opensma.access.audit import Action, Line, append, lines_of
from opensma.access.store import Access
from opensma.book.grants import add_grant, add_user, end_grant, reaching
from opensma.book.master import AccountRecord, Grant, User, some_records
from opensma.book.rights import Right, Role
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.web.person import CURRENT
from opensma.web.portal import Portal

LINES = 100
GIVEN = (Role.ACCOUNTANT, Role.HOUSEHOLD)  # what an owner may give
_FIELDS = ("user", "name", "role", "tax_year", "until")


@dataclass
class AccessPage:
    """The page of one account, for the portal's viewer; `whole` is the book written to."""

    portal: Portal
    access: Access
    whole: Book

    def show(self, request: Request) -> Response:
        """Grants in force, and the newest lines of the audit log on this account."""
        return self._page(self.portal.seen(request.path_params["account_id"], Right.ACCESS))

    async def change(self, request: Request) -> Response:
        """Give access to somebody, or take it back."""
        form = await request.form()
        given = {name: str(form.get(name, "")).strip()[:200] for name in (*_FIELDS, "revoke")}
        return await run_in_threadpool(self._change, request.path_params["account_id"], given)

    def _change(self, account_id: str, given: Mapping[str, str]) -> Response:
        account = self.portal.seen(account_id, Right.ACCESS)
        try:
            if given["revoke"]:
                self._revoke(account, given["revoke"])
            else:
                word = self._give(account, given)
                if word:
                    return self._page(account, invitation=word)
        except InputError as error:
            answer = self._page(account, error, given)
            answer.status_code = 422
            return answer
        return RedirectResponse(f"/accounts/{account.account_id}/access", status_code=303)

    def _give(self, account: AccountRecord, given: Mapping[str, str]) -> str:
        """A grant on this account alone; an invitation's word where the user is new."""
        if given["role"] not in GIVEN:
            raise InputError(
                "access.role", "You can give access to an accountant or a household member.",
                where="role", remedy="Ask your advisor for anything else.",
            )  # fmt: skip
        year = given["tax_year"]
        if year and not (year.isascii() and year.isdigit() and len(year) == 4):
            raise InputError(
                "access.year", f"'{year}' is no year.", where="tax year", remedy="2025"
            )
        by, now, today = CURRENT.get().user_id, _now(), datetime.now(UTC).date()
        grant = Grant(
            f"g-{secrets.token_hex(6)}", given["user"], given["role"], "account",
            account.account_id, int(year) if year else None, today.isoformat(),
            given["until"] or None, by,
        )  # fmt: skip
        with self.whole.write() as connection:
            new = not some_records(connection, User, "user_id", [given["user"]])
            if new:
                add_user(connection, given["user"], given["name"])
            add_grant(connection, grant)
        word = secrets.token_urlsafe(24) if new else ""
        with self.access.lock, self.access.write() as connection:
            if new:
                ticket = tickets.Ticket(tickets.INVITATION, given["user"], "")
                tickets.issue(connection, word, ticket, now)
            line = Line(now, by, Action.CHANGE, "grant", account.account_id, grant.grant_id)
            append(self.access, connection, line)
        return word

    def _revoke(self, account: AccountRecord, grant_id: str) -> None:
        """Only what was given on this very account by an owner; a manager's grants stay."""
        with self.portal.book.read() as connection:
            mine = [g for _, g in reaching(connection, account) if g.grant_id == grant_id]
        if not mine or not _takes_back(mine[0], account):
            raise HTTPException(404)
        by, now = CURRENT.get().user_id, _now()
        with self.whole.write() as connection:
            grant = end_grant(connection, grant_id, datetime.now(UTC).date())
        with self.access.lock, self.access.write() as connection:
            sessions.end_all(connection, grant.user_id, now)
            line = Line(now, by, Action.CHANGE, "revoke", account.account_id, grant_id)
            append(self.access, connection, line)

    def _page(
        self,
        account: AccountRecord,
        error: InputError | None = None,
        given: Mapping[str, str] | None = None,
        invitation: str = "",
    ) -> Response:
        today = datetime.now(UTC).date().isoformat()
        with self.whole.read() as connection:
            found = reaching(connection, account, today)
        return self.portal.page(
            "access.html", account=account, grants=found, error=error, invitation=invitation,
            lines=lines_of(self.access, [account.account_id], size=LINES), roles=GIVEN,
            given=given or dict.fromkeys(_FIELDS, ""), takes_back=_takes_back,
            years=range(date.today().year, date.today().year - 4, -1),
        )  # fmt: skip


def _takes_back(grant: Grant, account: AccountRecord) -> bool:
    """Whether an owner may end a grant: what owners can give, on this account."""
    return grant.role in GIVEN and (grant.scope, grant.scope_id) == ("account", account.account_id)


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
