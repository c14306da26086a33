"""Clients of a portal that asks for a sign-in, each with the session of one user."""

import secrets
import time
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.web.shown import Shown

from opensma.access import sessions
from opensma.web import create_app
from opensma.web.gate import COOKIE

BASE = "http://127.0.0.1"


@dataclass(frozen=True)
class Signed:
    """The portal of a book with sign-in."""

    app: Starlette

    def client(self, user_id: str = "", ago: int = 0) -> TestClient:
        """A client of a user whose session began so many seconds ago; a stranger's without one."""
        client = TestClient(self.app, base_url=BASE, follow_redirects=False)
        if user_id:
            secret, now = secrets.token_urlsafe(32), int(time.time()) - ago
            with self.app.state.gate.access.write() as connection:
                sessions.begin(connection, secret, user_id, "password", now)
            client.cookies.set(COOKIE, secret, domain="127.0.0.1")
        return client


def signed(portal: Shown) -> Signed:
    """The book of the portal's tests, with sign-in."""
    return Signed(create_app(portal.book, portal.market, sign_in=True))
