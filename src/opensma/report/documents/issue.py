"""Issuing: statements or tax packs of many accounts, and the index that says what was issued.

`index.json` beside the files has one row for each document ever issued there: SHA-256, template
version, data hash, engine version and what it supersedes (P19). Rows are only ever added, a file
is never written over, and the same book gives the same bytes for any number of workers (P20).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from opensma import __version__
from opensma.billing.cycle import Period, parse_period
from opensma.book.market_link import market_of
from opensma.book.master import AccountRecord, all_records
from opensma.book.store import Book, open_book
from opensma.book.taxviews import tax_year
from opensma.errors import InputError
from opensma.report.documents.desk import Desk, open_desk
from opensma.report.documents.render import (
    data_hash,
    must_have_typst,
    render,
    template_version,
)
from opensma.report.documents.statement import statement_data
from opensma.report.documents.tax_pack import tax_pack_data
from opensma.workers import Workers, map_shards

INDEX = "index.json"
_SHARD = 10  # accounts; small, so that no worker ends long after the others
_QUIET = ("statement.not_funded", "tax.as_of")  # no fault: there is nothing to state yet


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """One document that was issued (P19)."""

    document: str  # what it is: kind/period/account
    version: int
    file: str
    sha256: str
    data_hash: str
    template: str
    template_version: str
    engine_version: str
    supersedes: str | None  # SHA-256 of the version before


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that was not issued."""

    account_id: str
    code: str
    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Issued:
    """What a run made: new rows, documents that stand unchanged, and what was refused."""

    rows: tuple[DocumentRow, ...]
    unchanged: tuple[DocumentRow, ...]
    refused: tuple[Refused, ...]
    not_funded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Order:
    """What every worker has to know."""

    kind: str  # statement or tax_pack
    book_url: str
    market: str | None
    period: str  # 2024Q4; of tax packs the year
    folder: str


def issue_statements(
    book_url: str,
    market: Path | None,
    period: Period,
    account_ids: Sequence[str],
    folder: Path,
    workers: Workers = 1,
    advance: Callable[[int], None] = lambda _steps: None,
) -> Issued:
    """Write the statements of a period into a folder and add them to its index.

    Without `account_ids` every account of the book; one that was not funded yet has none.
    """
    must_have_typst()
    where = None if market is None else str(market)
    order = _Order("statement", book_url, where, period.name, str(folder))
    _desk.cache_clear()  # the book may have changed since the last order
    desk = _desk(order)  # refuses before anything is written
    return _issue_all(order, account_ids, set(desk.accounts), workers, advance)


def issue_tax_packs(
    book_url: str,
    year: int,
    account_ids: Sequence[str],
    folder: Path,
    workers: Workers = 1,
    advance: Callable[[int], None] = lambda _steps: None,
) -> Issued:
    """Write the tax packs of a year into a folder, as `issue_statements` does its statements."""
    must_have_typst()
    order = _Order("tax_pack", book_url, None, str(year), str(folder))
    _book.cache_clear()
    with open_book(book_url).read() as connection:
        known = {a.account_id for a in all_records(connection, AccountRecord)}
    return _issue_all(order, account_ids, known, workers, advance)


def _issue_all(
    order: _Order,
    account_ids: Sequence[str],
    accounts: set[str],
    workers: Workers,
    advance: Callable[[int], None],
) -> Issued:
    unknown = [name for name in account_ids if name not in accounts]
    if unknown:
        raise InputError(
            "account.unknown",
            f"The book has no account '{unknown[0]}'.",
            where=unknown[0],
            remedy="sma account list shows the accounts.",
        )
    wanted, folder = sorted(set(account_ids) or accounts), Path(order.folder)
    folder.mkdir(parents=True, exist_ok=True)
    index = read_index(folder)
    before = {row.document: row for row in index}
    shards = [
        [(name, before.get(_document(order, name))) for name in wanted[i : i + _SHARD]]
        for i in range(0, len(wanted), _SHARD)
    ]
    made: list[DocumentRow] = []
    kept: list[DocumentRow] = []
    refused: list[Refused] = []
    for shard, results in zip(shards, map_shards(_issue_some, order, shards, workers), strict=True):
        for (_, old), result in zip(shard, results, strict=True):
            if isinstance(result, Refused):
                refused.append(result)
            else:
                (kept if result == old else made).append(result)
        advance(len(shard))
    write_index(folder, [*index, *made])
    explicit = bool(account_ids)
    quiet = tuple(r.account_id for r in refused if r.code in _QUIET and not explicit)
    loud = tuple(r for r in refused if r.account_id not in quiet)
    return Issued(tuple(made), tuple(kept), loud, quiet)


