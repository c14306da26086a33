"""Which lots a sale takes, and what it leaves behind (L1, L2, L9; D3, D4, D7).

A sale names its lots: `(lot number, quantity_micros)` pairs called picks. The rest of a cut lot
keeps the rest of its basis and of its wash adjustment. Pure: on any error no lot has changed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opensma.errors import LotError
from opensma.tax.cut import cut_columns, cut_in_turn
from opensma.tax.holding import is_long_term
from opensma.tax.lots import NO_LOSS_BASIS, Lots, Slices
from opensma.units import Ints, shares

Picks = list[tuple[int, int]]


def relieve(
    lots: Lots, picks: Sequence[tuple[int, int]], proceeds_cents: int, sold_day: int
) -> tuple[Slices, Lots]:
    """Sell the picks for one net amount, split over them by quantity in order of picks (D3).

    Returns the slices in order of picks and the lots left. LotError as in `relieve_many`.
    """
    lot = np.array([number for number, _ in picks], dtype=np.int64)
    quantity = np.array([micros for _, micros in picks], dtype=np.int64)
    proceeds = np.array(cut_in_turn(proceeds_cents, quantity.tolist()), dtype=np.int64)
    return relieve_many(lots, lot, quantity, proceeds, sold_day)


def relieve_many(
    lots: Lots, lot: Ints, quantity_micros: Ints, proceeds_cents: Ints, sold_day: int | Ints
) -> tuple[Slices, Lots]:
    """Sell parts of lots, each for its own net proceeds; every column (n,).

    Returns the slices in the order given and the lots left (D3, D4). LotError, with every lot as
    it was (D7): lots.bad_quantity, lots.twice, lots.unknown, lots.oversold (L9).
    """
    rows = _checked_rows(lots, lot, quantity_micros)
    before = lots.quantity_micros[rows]
    basis = cut_columns(lots.basis_cents[rows], quantity_micros, before)
    days = np.broadcast_to(np.asarray(sold_day, dtype=np.int64), lot.shape)
    slices = _slices(lots.take(rows), quantity_micros, proceeds_cents, basis, days)
    return slices, cut_off(lots, lot, quantity_micros)[1]


def cut_off(lots: Lots, lot: Ints, quantity_micros: Ints) -> tuple[Lots, Lots]:
    """Take parts of lots away: the parts, each with its share of every amount, and the rest (D3).

    A part keeps the number of its lot; a lot taken whole is gone from the rest. LotError as in
    `relieve_many`.
    """
    rows = _checked_rows(lots, lot, quantity_micros)
    held, part = lots.quantity_micros[rows], {"quantity_micros": quantity_micros.copy()}
    for name in ("basis_cents", "wash_cents"):
        part[name] = cut_columns(getattr(lots, name)[rows], quantity_micros, held)
    rest = {name: getattr(lots, name).copy() for name in part}
    for name, amounts in part.items():
        rest[name][rows] -= amounts
    if not lots.usual:  # G5: where there are two bases, both are cut
        second = lots.loss_basis_cents[rows]
        given = second != NO_LOSS_BASIS
        cut = np.where(given, cut_columns(second, quantity_micros, held), 0)
        part["loss_basis_cents"] = np.where(given, cut, NO_LOSS_BASIS)
        rest["loss_basis_cents"] = lots.loss_basis_cents.copy()
        rest["loss_basis_cents"][rows] -= cut
    kept = lots.with_columns(**rest).take(rest["quantity_micros"] > 0)
    return lots.take(rows).with_columns(**part), kept


def fifo_picks(lots: Lots, security: int, quantity_micros: int) -> Picks:
    """Earliest acquired first, then order of acquisition, then adjusted parts first (L1, L6, L7).

    LotError lots.oversold when the position is smaller (L9), lots.bad_quantity.
    """
    rows = fifo_order(lots, np.flatnonzero(lots.security == security))
    return take_in_order(lots, rows, quantity_micros, f"security {security}")


def highest_basis_picks(lots: Lots, security: int, quantity_micros: int) -> Picks:
    """Highest adjusted basis per share first, ties as FIFO (L4 HIFO, L5, L6).

    Basis per share is compared exactly. LotError lots.oversold (L9), lots.bad_quantity.
    """
    rows = fifo_order(lots, np.flatnonzero(lots.security == security))
    unit = np.array(_per_share(lots.basis_cents[rows], lots.quantity_micros[rows]), dtype=object)
    ranked = rows[np.argsort(-unit, kind="stable")] if len(rows) else rows
    return take_in_order(lots, ranked, quantity_micros, f"security {security}")


def fifo_order(lots: Lots, rows: Ints) -> Ints:
    """The rows in order of acquisition; parts of one lot with the adjusted ones first (L6, L7).

    Among adjusted parts: greatest adjustment per share, then earliest holding day (P4).
    """
    part = lots.take(rows)
    order = np.lexsort(
        (part.lot, part.holding_day, *_adjustment_rank(part), part.acquisition, part.acquired_day)
    )
    return rows[order]


def take_in_order(lots: Lots, rows: Ints, quantity_micros: int, where: str) -> Picks:
    """Picks that take a quantity from the rows in their order: the seam for every method (L4).

    LotError lots.oversold when the rows hold less (L9), lots.bad_quantity.
    """
    if quantity_micros <= 0:
        raise _bad_quantity(quantity_micros, where)
    picks, left = [], quantity_micros
    for row in rows.tolist():
        if left == 0:
            break
        taken = min(left, int(lots.quantity_micros[row]))
        picks.append((int(lots.lot[row]), taken))
        left -= taken
    if left:
        raise _oversold(where, quantity_micros - left, quantity_micros)
    return picks


def _per_share(cents: Ints, micros: Ints) -> list[int]:
    """Amounts per share as integers so fine that different fractions stay different."""
    return [c * 10**36 // q for c, q in zip(cents.tolist(), micros.tolist(), strict=True)]


def _adjustment_rank(part: Lots) -> tuple[Ints, Ints]:
    """Sort keys, the weaker first: greatest adjustment per share, used before unused."""
    per_share = _per_share(-part.wash_cents, part.quantity_micros)
    rank = {value: place for place, value in enumerate(sorted(set(per_share)))}
    return np.array([rank[value] for value in per_share], dtype=np.int64), 1 - part.used


def _checked_rows(lots: Lots, lot: Ints, quantity_micros: Ints) -> Ints:
    if bool((quantity_micros <= 0).any()):
        bad = int(np.flatnonzero(quantity_micros <= 0)[0])
        raise _bad_quantity(int(quantity_micros[bad]), f"lot {lot[bad]}")
    if len(np.unique(lot)) != len(lot):
        numbers, counts = np.unique(lot, return_counts=True)
        raise LotError(
            "lots.twice",
            f"Lot {numbers[counts > 1][0]} is named twice in one sale.",
            where=f"lot {numbers[counts > 1][0]}",
            remedy="Name each lot once, with its whole quantity.",
        )
    rows = np.searchsorted(lots.lot, lot)
    found = rows < len(lots)
    found[found] = lots.lot[rows[found]] == lot[found]
    if not bool(found.all()):
        missing = int(lot[~found][0])
        raise LotError(
            "lots.unknown",
            f"There is no open lot {missing}.",
            where=f"lot {missing}",
            remedy="List the open lots of the account and name one of them.",
        )
    held = lots.quantity_micros[rows]
    if bool((quantity_micros > held).any()):
        bad = int(np.flatnonzero(quantity_micros > held)[0])
        raise _oversold(f"lot {lot[bad]}", int(held[bad]), int(quantity_micros[bad]))
    checked: Ints = rows.astype(np.int64)
    return checked


def _oversold(where: str, held: int, asked: int) -> LotError:
    return LotError(
        "lots.oversold",
        f"{where.capitalize()} holds {shares(held)} and this sale takes {shares(asked)}.",
        where=where,
        remedy="Compare with the custodian; if a purchase is missing, book it first.",
    )


def _bad_quantity(quantity: int, where: str) -> LotError:
    return LotError(
        "lots.bad_quantity",
        f"A sale of {shares(quantity)} shares is not possible.",
        where=where,
        remedy="Give a quantity greater than zero.",
    )


def _slices(sold: Lots, quantity: Ints, proceeds: Ints, left: Ints, sold_day: Ints) -> Slices:
    basis, holding_day = _basis_of_sale(sold, quantity, proceeds, left)
    long = (sold.inherited == 1) | is_long_term(holding_day, sold_day)
    return Slices(
        lot=sold.lot,
        acquisition=sold.acquisition,
        security=sold.security,
        acquired_day=sold.acquired_day,
        holding_day=holding_day,
        sold_day=sold_day.copy(),
        quantity_micros=quantity.copy(),
        proceeds_cents=proceeds.copy(),
        basis_cents=basis,
        disallowed_cents=np.zeros(len(sold), dtype=np.int64),
        long_term=long.astype(np.int64),
        inherited=sold.inherited,
        origin=sold.origin,
        left_cents=left,
    )


def at_price(lots: Lots, worth_cents: Ints) -> tuple[Ints, Ints]:
    """Basis of whole lots, and the first day of long term, if they were sold for `worth_cents`.

    Both depend on the price only for a gift with two bases (G2, G3).
    """
    basis, holding_day = _basis_of_sale(lots, lots.quantity_micros, worth_cents, lots.basis_cents)
    return basis, lots.with_columns(holding_day=holding_day).long_from


def _basis_of_sale(sold: Lots, quantity: Ints, proceeds: Ints, left: Ints) -> tuple[Ints, Ints]:
    """Basis and holding day; of a gift with two bases they depend on the price (G2, G3).

    Below the value at the gift: that value, held since the gift. Above the donor's basis: that
    basis and date. Between: no gain and no loss.
    """
    if bool((sold.loss_basis_cents == NO_LOSS_BASIS).all()):
        return left, sold.holding_day
    loss_basis = cut_columns(sold.loss_basis_cents, quantity, sold.quantity_micros)
    dual = (sold.loss_basis_cents != NO_LOSS_BASIS) & (proceeds <= left)
    loses = dual & (proceeds < loss_basis)
    basis: Ints = np.where(loses, loss_basis, np.where(dual, proceeds, left))
    holding_day: Ints = np.where(loses, sold.acquired_day, sold.holding_day)
    return basis, holding_day
