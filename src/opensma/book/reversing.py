"""Undoing an action: a new entry in every account it touched, and never an edit (D9).

What an action did is the difference of the folds before and after its entries. The reversal puts
exactly that back, rows of lots with basis and dates, open losses, cash and totals of the year, and
is refused as long as later entries stand on what it would take away.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Connection

from opensma.book.actionbook import source_of
from opensma.book.actiondesk import journal_of_actions, rename
from opensma.book.fold import WASH_DAYS, fold
from opensma.book.intake import identical_groups
from opensma.book.journal import Booked, Entry, Kind
from opensma.book.ledger import append, iso_of, load_states, read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.moves import Body
from opensma.book.posting import TaxpayerLedger
from opensma.book.state import LOSS_COLUMNS, AccountState, new_account
from opensma.book.store import Book
from opensma.errors import Finding, ensure
from opensma.tax.lots import LOT_COLUMNS

Row = tuple[int, ...]
K = TypeVar("K", int, tuple[int, int])
_SOLD = LOSS_COLUMNS.index("sold_day")
_SECURITY = LOT_COLUMNS.index("security")
_MOST = 5  # later entries named in a message


@dataclass(frozen=True, slots=True)
class Undone:
    """One action undone, or undone before (`known`), with the accounts that it had touched."""

    action_id: str
    status: str  # reversed or known
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Undoing:
    """The outcome of a request; nothing is kept when there is a finding."""

    actions: tuple[Undone, ...]
    findings: tuple[Finding, ...]


def reverse(book: Book, action_ids: Sequence[str], recorded_at: str, reason: str = "") -> Undoing:
    """Undo actions, the newest first: all of them or none."""
    with book.write() as connection:
        desk = _Reversals(connection, recorded_at, reason)
        known = journal_of_actions(connection, action_ids)
        done = [desk.undo(name, known.get(name, [])) for name in reversed(list(action_ids))]
        if not desk.findings:
            for ledger in desk.ledgers.values():
                # A loss that is open again may be replaced by what has been bought since (W1).
                day = max(state.last_day for state in ledger.states.values())
                ledger.match_washes(day, _undo_id(action_ids[0]))
                append(connection, ledger.booked, ledger.states.values())
            for key, symbol in desk.symbols.items():
                rename(connection, key, symbol)
        return Undoing(tuple(u for u in done if u is not None), tuple(desk.findings))


def reversed_entries(journal: Sequence[Booked]) -> set[int]:
    """Positions of entries that a later one undid: they count for nothing any more."""
    return {seq for b in journal if b.entry.kind is Kind.REVERSAL for seq in b.entry.body["of"]}


def reversal_findings(account_id: str, journal: Sequence[Booked]) -> list[Finding]:
    """Reversals that put back something else than what the entries they undo had changed."""
    found = []
    for place, booked in enumerate(journal):
        if booked.entry.kind is not Kind.REVERSAL:
            continue
        body, so_far = booked.entry.body, list(journal[:place])
        own = [b for b in so_far if b.seq in body["of"]]
        history = _History(so_far, own) if own else None
        lawful = history and history.restoring(body["ref"], body["reason"]) == body
        if not lawful:
            what = f"{_words(booked)} does not undo entries {body['of']} exactly."
            remedy = "Restore the journal from a copy."
            found.append(Finding("error", "journal.reversal", account_id, what, remedy))
    return found


class _Reversals:
    """One request: ledgers of the taxpayers touched, and what cannot be undone."""

    def __init__(self, connection: Connection, recorded_at: str, reason: str) -> None:
        self.connection, self.recorded_at, self.reason = connection, recorded_at, reason
        self.accounts = {a.account_key: a for a in all_records(connection, AccountRecord)}
        self.groups = identical_groups(connection)
        self.ledgers: dict[str, TaxpayerLedger] = {}
        self.symbols: dict[int, str] = {}
        self.findings: list[Finding] = []

    def undo(self, action_id: str, main: Sequence[Booked]) -> Undone | None:
        """Book the reversal of one action in every account it touched, unless something stands."""
        if not main:
            what = f"The book has no action '{action_id}'."
            self._say("action.unknown", action_id, what, "Give the file that was posted.")
            return None
        taxpayers = {self.accounts[b.entry.account_key].taxpayer_id for b in main}
        touched: list[str] = []
        status = "reversed"
        for taxpayer in sorted(taxpayers):
            ledger = self._ledger(taxpayer)
            for key in sorted(ledger.states):
                journal = self._journal(ledger, key)
                own = _group(journal, action_id)
                if not own:
                    continue
                touched.append(self.accounts[key].account_id)
                if any(b.entry.source_id == _undo_id(action_id) for b in journal):
                    status = "known"
                elif not self._undo(ledger, journal, own, action_id):
                    return None
        for booked in main:
            if booked.entry.kind is Kind.SYMBOL_CHANGE and status == "reversed":
                self.symbols[booked.entry.body["security"]] = booked.entry.body["old_symbol"]
        return Undone(action_id, status, tuple(touched))

    def _undo(
        self, ledger: TaxpayerLedger, journal: list[Booked], own: list[Booked], action_id: str
    ) -> bool:
        key = own[0].entry.account_key
        name, now = self.accounts[key].account_id, ledger.states[key]
        history = _History(journal, own)
        ensure(history.contiguous, "an action's entries stand together", action=action_id)
        if blocking := history.dependents():
            listed = ", ".join(_words(b) for b in blocking[:_MOST])
            more = f" and {len(blocking) - _MOST} more" if len(blocking) > _MOST else ""
            what = f"{name}: later entries depend on it: {listed}{more}."
            remedy = "Reverse those first, or book a correcting action of its own."
            self._say("action.depended_on", action_id, what, remedy)
            return False
        body = history.restoring(action_id, self.reason)
        if now.cash_cents + sum(cents for _, cents in body["cash"]) < 0:
            what = f"{name} no longer holds the cash that the action brought."
            self._say("fact.no_cash", action_id, what, "Sell or deposit first.")
            return False
        day = now.last_day
        ledger.post(Entry(key, Kind.REVERSAL, day, day, _undo_id(action_id), body))
        return True

    def _ledger(self, taxpayer: str) -> TaxpayerLedger:
        if taxpayer not in self.ledgers:
            some = [a for a in self.accounts.values() if a.taxpayer_id == taxpayer]
            states = load_states(self.connection, sorted(a.account_key for a in some))
            self.ledgers[taxpayer] = TaxpayerLedger(
                [states[key] for key in sorted(states)],
                {a.account_key: a.taxed for a in some},
                self.groups,
                self.recorded_at,
            )
        return self.ledgers[taxpayer]

    def _journal(self, ledger: TaxpayerLedger, key: int) -> list[Booked]:
        fresh = [b for b in ledger.booked if b.entry.account_key == key]
        return read_journal(self.connection, [key]) + fresh

    def _say(self, code: str, action_id: str, what: str, remedy: str) -> None:
        self.findings.append(Finding("error", code, action_id, what, remedy))


class _History:
    """An account's journal around the entries to undo: the states before, after, and today."""

    def __init__(self, journal: list[Booked], own: list[Booked]) -> None:
        self.own = own
        first, last = own[0].seq, own[-1].seq
        self.contiguous = [b.seq for b in own] == list(range(first, last + 1))
        self.later = [b for b in journal if b.seq > last]
        state = new_account(own[0].entry.account_key)
        for booked in journal[: first - 1]:
            state = fold(state, booked)
        self.before = state
        for booked in journal[first - 1 : last]:
            state = fold(state, booked)
        self.after = state
        self.states = [state]
        for booked in self.later:
            self.states.append(fold(self.states[-1], booked))

    def dependents(self) -> list[Booked]:
        """Later entries that changed what the action left, or were paid on it; undone ones not."""
        lots = _changed(_lots(self.before), _lots(self.after))
        losses = _changed(_losses(self.before), _losses(self.after))
        securities = {row[_SECURITY] for row in lots.values() if row}
        undone = reversed_entries(self.later)
        found = []
        for booked, then, now in zip(self.later, self.states, self.states[1:], strict=False):
            if booked.seq in undone or booked.entry.kind is Kind.REVERSAL:
                continue
            moved = _moved(_lots(then), _lots(now), set(lots))
            day = booked.entry.trade_day
            expired = {k for k, v in _losses(then).items() if v[_SOLD] + WASH_DAYS < day}
            moved = moved or _moved(_losses(then), _losses(now), set(losses) - expired)
            paid = booked.entry.kind is Kind.DIVIDEND and securities & set(
                booked.entry.body["security"]
            )
            if moved or paid:
                found.append(booked)
        return found

    def restoring(self, action_id: str, reason: str) -> Body:
        """What the reversal puts back and takes away."""
        lots = _changed(_lots(self.before), _lots(self.after))
        losses = _changed(_losses(self.before), _losses(self.after))
        still = _losses(self.states[-1])
        old_lots = [_lots(self.before)[k] for k in lots if k in _lots(self.before)]
        old_losses = [_losses(self.before)[k] for k in losses if k in _losses(self.before)]
        return {
            "of": [b.seq for b in self.own],
            "ref": action_id,
            "reason": reason,
            "drop": [k for k in lots if k in _lots(self.after)],
            "lots": _as_columns(old_lots, LOT_COLUMNS),
            "drop_losses": [list(k) for k in losses if k in still],
            "losses": _as_columns(old_losses, LOSS_COLUMNS),
            "cash": [list(row) for row in _cash(self.own, self.before, self.after)],
            "years": _years(self.before, self.after),
        }


