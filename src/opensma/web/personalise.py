"""Personalise: an owner asks for what the what-if showed; advisor or manager answers with a reason.

What was shown is kept with the request. Approving writes to the book; the next day's plans follow.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access import requests
from opensma.access.requests import State
from opensma.access.store import Access
from opensma.book.master import AccountRecord
from opensma.book.rights import Right
from opensma.book.store import Book
from opensma.book.visible import visible_accounts
from opensma.errors import InputError
from opensma.report.what_if import verdict
from opensma.trade.change_text import FIELDS, read_change
from opensma.trade.personalise import apply_request
from opensma.trade.what_if import Comparison, value_of, what_if
from opensma.web import what_if as trying
from opensma.web.person import CURRENT
from opensma.web.portal import Portal


@dataclass
class Personalise:
    """Pages of requests, for the portal's viewer; `whole` is the book that is written to."""

    portal: Portal
    access: Access
    whole: Book

    # --- asking ----------------------------------------------------------------------------------

    def page(self, request: Request) -> Response:
        """What was asked about one account, with answers; where to ask for more."""
        account = self.portal.seen(request.path_params["account_id"], Right.HOLDINGS)
        found = requests.of_accounts(self.access, [account.account_id])
        return self.portal.page(
            "requests.html", account=account, found=found, shown=self._shown, error=None, note="",
            may_ask=self.portal.holds(account.account_id, Right.PERSONALISE),
            may_decide=self.portal.holds(account.account_id, Right.DECIDE),
        )  # fmt: skip

    async def ask(self, request: Request) -> Response:
        """Keep a request with what the engine says to it now."""
        form = await request.form()
        given = {name: str(form.get(name, ""))[:400] for name in (*FIELDS, "note")}
        account_id = request.path_params["account_id"]
        return await run_in_threadpool(self._ask, account_id, given)

    def _ask(self, account_id: str, given: Mapping[str, str]) -> Response:
        account = self.portal.seen(account_id, Right.PERSONALISE)
        try:
            self.make(account_id, CURRENT.get().user_id, given, given["note"])
        except InputError as error:
            return self._again(account, given["note"], error)
        return RedirectResponse(f"/accounts/{account_id}/requests", status_code=303)

    def make(
        self, account_id: str, user_id: str, given: Mapping[str, str], note: str
    ) -> requests.Request:
        """Keep a request with its preview; InputError where it means nothing."""
        fields = {n: given[n].strip() for n in FIELDS if given.get(n, "").strip()}
        asked = requests.Request(
            f"rq-{secrets.token_hex(8)}", account_id, user_id, _now(), fields, note,
            self._preview(account_id, fields),
        )  # fmt: skip
        requests.ask(self.access, asked)
        return asked

    def _preview(self, account_id: str, fields: Mapping[str, str]) -> dict[str, Any]:
        change = read_change(fields)
        if change.empty:
            return {}
        stands = self.portal.desk.standing(account_id, self.portal.viewer, trying.ON_FILE)
        return _figures(what_if(stands, change))

    def _again(self, account: AccountRecord, note: str, error: InputError) -> Response:
        found = requests.of_accounts(self.access, [account.account_id])
        answer = self.portal.page(
            "requests.html", account=account, found=found, shown=self._shown, error=error,
            note=note, may_ask=True, may_decide=self.portal.holds(account.account_id, Right.DECIDE),
        )  # fmt: skip
        answer.status_code = 422
        return answer

    # --- answering -------------------------------------------------------------------------------

    def inbox(self, request: Request) -> Response:
        """Every request about accounts on which the viewer decides."""
        with self.portal.book.read() as connection:
            accounts = visible_accounts(connection, self.portal.viewer, Right.DECIDE)
        names = [account.account_id for account in accounts]
        found = requests.of_accounts(self.access, names)
        return self.portal.page("request_inbox.html", found=found, shown=self._shown)

    async def answer(self, request: Request) -> Response:
        """Approve, refuse or withdraw one request."""
        form = await request.form()
        what, reason = str(form.get("what", "")), str(form.get("reason", ""))
        return await run_in_threadpool(
            self._answer, request.path_params["request_id"], what, reason
        )

    def _answer(self, request_id: str, what: str, reason: str) -> Response:
        asked = requests.find(self.access, request_id)
        if asked is None:
            raise HTTPException(404)
        right = Right.PERSONALISE if what == "withdraw" else Right.DECIDE
        account = self.portal.seen(asked.account_id, right)
        by = CURRENT.get().user_id
        applied: list[str] = []
        state = {"approve": State.APPROVED, "refuse": State.REFUSED, "withdraw": State.WITHDRAWN}
        if what not in state or (what == "withdraw" and asked.user_id != by):
            raise HTTPException(404)
        try:
            if what == "approve" and asked.open:
                applied = self._apply(asked, by)
            requests.decide(self.access, asked, state[what], by, reason, _now(), applied)
        except InputError as error:
            return self._again(account, "", error)
        return RedirectResponse(f"/accounts/{asked.account_id}/requests", status_code=303)

    def _apply(self, asked: requests.Request, by: str) -> list[str]:
        ready = self.portal.desk.ready()
        stands = self.portal.desk.standing(asked.account_id, self.portal.viewer, trying.ON_FILE)
        return apply_request(
            self.whole, ready, asked.account_id, asked.request_id, read_change(asked.fields), by,
            date.fromordinal(ready.ordinal), datetime.now(UTC).isoformat(timespec="seconds"),
            value_of(ready, stands.account),
        )  # fmt: skip

    # --- showing ---------------------------------------------------------------------------------

    def _shown(self, asked: requests.Request) -> list[tuple[str, str]]:
        """The wish as typed, field by field."""
        return [(FIELDS[name], text) for name, text in asked.fields.items() if name in FIELDS]


def _figures(told: Comparison) -> dict[str, Any]:
    """What is kept of a comparison: enough to show what the owner saw (P13)."""
    return {
        "day": date.fromordinal(told.day).isoformat(),
        "verdict": verdict(told),
        "tax_cents": told.tax_cents,
        "cost_cents": told.cost_cents,
        "te_before": told.before.tracking_error,
        "te_after": told.after.tracking_error,
        "trades": told.trades,
        "status": told.after.status,
    }


def _now() -> int:
    return int(datetime.now(UTC).timestamp())
