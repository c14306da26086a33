"""Prove the book: fold every journal again from its first entry and compare all that follows.

Nothing here trusts a stored result. Each difference is a Finding that names account, entry and
remedy; an empty list means that hashes, lots, totals, wash sales, plans and trades all agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from opensma.book import schema
from opensma.book.debits import fee_findings
from opensma.book.facts import History, Naming, identical_groups, moves_lots, name_all
from opensma.book.fold import fold
from opensma.book.journal import SALES, Booked, Kind, chain
from opensma.book.law import reading_of
from opensma.book.law_check import law_findings
from opensma.book.ledger import booked_of
from opensma.book.master import AccountRecord, all_records, find_account
from opensma.book.reversing import reversal_findings, reversed_entries
from opensma.book.snapshot import checksum, differences, pack, unpack
from opensma.book.state import AccountState, new_account
from opensma.book.store import Book
from opensma.book.verify_trades import trade_findings
from opensma.errors import Finding, OpensmaError
from opensma.workers import Workers, map_shards

_SHARD = 8  # taxpayers per task
_MALFORMED = (OpensmaError, KeyError, ValueError, TypeError, IndexError, OverflowError)
REBUILD = "sma book rebuild --account {} makes the stored state again from the journal."
RESTORE = "Restore the journal from a copy; nothing of this account can be trusted after here."


@dataclass(frozen=True, slots=True)
class Member:
    """An account to verify."""

    account_id: str
    account_key: int


@dataclass
class Replayed:
    """One account folded again: its entries, its state, and what was wrong on the way."""

    member: Member
    entries: list[Booked] = field(default_factory=list)
    state: AccountState | None = None  # None where the journal could not be folded to its end
    findings: list[Finding] = field(default_factory=list)


def verify(
    book: Book,
    *,
    workers: Workers = 1,
    progress: Callable[[int], None] = lambda _accounts: None,
) -> list[Finding]:
    """Every difference between the journal and what the book says follows from it."""
    with book.read() as connection:
        households = _households(connection)
        findings = _orphans(connection) + _fills(connection) + fee_findings(connection)
    shards = [households[i : i + _SHARD] for i in range(0, len(households), _SHARD)]
    found = map_shards(verify_shard, book.url, shards, workers)
    for shard, some in zip(shards, found, strict=True):
        findings += some
        progress(sum(len(members) for members in shard))
    return findings


def verify_shard(url: str, shard: Sequence[Sequence[Member]]) -> list[Finding]:
    """Verify some taxpayers; runs in a worker process with its own connection."""
    found: list[Finding] = []
    with Book(url).read() as connection:
        identical = identical_groups(connection)
        for members in shard:
            naming = Naming()
            accounts = [_replay(connection, member, naming) for member in members]
            for account in accounts:
                found += account.findings
                found += _snapshot(connection, account)
                if account.state is not None:
                    found += reversal_findings(account.member.account_id, account.entries)
                found += trade_findings(connection, account.member.account_id, account.entries)
            found += _washes(accounts)
            found += _law(connection, accounts, naming, identical)
    return found


def _households(connection: Connection) -> list[list[Member]]:
    grouped: dict[str, list[Member]] = {}
    for account in sorted(all_records(connection, AccountRecord), key=lambda a: a.account_key):
        member = Member(account.account_id, account.account_key)
        grouped.setdefault(account.taxpayer_id, []).append(member)
    return list(grouped.values())


# --- the journal ---------------------------------------------------------------------------------


def _replay(connection: Connection, member: Member, naming: Naming) -> Replayed:
    table = schema.journal
    query = select(table).where(table.c.account_key == member.account_key).order_by(table.c.seq)
    done = Replayed(member)
    state: AccountState | None = new_account(member.account_key)
    head, seq = new_account(member.account_key).head_hash, 0
    for row in connection.execute(query):
        done.findings += _row_findings(member, row, head, seq)
        head, seq = row.hash, row.seq
        state = _next(done, state, row, naming)
    done.state = state
    return done


def _row_findings(member: Member, row: Any, head: str, seq: int) -> list[Finding]:
    """What the row itself shows: gap, broken chain, changed content."""
    where = f"{member.account_id}, entry {row.seq} ({row.kind}, {row.trade_day})"
    found = []
    if row.seq != seq + 1:
        found.append(_error("journal.gap", where, f"The entry follows entry {seq}.", RESTORE))
    elif row.previous_hash != head:
        what = "The entry does not continue the one before it."
        found.append(_error("journal.chain_broken", where, what, RESTORE))
    if _digest(row) != row.hash:
        what = "The entry's content does not match its hash: it was changed after it was booked."
        found.append(_error("journal.tampered", where, what, RESTORE))
    return found


def _digest(row: Any) -> str:
    """The hash that the row's columns give; empty where they cannot even be read."""
    try:
        booked = booked_of(tuple(row))
    except _MALFORMED:
        return ""
    return chain(booked.entry, row.seq, row.recorded_at, row.body, row.previous_hash)


