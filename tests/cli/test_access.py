"""`sma access` as whoever runs the machine uses it."""

import json
import shutil
from pathlib import Path

import pytest

from opensma.access import sessions
from opensma.access.store import Access
from opensma.book.store import open_book
from opensma.cli import run


@pytest.fixture
def book(_demo_book: Path, tmp_path: Path) -> Path:
    path = tmp_path / "book.db"
    shutil.copyfile(_demo_book, path)
    return path


def sma(book: Path, *words: str) -> int:
    return run(["access", *words, "--book", str(book)])


def asked(book: Path, capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    assert sma(book, *words, "--json") == 0
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def test_a_user_is_invited_given_a_role_and_listed(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told = asked(book, capsys, "invite", "--user", "ann", "--name", "Ann Lee")
    assert str(told["link"]).endswith(f"/invitation#{told['invitation']}")
    grant = asked(book, capsys, "grant", "--user", "ann", "--role", "auditor", "--scope", "book")
    assert sma(book, "users", "--json") == 0
    users = {u["user_id"]: u for u in json.loads(capsys.readouterr().out)}
    assert users["ann"]["grants"][0]["grant_id"] == grant["grant_id"]
    assert sma(book, "users") == 0
    assert "Ann Lee" in capsys.readouterr().out
    asked(book, capsys, "revoke", str(grant["grant_id"]))
    assert sma(book, "audit", "--lines", "5", "--json") == 0
    screens = [line["screen"] for line in json.loads(capsys.readouterr().out)]
    assert screens[:3] == ["revoke", "grant", "invite"]
    assert asked(book, capsys, "verify-audit") == {"lines": 3, "broken": []}


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("invite", "--user", "nobody"), "access.user"),
        (("bind", "--user", "nobody", "--issuer", "https://x", "--subject", "1"), "access.user"),
        (("sessions", "--end", "none"), "access.session"),
        (("sessions", "--end-all"), "access.user"),
    ],
)
def test_what_is_not_there_is_named(
    book: Path, words: tuple[str, ...], code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sma(book, *words, "--json") == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == code


def test_sessions_are_listed_and_ended(book: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import time

    with Access(open_book(str(book))).write() as connection:
        one, two = (
            sessions.begin(connection, word, "ann", "passkey", int(time.time()))
            for word in ("first", "second")
        )
    assert sma(book, "sessions") == 0
    assert one.session_id in capsys.readouterr().out
    ended = asked(book, capsys, "sessions", "--end", one.session_id)
    assert ended["ended"] is True
    left = asked(book, capsys, "sessions", "--user", "ann")["sessions"]
    assert [s["session_id"] for s in left] == [two.session_id]  # type: ignore[attr-defined]
    asked(book, capsys, "sessions", "--user", "ann", "--end-all")
    assert asked(book, capsys, "sessions")["sessions"] == []


def test_a_subject_of_a_provider_is_bound_to_a_user(
    book: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from opensma.access import oidc

    asked(book, capsys, "invite", "--user", "ann", "--name", "Ann Lee")
    asked(
        book, capsys, "bind", "--user", "ann", "--issuer", "https://id.example/", "--subject", "7"
    )
    with Access(open_book(str(book))).read() as connection:
        assert oidc.identity(connection, "https://id.example", "7") == "ann"
