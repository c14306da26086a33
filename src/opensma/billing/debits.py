"""Collecting fees: what is open, instructions to the custodian, results, cash (B26, B27, F23).

An item is an invoice and an account that pays it; a reversal of the invoice belongs to the same
item, so that what was collected for it comes back by the next run.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

from opensma.billing.exact import refuse
from opensma.book.debits import (
    DebitRow,
    ResultRow,
    all_debits,
    charges,
    debit_key,
    fee_cash,
    fee_entry,
    newest_day,
    put_debits,
)
from opensma.book.fold import book as fold_in
from opensma.book.invoices import InvoiceRow, all_invoices
from opensma.book.journal import Booked
from opensma.book.ledger import append, load_states
from opensma.book.master import AccountRecord, all_records
from opensma.book.state import AccountState
from opensma.book.store import Book, Connection
from opensma.calendar import is_session, next_session
from opensma.errors import Finding, ensure
from opensma.units import dollars, parse_cents

STATUSES = ("accepted", "partial", "rejected")
_DAYS_AHEAD = 10  # of the first day that is still open


@dataclass(frozen=True, slots=True)
class Item:
    """One invoice and one account that pays it, with all that was sent for it."""

    invoice: InvoiceRow  # the one that was billed first
    cites: str  # it, or its reversal
    account_id: str
    due_cents: int
    sent: tuple[tuple[DebitRow, ResultRow | None], ...]

    @property
    def paid_cents(self) -> int:
        """What left the account for it, less what came back."""
        return sum(result.paid_cents for _, result in self.sent if result is not None)

    @property
    def open_cents(self) -> int:
        """What is still to be taken, or to be given back where negative."""
        return self.due_cents - self.paid_cents

    @property
    def awaiting(self) -> bool:
        """Whether an instruction has no result yet."""
        return any(result is None for _, result in self.sent)

    @property
    def failed(self) -> bool:
        """Whether the newest instruction did not bring its amount: no blind retry (B27)."""
        debit, result = self.sent[-1] if self.sent else (None, None)
        if debit is None or result is None or self.open_cents == 0:
            return False
        return debit.invoice_id == self.cites and result.status != "accepted"

    @property
    def state(self) -> str:
        """Where the item stands, in one word."""
        if self.awaiting:
            return "sent"
        if self.open_cents == 0:
            return "settled"
        newest = self.sent[-1][1] if self.failed else None
        return "not sent" if newest is None else newest.status

    @property
    def since(self) -> date:
        """From when it is open: advance fees from the first day served, others from the last."""
        row = self.invoice
        return date.fromisoformat(row.service_start if row.timing == "advance" else row.service_end)


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A debit that was not sent, or not booked, because the account lacks settled cash (B26)."""

    account_id: str
    invoice_id: str
    amount_cents: int
    cash_cents: int


@dataclass
class Collected:
    """What one run did."""

    day: date
    debits: list[DebitRow] = field(default_factory=list)  # sent now
    results: list[ResultRow] = field(default_factory=list)  # booked now
    shortfalls: list[Shortfall] = field(default_factory=list)
    held: list[Item] = field(default_factory=list)  # awaiting a result, or failed before
    findings: list[Finding] = field(default_factory=list)
    settled: int = 0  # items with nothing left to do


@dataclass(frozen=True, slots=True)
class Answer:
    """One row of a custodian's file."""

    status: str
    paid_cents: int | None  # None: all of it
    reason: str


def items(connection: Connection, period: str = "") -> list[Item]:
    """Every item of a period (of all periods when empty), settled ones too."""
    rows = all_invoices(connection)
    turned = {r.reversal_of: r.invoice_id for r in rows if r.reversal_of is not None}
    due: dict[tuple[str, str], int] = {}
    origin = {r.invoice_id: r.reversal_of or r.invoice_id for r in rows}
    for (invoice_id, account_id), cents in charges(connection).items():
        place = origin[invoice_id], account_id
        due[place] = due.get(place, 0) + cents
    sent: dict[tuple[str, str], list[tuple[DebitRow, ResultRow | None]]] = {}
    for debit, result in all_debits(connection):
        place = origin[debit.invoice_id], debit.paying_account_id
        sent.setdefault(place, []).append((debit, result))
    by_id = {r.invoice_id: r for r in rows}
    found = [
        Item(by_id[one], turned.get(one, one), account, cents, tuple(sent.get((one, account), ())))
        for (one, account), cents in due.items()
        if not period or by_id[one].period == period
    ]
    return sorted(found, key=lambda i: (i.since, i.invoice.invoice_id, i.account_id))


def open_items(book: Book) -> list[Item]:
    """Items that are not settled, the oldest first."""
    with book.read() as connection:
        return [i for i in items(connection) if i.open_cents or i.awaiting]


