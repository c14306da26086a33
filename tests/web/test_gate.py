"""The gate: who is not signed in learns nothing, who is sees what grants give (P21, P23, P25)."""

from collections.abc import Iterator

import pytest
from starlette.requests import ClientDisconnect
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

from opensma.access.audit import Action, lines_of, verify
from opensma.access.sessions import FRESH_SECONDS, IDLE_SECONDS
from opensma.book.visible import find_viewer, visible_accounts
from opensma.web.shield import MOST_BODY


@pytest.fixture(scope="module")
def gated(portal: Shown) -> Signed:
    return signed(portal)


@pytest.fixture(scope="module")
def mine(portal: Shown) -> str:
    with portal.book.read() as connection:
        viewer = find_viewer(connection, "owner", "2024-12-31")
        return visible_accounts(connection, viewer)[0].account_id


@pytest.fixture(scope="module")
def foreign(portal: Shown, mine: str) -> str:
    taxpayer = next(r.account for r in portal.view.rows if r.account.account_id == mine).taxpayer_id
    accounts = [row.account for row in portal.view.rows]
    return next(a.account_id for a in accounts if a.taxpayer_id != taxpayer)


@pytest.mark.parametrize("path", ["/", "/accounts/A000001", "/accounts/nobody", "/billing"])
def test_a_stranger_is_asked_to_sign_in_whatever_is_there(gated: Signed, path: str) -> None:
    answer = gated.client().get(path)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in?next=")


def test_an_owner_sees_own_accounts_and_no_others(gated: Signed, mine: str, foreign: str) -> None:
    client = gated.client("owner")
    assert client.get(f"/accounts/{mine}").status_code == 200
    absent = client.get("/accounts/nobody")
    for path in ("", "/taxes", "/performance", "/fees", "/documents", "/what-if"):
        answer = client.get(f"/accounts/{foreign}{path}")
        assert (answer.status_code, answer.text) == (404, absent.text)
    for path in ("/exceptions", "/billing", "/composite"):
        assert client.get(path).status_code == 404


def test_an_accountant_sees_one_tax_year_and_nothing_else(gated: Signed, mine: str) -> None:
    client = gated.client("accountant")
    assert client.get(f"/accounts/{mine}/taxes?year=2024").status_code == 200
    assert client.get(f"/accounts/{mine}/taxes").status_code == 200
    assert client.get(f"/accounts/{mine}/taxes?year=2023").status_code == 404
    assert client.get(f"/accounts/{mine}").status_code == 404
    assert client.get(f"/accounts/{mine}/fees").status_code == 404


def test_an_export_asks_for_a_fresh_proof(gated: Signed, mine: str) -> None:
    old, new = gated.client("owner", FRESH_SECONDS + 60), gated.client("owner")
    assert old.get(f"/accounts/{mine}").status_code == 200
    for path in (f"/accounts/{mine}?csv=1", f"/accounts/{mine}/documents/tax-pack-2024.pdf"):
        assert old.get(path).headers["location"].startswith("/step-up?next=")
        assert new.get(path).status_code == 200


def test_an_idle_session_is_over(gated: Signed) -> None:
    assert gated.client("owner", IDLE_SECONDS + 60).get("/").status_code == 303


def test_views_and_exports_are_in_the_log(gated: Signed, mine: str, foreign: str) -> None:
    client, access = gated.client("owner"), gated.app.state.gate.access
    client.get(f"/accounts/{mine}/taxes")
    client.get(f"/accounts/{foreign}/taxes")
    client.get(f"/accounts/{mine}?csv=1")
    newest = [one.line for one in lines_of(access, size=2)]
    assert [(one.action, one.screen, one.account_id) for one in newest] == [
        (Action.EXPORT, "account", mine),
        (Action.VIEW, "taxes", mine),
    ]
    assert verify(access) == []


def test_a_body_beyond_the_limit_is_refused_however_it_comes(gated: Signed) -> None:
    client = gated.client()
    large = b"x" * (MOST_BODY + 1)
    assert client.post("/events", content=large).status_code == 413

    def parts() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * 100_000

    with pytest.raises(ClientDisconnect):
        client.post("/study", content=parts(), headers={"content-type": "text/plain"})
