"""What the market does to lots: splits, fractions, spin-offs, mergers (C1 to C3, C6).

Basis is conserved to the cent and dates are carried (I2, H5). Nothing here is a purchase (W2).
A ratio is `numerator` new shares for `denominator` old ones. Pure.
"""

from __future__ import annotations

import numpy as np

from opensma.errors import LotError
from opensma.tax.lots import Lots
from opensma.tax.relief import Picks, fifo_picks
from opensma.units import MICROS, Ints, cut_cents, round_half_up


def split(lots: Lots, security: int, numerator: int, denominator: int) -> Lots:
    """Split, reverse split or stock dividend: shares by the ratio, basis and dates stay (C1).

    The position is rounded once to a millionth and its lots share it, so they add up (D4). A
    lot left without a millionth gives its basis to its neighbour (I2). LotError lots.bad_ratio.
    """
    rows = np.flatnonzero(lots.security == security)
    quantity = lots.quantity_micros.copy()
    quantity[rows] = _scaled(lots.quantity_micros[rows], numerator, denominator)
    after = lots.with_columns(quantity_micros=quantity)
    return after if bool((quantity[rows] > 0).all()) else _without_empty(after, rows)


def fraction_picks(lots: Lots, security: int) -> Picks:
    """Picks of the position's fraction of a share, FIFO, to sell for cash in lieu (C2, P8).

    Empty when the position is in whole shares.
    """
    fraction = int(lots.quantity_micros[lots.security == security].sum()) % MICROS
    return fifo_picks(lots, security, fraction) if fraction else []


def closing_picks(lots: Lots, security: int) -> Picks:
    """Picks of the whole position, FIFO: cash merger, redemption, worthless stock (C6).

    Sell them with `relieve`; worthless stock for 0 cents on the last day of its tax year.
    """
    total = int(lots.quantity_micros[lots.security == security].sum())
    return fifo_picks(lots, security, total) if total else []


def spin_off(
    lots: Lots,
    parent: int,
    child: int,
    numerator: int,
    denominator: int,
    parent_value_micros: int,
    child_value_micros: int,
    next_lot: int,
) -> tuple[Lots, int]:
    """Child shares for every parent lot; basis divided by fair market value, dates carried (C3).

    Values are prices in micros of one parent share after, and one child share. Child lots are
    numbered from `next_lot` in order of parent lots, are no purchase (W2) and carry their part of
    wash adjustments (C12). Returns the lots and the next free number. LotError lots.bad_ratio.
    """
    rows = np.flatnonzero(lots.security == parent)
    quantity = _scaled(lots.quantity_micros[rows], numerator, denominator)
    part, whole = child_value_micros * numerator, parent_value_micros * denominator
    _check_ratio(part, part + whole)
    basis, wash = lots.basis_cents.copy(), lots.wash_cents.copy()
    rows, quantity = rows[quantity > 0], quantity[quantity > 0]
    moved_basis = _shares_of(basis[rows], part, part + whole)
    moved_wash = _shares_of(wash[rows], part, part + whole)
    basis[rows] -= moved_basis
    wash[rows] -= moved_wash
    spun = lots.take(rows).with_columns(
        lot=np.arange(next_lot, next_lot + len(rows), dtype=np.int64),
        security=np.full(len(rows), child, dtype=np.int64),
        quantity_micros=quantity,
        basis_cents=moved_basis,
        wash_cents=moved_wash,
        purchase=np.zeros(len(rows), dtype=np.int64),
    )
    left = lots.with_columns(basis_cents=basis, wash_cents=wash)
    return left.joined(spun), next_lot + len(rows)


def _scaled(quantity: Ints, numerator: int, denominator: int) -> Ints:
    """Cumulative rounding: the lots add up to the rounded position, whatever the ratio (D4)."""
    _check_ratio(numerator, denominator)
    reached = [0]
    total = 0
    for micros in quantity.tolist():
        total += micros
        reached.append(round_half_up(total * numerator, denominator))
    points: Ints = np.array(reached, dtype=np.int64)
    return points[1:] - points[:-1]


def _without_empty(lots: Lots, rows: Ints) -> Lots:
    """Drop rows whose quantity became 0; their basis and adjustment go to the row before."""
    kept = rows[lots.quantity_micros[rows] > 0]
    if not len(kept):
        raise LotError(
            "lots.bad_ratio",
            "After this ratio nothing would be left of the position.",
            remedy="Correct the corporate action, or sell the position first.",
        )
    basis, wash = lots.basis_cents.copy(), lots.wash_cents.copy()
    for row in rows[lots.quantity_micros[rows] == 0].tolist():
        heir = kept[max(0, int(np.searchsorted(kept, row)) - 1)]
        basis[heir] += basis[row]
        wash[heir] += wash[row]
    empty = np.isin(np.arange(len(lots)), rows) & (lots.quantity_micros == 0)
    return lots.with_columns(basis_cents=basis, wash_cents=wash).take(~empty)


def _shares_of(amounts: Ints, part: int, whole: int) -> Ints:
    return np.array([cut_cents(cents, part, whole) for cents in amounts.tolist()], dtype=np.int64)


def _check_ratio(numerator: int, denominator: int) -> None:
    if numerator <= 0 or denominator <= 0:
        raise LotError(
            "lots.bad_ratio",
            f"A ratio of {numerator} for {denominator} is not possible.",
            remedy="Correct the corporate action: both numbers are greater than zero.",
        )
