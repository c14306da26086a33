"""Signing in: with password and code, with a passkey, by a provider; and what must not let in."""

import re
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pyotp
import pytest
from starlette.testclient import TestClient
from tests.web.conftest import serving
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

from opensma.access import local, oidc, tickets
from opensma.access.audit import Action, lines_of
from opensma.access.oidc import Provider
from opensma.access.store import Access
from opensma.web import create_app
from opensma.web.gate import COOKIE
from opensma.web.sign_in import WRONG, inner

SECRET, PASSWORD = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "four words not related"


@pytest.fixture
def gated(portal: Shown) -> Signed:
    """The portal with sign-in, and the manager set up with password and code."""
    found = signed(portal)
    prepare(found.app.state.gate.access, "manager")
    return found


def prepare(access: Access, user: str) -> None:
    from opensma.access import schema

    with access.write() as connection:
        connection.execute(schema.attempts.delete())
        local.set_password(connection, user, PASSWORD, int(time.time()))
        local.set_authenticator(connection, user, SECRET, int(time.time()))


def invite(access: Access, user: str) -> str:
    word = f"word-{time.time_ns()}"
    with access.write() as connection:
        ticket = tickets.Ticket(tickets.INVITATION, user, "")
        tickets.issue(connection, word, ticket, int(time.time()))
    return word


def sign_in(client: TestClient, **more: str) -> httpx.Response:
    form = {"user": "manager", "password": PASSWORD, "code": pyotp.TOTP(SECRET).now(), "next": "/"}
    return client.post("/sign-in", data=form | more)


def test_password_and_code_open_the_page_that_was_wanted(gated: Signed) -> None:
    client = gated.client()
    answer = sign_in(client, next="/exceptions?q=A")
    assert (answer.status_code, answer.headers["location"]) == (303, "/exceptions?q=A")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert client.get("/exceptions").status_code == 200
    newest = lines_of(gated.app.state.gate.access, size=2)
    assert Action.SIGN_IN in {one.line.action for one in newest}


@pytest.mark.parametrize(
    "change", [{"user": "nobody"}, {"password": "x" * 20}, {"code": "000000"}, {"user": "owner"}]
)
def test_whoever_is_wrong_learns_not_what_was_wrong(gated: Signed, change: dict[str, str]) -> None:
    client = gated.client()
    answer = sign_in(client, **change)
    assert answer.status_code == 401
    assert WRONG in answer.text
    assert "set-cookie" not in answer.headers
    assert lines_of(gated.app.state.gate.access, size=1)[0].line.action is Action.REFUSED


def test_an_unknown_user_is_answered_word_for_word_like_a_wrong_password(gated: Signed) -> None:
    known, unknown = (
        sign_in(gated.client(), user=user, password="not at all the right words")
        for user in ("manager", "somebody nobody knows")
    )
    assert known.text == unknown.text
    assert dict(known.headers) == dict(unknown.headers)


