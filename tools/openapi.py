"""Write docs/openapi.json from the API itself.

python tools/openapi.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from jinja2 import Environment

from opensma.access.store import Access
from opensma.book.store import init_book
from opensma.web.api.app import openapi_text
from opensma.web.gate import Gate

PLACE = Path(__file__).parent.parent / "docs" / "openapi.json"


def main() -> int:
    """The description needs a gate, not a filled book."""
    with tempfile.TemporaryDirectory() as folder:
        book = init_book(f"{folder}/book.db")
        gate = Gate(book, Access(book), Environment(autoescape=True), lambda _viewer: None)
        PLACE.write_text(openapi_text(gate), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
