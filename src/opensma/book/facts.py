"""What happened to a taxpayer, apart from what the book made of it: facts, and names of lots.

A journal holds facts (a purchase, a split) and what followed by law when they were booked (wash
adjustments). The reference engine wants the facts alone, and names for lots that do not depend on
when they were delivered: a lot is known by its purchase, a part that a wash sale cut off it by its
number among the parts of that lot (D8, W23). `Naming` reads both from the journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import Connection

from opensma.book.fold import fold
from opensma.book.journal import ARRIVALS, DEPARTURES, SALES, Booked, Entry, Kind
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, Security, all_records
from opensma.book.moves import Body, column
from opensma.book.restated import late_entries
from opensma.book.state import AccountState, new_account
from opensma.errors import BookError
from opensma.tax.actions import scaled

Side = tuple[int, int, int, int, int]  # loss account, entry, lot; replacement account, lot
Name = tuple[str, int]  # of a lot in the law: its purchase, and the part of it (0: the rest)

DERIVED = frozenset({Kind.WASH_ADJUSTMENT, Kind.LOSS_DISALLOWED})
NAMED = SALES | DEPARTURES | {Kind.EXCHANGE}


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact of one account in its place, with the names of the lots that it names."""

    entry: Entry
    seq: int
    names: Mapping[int, Name]
    first_lot: int = 0  # number of the first lot that it brings
    first_acquisition: int = 0
    gone: frozenset[int] = frozenset()  # rows that a later fact took back (D9)


