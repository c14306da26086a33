"""The API as an application of its own, mounted under `/api/v1`: errors, ETags, the audit line."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from opensma import __version__
from opensma.access.audit import Action, Line, record
from opensma.errors import BookError, OpensmaError
from opensma.web.api.caller import Callers
from opensma.web.api.models import Failure
from opensma.web.api.reading import reading_routes
from opensma.web.api.writing import writing_routes
from opensma.web.gate import Gate

_WORDS = {
    401: ("auth.missing", "No valid token came with the call.", "Send Authorization: Bearer …"),
    403: ("auth.scope", "The token's scopes do not cover this.", "Make a token with the scope."),
    404: ("not_found", "There is no such thing, or it is not yours to see.", "Check the id."),
    405: ("method", "This address does not take that method.", "See /api/v1/openapi.json."),
    409: ("conflict", "This key was used for another request.", "Use a new Idempotency-Key."),
    413: ("too_large", "The body is too large.", "Send less."),
    429: ("too_many", "Too many calls in a minute.", "Wait as Retry-After says."),
}
_FAILURES: dict[int | str, dict[str, Any]] = {
    status: {"model": Failure, "description": words[1]}
    for status, words in _WORDS.items()
    if status != 405
}
_FAILURES[422] = {"model": Failure, "description": "Something in the call cannot be read."}


def create_api(gate: Gate) -> FastAPI:
    """The API over the gate's book and access store."""
    api = FastAPI(
        title="opensma",
        version="1",
        description="Separately managed accounts as JSON. Money in whole cents, quantities and "
        f"prices in millionths, days as ISO text. Made by opensma {__version__.split('+')[0]}.",
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        responses=_FAILURES,
        redirect_slashes=False,
    )
    callers = Callers(gate)
    api.include_router(reading_routes(callers))
    api.include_router(writing_routes(callers, gate))
    api.add_exception_handler(HTTPException, _http)
    api.add_exception_handler(RequestValidationError, _unreadable)
    api.add_exception_handler(OpensmaError, _refused)
    api.add_middleware(_Finish, gate=gate)
    return api


class _Finish:
    """Strong ETags on reads, 304 where the caller has it already, and the audit line."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self.app, self.gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the answer until it is whole."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def hold(message: Message) -> None:
            held.append(message)

        await self.app(scope, receive, hold)
        body = b"".join(m.get("body", b"") for m in held[1:])
        request = Request(scope)
        answer = Response(body, status_code=held[0]["status"])
        answer.raw_headers = list(held[0]["headers"])
        answer.headers["content-length"] = str(len(body))
        answer.headers["cache-control"] = "private, no-cache"
        if request.method in ("GET", "HEAD") and answer.status_code == 200:
            tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            answer.headers["etag"] = tag
            if tag in request.headers.get("if-none-match", ""):
                answer = Response(status_code=304, headers={"etag": tag})
        await run_in_threadpool(self._log, request, answer.status_code)
        await answer(scope, receive, send)

    def _log(self, request: Request, status: int) -> None:
        caller = getattr(request.state, "caller", None)
        if caller is None or status >= 400:
            return
        named = request.path_params
        change = request.method not in ("GET", "HEAD")
        action = Action.CHANGE if change else Action.VIEW
        screen = "api " + request.scope.get("path", "").removeprefix("/api/v1")[:80]
        account = str(named.get("account_id", ""))
        record(self.gate.access, Line(self.gate.now(), caller.user_id, action, screen, account))


def _answer(status: int, code: str, message: str, where: str = "", remedy: str = "") -> Response:
    document = {"code": code, "message": message, "where": where, "remedy": remedy}
    return JSONResponse({"error": document}, status_code=status)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    usual = (f"http.{status}", HTTPStatus(status).phrase, "")
    code, message, remedy = _WORDS.get(status, usual)
    answer = _answer(status, code, message, remedy=remedy)
    answer.headers.update(error.headers or {})
    return answer


async def _unreadable(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    where = " ".join(str(part) for part in first["loc"])
    return _answer(422, "unreadable", str(first["msg"]), where, "See /api/v1/openapi.json.")


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OpensmaError)
    status = 503 if isinstance(error, BookError) else 422
    if error.code.endswith((".unknown", "not_open", ".closed")) and status == 503:
        return await _http(_request, HTTPException(404))
    return _answer(status, error.code, error.message, error.where, error.remedy)


def openapi_text(gate: Gate) -> str:
    """The description as committed to `docs/openapi.json`."""
    return json.dumps(create_api(gate).openapi(), indent=1, sort_keys=True) + "\n"
