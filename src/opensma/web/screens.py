"""Every address of the portal with its policy: one table, so that none can be added without.

An `account_id` or `taxpayer_id` in a path is checked by the gate before the page is made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from opensma.book.rights import Right
from opensma.web.events import Events
from opensma.web.policy import PUBLIC, SIGNED_IN, Policy, Screen, needs
from opensma.web.study import StudyPage

_ACCOUNT = "/accounts/{account_id}"
_DRAWN = "{digest}-{size}-{scheme}.svg"
_TAXES_CSV = "/taxes/form-8949-{year:int}.csv"
_SERVER = Policy(public=True, csrf=False)  # no form of ours


def portal_screens() -> list[Screen]:
    """Program, accounts, trades, taxes."""
    look, perform = needs(Right.HOLDINGS), needs(Right.PERFORMANCE)
    tax, file = needs(Right.TAXES), needs(Right.TAXES, export=True)
    growth = _ACCOUNT + "/growth-{period}-" + _DRAWN
    ladder = _ACCOUNT + "/ladder-{period}-" + _DRAWN
    return [
        Screen("/", "program", lambda p, r: p.home.show(r), SIGNED_IN),
        Screen(_ACCOUNT, "account", lambda p, r: p.portal.account(r), look),
        Screen(
            _ACCOUNT + "/lots/{security_key:int}", "lots", lambda p, r: p.portal.lots(r), look
        ),
        Screen(_ACCOUNT + "/value-" + _DRAWN, "value", lambda p, r: p.portal.chart(r), look),
        Screen(_ACCOUNT + "/what-if", "what-if", lambda p, r: p.portal.what_if(r), look),
        Screen(
            _ACCOUNT + "/performance", "performance", lambda p, r: p.portal.performance(r), perform
        ),
        Screen(growth, "growth-chart", lambda p, r: p.portal.growth(r), perform),
        Screen(ladder, "ladder-chart", lambda p, r: p.portal.ladder(r), perform),
        Screen(_ACCOUNT + "/taxes", "taxes", lambda p, r: p.portal.taxes(r), tax),
        Screen(_ACCOUNT + _TAXES_CSV, "form-8949", lambda p, r: p.portal.form_8949(r), file),
        Screen(
            "/taxpayers/{taxpayer_id}/taxes", "taxpayer-taxes", lambda p, r: p.portal.taxes(r), tax
        ),
        Screen(
            "/taxpayers/{taxpayer_id}" + _TAXES_CSV, "taxpayer-form-8949",
            lambda p, r: p.portal.form_8949(r), file,
        ),
        Screen("/trades/{trade_id}", "trade", lambda p, r: p.portal.trade(r), look),
        Screen("/assets/{address}", "asset", lambda p, r: p.portal.asset(r), PUBLIC),
    ]  # fmt: skip


def paper_screens() -> list[Screen]:
    """Documents, fees, composite."""
    read, file = needs(Right.DOCUMENTS), needs(Right.DOCUMENTS, export=True)
    base, composite = _ACCOUNT + "/documents", needs(Right.COMPOSITES)
    return [
        Screen(base, "documents", lambda p, r: p.papers.page(r), read),
        Screen(
            base + "/statement-{period}.pdf", "statement", lambda p, r: p.papers.statement(r), file
        ),
        Screen(
            base + "/tax-pack-{year:int}.pdf", "tax-pack", lambda p, r: p.papers.tax_pack(r),
            needs(Right.TAXES, export=True),
        ),
        Screen(
            base + "/invoice-{invoice_id}.pdf", "invoice", lambda p, r: p.papers.invoice(r), file
        ),
        Screen("/documents", "batch", lambda p, r: p.batch.page(r), read),
        Screen("/documents/{kind}-{period}.zip", "batch-file", lambda p, r: p.batch.file(r), file),
        Screen("/composite", "composite", lambda p, r: p.papers.composite(r), composite),
        Screen(
            "/composite.pdf", "composite-file", lambda p, r: p.papers.composite_file(r),
            needs(Right.COMPOSITES, export=True),
        ),
        Screen(_ACCOUNT + "/fees", "fees", lambda p, r: p.fees.account(r), needs(Right.FEES)),
        Screen("/billing", "billing", lambda p, r: p.fees.billing(r), needs(Right.BILLING)),
        Screen("/billing/run", "billing-run", lambda p, r: p.bills.show(r), needs(Right.RELEASE)),
        Screen(
            "/billing/run", "billing-act", _awaited("bills", "act"),
            needs(Right.RELEASE, step_up=True), ("POST",),
        ),
    ]  # fmt: skip


def request_screens() -> list[Screen]:
    """What owners ask for, and answers."""
    own, ask = _ACCOUNT + "/requests", needs(Right.PERSONALISE, step_up=True)
    return [
        Screen(own, "requests", lambda p, r: p.personalise.page(r), needs(Right.HOLDINGS)),
        Screen(own, "request", _awaited("personalise", "ask"), ask, ("POST",)),
        Screen(
            _ACCOUNT + "/access", "access", lambda p, r: p.access.show(r), needs(Right.ACCESS)
        ),
        Screen(
            _ACCOUNT + "/access", "access-change", _awaited("access", "change"),
            needs(Right.ACCESS, step_up=True), ("POST",),
        ),
        Screen(
            _ACCOUNT + "/contact", "contact", lambda p, r: p.contacts.show(r),
            needs(Right.HOLDINGS),
        ),
        Screen(
            _ACCOUNT + "/contact", "contact-add", _awaited("contacts", "add"),
            needs(Right.DECIDE), ("POST",),
        ),
        Screen(
            _ACCOUNT + "/giving", "giving", lambda p, r: p.giving.show(r), needs(Right.HOLDINGS)
        ),
        Screen("/contacts", "contacts", lambda p, r: p.contacts.due(r), needs(Right.DECIDE)),
        Screen(
            "/contacts", "contact-notices", _awaited("contacts", "notices"),
            needs(Right.DECIDE, step_up=True), ("POST",),
        ),
        Screen("/requests", "inbox", lambda p, r: p.personalise.inbox(r), needs(Right.DECIDE)),
        Screen(
            "/requests/{request_id}", "request-answer", _awaited("personalise", "answer"),
            Policy(step_up=True), ("POST",),
        ),
    ]  # fmt: skip


def growth_screens() -> list[Screen]:
    """The growth team's page and its charts."""
    grow, chart = needs(Right.GROWTH), "/growth/chart-{section:int}-{number:int}.svg"
    return [
        Screen("/growth", "growth", lambda p, r: p.growth.show(r), grow),
        Screen(
            "/growth.pdf", "growth-file", lambda p, r: p.growth.file(r),
            needs(Right.GROWTH, export=True),
        ),
        Screen(chart, "growth-pack-chart", lambda p, r: p.growth.chart(r), grow),
    ]  # fmt: skip