def item_findings(some: Sequence[Item]) -> list[Finding]:
    """F23: what a custodian did differs from the instruction, and is not made good."""
    found = []
    for item in some:
        answered = [(d, r) for d, r in item.sent if r is not None]
        if not answered or item.open_cents == 0:
            continue
        debit, result = answered[-1]
        if result.paid_cents != debit.amount_cents:
            reason = f" ({result.reason})" if result.reason else ""
            what = (
                f"Invoice {dollars(item.due_cents)}, instruction {dollars(debit.amount_cents)}, "
                f"{result.status} {dollars(result.paid_cents)}{reason}."
            )
            remedy = "Clear it with the custodian; sma bill collect --retry sends the rest."
            where = f"{item.account_id}, invoice {item.invoice.invoice_id}"
            found.append(Finding("error", "F23", where, what, remedy))
    return found


def collect(
    book: Book,
    period: str,
    recorded_at: str,
    *,
    day: date | None = None,
    answers: Mapping[str, Answer] | None = None,
    await_results: bool = False,
    retry: bool = False,
) -> Collected:
    """Send what is open and book what was paid; with `answers` book those and send nothing new.

    Without answers every debit counts as accepted, unless results are awaited. Running it again
    sends nothing twice. Money that comes back is booked before money that leaves.
    """
    with book.only_run(), book.write() as connection:
        when = _collecting_day(connection, day)
        found = items(connection, period)
        done = Collected(when, settled=sum(1 for i in found if not i.open_cents and not i.awaiting))
        cash = _Cash(connection, {i.account_id for i in found}, when, recorded_at)
        if answers is None:
            _send(done, found, cash, recorded_at, await_results=await_results, retry=retry)
        else:
            _answer(done, found, cash, recorded_at, answers)
        put_debits(connection, done.debits, done.results)
        cash.write(connection)
        done.findings = item_findings(items(connection, period))
    return done


def _send(
    done: Collected,
    found: Sequence[Item],
    cash: _Cash,
    recorded_at: str,
    *,
    await_results: bool,
    retry: bool,
) -> None:
    for item in sorted(found, key=lambda i: i.open_cents >= 0):
        if item.awaiting or (item.failed and not retry):
            done.held.append(item)
            continue
        if not item.open_cents:
            continue
        free = cash.free(item.account_id)
        if item.open_cents > free:
            short = Shortfall(item.account_id, item.cites, item.open_cents, free)
            done.shortfalls.append(short)
            continue
        attempt = len(item.sent) + 1
        debit = DebitRow(
            debit_key(item.cites, item.account_id, attempt), item.cites, item.account_id,
            item.invoice.period, attempt, done.day.isoformat(), item.open_cents, recorded_at,
        )  # fmt: skip
        done.debits.append(debit)
        if await_results:
            cash.promise(item.account_id, item.open_cents)
            continue
        done.results.append(
            ResultRow(debit.debit_id, "accepted", debit.amount_cents, "", debit.day, recorded_at)
        )
        cash.move(debit, debit.amount_cents)


def _answer(
    done: Collected,
    found: Sequence[Item],
    cash: _Cash,
    recorded_at: str,
    answers: Mapping[str, Answer],
) -> None:
    """Book a custodian's results; a result that is there already must be the same."""
    sent = {d.debit_id: (item, d, r) for item in found for d, r in item.sent}
    if unknown := sorted(answers.keys() - sent.keys()):
        refuse(
            "debit_unknown",
            f"No debit with the key {unknown[0]} was sent for this period.",
            where="--results",
            remedy="sma bill collect --await-results --out FILE writes what is sent, with keys.",
        )
    for key in sorted(answers, key=lambda k: (sent[k][1].amount_cents >= 0, k)):
        (_, debit, known), answer = sent[key], answers[key]
        paid = _paid(debit, answer)
        if known is not None:
            if (known.status, known.paid_cents) != (answer.status, paid):
                refuse(
                    "result_changed",
                    f"The book holds another result of {key}: {known.status}, "
                    f"{dollars(known.paid_cents)}.",
                    where="--results",
                    remedy="A result never changes; settle the difference with the custodian.",
                )
            continue
        free = cash.free(debit.paying_account_id)
        if paid > free:
            short = Shortfall(debit.paying_account_id, debit.invoice_id, paid, free)
            done.shortfalls.append(short)
            continue
        day = done.day.isoformat()
        done.results.append(ResultRow(key, answer.status, paid, answer.reason, day, recorded_at))
        if paid:
            cash.move(debit, paid)
    answered = {r.debit_id for r in done.results}
    done.held += [
        item
        for item in found
        if any(r is None and d.debit_id not in answered for d, r in item.sent)
    ]


def _paid(debit: DebitRow, answer: Answer) -> int:
    """Signed like the instruction; a partial amount lies strictly inside it."""
    if answer.status == "rejected":
        return 0
    sign = 1 if debit.amount_cents > 0 else -1
    cents = abs(debit.amount_cents) if answer.paid_cents is None else answer.paid_cents
    if answer.status == "partial" and not 0 < cents < abs(debit.amount_cents):
        refuse(
            "result_amount",
            f"A partial result of {dollars(debit.amount_cents)} cannot be {dollars(cents)}.",
            where=debit.debit_id,
            remedy="Give the amount that moved: more than nothing and less than all.",
        )
    return sign * cents