def test_an_unknown_user_costs_the_same_hash_as_a_wrong_password(
    gated: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Time is what hashing takes: it is counted, not measured."""
    import argon2

    verified: list[str] = []
    real = argon2.PasswordHasher.verify

    def counted(self: argon2.PasswordHasher, hashed: str, password: str) -> bool:
        verified.append(hashed.rsplit("$", 2)[0])  # its cost, without salt and hash
        return real(self, hashed, password)

    monkeypatch.setattr(argon2.PasswordHasher, "verify", counted)
    for user in ("manager", "somebody nobody knows"):
        sign_in(gated.client(), user=user, password="not at all the right words")
    assert len(verified) == 2
    assert len(set(verified)) == 1


def csrf(client: TestClient, path: str = "/me") -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return found[1]


def test_another_password_ends_every_other_session(gated: Signed) -> None:
    here, elsewhere = gated.client("manager"), gated.client("manager")
    form = {"csrf": csrf(here), "what": "password", "which": "passwordpassword1"}
    weak = here.post("/me", data=form)
    assert weak.status_code == 422
    assert "cannot be used" in weak.text
    assert elsewhere.get("/me").status_code == 200
    other = "seven quiet herons walk"
    assert here.post("/me", data=form | {"which": other}).status_code == 303
    assert here.get("/me").status_code == 200
    assert elsewhere.get("/me").status_code == 303
    assert sign_in(gated.client()).status_code == 401
    assert sign_in(gated.client(), password=other).status_code == 303


def test_another_authenticator_counts_once_a_code_of_it_is_right(gated: Signed) -> None:
    here = gated.client("manager")
    page = here.get("/me/authenticator").text
    secret = re.findall(r"<code>([A-Z2-7]{32})</code>", page)[0]
    form = {"csrf": csrf(here), "secret": secret, "code": "000000"}
    assert here.post("/me/authenticator", data=form).status_code == 422
    assert sign_in(gated.client()).status_code == 303  # the old one still counts
    form["code"] = pyotp.TOTP(secret).now()
    assert here.post("/me/authenticator", data=form).status_code == 303
    assert here.post("/me/authenticator", data=form | {"secret": "short"}).status_code == 400
    later = pyotp.TOTP(secret).at(int(time.time()) + 30)
    assert sign_in(gated.client(), code=later).status_code == 303


def test_changing_how_one_signs_in_asks_for_a_fresh_proof(gated: Signed) -> None:
    old = gated.client("manager", ago=1200)
    for answer in (
        old.get("/me/authenticator"),
        old.post("/me", data={"what": "password", "which": "seven quiet herons walk"}),
    ):
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/step-up")


def test_a_code_that_let_in_lets_nobody_else_in(gated: Signed) -> None:
    code = pyotp.TOTP(SECRET).now()
    assert sign_in(gated.client(), code=code).status_code == 303
    assert sign_in(gated.client(), code=code).status_code == 401


def test_many_failures_must_wait(gated: Signed) -> None:
    client = gated.client()
    statuses = [sign_in(client, code="000000").status_code for _ in range(6)]
    assert statuses[:4] == [401] * 4
    assert statuses[-1] == 429
    waiting = sign_in(client)  # the right code does not help now
    assert waiting.status_code == 429
    assert int(waiting.headers["retry-after"]) > 0


def test_failures_elsewhere_keep_no_owner_waiting(gated: Signed) -> None:
    stranger = TestClient(
        gated.app, base_url="http://127.0.0.1", follow_redirects=False, client=("10.9.9.9", 1)
    )
    assert [sign_in(stranger, code="000000").status_code for _ in range(6)][-1] == 429
    assert sign_in(gated.client()).status_code == 303


def test_over_tls_the_cookie_is_secure_and_of_this_host_alone(portal: Shown) -> None:
    app = create_app(portal.book, portal.market, sign_in=True, secure=True)
    prepare(app.state.gate.access, "manager")
    client = TestClient(app, base_url="https://127.0.0.1", follow_redirects=False)
    cookie = sign_in(client).headers["set-cookie"]
    assert cookie.startswith("__Host-sma_session=")
    assert "Secure" in cookie
    assert "Domain" not in cookie


def test_whoever_is_invited_again_has_no_old_passkey(gated: Signed) -> None:
    from opensma.access import passkeys, schema

    access = gated.app.state.gate.access
    with access.write() as connection:
        row = ("aa", "auditor", "bb", 0, "Passkey 1", 1, None)
        connection.execute(schema.passkeys.insert().values(row))
    word, client = invite(access, "auditor"), gated.client()
    page = client.post("/invitation", data={"word": word})
    secret = re.search(r'name="secret" value="(\w+)"', page.text)
    assert secret is not None
    form = {"word": word, "secret": secret[1], "password": PASSWORD}
    done = client.post("/invitation", data=form | {"code": pyotp.TOTP(secret[1]).now()})
    assert done.status_code == 200
    with access.read() as connection:
        assert passkeys.keys_of(connection, "auditor") == []


def test_a_cookie_from_elsewhere_is_not_taken_over(gated: Signed) -> None:
    client = gated.client()
    client.cookies.set(COOKIE, "planted-by-somebody-else", domain="127.0.0.1")
    answer = sign_in(client)
    assert answer.status_code == 303
    assert "planted" not in answer.headers["set-cookie"]
    other = gated.client()
    other.cookies.set(COOKIE, "planted-by-somebody-else", domain="127.0.0.1")
    assert other.get("/").status_code == 303


def test_signing_out_ends_the_session_and_needs_the_pages_word(gated: Signed) -> None:
    client = gated.client("manager")
    assert client.post("/sign-out").status_code == 403
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/me").text)
    assert word is not None
    foreign = client.post(
        "/sign-out", data={"csrf": word[1]}, headers={"origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert client.post("/sign-out", data={"csrf": word[1]}).status_code == 303
    assert client.get("/").status_code == 303


def test_a_step_up_gives_a_new_cookie_for_the_same_person_only(gated: Signed) -> None:
    client = gated.client("manager", ago=1000)
    page = client.get("/step-up?next=/composite.pdf")
    word = re.search(r'name="csrf" value="(\w+)"', page.text)
    assert word is not None
    before = client.cookies[COOKIE]
    code = pyotp.TOTP(SECRET).now()
    form = {"csrf": word[1], "password": PASSWORD, "code": code, "next": "/composite.pdf"}
    answer = client.post("/step-up", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/composite.pdf")
    assert client.get("/composite.pdf").status_code == 200
    old = gated.client()
    old.cookies.set(COOKIE, before, domain="127.0.0.1")
    assert old.get("/").status_code == 303


@pytest.mark.parametrize(
    "goal",
    ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "evil",
     "/\t/evil.example", ""],
)  # fmt: skip
def test_a_goal_elsewhere_becomes_the_first_page(goal: str) -> None:
    assert inner(goal) == "/"


def test_a_goal_of_this_site_stays() -> None:
    assert inner("/accounts/A1/taxes?year=2024&page=2") == "/accounts/A1/taxes?year=2024&page=2"


def test_an_invitation_sets_a_person_up_once(gated: Signed) -> None:
    access, client = gated.app.state.gate.access, gated.client()
    word = invite(access, "auditor")
    page = client.post("/invitation", data={"word": word})
    secret = re.search(r'name="secret" value="(\w+)"', page.text)
    assert secret is not None
    assert "<svg" in page.text
    form = {"word": word, "secret": secret[1], "password": PASSWORD}
    weak = client.post("/invitation", data=form | {"password": "short", "code": "1"})
    assert "12 to 256" in weak.text
    assert client.post("/invitation", data=form | {"code": "000000"}).status_code == 422
    code = pyotp.TOTP(secret[1]).now()
    done = client.post("/invitation", data=form | {"code": code})
    assert len(re.findall(r"<li><code>", done.text)) == 8
    assert client.get("/composite").status_code == 200
    again = gated.client().post("/invitation", data=form | {"code": code})
    assert again.status_code == 422


@pytest.mark.slow
def test_a_person_is_invited_and_signs_in_without_script(gated: Signed, browser: object) -> None:
    from playwright.sync_api import Browser, expect

    assert isinstance(browser, Browser)
    word = invite(gated.app.state.gate.access, "sponsor")
    with serving(gated.app) as address:
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(f"{address}/invitation")
        page.get_by_label("Invitation").fill(word)
        page.get_by_role("button", name="Continue").click()
        secret = page.locator("code").first.inner_text()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code that the app shows now").fill(pyotp.TOTP(secret).now())
        page.get_by_role("button", name="Set up and sign in").click()
        recovery = page.locator(".codes code").first.inner_text()
        page.get_by_role("link", name="On to your accounts").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        page.get_by_label("User").fill("sponsor")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code of your authenticator").fill(recovery)
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("footer")).to_contain_text("sponsor")
        context.close()


def with_a_device(context: Any, page: Any) -> None:
    """A virtual authenticator that checks its person by itself."""
    devtools = context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True,
               "hasUserVerification": True, "isUserVerified": True,
               "automaticPresenceSimulation": True}  # fmt: skip
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})


@pytest.mark.slow
def test_a_passkey_is_added_and_lets_in(gated: Signed, browser: object) -> None:
    from playwright.sync_api import Browser, expect

    assert isinstance(browser, Browser)
    with serving(gated.app) as address:
        site = address.replace("127.0.0.1", "localhost")  # an address has no passkeys
        context = browser.new_context()
        page = context.new_page()
        with_a_device(context, page)
        page.goto(f"{site}/sign-in")
        page.get_by_label("User").fill("manager")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_label("Code of your authenticator").fill(pyotp.TOTP(SECRET).now())
        page.get_by_role("button", name="Sign in", exact=True).click()
        page.goto(f"{site}/me")
        page.get_by_role("button", name="Add a passkey of this device").click()
        expect(page.get_by_role("rowheader", name="Passkey 1")).to_be_visible()
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.locator("footer")).to_contain_text("Portfolio manager")
        context.close()


def test_an_answer_to_no_challenge_or_of_no_key_is_refused(gated: Signed) -> None:
    client = gated.client()
    asked = client.post("/sign-in/passkey/options").json()
    for body in (
        {"challenge": asked["challenge"], "answer": {"id": "AAAA"}},
        {"challenge": asked["challenge"], "answer": {"id": "AAAA"}},  # used up
        {"challenge": "none", "answer": None},
        {},
    ):
        assert client.post("/sign-in/passkey", json=body).status_code == 401
    json_type = {"content-type": "application/json"}
    assert client.post("/sign-in/passkey", content=b"[1]", headers=json_type).status_code == 400
    assert client.post("/sign-in/passkey", data={"answer": "1"}).status_code == 415


# --- a provider ----------------------------------------------------------------------------------


@pytest.fixture
def provided(portal: Shown) -> Iterator[tuple[TestClient, Provider]]:
    """A client of a portal that trusts a real provider, which runs on this machine."""
    mock = pytest.importorskip("oidc_provider_mock")
    users = [mock.User(sub="manager"), mock.User(sub="stranger")]
    with mock.run_server_in_thread(user_claims=users) as server:
        provider = Provider(f"http://localhost:{server.server_port}", "opensma", "secret")
        app = create_app(portal.book, portal.market, sign_in=True, providers=(provider,))
        prepare(app.state.gate.access, "manager")
        yield TestClient(app, base_url="http://127.0.0.1", follow_redirects=False), provider


def through(client: TestClient, subject: str, number: int = 0) -> str:
    """From the portal to the provider, who says who it is; the address that leads back."""
    away = client.get(f"/sign-in/provider?with={number}&next=/exceptions")
    assert away.status_code == 303
    asked = parse_qs(urlsplit(away.headers["location"]).query)
    assert asked["code_challenge_method"] == ["S256"]
    back = httpx.post(away.headers["location"], data={"sub": subject}, follow_redirects=False)
    assert back.status_code in (302, 303), back.text
    parts = urlsplit(back.headers["location"])
    return f"{parts.path}?{parts.query}"


def test_a_provider_lets_a_known_user_in_once(provided: tuple[TestClient, Provider]) -> None:
    client, _ = provided
    back = through(client, "manager")
    answer = client.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/exceptions")
    assert client.get("/exceptions").status_code == 200
    assert client.get(back).status_code == 401  # the state counts once


def test_a_provider_that_does_not_say_when_it_asked_proves_nothing_fresh(
    provided: tuple[TestClient, Provider], monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = oidc.claims_of

    def silent(*given: Any) -> dict[str, Any]:
        return {n: value for n, value in checked(*given).items() if n != "auth_time"}

    monkeypatch.setattr(oidc, "claims_of", silent)
    client, _ = provided
    assert client.get(through(client, "manager")).status_code == 303
    assert client.get("/exceptions").status_code == 200
    export = client.get("/composite.pdf")
    assert export.headers["location"].startswith("/step-up")
    again = client.get(through(client, "manager"))  # signed in: this is a step up
    assert again.status_code == 401
    assert client.get("/composite.pdf").status_code == 303


def test_a_provider_lets_nobody_else_in(provided: tuple[TestClient, Provider]) -> None:
    client, _ = provided
    assert client.get(through(client, "stranger")).status_code == 401
    back = through(client, "manager")
    other = TestClient(client.app, base_url="http://127.0.0.1", follow_redirects=False)
    assert other.get(back).status_code == 401  # another browser
    assert client.get(re.sub("code=[^&]+", "code=none", back)).status_code == 401


def test_of_several_providers_each_lets_in_its_own(portal: Shown) -> None:
    """The second names nobody by itself: it could else let itself in as the manager."""
    mock = pytest.importorskip("oidc_provider_mock")
    users = [mock.User(sub="manager"), mock.User(sub="m-17")]
    with (
        mock.run_server_in_thread(user_claims=users) as one,
        mock.run_server_in_thread(user_claims=users) as two,
    ):
        first, second = (
            Provider(f"http://localhost:{server.server_port}", "opensma", "secret", name, claim)
            for server, name, claim in ((one, "Ours", "sub"), (two, "Theirs", ""))
        )
        app = create_app(portal.book, portal.market, sign_in=True, providers=(first, second))
        prepare(app.state.gate.access, "manager")
        client = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        page = client.get("/sign-in").text
        assert "Continue with Ours" in page
        assert "Continue with Theirs" in page
        assert client.get("/sign-in/provider?with=2").status_code == 404
        assert client.get(through(client, "manager", 1)).status_code == 401
        assert client.get(through(client, "m-17", 1)).status_code == 401
        with app.state.gate.access.write() as connection:
            oidc.bind(connection, second.issuer, "m-17", "manager")
        assert client.get(through(client, "m-17", 1)).status_code == 303
        assert client.get("/exceptions").status_code == 200
        fresh = TestClient(app, base_url="http://127.0.0.1", follow_redirects=False)
        assert fresh.get(through(fresh, "m-17", 0)).status_code == 401  # bound there, not here
        assert fresh.get(through(fresh, "manager", 0)).status_code == 303


@pytest.mark.slow
def test_a_person_comes_in_by_a_provider_in_a_real_browser(portal: Shown, browser: object) -> None:
    mock = pytest.importorskip("oidc_provider_mock")
    from playwright.sync_api import Browser

    assert isinstance(browser, Browser)
    with mock.run_server_in_thread(user_claims=[mock.User(sub="manager")]) as server:
        issuer = f"http://localhost:{server.server_port}"
        provider = Provider(issuer, "opensma", "secret", "Example Wealth")
        app = create_app(portal.book, portal.market, sign_in=True, providers=(provider,))
        with serving(app) as address, browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{address}/exceptions")  # a stranger is led to the sign-in
            page.get_by_role("link", name="Continue with Example Wealth").click()
            page.wait_for_url(f"{issuer}/**")
            page.locator("input[name=sub]").fill("manager")
            page.get_by_role("button", name="Authorize").click()
            page.wait_for_url(f"{address}/exceptions")
            assert page.get_by_role("heading", level=1).inner_text().startswith("Exceptions")
            page.get_by_role("button", name="Sign out").click()
            page.wait_for_url(f"{address}/sign-in")
            page.goto(f"{address}/exceptions")
            assert page.url.startswith(f"{address}/sign-in")


@pytest.mark.slow
def test_a_person_is_invited_and_needs_no_password(gated: Signed, browser: object) -> None:
    from playwright.sync_api import Browser, expect

    assert isinstance(browser, Browser)
    access = gated.app.state.gate.access
    word, before = invite(access, "manager"), gated.client("manager")
    with serving(gated.app) as address, browser.new_context() as context:
        site = address.replace("127.0.0.1", "localhost")  # an address has no passkeys
        page = context.new_page()
        with_a_device(context, page)
        page.goto(f"{site}/invitation#{word}")
        page.get_by_role("button", name="Continue").click()
        page.get_by_role("button", name="Use a passkey instead").click()
        expect(page.locator("footer")).to_contain_text("Portfolio manager")
        page.get_by_role("button", name="Sign out", exact=True).click()
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.locator("footer")).to_contain_text("Portfolio manager")
    assert before.get("/me").status_code == 303  # signed out elsewhere
    assert sign_in(gated.client()).status_code == 401  # the old password is gone
    assert gated.client().post("/invitation", data={"word": word}).status_code == 422


def test_a_passkey_needs_the_invitation_of_its_own_challenge(gated: Signed) -> None:
    access, client = gated.app.state.gate.access, gated.client()
    mine, other = invite(access, "manager"), invite(access, "owner")
    assert client.post("/invitation/passkey/options", json={"word": "none"}).status_code == 422
    for word in (other, "none"):
        asked = client.post("/invitation/passkey/options", json={"word": mine}).json()
        body = {"word": word, "challenge": asked["challenge"], "answer": {"id": "AAAA"}}
        assert client.post("/invitation/passkey", json=body).status_code == 422
    sign_in_challenge = client.post("/sign-in/passkey/options").json()["challenge"]
    body = {"word": mine, "challenge": sign_in_challenge, "answer": {"id": "AAAA"}}
    assert client.post("/invitation/passkey", json=body).status_code == 422
    assert client.post("/invitation", data={"word": mine}).status_code == 200  # not used up
