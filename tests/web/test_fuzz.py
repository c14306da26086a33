"""Odd input everywhere: no address answers with a failure of ours, and nothing is run or shown raw.

Addresses and their forms come from the portal's own table; words are the usual attacks and seeds of
nonsense.
"""

import random
import re
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed, copied
from tests.web.test_axe import who_may

from opensma.access import schema
from opensma.web.policy import Screen

SCRIPT, BRACES = "<script>alert(1)</script>", "{{7*'7'}}"
ATTACKS = (
    SCRIPT, '"><img src=x onerror=alert(1)>', BRACES, "${7*7}", "' OR 1=1 --", "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd", "%00", "\x00", "=HYPERLINK(1)", "\r\nSet-Cookie: a=b", "😀" * 50,
    "9" * 400, "-1", "1e999", "NaN", "0x10", "\uff12\uff10\uff12\uff14",
    "\u0662\u0660\u0662\u0664", "a" * 3000, "\ud7ff", "null", "[]",
)  # fmt: skip
QUERY = ("q", "sort", "page", "tpage", "hpage", "apage", "period", "year", "lots", "exclude",
         "te_cap", "raise", "budget", "amount", "csv", "corrections", "next", "rates", "owner",
         "registration", "outcome", "advisor", "size", "unit")  # fmt: skip
FORM = ("what", "which", "reason", "account", "verdict", "code", "state", "note", "restriction",
        "agreement", "period", "kind", "day", "means", "user", "name", "role", "until", "tax_year",
        "revoke", "exclude", "raise", "model", "holdings", "secret", "password")  # fmt: skip


@pytest.fixture(scope="module")
def gated(portal: Shown, tmp_path_factory: pytest.TempPathFactory) -> Signed:
    return copied(portal, tmp_path_factory.mktemp("copy"))


def reached(gated: Signed) -> list[Screen]:
    """Everything but pages of a provider, which is not there, and the assets."""
    return [s for s in gated.app.state.screens if "provider" not in s.path and s.name != "asset"]


def nasty(seed: int) -> str:
    rng = random.Random(seed)
    if rng.random() < 0.8:
        return rng.choice(ATTACKS)
    return "".join(chr(rng.choice((rng.randrange(1, 128), rng.randrange(160, 0xD7FF))))
                   for _ in range(rng.randrange(1, 40)))  # fmt: skip


def odd_path(screen: Screen, rng: random.Random) -> str:
    def word(_: re.Match[str]) -> str:
        return quote(nasty(rng.randrange(10**6)), safe="")

    return re.sub(r"\{[^}]+\}", word, screen.path)


def client_of(gated: Signed, screen: Screen) -> TestClient:
    return gated.client("" if screen.policy.public else who_may(screen.policy.right))


def check(screen: Screen, text: str, status: int) -> None:
    assert status < 500, screen.name
    assert SCRIPT not in text, screen.name
    assert "onerror=alert(1)>" not in text, screen.name
    assert "7777777" not in text, screen.name
    assert "Traceback" not in text, screen.name


@pytest.mark.parametrize("seed", range(8))
def test_odd_words_in_addresses(gated: Signed, portal: Shown, seed: int) -> None:
    own = portal.view.rows[0].account
    for number, screen in enumerate(reached(gated)):
        if "GET" not in screen.methods:
            continue
        client = client_of(gated, screen)
        rng = random.Random(seed * 1000 + number)
        odd = odd_path(screen, rng)
        path = odd if screen.policy.export else re.sub(
            r"\{(\w+)(:\w+)?\}",
            lambda m: {"account_id": own.account_id, "taxpayer_id": own.taxpayer_id}.get(m[1], "1"),
            screen.path,
        )  # fmt: skip
        query = {name: nasty(rng.randrange(10**6)) for name in rng.sample(QUERY, 5)}
        for answer in (client.get(odd), client.get(path, params=query)):
            if "html" in answer.headers.get("content-type", ""):
                check(screen, answer.text, answer.status_code)
            assert answer.status_code < 500, (screen.name, odd, query)
            assert "a" not in answer.cookies, screen.name


@pytest.mark.parametrize("seed", range(8))
def test_odd_words_in_forms(gated: Signed, portal: Shown, seed: int) -> None:
    own = portal.view.rows[0].account
    for number, screen in enumerate(reached(gated)):
        if "POST" not in screen.methods or screen.name in ("sign-out", "see-as-end"):
            continue
        client = client_of(gated, screen)
        rng = random.Random(seed * 1000 + number)
        form = {name: nasty(rng.randrange(10**6)) for name in FORM}
        page = client.get("/me" if not screen.policy.public else "/sign-in").text
        word = re.search(r'name="csrf" value="([^"]+)"', page)
        form["csrf"] = word[1] if word else ""
        path = re.sub(
            r"\{(\w+)(:\w+)?\}", lambda m: {"account_id": own.account_id}.get(m[1], "none"),
            screen.path,
        )  # fmt: skip
        answer = client.post(path, data=form)
        check(screen, answer.text, answer.status_code)
    with gated.app.state.gate.access.write() as connection:
        connection.execute(schema.attempts.delete())  # what was guessed here keeps nobody waiting


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'{"a": NaN}', b"\xff\xfe", b"[" * 5000])
def test_odd_bodies_where_json_is_wanted(gated: Signed, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    for path in ("/events", "/sign-in/passkey"):
        answer = gated.client().post(path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500, path


@pytest.mark.parametrize("body", [b"", b"{", b'"x"', b"\xff\xfe", b"[" * 5000, b'{"a":' * 3000])
def test_odd_bodies_for_the_api(gated: Signed, portal: Shown, body: bytes) -> None:
    own = portal.view.rows[0].account.account_id
    headers = {"content-type": "application/json", "authorization": "Bearer none"}
    for path in (f"/api/v1/accounts/{own}/requests", "/api/v1/accounts"):
        answer = gated.client().post(path, content=body, headers=headers)
        assert 400 <= answer.status_code < 500, path
