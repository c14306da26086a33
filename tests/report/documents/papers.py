"""What the tests of documents share: text and structure of a PDF, and a book to print."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TYPST = "Typst is not installed (pip install 'opensma[documents]'): no document was made"


def text_of(pdf: bytes) -> str:
    """What a reader copies out of the PDF, in one line."""
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils): no text was extracted")
    done = subprocess.run(
        ["pdftotext", "-raw", "-", "-"], input=pdf, capture_output=True, check=True
    )
    return re.sub(r"\s+", " ", done.stdout.decode())


def structure_of(pdf: bytes, tmp_path: Path) -> str:
    """The structure tree that a screen reader walks."""
    if shutil.which("pdfinfo") is None:
        pytest.skip("pdfinfo is not installed (poppler-utils): no structure was read")
    path = tmp_path / "structure.pdf"
    path.write_bytes(pdf)
    done = subprocess.run(["pdfinfo", "-struct", path], capture_output=True, check=True)
    return done.stdout.decode()


def words(value: object) -> Iterator[str]:
    """Every text in a document's data, drawings left out."""
    if isinstance(value, dict):
        for name, item in value.items():
            if name != "svg":
                yield from words(item)
    elif isinstance(value, list):
        for item in value:
            yield from words(item)
    elif isinstance(value, str):
        yield value
