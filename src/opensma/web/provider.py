"""The requests to an OpenID Connect provider: discovery, the code's token, its keys."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from threading import Lock
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from opensma.access import oidc, tickets
from opensma.access.oidc import Endpoints, Provider
from opensma.errors import InputError
from opensma.web.gate import Gate

STATE_COOKIE = "sma_state"
_SECONDS = 10
_PROOF_SECONDS = 120  # a step up must have been asked for just now


@dataclass(frozen=True, slots=True)
class Found:
    """Who came back and where to, or why nobody did."""

    user: str | None
    goal: str = "/"
    error: str = ""
    proved_at: int = 0  # when the provider last asked the person; 0 where it does not say

    def proved(self, now: int) -> bool:
        """Whether that is recent enough for a step up."""
        return now - _PROOF_SECONDS <= self.proved_at <= now + 60


@dataclass
class ProviderDesk:
    """One provider; discovery is read once."""

    provider: Provider
    _endpoints: Endpoints | None = None
    _lock: Lock = field(default_factory=Lock)

    def leave(self, gate: Gate, request: Request, goal: str, again: bool) -> Response:
        """Redirect to the provider; the state is bound to this browser by a cookie."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        kept = json.dumps({"nonce": nonce, "verifier": verifier, "goal": goal,
                           "issuer": self.provider.issuer})  # fmt: skip
        with gate.access.write() as connection:
            tickets.issue(connection, state, tickets.Ticket(tickets.PROVIDER, "", kept), gate.now())
        url = oidc.authorize_url(
            self.provider, self.endpoints(), _back(request), state, nonce, verifier, again
        )
        answer = RedirectResponse(url, status_code=303)
        answer.set_cookie(
            STATE_COOKIE, state, max_age=600, httponly=True, samesite="lax",
            secure=request.url.scheme == "https", path="/sign-in",
        )  # fmt: skip
        return answer

    def back(self, gate: Gate, request: Request) -> Found:
        """Check state, code and token; the user is bound, or named by the configured claim."""
        state, code = request.query_params.get("state", ""), request.query_params.get("code", "")
        if not state or state != request.cookies.get(STATE_COOKIE):
            return Found(None, error="This answer belongs to another browser. Sign in again.")
        now = gate.now()
        with gate.access.write() as connection:
            ticket = tickets.redeem(connection, state, tickets.PROVIDER, now)
        if ticket is None:
            return Found(None, error="This answer was used before, or came too late.")
        kept: dict[str, Any] = json.loads(ticket.data)
        if kept["issuer"] != self.provider.issuer:
            return Found(None, error="This answer belongs to another provider. Sign in again.")
        try:
            token = self._token(request, code, kept["verifier"])
            claims = oidc.claims_of(self.provider, token, self._keys(), kept["nonce"], now)
        except InputError as error:
            return Found(None, error=error.message)
        told = claims.get("auth_time")
        proved_at = int(told) if isinstance(told, (int, float)) else 0
        user = self._user(gate, claims)
        return Found(user, kept["goal"], "You are not known here.", min(proved_at, now))

    def _user(self, gate: Gate, claims: dict[str, Any]) -> str | None:
        subject = str(claims.get("sub", ""))
        with gate.access.read() as connection:
            bound = oidc.identity(connection, self.provider.issuer, subject)
        claim = self.provider.claim
        named = (str(claims.get(claim, "")) if claim else "") if bound is None else bound
        return named if named and gate.viewer(named) is not None else None

    def endpoints(self) -> Endpoints:
        """From the provider's discovery document."""
        with self._lock:
            if self._endpoints is None:
                document = _asked("GET", f"{self.provider.issuer}/.well-known/openid-configuration")
                self._endpoints = oidc.endpoints(self.provider, document)
            return self._endpoints

    def _token(self, request: Request, code: str, verifier: str) -> str:
        words = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": _back(request),
            "client_id": self.provider.client_id,
            "code_verifier": verifier,
        }
        if self.provider.client_secret:
            words["client_secret"] = self.provider.client_secret
        return str(_asked("POST", self.endpoints().token, words).get("id_token", ""))

    def _keys(self) -> dict[str, Any]:
        return _asked("GET", self.endpoints().keys)


def issuer_of(gate: Gate, request: Request) -> str:
    """Which provider an answer belongs to, by its state; empty where nobody knows."""
    with gate.access.read() as connection:
        state = request.query_params.get("state", "")
        ticket = tickets.look(connection, state, tickets.PROVIDER, gate.now())
    return "" if ticket is None else str(json.loads(ticket.data)["issuer"])


def _back(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}/sign-in/provider/back"


def _asked(method: str, url: str, form: dict[str, str] | None = None) -> dict[str, Any]:
    """The JSON of an answer; InputError where there is none."""
    import httpx

    try:
        answer = httpx.request(method, url, data=form, timeout=_SECONDS, follow_redirects=False)
        answer.raise_for_status()
        document = answer.json()
    except (httpx.HTTPError, ValueError):
        raise InputError(
            "access.oidc_unreachable",
            "The provider did not answer as it should.",
            where=url,
            remedy="Try again; if it stays, tell your administrator.",
        ) from None
    return document if isinstance(document, dict) else {}
