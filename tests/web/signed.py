"""Clients of a portal that asks for a sign-in, each with the session of one user."""

import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.testclient import TestClient
from tests.web.shown import Shown

from opensma.access import sessions
from opensma.book.store import open_book
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


def copied(portal: Shown, folder: Path) -> Signed:
    """The same on a copy of the book in a folder, for tests that change it."""
    assert portal.book.path is not None
    for ending in ("", "-wal"):
        source = Path(f"{portal.book.path}{ending}")
        if source.exists():
            shutil.copy(source, folder / f"book.db{ending}")
    return Signed(create_app(open_book(str(folder / "book.db")), portal.market, sign_in=True))
