"""Late and corrected facts: put where they belong, everything after them replayed (D9, D10).

Nothing that was booked is changed. The facts of a taxpayer, with the late ones among them, go
through the reference engine in order of their days; every account whose lots, losses, years or
cash come out otherwise gets one more entry, a restatement, which carries the difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from sqlalchemy import Connection

from opensma.book.facts import Fact, History, Naming, read_history, rows_of
from opensma.book.journal import SALES, Entry, Kind
from opensma.book.late_actions import check_actions
from opensma.book.late_differences import Differences, differences
from opensma.book.late_entry import Numbers, restatement_body
from opensma.book.law import Reading, reading_of
from opensma.book.ledger import append, iso_of
from opensma.book.master import AccountRecord, all_records
from opensma.book.moves import Body
from opensma.book.posting import TaxpayerLedger
from opensma.book.store import Book
from opensma.book.target import law_accounts
from opensma.errors import BookError, LotError

KINDS = SALES | {
    *(Kind.DEPOSIT, Kind.WITHDRAWAL, Kind.BUY, Kind.DIVIDEND, Kind.SPLIT, Kind.SPIN_OFF),
    Kind.CANCELLATION,
}


@dataclass(frozen=True, slots=True)
class LateFact:
    """A fact of a past day; `corrects` is the id of a fact, or of one trade, that it replaces."""

    entry: Entry
    corrects: str = ""


@dataclass(frozen=True, slots=True)
class Restated:
    """What late facts do to one taxpayer: entries to append, and what comes out otherwise."""

    taxpayer_id: str
    entries: tuple[Entry, ...]
    differences: Differences


@dataclass(frozen=True, slots=True)
class Placed:
    """The law's reading with late facts in their places, and the entries that say so."""

    reading: Reading
    entries: list[Entry]
    facts: list[Entry]  # those that the book did not hold yet


@dataclass
class _Step:
    """One taxpayer while late facts are put in their places."""

    history: History
    later: Naming
    numbers: dict[int, Numbers]
    given: dict[int, list[Body]] = field(default_factory=dict)  # facts by account, as to be booked


def preview_late(book: Book, facts: Sequence[LateFact]) -> list[Restated]:
    """What `post_late` would book and change; nothing is written. BookError as there."""
    with book.read() as connection:
        return [_restate(connection, *some) for some in _by_taxpayer(connection, facts)]


def post_late(book: Book, facts: Sequence[LateFact], recorded_at: str) -> list[Restated]:
    """Book late facts and what they change, all or none; a fact that is known changes nothing.

    BookError: account.unknown, book.duplicate, late.not_late, late.kind, late.unknown_fact,
    late.lot_twice, late.impossible (a sale of shares that were not there), fact.no_cash,
    late.action_missing (a split since that others have booked).
    """
    with book.only_run(), book.write() as connection:
        done = []
        for taxpayer, some in _by_taxpayer(connection, facts):
            restated = _restate(connection, taxpayer, some)
            _append(connection, restated, taxpayer, recorded_at)
            done.append(restated)
    return done


def restate_all(book: Book, recorded_at: str) -> list[Restated]:
    """Bring every taxpayer to what the law gives for its facts; those that are there stay."""
    with book.read() as connection:
        taxpayers = sorted({a.taxpayer_id for a in all_records(connection, AccountRecord)})
    done = []
    with book.only_run(), book.write() as connection:
        for taxpayer in taxpayers:
            restated = _restate(connection, taxpayer, [])
            _append(connection, restated, taxpayer, recorded_at)
            done += [restated] if restated.entries else []
    return done


def _by_taxpayer(
    connection: Connection, facts: Sequence[LateFact]
) -> list[tuple[str, list[LateFact]]]:
    owners = {a.account_key: a.taxpayer_id for a in all_records(connection, AccountRecord)}
    found: dict[str, list[LateFact]] = {}
    for fact in facts:
        key = fact.entry.account_key
        if key not in owners:
            raise _error(fact, "account.unknown", f"The book has no account with key {key}.", _LIST)
        found.setdefault(owners[key], []).append(fact)
    return list(found.items())


