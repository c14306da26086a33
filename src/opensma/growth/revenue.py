"""Cents by largest remainder, and fees by the money that earned them (R3, T1-T5).

Whole numbers decide; shares of units are fractions and are rounded to billionths before any cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from opensma.errors import ensure
from opensma.growth.warehouse.schema import BILLION
from opensma.units import Ints

Floats = npt.NDArray[np.float64]
_LARGEST_AMOUNT = 9_000_000_000  # cents: times a billion it still fits 64 bits


def largest_remainder(amount_c: int, weights: Mapping[str, Fraction]) -> dict[str, int]:
    """Cents of an amount by weights that sum to one, in exact fractions (R3)."""
    ensure(sum(weights.values()) == 1, "weights do not sum to one", total=sum(weights.values()))
    sign, size = (-1 if amount_c < 0 else 1), abs(amount_c)
    parts = {key: size * weight for key, weight in weights.items()}
    cents = {key: int(part) for key, part in parts.items()}
    order = sorted(parts, key=lambda key: (cents[key] - parts[key], key))
    for key in order[: size - sum(cents.values())]:
        cents[key] += 1
    return {key: sign * value for key, value in cents.items()}


def split_cents(amounts_c: Ints, segments: Ints, weights: Ints, total: int) -> Ints:
    """Each segment's amount over its rows by whole weights; rows of a segment follow each other.

    `segments` names the amount of each row. Weights of a segment sum to `total`; ties go to the
    earlier row (R3).
    """
    size = np.abs(amounts_c)
    ensure(not size.size or int(size.max()) <= _LARGEST_AMOUNT, "an amount is too large")
    product = size[segments] * weights
    base, rest = product // total, product % total
    given = np.zeros(len(amounts_c), dtype=np.int64)
    np.add.at(given, segments, base)
    extra = _rank(segments, rest) < (size - given)[segments]
    signs = np.where(amounts_c < 0, -1, 1)[segments]
    return np.asarray(signs * (base + extra), dtype=np.int64)


def _rank(segments: Ints, rest: Ints) -> Ints:
    """Place of each row in its segment, largest remainder first, ties in order of rows."""
    order = np.lexsort((np.arange(len(rest)), -rest, segments))
    ordered = segments[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]]) if len(ordered) else ordered
    lengths = np.diff(np.r_[starts, len(ordered)])
    rank = np.empty(len(rest), dtype=np.int64)
    rank[order] = np.arange(len(rest)) - np.repeat(starts, lengths)
    return rank


def billionths(shares: Floats, segments: Ints, count: int) -> Ints:
    """Shares as whole billionths that sum to a billion in every segment, ties to the earlier row.

    They are rounded to a trillionth first, so that noise of the last digit decides nothing.
    """
    fine = np.rint(shares * 1e12).astype(np.int64)
    base, rest = fine // 1000, fine % 1000
    given = np.zeros(count, dtype=np.int64)
    np.add.at(given, segments, base)
    return np.asarray(base + (_rank(segments, rest) < (BILLION - given)[segments]), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class AccountMonths:
    """Months of accounts as a grid: every column (accounts, months), cents."""

    beg_c: Ints
    flow_c: Ints
    mkt_c: Ints
    end_c: Ints


@dataclass(frozen=True, slots=True)
class TrancheShares:
    """Which tranches carry which line: one row for each, a line's rows in order of months."""

    line: Ints  # index of the fee line
    tranche: Ints  # index of the month in which the money came
    weight: Ints  # billionths


def tranche_shares(months: AccountMonths, account: Ints, month: Ints) -> TrancheShares:
    """Shares of tranches in fee lines of (account, month) pairs, by units after the flows (T4)."""
    accounts, count = months.beg_c.shape
    units = np.zeros((accounts, count))
    last = np.zeros((accounts, count))  # shares that were known while there were units (T5)
    index = np.ones(accounts)
    lines: list[Any] = []
    for now in range(count):
        _one_month(months, units, index, now)
        total = units.sum(axis=1)
        alive = total > 0
        last[alive, : now + 1] = units[alive, : now + 1] / total[alive, None]
        here = np.flatnonzero(month == now)
        row, tranche = np.nonzero(last[account[here], : now + 1])
        lines.append((here[row], tranche, last[account[here][row], tranche]))
    line, tranche, share = (np.concatenate(column) for column in zip(*lines, strict=True))
    order = np.lexsort((tranche, line))
    line, tranche, share = line[order], tranche[order], share[order]
    return TrancheShares(line, tranche, billionths(share, line, len(account)))


def _one_month(months: AccountMonths, units: Floats, index: Floats, now: int) -> None:
    """T1-T3: grow the index, buy units with an inflow, redeem all pro rata for an outflow."""
    beg, flow = months.beg_c[:, now], months.flow_c[:, now]
    market, end = months.mkt_c[:, now], months.end_c[:, now]
    opens = (beg == 0) & (flow > 0)
    units[opens, now] = flow[opens] / index[opens]
    base = np.where(opens, flow, beg)
    moved = base > 0
    index[moved] *= 1 + market[moved] / base[moved]
    np.maximum(index, 1e-12, out=index)
    adds = (beg > 0) & (flow > 0)
    units[adds, now] = flow[adds] / index[adds]
    value = index * units.sum(axis=1)
    takes = (flow < 0) & (value > 0)
    units[takes] *= np.clip(1 + flow[takes] / value[takes], 0, None)[:, None]
    units[end == 0] = 0
