"""The body of a restatement: from what an account was booked to have, to what it has by law."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from opensma.book.facts import Name, Naming, Side
from opensma.book.law import Reading
from opensma.book.moves import Body
from opensma.book.state import LOSS_COLUMNS, YEAR_COLUMNS, AccountState
from opensma.book.target import WASH_DAYS, LawAccount, LawLoss, LawLot, wash_sides
from opensma.errors import ensure
from opensma.tax.lots import LOT_COLUMNS


@dataclass(frozen=True, slots=True)
class Numbers:
    """The next numbers of an account, and the journal position of its restatement."""

    next_lot: int
    next_acquisition: int
    seq: int


class _Namer:
    """Numbers for lots of the law: the book's own where it has one, else the next free one."""

    def __init__(self, reading: Reading, key: int, next_lot: int) -> None:
        self.reading, self.key, self.next_lot = reading, key, next_lot
        self.known: dict[tuple[Name, int], int] = {}
        self.new: list[list[Any]] = []

    def number(self, name: Name, security: int) -> int:
        at = name, security
        if at not in self.known:
            number = self.reading.number(self.key, name, security)
            if number is None:
                number = self.next_lot
                self.new.append([number, *name])
                self.next_lot += 1
            self.known[at] = number
        return self.known[at]


def restatement_body(
    after: Reading,
    booked: Naming,
    state: AccountState,
    target: LawAccount,
    numbers: Numbers,
    day: int,
    *,
    always: bool = False,
) -> Body | None:
    """What moves the account to the law's reading on `day`; None where nothing has to move."""
    key = state.account_key
    namer = _Namer(after, key, numbers.next_lot)
    drop, put = _lots(state, target, namer)
    losses = _losses(state, target, namer, day)
    given, taken = _sides(after, booked, key)
    body: Body = {
        "drop": drop,
        "lots": {name: [row[i] for row in put] for i, name in enumerate(LOT_COLUMNS)},
        "losses": {name: [row[i] for row in losses] for i, name in enumerate(LOSS_COLUMNS)},
        "years": _years(state, target),
        "cash": target.cash_cents - state.cash_cents,
        "deposited": target.deposited_cents - state.deposited_cents,
        "withdrawn": target.withdrawn_cents - state.withdrawn_cents,
        "fees": target.fees_cents - state.fees_cents,
        "given": given,
        "taken": taken,
    }
    moved = any(v for name, v in body.items() if name not in ("lots", "losses"))
    same_losses = losses == sorted(_rows(state.losses, LOSS_COLUMNS))
    if not (always or moved or put or not same_losses):
        return None
    return body | {
        "pending": _pending(target, day),
        "names": namer.new,
        "parts": _parts(after, booked, key),
        "next_lot": namer.next_lot,
        "next_acquisition": numbers.next_acquisition,
    }


def _lots(
    state: AccountState, target: LawAccount, namer: _Namer
) -> tuple[list[int], list[tuple[int, ...]]]:
    """Numbers of lots that go, and rows of lots that come or change."""
    rows = {}
    for lot in target.lots:
        row = _lot_row(lot, namer.number(lot.name, lot.security))
        ensure(row[0] not in rows, "two lots under one number", lot=row[0])
        rows[row[0]] = row
    held = {row[0]: row for row in _rows(state.lots, LOT_COLUMNS)}
    put = [row for number, row in sorted(rows.items()) if held.get(number) != row]
    return sorted(held.keys() - rows.keys()), put


def _lot_row(lot: LawLot, number: int) -> tuple[int, ...]:
    whole = isinstance(lot.quantity_micros, int)
    ensure(whole, "a lot of the book is in millionths", lot=lot.name)
    return tuple(number if name == "lot" else int(getattr(lot, name)) for name in LOT_COLUMNS)


def _losses(
    state: AccountState, target: LawAccount, namer: _Namer, day: int
) -> list[tuple[int, ...]]:
    """Losses that a purchase after `day` can still wash (W1)."""
    found = []
    for loss in target.losses:
        if loss.sold_day + WASH_DAYS >= day:
            found.append(_loss_row(loss, namer.number(loss.name, loss.security)))
    return sorted(found)


def _loss_row(loss: LawLoss, number: int) -> tuple[int, ...]:
    return tuple(number if name == "lot" else int(getattr(loss, name)) for name in LOSS_COLUMNS)


def _rows(table: Any, columns: tuple[str, ...]) -> Iterator[tuple[int, ...]]:
    return zip(*(getattr(table, name).tolist() for name in columns), strict=True)


def _years(state: AccountState, target: LawAccount) -> dict[str, dict[str, int]]:
    """Amounts to add to each year, by name; only what is not zero."""
    booked = {
        int(row[0]): dict(zip(YEAR_COLUMNS[1:], row[1:].tolist(), strict=True))
        for row in state.years
    }
    found = {}
    for year in sorted(booked.keys() | target.years.keys()):
        own, law = booked.get(year, {}), target.years.get(year, {})
        moved = {name: law.get(name, 0) - own.get(name, 0) for name in YEAR_COLUMNS[1:]}
        if any(moved.values()):
            found[str(year)] = {name: cents for name, cents in moved.items() if cents}
    return found


def _pending(target: LawAccount, day: int) -> list[list[int]]:
    """Cash that has not settled on the day."""
    return [
        [settle, cents]
        for trade, settle, cents in sorted(target.flows)
        if settle > day and settle > trade and cents
    ]


def _parts(after: Reading, booked: Naming, key: int) -> dict[str, int]:
    """How many parts the law has cut off the account's lots, where the book counted otherwise."""
    own = {name.partition("/")[0] for name, _ in after.numbers[key]}
    counted = {**dict.fromkeys(booked.parts, 0), **after.state.parts}
    return {
        name: count
        for name, count in sorted(counted.items())
        if name.partition("/")[0] in own and booked.parts.get(name, 0) != count
    }


def _sides(after: Reading, booked: Naming, key: int) -> tuple[list[list[int]], list[list[int]]]:
    """Wash sales undone (negative) and made, as the seller and as the buyer keeps them (W9)."""
    law = wash_sides(after)
    given, taken = [], []
    for side in sorted(law.keys() | booked.washed.keys()):
        micros, cents = _moved(side, law, booked)
        if micros or cents:
            row = [*side, micros, cents]
            given += [row] if side[0] == key else []
            taken += [row] if side[3] == key else []
    return given, taken


def _moved(side: Side, law: dict[Side, list[int]], booked: Naming) -> tuple[int, int]:
    one, other = law.get(side, [0, 0]), booked.washed.get(side, [0, 0])
    if not one[1] and not other[1]:
        return 0, 0  # rounding left no cent to disallow
    return one[0] - other[0], one[1] - other[1]
