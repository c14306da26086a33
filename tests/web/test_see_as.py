"""Seeing as an owner: what both may see, nothing changed, marked on the page, in the log."""

import re

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

from opensma.access.audit import lines_of
from opensma.book.master import AccountRecord, Grant, User, add_records
from opensma.book.rights import Role, Scope
from opensma.book.visible import find_viewer, visible_accounts


@pytest.fixture(scope="module")
def gated(portal: Shown) -> Signed:
    return signed(portal)


@pytest.fixture(scope="module")
def mine(portal: Shown) -> list[AccountRecord]:
    """Two accounts of `a-trustee`, of which `one-only` serves the first alone."""
    first, second = portal.view.rows[3].account, portal.view.rows[7].account
    grants = [
        Grant(f"trust-{n}", "a-trustee", Role.OWNER, Scope.ACCOUNT, account.account_id, None,
              "1970-01-01", None, "test")
        for n, account in enumerate((first, second))
    ]  # fmt: skip
    serves = Grant(
        "one-only", "one-only", Role.ADVISOR, Scope.ACCOUNT, first.account_id, None,
        "1970-01-01", None, "test",
    )  # fmt: skip
    users = [User("one-only", "Ada Viser"), User("a-trustee", "Tess Trustee")]
    with portal.book.write() as connection:
        add_records(connection, [*users, *grants, serves])
    return [first, second]


def word(client: TestClient, path: str) -> dict[str, str]:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return {"csrf": found[1]}


@pytest.fixture
def seeing(gated: Signed, mine: list[AccountRecord]) -> TestClient:
    client, base = gated.client("one-only"), f"/accounts/{mine[0].account_id}"
    answer = client.post(f"{base}/as-owner", data=word(client, base))
    assert (answer.status_code, answer.headers["location"]) == (303, base)
    return client


def test_it_is_marked_on_every_page_and_shows_what_the_owner_has(
    seeing: TestClient, gated: Signed, mine: list[AccountRecord]
) -> None:
    base = f"/accounts/{mine[0].account_id}"
    for path in ("/", base, f"{base}/taxes", f"{base}/requests", f"{base}/access"):
        text = seeing.get(path).text
        assert "You see this as" in text
        assert "Exceptions</a>" not in text  # an owner's menu
    assert "You see this as" not in gated.client("one-only").get(base).text
    assert seeing.get("/exceptions").status_code == 404


def test_never_more_than_both_may_see(
    seeing: TestClient, gated: Signed, mine: list[AccountRecord]
) -> None:
    other = mine[1].account_id
    assert gated.client("a-trustee").get(f"/accounts/{other}").status_code == 200
    assert seeing.get(f"/accounts/{other}").status_code == 404
    assert other not in seeing.get("/").text


def test_nothing_can_be_changed_in_the_owners_name(
    seeing: TestClient, gated: Signed, mine: list[AccountRecord]
) -> None:
    base = f"/accounts/{mine[0].account_id}"
    form = word(seeing, base)
    for path in (f"{base}/requests", f"{base}/access", "/me", f"{base}/as-owner"):
        answer = seeing.post(path, data=form | {"note": "Sell everything.", "what": "end-all"})
        assert answer.status_code in (403, 404)
    assert "Nothing can be changed in their name" in seeing.post("/me", data=form).text
    assert "Sell everything." not in gated.client("one-only").get(f"{base}/requests").text


def test_a_fresh_proof_can_be_given_meanwhile(
    seeing: TestClient, mine: list[AccountRecord]
) -> None:
    """By the same person alone: a proof belongs to who really sits there."""
    assert seeing.post("/sign-in/passkey/options", data=word(seeing, "/")).status_code == 200
    wrong = {"password": "not it at all", "code": "000000", **word(seeing, "/")}
    assert seeing.post("/step-up", data=wrong).status_code == 401
    assert "You see this as" in seeing.get(f"/accounts/{mine[0].account_id}").text


def test_the_log_names_both(seeing: TestClient, gated: Signed, mine: list[AccountRecord]) -> None:
    base = f"/accounts/{mine[0].account_id}"
    seeing.get(f"{base}/fees")
    line = lines_of(gated.app.state.gate.access, size=1)[0].line
    assert (line.user_id, line.screen, line.detail) == ("one-only", "fees", "as a-trustee")
    shown = gated.client("a-trustee").get(f"{base}/access").text
    assert "one-only" in shown


def test_it_ends(seeing: TestClient, mine: list[AccountRecord]) -> None:
    base = f"/accounts/{mine[0].account_id}"
    assert seeing.post("/as-owner/end", data=word(seeing, base)).status_code == 303
    assert "You see this as" not in seeing.get(base).text


@pytest.mark.parametrize("user", ["a-trustee", "owner", "accountant", "operations"])
def test_who_serves_nobody_cannot_begin(
    gated: Signed, mine: list[AccountRecord], user: str
) -> None:
    client, base = gated.client(user), f"/accounts/{mine[0].account_id}"
    answer = client.post(f"{base}/as-owner", data=word(client, "/"))
    assert answer.status_code == 404


def test_an_account_without_an_owner_here_is_told(
    gated: Signed, portal: Shown, mine: list[AccountRecord]
) -> None:
    with portal.book.read() as connection:
        owned = {
            a.account_id for user in ("owner", "a-trustee")
            for a in visible_accounts(connection, find_viewer(connection, user, "2026-01-01"))
        }  # fmt: skip
    other = next(r.account for r in portal.view.rows[10:] if r.account.account_id not in owned)
    client, base = gated.client("manager"), f"/accounts/{other.account_id}"
    answer = client.post(f"{base}/as-owner", data=word(client, base))
    assert answer.status_code == 422
    assert "Invite the owner" in answer.text