@dataclass
class Naming:
    """Reads journals entry by entry: facts as they come, and what the law calls every lot."""

    facts: list[Fact] = field(default_factory=list)
    names: dict[int, dict[int, Name]] = field(default_factory=dict)  # by account key, lot
    parts: dict[str, int] = field(default_factory=dict)  # cut off so far, by lot name
    orders: dict[str, tuple[int, int]] = field(default_factory=dict)  # origin, acquisition (W8)
    bought: dict[str, int] = field(default_factory=dict)  # day of purchase, by lot name
    washed: dict[Side, list[int]] = field(default_factory=dict)  # shares and cents, as booked
    permanent_cents: int = 0  # lost for good, as booked (W14)
    late: dict[tuple[int, str], Body] = field(default_factory=dict)  # facts of restatements, by id
    cuts: dict[tuple[int, int], list[str]] = field(default_factory=dict)  # parts, by entry

    def see(self, before: AccountState, booked: Booked) -> None:
        """Take one entry; `before` is the state that it is folded into."""
        entry = booked.entry
        own = self.names.setdefault(entry.account_key, {})
        if entry.kind is Kind.WASH_ADJUSTMENT:
            self._cut(own, before, booked)
            lost = zip(entry.body["cents"], entry.body["permanent"], strict=True)
            self.permanent_cents += sum(cents for cents, gone in lost if gone)
        elif entry.kind is Kind.LOSS_DISALLOWED:
            names = ("seq", "lot", "into_account", "into_lot", "quantity", "cents")
            for *place, micros, cents in zip(*(entry.body[name] for name in names), strict=True):
                self._washed((entry.account_key, *place), micros, cents)
        if entry.kind in DERIVED:
            return
        if entry.kind is Kind.RESTATEMENT:
            self._restate(own, booked)
            return
        if entry.kind is Kind.REVERSAL:
            self._reverse(entry)
            return
        self.facts.append(self._fact(own, before, booked))
        if entry.kind is Kind.BUY:
            for row in range(len(entry.body["security"])):
                number = before.next_lot + row
                name = lot_name(entry.account_key, number)
                own[number] = (name, 0)
                self.orders[name] = (entry.account_key, before.next_acquisition + row)
                self.bought[name] = entry.trade_day
        elif entry.kind is Kind.SPIN_OFF:
            _name_children(own, before, entry)
        elif entry.kind is Kind.EXCHANGE:
            _name_exchanged(own, before, entry)
        elif entry.kind is Kind.TRANSFER_IN and entry.body["from_account"] in self.names:
            given = self.names[entry.body["from_account"]]
            for number, lot in zip(entry.body["lot"], entry.body["from_lot"], strict=True):
                own[number] = given[lot]
        elif entry.kind in ARRIVALS:
            columns = (entry.body[name] for name in ("lot", "origin", "acquisition"))
            for number, origin, acquisition in zip(*columns, strict=True):
                name = lot_name(entry.account_key, number)
                own[number] = (name, 0)
                self.orders[name] = (origin or entry.account_key, acquisition)

    def _reverse(self, entry: Entry) -> None:
        """Entries that were undone count for nothing, nor do the parts that they cut off."""
        key, undone = entry.account_key, set(entry.body["of"])
        for place, fact in enumerate(self.facts):
            if fact.entry.account_key == key and fact.seq in undone:
                self.facts[place] = replace(fact, gone=frozenset(range(rows_of(fact.entry))))
        for seq in undone:
            for name in self.cuts.pop((key, seq), ()):
                self.parts[name] -= 1

    def _restate(self, own: dict[int, Name], booked: Booked) -> None:
        """Late facts take their place, those they correct lose theirs, lots get their names."""
        for entry, more in late_entries(booked):
            self.take_back(entry.account_key, more["corrects"])
            self.bring(entry, booked.seq, more)
            self.late[entry.account_key, entry.source_id] = more
        body = booked.entry.body
        for number, name, part in body["names"]:
            own[number] = (name, part)
        self.parts.update(body["parts"])
        self.permanent_cents += body["permanent"]
        for *place, micros, cents in body["given"]:
            self._washed((place[0], place[1], place[2], place[3], place[4]), micros, cents)

    def _washed(self, side: Side, micros: int, cents: int) -> None:
        sums = self.washed.setdefault(side, [0, 0])
        sums[0] += micros
        sums[1] += cents

    def copy(self) -> Naming:
        """One that can learn of more facts while this one stays."""
        return Naming(
            list(self.facts),
            {key: dict(own) for key, own in self.names.items()},
            dict(self.parts),
            dict(self.orders),
            dict(self.bought),
            {side: list(sums) for side, sums in self.washed.items()},
            self.permanent_cents,
            dict(self.late),
            dict(self.cuts),
        )

    def bring(self, entry: Entry, seq: int, more: Body) -> Fact | None:
        """Add a late fact; `more` gives the numbers of what it brings. None for a cancellation."""
        if entry.kind is Kind.CANCELLATION:
            return None
        own = self.names.setdefault(entry.account_key, {})
        first, order = int(more["first_lot"]), int(more["first_acquisition"])
        named = {lot: own[lot] for lot in entry.body["lot"]} if entry.kind in NAMED else {}
        fact = Fact(entry, seq, named, first, order)
        self.facts.append(fact)
        for row in range(len(entry.body["security"]) if entry.kind is Kind.BUY else 0):
            name = lot_name(entry.account_key, first + row)
            own[first + row] = (name, 0)
            self.orders[name] = (entry.account_key, order + row)
            self.bought[name] = entry.trade_day
        return fact

    def take_back(self, account_key: int, source_id: str) -> list[tuple[Fact, int]]:
        """Leave out a fact by its id, or rows of facts by their reference (D9)."""
        found: list[tuple[Fact, int]] = []
        for place, fact in enumerate(self.facts if source_id else ()):
            if fact.entry.account_key != account_key:
                continue
            whole = fact.entry.source_id == source_id
            rows = [
                row
                for row in range(rows_of(fact.entry))
                if row not in fact.gone and (whole or _reference(fact.entry, row) == source_id)
            ]
            if rows:
                self.facts[place] = replace(fact, gone=fact.gone | frozenset(rows))
                found += [(fact, row) for row in rows]
        return found

    def order(self, name: str) -> tuple[int, int]:
        """Account and number of the purchase order of a lot, which spun-off lots keep (W8)."""
        return self.orders[name.partition("/")[0]]

    def _fact(self, own: dict[int, Name], before: AccountState, booked: Booked) -> Fact:
        entry = booked.entry
        named = {lot: own[lot] for lot in entry.body["lot"]} if entry.kind in NAMED else {}
        return Fact(entry, booked.seq, named, before.next_lot, before.next_acquisition)

    def _cut(self, own: dict[int, Name], before: AccountState, booked: Booked) -> None:
        """Parts cut off by matches are numbered by lot; what empties a lot keeps its number."""
        entry, lots, next_lot = booked.entry, before.lots, before.next_lot
        made = self.cuts.setdefault((entry.account_key, booked.seq), [])
        held = dict(zip(lots.lot.tolist(), lots.quantity_micros.tolist(), strict=True))
        for lot, micros in zip(entry.body["lot"], entry.body["quantity"], strict=True):
            if micros == held[lot]:
                continue
            held[lot] -= micros
            name = own[lot][0]
            self.parts[name] = self.parts.get(name, 0) + 1
            made.append(name)
            own[next_lot] = (name, self.parts[name])
            next_lot += 1


