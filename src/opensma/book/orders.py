"""Orders, fills and allocations: what was sent, what came back, and to whom it went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.plans import PlanTrade, day_trades
from opensma.book.store import insert_rows


@dataclass(frozen=True, slots=True)
class Allocation:
    """One trade's part of a fill: signed quantity, notional and fee."""

    trade: PlanTrade
    fill_id: str
    quantity_micros: int
    notional_cents: int
    fee_cents: int


def put_order(
    connection: Connection, order: tuple[Any, ...], fills: Sequence[tuple[Any, ...]]
) -> None:
    """Keep a block order with its fills, columns as in the schema."""
    insert_rows(connection, schema.orders, [order])
    insert_rows(connection, schema.fills, fills)


def put_allocations(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Keep allocations, columns as in the schema."""
    insert_rows(connection, schema.allocations, rows)


def day_allocations(connection: Connection, run_id: str) -> dict[str, list[Allocation]]:
    """What every account got, with the trade it belongs to, in order of trade number."""
    table = schema.allocations
    query = select(
        table.c.trade_id,
        table.c.fill_id,
        table.c.quantity_micros,
        table.c.notional_cents,
        table.c.fee_cents,
    ).where(table.c.run_id == run_id)
    parts = {row[0]: row[1:] for row in connection.execute(query)}
    found: dict[str, list[Allocation]] = {}
    for trade in day_trades(connection, run_id):
        if trade.trade_id in parts:
            allocation = Allocation(trade, *parts[trade.trade_id])
            found.setdefault(trade.account_id, []).append(allocation)
    return found
