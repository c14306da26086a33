"""The gate that every request passes: who asks, what the address's policy wants, the audit log.

What is not theirs is answered like what is not there, before any page is made (P21, P23). A page
asks the book for its data with the same viewer again, so one forgotten check opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import inspect
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

from jinja2 import Environment
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from opensma.access import sessions, viewings
from opensma.access.audit import Action, Line, append, record
from opensma.access.store import Access
from opensma.book.rights import Right, Viewer
from opensma.book.seeing_as import seen_as
from opensma.book.store import Book
from opensma.book.visible import find_viewer, seen_account, visible_accounts
from opensma.errors import BookError
from opensma.web.kept import KeptPages, version_of
from opensma.web.person import CURRENT, NOBODY, Person
from opensma.web.policy import Policy, Screen
from opensma.web.see_as import ALLOWED
from opensma.web.tables import whole

COOKIE = "sma_session"
VIEWERS_KEPT = 64
_READS = ("GET", "HEAD", "OPTIONS")


@dataclass
class Gate:
    """Guards screens; `make` builds the pages of a viewer, which are kept for the last ones.

    With `sign_in` a session is asked for; without, everybody who reaches this machine is `fixed`,
    or the operator.
    """

    book: Book
    access: Access
    env: Environment
    make: Callable[[Viewer | None], Any]
    sign_in: bool = False
    fixed: Viewer | None = None
    clock: Callable[[], float] = time.time
    secure: bool = False  # reached over TLS alone, here or at a proxy
    _secret: str = field(default_factory=lambda: secrets.token_hex(32))
    _kept: OrderedDict[Viewer | None, Any] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    @property
    def cookie(self) -> str:
        """Over TLS with the prefix that lets no other host and no plain page set it."""
        return f"__Host-{COOKIE}" if self.secure else COOKIE

    def __post_init__(self) -> None:
        self.kept = KeptPages(self.book)

    def route(self, screen: Screen) -> Route:
        """The screen behind the gate."""

        async def answer(request: Request) -> Response:
            return await self._pass(screen, request)

        return Route(screen.path, answer, methods=list(screen.methods), name=screen.name)

    def pages(self, viewer: Viewer | None) -> Any:
        """The pages of a viewer; a few are kept, as they hold what they read until it changes."""
        with self._lock:
            found = self._kept.pop(viewer, None)
        found = self.make(viewer) if found is None else found
        with self._lock:
            self._kept[viewer] = found
            while len(self._kept) > VIEWERS_KEPT:
                self._kept.popitem(last=False)
        return found

    def now(self) -> int:
        """Seconds of the epoch."""
        return int(self.clock())

    # --- one request ---------------------------------------------------------------------------

    async def _pass(self, screen: Screen, request: Request) -> Response:
        person, policy = CURRENT.get(), screen.policy
        if not policy.public:
            if not person.known:
                return _sign_in_first(request)
            await run_in_threadpool(self._admit, policy, person, request)
            stale = policy.step_up or policy.export or whole(request.scope)
            if stale and not self._fresh(person):
                return _step_up_first(request)
        if request.method not in _READS and policy.csrf:
            await self._same_origin(person, request)
        if request.method not in _READS and person.actor and screen.name not in ALLOWED:
            raise HTTPException(403)  # who sees as somebody else changes nothing
        reads = request.method in _READS
        kept = self.kept.find(person, request) if reads and person.known else None
        answer: Response = kept or await self._made(screen, person, request)
        if person.known and answer.status_code < 400:
            await run_in_threadpool(self._log, screen, person, request)
        return answer

    async def _made(self, screen: Screen, person: Person, request: Request) -> Response:
        pages, version = await run_in_threadpool(self.pages, person.viewer), version_of(self.book)
        if inspect.iscoroutinefunction(screen.answer):
            answer: Response = await screen.answer(pages, request)
        else:
            answer = await run_in_threadpool(screen.answer, pages, request)
        if person.known and request.method in _READS:
            self.kept.keep(person, request, answer, version)
        return answer

    def who(self, request: Request) -> Person:
        """The person of a request; NOBODY where a session is missing, over or unknown."""
        if not self.sign_in:
            csrf = self._csrf(self._secret)
            return Person(self.fixed, operator=self.fixed is None, csrf=csrf)
        secret = request.cookies.get(self.cookie, "")
        if not secret:
            return NOBODY
        now = self.now()
        with self.access.read() as connection:
            session = sessions.find(connection, secret, now)
            owner = (session and viewings.owner_of(connection, session.session_id)) or None
        if session is None:
            return NOBODY
        if sessions.wants_touch(session, now):
            with self.access.write() as connection:
                sessions.touch(connection, session, now)
        viewer = self.viewer(session.user_id)
        if viewer is None:
            return NOBODY
        if owner is not None and (seen := self._as_owner(viewer, owner)) is not None:
            return Person(seen, session=session, csrf=self._csrf(secret), actor=viewer)
        return Person(viewer, session=session, csrf=self._csrf(secret))

    def _as_owner(self, actor: Viewer, owner_id: str) -> Viewer | None:
        with self.book.read() as connection:
            return seen_as(connection, actor, owner_id, self._today())

    def viewer(self, user_id: str) -> Viewer | None:
        """A user with the grants of today."""
        with self.book.read() as connection:
            return find_viewer(connection, user_id, self._today())

    def _today(self) -> str:
        return datetime.fromtimestamp(self.now(), UTC).date().isoformat()

    # --- sessions ------------------------------------------------------------------------------

    def begin(
        self,
        request: Request,
        answer: Response,
        user_id: str,
        method: str,
        proved_at: int | None = None,
    ) -> None:
        """A session with a new cookie value; one that stands is renewed, never taken over.

        `proved_at`: when a provider asked the person, where that was not just now.
        """
        old, now = request.cookies.get(self.cookie, ""), self.now()
        secret = secrets.token_urlsafe(32)
        with self.access.lock, self.access.write() as connection:
            known = sessions.find(connection, old, now) if old else None
            if known is not None and known.user_id == user_id:
                sessions.renew(connection, old, secret, method, now)
            else:
                if known is not None:
                    sessions.end(connection, old, now)
                sessions.begin(connection, secret, user_id, method, now)
            if proved_at is not None:
                sessions.proved(connection, secret, proved_at)
            append(self.access, connection, Line(now, user_id, Action.SIGN_IN, method))
        answer.set_cookie(
            self.cookie, secret, httponly=True, samesite="lax", secure=self.secure, path="/"
        )

    def end(self, request: Request) -> None:
        """End the session of this cookie."""
        secret, person, now = request.cookies.get(self.cookie, ""), CURRENT.get(), self.now()
        with self.access.lock, self.access.write() as connection:
            sessions.end(connection, secret, now)
            append(self.access, connection, Line(now, person.user_id, Action.SIGN_OUT, "sign-out"))

    def clear(self, answer: Response) -> None:
        """Take the cookie back."""
        answer.delete_cookie(self.cookie, path="/", secure=self.secure)

    def _admit(self, policy: Policy, person: Person, request: Request) -> None:
        """404 unless the person holds the right, and holds it on what the address names."""
        if person.operator or policy.right is None:
            return
        viewer, right = person.viewer, policy.right
        if viewer is None or not viewer.has(right):
            raise HTTPException(404)
        named, year = request.path_params, asked_year(request, viewer, right)
        with self.book.read() as connection:
            if "account_id" in named:
                try:
                    seen_account(connection, named["account_id"], viewer, right, year)
                except BookError:
                    raise HTTPException(404) from None
            elif "taxpayer_id" in named:
                seen = visible_accounts(connection, viewer, right, year)
                if named["taxpayer_id"] not in {a.taxpayer_id for a in seen}:
                    raise HTTPException(404)

    def _fresh(self, person: Person) -> bool:
        return person.session is None or person.session.fresh(self.now())

    def _csrf(self, secret: str) -> str:
        return hmac.new(self._secret.encode(), secret.encode(), hashlib.sha256).hexdigest()

    async def _same_origin(self, person: Person, request: Request) -> None:
        """A change comes from our own page: its origin is ours and it carries the page's word."""
        origin = request.headers.get("origin")
        ours = request.headers.get("host", "")
        if origin is not None and urlsplit(origin).netloc != ours:
            raise HTTPException(403)
        if not person.known:
            return  # a public form: there is no session to misuse
        form = await request.form()
        word = form.get("csrf") or request.headers.get("x-csrf-token") or ""
        if not isinstance(word, str) or not hmac.compare_digest(word, person.csrf):
            raise HTTPException(403)

    def _log(self, screen: Screen, person: Person, request: Request) -> None:
        changes = request.method not in _READS
        export = screen.policy.export or whole(request.scope)
        action = Action.CHANGE if changes else Action.EXPORT if export else Action.VIEW
        named: Mapping[str, Any] = request.path_params
        rest = [f"{name}={value}" for name, value in named.items() if name != "account_id"]
        account = str(named.get("account_id", getattr(request.state, "account_id", "")))
        detail = " ".join([*([person.as_whom] if person.actor else []), *rest])[:200]
        line = Line(self.now(), person.user_id, action, screen.name, account, detail)
        record(self.access, line)


