"""Proposals: an advisor types or uploads a prospect's holdings and leaves a PDF behind.

Computed by the study's engine, shown and forgotten: nothing about the prospect is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from opensma.book.master import Program, Strategy, all_records
from opensma.errors import InputError
from opensma.report.documents.proposal import ProposalFacts, proposal_data, proposal_pdf
from opensma.report.documents.render import installed
from opensma.tax.rates import STATUSES, MarginalRates
from opensma.trade.study import Study, read_holdings, study
from opensma.web.portal import Portal
from opensma.web.study import rates_asked, years_asked

MOST_BYTES = 400_000
MOST_LOTS = 2_000
_FIELDS = ("prospect", "holdings", "state", "status", "income", "years", "exclude")


@dataclass(frozen=True, slots=True)
class Made:
    """What stands below the form."""

    facts: ProposalFacts
    found: Study
    rates: MarginalRates


@dataclass
class Proposals:
    """The form, its answer, and the document."""

    portal: Portal

    def form(self, _request: Request) -> Response:
        """The empty form."""
        asked = dict.fromkeys(_FIELDS, "") | {"status": "joint", "income": "300000", "years": "3"}
        return self._page(asked, None, None)

    async def answer(self, request: Request) -> Response:
        """The proposal as a page, or as PDF where that was asked for."""
        asked, pdf = await self._asked(request)
        return await run_in_threadpool(self._answer, asked, pdf)

    def _answer(self, asked: Mapping[str, str], pdf: bool) -> Response:
        try:
            made = self._made(asked)
        except InputError as error:
            return self._page(asked, None, error, 422)
        if not pdf:
            return self._page(asked, made, None)
        if not installed():
            raise HTTPException(404)
        body = proposal_pdf(made.facts, made.found, made.rates)
        name = re.sub(r"[^a-z0-9]+", "-", made.facts.prospect.lower()).strip("-")[:60] or "prospect"
        headers = {
            "Content-Disposition": f'attachment; filename="proposal-{name}.pdf"',
            "Digest": f"sha-256={sha256(body).hexdigest()}",
        }
        return Response(body, media_type="application/pdf", headers=headers)

    def _made(self, asked: Mapping[str, str]) -> Made:
        if not asked["prospect"]:
            raise InputError("proposal.prospect", "Say for whom it is.", where="prospect",
                             remedy="Write a name; it is not kept.")  # fmt: skip
        ready = self.portal.desk.ready()
        lots = read_holdings(asked["holdings"], ready, MOST_LOTS)
        rates, years = rates_asked(asked, ready.ordinal), years_asked(asked["years"])
        sectors = [part.strip() for part in asked["exclude"].split(",") if part.strip()][:5]
        found = study(ready, lots, rates, years, sectors)
        with self.portal.book.read() as connection:
            firm = ", ".join(p.name for p in all_records(connection, Program))
            strategy = ", ".join(s.name for s in all_records(connection, Strategy))
        facts = ProposalFacts(
            asked["prospect"], firm, strategy, date.fromordinal(ready.ordinal),
            asked["state"].upper(), asked["status"], years,
        )  # fmt: skip
        return Made(facts, found, rates)

    async def _asked(self, request: Request) -> tuple[dict[str, str], bool]:
        form = await request.form()
        asked = {name: str(form.get(name, "")).strip() for name in _FIELDS}
        file = form.get("file")
        if isinstance(file, UploadFile) and file.size:
            if file.size > MOST_BYTES:
                raise HTTPException(413)
            asked["holdings"] = (await file.read()).decode("utf-8-sig", errors="replace").strip()
        if len(asked["holdings"]) > MOST_BYTES:
            raise HTTPException(413)
        asked = {n: text if n == "holdings" else text[:200] for n, text in asked.items()}
        return asked, form.get("as") == "pdf"

    def _page(
        self, asked: Mapping[str, str], made: Made | None, error: InputError | None,
        status: int = 200,
    ) -> Response:  # fmt: skip
        data: dict[str, Any] | None = None
        if made is not None:
            data = proposal_data(made.facts, made.found, made.rates)
        ready = self.portal.desk.ready()
        answer = self.portal.page(
            "proposals.html", asked=asked, data=data, error=error, statuses=STATUSES,
            sectors=ready.prepared.universe.sector_name, installed=installed(),
        )  # fmt: skip
        answer.status_code = status
        return answer
