"""The manager's model change: weights in, its effect on a sample of accounts out, nothing saved."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from opensma.book.rights import Right
from opensma.book.store import Book
from opensma.book.visible import visible_accounts
from opensma.errors import InputError
from opensma.trade.model_change import Effect, preview, read_model, sample, totals
from opensma.web.portal import Portal

SAMPLED = 40
MOST_BYTES = 400_000


@dataclass
class ModelChange:
    """The page, for the portal's viewer; `whole` because households are solved together."""

    portal: Portal
    whole: Book

    def form(self, _request: Request) -> Response:
        """Today's model, ready to be changed."""
        ready = self.portal.desk.ready()
        target = ready.day.view.target
        shares = target / target.sum()
        rows = [f"{s},{w:.6f}" for s, w in zip(ready.symbols, shares, strict=True) if w > 0]
        return self._page("\n".join(["symbol,weight", *rows]), None, None)

    async def answer(self, request: Request) -> Response:
        """The effect of the weights that were sent."""
        form = await request.form()
        text, file = str(form.get("model", "")), form.get("file")
        if isinstance(file, UploadFile) and file.size:
            if file.size > MOST_BYTES:
                raise HTTPException(413)
            text = (await file.read()).decode("utf-8-sig", errors="replace")
        if len(text) > MOST_BYTES:
            raise HTTPException(413)
        return await run_in_threadpool(self._answer, text)

    def _answer(self, text: str) -> Response:
        ready = self.portal.desk.ready()
        try:
            target = read_model(text, ready)
        except InputError as error:
            answer = self._page(text, None, error)
            answer.status_code = 422
            return answer
        with self.portal.book.read() as connection:
            accounts = visible_accounts(connection, self.portal.viewer, Right.REVIEW)
        some = sample(accounts, SAMPLED)
        effects = list(preview(self.whole, ready, some, target))
        return self._page(text, effects, None, len(accounts))

    def _page(
        self, text: str, effects: list[Effect] | None, error: InputError | None, of: int = 0
    ) -> Response:
        return self.portal.page(
            "model_change.html", text=text, effects=effects, error=error, of=of,
            sums=None if effects is None else totals(effects),
        )  # fmt: skip
