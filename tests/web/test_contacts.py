"""The contact log in the portal: who serves writes, the owner reads, notices go at once."""

import re

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed, copied

from opensma.book.visible import find_viewer, visible_accounts


@pytest.fixture(scope="module")
def gated(portal: Shown, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return copied(portal, tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def mine(portal: Shown) -> str:
    with portal.book.read() as connection:
        return visible_accounts(connection, find_viewer(connection, "owner", "2026-01-01"))[
            0
        ].account_id


def word(client: TestClient, path: str) -> dict[str, str]:
    found = re.search(r'name="csrf" value="([^"]+)"', client.get(path).text)
    assert found
    return {"csrf": found[1]}


def test_a_review_is_written_down_and_the_owner_reads_it(gated: Signed, mine: str) -> None:
    manager, path = gated.client("manager"), f"/accounts/{mine}/contact"
    form = word(manager, path) | {
        "kind": "opening", "day": "2026-01-15", "means": "meeting", "changed": "1",
        "note": "No tobacco <b>please</b>.",
    }  # fmt: skip
    assert manager.post(path, data=form).status_code == 303
    shown = gated.client("owner").get(path).text
    assert "No tobacco &lt;b&gt;please&lt;/b&gt;." in shown
    assert "a change" in shown
    assert "Write it down" not in shown
    owner = gated.client("owner")
    assert owner.post(path, data=form | word(owner, path)).status_code == 404


def test_what_is_wrong_is_told_and_what_was_typed_stays(gated: Signed, mine: str) -> None:
    manager, path = gated.client("manager"), f"/accounts/{mine}/contact"
    form = word(manager, path) | {
        "kind": "annual", "day": "2099-01-01", "means": "telephone", "changed": "", "note": "Later."
    }  # fmt: skip
    answer = manager.post(path, data=form)
    assert answer.status_code == 422
    assert "not over yet" in answer.text
    assert "Later." in answer.text
    assert manager.post(path, data=form | {"kind": "party"}).status_code == 400


def test_the_notice_of_a_quarter_is_written_down_for_all_who_are_due(
    gated: Signed, portal: Shown
) -> None:
    manager = gated.client("manager")
    before = manager.get("/contacts").text
    assert before.count("Quarterly notice") >= len(portal.view.rows)
    assert manager.post("/contacts", data=word(manager, "/contacts")).status_code == 303
    after = manager.get("/contacts").text
    assert "Quarterly notice" not in after
    assert "Opening" in after
    assert "31 Dec 2024" in after  # due as of the book's newest day
    assert gated.client("owner").get("/contacts").status_code == 404
