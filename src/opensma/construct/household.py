"""One account beside the others of its household: shares that others keep wash its losses.

And the other way round: shares that it keeps wash theirs, so the price of keeping them counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from opensma.construct.check import BareMoves
from opensma.construct.columns import FOREIGN
from opensma.construct.limits import Relaxed
from opensma.construct.prepare import WINDOW_DAYS, Desk, Prepared
from opensma.construct.problem import Codes, Floats, LotColumns
from opensma.construct.wash import lot_rows


def trades_of(table: Desk, units: Codes) -> BareMoves:
    """Trades in units as trades of lots, in shares."""
    room = len(table.data.security) + len(table.data.lot)
    security, lot, parts = (np.zeros(room, dtype=np.int64) for _ in range(3))
    count = lot_rows(table.data, units, security, lot, parts)
    security, lot, parts = security[:count], lot[:count], parts[:count]
    sold, every = lot >= 0, parts < 0
    shares: Floats = np.where(sold, -1.0, 1.0) * parts.astype(np.float64) * table.unit
    own = np.full(count, -1, dtype=np.int64)
    own[sold] = table.lot[lot[sold]]
    shares[every] = -table.account.lots.quantity[own[every]]
    return BareMoves(security, own, shares)


def units_sold(table: Desk, units: Codes) -> Floats:
    """Shares of each of the account's lots that these trades sell, in the lots' own order."""
    trades = trades_of(table, units)
    sells = trades.lot >= 0
    sold = np.zeros(len(table.account.lots.quantity))
    sold[trades.lot[sells]] = -trades.shares[sells]
    return sold


def weights_sold(found: Relaxed) -> Floats:
    """The same for the weights of a relaxation, lots in the order of its desk."""
    table, lot = found.desk, found.desk.data.lot
    security = table.data.security
    selling = np.maximum(security["held"] - found.weight, 0.0)[lot["security"]]
    reached = np.cumsum(lot["width"]) - lot["width"]
    before = reached - reached[np.searchsorted(lot["security"], lot["security"])]
    part = np.clip(selling - before, 0.0, lot["width"])
    sold = np.zeros(len(table.account.lots.quantity))
    sold[table.lot] = part * security["shares"][lot["security"]]
    return sold


def beside(
    prepared: Prepared,
    table: Desk,
    position: int,
    others: Mapping[int, tuple[Desk, Floats]],
    as_of: int,
) -> Desk:
    """The desk where other accounts, by position, sell these shares of their lots."""
    data, group = table.data, prepared.group
    own = np.flatnonzero(data.washed[group[data.lot["security"]]])
    lots, rows = table.account.lots, table.lot[own]
    columns = [_keys(prepared, lots, rows, position, own)]
    kept = np.zeros(len(data.washed))
    foreign: list[Any] = []
    for number, (desk, sold) in sorted(others.items()):
        theirs, price = desk.account.lots, prepared.universe.price
        code = group[theirs.security]
        recent = (theirs.acquired_day >= as_of - WINDOW_DAYS) & (theirs.acquired_day <= as_of)
        left = np.where(recent, theirs.quantity - sold, 0.0)
        kept += np.bincount(code, left, minlength=len(kept))
        gain = price[theirs.security] - theirs.basis / theirs.quantity
        at = np.flatnonzero((sold > 0.0) & (gain < 0.0) & data.washed[code])
        rate = np.where(theirs.long_term[at], desk.account.lt_rate, desk.account.st_rate)
        records = np.zeros(len(at), dtype=FOREIGN)
        records["sold"], records["tax"] = sold[at], gain[at] * rate / table.value
        name = -1 - sum(len(f) for f in foreign) - np.arange(len(at))
        columns.append(_keys(prepared, theirs, at, number, name))
        foreign.append(records)
    keys = np.concatenate(columns, axis=1)
    keys = keys[:, np.lexsort(tuple(keys[:-1]))]
    start = np.searchsorted(keys[5], np.arange(len(kept) + 1)).astype(np.int64)
    data = data._replace(
        elsewhere=np.maximum(kept, 0.0),
        wash_start=start,
        wash_lot=keys[6].astype(np.int64),
        foreign=np.concatenate(foreign) if foreign else data.foreign,
    )
    return replace(table, data=data)


def _keys(prepared: Prepared, lots: LotColumns, rows: Codes, number: int, name: Codes) -> Floats:
    """(7, .) sort keys of lots, the last first, as the check orders losses; then their names."""
    security = lots.security[rows]
    return np.array(
        [
            lots.quantity[rows],
            -lots.basis[rows] / lots.quantity[rows],
            security,
            np.full(len(rows), number),
            lots.acquired_day[rows],
            prepared.group[security],
            name,
        ],
        dtype=np.float64,
    )
