"""An export that lets accounts be moved, proven and audited without this program.

    DIR/export.json                    what is in it: book hash, accounts, rows and SHA-256 per file
    DIR/tables/<table>.parquet         the book's tables, rows in order of their key
    DIR/lots.parquet, losses.parquet   account states decoded: open lots, losses in their window
    DIR/journal/<account>.jsonl        every journal entry with its hashes, one JSON object a line

With accounts named, only what belongs to them is written. DIR appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Double, LargeBinary, Table, Text, select

from opensma.book import schema
from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, Security, all_records, find_account
from opensma.book.parquet import write_parquet
from opensma.book.proof import book_hash, ordered_rows
from opensma.book.state import LOSS_COLUMNS, AccountState
from opensma.book.store import HEAD, Book
from opensma.errors import BookError
from opensma.tax.lots import LOT_COLUMNS

_LEFT_OUT = {
    "account_state",  # a cache: decoded in lots.parquet, made again from the journal
    "grants",
    "users",  # who may look is a matter of this installation
    "settings",
    "progress",
    "journal",  # in files of its own, with its text untouched
}
# Totals over the whole book and terms of other clients: nobody else's business.
_OF_EVERYBODY = {"stages", "fee_terms", "billing_runs"}
_BATCH = 50


def export_book(
    book: Book,
    out: Path,
    account_ids: Sequence[str] = (),
    progress: Callable[[int], None] = lambda _accounts: None,
) -> dict[str, Any]:
    """Write the export and return its manifest. BookError when DIR exists or an account does not.

    The whole book when no account is named; the manifest then carries the book's hash.
    """
    if out.exists():
        raise BookError(
            "export.exists",
            "There is something here already.",
            where=str(out),
            remedy="Give another --out, or move this one away.",
        )
    with book.read() as connection:
        accounts = _chosen(connection, account_ids)
    incoming = out.with_name(f".{out.name}.incoming-{os.getpid()}")
    try:
        (incoming / "tables").mkdir(parents=True)
        (incoming / "journal").mkdir()
        with book.read() as connection:
            rows = _write(connection, accounts, bool(account_ids), incoming, progress)
        digest = None if account_ids else book_hash(book)
        manifest = _manifest(incoming, accounts, rows, digest)
        incoming.rename(out)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return manifest


def _chosen(connection: Connection, account_ids: Sequence[str]) -> list[AccountRecord]:
    if account_ids:
        return [find_account(connection, account_id) for account_id in dict.fromkeys(account_ids)]
    return sorted(all_records(connection, AccountRecord), key=lambda a: a.account_key)


def _write(
    connection: Connection,
    accounts: Sequence[AccountRecord],
    some: bool,
    folder: Path,
    progress: Callable[[int], None],
) -> dict[str, int]:
    rows = {}
    for name, table in sorted(schema.metadata.tables.items()):
        if name in _LEFT_OUT or (some and name in _OF_EVERYBODY):
            continue
        path = folder / "tables" / f"{name}.parquet"
        where = _belongs(table, accounts) if some else None
        found = ordered_rows(connection, table, list(table.columns), where)
        rows[f"tables/{name}.parquet"] = write_parquet(path, _layout(table), found)
    securities = {s.security_key: s for s in all_records(connection, Security)}
    lots: list[tuple[Any, ...]] = []
    losses: list[tuple[Any, ...]] = []
    for start in range(0, len(accounts), _BATCH):
        part = accounts[start : start + _BATCH]
        states = load_states(connection, [a.account_key for a in part])
        for account in part:
            path = folder / "journal" / f"{account.account_id}.jsonl"
            rows[f"journal/{path.name}"] = _write_journal(connection, account, path)
            lots += _lots(account.account_id, states[account.account_key], securities)
            losses += _losses(account.account_id, states[account.account_key], securities)
        progress(len(part))
    rows["lots.parquet"] = write_parquet(folder / "lots.parquet", _LOTS, lots)
    rows["losses.parquet"] = write_parquet(folder / "losses.parquet", _LOSSES, losses)
    return rows


# --- which rows belong to some accounts ----------------------------------------------------------


def _belongs(table: Table, accounts: Sequence[AccountRecord]) -> Any:
    """The condition that keeps a table to what belongs to the accounts; None keeps all of it."""
    columns = table.columns
    ids = [a.account_id for a in accounts]
    if "account_id" in columns:
        return columns["account_id"].in_(ids)
    if "account_key" in columns:
        return columns["account_key"].in_([a.account_key for a in accounts])
    own = {
        "taxpayers": ("taxpayer_id", [a.taxpayer_id for a in accounts]),
        "tax_profiles": ("taxpayer_id", [a.taxpayer_id for a in accounts]),
        "owners": ("owner_id", [a.owner_id for a in accounts]),
        "advisors": ("advisor_id", [a.advisor_id for a in accounts]),
        "strategies": ("strategy_id", [a.strategy_id for a in accounts]),
    }
    if table.name in own:
        name, values = own[table.name]
        return columns[name].in_(values)
    if table is schema.invoices:
        billed = schema.invoice_lines
        mine = select(billed.c.invoice_id).where(billed.c.account_id.in_(ids))
        return columns["invoice_id"].in_(mine)
    if table in (schema.debits, schema.debit_results):
        sent = schema.debits
        debited = select(sent.c.debit_id).where(sent.c.paying_account_id.in_(ids))
        return columns["debit_id"].in_(debited)
    given = schema.allocations
    fills = select(given.c.fill_id).where(given.c.account_id.in_(ids))
    if table is schema.fills:
        return columns["fill_id"].in_(fills)
    if table is schema.orders:
        filled = schema.fills
        return columns["order_id"].in_(select(filled.c.order_id).where(filled.c.fill_id.in_(fills)))
    return None  # the world's names, programs and the log of days: nobody's in particular


# --- rows ----------------------------------------------------------------------------------------


def _layout(table: Table) -> dict[str, str]:
    """Column names with their Parquet types."""
    kinds = ((LargeBinary, "BLOB"), (Text, "VARCHAR"), (Double, "DOUBLE"))
    return {
        column.name: next((sql for kind, sql in kinds if isinstance(column.type, kind)), "BIGINT")
        for column in table.columns
    }


_LOTS = {
    "account_id": "VARCHAR",
    "lot": "BIGINT",
    "acquisition": "BIGINT",
    "security_id": "VARCHAR",
    "symbol": "VARCHAR",
    "acquired": "DATE",
    "holding_from": "DATE",
    "quantity_micros": "BIGINT",
    "basis_cents": "BIGINT",
    "wash_cents": "BIGINT",
    "replaces": "BIGINT",
    "purchase": "BIGINT",
    "inherited": "BIGINT",
    "loss_basis_cents": "BIGINT",
    "origin": "BIGINT",
}
_LOSSES = {
    "account_id": "VARCHAR",
    "seq": "BIGINT",
    "lot": "BIGINT",
    "acquisition": "BIGINT",
    "security_id": "VARCHAR",
    "symbol": "VARCHAR",
    "acquired": "DATE",
    "holding_from": "DATE",
    "sold": "DATE",
    "quantity_micros": "BIGINT",
    "loss_cents": "BIGINT",
    "proceeds_cents": "BIGINT",
    "harvest": "BIGINT",
    "inherited": "BIGINT",
    "origin": "BIGINT",
}
_DAYS = {"acquired_day", "holding_day", "sold_day"}


def _lots(
    account_id: str, state: AccountState, securities: dict[int, Security]
) -> Iterator[tuple[Any, ...]]:
    return _decoded(account_id, state.lots, LOT_COLUMNS, securities)


def _losses(
    account_id: str, state: AccountState, securities: dict[int, Security]
) -> Iterator[tuple[Any, ...]]:
    return _decoded(account_id, state.losses, LOSS_COLUMNS, securities)


def _decoded(
    account_id: str, columns: Any, names: Sequence[str], securities: dict[int, Security]
) -> Iterator[tuple[Any, ...]]:
    """Rows of a table of the state: keys as ids, days as dates, in the order of its columns."""
    for values in zip(*(getattr(columns, name).tolist() for name in names), strict=True):
        row: list[Any] = [account_id]
        for name, value in zip(names, values, strict=True):
            if name == "security":
                row += [securities[value].security_id, securities[value].symbol]
            else:
                row.append(date.fromordinal(value).isoformat() if name in _DAYS else value)
        yield tuple(row)


def _write_journal(connection: Connection, account: AccountRecord, path: Path) -> int:
    """One JSON object a line; `body` is text, byte for byte what the hash covers."""
    table, count = schema.journal, 0
    where = table.c.account_key == account.account_key
    names = [column.name for column in table.columns]
    with path.open("w", encoding="utf-8") as file:
        for row in ordered_rows(connection, table, list(table.columns), where):
            file.write(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n")
            count += 1
    return count


def _manifest(
    folder: Path, accounts: Sequence[AccountRecord], rows: dict[str, int], digest: str | None
) -> dict[str, Any]:
    files = [
        {"file": name, "rows": count, "sha256": _sha256(folder / name)}
        for name, count in sorted(rows.items())
    ]
    manifest = {
        "schema": HEAD,
        "book_hash": digest,
        "accounts": [a.account_id for a in accounts],
        "files": files,
    }
    (folder / "export.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    return manifest


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
