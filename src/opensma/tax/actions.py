"""What the market does to lots: splits, spin-offs, mergers, capital returned (C1 to C10).

Basis is conserved to the cent and dates are carried (I2, H5). Nothing here is a purchase (W2).
A ratio is `numerator` new shares for `denominator` old ones. Pure.
"""

from __future__ import annotations

import numpy as np

from opensma.errors import LotError
from opensma.tax.lots import NO_LOSS_BASIS, Lots
from opensma.tax.relief import Picks, cut_off, fifo_picks
from opensma.units import MICROS, MICROS_PER_CENT, Ints, cut_cents, round_half_up


def split(lots: Lots, security: int, numerator: int, denominator: int) -> Lots:
    """Split, reverse split or stock dividend: shares by the ratio, basis and dates stay (C1).

    The position is rounded once to a millionth and its lots share it, so they add up (D4). A
    lot left without a millionth gives its basis to its neighbour (I2). LotError lots.bad_ratio.
    """
    rows = np.flatnonzero(lots.security == security)
    quantity = lots.quantity_micros.copy()
    quantity[rows] = scaled(lots.take(rows), numerator, denominator)
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
    quantity = scaled(lots.take(rows), numerator, denominator)
    part, whole = child_value_micros * numerator, parent_value_micros * denominator
    _check_ratio(part, part + whole)
    basis, wash = lots.basis_cents.copy(), lots.wash_cents.copy()
    rows, quantity = rows[quantity > 0], quantity[quantity > 0]
    moved_basis = _shares_of(basis[rows], part, part + whole)
    moved_wash = _shares_of(wash[rows], part, part + whole)
    basis[rows] -= moved_basis
    wash[rows] -= moved_wash
    second = lots.loss_basis_cents.copy()
    given = second[rows] != NO_LOSS_BASIS
    moved_second = np.where(given, _shares_of(second[rows], part, part + whole), 0)
    second[rows] -= moved_second
    spun = lots.take(rows).with_columns(
        lot=np.arange(next_lot, next_lot + len(rows), dtype=np.int64),
        security=np.full(len(rows), child, dtype=np.int64),
        quantity_micros=quantity,
        basis_cents=moved_basis,
        wash_cents=moved_wash,
        purchase=np.zeros(len(rows), dtype=np.int64),
        loss_basis_cents=np.where(given, moved_second, NO_LOSS_BASIS),
    )
    left = lots.with_columns(basis_cents=basis, wash_cents=wash, loss_basis_cents=second)
    return left.joined(spun), next_lot + len(rows)


def merge(lots: Lots, security: int, into: int, numerator: int, denominator: int) -> Lots:
    """Stock merger: every lot becomes shares of `into`; basis and dates carry (C4).

    It is no purchase, and what was bought keeps its day of purchase (W2, C12). LotError
    lots.bad_ratio.
    """
    held = lots.security == security
    after = split(lots, security, numerator, denominator) if held.any() else lots
    held = after.security == security
    return after.with_columns(security=np.where(held, into, after.security))


def boot(
    lots: Lots,
    security: int,
    cash_cents: Ints,
    numerator: int,
    denominator: int,
    new_value_micros: int,
) -> tuple[Lots, Ints]:
    """Cash beside the new shares, `cash_cents` (held lots,): call it before `merge` (C5).

    Gain of a lot is the smaller of cash and realised gain, never below zero, never netted; the
    basis falls by the cash and rises by the gain. Returns the lots and the gains.
    """
    rows = np.flatnonzero(lots.security == security)
    worth = [
        round_half_up(q * numerator * new_value_micros, denominator * MICROS * MICROS_PER_CENT)
        for q in lots.quantity_micros[rows].tolist()
    ]
    realised = np.array(worth, dtype=np.int64) + cash_cents - lots.basis_cents[rows]
    gain: Ints = np.clip(realised, 0, cash_cents)
    return _lowered(lots, rows, cash_cents - gain), gain


def return_of_capital(lots: Lots, security: int, cash_cents: Ints) -> tuple[Lots, Ints]:
    """Capital paid back, `cash_cents` (held lots,), off each lot's basis down to zero (C7).

    Returns the lots and what was paid beyond each basis: gain with the lot's term.
    """
    rows = np.flatnonzero(lots.security == security)
    excess: Ints = np.maximum(0, cash_cents - lots.basis_cents[rows])
    return _lowered(lots, rows, cash_cents - excess, cash_cents), excess


