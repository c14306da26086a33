"""Hand-made ledgers of one taxpayer, for tests that need no market and no database."""

from collections.abc import Sequence

import numpy as np

from opensma.book.posting import Purchases, Sales, TaxpayerLedger
from opensma.book.state import new_account
from opensma.units import CENTS, MICROS


def ledger(taxed: dict[int, bool], securities: int = 10) -> TaxpayerLedger:
    """Accounts by key, each its own identical groups: security key = group."""
    states = [new_account(key) for key in taxed]
    return TaxpayerLedger(states, taxed, np.arange(securities + 1, dtype=np.int64), "t")


def bought(*rows: tuple[int, int, int]) -> Purchases:
    """(security, shares, cost in dollars), without a fee."""
    security, shares, dollars = (np.array(c, dtype=np.int64) for c in zip(*rows, strict=True))
    zeros = np.zeros(len(rows), dtype=np.int64)
    price = dollars * MICROS // shares
    names = [f"b{i}" for i in range(len(rows))]
    return Purchases(security, shares * MICROS, dollars * CENTS, zeros, price, names)


def sold(*rows: tuple[int, int, int], harvest: Sequence[int] | None = None) -> Sales:
    """(lot, shares, proceeds in dollars), without a fee."""
    lot, shares, dollars = (np.array(c, dtype=np.int64) for c in zip(*rows, strict=True))
    zeros = np.zeros(len(rows), dtype=np.int64)
    price = dollars * MICROS // shares
    wanted = zeros + 1 if harvest is None else np.array(harvest, dtype=np.int64)
    names = [f"s{i}" for i in range(len(rows))]
    return Sales(lot, shares * MICROS, dollars * CENTS, zeros, price, wanted, names)
