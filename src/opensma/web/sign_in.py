"""Signing in, proving it again, signing out (P25): password with code, passkey, or a provider.

Who is unknown is answered like who is wrong, after the same time; tries that fail make the next
one wait. A sign-in and a step up always give a new cookie.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from opensma.access import attempts, local, passkeys, tickets
from opensma.access.audit import Action, Line, append
from opensma.access.passkeys import Site
from opensma.web.gate import Gate
from opensma.web.person import CURRENT
from opensma.web.provider import ProviderDesk, issuer_of

WRONG = "User, password or code is not right. Each code counts once; wait for the next one."
_HERE = "http://here"


@dataclass
class SignIn:
    """Pages of signing in; `providers` where some are configured."""

    gate: Gate
    providers: tuple[ProviderDesk, ...] = ()

    # --- pages -----------------------------------------------------------------------------------

    def show(self, _pages: Any, request: Request) -> Response:
        """The form, or on to where one wanted to go."""
        if CURRENT.get().session is not None:
            return RedirectResponse(inner(request.query_params.get("next")), status_code=303)
        return self._page(request, "")

    async def answer(self, _pages: Any, request: Request) -> Response:
        """Password and code together."""
        form = await request.form()
        user, password, code = (str(form.get(n, ""))[:300] for n in ("user", "password", "code"))
        return await run_in_threadpool(
            self._local, request, user.strip(), password, code, str(form.get("next", ""))
        )

    def step_up(self, _pages: Any, request: Request) -> Response:
        """Who is signed in proves it again."""
        return self._page(request, "")

    async def stepped(self, _pages: Any, request: Request) -> Response:
        """Password and code again, of the same person."""
        form, person = await request.form(), CURRENT.get()
        password, code = (str(form.get(n, ""))[:300] for n in ("password", "code"))
        return await run_in_threadpool(
            self._local, request, person.user_id, password, code, str(form.get("next", ""))
        )

    def sign_out(self, _pages: Any, request: Request) -> Response:
        """End this session and take the cookie back."""
        self.gate.end(request)
        answer = RedirectResponse("/sign-in", status_code=303)
        self.gate.clear(answer)
        return answer

    def _page(self, request: Request, error: str, status: int = 200, wait: int = 0) -> Response:
        person = CURRENT.get()
        text = self.gate.env.get_template("sign_in.html").render(
            again=person.session is not None,
            error=error,
            goal=inner(request.query_params.get("next")),
            providers=[desk.provider.name for desk in self.providers],
            day=None,
            stopped=0,
        )
        headers = {"Retry-After": str(wait)} if wait else None
        return HTMLResponse(text, status_code=status, headers=headers)

    # --- password and code -----------------------------------------------------------------------

    def _local(self, request: Request, user: str, password: str, code: str, goal: str) -> Response:
        subjects, now = self._subjects(request, user), self.gate.now()
        if wait := self._wait(subjects, now):
            words = f"Too many tries. Wait {wait} seconds."
            return self._page(request, words, 429, wait)
        # The slow hash outside of the lock, so that guesses hold nobody up.
        with self.gate.access.read() as connection:
            right = local.password_right(connection, user, password)
        with self.gate.access.lock, self.gate.access.write() as connection:
            if wait := attempts.wait(connection, subjects, now):  # many tries at once
                right = False
            else:
                right = right and local.use_code(connection, user, code, now)
                right = right and self.gate.viewer(user) is not None
            self._count(connection, subjects, right, user, now)
        if not right:
            return self._page(request, WRONG, 401)
        return self._enter(request, user, "password", goal)

    def _subjects(self, request: Request, user: str) -> tuple[str, ...]:
        """What failures count against. A user's own only from this address: nobody elsewhere can
        keep an owner waiting."""
        address = request.client.host if request.client else ""
        return (f"address {address}", f"user {user[:100]} from {address}")

    def _wait(self, subjects: tuple[str, ...], now: int) -> int:
        with self.gate.access.read() as connection:
            return attempts.wait(connection, subjects, now)

    def _count(
        self, connection: Any, subjects: tuple[str, ...], right: bool, user: str, now: int
    ) -> None:
        if right:
            attempts.forgive(connection, subjects)
            return
        attempts.failed(connection, subjects, now)
        known = self.gate.viewer(user) is not None
        line = Line(now, user if known else "", Action.REFUSED, "sign-in", "", "")
        append(self.gate.access, connection, line)

    # --- passkeys --------------------------------------------------------------------------------

    def options(self, _pages: Any, request: Request) -> Response:
        """A challenge for any passkey of this site."""
        challenge, now = secrets.token_urlsafe(32), self.gate.now()
        ticket = tickets.Ticket(tickets.CHALLENGE, "", "sign-in")
        with self.gate.access.write() as connection:
            tickets.issue(connection, challenge, ticket, now)
        options = json.loads(passkeys.request(site_of(request), challenge))
        return JSONResponse({"options": options, "challenge": challenge})

    async def passkey(self, _pages: Any, request: Request) -> Response:
        """The answer of a passkey to its challenge."""
        document = await json_of(request)
        return await run_in_threadpool(self._passkey, request, document)

    def _passkey(self, request: Request, document: dict[str, Any]) -> Response:
        now, challenge = self.gate.now(), str(document.get("challenge", ""))
        subjects = self._subjects(request, "")[:1]
        if wait := self._wait(subjects, now):
            return JSONResponse(
                {"error": "Too many tries."}, 429, headers={"Retry-After": str(wait)}
            )
        answer = json.dumps(document.get("answer"))
        with self.gate.access.lock, self.gate.access.write() as connection:
            known = tickets.redeem(connection, challenge, tickets.CHALLENGE, now)
            user = None
            if known is not None and known.data == "sign-in":
                user = passkeys.user_of(connection, site_of(request), challenge, answer, now)
            person = CURRENT.get()
            other = person.session is not None and user != person.user_id
            right = user is not None and not other and self.gate.viewer(user) is not None
            self._count(connection, subjects, right, user or "", now)
        if not right or user is None:
            return JSONResponse({"error": "This passkey is not known here."}, 401)
        entered = self._enter(request, user, "passkey", str(document.get("next", "")))
        done = JSONResponse({"next": entered.headers["location"]})
        done.raw_headers += [h for h in entered.raw_headers if h[0] == b"set-cookie"]
        return done

    # --- a provider ------------------------------------------------------------------------------

    async def leave(self, _pages: Any, request: Request) -> Response:
        """To a provider, with a state that comes back once."""
        number = request.query_params.get("with", "0")
        if number not in map(str, range(len(self.providers))):
            raise HTTPException(404)
        desk = self.providers[int(number)]
        goal, again = inner(request.query_params.get("next")), CURRENT.get().session is not None
        return await run_in_threadpool(desk.leave, self.gate, request, goal, again)

    async def back(self, _pages: Any, request: Request) -> Response:
        """From the provider: the code becomes a token, the token a user."""
        if not self.providers:
            raise HTTPException(404)
        issuer = await run_in_threadpool(issuer_of, self.gate, request)
        asked = [desk for desk in self.providers if desk.provider.issuer == issuer]
        found = await run_in_threadpool((asked or self.providers)[0].back, self.gate, request)
        person = CURRENT.get()
        if found.user is None or (person.session is not None and found.user != person.user_id):
            now = self.gate.now()
            with self.gate.access.lock, self.gate.access.write() as connection:
                self._count(connection, self._subjects(request, "")[:1], False, "", now)
            return self._page(request, found.error or "You are not known here.", 401)
        if person.session is not None and not found.proved(self.gate.now()):
            return self._page(request, "The provider did not ask you again. Try once more.", 401)
        return self._enter(request, found.user, "oidc", found.goal, found.proved_at)

    def _enter(
        self, request: Request, user: str, method: str, goal: str, proved_at: int | None = None
    ) -> Response:
        answer = RedirectResponse(inner(goal), status_code=303)
        self.gate.begin(request, answer, user, method, proved_at)
        return answer


def inner(goal: str | None) -> str:
    """An address of this site; the first page for anything else."""
    text = goal or "/"
    parts = urlsplit(_HERE + text) if text.startswith("/") else None
    odd = "\\" in text or any(ord(c) < 32 for c in text)
    if parts is None or odd or text.startswith("//") or f"{parts.scheme}://{parts.netloc}" != _HERE:
        return "/"
    return quote(text, safe="/?&=%+-._~:,;@!$'()*")


def site_of(request: Request) -> Site:
    """Where passkeys belong to, by the name that the browser used."""
    return Site(request.url.hostname or "", f"{request.url.scheme}://{request.url.netloc}")


async def json_of(request: Request) -> dict[str, Any]:
    """A small JSON object; 400, 413 or 415 for anything else."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise HTTPException(415)
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > 65_536:
            raise HTTPException(413)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # the latter for thousands of brackets
        raise HTTPException(400) from None
    if not isinstance(document, dict):
        raise HTTPException(400)
    return document
