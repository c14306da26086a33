"""`POST /events`: first-party events of a server into the growth warehouse."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from opensma.book.store import Book
from opensma.errors import InputError
from opensma.growth.events import MOST_BYTES, Received, read_batch, receive
from opensma.growth.warehouse.store import open_warehouse

_STATUS = {"growth.events_large": 413, "growth.events_key": 409, "growth.events_known": 409}


@dataclass
class Events:
    """The receiver; one batch at a time, because the warehouse has one writer."""

    warehouse: Path
    own_hosts: Sequence[str] = ()
    lock: Lock = field(default_factory=Lock)

    async def post(self, request: Request) -> Response:
        """Take a batch; what is wrong is named, and nothing of it is loaded."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _refused(InputError(
                "growth.events_type", "Events come as application/json.", where="POST /events",
                remedy="Send them from a server.",
            ), 415)  # fmt: skip
        try:
            body = await limited(request, MOST_BYTES)
            key, events = read_batch(body)
            done = await run_in_threadpool(self.take, key, events)
        except InputError as error:
            return _refused(error, _STATUS.get(error.code, 422))
        return JSONResponse(
            {"touches": done.touches, "internal": done.internal, "again": done.again},
            status_code=200 if done.again else 201,
        )

    def take(self, key: str, events: Sequence[dict[str, object]]) -> Received:
        """Put a checked batch into the warehouse."""
        with self.lock:
            connection = open_warehouse(self.warehouse, create=True)
            try:
                return receive(connection, key, events, self.own_hosts, datetime.now(UTC))
            finally:
                connection.close()


def warehouse_of(book: Book) -> Path:
    """The growth warehouse named by OPENSMA_GROWTH, or the one beside the book."""
    if named := os.environ.get("OPENSMA_GROWTH"):
        return Path(named)
    return book.path.with_suffix(".growth") if book.path else Path("sma.growth")


async def limited(request: Request, most: int) -> bytes:
    """The body, cut off just behind the limit so that it is refused and not kept."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > most:
            break
    return body


def _refused(error: InputError, status: int) -> Response:
    document = {"code": error.code, "message": error.message, "remedy": error.remedy}
    return JSONResponse({"error": document}, status_code=status)