def read_index(folder: Path) -> list[DocumentRow]:
    """The rows of a folder's index in the order of issue; none where there is no index."""
    path = folder / INDEX
    if not path.exists():
        return []
    try:
        return [DocumentRow(**row) for row in json.loads(path.read_text("utf-8"))["documents"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "documents.index",
            f"The index cannot be read: {error}.",
            where=str(path),
            remedy="Put the index back as it was written, or choose an empty folder.",
        ) from error


def write_index(folder: Path, rows: Sequence[DocumentRow]) -> None:
    """Write the index, sorted by document and version, in one step."""
    ordered = sorted(rows, key=lambda row: (row.document, row.version))
    text = json.dumps({"documents": [asdict(row) for row in ordered]}, indent=1) + "\n"
    _write(folder / INDEX, text.encode())


def put_document(
    folder: Path,
    document: str,
    template: str,
    data: Mapping[str, Any],
    pdf: bytes,
    old: DocumentRow | None,
) -> DocumentRow:
    """Write one document, as a new version where it differs from the one issued before."""
    digest = sha256(pdf).hexdigest()
    if old is not None and old.sha256 == digest:
        if not (folder / old.file).exists():
            _write(folder / old.file, pdf)
        return old
    version = 1 if old is None else old.version + 1
    kind, *rest = document.split("/")
    name = "-".join([kind, *reversed(rest)]) + (f"-v{version}" if version > 1 else "")
    row = DocumentRow(
        document,
        version,
        f"{name}.pdf",
        digest,
        data_hash(data),
        template,
        template_version(template),
        __version__,
        None if old is None else old.sha256,
    )
    _write(folder / row.file, pdf)
    return row


def _write(path: Path, content: bytes) -> None:
    """All of it or nothing: a file that is there is whole."""
    partial = path.with_name(f".{path.name}.part")
    partial.write_bytes(content)
    partial.replace(path)


def _document(order: _Order, account_id: str) -> str:
    return f"{order.kind.replace('_', '-')}/{order.period}/{account_id}"


@lru_cache(maxsize=1)
def _book(url: str) -> Book:
    """A worker opens the book once."""
    return open_book(url)


@lru_cache(maxsize=1)
def _desk(order: _Order) -> Desk:
    """The desk of an order; a worker opens the book once."""
    book: Book = open_book(order.book_url)
    market = market_of(book, None if order.market is None else Path(order.market))
    return open_desk(book, market, parse_period(order.period))


def _issue_some(
    order: _Order, shard: Sequence[tuple[str, DocumentRow | None]]
) -> list[DocumentRow | Refused]:
    return [_issue(order, account_id, old) for account_id, old in shard]


def _issue(order: _Order, account_id: str, old: DocumentRow | None) -> DocumentRow | Refused:
    try:
        data, day = _data(order, account_id)
    except InputError as error:
        return Refused(account_id, error.code, error.message, error.remedy)
    pdf, document = render(order.kind, data, day), _document(order, account_id)
    return put_document(Path(order.folder), document, order.kind, data, pdf, old)


def _data(order: _Order, account_id: str) -> tuple[dict[str, Any], date]:
    """What the document says, and the day that it bears."""
    if order.kind == "statement":
        desk = _desk(order)
        return statement_data(desk, account_id), desk.period.end
    book, year = _book(order.book_url), int(order.period)
    return tax_pack_data(book, tax_year(book, account_id, year)), date(year, 12, 31)
