"""Lots of one account as columns, and the slices that sales cut from them.

A lot keeps its total basis in cents (D1), two dates (H5: `acquired_day` never moves and feeds the
wash window, `holding_day` moves back by tacking and feeds the term), and whether its shares have
already made a loss nondeductible (W7). Days are `date.toordinal()`. Pure: integers only.

What came by split, spin-off, gift or inheritance is no purchase (W2): `purchase` is 0 and such
shares never replace anything. `used` and `purchase` stay apart because `used` also decides which
part of a lot is sold first (L7).

Three columns are empty in nearly every account: `inherited` (H6), `loss_basis_cents` (G2) and
`origin`, which tells purchase orders of two accounts apart after a transfer in kind (C9, W8).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np

from opensma.tax.holding import long_term_from
from opensma.units import Ints

NO_LOSS_BASIS = -1
LOT_COLUMNS = (
    "lot",
    "acquisition",
    "security",
    "acquired_day",
    "holding_day",
    "quantity_micros",
    "basis_cents",
    "wash_cents",
    "used",
    "purchase",
    "inherited",
    "loss_basis_cents",
    "origin",
)
_USUAL = {"purchase": 1, "inherited": 0, "loss_basis_cents": NO_LOSS_BASIS, "origin": 0}


@dataclass(frozen=True, slots=True)
class Lots:
    """Open lots of one account, one row per lot in order of lot number, every column (n,) int64."""

    lot: Ints  # number within the account, given once, never reused (D8)
    acquisition: Ints  # purchase order number within the account (W8)
    security: Ints  # the book's internal security key
    acquired_day: Ints
    holding_day: Ints
    quantity_micros: Ints
    basis_cents: Ints  # total, wash adjustments included
    wash_cents: Ints  # disallowed losses contained in basis_cents
    used: Ints  # 1 when these shares have absorbed a loss (W7)
    purchase: Ints  # 1 when bought or reinvested, 0 when they came otherwise (W2, W21)
    inherited: Ints  # 1: always long-term (H6)
    loss_basis_cents: Ints  # of a gift worth less than its basis (G2, G5); -1 where there is none
    origin: Ints  # account key that gave the acquisition number; 0 for this account (W8, C9)

    def __len__(self) -> int:
        return len(self.lot)

    @staticmethod
    def empty() -> Lots:
        """No lots."""
        return Lots(*(np.zeros(0, dtype=np.int64) for _ in LOT_COLUMNS))

    @staticmethod
    def of(**columns: object) -> Lots:
        """Build from any integer sequences, one keyword per column; by default bought here."""
        size = len(np.asarray(columns["lot"]))
        for name, value in _USUAL.items():
            columns.setdefault(name, np.full(size, value, dtype=np.int64))
        return Lots(**{name: np.asarray(columns[name], dtype=np.int64) for name in LOT_COLUMNS})

    @property
    def long_from(self) -> Ints:
        """First day on which a sale is long-term; inherited lots are at once (H2, H6)."""
        first: Ints = np.where(
            self.inherited == 1, self.acquired_day, long_term_from(self.holding_day)
        )
        return first

    @property
    def usual(self) -> bool:
        """Whether no lot was inherited, given with two bases, or numbered by another account."""
        return not (
            self.inherited.any()
            or self.origin.any()
            or (self.loss_basis_cents != NO_LOSS_BASIS).any()
        )

    def take(self, rows: np.ndarray) -> Lots:
        """Rows by index or mask."""
        return Lots(*(getattr(self, name)[rows] for name in LOT_COLUMNS))

    def with_columns(self, **columns: Ints) -> Lots:
        """A copy with some columns replaced."""
        return replace(self, **columns)

    def joined(self, other: Lots) -> Lots:
        """Both, in order of lot number."""
        both = Lots(*(np.concatenate([getattr(self, n), getattr(other, n)]) for n in LOT_COLUMNS))
        return both.take(np.argsort(both.lot, kind="stable"))


@dataclass(frozen=True, slots=True)
class Slices:
    """What sales closed: one row per part of a lot that left, every column (n,) int64.

    `gain = proceeds - basis + disallowed` (F2). `long_term` is 1 or 0 by H2 and H6. A gift with
    two bases is sold at the one that its price decides (G2), and so is its holding day (G3).
    """

    lot: Ints
    acquisition: Ints
    security: Ints
    acquired_day: Ints
    holding_day: Ints
    sold_day: Ints
    quantity_micros: Ints
    proceeds_cents: Ints
    basis_cents: Ints
    disallowed_cents: Ints
    long_term: Ints
    inherited: Ints
    origin: Ints
    left_cents: Ints  # basis that left the lot: `basis_cents` but for a gift with two bases

    def __len__(self) -> int:
        return len(self.lot)

    @property
    def gain_cents(self) -> Ints:
        """Recognised gain or loss per slice."""
        gain: Ints = self.proceeds_cents - self.basis_cents + self.disallowed_cents
        return gain


SLICE_COLUMNS = tuple(field.name for field in fields(Slices))
