"""What tests share: books on both databases, a browser, the real market, reproducible hypothesis.

A fixture whose tool is missing skips its tests and says which tool; `-rs` prints the reasons.
"""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

# The same examples every time: a red build must be red again on the next machine. Longer
# searches with fresh examples: `pytest --hypothesis-profile=explore`.
settings.register_profile("quick", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("ci", max_examples=100, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=5000, deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "quick")

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER_ARGUMENTS = [
    "--headless",
    "--no-sandbox",  # containers run as root
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
POSTGRES_SETTINGS = {
    "fsync": "off",  # the server is thrown away with the test run
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "40",
    "log_min_messages": "fatal",
}


# --- a book on both databases ------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A private PostgreSQL server, one for each test process; the URL of its first database."""
    programs = _postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed (no initdb found): these tests ran on SQLite only")
    pytest.importorskip("psycopg", reason="psycopg is not installed: tests ran on SQLite only")
    folder = Path(tempfile.mkdtemp(prefix="opensma-pg-"))
    try:
        server, port = _start_postgres(programs, folder)
        try:
            yield f"postgresql://opensma@127.0.0.1:{port}/postgres"
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: open connections are dropped
            server.wait(timeout=30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _postgres_programs() -> Path | None:
    """The folder with initdb and postgres: PATH first, then where Debian keeps its versions."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((f for f in folders if (f / "initdb").exists() and (f / "postgres").exists()), None)


def _start_postgres(programs: Path, folder: Path) -> tuple["subprocess.Popen[bytes]", int]:
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:  # the server refuses to run as root
        user = next(u for u in pwd.getpwall() if u.pw_name in ("postgres", "nobody"))
        os.chown(folder, user.pw_uid, user.pw_gid)
        identity = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    data = folder / "data"
    options = ["-U", "opensma", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(
        [programs / "initdb", "-D", data, *options],
        check=True,
        capture_output=True,
        cwd=folder,
        **identity,
    )
    for _ in range(5):  # between finding a free port and using it somebody else may take it
        port = _free_port()
        values = POSTGRES_SETTINGS | {
            "port": str(port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
        }
        command = [str(programs / "postgres"), "-D", str(data)]
        command += [word for name, value in values.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("ab") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, **identity)
        if _answers(server, port):
            return server, port
    raise RuntimeError(f"PostgreSQL did not start:\n{(folder / 'log').read_text()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(server: "subprocess.Popen[bytes]", port: int) -> bool:
    import psycopg

    deadline = time.monotonic() + 30
    while server.poll() is None and time.monotonic() < deadline:
        try:
            psycopg.connect(f"postgresql://opensma@127.0.0.1:{port}/postgres").close()
            return True
        except psycopg.OperationalError:
            time.sleep(0.05)
    return False


@pytest.fixture(params=["sqlite", "postgresql"])
def book_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An address where no book is yet; every test that asks for it runs on both databases."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'book.db'}"
        return
    server: str = request.getfixturevalue("postgres_url")
    import psycopg

    name = f"book_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        yield server.rsplit("/", 1)[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


# --- a browser ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Chromium as the system has it, driven by Playwright; downloads nothing."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip(f"no browser is installed (looked for {', '.join(BROWSERS)})")
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=BROWSER_ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: "Browser") -> Iterator["Page"]:
    """A fresh page with its own cookies; fails the test when the page's script throws."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    context.set_default_timeout(15_000)
    opened = context.new_page()
    thrown: list[str] = []
    opened.on("pageerror", lambda error: thrown.append(str(error)))
    yield opened
    context.close()
    assert not thrown, f"script errors on the page: {thrown}"


# --- data --------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def real_market() -> Path:
    """A folder of real market files (the import layout), named by OPENSMA_DATA."""
    data = os.environ.get("OPENSMA_DATA", "")
    folder = Path(data) / "market"
    if not data or not (folder / "prices.parquet").exists():
        pytest.skip("no real market data: set OPENSMA_DATA to a folder that holds market/")
    return folder


@pytest.fixture(scope="session")
def small_market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A market store of 60 fictional securities over 315 sessions until 2024-12-31."""
    from opensma.market import generate_market, import_market

    folder = tmp_path_factory.mktemp("small-market")
    first, last = date(2023, 10, 2), date(2024, 12, 31)
    generate_market(folder / "tables", seed=3, securities=60, start=first, end=last)
    import_market(folder / "tables", folder / "sma.market")
    return folder / "sma.market"


@pytest.fixture(scope="session")
def _demo_book(small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("demo-book") / "book.db"
    build_small_book(str(path), small_market)
    return path


def build_small_book(place: str, small_market: Path) -> None:
    """A demo book of 12 accounts on the evening before the market's last day."""
    from opensma.market import open_market
    from opensma.simulate.demo import build_book

    market = open_market(small_market)
    build_book(place, market, market.day(-1), accounts=12, seed=7, workers=1)


@pytest.fixture
def small_book(_demo_book: Path, tmp_path: Path) -> str:
    """The URL of a demo book of 12 accounts on `small_market`, on the evening before 2024-12-31."""
    copy = tmp_path / "demo.db"
    shutil.copyfile(_demo_book, copy)
    return f"sqlite:///{copy}"
