"""`sma serve`: tells its address, and refuses plainly what it cannot do."""

import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from tests.web.shown import Shown

from opensma.cli import run
from opensma.web.shield import is_loopback


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["serve", *arguments]) == 2
    text = capsys.readouterr().err
    assert "remedy" in text
    assert "Traceback" not in text
    return text


def test_a_host_that_others_reach_is_refused_and_told_why(
    capsys: pytest.CaptureFixture[str], small_book: str
) -> None:
    for host in ("0.0.0.0", "192.168.1.4", "example.com", "::"):
        text = refused(capsys, "--book", small_book, "--host", host)
        assert "serve.host" in text
        assert "Without sign-in" in text


def test_a_busy_port_is_told_with_its_remedy(
    capsys: pytest.CaptureFixture[str], small_book: str
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        text = refused(capsys, "--book", small_book, "--port", port)
    assert "port.busy" in text
    assert "--port" in text


def test_a_book_before_its_first_day_is_told(
    capsys: pytest.CaptureFixture[str], small_book: str, small_market: Path
) -> None:
    text = refused(capsys, "--book", small_book, "--market", str(small_market), "--port", "0")
    assert "book.no_day" in text
    assert "sma day run" in text


def test_no_book_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "book.missing" in refused(capsys, "--book", str(tmp_path / "no.db"), "--port", "0")


def test_it_prints_its_address_answers_and_ends(portal: Shown, small_market: Path) -> None:
    command = [sys.executable, "-c", "from opensma.cli import main; main()", "serve"]
    command += ["--book", portal.book.url, "--market", str(small_market), "--port", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        address = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        with urllib.request.urlopen(address, timeout=20) as answer:
            assert b"Accounts" in answer.read()
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(timeout=20) == 0


def test_only_names_of_this_machine_are_loopback() -> None:
    assert all(
        is_loopback(h) for h in ("localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]")
    )
    assert not any(is_loopback(h) for h in ("", "0.0.0.0", "::", "localhost.evil", "127.0.0.1.nip"))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sign-in", "--host", "0.0.0.0"], "in the clear"),
        (["--sign-in", "--behind-proxy", "*"], "anybody's headers"),
        (["--sign-in", "--tls-cert", "README.md"], "needs its key"),
    ],
)
def test_a_door_that_would_stand_open_is_refused(
    options: list[str], words: str, portal: Shown, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", *options, "--book", portal.book.url]) == 2
    assert words in " ".join(capsys.readouterr().err.split())