def _next(
    done: Replayed, state: AccountState | None, row: Any, naming: Naming
) -> AccountState | None:
    """The state after the row. After the first failure nothing more is folded or reported."""
    try:
        booked = booked_of(tuple(row))
        done.entries.append(booked)
        if state is None:
            return None
        naming.see(state, booked)
        return fold(state, booked)
    except _MALFORMED as error:
        if not done.findings:
            where = f"{done.member.account_id}, entry {row.seq} ({row.kind}, {row.trade_day})"
            what = f"The entry cannot follow from the ones before it: {error}"
            done.findings.append(_error("journal.not_lawful", where, what, RESTORE))
        return None


# --- the stored state ----------------------------------------------------------------------------


def _snapshot(connection: Connection, account: Replayed) -> list[Finding]:
    """The stored state against the fold: checksum, position, then every lot and total."""
    name, table = account.member.account_id, schema.account_state
    key = account.member.account_key
    row = connection.execute(select(table).where(table.c.account_key == key)).first()
    remedy = REBUILD.format(name)
    if row is None:
        what = "The journal has entries and no state is stored."
        return [_error("snapshot.missing", name, what, remedy)] if account.entries else []
    body = bytes(row.body)
    if checksum(body) != row.checksum:
        return [_error("snapshot.corrupt", name, "The state does not match its checksum.", remedy)]
    state = account.state
    if state is None:
        return []  # the journal's own finding says why there is nothing to compare
    if pack(state) == body and (state.seq, state.head_hash) == (row.seq, row.head_hash):
        return []
    try:
        differing = differences(state, unpack(body, row.head_hash))
    except _MALFORMED:
        differing = ["layout"]
    what = f"The state differs from its journal in: {', '.join(differing)}."
    return [_error("snapshot.differs", name, what, remedy)]


# --- wash sales over a taxpayer ------------------------------------------------------------------

Side = tuple[int, int, int, int, int]  # loss account, entry, lot; replacement account, lot


def _washes(accounts: Sequence[Replayed]) -> list[Finding]:
    """Each adjustment cites a loss that exists, and both sides of every match agree."""
    names = {a.member.account_key: a.member.account_id for a in accounts}
    losses: dict[tuple[int, int, int], int] = {}
    given: dict[Side, Counter[str]] = {}
    taken: dict[Side, Counter[str]] = {}
    for account in accounts:
        undone = reversed_entries(account.entries)
        for booked in account.entries:
            if booked.seq not in undone:
                _collect(booked, losses, given, taken)
    found = []
    # A restatement changes what was lost; there the reference engine knows, and is asked below.
    restated = any(b.entry.kind is Kind.RESTATEMENT for a in accounts for b in a.entries)
    for side in sorted(given.keys() | taken.keys()):
        where = _match_place(side, names)
        if side[:3] not in losses and not restated:
            what = "A wash sale cites a sale at a loss that the journal does not hold."
            found.append(_error("wash.no_loss", where, what, RESTORE))
        elif given.get(side) != taken.get(side):
            what = "The loss disallowed and the adjustment of the replacement differ."
            found.append(_error("wash.unequal", where, what, RESTORE))
    for loss, cents in () if restated else losses.items():
        total = sum(c["cents"] for side, c in given.items() if side[:3] == loss)
        if total > cents:
            where = f"{names[loss[0]]}, entry {loss[1]}, lot {loss[2]}"
            what = f"{total} cents are disallowed of a loss of {cents}."
            found.append(_error("wash.too_much", where, what, RESTORE))
    return found