def _restate(connection: Connection, taxpayer: str, facts: Sequence[LateFact]) -> Restated:
    history = read_history(connection, taxpayer)
    placed = place(history, facts)
    newest = max(state.last_day for state in history.states.values())
    check_actions(connection, placed.facts, placed.reading.history.facts, newest)
    found = differences(
        connection, reading_of(history), placed.reading, history.states, placed.facts
    )
    return Restated(taxpayer, tuple(placed.entries), found)


def place(history: History, facts: Sequence[LateFact]) -> Placed:
    """Put late facts among those of a history and find the restatements. BookError."""
    newest = max(state.last_day for state in history.states.values())
    step = _Step(history, history.naming.copy(), _numbers(history))
    fresh = [fact for fact in facts if not _known(history, fact)]
    for fact in fresh:
        _check(fact, newest)
        _bring(step, fact)
    after = _after(step, fresh)
    _complete(step, after)
    entries = _entries(step, after, newest, [fact.entry.source_id for fact in fresh])
    return Placed(after, entries, [fact.entry for fact in fresh])


def _numbers(history: History) -> dict[int, Numbers]:
    return {
        key: Numbers(state.next_lot, state.next_acquisition, state.seq + 1)
        for key, state in history.states.items()
    }


def _known(history: History, fact: LateFact) -> bool:
    """Whether the book holds the fact already. BookError book.duplicate for another content."""
    entry = fact.entry
    late = history.naming.late.get((entry.account_key, entry.source_id))
    booked = [
        f.entry
        for f in history.facts
        if (f.entry.account_key, f.entry.source_id) == (entry.account_key, entry.source_id)
    ]
    if late is None and not booked:
        return False
    given = late["given"] if late else booked[0].body
    corrects = late["corrects"] if late else ""
    where = _place(late) if late else (booked[0].kind, booked[0].trade_day, booked[0].settle_day)
    if (entry.body, fact.corrects, (entry.kind, entry.trade_day, entry.settle_day)) != (
        given,
        corrects,
        where,
    ):
        what = f"The book holds a different fact under the id '{entry.source_id}'."
        raise _error(fact, "book.duplicate", what, "A correction is a new fact with its own id.")
    return True


def _place(late: Body) -> tuple[Kind, int, int]:
    return Kind(late["kind"]), int(late["trade_day"]), int(late["settle_day"])


def _check(fact: LateFact, newest: int) -> None:
    entry = fact.entry
    if entry.kind not in KINDS:
        what = f"A late {entry.kind.value} cannot be booked."
        raise _error(fact, "late.kind", what, f"Late facts are {', '.join(sorted(KINDS))}.")
    if entry.trade_day > newest:
        what = f"The fact is of {iso_of(entry.trade_day)}, the accounts are booked to "
        what += f"{iso_of(newest)}: it is not late."
        raise _error(fact, "late.not_late", what, "Deliver it in the order of days.")


def _bring(step: _Step, fact: LateFact) -> None:
    """Put one fact among the others, with the numbers that its lots get."""
    entry, key = fact.entry, fact.entry.account_key
    taken = step.later.take_back(key, fact.corrects)
    if fact.corrects and not taken:
        what = f"The account has no fact or trade '{fact.corrects}' that is still in force."
        raise _error(fact, "late.unknown_fact", what, "sma account why lists trades and entries.")
    numbers = step.numbers[key]
    lot, acquisition = numbers.next_lot, numbers.next_acquisition
    if entry.kind is Kind.BUY:
        rows = rows_of(entry)
        old = _replaced(entry, taken)
        if old is None:
            step.numbers[key] = replace(
                numbers, next_lot=lot + rows, next_acquisition=acquisition + rows
            )
        else:  # the purchase that it corrects: later sales name that lot
            lot, acquisition = old
    body: Body = {
        "kind": entry.kind.value,
        "trade_day": entry.trade_day,
        "settle_day": entry.settle_day,
        "source_id": entry.source_id,
        "corrects": fact.corrects,
        "given": entry.body,
        "body": dict(entry.body),
        "first_lot": lot,
        "first_acquisition": acquisition,
    }
    if entry.kind in SALES:
        _check_lots(step, fact)
    step.later.bring(entry, numbers.seq, body)
    step.given.setdefault(key, []).append(body)


