"""Answers to what went wrong, as pages: what happened, and what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from opensma.errors import InputError, OpensmaError
from opensma.web.person import CURRENT
from opensma.web.shield import HEADERS

UNKNOWN = ("account.unknown", "trade.unknown", "account.closed", "account.not_open")
Handler = Callable[[Request, Exception], Response]


@dataclass(frozen=True)
class Failures:
    """One page per kind of failure; JSON under `/api/`."""

    env: Environment

    def handlers(self) -> Mapping[Any, Handler]:
        """By status or exception, for the application."""
        return {
            OpensmaError: self.refused,
            401: self.unknown_person,
            403: self.forbidden,
            404: self.missing,
            405: self.not_allowed,
            413: self.too_large,
            429: self.too_many,
            500: self.broken,
        }

    def refused(self, request: Request, error: Exception) -> Response:
        """An expected failure as a page: what happened and what to do."""
        assert isinstance(error, OpensmaError)
        if error.code in UNKNOWN:
            return self.missing(request, error)
        if request.method == "POST" and isinstance(error, InputError):
            return self._failure(
                request, HTTPStatus.UNPROCESSABLE_ENTITY, "This cannot be done", error.message,
                error.remedy or "Change what was sent, and send it again.",
            )  # fmt: skip
        return self._failure(
            request,
            HTTPStatus.SERVICE_UNAVAILABLE,
            "The book cannot be read",
            f"{error.message} ({error.code}{' at ' + error.where if error.where else ''})",
            error.remedy or "Try again; if it stays, look at the server's messages.",
        )

    def missing(self, request: Request, _error: Exception) -> Response:
        """One answer for what does not exist and for what the viewer may not see."""
        return self._failure(
            request,
            HTTPStatus.NOT_FOUND,
            "Nothing is here",
            "There is no such page, or it is not among the accounts that you may see.",
            "Check the address, or search for the account on the program page.",
        )

    def broken(self, request: Request, _error: Exception) -> Response:
        """A bug of ours: the trace is in the server's messages, never on the page."""
        answer = self._failure(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "Something went wrong",
            "This page could not be made. Nothing in the book was changed.",
            "Try again; if it stays, report the address with the server's messages.",
        )
        # Starlette makes this answer outside of all middleware, so it brings its own headers.
        answer.headers.update(HEADERS | {"Cache-Control": "no-store"})
        return answer

    def not_allowed(self, request: Request, _error: Exception) -> Response:
        """The portal only shows: nothing can be sent to it."""
        return self._failure(
            request,
            HTTPStatus.METHOD_NOT_ALLOWED,
            "This page only shows",
            "Nothing can be sent to this address.",
            "Open it without sending a form.",
        )

    def unknown_person(self, request: Request, _error: Exception) -> Response:
        """A change by nobody."""
        return self._failure(
            request,
            HTTPStatus.UNAUTHORIZED,
            "Nobody is signed in",
            "Nothing was changed, because it is not known who asked.",
            "Sign in, then try again.",
        )

    def forbidden(self, request: Request, _error: Exception) -> Response:
        """A form that is not ours, or too old; or a change by who only sees as somebody else."""
        if CURRENT.get().actor is not None:
            return self._failure(
                request, HTTPStatus.FORBIDDEN, "You only look", "You see the portal as an owner "
                "does. Nothing can be changed in their name.", "See as yourself again first.",
            )  # fmt: skip
        return self._failure(
            request,
            HTTPStatus.FORBIDDEN,
            "This could not be accepted",
            "The form did not come from a page of yours, or that page was too old. "
            "Nothing was changed.",
            "Open the page again and send the form from there.",
        )

    def too_large(self, request: Request, _error: Exception) -> Response:
        """An upload above the limit."""
        return self._failure(
            request,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            "This is too large",
            "What was sent is larger than this address takes. Nothing of it was kept.",
            "Send less at once.",
        )

    def too_many(self, request: Request, _error: Exception) -> Response:
        """Too many tries."""
        return self._failure(
            request,
            HTTPStatus.TOO_MANY_REQUESTS,
            "Too many tries",
            "This was asked too often in a short time.",
            "Wait a minute, then try again.",
        )

    def _failure(
        self, request: Request, status: HTTPStatus, title: str, what: str, remedy: str
    ) -> Response:
        if request.url.path.startswith("/api/"):
            code = f"http.{status.name.lower()}"
            document = {"code": code, "message": what, "remedy": remedy}
            return JSONResponse({"error": document}, status_code=status.value)
        text = self.env.get_template("error.html").render(
            title=title, what=what, remedy=remedy, status=status.value, day=None, stopped=0
        )
        return HTMLResponse(text, status_code=status)