def exchange(
    lots: Lots,
    security: int,
    into: int,
    picks: Picks,
    numerator: int,
    denominator: int,
    next_lot: int,
) -> tuple[Lots, int]:
    """Tax-free exchange of a part: basis and dates go with the shares (C10).

    A part cut off a lot is numbered from `next_lot` in order of picks. Returns the lots and the
    next free number. LotError lots.bad_ratio, lots.other_security, and as in `cut_off`.
    """
    lot, quantity = (np.array(c, dtype=np.int64) for c in zip(*picks, strict=True))
    part, rest = cut_off(lots, lot, quantity)
    if bool((part.security != security).any()):
        wrong = int(part.lot[part.security != security][0])
        raise LotError(
            "lots.other_security",
            f"Lot {wrong} is of another security.",
            where=f"lot {wrong}",
            remedy="Name lots of the security that is exchanged.",
        )
    new = _scaled(quantity, numerator, denominator)
    _check_ratio(int(new.min()), 1)
    number = part.lot.copy()
    cut = np.isin(number, rest.lot)
    number[cut] = np.arange(next_lot, next_lot + int(cut.sum()), dtype=np.int64)
    moved = part.with_columns(
        lot=number,
        security=np.full(len(part), into, dtype=np.int64),
        quantity_micros=new,
    )
    return rest.joined(moved), next_lot + int(cut.sum())


def per_share_cents(lots: Lots, security: int, rate_micros: int) -> Ints:
    """What every held lot is paid at an amount per share, each rounded half up once (D3)."""
    held = lots.quantity_micros[lots.security == security].tolist()
    paid = [round_half_up(q * rate_micros, MICROS * MICROS_PER_CENT) for q in held]
    return np.array(paid, dtype=np.int64)


def _lowered(lots: Lots, rows: Ints, by_cents: Ints, second_by: Ints | None = None) -> Lots:
    """Basis less an amount; the second basis of a gift falls with it, down to zero (G5)."""
    basis, second = lots.basis_cents.copy(), lots.loss_basis_cents.copy()
    basis[rows] -= by_cents
    lowered = np.maximum(0, second[rows] - (by_cents if second_by is None else second_by))
    second[rows] = np.where(second[rows] == NO_LOSS_BASIS, NO_LOSS_BASIS, lowered)
    return lots.with_columns(basis_cents=basis, loss_basis_cents=second)


def scaled(position: Lots, numerator: int, denominator: int) -> Ints:
    """Quantities of a position's lots after a ratio, which add up to the rounded position (D4).

    The lots share it in order of purchase, so that their numbers decide nothing.
    """
    order = np.lexsort((position.lot, position.acquisition, position.acquired_day))
    quantity = np.zeros(len(position), dtype=np.int64)
    quantity[order] = _scaled(position.quantity_micros[order], numerator, denominator)
    return quantity


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
    second = lots.loss_basis_cents.copy()
    for row in rows[lots.quantity_micros[rows] == 0].tolist():
        heir = kept[max(0, int(np.searchsorted(kept, row)) - 1)]
        basis[heir] += basis[row]
        wash[heir] += wash[row]
        if NO_LOSS_BASIS not in (second[heir], second[row]):
            second[heir] += second[row]
    empty = np.isin(np.arange(len(lots)), rows) & (lots.quantity_micros == 0)
    columns = {"basis_cents": basis, "wash_cents": wash, "loss_basis_cents": second}
    return lots.with_columns(**columns).take(~empty)


def _shares_of(amounts: Ints, part: int, whole: int) -> Ints:
    return np.array([cut_cents(cents, part, whole) for cents in amounts.tolist()], dtype=np.int64)


def _check_ratio(numerator: int, denominator: int) -> None:
    if numerator <= 0 or denominator <= 0:
        raise LotError(
            "lots.bad_ratio",
            f"A ratio of {numerator} for {denominator} is not possible.",
            remedy="Correct the corporate action: both numbers are greater than zero.",
        )
