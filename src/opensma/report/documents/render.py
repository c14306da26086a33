"""Data and a template in, a tagged PDF out (PDF/UA-1), the same bytes for the same data.

Data enters Typst as one JSON text and is shown, never read as markup, so a name such as
`#read("file")` prints literally. Fonts are those inside Typst, and the date is the caller's.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from opensma.errors import InputError, InvariantError

TEMPLATES = Path(__file__).parent / "templates"
STANDARD = "ua-1"
_ROUNDS_KEPT = 10
_DOCUMENTS_KEPT = 4  # forgetting takes a tenth of a document's time
_made: list[str] = []
_lock = Lock()  # one page at a time: a compiler keeps what it has set


@cache
def template_version(template: str) -> str:
    """Short name of a template and of the look that all share, by content."""
    parts = [(TEMPLATES / f"{name}.typ").read_bytes() for name in ("look", template)]
    return sha256(b"\0".join(parts)).hexdigest()[:12]


def data_text(data: Mapping[str, Any]) -> str:
    """The data as the one text that decides the document."""
    return json.dumps(data, sort_keys=True, ensure_ascii=False, allow_nan=False)


def data_hash(data: Mapping[str, Any]) -> str:
    """SHA-256 of the data."""
    return sha256(data_text(data).encode()).hexdigest()


def render(template: str, data: Mapping[str, Any], document_date: date) -> bytes:
    """One document as PDF; `document_date` is the only time in it.

    InputError documents.typst_missing where the extra is not installed.
    """
    must_have_typst()
    moment = datetime(document_date.year, document_date.month, document_date.day, tzinfo=UTC)
    import typst

    with _lock:
        try:
            made = _compiler(template).compile(
                format="pdf",
                pdf_standards=[STANDARD],
                sys_inputs={"data": data_text(data)},
                timestamp=int(moment.timestamp()),
            )
        except typst.TypstError as error:
            raise InvariantError(
                "documents.template",
                f"The template cannot set this: {error.message} {'; '.join(error.hints)}",
                where=template,
            ) from error
        finally:
            _made.append(template)
            if len(_made) >= _DOCUMENTS_KEPT:
                _made.clear()
                _forget()
    return bytes(made)


def _forget() -> None:
    """Let the compiler drop what it kept of the last document: hundreds of megabytes.

    Typst keeps results for ten rounds in case the next one is alike; documents never are.
    """
    for _ in range(_ROUNDS_KEPT + 1):
        _compiler("blank").compile(format="svg")


def installed() -> bool:
    """Whether documents can be made here."""
    return find_spec("typst") is not None


def must_have_typst() -> None:
    """InputError documents.typst_missing, which says how to get it."""
    if not installed():
        raise InputError(
            "documents.typst_missing",
            "Documents need Typst, which is not installed.",
            where="typst",
            remedy="pip install 'opensma[documents]'",
        )


@cache
def _compiler(template: str) -> Any:
    """One warm compiler for each template; files outside the templates cannot be read."""
    import typst

    return typst.Compiler(TEMPLATES / f"{template}.typ", root=TEMPLATES, ignore_system_fonts=True)
