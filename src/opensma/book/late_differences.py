"""The difference list of late facts: what was booked or reported and is now otherwise (D10)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, func, select

from opensma.book import schema
from opensma.book.journal import Entry
from opensma.book.law import Reading
from opensma.book.ledger import iso_of
from opensma.book.master import Security, all_records
from opensma.book.state import YEAR_COLUMNS, AccountState
from opensma.book.target import LawAccount, LawLot, law_accounts
from opensma.units import dollars, shares

Values = dict[str, str]
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is otherwise: empty `before` for what is new, empty `after` for what went."""

    what: str  # lot, sale, wash, year, cash
    account: str
    where: str
    before: Values
    after: Values


@dataclass(frozen=True, slots=True)
class Differences:
    """Everything that differs, the years whose forms change, and what is not computed again."""

    facts: tuple[str, ...]
    rows: tuple[Difference, ...]
    years: tuple[int, ...]
    stale: Mapping[str, int]  # by table: rows of past days that were made without the facts

    def as_dict(self) -> Row:
        """Plain form."""
        return {
            "facts": list(self.facts),
            "differences": [asdict(row) for row in self.rows],
            "forms": [{"year": year, "forms": ["8949", "Schedule D"]} for year in self.years],
            "not_computed_again": dict(self.stale),
        }


def differences(
    connection: Connection,
    before: Reading,
    after: Reading,
    states: Mapping[int, AccountState],
    facts: Iterable[Entry],
) -> Differences:
    """What the booked states and the earlier reading have, against the law with the late facts."""
    late = list(facts)
    symbols = {s.security_key: s.symbol for s in all_records(connection, Security)}
    rows: list[Difference] = []
    years: set[int] = set()
    targets, earlier = law_accounts(after), law_accounts(before)
    for account in after.history.accounts:
        key, name = account.account_key, account.account_id
        rows += _lots(after, earlier[key], targets[key], key, name, symbols)
        some, touched = _years(states[key], targets[key], name)
        rows += some
        years |= touched
        rows += _cash(states[key], targets[key], name)
    names = {a.account_key: a.account_id for a in after.history.accounts}
    sold = _compared("sale", _sales(before, names, symbols), _sales(after, names, symbols))
    washed = _compared("wash", _washes(before, names, symbols), _washes(after, names, symbols))
    years |= {int(row.where.split(" on ")[1][:4]) for row in sold}
    ids = tuple(entry.source_id for entry in late)
    return Differences(
        ids, (*rows, *sold, *washed), tuple(sorted(years)), _stale(connection, after, late)
    )


def _lots(
    after: Reading,
    earlier: LawAccount,
    target: LawAccount,
    key: int,
    name: str,
    symbols: Mapping[int, str],
) -> list[Difference]:
    def table(account: LawAccount) -> dict[str, Values]:
        found = {}
        for lot in account.lots:
            number = after.number(key, lot.name, lot.security)
            # A part that the book has not cut off yet has no number before it is booked.
            text = f"lot {number}" if number else f"new part of lot {_stem(after, key, lot)}"
            where = f"{text} of {symbols.get(lot.security, lot.security)}"
            if where in found:
                where += f", part {lot.name[1]}"
            found[where] = _lot_values(lot)
        return found

    one, other = table(earlier), table(target)
    return [
        Difference("lot", name, where, one.get(where, {}), other.get(where, {}))
        for where in sorted(one.keys() | other.keys())
        if one.get(where) != other.get(where)
    ]


def _stem(after: Reading, key: int, lot: LawLot) -> int | str:
    return after.numbers[key].get((lot.name[0], 0), lot.name[0])


def _lot_values(lot: LawLot) -> Values:
    quantity = lot.quantity_micros
    return {
        "shares": shares(quantity) if isinstance(quantity, int) else str(quantity),
        "basis": dollars(lot.basis_cents),
        "acquired": iso_of(lot.acquired_day),
        "holding_date": iso_of(lot.holding_day),
        "deferred": dollars(lot.wash_cents),
    }


