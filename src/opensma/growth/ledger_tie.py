"""Spend against the general ledger's own totals, by reference and month (R8)."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.ties import Check
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

COLUMNS = ("gl_ref", "month", "amount_c")


def ledger_checks(connection: Connection, path: Path) -> list[Check]:
    """A check for every reference and month of either side; spend without a reference is one.

    Months that the file does not have are not compared: the ledger decides which are closed.
    """
    expected = _read(path)
    months = {month for _, month in expected}
    actual = {
        (row["gl_ref"], row["month"]): int(row["amount_c"])
        for row in query(
            connection,
            "SELECT coalesce(gl_ref, '(none)') AS gl_ref, strftime(date, '%Y-%m') AS month, "
            "CAST(sum(amount_c) AS BIGINT) AS amount_c FROM spend GROUP BY ALL",
        )
        if row["month"] in months
    }
    return [
        Check(f"spend {ref} {month}", expected.get((ref, month), 0), actual.get((ref, month), 0))
        for ref, month in sorted({*expected, *actual}, key=lambda key: (key[1], key[0]))
    ]


def _read(path: Path) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        if tuple(next(rows, ())) != COLUMNS:
            raise _wrong(path, 1, f"The header is not {','.join(COLUMNS)}.")
        for line, row in enumerate(rows, 2):
            if len(row) != len(COLUMNS):
                raise _wrong(path, line, f"{len(row)} fields instead of {len(COLUMNS)}.")
            ref, month, amount = row
            if not re.fullmatch(r"\d{4}-(0[1-9]|1[0-2])", month):
                raise _wrong(path, line, f"'{month}' is no month as 2024-12.")
            if not re.fullmatch(r"-?\d+", amount):
                raise _wrong(path, line, f"'{amount}' is no whole number of cents.")
            if (ref, month) in found:
                raise _wrong(path, line, f"{ref} stands twice for {month}.")
            found[ref, month] = int(amount)
    return found


def _wrong(path: Path, line: int, what: str) -> InputError:
    return InputError(
        "growth.ledger", what, where=f"{path}:{line}",
        remedy="Export one total for each reference and month, in cents.",
    )  # fmt: skip
