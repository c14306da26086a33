"""Who can see an account and who looked (P27); an owner gives and takes back access (P28)."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed, copied

from opensma.book.grants import people
from opensma.book.visible import find_viewer, visible_accounts


@pytest.fixture
def gated(portal: Shown, tmp_path: Path) -> Signed:
    return copied(portal, tmp_path)


@pytest.fixture
def mine(gated: Signed) -> str:
    with gated.app.state.gate.book.read() as connection:
        viewer = find_viewer(connection, "owner", "2024-12-31")
        return visible_accounts(connection, viewer)[0].account_id


def send(client: TestClient, account: str, **fields: str) -> tuple[int, str]:
    word = re.search(r'name="csrf" value="(\w+)"', client.get("/me").text)
    assert word is not None
    form = {"csrf": word[1], **fields}
    answer = client.post(f"/accounts/{account}/access", data=form)
    return answer.status_code, answer.text


CPA = {"user": "cpa", "name": "Carla <b>Accountant</b>", "role": "accountant", "tax_year": "2024",
       "until": "2099-04-15"}  # fmt: skip


def test_an_owner_gives_an_accountant_one_year_and_takes_it_back(gated: Signed, mine: str) -> None:
    owner = gated.client("owner")
    status, text = send(owner, mine, **CPA)
    assert status == 200
    assert re.search(r"<code>[\w-]{20,}</code>", text)
    assert "Carla &lt;b&gt;" in text
    cpa = gated.client("cpa")
    assert cpa.get(f"/accounts/{mine}/taxes?year=2024").status_code == 200
    assert cpa.get(f"/accounts/{mine}/taxes?year=2023").status_code == 404
    assert cpa.get(f"/accounts/{mine}").status_code == 404
    page = owner.get(f"/accounts/{mine}/access").text
    assert re.search(r"cpa</th>|>cpa<", page)  # the owner sees that they looked
    with gated.app.state.gate.book.read() as connection:
        (grant,) = next(grants for user, grants in people(connection) if user.user_id == "cpa")
    assert send(owner, mine, revoke=grant.grant_id)[0] == 303
    assert cpa.get(f"/accounts/{mine}/taxes?year=2024").status_code in (303, 404)


@pytest.mark.parametrize(
    "change", [{"role": "manager"}, {"until": ""}, {"until": "soon"}, {"tax_year": "x"},
               {"user": "a b"}, {"name": ""}],
)  # fmt: skip
def test_what_an_owner_cannot_give_is_told(
    gated: Signed, mine: str, change: dict[str, str]
) -> None:
    status, text = send(gated.client("owner"), mine, **(CPA | change))
    assert status == 422
    assert 'role="alert"' in text
    with gated.app.state.gate.book.read() as connection:
        assert "cpa" not in [user.user_id for user, grants in people(connection) if grants]


def test_nobody_takes_back_what_is_not_theirs_to_give(gated: Signed, mine: str) -> None:
    assert send(gated.client("owner"), mine, revoke="first/manager")[0] == 404
    assert send(gated.client("owner"), mine, revoke="none")[0] == 404
    for user in ("household", "manager", "accountant"):
        assert gated.client(user).get(f"/accounts/{mine}/access").status_code == 404
