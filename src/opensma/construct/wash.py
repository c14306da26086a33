"""What a trade costs in tax, exactly: lots by rising tax, and the wash rule where it bites.

Shares bought in the 30 days before, anywhere in the taxpayer and not sold in this plan, replace
that many of the shares sold at a loss, in order of acquisition: their loss counts nothing.
"""

from __future__ import annotations

from typing import Any

from numba import njit

from opensma.construct.columns import Columns, Record
from opensma.construct.grid import empties
from opensma.construct.problem import Codes

Parts = tuple[float, float, float, bool]  # tax, short gain, long gain, any loss sold


@njit(cache=True, forceinline=True)
def sold_of(name: Record, lot: Record, units: int) -> float:
    """Weight of one lot that is sold when security i trades `units`."""
    if units >= 0:
        return 0.0
    if empties(name, units):
        return float(lot.width)
    return float(min(max(-units - lot.before, 0), lot.units) * name.step)


@njit(cache=True, forceinline=True)
def parts_of(name: Record, lots: Any, units: int) -> Parts:
    """Tax and gains of selling without the wash rule."""
    tax, short, long, loss = 0.0, 0.0, 0.0, False
    if units >= 0:
        return tax, short, long, loss
    for at in range(name.start, name.stop):
        lot = lots[at]
        sold = sold_of(name, lot, units)
        if sold <= 0.0:
            continue
        gain = lot.gain * sold
        tax += lot.tax * sold
        loss = loss or lot.gain < 0.0
        if lot.long_term:
            long += gain
        else:
            short += gain
    return tax, short, long, loss


@njit(cache=True, forceinline=True)
def tax_alone(name: Record, lots: Any, units: int) -> float:
    """The first of the parts by itself."""
    tax = 0.0
    if units >= 0:
        return tax
    every, left = empties(name, units), -units
    for at in range(name.start, name.stop):
        lot = lots[at]
        if every:
            tax += lot.tax * lot.width
            continue
        sold = min(left, lot.units)
        tax += lot.tax * (sold * name.step)
        left -= sold
        if left <= 0:
            break
    return tax


@njit(cache=True, forceinline=True)
def group_parts(data: Columns, units: Codes, group: int, i: int, trade: int) -> Parts:
    """Tax and gains of a washed group when security i trades `trade`, the others `units`.

    The tax includes losses of other accounts, which shares kept here can wash.
    """
    left = data.elsewhere[group]
    first, last = data.wash_start[group], data.wash_start[group + 1]
    for at in range(first, last):
        if data.wash_lot[at] < 0:
            continue
        lot = data.lot[data.wash_lot[at]]
        if lot.recent:
            name = data.security[lot.security]
            sold = sold_of(name, lot, trade if lot.security == i else units[lot.security])
            left += (lot.width - sold) * name.shares
    tax, short, long, loss = 0.0, 0.0, 0.0, False
    for at in range(first, last):
        if data.wash_lot[at] < 0:
            other = data.foreign[-1 - data.wash_lot[at]]
            replaced = min(left, other.sold)
            left -= replaced
            tax += other.tax * (other.sold - replaced)
            continue
        lot = data.lot[data.wash_lot[at]]
        name = data.security[lot.security]
        sold = sold_of(name, lot, trade if lot.security == i else units[lot.security])
        if sold <= 0.0:
            continue
        if lot.gain < 0.0:
            loss = loss or lot.security == i
            replaced = min(left, sold * name.shares)
            left -= replaced
            sold -= replaced / name.shares
        tax += lot.tax * sold
        if lot.long_term:
            long += lot.gain * sold
        else:
            short += lot.gain * sold
    return tax, short, long, loss


@njit(cache=True)
def lot_rows(data: Columns, units: Codes, security: Codes, lot: Codes, parts: Codes) -> int:
    """Fill one row per lot sold (units of it, -1 for all of it) or security bought (lot -1)."""
    count = 0
    for i in range(units.shape[0]):
        name = data.security[i]
        if units[i] > 0:
            security[count], lot[count], parts[count] = i, -1, units[i]
            count += 1
        if units[i] >= 0:
            continue
        every = empties(name, units[i])
        for at in range(name.start, name.stop):
            sold = min(max(-units[i] - data.lot[at].before, 0), data.lot[at].units)
            if every or sold > 0:
                security[count], lot[count], parts[count] = i, at, -1 if every else sold
                count += 1
    return count
