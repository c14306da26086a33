"""Form rows as CSV and back; text that a spreadsheet would run as a formula is disarmed.

Money is dollars and cents, a mark is `X` or nothing. Reading gives the rows that were written.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import fields
from fractions import Fraction
from typing import Any, TypeVar

from opensma.errors import InputError
from opensma.tax.forms.rows import Form1099BRow, Form8949Row
from opensma.tax.forms.summary import Total
from opensma.tax.replay.exact import exact, money_text, quantity_text
from opensma.units import MICROS, parse_cents

Row = TypeVar("Row", Form8949Row, Form1099BRow, Total)

# What spreadsheets take for the start of a formula, after spaces they drop; also full-width.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "|", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_GUARD = "'"


def to_csv(rows: Sequence[Row], kind: type[Row]) -> str:
    """Rows with a header line; a file without rows still says what its columns are."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    names = [field.name for field in fields(kind)]
    writer.writerow([_header(name) for name in names])
    for row in rows:
        writer.writerow([_cell(name, getattr(row, name)) for name in names])
    return out.getvalue()


def from_csv(text: str, kind: type[Row]) -> list[Row]:
    """The rows `to_csv` wrote. InputError csv.header, csv.row, number.invalid."""
    lines = list(csv.reader(io.StringIO(text, newline="")))
    names = {_header(field.name): (field.name, str(field.type)) for field in fields(kind)}
    if not lines or set(lines[0]) != set(names):
        raise InputError(
            "csv.header",
            "These are not the columns of this form.",
            where="line 1",
            remedy=f"Columns are {', '.join(names)}.",
        )
    rows = []
    for number, cells in enumerate(lines[1:], 2):
        if len(cells) != len(lines[0]):
            raise InputError(
                "csv.row",
                f"{len(cells)} cells under {len(lines[0])} columns.",
                where=f"line {number}",
                remedy="Quote cells that hold a comma.",
            )
        given = zip(lines[0], cells, strict=True)
        values = {names[head][0]: _value(*names[head], cell, number) for head, cell in given}
        rows.append(kind(**values))
    return rows


def guarded(text: str) -> str:
    """Text that no spreadsheet runs: an apostrophe before what would start a formula."""
    risky = text.lstrip(" ").startswith((*_FORMULA, _GUARD))
    return _GUARD + text if risky else text


def _header(name: str) -> str:
    return name.removesuffix("_cents")


def _cell(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "X" if value else ""
    if name.endswith("_cents") and isinstance(value, int):
        return money_text(value)
    if isinstance(value, int | Fraction):
        return quantity_text(value) if name == "quantity" else str(value)
    return guarded(str(value))


def _value(name: str, kind: str, cell: str, line: int) -> Any:
    where = f"line {line}, {_header(name)}"
    if kind == "bool":
        return cell == "X"
    if name.endswith("_cents"):
        return parse_cents(cell, where)
    if name == "quantity":
        return exact(_number(cell, where) * MICROS)
    if kind == "int":
        return int(_number(cell, where))
    return cell.removeprefix(_GUARD)


def _number(cell: str, where: str) -> Fraction:
    try:
        return Fraction(cell)
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            "number.invalid", f"'{cell}' is not a number.", where=where, remedy="Correct the value."
        ) from error