def rows_of(entry: Entry) -> int:
    """How many things a fact says: rows of a trade, a dividend or a payment, else one."""
    if entry.kind in (Kind.BUY, Kind.DIVIDEND):
        return len(entry.body["security"])
    if entry.kind in NAMED or entry.kind in ARRIVALS:
        return len(entry.body["lot"])
    return max(1, len(entry.body.get("lot", ())))


def _reference(entry: Entry, row: int) -> str:
    references = entry.body.get("ref")
    return str(references[row]) if isinstance(references, list) else str(references)


@dataclass(frozen=True, slots=True)
class History:
    """Everything that the law has to know of one taxpayer."""

    accounts: tuple[AccountRecord, ...]  # by key
    naming: Naming
    states: Mapping[int, AccountState]  # as the book has them
    identical: Sequence[Sequence[str]]  # groups of security keys, as text (W17)

    @property
    def facts(self) -> list[Fact]:
        """Facts of all accounts, in order of account and journal."""
        return self.naming.facts


def read_history(
    connection: Connection, taxpayer_id: str, identical: Sequence[Sequence[str]] | None = None
) -> History:
    """The facts of a taxpayer from the journals of all accounts. BookError taxpayer.unknown."""
    accounts = all_records(connection, AccountRecord)
    own = sorted((a for a in accounts if a.taxpayer_id == taxpayer_id), key=lambda a: a.account_key)
    if not own:
        raise BookError(
            "taxpayer.unknown",
            f"The book has no accounts of a taxpayer {taxpayer_id}.",
            where=taxpayer_id,
            remedy="sma account list shows the accounts with their taxpayers.",
        )
    journals: dict[int, list[Booked]] = {a.account_key: [] for a in own}
    for booked in read_journal(connection, list(journals)):
        journals[booked.entry.account_key].append(booked)
    naming, states = name_all(journals)
    groups = identical_groups(connection) if identical is None else identical
    return History(tuple(own), naming, states, groups)


def name_all(
    journals: Mapping[int, Sequence[Booked]],
) -> tuple[Naming, dict[int, AccountState]]:
    """Names and states from whole journals: a lot moved between two of them keeps its name (C9)."""
    naming = Naming(names={key: {} for key in journals})
    states = {key: new_account(key) for key in journals}
    waiting = {key: deque(entries) for key, entries in journals.items()}
    left: set[tuple[int, str]] = set()  # departures that have been seen

    def take(key: int) -> None:
        booked = waiting[key].popleft()
        entry = booked.entry
        source = entry.body.get("from_account", 0) if entry.kind is Kind.TRANSFER_IN else 0
        while source in waiting and (source, entry.source_id) not in left:
            take(source)
        naming.see(states[key], booked)
        states[key] = fold(states[key], booked)
        if entry.kind is Kind.TRANSFER_OUT:
            left.add((key, entry.source_id))

    for key, entries in waiting.items():
        while entries:
            take(key)
    return naming, states


def moves_lots(entries: Sequence[Booked]) -> bool:
    """Whether lots came from another account of the book, so that names need all journals."""
    return any(b.entry.kind is Kind.TRANSFER_IN and b.entry.body["from_account"] for b in entries)


def identical_groups(connection: Connection) -> list[list[str]]:
    """Substantially identical securities, as the book keeps them: keys of each group (W17)."""
    groups: dict[str, list[str]] = {}
    for security in all_records(connection, Security):
        groups.setdefault(security.group_id, []).append(str(security.security_key))
    return [sorted(keys, key=int) for _, keys in sorted(groups.items()) if len(keys) > 1]


def lot_name(account_key: int, number: int) -> str:
    """What the law calls a lot that came in by purchase, gift or transfer: once per taxpayer."""
    return f"{account_key}-{number}"


def _name_children(own: dict[int, Name], before: AccountState, entry: Entry) -> None:
    """A spun-off lot is named after the lot that it came from (C3)."""
    body = entry.body
    parents = before.lots.take(before.lots.security == body["parent"])
    given = scaled(parents, body["numerator"], body["denominator"]) > 0
    for row, parent in enumerate(parents.lot[given].tolist()):
        name, part = own[parent]
        own[before.next_lot + row] = (f"{name}/{body['child']}", part)


def _name_exchanged(own: dict[int, Name], before: AccountState, entry: Entry) -> None:
    """A part that was exchanged has another number and is the same lot to the law (C10)."""
    lots, number = before.lots, before.next_lot
    wanted = column(entry.body, "lot")
    held = lots.quantity_micros[np.searchsorted(lots.lot, wanted)]
    for lot, micros, all_of_it in zip(
        wanted.tolist(), entry.body["quantity"], held.tolist(), strict=True
    ):
        if micros != all_of_it:
            own[number] = own[lot]
            number += 1
