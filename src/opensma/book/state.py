"""What an account holds: the fold of its journal, as columns and a few totals.

Pure data. `fold.py` is the only place that makes a new state out of an old one and an entry;
`snapshot.py` keeps it in the database as a cache that can be rebuilt from the journal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opensma.tax.lots import Lots
from opensma.units import Ints

LOSS_COLUMNS = (
    "seq",
    "lot",
    "acquisition",
    "security",
    "acquired_day",
    "holding_day",
    "sold_day",
    "quantity_micros",
    "loss_cents",
    "proceeds_cents",
    "harvest",
    "inherited",
    "origin",
)

YEAR_COLUMNS = (
    "year",
    "short_gain_cents",
    "short_loss_cents",
    "long_gain_cents",
    "long_loss_cents",
    "disallowed_short_cents",
    "disallowed_long_cents",
    "harvested_short_cents",
    "harvested_long_cents",
    "dividend_cents",
)


@dataclass(frozen=True, slots=True)
class OpenLosses:
    """Sales at a loss whose wash window is open (W1): the part that nothing has replaced yet.

    One row per slice sold, every column (n,) int64; `seq` is the journal entry of the sale and
    `loss_cents` is positive.
    """

    seq: Ints
    lot: Ints
    acquisition: Ints
    security: Ints
    acquired_day: Ints
    holding_day: Ints
    sold_day: Ints
    quantity_micros: Ints
    loss_cents: Ints
    proceeds_cents: Ints  # of these shares
    harvest: Ints  # 1 when the sale was made to realise the loss
    inherited: Ints  # 1: the lot was inherited, the loss is long-term (H6)
    origin: Ints  # as in `Lots`

    @property
    def usual(self) -> bool:
        """Whether no loss comes from an inherited lot or one that another account numbered."""
        return not (self.inherited.any() or self.origin.any())

    def __len__(self) -> int:
        return len(self.seq)

    def take(self, rows: np.ndarray) -> OpenLosses:
        """Rows by index or mask."""
        return OpenLosses(*(getattr(self, name)[rows] for name in LOSS_COLUMNS))

    @staticmethod
    def empty() -> OpenLosses:
        """No open losses."""
        return OpenLosses(*(np.zeros(0, dtype=np.int64) for _ in LOSS_COLUMNS))


@dataclass(frozen=True, slots=True)
class AccountState:
    """One account after journal entry `seq`; money in cents, days as ordinals."""

    account_key: int
    seq: int
    head_hash: str
    last_day: int  # newest trade day booked
    next_lot: int
    next_acquisition: int
    cash_cents: int  # traded, settled or not
    deposited_cents: int
    withdrawn_cents: int
    fees_cents: int  # trading costs, already inside basis and proceeds
    pending: Ints  # (m, 2): settle day, cents not settled before that day
    years: Ints  # (y, 10): totals per tax year, see YEAR_COLUMNS
    losses: OpenLosses
    lots: Lots

    def settled_cents(self, day: int) -> int:
        """Cash that has settled by the end of `day`."""
        later = self.pending[:, 0] > day
        return self.cash_cents - int(self.pending[later, 1].sum())

    def year(self, year: int) -> dict[str, int]:
        """Realised totals of one tax year; zeros where nothing happened."""
        rows = self.years[self.years[:, 0] == year]
        values = rows[0] if len(rows) else np.zeros(len(YEAR_COLUMNS), dtype=np.int64)
        return {name: int(v) for name, v in zip(YEAR_COLUMNS, values, strict=True)}

    @property
    def harvested_cents(self) -> int:
        """Losses realised and allowed since inception, positive."""
        columns = [YEAR_COLUMNS.index(f"harvested_{term}_cents") for term in ("short", "long")]
        return int(self.years[:, columns].sum())


def new_account(account_key: int) -> AccountState:
    """The state before the first entry."""
    return AccountState(
        account_key=account_key,
        seq=0,
        head_hash=f"account:{account_key}",
        last_day=0,
        next_lot=1,
        next_acquisition=1,
        cash_cents=0,
        deposited_cents=0,
        withdrawn_cents=0,
        fees_cents=0,
        pending=np.zeros((0, 2), dtype=np.int64),
        years=np.zeros((0, len(YEAR_COLUMNS)), dtype=np.int64),
        losses=OpenLosses.empty(),
        lots=Lots.empty(),
    )
