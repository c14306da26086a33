"""Who calls the API: a token's user narrowed by its scopes, or the operator at this machine."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from opensma.access import tokens
from opensma.access.tokens import RIGHT_OF, TokenScope
from opensma.book.master import AccountRecord
from opensma.book.rights import Right, Viewer
from opensma.book.visible import seen_account
from opensma.errors import BookError
from opensma.web.gate import Gate

A_MINUTE = 240  # calls of one token
_READS = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Caller:
    """One caller; `viewer` None is the operator."""

    viewer: Viewer | None
    user_id: str
    pages: Any

    def account(self, account_id: str, right: Right, year: int | None = None) -> AccountRecord:
        """The account if the caller holds the right on it; 404 otherwise."""
        with self.pages.portal.book.read() as connection:
            try:
                return seen_account(connection, account_id, self.viewer, right, year)
            except BookError:
                raise HTTPException(404) from None


@dataclass
class Callers:
    """Finds the caller of a request; remembers the calls of the last minute."""

    gate: Gate
    _calls: dict[str, deque[int]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def wanting(self, scope: TokenScope) -> Callable[[Request], Caller]:
        """A dependency that lets in whoever holds this scope and its right."""

        def caller(request: Request) -> Caller:
            found = self._caller(request, scope)
            request.state.caller = found
            return found

        caller.__annotations__ = {"request": Request, "return": Caller}
        return caller

    def _caller(self, request: Request, scope: TokenScope) -> Caller:
        secret = _bearer(request)
        if not secret and not self.gate.sign_in and request.method in _READS:
            fixed = self.gate.fixed
            if fixed is not None and not fixed.has(RIGHT_OF[scope]):
                raise HTTPException(404)
            name = "operator" if fixed is None else fixed.user_id
            return Caller(fixed, name, self.gate.pages(fixed))
        now = self.gate.now()
        with self.gate.access.read() as connection:
            token = tokens.find(connection, secret, now) if secret else None
        viewer = None if token is None else self.gate.viewer(token.user_id)
        if token is None or viewer is None:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        self._count(token.token_id, now)
        if scope not in token.scopes:
            raise HTTPException(403)
        if not viewer.has(RIGHT_OF[scope]):
            raise HTTPException(404)
        if tokens.wants_touch(token, now):
            with self.gate.access.write() as connection:
                tokens.touch(connection, token, now)
        return Caller(viewer, viewer.user_id, self.gate.pages(viewer))

    def _count(self, token_id: str, now: int) -> None:
        with self._lock:
            calls = self._calls.setdefault(token_id, deque())
            while calls and calls[0] <= now - 60:
                calls.popleft()
            if len(calls) >= A_MINUTE:
                wait = str(max(1, calls[0] + 60 - now))
                raise HTTPException(429, headers={"Retry-After": wait})
            calls.append(now)


def _bearer(request: Request) -> str:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else ""
