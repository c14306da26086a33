"""CSV as DuckDB reads it, strictly: exactly the header's columns, every row with as many.

Left to itself the reader guesses where a file begins and what separates its fields, and a row too
long can make it take another line for the header.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.errors import InputError

if TYPE_CHECKING:
    import duckdb

_LINE = re.compile(r"CSV Error on Line: (\d+)")
_WIDTH = re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)")
_REMEDY = "Write it as comma-separated text in UTF-8 with a header; quote fields with a comma."


def header_of(file: Path) -> list[str]:
    """Names of the columns, `column2` where the third has none.

    InputError where there is no name at all, or one stands twice but for capitals.
    """
    try:
        with file.open("rb") as stream:
            lines = (line.decode("utf-8-sig") for line in stream)
            names = next(csv.reader(lines, strict=True), [])
    except UnicodeDecodeError as error:
        raise _unreadable("It is not in UTF-8.", f"{file.name}:1") from error
    except csv.Error as error:
        raise _unreadable(f"The header cannot be read: {error}.", f"{file.name}:1") from error
    if not any(name.strip() for name in names):
        raise _unreadable("It has no header.", file.name)
    names = [name.strip() or f"column{place}" for place, name in enumerate(names)]
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise InputError(
                "growth.column_twice", f"The column '{name}' stands twice.",
                where=f"{file.name}:1", remedy="Rename or drop one of them.",
            )  # fmt: skip
        seen.add(name.lower())
    return names


def strict_source(columns: Sequence[str]) -> str:
    """`read_csv` over a file (a parameter) that has these columns, all of them text."""
    texts = ", ".join("'" + name.replace("'", "''") + "': 'VARCHAR'" for name in columns)
    return (
        f"read_csv(?, auto_detect = false, columns = {{{texts}}}, header = true, delim = ',', "
        "quote = '\"', escape = '\"')"
    )


def unreadable(error: duckdb.Error, file: Path) -> InputError:
    """A reader's error in the words of somebody who has the file open."""
    text = str(error)
    line, width = _LINE.search(text), _WIDTH.search(text)
    where = f"{file.name}:{line[1]}" if line else file.name
    if width:
        return _unreadable(f"The row has {width[2]} fields, the header {width[1]}.", where)
    if "unterminated quote" in text:
        return _unreadable("A quote is opened and not closed.", where)
    if "not utf-8" in text:
        return _unreadable("It is not in UTF-8.", where)
    return _unreadable(text.splitlines()[0], where)


def _unreadable(message: str, where: str) -> InputError:
    return InputError("growth.file_unreadable", message, where=where, remedy=_REMEDY)