class _Cash:
    """Settled cash of the paying accounts, and the entries that move it."""

    def __init__(
        self, connection: Connection, account_ids: set[str], day: date, recorded_at: str
    ) -> None:
        self.day, self.recorded_at = day.toordinal(), recorded_at
        known = all_records(connection, AccountRecord)
        self.keys = {a.account_id: a.account_key for a in known if a.account_id in account_ids}
        keys = sorted(self.keys.values())
        self.states = load_states(connection, keys) if keys else {}
        self.promised: dict[str, int] = {}
        self.booked: list[Booked] = []

    def state(self, account_id: str) -> AccountState:
        return self.states[self.keys[account_id]]

    def free(self, account_id: str) -> int:
        """Cash that has settled and that no purchase is waiting for."""
        state = self.state(account_id)
        left = min(state.cash_cents, state.settled_cents(self.day))
        return max(0, left - self.promised.get(account_id, 0))

    def promise(self, account_id: str, cents: int) -> None:
        """Cash that an instruction without a result will take."""
        self.promised[account_id] = self.promised.get(account_id, 0) + max(0, cents)

    def move(self, debit: DebitRow, cents: int) -> None:
        """Book the entry; a day that the account is already past is refused."""
        state = self.state(debit.paying_account_id)
        if self.day < state.last_day:
            refuse(
                "collect_day",
                f"The account is booked through {date.fromordinal(state.last_day)}.",
                where=debit.paying_account_id,
                remedy="Collect on a later --date.",
            )
        entry = fee_entry(state.account_key, debit, cents, self.day)
        booked, after = fold_in(state, entry, self.recorded_at)
        self.states[state.account_key] = after
        self.booked.append(booked)

    def write(self, connection: Connection) -> None:
        """Append the entries with the states after them."""
        touched = {b.entry.account_key for b in self.booked}
        append(connection, self.booked, [self.states[key] for key in sorted(touched)])


def _collecting_day(connection: Connection, asked: date | None) -> date:
    """The first session that nobody has measured, so that its value already lacks the fee."""
    measured, booked = newest_day(connection)
    if measured is None:
        refuse("no_values", "The book has no daily values yet.", remedy="Run a trading day.")
    first = next_session(measured)
    if booked is not None and booked > first:
        first = booked if is_session(booked) else next_session(booked)
    if asked is None:
        return first
    last = first + timedelta(days=_DAYS_AHEAD)
    if not is_session(asked) or not first <= asked <= last:
        refuse(
            "collect_day",
            f"Fees can be collected on sessions from {first} to {last}: earlier days are measured, "
            "and later ones would close the days before them.",
            where=asked.isoformat(),
            remedy=f"Leave --date away: the next day is {first}.",
        )
    return asked


def read_answers(path: Path) -> dict[str, Answer]:
    """A custodian's results as CSV: key, status, amount, reason."""
    try:
        rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        refuse("results_file", str(error), where=str(path), remedy="Give a CSV file.")
    found: dict[str, Answer] = {}
    for number, row in enumerate(rows, 2):
        key, status = (row.get("key") or "").strip(), (row.get("status") or "").strip()
        amount, reason = (row.get("amount") or "").strip(), (row.get("reason") or "").strip()
        wrong = not key or key in found or status not in STATUSES
        wrong = wrong or (status == "partial" and not amount)
        wrong = wrong or (status == "rejected" and not reason)
        if wrong:
            refuse(
                "results_row",
                "A row needs a key that occurs once, a status (accepted, partial, rejected), an "
                "amount where partial, and a reason where rejected.",
                where=f"{path}, line {number}",
                remedy="Columns: key,status,amount,reason.",
            )
        found[key] = Answer(status, abs(parse_cents(amount, str(path))) if amount else None, reason)
    return found


def debit_file(debits: Sequence[DebitRow]) -> str:
    """The file for the custodian: account, amount, period, invoice, key (B27)."""
    lines = ["account,amount,period,invoice,key"]
    for row in debits:
        sign, cents = ("-" if row.amount_cents < 0 else ""), abs(row.amount_cents)
        amount = f"{sign}{cents // 100}.{cents % 100:02d}"
        parts = (row.paying_account_id, amount, row.period, row.invoice_id, row.debit_id)
        lines.append(",".join(parts))
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class FeeBalance:
    """The three accounts of fees (B37); what payees are owed is collected or still receivable."""

    day: date  # the newest that was measured
    payable_cents: int
    collected_cents: int  # cash, read from the journals
    receivable_cents: int


def fee_balance(book: Book) -> FeeBalance:
    """The trial balance of fees; InvariantError unless it sums to zero."""
    with book.read() as connection:
        measured, booked = newest_day(connection)
        payable = sum(charges(connection).values())
        receivable = sum(item.open_cents for item in items(connection))
        keys = [a.account_key for a in all_records(connection, AccountRecord)]
        moved = fee_cash(connection, keys)
    collected = sum(cents for rows in moved.values() for _, cents in rows)
    ensure(
        payable == collected + receivable,
        "the fees' trial balance is not zero",
        payable=payable,
        collected=collected,
        receivable=receivable,
    )
    return FeeBalance(measured or booked or date.min, payable, collected, receivable)
