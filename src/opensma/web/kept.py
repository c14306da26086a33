"""Pages that were made a moment ago: kept until the book changes, for the same person's eyes only.

Only a page that shows nothing but the book may be kept. Its forms carry a word of their session, so
each session has its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from starlette.requests import Request
from starlette.responses import HTMLResponse

from opensma.book.rights import Viewer
from opensma.book.store import Book
from opensma.web.person import Person
from opensma.web.tables import whole

MOST = 128
Key = tuple[Viewer | None, str, str, str, bool]


class OfBook(HTMLResponse):
    """A page made from the book alone."""


@dataclass
class KeptPages:
    """The last pages by viewer and address."""

    book: Book
    _pages: OrderedDict[Key, tuple[object, bytes]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def find(self, person: Person, request: Request) -> HTMLResponse | None:
        """The page as it was made, if the book is still the same."""
        key = _key(person, request)
        with self._lock:
            found = self._pages.get(key)
            if found is None:
                return None
            self._pages.move_to_end(key)
        version, body = found
        return HTMLResponse(body) if version == version_of(self.book) else None

    def keep(
        self, person: Person, request: Request, answer: object, version: object | None
    ) -> None:
        """Keep an answer if it may be; `version` is the book's from before it was made."""
        if not isinstance(answer, OfBook) or answer.status_code != 200 or version is None:
            return
        with self._lock:
            self._pages[_key(person, request)] = version, bytes(answer.body)
            while len(self._pages) > MOST:
                self._pages.popitem(last=False)


def _key(person: Person, request: Request) -> Key:
    url = request.url
    return person.viewer, person.csrf, url.path, url.query, whole(request.scope)


def version_of(book: Book) -> object | None:
    """Changes with every write to an SQLite book; None where that cannot be told cheaply."""
    if book.path is None:
        return None
    stamps = []
    for path in (book.path, Path(f"{book.path}-wal")):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        stamps.append((path.name, found.st_mtime_ns, found.st_size))
    return tuple(stamps)