def desk_screens() -> list[Screen]:
    """The day, plans that wait, exceptions."""
    care, review = needs(Right.EXCEPTIONS), needs(Right.REVIEW)
    decide = needs(Right.REVIEW, step_up=True)
    return [
        Screen("/proposals", "proposal", lambda p, r: p.proposals.form(r), needs(Right.PROPOSE)),
        Screen(
            "/proposals",
            "proposal-answer",
            _awaited("proposals", "answer"),
            needs(Right.PROPOSE),
            ("POST",),
        ),
        Screen("/restrictions", "restrictions", lambda p, r: p.restrictions.show(r), care),
        Screen(
            "/restrictions",
            "restriction-end",
            _awaited("restrictions", "end"),
            needs(Right.DECIDE, step_up=True),
            ("POST",),
        ),
        Screen("/households", "households", lambda p, r: p.advisor.households(r), care),
        Screen("/drift", "drift", lambda p, r: p.advisor.drift(r), care),
        Screen("/day", "day", lambda p, r: p.desk.day(r), needs(Right.OPERATIONS)),
        Screen("/review", "review", lambda p, r: p.desk.review(r), review),
        Screen("/review", "review-decide", _awaited("desk", "decide"), decide, ("POST",)),
        Screen("/model-change", "model", lambda p, r: p.model.form(r), review),
        Screen("/model-change", "model-effect", _awaited("model", "answer"), review, ("POST",)),
        Screen("/exceptions", "exceptions", lambda p, r: p.desk.exceptions(r), care),
        Screen("/exceptions", "exception-care", _awaited("desk", "care"), care, ("POST",)),
    ]


def _awaited(part: str, name: str) -> Callable[[Any, Request], Any]:
    """A coroutine of one part of the pages."""

    async def answer(pages: Any, request: Request) -> Any:
        return await getattr(getattr(pages, part), name)(request)

    return answer


def public_screens(events: Events, study: StudyPage) -> list[Screen]:
    """What anybody may open: the study page, and events of servers."""

    def alone(answer: Callable[[Request], Any]) -> Callable[[Any, Request], Any]:
        return lambda _pages, request: answer(request)

    async def post(_pages: Any, request: Request) -> Any:
        return await events.post(request)

    async def answer(_pages: Any, request: Request) -> Any:
        return await study.answer(request)

    return [
        Screen("/events", "events", post, _SERVER, ("POST",)),
        Screen("/study", "study", alone(study.show), PUBLIC),
        Screen("/study", "study-answer", answer, _SERVER, ("POST",)),
        Screen("/study/brand.css", "study-style", alone(study.style), PUBLIC),
    ]
