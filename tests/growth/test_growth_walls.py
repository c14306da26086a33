"""P8: people who work with growth see account ids, values and fees; no holdings, lots or names."""

from __future__ import annotations

import ast
from pathlib import Path

import opensma.growth
from opensma.growth.warehouse.schema import TABLES

FORBIDDEN = (
    "opensma.book.views", "opensma.book.state", "opensma.book.fold", "opensma.book.journal",
    "opensma.book.ledger", "opensma.tax.lots", "opensma.tax.replay", "opensma.trade",
    "opensma.web",
)  # fmt: skip


def test_growth_imports_nothing_that_holds_positions_or_lots() -> None:
    folder = Path(opensma.growth.__file__).parent
    found = [
        (path.name, name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom)
                     else [alias.name for alias in node.names])
        if name.startswith(FORBIDDEN)
    ]  # fmt: skip
    assert not found
    assert len(list(folder.rglob("*.py"))) > 40


def test_no_table_of_the_warehouse_has_a_holding_a_lot_or_a_name() -> None:
    words = {"security", "symbol", "lot", "quantity", "shares", "basis_cents", "name", "owner_id"}
    assert not [
        (table.name, column) for table in TABLES for column in table.names
        if words & set(column.split("_")) and (table.name, column) != ("setting", "name")
    ]  # fmt: skip
