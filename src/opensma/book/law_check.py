"""The book against the reference engine: every open lot, open loss, total and cent (I8).

The two engines share no code of the law but dates and rounding. A difference is a bug of one of
them, or facts that were booked in another order than that of their days.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields

from opensma.book.facts import Name
from opensma.book.law import Reading
from opensma.book.ledger import iso_of
from opensma.book.state import YEAR_COLUMNS, AccountState
from opensma.book.target import (
    WASH_DAYS,
    LawAccount,
    LawLoss,
    LawLot,
    law_accounts,
    permanent_cents,
)
from opensma.errors import Finding
from opensma.units import dollars, shares

_REMEDY = (
    "sma book late post FILE with an empty list of facts restates the account; if the difference "
    "stays, report it: one of the two engines is wrong."
)
_LOT = tuple(f.name for f in fields(LawLot) if f.name != "name")
_LOSS = tuple(f.name for f in fields(LawLoss) if f.name not in ("name", "seq", "given_lot"))
_MONEY = ("cash_cents", "deposited_cents", "withdrawn_cents", "fees_cents")


def law_findings(reading: Reading, states: Mapping[int, AccountState]) -> list[Finding]:
    """Every point in which the folded states differ from the law's reading, account by account."""
    names = {a.account_key: a.account_id for a in reading.history.accounts}
    found: list[Finding] = []
    for key, account in law_accounts(reading).items():
        state, name = states[key], names[key]
        found += _lots(reading, key, account, state, name)
        found += _losses(reading, key, account, state, name)
        found += _totals(account, state, name)
    lost = reading.history.naming.permanent_cents
    if lost != permanent_cents(reading):
        law, book = dollars(permanent_cents(reading)), dollars(lost)
        what = f"Lost for good: by the law {law}, in the book {book}."
        found.append(_error("law.permanent", reading.history.accounts[0].taxpayer_id, what))
    return found


def _lots(
    reading: Reading, key: int, account: LawAccount, state: AccountState, name: str
) -> Iterator[Finding]:
    law: dict[int | Name, tuple[object, ...]] = {}
    for lot in account.lots:
        number = reading.number(key, lot.name, lot.security)
        law[number or lot.name] = tuple(getattr(lot, column) for column in _LOT)
    columns = (getattr(state.lots, column).tolist() for column in _LOT)
    book: dict[int | Name, tuple[object, ...]] = dict(
        zip(state.lots.lot.tolist(), zip(*columns, strict=True), strict=True)
    )
    for place in sorted(law.keys() | book.keys(), key=str):
        if law.get(place) != book.get(place):
            what = _unlike(_LOT, law.get(place), book.get(place))
            yield _error("law.lot", f"{name}, lot {_lot_text(place)}", what)


def _losses(
    reading: Reading, key: int, account: LawAccount, state: AccountState, name: str
) -> Iterator[Finding]:
    """Losses that a purchase could still wash; two rows of one lot and sale count as one."""
    law: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    for loss in account.losses:
        if loss.sold_day + WASH_DAYS >= state.last_day:
            number = reading.number(key, loss.name, loss.security) or loss.given_lot
            values = tuple(getattr(loss, column) for column in _LOSS)
            law.setdefault((loss.seq, number), []).append(values)
    book: dict[tuple[int, int], list[tuple[int, ...]]] = {}
    columns = [getattr(state.losses, column).tolist() for column in ("seq", "lot", *_LOSS)]
    cents = _LOSS.index("loss_cents")
    for row in zip(*columns, strict=True):
        if row[2 + cents]:  # a rest that rounding left without a cent can wash nothing
            book.setdefault((row[0], row[1]), []).append(row[2:])
    for place in sorted(law.keys() | book.keys()):
        one, other = sorted(law.get(place, [])), sorted(book.get(place, []))
        if one != other:
            what = _unlike(_LOSS, one[0] if one else None, other[0] if other else None)
            where = f"{name}, loss of entry {place[0]}, lot {place[1]}"
            yield _error("law.loss", where, what)


def _totals(account: LawAccount, state: AccountState, name: str) -> Iterator[Finding]:
    for column in _MONEY:
        law, book = getattr(account, column), getattr(state, column)
        if law != book:
            what = f"{_word(column)}: by the facts {dollars(law)}, in the book {dollars(book)}."
            yield _error("law.cash", name, what)
    booked = {int(row[0]): row[1:].tolist() for row in state.years}
    for year in sorted(account.years.keys() | booked.keys()):
        totals = account.years.get(year, {})
        row = booked.get(year, [0] * (len(YEAR_COLUMNS) - 1))
        for column, cents in zip(YEAR_COLUMNS[1:], row, strict=True):
            law = totals.get(column, 0)
            if law != cents:
                what = f"{_word(column)}: by the law {dollars(law)}, in the book "
                yield _error("law.year", f"{name}, {year}", f"{what}{dollars(cents)}.")


def _unlike(
    columns: tuple[str, ...], law: tuple[object, ...] | None, book: tuple[object, ...] | None
) -> str:
    """Both values of everything that differs."""
    if law is None or book is None:
        where, other = ("the book", "the law") if law is None else ("the law", "the book")
        quantity = (law or book or ())[columns.index("quantity_micros")]
        return f"There are {_value('quantity_micros', quantity)} in {where}, none by {other}."
    return "; ".join(
        f"{_word(name)}: by the law {_value(name, one)}, in the book {_value(name, other)}"
        for name, one, other in zip(columns, law, book, strict=True)
        if one != other
    )


def _value(column: str, value: object) -> str:
    if not isinstance(value, int):
        return str(value)
    if column.endswith("_cents"):
        return dollars(value)
    if column.endswith("_day"):
        return iso_of(value)
    return f"{shares(value)} shares" if column.endswith("_micros") else str(value)


def _word(column: str) -> str:
    """A column as it is spoken of: `holding_day` is 'holding day', `basis_cents` is 'basis'."""
    return column.removesuffix("_cents").removesuffix("_micros").replace("_", " ")


def _lot_text(number: object) -> str:
    return f"{number[0]} part {number[1]}" if isinstance(number, tuple) else str(number)


def _error(code: str, where: str, what: str) -> Finding:
    return Finding("error", code, where, what, _REMEDY)
