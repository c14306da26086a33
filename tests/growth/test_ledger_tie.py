"""Spend ties to the general ledger by reference and month (R8)."""

from __future__ import annotations

from pathlib import Path

import pytest

from opensma.errors import InputError
from opensma.growth.ledger_tie import ledger_checks
from opensma.growth.warehouse.store import open_warehouse


def test_each_reference_and_month_ties_and_spend_without_one_is_named(tmp_path: Path) -> None:
    connection = open_warehouse(None)
    for name, day, cents, ref in (
        ("a", "2024-01-03", 70, "6210"), ("b", "2024-01-30", 30, "6210"),
        ("c", "2024-01-30", 5, None), ("d", "2024-02-01", 999, "6210"),
    ):  # fmt: skip
        connection.execute(
            "INSERT INTO spend VALUES (?, ?, 'email', NULL, 'media', ?, ?, NULL, NULL, NULL)",
            [name, day, cents, ref],
        )
    file = tmp_path / "gl.csv"
    file.write_text("gl_ref,month,amount_c\n6210,2024-01,100\n6300,2024-01,40\n")
    found = {c.name: c.difference_c for c in ledger_checks(connection, file)}
    assert found["spend 6210 2024-01"] == 0
    assert abs(found["spend 6300 2024-01"]) == 40
    assert abs(found["spend (none) 2024-01"]) == 5
    assert len(found) == 3  # February is not closed in the ledger


def test_a_wrong_line_is_named(tmp_path: Path) -> None:
    file = tmp_path / "gl.csv"
    file.write_text("gl_ref,month,amount_c\n6210,2024-13,100\n")
    with pytest.raises(InputError, match="no month") as caught:
        ledger_checks(open_warehouse(None), file)
    assert caught.value.where.endswith("gl.csv:2")