def _group(journal: Sequence[Booked], action_id: str) -> list[Booked]:
    """Entries of an action in one account: its own, and what followed from it at once."""
    source = source_of(action_id)
    return [
        b
        for b in journal
        if b.entry.source_id == source
        or (b.entry.source_id.startswith(f"{source}/") and b.entry.kind is not Kind.REVERSAL)
    ]


def _undo_id(action_id: str) -> str:
    return f"{source_of(action_id)}/reversal"


def _words(booked: Booked) -> str:
    entry = booked.entry
    return f"entry {booked.seq} ({entry.kind}, {iso_of(entry.trade_day)}, {entry.source_id})"


def _lots(state: AccountState) -> dict[int, Row]:
    columns = [getattr(state.lots, name).tolist() for name in LOT_COLUMNS]
    return {row[0]: row for row in zip(*columns, strict=True)}


def _losses(state: AccountState) -> dict[tuple[int, int], Row]:
    columns = [getattr(state.losses, name).tolist() for name in LOSS_COLUMNS]
    return {(row[0], row[1]): row for row in zip(*columns, strict=True)}


def _changed(before: dict[K, Row], after: dict[K, Row]) -> dict[K, Row]:
    """Keys whose row is new, gone or different, with one of their rows, in order of keys."""
    keys = [k for k in before | after if before.get(k) != after.get(k)]
    return {k: (after.get(k) or before[k]) for k in sorted(keys)}


def _moved(then: dict[K, Row], now: dict[K, Row], keys: set[K]) -> bool:
    return any(then.get(k) != now.get(k) for k in keys)


def _as_columns(rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[int]]:
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _cash(
    own: Sequence[Booked], before: AccountState, after: AccountState
) -> Iterator[tuple[int, int]]:
    """Cash to take back, by the day on which it settles."""
    rest = before.cash_cents - after.cash_cents
    for booked in own:
        entry = booked.entry
        if entry.settle_day > entry.trade_day and "proceeds" in entry.body:
            cents = -int(sum(entry.body["proceeds"]))
            rest -= cents
            if cents:
                yield entry.settle_day, cents
    if rest:
        yield own[0].entry.trade_day, rest


def _years(before: AccountState, after: AccountState) -> list[list[int]]:
    then = {row[0]: row for row in before.years.tolist()}
    found = []
    for row in after.years.tolist():
        was = then.get(row[0], [row[0]] + [0] * (len(row) - 1))
        if row != was:
            found.append([row[0], *(a - b for a, b in zip(was[1:], row[1:], strict=True))])
    return found
