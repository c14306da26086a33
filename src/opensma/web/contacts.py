"""The contact log of an account, and who is due to be asked (rule 3a-4, section 9.1)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access import contacts
from opensma.access.contacts import Contact, Kind, Means
from opensma.access.store import Access
from opensma.book.master import AccountRecord
from opensma.book.rights import Right
from opensma.book.visible import visible_accounts
from opensma.errors import InputError
from opensma.web.person import CURRENT
from opensma.web.portal import Portal

MOST_SHOWN = 500
_FIELDS = ("kind", "day", "means", "changed", "note")


@dataclass
class ContactPages:
    """Pages of contacts, for the portal's viewer."""

    portal: Portal
    access: Access

    def show(self, request: Request) -> Response:
        """What was asked of the owner of one account, and what is due."""
        account = self.portal.seen(request.path_params["account_id"], Right.HOLDINGS)
        return self._page(account, None, dict.fromkeys(_FIELDS, ""))

    async def add(self, request: Request) -> Response:
        """Write one contact down."""
        form = await request.form()
        given = {name: str(form.get(name, "")).strip()[:4000] for name in _FIELDS}
        return await run_in_threadpool(self._add, request.path_params["account_id"], given)

    def _add(self, account_id: str, given: Mapping[str, str]) -> Response:
        account = self.portal.seen(account_id, Right.DECIDE)
        if given["kind"] not in list(Kind) or given["means"] not in list(Means):
            raise HTTPException(400)
        try:
            contacts.add(self.access, [self._contact(account.account_id, given)], _today())
        except InputError as error:
            answer = self._page(account, error, given)
            answer.status_code = 422
            return answer
        return RedirectResponse(f"/accounts/{account.account_id}/contact", status_code=303)

    def due(self, _request: Request) -> Response:
        """Accounts that are due, the latest first."""
        today = self._day()
        found = self._due(today)
        return self.portal.page(
            "contacts.html", found=found[:MOST_SHOWN], total=len(found), today=today,
            notices=sum(one.kind is Kind.NOTICE for one in found), kinds=KINDS,
        )  # fmt: skip

    async def notices(self, _request: Request) -> Response:
        """The quarter's notice went out to everybody who is due one."""
        return await run_in_threadpool(self._notices)

    def _notices(self) -> Response:
        today = _today()
        given = {
            "kind": Kind.NOTICE.value, "day": today.isoformat(), "changed": "",
            "means": Means.STATEMENT.value, "note": "",
        }  # fmt: skip
        names = [d.account_id for d in self._due(self._day()) if d.kind is Kind.NOTICE]
        contacts.add(self.access, [self._contact(name, given) for name in names], today)
        return RedirectResponse("/contacts", status_code=303)

    def _due(self, today: date) -> list[contacts.Due]:
        with self.portal.book.read() as connection:
            seen = visible_accounts(connection, self.portal.viewer, Right.DECIDE)
        open_ones = [a for a in seen if a.status != "closed"]
        known = contacts.of_accounts(self.access, [a.account_id for a in open_ones])
        return contacts.due([(a.account_id, a.opened) for a in open_ones], known, today)

    def _day(self) -> date:
        """The book's newest day: what is due counts from it, as everything on a page does."""
        run = self.portal.program_seen().run
        return _today() if run is None else date.fromisoformat(run.day)

    def _contact(self, account_id: str, given: Mapping[str, str]) -> Contact:
        return Contact(
            f"ct-{secrets.token_hex(8)}", account_id, Kind(given["kind"]), given["day"],
            Means(given["means"]), bool(given["changed"]), given["note"],
            CURRENT.get().user_id, int(datetime.now(UTC).timestamp()),
        )  # fmt: skip

    def _page(
        self, account: AccountRecord, error: InputError | None, given: Mapping[str, str]
    ) -> Response:
        found, today = contacts.of_accounts(self.access, [account.account_id]), self._day()
        return self.portal.page(
            "contact.html", account=account, found=found, error=error, given=given, today=today,
            due=contacts.due([(account.account_id, account.opened)], found, today),
            kinds=KINDS, means=list(Means),
            may_add=self.portal.holds(account.account_id, Right.DECIDE),
        )  # fmt: skip


KINDS = {
    Kind.OPENING: "Opening: situation, objectives, restrictions",
    Kind.ANNUAL: "Yearly review",
    Kind.NOTICE: "Quarterly notice",
    Kind.OTHER: "Other",
}


def _today() -> date:
    return datetime.now(UTC).date()
