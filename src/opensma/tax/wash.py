"""Wash sales: which shares replace shares sold at a loss, and how much loss each defers.

A loss moves, share for share, into shares bought within 30 days of the sale, before or after, in
any account of the taxpayer (W1, W6, W16). Losses come in order of sale, replacements in order of
purchase (W4, W5). A replacement in an IRA takes the loss for good (W14).

One step of a taxpayer is: shares leave (`relief`), purchases enter, then `match` pairs every loss
whose window is open with every purchase that is still held and unused. Because what could be
paired before has been paired before, the same call works for one event, a day or a first load.
Pure: no clock. Security keys stand for themselves or for a group (W17): the caller says which.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from opensma.errors import ensure
from opensma.tax.lots import Lots, Slices
from opensma.units import Ints, cut_cents, round_half_up

WINDOW_DAYS = 30  # W1: on each side of the sale day, 61 days in all.
Pair = tuple[int, int, int, int, int]  # loss and replacement row, shares, loss, proceeds


@dataclass(frozen=True, slots=True)
class Losses:
    """Slices sold at a loss, as far as nothing has replaced them yet; every column (n,) int64."""

    account: Ints
    source: Ints  # whatever finds the sale again: the journal entry
    sequence: Ints  # order of sales within the day, 0 where not known (W4)
    lot: Ints
    acquisition: Ints
    origin: Ints  # account that gave the acquisition number (W8, C9)
    security: Ints
    group: Ints  # substantially identical securities share one code (W17)
    acquired_day: Ints
    holding_day: Ints
    sold_day: Ints
    quantity_micros: Ints
    loss_cents: Ints  # positive
    proceeds_cents: Ints  # of these shares: both amounts of a slice are cut, not their difference

    def __len__(self) -> int:
        return len(self.account)

    @staticmethod
    def empty() -> Losses:
        """No losses."""
        return Losses(*(np.zeros(0, dtype=np.int64) for _ in LOSSES_COLUMNS))

    @staticmethod
    def of(**columns: object) -> Losses:
        """Build from integer sequences; `sequence` and `proceeds_cents` default to 0, `group` to
        the security and `origin` to the account."""
        columns.setdefault("origin", columns["account"])
        columns.setdefault("group", columns["security"])
        for name in ("sequence", "proceeds_cents"):
            columns.setdefault(name, np.zeros(len(np.asarray(columns["lot"])), dtype=np.int64))
        return Losses(
            **{name: np.asarray(columns[name], dtype=np.int64) for name in LOSSES_COLUMNS}
        )

    def take(self, rows: np.ndarray) -> Losses:
        """Rows by index or mask."""
        return Losses(*(getattr(self, name)[rows] for name in LOSSES_COLUMNS))

    def joined(self, other: Losses) -> Losses:
        """These, then the others."""
        return Losses(
            *(np.concatenate([getattr(self, n), getattr(other, n)]) for n in LOSSES_COLUMNS)
        )


LOSSES_COLUMNS = tuple(field.name for field in fields(Losses))


@dataclass(frozen=True, slots=True)
class Replacements:
    """Purchases of the taxpayer that may replace something; every column (n,) int64."""

    account: Ints
    lot: Ints
    acquisition: Ints
    origin: Ints  # account that gave the acquisition number (W8, C9)
    group: Ints
    acquired_day: Ints
    quantity_micros: Ints
    permanent: Ints  # 1 in an IRA: the loss is gone, no basis, no tacking (W14)

    def __len__(self) -> int:
        return len(self.account)

    def take(self, rows: np.ndarray) -> Replacements:
        """Rows by index or mask."""
        return Replacements(*(getattr(self, name)[rows] for name in REPLACEMENT_COLUMNS))

    def joined(self, other: Replacements) -> Replacements:
        """These, then the others."""
        return Replacements(
            *(np.concatenate([getattr(self, n), getattr(other, n)]) for n in REPLACEMENT_COLUMNS)
        )


REPLACEMENT_COLUMNS = tuple(field.name for field in fields(Replacements))


@dataclass(frozen=True, slots=True)
class Matches:
    """Which shares replaced which, in the order of the law; every column (n,) int64.

    `loss` is the row of `Losses` given to `match`. `days_held` is what the replacement's holding
    day moves back (W10); with `permanent` it is 0 and no basis moves (W14).
    """

    loss: Ints
    loss_account: Ints
    source: Ints
    loss_lot: Ints
    sold_day: Ints
    loss_holding_day: Ints
    account: Ints  # of the replacement
    lot: Ints  # of the replacement
    acquired_day: Ints  # of the replacement
    quantity_micros: Ints
    disallowed_cents: Ints
    proceeds_cents: Ints  # of the shares matched
    days_held: Ints
    permanent: Ints

    def __len__(self) -> int:
        return len(self.loss)

    @staticmethod
    def empty() -> Matches:
        """No matches."""
        return Matches(*(np.zeros(0, dtype=np.int64) for _ in MATCH_COLUMNS))

    def take(self, rows: np.ndarray) -> Matches:
        """Rows by index or mask."""
        return Matches(*(getattr(self, name)[rows] for name in MATCH_COLUMNS))


MATCH_COLUMNS = tuple(field.name for field in fields(Matches))


def losses_of(
    slices: Slices, account: int, source: int | Ints, group: Ints, sequence: int | Ints = 0
) -> Losses:
    """The rows of `slices` sold at a loss, in their order; `group` (n,) is aligned with them.

    Never call it for an IRA: a loss there is no loss (W14). A gain is never touched (W3).
    """
    rows = np.flatnonzero(slices.gain_cents < 0)
    size = len(slices)
    return Losses(
        account=np.full(len(rows), account, dtype=np.int64),
        source=np.broadcast_to(np.asarray(source, dtype=np.int64), size)[rows],
        sequence=np.broadcast_to(np.asarray(sequence, dtype=np.int64), size)[rows],
        lot=slices.lot[rows],
        acquisition=slices.acquisition[rows],
        origin=origin_of(slices.origin[rows], account),
        security=slices.security[rows],
        group=group[rows],
        acquired_day=slices.acquired_day[rows],
        holding_day=slices.holding_day[rows],
        sold_day=slices.sold_day[rows],
        quantity_micros=slices.quantity_micros[rows],
        loss_cents=-slices.gain_cents[rows],
        proceeds_cents=slices.proceeds_cents[rows],
    )


def replacements_of(
    lots: Lots, account: int, group: Ints, as_of: int, *, permanent: bool = False
) -> Replacements:
    """Purchases of one account that may still replace a loss sold on or after `as_of` - 30 days.

    Held, bought and unused (W2, W7, W11); `group` (n,) is aligned with the lots. A loss of
    `as_of` - 30 reaches back 30 days more. `permanent` marks an IRA (W14).
    """
    open_rows = (lots.used == 0) & (lots.purchase == 1)
    rows = np.flatnonzero(open_rows & (lots.acquired_day >= as_of - 2 * WINDOW_DAYS))
    return Replacements(
        account=np.full(len(rows), account, dtype=np.int64),
        lot=lots.lot[rows],
        acquisition=lots.acquisition[rows],
        origin=origin_of(lots.origin[rows], account),
        group=group[rows],
        acquired_day=lots.acquired_day[rows],
        quantity_micros=lots.quantity_micros[rows],
        permanent=np.full(len(rows), int(permanent), dtype=np.int64),
    )


def origin_of(origin: Ints, account: int) -> Ints:
    """The account that numbered a purchase order: 0 stands for the account that holds it (C9)."""
    given: Ints = np.where(origin == 0, account, origin)
    return given


def match(
    losses: Losses,
    replacements: Replacements,
    *,
    earlier_acquired: bool = True,
    by_account: bool = False,
) -> Matches:
    """Pair losses with replacements, share for share, in the order of the law (W4, W5, W6).

    Quantities of both in the same split units (W19). Same acquisition never replaces itself (W8).
    `earlier_acquired=False`: shares acquired before the sold ones replace nothing (W12, P2).
    `by_account`: each account numbers its own acquisitions, so accounts go first within a day.
    """
    tie = ("acquisition", "account") if by_account else ("account", "acquisition")
    sold_rows = _ordered(losses, (*tie, "acquired_day", "sequence", "sold_day", "group"))
    bought_rows = _ordered(replacements, ("lot", *tie, "acquired_day", "group"))
    sold_group, bought_group = losses.group[sold_rows], replacements.group[bought_rows]
    touched = np.intersect1d(sold_group, bought_group)
    sold_ends = _ends(sold_group, touched)
    bought_ends = _ends(bought_group, touched)
    pairs: list[Pair] = []
    for (first, last), (start, stop) in zip(sold_ends, bought_ends, strict=True):
        sold = _Side(losses, sold_rows[first:last])
        bought = _Side(replacements, bought_rows[start:stop])
        _pair_group(sold, bought, earlier_acquired, pairs)
    return _matches(losses, replacements, pairs)


def unmatched(losses: Losses, matches: Matches) -> Losses:
    """What is left of the losses once the matched shares are cut off; empty rows go (W6, D3)."""
    quantity, cents = losses.quantity_micros.copy(), losses.loss_cents.copy()
    proceeds = losses.proceeds_cents.copy()
    np.subtract.at(quantity, matches.loss, matches.quantity_micros)
    np.subtract.at(cents, matches.loss, matches.disallowed_cents)
    np.subtract.at(proceeds, matches.loss, matches.proceeds_cents)
    rest = replace(losses, quantity_micros=quantity, loss_cents=cents, proceeds_cents=proceeds)
    return rest.take(quantity > 0)


def apply_matches(lots: Lots, matches: Matches, account: int, next_lot: int) -> tuple[Lots, int]:
    """Adjust the replacement lots of one account: basis, holding day, used (W7, W9, W10).

    A lot matched in part is cut (W23): the matched part becomes a lot of its own, numbered from
    `next_lot` in order of matches; the last match that empties a lot keeps its number. Returns
    the lots and the next free number. InvariantError when the matches are not of these lots.
    """
    own = matches.take(matches.account == account)
    parts: list[tuple[int, ...]] = []
    columns = {name: getattr(lots, name).copy() for name in _CUT_COLUMNS}
    for index in range(len(own)):
        row = int(np.searchsorted(lots.lot, own.lot[index]))
        known = row < len(lots) and lots.lot[row] == own.lot[index]
        ensure(known, "a match names a lot that is not open", lot=int(own.lot[index]))
        next_lot = _adjust(columns, row, own, index, next_lot, parts, lots)
    changed = lots.with_columns(**columns)
    return (changed.joined(_part_lots(lots, parts)) if parts else changed), next_lot


def disallow(slices: Slices, matches: Matches, rows: Ints) -> Slices:
    """Slices with their disallowed losses added; `rows` (m,) is the slice of every match (F2)."""
    disallowed = slices.disallowed_cents.copy()
    np.add.at(disallowed, rows, matches.disallowed_cents)
    return replace(slices, disallowed_cents=disallowed)


def expire(losses: Losses, as_of: int) -> Losses:
    """Losses that a purchase on `as_of` can still wash: day 30 is in, day 31 is out (W1)."""
    return losses.take(losses.sold_day >= as_of - WINDOW_DAYS)


def scale_losses(losses: Losses, security: int, numerator: int, denominator: int) -> Losses:
    """Quantities in the units after a split of numerator new for denominator old (W19, C12)."""
    quantity = losses.quantity_micros.copy()
    for row in np.flatnonzero(losses.security == security):
        quantity[row] = round_half_up(int(quantity[row]) * numerator, denominator)
    return replace(losses, quantity_micros=quantity).take(quantity > 0)


_CUT_COLUMNS = ("quantity_micros", "basis_cents", "wash_cents", "holding_day", "used")


class _Side:
    """One side of a group as Python integers, which the pairing loop reads fastest."""

    def __init__(self, table: Losses | Replacements, rows: Ints) -> None:
        self.rows = rows.tolist()
        self.origin = table.origin[rows].tolist()
        self.acquisition = table.acquisition[rows].tolist()
        self.acquired = table.acquired_day[rows].tolist()
        self.left = table.quantity_micros[rows].tolist()
        if isinstance(table, Losses):
            self.sold = table.sold_day[rows].tolist()
            self.proceeds = table.proceeds_cents[rows].tolist()
            self.basis = (table.proceeds_cents + table.loss_cents)[rows].tolist()

    def cut(self, i: int, quantity: int) -> tuple[int, int]:
        """Take shares off a slice; its basis and its proceeds are cut in turn (D3, W6).

        Returns the part's loss, never negative since halves round up on both, and its proceeds.
        """
        basis = cut_cents(self.basis[i], quantity, self.left[i])
        proceeds = cut_cents(self.proceeds[i], quantity, self.left[i])
        self.basis[i] -= basis
        self.proceeds[i] -= proceeds
        self.left[i] -= quantity
        return basis - proceeds, proceeds


def _ordered(table: Losses | Replacements, keys: Sequence[str]) -> Ints:
    """Rows by keys, the last first: W4 and W5 within each group.

    W4: order of sale; within a day, where that is unknown, order of acquisition. What ties in all
    keys stays in order of relief.
    """
    return np.lexsort(tuple(getattr(table, name) for name in keys)).astype(np.int64)


def _ends(ordered_group: Ints, groups: Ints) -> list[tuple[int, int]]:
    """First and last row of every group in a column sorted by group."""
    first = np.searchsorted(ordered_group, groups, side="left").tolist()
    last = np.searchsorted(ordered_group, groups, side="right").tolist()
    return list(zip(first, last, strict=True))


def _pair_group(sold: _Side, bought: _Side, earlier_acquired: bool, pairs: list[Pair]) -> None:
    for i, row in enumerate(sold.rows):
        for j, candidate in enumerate(bought.rows):
            if not sold.left[i] or sold.basis[i] <= sold.proceeds[i]:
                break  # replaced whole, or cut so often that no cent of loss is left (W3)
            if not bought.left[j] or abs(bought.acquired[j] - sold.sold[i]) > WINDOW_DAYS:
                continue
            same_origin = bought.origin[j] == sold.origin[i]
            if same_origin and bought.acquisition[j] == sold.acquisition[i]:
                continue  # W8
            if not earlier_acquired and bought.acquired[j] < sold.acquired[i]:
                continue  # W12
            quantity = min(sold.left[i], bought.left[j])
            bought.left[j] -= quantity
            pairs.append((row, candidate, quantity, *sold.cut(i, quantity)))


def _matches(losses: Losses, replacements: Replacements, pairs: list[Pair]) -> Matches:
    if not pairs:
        return Matches.empty()
    table = np.array(pairs, dtype=np.int64)
    loss, candidate, quantity = table[:, 0], table[:, 1], table[:, 2]
    permanent = replacements.permanent[candidate]
    return Matches(
        loss=loss,
        loss_account=losses.account[loss],
        source=losses.source[loss],
        loss_lot=losses.lot[loss],
        sold_day=losses.sold_day[loss],
        loss_holding_day=losses.holding_day[loss],
        account=replacements.account[candidate],
        lot=replacements.lot[candidate],
        acquired_day=replacements.acquired_day[candidate],
        quantity_micros=quantity,
        disallowed_cents=table[:, 3],
        proceeds_cents=table[:, 4],
        days_held=np.where(permanent == 1, 0, losses.sold_day[loss] - losses.holding_day[loss]),
        permanent=permanent,
    )


def _adjust(
    columns: dict[str, Ints],
    row: int,
    own: Matches,
    index: int,
    next_lot: int,
    parts: list[tuple[int, ...]],
    lots: Lots,
) -> int:
    """Adjust a whole lot in place, or cut the matched part off it as a new lot (W23)."""
    quantity, held = int(own.quantity_micros[index]), int(columns["quantity_micros"][row])
    ensure(0 < quantity <= held, "a match takes more than its lot", lot=int(own.lot[index]))
    added = 0 if own.permanent[index] else int(own.disallowed_cents[index])
    holding_day = int(columns["holding_day"][row]) - int(own.days_held[index])
    if quantity == held:
        columns["basis_cents"][row] += added
        columns["wash_cents"][row] += added
        columns["holding_day"][row] = holding_day
        columns["used"][row] = 1
        return next_lot
    basis = cut_cents(int(columns["basis_cents"][row]), quantity, held)
    wash = cut_cents(int(columns["wash_cents"][row]), quantity, held)
    for name, amount in (
        ("quantity_micros", quantity),
        ("basis_cents", basis),
        ("wash_cents", wash),
    ):
        columns[name][row] -= amount
    parts.append((row, next_lot, quantity, basis + added, wash + added, holding_day))
    return next_lot + 1


def _part_lots(lots: Lots, parts: list[tuple[int, ...]]) -> Lots:
    table = np.array(parts, dtype=np.int64)
    return lots.take(table[:, 0]).with_columns(
        lot=table[:, 1],
        quantity_micros=table[:, 2],
        basis_cents=table[:, 3],
        wash_cents=table[:, 4],
        holding_day=table[:, 5],
        used=np.ones(len(parts), dtype=np.int64),
    )
