"""A billing run in the portal: look, let a hold through as a second person, release (F26, B19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access.audit import Action, Line, record
from opensma.access.store import Access
from opensma.billing.bridge import STEPS
from opensma.billing.cycle import Period, newest_quarters, parse_period
from opensma.billing.desk import payee_totals, preview, release, release_held
from opensma.book.store import Book
from opensma.errors import InputError
from opensma.web.documents import Papers
from opensma.web.person import CURRENT
from opensma.web.portal import Portal

MOST_SHOWN = 200
_QUARTERS = 8


@dataclass
class BillingRun:
    """The page, for who may see every account; `whole` is the book that is written to."""

    portal: Portal
    papers: Papers
    access: Access
    whole: Book

    def show(self, request: Request) -> Response:
        """What a run of a period would release and hold; nothing is written."""
        self.papers.must_see_all()
        return self._page(request.query_params.get("period", ""), None)

    async def act(self, request: Request) -> Response:
        """Release a period, or let one held agreement through."""
        form = await request.form()
        names = ("what", "period", "agreement", "reason")
        given = {name: str(form.get(name, "")).strip()[:500] for name in names}
        return await run_in_threadpool(self._act, given)

    def _act(self, given: Mapping[str, str]) -> Response:
        self.papers.must_see_all()
        period, by = self._period(given["period"]), CURRENT.get().user_id
        now = datetime.now(UTC)
        at = now.isoformat(timespec="seconds")
        try:
            if given["what"] == "release":
                made = release(self.whole, period, at, by)
                detail = f"{period.name} {made.run_id}"
            elif given["what"] == "let-through":
                release_held(self.whole, period, given["agreement"], by, given["reason"], at)
                detail = f"{period.name} {given['agreement']}"
            else:
                raise HTTPException(400)
        except InputError as error:
            answer = self._page(period.name, error)
            answer.status_code = 422
            return answer
        record(
            self.access,
            Line(int(now.timestamp()), by, Action.CHANGE, f"billing-{given['what']}", "", detail),
        )
        return RedirectResponse(f"/billing/run?period={period.name}", status_code=303)

    def _page(self, asked: str, error: InputError | None) -> Response:
        newest = date.fromordinal(int(self.portal.market.days[-1]))
        periods = [one.name for one in newest_quarters(newest, _QUARTERS)]
        made = preview(self.whole, self._period(asked)) if asked else None
        drafts = [] if made is None else made.invoices
        return self.portal.page(
            "billing_run.html", made=made, periods=periods, asked=asked, error=error, steps=STEPS,
            ready=drafts[:MOST_SHOWN], ready_total=len(drafts),
            held=[] if made is None else made.held[:MOST_SHOWN], payouts=payee_totals(drafts),
            cents=sum(d.invoice.amount_cents for d in drafts if d.invoice),
            differ=0 if made is None else sum(
                e.recomputed_cents != e.billed_cents for e in made.sample
            ),
        )  # fmt: skip

    @staticmethod
    def _period(text: str) -> Period:
        try:
            return parse_period(text)
        except InputError:
            raise HTTPException(404) from None