def _collect(
    booked: Booked,
    losses: dict[tuple[int, int, int], int],
    given: dict[Side, Counter[str]],
    taken: dict[Side, Counter[str]],
) -> None:
    entry, body, key = booked.entry, booked.entry.body, booked.entry.account_key
    if entry.kind in SALES:
        for lot, proceeds, basis in zip(body["lot"], body["proceeds"], body["basis"], strict=True):
            if proceeds < basis:
                losses[key, booked.seq, lot] = basis - proceeds
    elif entry.kind is Kind.LOSS_DISALLOWED:
        names = ("seq", "lot", "into_account", "into_lot", "quantity", "cents")
        for seq, lot, into, into_lot, micros, cents in zip(
            *(body[name] for name in names), strict=True
        ):
            side = (key, seq, lot, into, into_lot)
            given.setdefault(side, Counter()).update(quantity=micros, cents=cents)
    elif entry.kind is Kind.WASH_ADJUSTMENT:
        names = ("loss_account", "loss_seq", "loss_lot", "lot", "quantity", "cents")
        for account, seq, lot, into_lot, micros, cents in zip(
            *(body[name] for name in names), strict=True
        ):
            side = (account, seq, lot, key, into_lot)
            taken.setdefault(side, Counter()).update(quantity=micros, cents=cents)
    elif entry.kind is Kind.RESTATEMENT:
        for sides, rows in ((given, body["given"]), (taken, body["taken"])):
            for *place, micros, cents in rows:
                side = (place[0], place[1], place[2], place[3], place[4])
                sides.setdefault(side, Counter()).update(quantity=micros, cents=cents)


def _match_place(side: Side, names: dict[int, str]) -> str:
    loss = names.get(side[0], f"account key {side[0]}")
    into = names.get(side[3], f"account key {side[3]}")
    return f"{loss}, entry {side[1]}, lot {side[2]} -> {into}, lot {side[4]}"


# --- the reference engine over a taxpayer ---------------------------------------------------------


def _law(
    connection: Connection,
    accounts: Sequence[Replayed],
    naming: Naming,
    identical: Sequence[Sequence[str]],
) -> list[Finding]:
    """The folded states against the wider reading of the law, in the order of trade days (D6)."""
    states = {a.member.account_key: a.state for a in accounts if a.state is not None}
    if len(states) != len(accounts):
        return []  # the journal's own finding says why there is nothing to compare
    records = [find_account(connection, a.member.account_id) for a in accounts]
    if any(moves_lots(a.entries) for a in accounts):
        naming, _ = name_all({a.member.account_key: a.entries for a in accounts})
    history = History(tuple(records), naming, states, identical)
    try:
        return law_findings(reading_of(history), states)
    except _MALFORMED as error:
        what = f"The reference engine refuses the history: {error}"
        return [_error("law.refused", records[0].taxpayer_id, what, RESTORE)]


# --- over the whole book -------------------------------------------------------------------------


def _orphans(connection: Connection) -> list[Finding]:
    found = []
    for table in (schema.journal, schema.account_state):
        known = select(schema.accounts.c.account_key)
        keys = connection.execute(
            select(table.c.account_key).where(table.c.account_key.not_in(known)).distinct()
        ).scalars()
        what = "There are facts of an account that the book does not know."
        found += [
            _error(f"{table.name}.orphan", f"account key {key}", what, RESTORE)
            for key in sorted(keys)
        ]
    return found


def _fills(connection: Connection) -> list[Finding]:
    """Every fill is allocated whole, and no order is filled beyond its quantity."""
    fills, allocations, orders = schema.fills, schema.allocations, schema.orders
    micros = func.coalesce(func.sum(func.abs(allocations.c.quantity_micros)), 0)
    query = (
        select(fills.c.fill_id, fills.c.quantity_micros, micros)
        .join(allocations, allocations.c.fill_id == fills.c.fill_id, isouter=True)
        .group_by(fills.c.fill_id, fills.c.quantity_micros)
    )
    what = "The allocations of the fill do not add up to it."
    found = [
        _error("fill.unequal", name, what, RESTORE)
        for name, filled, allocated in connection.execute(query)
        if filled != allocated
    ]
    filled = func.sum(fills.c.quantity_micros)
    query = (
        select(orders.c.order_id, orders.c.quantity_micros, filled)
        .join(fills, fills.c.order_id == orders.c.order_id)
        .group_by(orders.c.order_id, orders.c.quantity_micros)
    )
    what = "More was filled than ordered."
    found += [
        _error("order.overfilled", name, what, RESTORE)
        for name, ordered, done in connection.execute(query)
        if done > ordered
    ]
    return sorted(found, key=lambda f: (f.code, f.where))


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding("error", code, where, what, remedy)
