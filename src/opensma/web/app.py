"""The portal as an ASGI application: routes, what surrounds them, and the server that runs it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Thread

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route

from opensma.book.market_link import market_of
from opensma.book.rights import Viewer
from opensma.book.store import Book, open_book
from opensma.book.views import program_view
from opensma.errors import BookError, InputError, OpensmaError
from opensma.market import Market
from opensma.report.charts import warm
from opensma.web.assets import load_assets
from opensma.web.documents import Papers
from opensma.web.events import Events, warehouse_of
from opensma.web.fees import Fees
from opensma.web.portal import Portal
from opensma.web.render import environment
from opensma.web.shield import Shield, is_loopback
from opensma.web.study import StudyPage, read_brand, study_file
from opensma.web.tables import TablesAsCsv


def create_app(book: Book, market: Market, viewer: Viewer | None = None) -> Starlette:
    """The portal over a book and its market, for one viewer (None: the operator, who sees all)."""
    assets = load_assets()
    name = (
        "the manager of the whole book"
        if viewer is None
        else f"{viewer.name}, {', '.join(viewer.roles)}"
    )
    last = int(market.days[-1])
    symbols = {one: market.symbol_at(row, last) for one, row in market.index.items()}
    portal = Portal(book, market, viewer, environment(assets, name, symbols), assets)
    events, brand = Events(warehouse_of(book)), read_brand(study_file())
    app = Starlette(
        routes=[
            Route("/", portal.program),
            Route("/exceptions", portal.exceptions),
            Route("/accounts/{account_id}", portal.account),
            Route("/accounts/{account_id}/lots/{security_key:int}", portal.lots),
            Route("/accounts/{account_id}/value-{digest}-{size}-{scheme}.svg", portal.chart),
            Route("/accounts/{account_id}/what-if", portal.what_if),
            Route("/accounts/{account_id}/performance", portal.performance),
            Route(
                "/accounts/{account_id}/growth-{period}-{digest}-{size}-{scheme}.svg", portal.growth
            ),
            Route(
                "/accounts/{account_id}/ladder-{period}-{digest}-{size}-{scheme}.svg", portal.ladder
            ),
            Route("/accounts/{account_id}/taxes", portal.taxes),
            Route("/accounts/{account_id}/taxes/form-8949-{year:int}.csv", portal.form_8949),
            Route("/taxpayers/{taxpayer_id}/taxes", portal.taxes),
            Route("/taxpayers/{taxpayer_id}/taxes/form-8949-{year:int}.csv", portal.form_8949),
            *Papers(portal).routes(),
            *Fees(portal).routes(),
            *events.routes(),
            *StudyPage(portal, events, brand).routes(),
            Route("/trades/{trade_id}", portal.trade),
            Route("/assets/{address}", portal.asset),
        ],
        middleware=[
            Middleware(Shield, embed=brand.embed_origins),
            Middleware(GZipMiddleware, minimum_size=1000),
            Middleware(TablesAsCsv),
        ],
        exception_handlers={
            OpensmaError: portal.refused,
            404: portal.missing,
            405: portal.not_allowed,
            500: portal.broken,
        },
    )
    app.state.warm = portal.desk.warm
    return app


def serve(
    book_url: str,
    market_path: Path | str | None = None,
    host: str = "127.0.0.1",
    port: int = 8000,
    announce: Callable[[str], None] = lambda _address: None,
) -> None:
    """Serve the portal until interrupted; `announce` is told the address once it answers.

    InputError for a host that others could reach or a port in use, BookError before the first day.
    """
    _check_host(host)
    listener = _listen(host, port)
    with listener:
        book = open_book(book_url)
        market = market_of(book, market_path)
        _check_day(book)
        app = create_app(book, market)
        Thread(target=warm, name="charts", daemon=True).start()
        Thread(target=app.state.warm, name="decision", daemon=True).start()
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False)
        bound = listener.getsockname()[1]
        shown = f"[{host}]" if ":" in host else host
        listener.listen()  # from here on a browser waits instead of being refused
        announce(f"http://{shown}:{bound}")
        with suppress(KeyboardInterrupt):  # the way to end it, not a failure
            uvicorn.Server(config).run(sockets=[listener])


def _check_host(host: str) -> None:
    if not is_loopback(host):
        raise InputError(
            "serve.host",
            "The portal has no sign-in yet, so it answers on this machine only: anybody who "
            "reached it would see every account.",
            where=f"--host {host}",
            remedy="Leave --host out. From elsewhere, tunnel: ssh -L 8000:127.0.0.1:8000 MACHINE",
        )


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