class Identify:
    """Finds out who asks before anything answers, so that every page knows whom it speaks to."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app = app
        self.gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on with its person."""
        if scope["type"] == "http":
            CURRENT.set(await run_in_threadpool(self.gate.who, Request(scope)))
        await self.app(scope, receive, send)


def asked_year(request: Request, viewer: Viewer | None, right: Right) -> int | None:
    """The tax year of an address, else the only one that this viewer may see."""
    if right is not Right.TAXES:
        return None
    text = str(request.path_params.get("year") or request.query_params.get("year") or "")
    if text.isascii() and text.isdigit() and len(text) == 4:
        return int(text)
    return None if viewer is None else viewer.only_year


def _sign_in_first(request: Request) -> Response:
    """The same for what exists and what does not."""
    if request.url.path.startswith("/api/"):
        return JSONResponse(
            {"error": {"code": "auth.missing", "message": "Nobody is signed in."}},
            status_code=401, headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    if request.method not in _READS:
        raise HTTPException(401)
    return RedirectResponse(f"/sign-in?next={_here(request)}", status_code=303)


def _step_up_first(request: Request) -> Response:
    """A change is not sent again by itself: the way back is to the page of its form."""
    back = _here(request)
    if request.method not in _READS:
        back = quote(urlsplit(request.headers.get("referer", "/")).path, safe="")
    return RedirectResponse(f"/step-up?next={back}", status_code=303)


def _here(request: Request) -> str:
    query = f"?{request.url.query}" if request.url.query else ""
    return quote(request.url.path + query, safe="")
