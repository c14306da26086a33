"""Pictures of every screen for docs/gallery.md, from a demo book, each as the role that uses it.

    python tools/gallery.py BOOK

For the growth page run `sma growth demo` and `sma growth publish` before. Needs Chromium and
Playwright.
"""

from __future__ import annotations

import secrets
import shutil
import sys
import threading
import time
from pathlib import Path

import uvicorn
from playwright.sync_api import sync_playwright

from opensma.access import sessions, viewings
from opensma.book.market_link import market_of
from opensma.book.store import open_book
from opensma.book.views import account_decision
from opensma.web import create_app
from opensma.web.gate import COOKIE

PLACE = Path(__file__).parent.parent / "docs" / "img" / "gallery"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def screens(account: str, trade: str) -> list[tuple[str, str, str]]:
    """(user, address, name) of every picture."""
    base = f"/accounts/{account}"
    return [
        ("", "/sign-in", "sign-in"),
        ("owner", "/", "home"),
        ("owner", base, "account"),
        ("owner", f"/trades/{trade}", "trade"),
        ("owner", f"{base}/performance", "performance"),
        ("owner", f"{base}/taxes", "taxes"),
        ("owner", f"{base}/what-if?exclude=Energy", "what-if"),
        ("owner", f"{base}/requests", "requests"),
        ("owner", f"{base}/giving?amount=5000", "giving"),
        ("owner", f"{base}/contact", "contact"),
        ("owner", f"{base}/documents", "documents"),
        ("owner", f"{base}/fees", "fees"),
        ("owner", f"{base}/access", "access"),
        ("owner", "/me", "me"),
        ("manager as owner", base, "as-owner"),
        ("manager", "/", "program"),
        ("manager", "/households", "households"),
        ("manager", "/drift", "drift"),
        ("manager", "/restrictions", "restrictions"),
        ("manager", "/documents?q=A0000", "batch"),
        ("manager", "/contacts", "contacts"),
        ("manager", "/proposals", "proposals"),
        ("manager", "/model-change", "model-change"),
        ("manager", "/composite", "composite"),
        ("manager", "/review", "review"),
        ("manager", "/day", "day"),
        ("operations", "/exceptions", "exceptions"),
        ("operations", "/billing", "billing"),
        ("operations", "/billing/run?period=2024Q4", "billing-run"),
        ("growth", "/growth", "growth"),
    ]


def main() -> int:
    """Serve the book with sign-in on a free port, take the pictures, end the server."""
    book = open_book(sys.argv[1])
    app = create_app(book, market_of(book, None), sign_in=True)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    address = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    account = "A000001"
    trades = account_decision(book, account).trades
    trade = trades[0].trade_id if trades else "none"
    program = next(path for name in BROWSERS if (path := shutil.which(name)))
    PLACE.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for user, path, name in screens(account, trade):
            context = browser.new_context(viewport={"width": 1100, "height": 760})
            if user:
                secret = secrets.token_urlsafe(32)
                with app.state.gate.access.write() as connection:
                    now, (who, _, whom) = int(time.time()), user.partition(" as ")
                    session = sessions.begin(connection, secret, who, "password", now)
                    if whom:
                        viewings.begin(connection, session.session_id, whom, now)
                context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
            page = context.new_page()
            page.goto(address + path)
            page.screenshot(path=str(PLACE / f"{name}.png"))
            context.close()
        browser.close()
    server.should_exit = True
    thread.join(timeout=20)
    return 0


if __name__ == "__main__":
    sys.exit(main())
