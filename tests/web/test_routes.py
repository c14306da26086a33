"""Every address, asked by every role and by a stranger (P24): what is not theirs is not there.

Addresses come from the portal's own table, so a new one is tested as soon as it exists.
"""

from __future__ import annotations

import csv
import io
import re

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed, signed

from opensma.book.master import AccountRecord, Grant, User, add_records
from opensma.book.rights import RIGHTS, Right, Role, Scope
from opensma.web.policy import Screen

# Open to anybody, on purpose. An address that joins must be put here by hand.
PUBLIC = {"asset", "events", "study", "study-answer", "study-style"}
STEP_IN = ("sign-in", "step-up", "invitation", "oidc", "sign-out")  # how one gets in
ROLES = [role.value for role in Role]


@pytest.fixture(scope="module")
def gated(portal: Shown) -> Signed:
    """Every role over the first household alone, where its role may reach so little."""
    return signed(portal)


@pytest.fixture(scope="module")
def mine(portal: Shown) -> AccountRecord:
    return portal.view.rows[0].account


@pytest.fixture(scope="module")
def foreign(portal: Shown, mine: AccountRecord) -> AccountRecord:
    accounts = [row.account for row in portal.view.rows]
    return next(a for a in accounts if a.taxpayer_id != mine.taxpayer_id)


@pytest.fixture(scope="module", autouse=True)
def people(portal: Shown, mine: AccountRecord) -> None:
    """`near-ROLE` for every role: as near to the foreign account as the role may be without it."""
    near = {
        Role.OWNER: (Scope.ACCOUNT, mine.account_id),
        Role.HOUSEHOLD: (Scope.TAXPAYER, mine.taxpayer_id),
        Role.ACCOUNTANT: (Scope.TAXPAYER, mine.taxpayer_id),
        Role.ADVISOR: (Scope.ACCOUNT, mine.account_id),
    }
    records: list[User | Grant] = []
    for role in Role:
        scope, key = near.get(role, (Scope.PROGRAM, "another-program"))
        name = f"near-{role}"
        grant = Grant(name, name, role, scope, key, None, "1970-01-01", None, "test")
        records += [User(name, name), grant]
    former = Grant(
        "former", "former", Role.OWNER, Scope.ACCOUNT, mine.account_id, None,
        "1970-01-01", "2024-12-31", "test",
    )  # fmt: skip
    with portal.book.write() as connection:
        add_records(connection, [*records, User("former", "Former"), former])


def screens(gated: Signed) -> list[Screen]:
    return list(gated.app.state.screens)


def filled(screen: Screen, portal: Shown, account: AccountRecord) -> str:
    """The address with what belongs to an account."""
    trades = portal.trades_of(account.account_id)
    values = {
        "account_id": account.account_id, "taxpayer_id": account.taxpayer_id,
        "trade_id": trades[0] if trades else "none", "year": "2024", "period": "2024Q4",
        "security_key": "1", "size": "wide", "scheme": "light", "digest": "0" * 12,
    }  # fmt: skip
    return re.sub(
        r"\{(\w+)(:\w+)?\}", lambda m: values.get(m[1], "1" if m[2] == ":int" else "none"),
        screen.path,
    )  # fmt: skip


def ask(client: TestClient, screen: Screen, path: str) -> tuple[int, str, str]:
    method = screen.methods[0]
    answer = client.request(method, path, data={"csrf": "none"} if method == "POST" else None)
    return answer.status_code, answer.text, answer.headers.get("etag", "")


def test_only_known_addresses_are_public(gated: Signed) -> None:
    found = {s.name for s in screens(gated) if s.policy.public}
    assert {name for name in found - PUBLIC if not name.startswith(STEP_IN)} == set()


def test_names_and_addresses_are_unique(gated: Signed) -> None:
    names = [s.name for s in screens(gated)]
    assert len(set(names)) == len(names)
    paths = [(s.path, method) for s in screens(gated) for method in s.methods]
    assert len(set(paths)) == len(paths)


def test_every_address_about_an_account_asks_for_a_right(gated: Signed) -> None:
    for screen in screens(gated):
        if re.search(r"\{(account|taxpayer|trade|invoice)_id\}", screen.path):
            assert screen.policy.right is not None, screen.name


def test_a_stranger_learns_nothing(gated: Signed, portal: Shown, mine: AccountRecord) -> None:
    client = gated.client()
    for screen in screens(gated):
        if screen.policy.public:
            continue
        for path in (filled(screen, portal, mine), re.sub(r"\{[^}]+\}", "1", screen.path)):
            status, text, tag = ask(client, screen, path)
            if "GET" in screen.methods:
                assert (status, text, tag) == (303, "", ""), screen.name
            else:
                assert status in (401, 403), screen.name


@pytest.mark.parametrize("role", ROLES)
def test_a_foreign_object_is_answered_like_none(
    gated: Signed, portal: Shown, foreign: AccountRecord, role: str
) -> None:
    client = gated.client(f"near-{role}")
    absent = client.get("/accounts/none/nothing-at-all")
    for screen in screens(gated):
        named = re.search(r"\{(account|taxpayer|trade)_id\}", screen.path)
        if named is None or screen.policy.public:
            continue
        status, text, tag = ask(client, screen, filled(screen, portal, foreign))
        if "GET" in screen.methods:
            assert (status, tag) == (404, ""), screen.name
            assert text == absent.text, screen.name
        else:
            assert status in (403, 404), screen.name


@pytest.mark.parametrize("role", ROLES)
def test_what_the_role_has_no_right_to_is_not_there(
    gated: Signed, portal: Shown, mine: AccountRecord, role: str
) -> None:
    client = gated.client(f"near-{role}")
    for screen in screens(gated):
        right = screen.policy.right
        if screen.policy.public or right is None or right in RIGHTS[Role(role)]:
            continue
        status, _, _ = ask(client, screen, filled(screen, portal, mine))
        assert status in (403, 404), screen.name


@pytest.mark.parametrize("user", ["former", "nobody-at-all"])
def test_an_ended_grant_opens_nothing(
    gated: Signed, portal: Shown, mine: AccountRecord, user: str
) -> None:
    client = gated.client(user)
    for screen in screens(gated):
        if screen.policy.public or screen.policy.right is None:
            continue
        status, _, _ = ask(client, screen, filled(screen, portal, mine))
        assert status in (303, 401, 403, 404), screen.name


@pytest.mark.parametrize("query", ["", "?sort=value", "?q=a", "?q=A0", "?page=9", "?sort=owner"])
def test_lists_counts_and_exports_hold_own_accounts_only(
    gated: Signed, portal: Shown, mine: AccountRecord, query: str
) -> None:
    client = gated.client("near-owner")
    names = {row.account.account_id for row in portal.view.rows} - {mine.account_id}
    page = client.get(f"/{query}")
    assert page.status_code == 200
    assert not [name for name in names if name in page.text]
    mark = "&" if query else "?"
    exported = client.get(f"/{query}{mark}csv=1")
    if exported.status_code == 200:
        rows = list(csv.reader(io.StringIO(exported.text)))
        assert not [cell for row in rows for cell in row if cell in names]


def test_a_right_is_used_by_some_address_or_is_known_to_wait(gated: Signed) -> None:
    used = {s.policy.right for s in screens(gated)}
    assert {Right.HOLDINGS, Right.TAXES, Right.FEES, Right.DOCUMENTS, Right.PERFORMANCE} <= used
