"""One journal entry: a business event of one account, hashed onto the one before it.

The body is canonical JSON of integers and lists of integers (text only for ids), so the same fact
has the same bytes on every machine. `source_id` is the fact's own id: the same id with the same
content is accepted once and ignored afterwards; with other content it is an error.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from opensma.units import Ints


class Kind(StrEnum):
    """Business events. Every kind has one clause in `fold.py` or `fold_actions.py`."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FEE = "fee"  # the management fee, debited or given back: no flow and no trade (B37, M6)
    BUY = "buy"
    SELL = "sell"
    CASH_IN_LIEU = "cash_in_lieu"  # the fraction that a split left, sold (C2)
    CASH_MERGER = "cash_merger"  # C6
    WORTHLESS = "worthless"
    DIVIDEND = "dividend"
    SPLIT = "split"  # C1: reverse splits and stock dividends too
    SPIN_OFF = "spin_off"  # C3
    STOCK_MERGER = "stock_merger"  # C4; with boot C5
    EXCHANGE = "exchange"  # of a part (C10)
    RETURN_OF_CAPITAL = "return_of_capital"  # C7
    SYMBOL_CHANGE = "symbol_change"  # C8: the key stays
    TRANSFER_IN = "transfer_in"  # in kind, with lots (C9)
    TRANSFER_OUT = "transfer_out"
    GIFT_IN = "gift_in"  # G1, G2
    GIFT_OUT = "gift_out"
    INHERITANCE = "inheritance"  # G4, H6
    LOT_METHOD = "lot_method"  # standing instruction (L3)
    LOT_CHOICE = "lot_choice"  # for one order (L2)
    GAIN_BUDGET = "gain_budget"  # standing instruction: net gains a year of the taxpayer
    REVERSAL = "reversal"  # undoes an action that nothing later depends on (D9)
    CANCELLATION = "cancellation"  # of an earlier fact; only inside a restatement
    RESTATEMENT = "restatement"  # what a late or corrected fact changed (D9, D10)
    WASH_ADJUSTMENT = "wash_adjustment"  # W9, W10: in the account that holds the replacement
    LOSS_DISALLOWED = "loss_disallowed"  # the same match, in the account that sold


ARRIVALS = frozenset({Kind.TRANSFER_IN, Kind.GIFT_IN, Kind.INHERITANCE})
DEPARTURES = frozenset({Kind.TRANSFER_OUT, Kind.GIFT_OUT})
SALES = frozenset({Kind.SELL, Kind.CASH_IN_LIEU, Kind.CASH_MERGER, Kind.WORTHLESS})


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact ready to book; days are ordinals, `body` is JSON-ready."""

    account_key: int
    kind: Kind
    trade_day: int
    settle_day: int
    source_id: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Booked:
    """An entry in its place: position, body text as hashed, and both hashes."""

    entry: Entry
    seq: int
    recorded_at: str
    text: str
    previous_hash: str
    hash: str


def canonical(document: object) -> str:
    """JSON with sorted keys and no spaces; NaN is refused."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def ints(values: Ints) -> list[int]:
    """A column as plain integers for a body."""
    return [int(v) for v in values.tolist()]


def chain(entry: Entry, seq: int, recorded_at: str, text: str, previous_hash: str) -> str:
    """The entry's hash: covers every field and, through the previous hash, all before it."""
    content = "\n".join(
        (
            previous_hash,
            str(entry.account_key),
            str(seq),
            entry.kind.value,
            str(entry.trade_day),
            str(entry.settle_day),
            entry.source_id,
            recorded_at,
            text,
        )
    )
    return hashlib.sha256(content.encode()).hexdigest()
