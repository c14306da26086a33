"""Stage `trade`: approved plans become block orders, fills at the close, and exact allocations.

One order per security and side over all accounts. The paper broker fills it whole at the day's
close; the security's cost is charged as a fee (D5). Fills are allocated by largest remainder.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

from opensma.book.daybook import DayContext
from opensma.book.orders import put_allocations, put_order
from opensma.book.plans import PlanTrade, day_plans, day_trades
from opensma.book.store import Connection
from opensma.errors import ensure
from opensma.units import MICROS, notional_cents, round_half_up

STAGE = "trade"
_FEE_SCALE = 10_000 * MICROS  # basis points in millionths


def trade_stage(context: DayContext) -> dict[str, object]:
    """Orders, fills and allocations of the day in one transaction."""
    run_id = context.run.run_id
    with context.book.read() as connection:
        approved = {p.account_id for p in day_plans(connection, run_id) if p.review == "approved"}
        trades = [t for t in day_trades(connection, run_id) if t.account_id in approved]
    blocks = _blocks(trades)
    costs = context.market.cost_bps(context.day)
    with context.commit(STAGE, context.open_taxpayers(STAGE)) as connection:
        for position, (key, side) in enumerate(_rotation(blocks, run_id)):
            legs = blocks[key, side]
            cost = round(float(costs[context.keys.row_of_key[key]]) * MICROS)
            _execute(connection, run_id, position, key, side, legs, cost)
    return {"orders": len(blocks), "trades": len(trades)}


def _blocks(trades: Sequence[PlanTrade]) -> dict[tuple[int, str], list[PlanTrade]]:
    blocks: dict[tuple[int, str], list[PlanTrade]] = {}
    for trade in trades:
        side = "sell" if trade.quantity_micros < 0 else "buy"
        blocks.setdefault((trade.security_key, side), []).append(trade)
    return blocks


def _rotation(blocks: dict[tuple[int, str], list[PlanTrade]], run_id: str) -> list[tuple[int, str]]:
    """Sales raise the cash first; within a side the order is drawn fresh each day from its id."""

    def draw(block: tuple[int, str]) -> tuple[bool, str]:
        key, side = block
        return side == "buy", sha256(f"{run_id}/{key}".encode()).hexdigest()

    return sorted(blocks, key=draw)


def _execute(
    connection: Connection,
    run_id: str,
    position: int,
    key: int,
    side: str,
    legs: list[PlanTrade],
    cost_micro_bps: int,
) -> None:
    order_id = f"{run_id}/{side}/{key}"
    total = sum(abs(leg.quantity_micros) for leg in legs)
    price = legs[0].price_micros
    ensure(all(leg.price_micros == price for leg in legs), "one close per security", key=key)
    order = (order_id, run_id, key, side, total, position, "paper")
    fill_id = f"{order_id}/1"
    put_order(connection, order, [(fill_id, order_id, total, price)])
    parts = allocate(total, [abs(leg.quantity_micros) for leg in legs], MICROS)
    rows = []
    for leg, part in zip(legs, parts, strict=True):
        sign = -1 if side == "sell" else 1
        notional = notional_cents(part, price)
        fee = round_half_up(notional * cost_micro_bps, _FEE_SCALE)
        rows.append((leg.trade_id, fill_id, run_id, leg.account_id, sign * part, notional, fee))
    put_allocations(connection, rows)


def allocate(filled_micros: int, asked_micros: Sequence[int], unit_micros: int) -> list[int]:
    """Share a fill pro rata by largest remainder, in whole units, ties by position.

    A complete fill gives everyone what was asked, fractions of a unit included.
    """
    total = sum(asked_micros)
    ensure(0 <= filled_micros <= total, "filled more than asked", filled=filled_micros)
    if filled_micros == total:
        return list(asked_micros)
    exact = [asked * filled_micros for asked in asked_micros]
    parts = [value // total // unit_micros * unit_micros for value in exact]
    left = filled_micros - sum(parts)
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] * total - exact[i], i))
    for i in by_remainder:
        step = min(unit_micros, left, asked_micros[i] - parts[i])
        parts[i] += step
        left -= step
    ensure(left == 0, "a fill is allocated whole", left=left)
    return parts
