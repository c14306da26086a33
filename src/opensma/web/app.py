"""The portal as an ASGI application: routes, what surrounds them, and the server that runs it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from ipaddress import ip_network
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Mount

from opensma.access.oidc import Provider, read_providers
from opensma.access.store import Access
from opensma.book.market_link import market_of
from opensma.book.rights import Viewer
from opensma.book.store import Book, open_book
from opensma.book.views import program_view
from opensma.errors import BookError, InputError
from opensma.market import Market
from opensma.report.charts import warm
from opensma.web.api.app import create_api
from opensma.web.assets import load_assets
from opensma.web.events import Events, warehouse_of
from opensma.web.failures import Failures
from opensma.web.gate import Gate, Identify
from opensma.web.growth import KeptPack
from opensma.web.me import Me
from opensma.web.pages import Pages, Shared
from opensma.web.provider import ProviderDesk
from opensma.web.render import environment
from opensma.web.screens import (
    desk_screens,
    growth_screens,
    paper_screens,
    portal_screens,
    public_screens,
    request_screens,
)
from opensma.web.see_as import SeeAs
from opensma.web.shield import Shield, is_loopback
from opensma.web.sign_in import SignIn
from opensma.web.sign_in_screens import sign_in_screens
from opensma.web.study import StudyPage, read_brand, study_file
from opensma.web.tables import TablesAsCsv
from opensma.web.what_if import Desk


def create_app(
    book: Book,
    market: Market,
    viewer: Viewer | None = None,
    sign_in: bool = False,
    providers: tuple[Provider, ...] = (),
    names: tuple[str, ...] = (),
    secure: bool = False,
) -> Starlette:
    """The portal over a book and its market.

    With `sign_in` everybody sees what their grants give; without, all who reach it are `viewer`,
    or the operator, who sees the whole book. `names` are host names besides this machine's;
    `secure`: browsers come over TLS.
    """
    assets = load_assets()
    last = int(market.days[-1])
    symbols = {one: market.symbol_at(row, last) for one, row in market.index.items()}
    events, brand = Events(warehouse_of(book)), read_brand(study_file())
    shared = Shared(
        book, market, Access(book), environment(assets, symbols), assets, Desk(book, market),
        KeptPack(events),
    )  # fmt: skip
    gate = Gate(
        book, shared.access, shared.env, partial(Pages, shared), sign_in, viewer, secure=secure
    )
    study = StudyPage(shared, events, brand)
    screens = [*portal_screens(), *paper_screens(), *request_screens(), *desk_screens()]
    screens += growth_screens()
    screens += public_screens(events, study)
    if sign_in:
        desks = tuple(ProviderDesk(provider) for provider in providers)
        screens += sign_in_screens(SignIn(gate, desks), Me(gate), SeeAs(gate))
    failures = Failures(shared.env)
    app = Starlette(
        routes=[*(gate.route(screen) for screen in screens), Mount("/api/v1", create_api(gate))],
        middleware=[
            Middleware(Shield, embed=brand.embed_origins, names=names),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=4),
            Middleware(TablesAsCsv),
            Middleware(Identify, gate=gate),
        ],
        exception_handlers=failures.handlers(),
    )
    app.state.warm = shared.desk.warm
    app.state.gate, app.state.screens = gate, screens
    return app


@dataclass(frozen=True, slots=True)
class Door:
    """How the portal is reached: with or without sign-in, by which names, over what."""

    sign_in: bool = False
    providers: tuple[Path, ...] = ()  # files for `access.oidc.read_provider`
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    proxy: str | None = None  # address of the reverse proxy whose headers are believed


def serve(
    book_url: str,
    market_path: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    announce: Callable[[str], None] = lambda _address: None,
    door: Door | None = None,
) -> None:
    """Serve the portal until interrupted; `announce` is told the address once it answers.

    InputError for a host that others could reach without sign-in and encryption, or a port in use;
    BookError before the first day.
    """
    door = door or Door()
    _check_host(host, door)
    providers = read_providers(door.providers)
    listener = _listen(host, port)
    with listener:
        book = open_book(book_url)
        market = market_of(book, market_path)
        _check_day(book)
        secure = door.certificate is not None or door.proxy is not None
        app = create_app(book, market, None, door.sign_in, providers, door.names, secure)
        Thread(target=warm, name="charts", daemon=True).start()
        Thread(target=app.state.warm, name="decision", daemon=True).start()
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            ssl_certfile=door.certificate,
            ssl_keyfile=door.key,
            proxy_headers=door.proxy is not None,
            forwarded_allow_ips=door.proxy,
        )
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        listener.listen()  # from here on a browser waits instead of being refused
        announce(f"{'https' if door.certificate else 'http'}://{shown}:{bound}")
        with suppress(KeyboardInterrupt):  # the way to end it, not a failure
            uvicorn.Server(config).run(sockets=[listener])


def _check_host(host: str, door: Door) -> None:
    if door.sign_in and find_spec("argon2") is None:
        raise InputError(
            "serve.extra",
            "What signing in needs is not installed.",
            where="--sign-in",
            remedy="pip install 'opensma[sign-in]'",
        )
    _check_door(door)
    if is_loopback(host):
        return
    if not door.sign_in:
        raise InputError(
            "serve.host",
            "Without sign-in it answers on this machine only: anybody who reached it would see "
            "every account.",
            where=f"--host {host}",
            remedy="Add --sign-in, or leave --host out and tunnel: "
            "ssh -L 8000:127.0.0.1:8000 MACHINE",
        )
    if door.proxy is None and (door.certificate is None or door.key is None):
        raise InputError(
            "serve.plain",
            "Passwords would cross the network in the clear.",
            where=f"--host {host}",
            remedy="Add --tls-cert and --tls-key, or --behind-proxy with the proxy's address.",
        )


def _check_door(door: Door) -> None:
    if (door.certificate is None) != (door.key is None):
        raise InputError(
            "serve.tls",
            "A certificate needs its key, and a key its certificate.",
            where="--tls-cert, --tls-key",
            remedy="Give both, or neither.",
        )
    if door.proxy is None:
        return
    try:
        ip_network(door.proxy)
    except ValueError:
        raise InputError(
            "serve.proxy",
            f"'{door.proxy}' is no address, so anybody's headers would be believed.",
            where="--behind-proxy",
            remedy="Give the proxy's own address, such as 10.0.0.5.",
        ) from None


def _listen(host: str, port: int) -> socket.socket:
    """A bound socket, taken before anything slow so that a busy port is told at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        busy = error.errno == errno.EADDRINUSE
        raise InputError(
            "port.busy" if busy else "port.denied",
            "Another program uses this port." if busy else "This port needs more rights.",
            where=f"{host}:{port}",
            remedy="Choose another with --port, or end the other program.",
        ) from None
    return listener


def _check_day(book: Book) -> None:
    if program_view(book).run is None:
        raise BookError(
            "book.no_day",
            "No trading day has been run on this book, so there is nothing to show.",
            where=book.label,
            remedy="sma day run --book URL --date D",
        )
