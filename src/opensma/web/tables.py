"""Every table of every page as CSV: the page's own address with `csv=N` added (P14).

A table is taken from the page that was about to be sent, so what is exported is what may be seen,
and a page that gains a table exports it at once. The first row is the head with its units.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qsl, urlencode

from markupsafe import Markup
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# What spreadsheets take for the start of a formula; also full-width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+\u2212-]?\$?\d[\d,]*(\.\d+)?")
_SKIPPED = frozenset({"script", "style", "svg", "title"})


def cell_text(text: str) -> str:
    """A cell as it is written: a plain number, or text that no spreadsheet takes for a formula."""
    plain = " ".join(text.split())
    if _NUMBER.fullmatch(plain):
        return plain.replace(",", "").replace("\u2212", "-").replace("$", "").lstrip("+")
    return f"'{plain}" if plain.startswith(_FORMULA) else plain


@dataclass
class Table:
    """One table of a page."""

    caption: str = ""
    rows: list[list[str]] = field(default_factory=list)

    def to_csv(self) -> str:
        """The rows with CRLF line ends, cells guarded."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\r\n").writerows(
            [cell_text(cell) for cell in row] for row in self.rows
        )
        return out.getvalue()


class _Reader(HTMLParser):
    """Tables of a page in their order; a cell over several columns is followed by empty ones."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: list[Table] = []
        self._open: list[Table] = []
        self._text: list[str] | None = None
        self._span, self._silent = 1, 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a table, row, cell or caption."""
        given = dict(attrs)
        if tag == "table":
            self._open.append(Table())
            self.tables.append(self._open[-1])
        elif tag in _SKIPPED or given.get("class") == "arrow" or self._silent:
            self._silent += tag not in ("img", "br", "source", "rect", "path", "use")
        elif tag == "tr" and self._open:
            self._open[-1].rows.append([])
        elif tag in ("td", "th", "caption") and self._open:
            self._text, self._span = [], int(given.get("colspan") or 1)
        elif tag in ("small", "br", "p", "li"):
            self.handle_data(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element that closes itself holds no text."""

    def handle_endtag(self, tag: str) -> None:
        """Close it."""
        if tag == "table" and self._open:
            self._open.pop()
        elif self._silent:
            self._silent -= 1
        elif tag in ("td", "th") and self._open and self._text is not None:
            self._open[-1].rows[-1] += ["".join(self._text), *[""] * (self._span - 1)]
            self._text = None
        elif tag == "caption" and self._open and self._text is not None:
            self._open[-1].caption = " ".join("".join(self._text).split())
            self._text = None

    def handle_data(self, data: str) -> None:
        """Text of the open cell."""
        if self._text is not None and not self._silent:
            self._text.append(data)


def tables_of(page: str) -> list[Table]:
    """Every table of a page."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return reader.tables


def whole(scope: Any) -> bool:
    """Whether a page is asked for its tables, so that none may be cut into pages."""
    return bool(scope.get("opensma.whole"))


class TablesAsCsv:
    """Answers `csv=N` with the page's Nth table; lists the tables at the end of every page."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on and read its page."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        number = next((value for name, value in asked if name == "csv"), None)
        rest = [(name, value) for name, value in asked if name != "csv"]
        if number is not None:
            query = urlencode(rest).encode("ascii")
            scope = {**scope, "query_string": query, "opensma.whole": True}
        held: list[Message] = []

        async def keep(message: Message) -> None:
            held.append(message)

        await self.app(scope, receive, keep)
        await self._answer(scope, held, number, rest)(scope, receive, send)

    def _answer(
        self, scope: Scope, held: list[Message], number: str | None, rest: list[tuple[str, str]]
    ) -> Response:
        start, body = held[0], b"".join(m.get("body", b"") for m in held[1:])
        made = Response(body, status_code=start["status"])
        headers = [(n, v) for n, v in start["headers"] if n.lower() != b"content-length"]
        kind = dict(headers).get(b"content-type", b"")
        if not kind.startswith(b"text/html") or start["status"] != 200:
            return _with(made, headers)
        page = body.decode("utf-8")
        if number is not None:
            return _csv(tables_of(page), number, scope["path"])
        made.body = _listed(page, rest).encode("utf-8")
        return _with(made, headers)


def _with(answer: Response, headers: list[tuple[bytes, bytes]]) -> Response:
    length = (b"content-length", str(len(answer.body)).encode("ascii"))
    empty = answer.status_code in (204, 304)
    answer.raw_headers = headers if empty else [*headers, length]
    return answer


def _csv(tables: list[Table], number: str, path: str) -> Response:
    place = int(number) if number.isascii() and number.isdigit() and len(number) < 4 else 0
    if not 1 <= place <= len(tables):
        return PlainTextResponse("This page has no such table.\n", status_code=404)
    table = tables[place - 1]
    words = f"{path.strip('/') or 'program'} {table.caption}".lower()
    name = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:80]
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(table.to_csv(), media_type="text/csv; charset=utf-8", headers=headers)


def _listed(page: str, rest: list[tuple[str, str]]) -> str:
    """The page with links to its tables before the end of its main part."""
    captions = re.findall(r"<caption[^>]*>(.*?)</caption>", page, re.DOTALL)
    if not captions or page.count("<table") != len(captions):
        return page
    links = ", ".join(
        f'<a href="?{Markup.escape(urlencode([*rest, ("csv", str(number))]))}" download>'
        f"{caption}</a>"
        for number, caption in enumerate(captions, 1)
    )
    nav = f'<nav class="csv" aria-label="Tables as CSV"><p>Tables as CSV: {links}</p></nav>\n'
    return page.replace("</main>", f"{nav}</main>", 1)
