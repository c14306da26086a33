"""Cutting amounts along with shares: the part is rounded, the rest keeps the remainder (D3, D4).

Products of cents and micros pass 2**63 from about $9m, where numpy wraps silently, so the few
rows that are really cut go through Python integers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from opensma.units import Ints, cut_cents


def cut_in_turn(amount_cents: int, quantities: Sequence[int]) -> list[int]:
    """Cut an amount off the whole, quantity by quantity; the parts sum to it exactly (D3, D4)."""
    rest, left, parts = amount_cents, sum(quantities), []
    for quantity in quantities:
        part = cut_cents(rest, quantity, left) if left else 0
        parts.append(part)
        rest, left = rest - part, left - quantity
    return parts


def cut_columns(amount_cents: Ints, part_micros: Ints, whole_micros: Ints) -> Ints:
    """The parts' shares of amounts, row by row, (n,) each; whole rows stay whole (D3)."""
    parts = amount_cents.copy()
    for row in np.flatnonzero((part_micros != whole_micros) & (amount_cents != 0)):
        parts[row] = cut_cents(
            int(amount_cents[row]), int(part_micros[row]), int(whole_micros[row])
        )
    return parts
