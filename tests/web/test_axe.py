"""axe-core on every page, in light and dark: no rule of WCAG 2.2 AA is broken (P36)."""

import re

import pytest
from tests.web.billed import Billed
from tests.web.conftest import serving
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from opensma.book.rights import RIGHTS, Right, Role
from opensma.book.views import account_view
from opensma.book.visible import find_viewer, visible_accounts
from opensma.web.gate import COOKIE

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
OPTIONS = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": TAGS}}
OPEN = "document.querySelectorAll('details').forEach(d => { d.open = true; })"


def broken(page: Page) -> list[str]:
    page.evaluate(OPEN)
    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [f"{v['id']}: {node['html'][:160]}" for v in found for node in v["nodes"][:3]]


def pages(portal: Shown, billed: Billed) -> list[str]:
    """Every kind of page; the billed book has the accounts and trades of the other one."""
    account = billed.members[0]
    trade = account_view(portal.book, portal.market, portal.busiest).decision.trades[0].trade_id
    base = f"/accounts/{account}"
    taxpayer = next(r.account for r in portal.view.rows if r.account.account_id == account)
    return [
        *("/", "/?q=nobody", "/exceptions", "/nope", "/composite", "/billing", f"/trades/{trade}"),
        *("/billing?corrections=2024Q4", base, f"{base}?lots=all", f"{base}/performance"),
        *(f"{base}/taxes", f"/taxpayers/{taxpayer.taxpayer_id}/taxes", f"{base}/what-if"),
        *(f"{base}/what-if?raise=1000", f"{base}/documents", f"{base}/fees"),
        *(
            f"/accounts/{billed.unbilled}/fees",
            "/day",
            "/review",
            "/households",
            "/drift",
            "/requests",
            f"{base}/requests",
        ),
    ]


WITH_MORE = (  # what a page shows only when it is asked
    ("owner", "{base}/what-if?exclude=Energy"), ("owner", "{base}/giving?amount=500"),
    ("operations", "/billing/run?period=2024Q4"), ("manager", "/restrictions?q=nothing"),
)  # fmt: skip


def signed_pages(gated: Signed, portal: Shown) -> list[tuple[str, str]]:
    """Every page there is, from the portal's own table, with a user who may see it."""
    with portal.book.read() as connection:
        viewer = find_viewer(connection, "owner", "2024-12-31")
        own = visible_accounts(connection, viewer)[0]
    trade = account_view(portal.book, portal.market, own.account_id).decision.trades
    values = {
        "account_id": own.account_id, "taxpayer_id": own.taxpayer_id, "security_key": "1",
        "trade_id": trade[0].trade_id if trade else "none",
    }  # fmt: skip
    found = [("", "/sign-in"), ("", "/invitation")]
    for screen in gated.app.state.screens:
        page = "GET" in screen.methods and not screen.policy.export and screen.name != "lots"
        if page and not screen.policy.public and not re.search(r"\.(svg|pdf|csv|zip)", screen.path):
            path = re.sub(r"\{(\w+)(:\w+)?\}", lambda m: values[m[1]], screen.path)
            found.append((who_may(screen.policy.right), path))
    base = f"/accounts/{own.account_id}"
    return found + [(user, path.format(base=base)) for user, path in WITH_MORE]


def who_may(right: Right | None) -> str:
    """A user of the demo who holds a right, an owner first."""
    users = ("owner", "manager", "operations", "growth", "auditor")
    return next(user for user in users if right is None or right in RIGHTS[Role(user)])


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_no_page_for_somebody_breaks_a_rule(
    portal: Shown, browser: Browser, scheme: str, width: int
) -> None:
    gated, found = signed(portal), {}
    with serving(gated.app) as address:
        for user, path in signed_pages(gated, portal):
            with browser.new_context(
                locale="en-US", color_scheme=scheme, viewport={"width": width, "height": 900}
            ) as context:  # type: ignore[arg-type]
                if user:
                    secret = gated.client(user).cookies[COOKIE]
                    context.add_cookies([{"name": COOKIE, "value": secret, "url": address}])
                page = context.new_page()
                answer = page.goto(address + path)
                assert answer is not None
                wide = page.evaluate("document.documentElement.scrollWidth")
                wrong = broken(page)
                wrong += [f"status {answer.status}"] if answer.status != 200 else []
                wrong += [f"{wide} wide"] if wide > width else []
                if wrong:
                    found[f"{user} {path}"] = wrong
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_no_page_breaks_a_rule(
    portal: Shown, billed: Billed, billed_address: str, browser: Browser, scheme: str, width: int
) -> None:
    with browser.new_context(
        locale="en-US", color_scheme=scheme, viewport={"width": width, "height": 900}
    ) as context:  # type: ignore[arg-type]
        page = context.new_page()
        found = {}
        for path in pages(portal, billed):
            answer = page.goto(billed_address + path)
            assert answer is not None
            wrong = broken(page)
            if answer.status != (404 if path == "/nope" else 200):
                wrong.append(f"status {answer.status}")
            if wrong:
                found[path] = wrong
    assert not found


def test_axe_would_tell(browser: Browser) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        page.set_content("<html lang=en><title>t</title><main><img src=x><input></main></html>")
        assert {line.split(":")[0] for line in broken(page)} >= {"image-alt", "label"}