def _years(state: AccountState, target: LawAccount, name: str) -> tuple[list[Difference], set[int]]:
    booked = {
        int(row[0]): dict(zip(YEAR_COLUMNS[1:], row[1:].tolist(), strict=True))
        for row in state.years
    }
    rows, touched = [], set()
    for year in sorted(booked.keys() | target.years.keys()):
        own, law = booked.get(year, {}), target.years.get(year, {})
        moved = [n for n in YEAR_COLUMNS[1:] if own.get(n, 0) != law.get(n, 0)]
        if moved:
            touched.add(year)
            one, other = (
                {n.removesuffix("_cents"): dollars(t.get(n, 0)) for n in moved} for t in (own, law)
            )
            rows.append(Difference("year", name, str(year), one, other))
    return rows, touched


def _cash(state: AccountState, target: LawAccount, name: str) -> list[Difference]:
    if state.cash_cents == target.cash_cents:
        return []
    one, other = ({"cash": dollars(x.cash_cents)} for x in (state, target))
    return [Difference("cash", name, "cash", one, other)]


_Table = dict[tuple[str, str], Values]


def _sales(reading: Reading, names: Mapping[int, str], symbols: Mapping[int, str]) -> _Table:
    """Sold slices of each lot and day: proceeds, basis, what was disallowed, gain and term."""
    sums: dict[tuple[str, str], list[int]] = {}
    terms: dict[tuple[str, str], set[str]] = {}
    for row in reading.state.closed:
        fact, place = reading.source(row)
        lot = reading.lot_number(row) or fact.entry.body["lot"][place]
        symbol = symbols.get(reading.security_key(row), row.security)
        where = f"lot {lot} of {symbol}, sold on {iso_of(row.sold_day)}"
        at = names[reading.account_key(row)], where
        parts = (row.proceeds_cents, row.basis_cents, row.disallowed_cents, row.gain_cents)
        sums[at] = [a + b for a, b in zip(sums.get(at, [0] * 4), parts, strict=True)]
        terms.setdefault(at, set()).add("long" if row.long_term else "short")
    labels = ("proceeds", "basis", "disallowed", "gain")
    return {
        at: {
            **{n: dollars(c) for n, c in zip(labels, cents, strict=True)},
            "term": " and ".join(sorted(terms[at])),
        }
        for at, cents in sums.items()
    }


def _washes(reading: Reading, names: Mapping[int, str], symbols: Mapping[int, str]) -> _Table:
    """Losses moved: from which sale, to which purchase."""
    sums: dict[tuple[str, str], list[int]] = {}
    for row in reading.state.closed:
        if row.replaced_by is None:
            continue
        into, quantity = row.replaced_by
        fact, place = reading.source(row)
        lot = reading.lot_number(row) or fact.entry.body["lot"][place]
        buyer = reading.history.naming.order(into)[0]
        symbol = symbols.get(reading.security_key(row), row.security)
        number = reading.numbers[buyer].get((into, 0), 0)
        where = f"lot {lot} of {symbol}, sold on {iso_of(row.sold_day)}, "
        at = names[fact.entry.account_key], f"{where}replaced by lot {number} of {names[buyer]}"
        amounts = (int(quantity), row.disallowed_cents)
        sums[at] = [a + b for a, b in zip(sums.get(at, [0] * 2), amounts, strict=True)]
    return {
        at: {"shares": shares(micros), "disallowed": dollars(cents)}
        for at, (micros, cents) in sums.items()
    }


def _compared(what: str, one: _Table, other: _Table) -> list[Difference]:
    return [
        Difference(what, *at, one.get(at, {}), other.get(at, {}))
        for at in sorted(one.keys() | other.keys())
        if one.get(at) != other.get(at)
    ]


def _stale(connection: Connection, after: Reading, late: list[Entry]) -> dict[str, int]:
    """Values and plans of past days: they stay as they were made, and are counted here."""
    if not late:
        return {}
    first = iso_of(min(entry.trade_day for entry in late))
    keys = {entry.account_key for entry in late}
    ids = [a.account_id for a in after.history.accounts]
    days, plans, runs = schema.account_days, schema.plans, schema.runs
    counted = {
        "account_days": select(func.count()).where(
            days.c.account_key.in_(sorted(keys)), days.c.day >= first
        ),
        "plans": select(func.count())
        .select_from(plans.join(runs, runs.c.run_id == plans.c.run_id))
        .where(plans.c.account_id.in_(ids), runs.c.day >= first),
    }
    return {name: int(connection.execute(query).scalar_one()) for name, query in counted.items()}