def _check_lots(step: _Step, fact: LateFact) -> None:
    entry, key = fact.entry, fact.entry.account_key
    unknown = set(entry.body["lot"]) - step.later.names[key].keys()
    if unknown:
        what = f"The account never had a lot {min(unknown)}."
        raise _error(fact, "late.impossible", what, "sma account lots lists the account's lots.")
    sales = [body["body"] for body in step.given.get(key, []) if Kind(body["kind"]) in SALES]
    twice = {lot for body in sales for lot in body["lot"]} & set(entry.body["lot"])
    if twice:
        what = f"Lot {min(twice)} is sold by two late facts of one delivery."
        raise _error(fact, "late.lot_twice", what, "Deliver the second sale in a file of its own.")


def _replaced(entry: Entry, taken: Sequence[tuple[Fact, int]]) -> tuple[int, int] | None:
    """First lot and acquisition of the purchase corrected, where the rows are the same ones."""
    bought = [(fact, row) for fact, row in taken if fact.entry.kind is Kind.BUY]
    securities = [fact.entry.body["security"][row] for fact, row in bought]
    if not bought or securities != list(entry.body["security"]):
        return None
    fact, row = bought[0]
    return fact.first_lot + row, fact.first_acquisition + row


def _after(step: _Step, facts: Sequence[LateFact]) -> Reading:
    try:
        return reading_of(replace(step.history, naming=step.later))
    except LotError as error:
        names = ", ".join(fact.entry.source_id for fact in facts)
        raise BookError(
            "late.impossible",
            f"With these facts in their place the history cannot be: {error.message}",
            where=names,
            remedy="Compare with the custodian; deliver what belongs together in one file.",
        ) from None


def _complete(step: _Step, after: Reading) -> None:
    """Late sales get basis and term, which the law has now found."""
    found: dict[tuple[int, str, int], list[tuple[int, int]]] = {}
    for row in after.state.closed:
        fact, place = after.source(row)
        name = fact.entry.account_key, fact.entry.source_id, place
        found.setdefault(name, []).append((row.basis_cents, int(row.long_term)))
    for key, bodies in step.given.items():
        for body in bodies:
            if Kind(body["kind"]) in SALES:
                rows = [
                    found.get((key, body["source_id"], row), [(0, 0)])
                    for row in range(len(body["body"]["lot"]))
                ]
                body["body"]["basis"] = [sum(basis for basis, _ in parts) for parts in rows]
                body["body"]["long"] = [parts[0][1] for parts in rows]


def _entries(step: _Step, after: Reading, newest: int, ids: Sequence[str]) -> list[Entry]:
    """One restatement for every account that has a late fact or comes out otherwise."""
    targets = law_accounts(after)
    found = []
    permanent = sum(row.permanent_cents for row in after.state.closed)
    permanent -= step.history.naming.permanent_cents
    for key, state in step.history.states.items():
        facts = step.given.get(key, [])
        body = restatement_body(
            after,
            step.history.naming,
            state,
            targets[key],
            step.numbers[key],
            newest,
            always=bool(facts),  # a fact that changes nothing is still on record
        )
        if body is None:
            continue
        body |= {"facts": facts, "cites": list(ids), "permanent": permanent}
        permanent = 0
        source = f"restatement/{ids[0]}" if ids else f"restatement/{iso_of(newest)}/{state.seq}"
        found.append(Entry(key, Kind.RESTATEMENT, newest, newest, source, body))
    return found


def _append(connection: Connection, restated: Restated, taxpayer: str, recorded_at: str) -> None:
    history = read_history(connection, taxpayer)
    taxed: Mapping[int, bool] = {a.account_key: a.taxed for a in history.accounts}
    ledger = TaxpayerLedger(
        list(history.states.values()), dict(taxed), np.zeros(0, dtype=np.int64), recorded_at
    )
    names = {a.account_key: a.account_id for a in history.accounts}
    for entry in restated.entries:
        state = ledger.states[entry.account_key]
        if state.cash_cents + entry.body["cash"] < 0:
            raise BookError(
                "fact.no_cash",
                "With these facts the account would have spent more cash than it had.",
                where=names[entry.account_key],
                remedy="Deliver the missing deposit or sale in the same file.",
            )
        ledger.post(entry)
    append(connection, ledger.booked, ledger.states.values())


_LIST = "sma account list shows the accounts."


def _error(fact: LateFact, code: str, message: str, remedy: str) -> BookError:
    entry = fact.entry
    where = f"account key {entry.account_key}, {entry.source_id}"
    return BookError(code, message, where=where, remedy=remedy)
