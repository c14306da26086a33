"""Make stored states again from the journal: the cure for a damaged snapshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from opensma.book import schema
from opensma.book.fold import fold
from opensma.book.journal import chain
from opensma.book.ledger import put_rows, read_journal, state_row
from opensma.book.master import AccountRecord, all_records, find_account
from opensma.book.state import AccountState, new_account
from opensma.book.store import Book
from opensma.errors import BookError

_BATCH = 50  # accounts per transaction


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """How many accounts were folded again, and which of them had been stored otherwise."""

    accounts: int
    changed: tuple[str, ...]


def rebuild(
    book: Book,
    account_ids: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _accounts: None,
) -> Rebuilt:
    """Fold the journals of some accounts (all when none is named) and store their states.

    BookError journal.damaged where a journal does not match its hashes; nothing is stored of the
    account then. Safe to run at any time between days.
    """
    with book.only_run():
        with book.read() as connection:
            accounts = _chosen(connection, account_ids)
        changed: list[str] = []
        for start in range(0, len(accounts), _BATCH):
            some = accounts[start : start + _BATCH]
            with book.write() as connection:
                changed += _rebuild(connection, some)
            progress(len(some))
    return Rebuilt(len(accounts), tuple(changed))


def _chosen(connection: Connection, account_ids: Sequence[str]) -> list[AccountRecord]:
    if account_ids:
        return [find_account(connection, account_id) for account_id in dict.fromkeys(account_ids)]
    return sorted(all_records(connection, AccountRecord), key=lambda a: a.account_key)


def _rebuild(connection: Connection, accounts: Sequence[AccountRecord]) -> list[str]:
    table = schema.account_state
    keys = [account.account_key for account in accounts]
    stored = {
        row.account_key: (row.seq, row.head_hash, row.checksum, bytes(row.body))
        for row in connection.execute(select(table).where(table.c.account_key.in_(keys)))
    }
    states = {account.account_id: _replayed(connection, account) for account in accounts}
    rows = [(name, state_row(state)) for name, state in states.items() if state.seq]
    changed = [(name, row) for name, row in rows if stored.get(row[0]) != row[1:]]
    put_rows(connection, [], [row for _, row in changed])
    return [name for name, _ in changed]


def _replayed(connection: Connection, account: AccountRecord) -> AccountState:
    state = new_account(account.account_key)
    for booked in read_journal(connection, [account.account_key]):
        digest = chain(
            booked.entry, booked.seq, booked.recorded_at, booked.text, booked.previous_hash
        )
        if digest != booked.hash or booked.previous_hash != state.head_hash:
            raise BookError(
                "journal.damaged",
                f"Entry {booked.seq} of the journal does not match its hash.",
                where=account.account_id,
                remedy="sma book verify lists every difference; restore the journal from a copy.",
            )
        state = fold(state, booked)
    return state
