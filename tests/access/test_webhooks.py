"""Webhooks: signed, what the user may see, once, tried again with a pause that doubles."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from tests.viewers import viewer

from opensma.access import requests, webhooks
from opensma.access.store import Access
from opensma.access.webhooks import Webhook
from opensma.book.rights import Role, Scope
from opensma.book.store import open_book
from opensma.cli import run
from opensma.client import signed
from opensma.errors import InputError

NOW = 1_700_000_000
HOOK = Webhook("wh-1", "u", "https://example.com/hook", "secret", ("request.made",), NOW, None)


def ask(access: Access, account: str, number: int) -> None:
    one = requests.Request(f"rq-{number}", account, "owner", NOW + number, {}, "Call me.", {})
    requests.ask(access, one)


@pytest.fixture
def filled(small_book: str) -> Access:
    return Access(open_book(small_book))


def test_a_hook_is_told_once_and_only_what_its_user_may_see(filled: Access) -> None:
    with filled.book.read() as connection:
        from opensma.book.master import AccountRecord, all_records

        mine, other = all_records(connection, AccountRecord)[:2]
    ask(filled, mine.account_id, 1)
    ask(filled, other.account_id, 2)
    with filled.write() as connection:
        webhooks.add(connection, HOOK)
    owner = viewer(Role.OWNER, Scope.ACCOUNT, mine.account_id)
    assert webhooks.gather(filled, HOOK, owner, NOW + 5) == 1
    assert webhooks.gather(filled, HOOK, owner, NOW + 6) == 0
    assert webhooks.gather(filled, HOOK, None, NOW + 6) == 0
    with filled.read() as connection:
        (one,) = webhooks.due(connection, [HOOK], NOW + 5)
    assert mine.account_id in one.body
    assert other.account_id not in one.body


def test_what_is_not_taken_is_tried_again_later_and_not_for_ever(filled: Access) -> None:
    with filled.book.read() as connection:
        from opensma.book.master import AccountRecord, all_records

        mine = all_records(connection, AccountRecord)[0]
    ask(filled, mine.account_id, 1)
    owner = viewer(Role.OWNER, Scope.ACCOUNT, mine.account_id)
    webhooks.gather(filled, HOOK, owner, NOW)
    now, pauses = NOW, []
    while True:
        with filled.write() as connection:
            waiting = webhooks.due(connection, [HOOK], now)
            if not waiting:
                break
            webhooks.tried(connection, waiting[0], "500", False, now)
            pauses.append(webhooks.FIRST_PAUSE * 2 ** waiting[0].tries)
            assert webhooks.due(connection, [HOOK], now) == []
        now += pauses[-1]
    assert len(pauses) == webhooks.MOST_TRIES
    assert pauses[-1] == webhooks.FIRST_PAUSE * 2 ** (webhooks.MOST_TRIES - 1)


def test_a_signature_is_of_this_time_and_body_only() -> None:
    header = webhooks.signature("secret", NOW, '{"a":1}')
    assert signed("secret", header, b'{"a":1}', NOW + 10)
    assert not signed("secret", header, b'{"a":2}', NOW + 10)
    assert not signed("other", header, b'{"a":1}', NOW + 10)
    assert not signed("secret", header, b'{"a":1}', NOW + 301)
    assert not signed("secret", header.replace(str(NOW), str(NOW + 60)), b'{"a":1}', NOW + 60)
    assert not signed("secret", "nonsense", b"", NOW)


@pytest.mark.parametrize("change", [{"events": ()}, {"events": ("x",)}, {"url": "file:///etc"}])
def test_what_cannot_be_sent_is_refused(filled: Access, change: dict[str, object]) -> None:
    from dataclasses import replace

    with filled.write() as connection, pytest.raises(InputError):
        webhooks.add(connection, replace(HOOK, **change))


@pytest.fixture
def heard() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """A server on this machine that takes what it is sent."""
    got: list[tuple[str, bytes]] = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.headers["Opensma-Signature"], body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", got
    server.shutdown()


def test_deliver_sends_what_is_due_and_refuses_private_addresses_unless_told(
    filled: Access, heard: tuple[str, list[tuple[str, bytes]]],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    import json
    import time

    url, got = heard
    book = filled.book.url
    assert run(["access", "webhook", "add", "--user", "owner", "--url", url, "--event",
                "request.made", "--book", book, "--json"]) == 0  # fmt: skip
    secret = json.loads(capsys.readouterr().out)["secret"]
    with filled.book.read() as connection:
        from opensma.book.visible import find_viewer, visible_accounts

        mine = visible_accounts(connection, find_viewer(connection, "owner", "2026-01-01"))[0]
    one = requests.Request("rq-9", mine.account_id, "owner", int(time.time()) + 1, {}, "Hi.", {})
    requests.ask(filled, one)
    assert run(["access", "webhook", "deliver", "--book", book]) == 1
    assert got == []
    from sqlalchemy import update

    from opensma.access import schema

    with filled.write() as connection:
        connection.execute(update(schema.deliveries).values(next_at=0))
    assert run(["access", "webhook", "deliver", "--allow-local", "--book", book]) == 0
    ((header, body),) = got
    assert signed(secret, header, body, time.time())
    assert json.loads(body)["request_id"] == "rq-9"
    assert run(["access", "webhook", "deliver", "--allow-local", "--book", book]) == 0
    assert len(got) == 1
