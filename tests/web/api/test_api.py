"""The API: every operation for every role and a stranger, tokens, ETags, keys, its description."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from tests.web.shown import Shown

from opensma.access import tokens
from opensma.access.audit import lines_of, verify
from opensma.access.tokens import RIGHT_OF, TokenScope
from opensma.book.master import AccountRecord, all_records
from opensma.book.rights import RIGHTS, Role
from opensma.book.store import open_book
from opensma.book.visible import find_viewer, visible_accounts
from opensma.web import create_app
from opensma.web.api.app import openapi_text
from opensma.web.api.caller import A_MINUTE

ROOT = Path(__file__).parents[3]
EVERYTHING = [scope.value for scope in TokenScope]


@pytest.fixture(scope="module")
def app(portal: Shown, tmp_path_factory: pytest.TempPathFactory) -> Starlette:
    assert portal.book.path is not None
    folder = tmp_path_factory.mktemp("api")
    for ending in ("", "-wal"):
        source = Path(f"{portal.book.path}{ending}")
        if source.exists():
            shutil.copy(source, folder / f"book.db{ending}")
    book = open_book(str(folder / "book.db"))
    return create_app(book, portal.market, sign_in=True, names=("testserver",))


@pytest.fixture(scope="module")
def mine(app: Starlette) -> str:
    with app.state.gate.book.read() as connection:
        return visible_accounts(connection, find_viewer(connection, "owner", "2024-12-31"))[
            0
        ].account_id


@pytest.fixture(scope="module")
def foreign(app: Starlette, mine: str) -> str:
    with app.state.gate.book.read() as connection:
        accounts = all_records(connection, AccountRecord)
    own = next(a for a in accounts if a.account_id == mine)
    return next(a.account_id for a in accounts if a.taxpayer_id != own.taxpayer_id)


def token_of(app: Starlette, user: str, scopes: list[str] | None = None, ago: int = 0) -> str:
    secret = tokens.PREFIX + secrets.token_urlsafe(16)
    now = int(time.time()) - ago
    with app.state.gate.access.write() as connection:
        tokens.create(connection, secret, user, "test", scopes or EVERYTHING, 30, now)
    return secret


def client_of(app: Starlette, token: str = "") -> TestClient:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return TestClient(app, base_url="http://127.0.0.1", headers=headers)


def api_of(app: Starlette) -> FastAPI:
    mount = next(r for r in app.routes if isinstance(r, Mount) and r.path == "/api/v1")
    assert isinstance(mount.app, FastAPI)
    return mount.app


def operations(app: Starlette) -> list[tuple[str, str]]:
    return [
        (method.upper(), path)
        for path, item in api_of(app).openapi()["paths"].items()
        for method in item
    ]


def call(client: TestClient, method: str, path: str, account: str) -> Any:
    address = "/api/v1" + path.replace("{account_id}", account).replace("{year}", "2024")
    headers = {"Idempotency-Key": f"key-{secrets.token_hex(8)}"} if method == "POST" else {}
    body = {"note": "Please call me."} if method == "POST" else None
    return client.request(method, address, json=body, headers=headers)


def test_a_stranger_is_refused_everywhere_alike(app: Starlette, mine: str) -> None:
    for bad in ("", "sma_nothing", token_of(app, "owner", ago=31 * 86_400)):
        client = client_of(app, bad)
        bodies = {
            (answer.status_code, answer.text)
            for method, path in operations(app)
            for account in (mine, "nobody")
            for answer in [call(client, method, path, account)]
        }
        assert {status for status, _ in bodies} == {401}
        assert len(bodies) == 1


@pytest.mark.parametrize("role", [role.value for role in Role])
def test_every_operation_asks_for_the_right_on_the_account(
    app: Starlette, mine: str, foreign: str, role: str
) -> None:
    client = client_of(app, token_of(app, role))
    absent = client.get("/api/v1/accounts/nobody")
    assert absent.status_code == 404
    everywhere = role in ("manager", "operations", "auditor", "sponsor")
    for method, path in operations(app):
        if "{account_id}" not in path:
            continue
        answer = call(client, method, path, foreign)
        if everywhere:
            assert answer.status_code in (200, 201, 404), (path, answer.text)
        else:
            assert (answer.status_code, answer.text) == (404, absent.text), path
            assert "etag" not in answer.headers


def test_a_scope_that_is_missing_is_told_and_a_right_that_is_missing_is_not(
    app: Starlette, mine: str
) -> None:
    client = client_of(app, token_of(app, "owner", ["read:taxes"]))
    assert client.get(f"/api/v1/accounts/{mine}/taxes/2024").status_code == 200
    assert client.get(f"/api/v1/accounts/{mine}/fees").status_code == 403
    accountant = client_of(app, token_of(app, "accountant"))
    assert accountant.get(f"/api/v1/accounts/{mine}/taxes/2024").status_code == 200
    assert accountant.get(f"/api/v1/accounts/{mine}/taxes/2023").status_code == 404
    assert accountant.get(f"/api/v1/accounts/{mine}").status_code == 404
    assert set(RIGHT_OF) == set(TokenScope)
    assert all(any(right in RIGHTS[role] for role in Role) for right in RIGHT_OF.values())


def test_pages_of_accounts_lose_and_repeat_nobody(app: Starlette) -> None:
    client = client_of(app, token_of(app, "manager"))
    seen: list[str] = []
    after = ""
    while True:
        part = client.get("/api/v1/accounts", params={"limit": 7, "after": after}).json()
        seen += [one["account_id"] for one in part["items"]]
        if part["next"] is None:
            break
        after = part["next"]
    with app.state.gate.book.read() as connection:
        assert seen == [a.account_id for a in all_records(connection, AccountRecord)]


def test_figures_are_those_of_the_book(app: Starlette, mine: str) -> None:
    client = client_of(app, token_of(app, "owner"))
    account = client.get(f"/api/v1/accounts/{mine}").json()
    holdings = client.get(f"/api/v1/accounts/{mine}/holdings").json()
    assert account["value_cents"] == holdings["value_cents"]
    positions = holdings["positions"]
    assert (
        sum(p["value_cents"] for p in positions) + holdings["cash_cents"]
        == (holdings["value_cents"])
    )
    for position in positions:
        assert (
            sum(lot["quantity_micros"] for lot in position["lots"]) == (position["quantity_micros"])
        )
    plan = client.get(f"/api/v1/accounts/{mine}/plan").json()
    assert all(trade["why"].endswith(".") for trade in plan["trades"])
    assert sum(trade["tax_cents"] for trade in plan["trades"]) == plan["tax_cents"]
    performance = client.get(f"/api/v1/accounts/{mine}/performance").json()
    assert performance["gross_return"] == pytest.approx(account["time_weighted_return"])


def test_an_etag_saves_the_body(app: Starlette, mine: str) -> None:
    client = client_of(app, token_of(app, "owner"))
    first = client.get(f"/api/v1/accounts/{mine}/holdings")
    tag = first.headers["etag"]
    again = client.get(f"/api/v1/accounts/{mine}/holdings", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(f"/api/v1/accounts/{mine}/holdings", headers={"If-None-Match": '"x"'})
    assert other.status_code == 200


def test_a_request_is_made_once_for_each_key(app: Starlette, mine: str) -> None:
    client, path = client_of(app, token_of(app, "owner")), f"/api/v1/accounts/{mine}/requests"
    key = {"Idempotency-Key": "one-and-the-same"}
    first = client.post(path, json={"exclude": "Energy"}, headers=key)
    assert first.status_code == 201
    again = client.post(path, json={"exclude": "Energy"}, headers=key)
    assert (again.status_code, again.json()) == (200, first.json())
    other = client.post(path, json={"exclude": "Utilities"}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert client.post(path, json={"exclude": "Energy"}).status_code == 422  # no key
    wrong = client.post(path, json={"exclude": "Nothing"}, headers={"Idempotency-Key": "another-1"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (422, "what_if.unknown_name")
    assert len(client.get(path).json()) == 1
    household = client_of(app, token_of(app, "household"))
    assert household.post(path, json={"note": "x"}, headers=key).status_code == 404


def test_a_revoked_token_opens_nothing_at_once(app: Starlette) -> None:
    secret = token_of(app, "owner")
    client = client_of(app, secret)
    assert client.get("/api/v1/accounts").status_code == 200
    with app.state.gate.access.write() as connection:
        own = next(t for t in tokens.all_tokens(connection) if t.used_at is not None)
        for one in tokens.all_tokens(connection):
            if one.user_id == "owner":
                tokens.revoke(connection, one.token_id, int(time.time()))
    assert own.user_id
    assert client.get("/api/v1/accounts").status_code == 401


def test_too_many_calls_must_wait(app: Starlette) -> None:
    client = client_of(app, token_of(app, "growth"))
    statuses = {client.get("/api/v1/day").status_code for _ in range(A_MINUTE)}
    assert statuses == {404}
    last = client.get("/api/v1/day")
    assert last.status_code == 429
    assert int(last.headers["retry-after"]) >= 1


def test_calls_are_in_the_log(app: Starlette, mine: str) -> None:
    client_of(app, token_of(app, "owner")).get(f"/api/v1/accounts/{mine}/fees")
    newest = lines_of(app.state.gate.access, size=1)[0].line
    assert (newest.user_id, newest.account_id) == ("owner", mine)
    assert newest.screen == f"api /accounts/{mine}/fees"
    assert verify(app.state.gate.access) == []


def test_without_sign_in_this_machine_reads_and_changes_nothing(portal: Shown) -> None:
    client = client_of(create_app(portal.book, portal.market))
    name = portal.busiest
    assert client.get(f"/api/v1/accounts/{name}/holdings").status_code == 200
    key = {"Idempotency-Key": "without-a-token"}
    answer = client.post(f"/api/v1/accounts/{name}/requests", json={"note": "x"}, headers=key)
    assert answer.status_code == 401


def test_the_description_in_the_documents_is_the_api(app: Starlette) -> None:
    written = (ROOT / "docs" / "openapi.json").read_text("utf-8")
    text = openapi_text(app.state.gate)
    version = r'"description": "Separately[^"]*"'
    assert re.sub(version, "", written) == re.sub(version, "", text), (
        "run tools/openapi.py to write docs/openapi.json anew"
    )
    json.loads(written)


@pytest.mark.slow
def test_what_the_description_allows_and_forbids_is_answered_as_it_says(
    app: Starlette, mine: str
) -> None:
    import hypothesis
    import schemathesis

    schema = schemathesis.openapi.from_asgi("/api/v1/openapi.json", app)
    headers = {"Authorization": f"Bearer {token_of(app, 'manager')}"}
    app.state.gate.clock = _Fast()  # so that the limit of calls a minute does not answer
    tried = 0
    try:
        for found in schema.get_all_operations():
            operation = found.ok()

            @hypothesis.settings(
                max_examples=15,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(hypothesis.HealthCheck),
            )
            @hypothesis.given(case=operation.as_strategy())
            def check(case: Any) -> None:
                nonlocal tried
                tried += 1
                case.call_and_validate(
                    headers=headers,
                    excluded_checks=[schemathesis.checks.ignored_auth]
                    if hasattr(schemathesis.checks, "ignored_auth")
                    else None,
                )

            check()
    finally:
        app.state.gate.clock = time.time
    assert tried > 100


class _Fast:
    """A clock on which every call is minutes after the one before, within the tokens' life."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        self.now += 61.0
        return self.now


@pytest.mark.parametrize("body", [b"", b"[" * 5000, b'{"a":' * 3000, b"\xff\xfe"])
def test_a_body_that_is_no_json_is_the_callers_fault(
    app: Starlette, mine: str, body: bytes
) -> None:
    client = client_of(app, token_of(app, "owner"))
    headers = {"content-type": "application/json", "Idempotency-Key": "odd-body-1"}
    answer = client.post(f"/api/v1/accounts/{mine}/requests", content=body, headers=headers)
    assert 400 <= answer.status_code < 500
