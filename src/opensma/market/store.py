"""The market store: a folder of checked tables in versions, and a pointer to the current one.

    sma.market/CURRENT            name of the version that readers open
    sma.market/v-<hash>/*.parquet the seven tables, sorted
    sma.market/v-<hash>/findings.json

A version is written whole and CURRENT replaced last, so a kill at any moment changes nothing.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.errors import Finding, InputError, MarketError
from opensma.market.build import build_market
from opensma.market.checks import check_merged, check_rows
from opensma.market.layout import TABLES
from opensma.market.merge import merge_tables
from opensma.market.panel import Market
from opensma.market.panel_checks import check_panel
from opensma.market.tables import connect, disk_full, empty_tables, load_folder, write_tables

if TYPE_CHECKING:
    import duckdb

POINTER = "CURRENT"
ERRORS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did: findings kept, rows added per table, and the market's content hash."""

    findings: tuple[Finding, ...]
    added: dict[str, int]
    days: int
    first_day: date
    last_day: date
    securities: int
    content_hash: str

    def as_dict(self) -> dict[str, object]:
        """Plain JSON form."""
        return {
            "findings": [finding.as_dict() for finding in self.findings],
            "added": self.added,
            "days": self.days,
            "first_day": str(self.first_day),
            "last_day": str(self.last_day),
            "securities": self.securities,
            "content_hash": self.content_hash,
        }


def import_market(source: Path, store: Path) -> ImportReport:
    """Check the tables in `source` and add what is new in them to the store.

    Importing twice adds nothing. MarketError lists every error found; nothing is written then.
    """
    connection = connect()
    current = _current(store)
    if current is None:
        empty_tables(connection, "old_")
    else:
        _stop_on_errors(load_folder(connection, current, "old_"), store)
    market = _checked(connection, source)
    added = {table.name: _added(connection, table.name) for table in TABLES}
    version = store / f"v-{market.content_hash[:16]}"
    if current != version:
        _publish(connection, store, version, market.findings)
    return ImportReport(
        market.findings,
        added,
        len(market.days),
        market.day(0),
        market.day(-1),
        len(market.security_id),
        market.content_hash,
    )


def open_market(path: Path | str) -> Market:
    """The market in a store, or in a folder of the import layout, which is checked first.

    InputError when there is neither; MarketError when the folder does not pass the checks.
    """
    path = Path(path)
    current = _current(path)
    connection = connect()
    if current is not None:
        _stop_on_errors(load_folder(connection, current, "store_"), path)
        return build_market(connection, "store_", _read_findings(current))
    if not (path / "prices.parquet").is_file():
        raise InputError(
            "market.missing",
            "There is no market here.",
            where=str(path),
            remedy="Run `sma market import DIR`, or `sma market generate --out DIR` to make one.",
        )
    empty_tables(connection, "old_")
    return _checked(connection, path)


def _checked(connection: duckdb.DuckDBPyConnection, source: Path) -> Market:
    """The market of `source` merged into the `old_` tables, as `all_` tables; raises on errors."""
    _stop_on_errors(load_folder(connection, source, "new_"), source)
    _stop_on_errors(check_rows(connection, "new_", "old_"), source)
    _stop_on_errors(merge_tables(connection, "old_", "new_", "all_"), source)
    market = build_market(connection, "all_")
    findings = [*check_panel(market), *check_merged(connection, "all_")]
    _stop_on_errors(findings, source)
    object.__setattr__(market, "findings", tuple(findings))  # before anyone else holds it
    return market


def _stop_on_errors(findings: list[Finding], where: Path) -> None:
    errors = [finding for finding in findings if finding.severity == "error"]
    if not errors:
        return
    lines = [f"{f.code} at {f.where}: {f.what} {f.remedy}" for f in errors[:ERRORS_SHOWN]]
    if len(errors) > ERRORS_SHOWN:
        lines.append(f"and {len(errors) - ERRORS_SHOWN:,} more.")
    failure = MarketError(
        errors[0].code if len({f.code for f in errors}) == 1 else "market.findings",
        f"{len(errors):,} errors; nothing was written.\n" + "\n".join(lines),
        where=str(where),
        remedy=errors[0].remedy if len(errors) == 1 else "Correct the files and run it again.",
    )
    failure.add_note(json.dumps([finding.as_dict() for finding in errors]))
    raise failure


def _added(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    row = connection.execute(
        f"SELECT (SELECT count(*) FROM all_{name}) - (SELECT count(*) FROM old_{name})"
    ).fetchone()
    return int(row[0]) if row else 0


def _current(store: Path) -> Path | None:
    pointer = store / POINTER
    if not pointer.is_file():
        return None
    version = store / pointer.read_text(encoding="utf-8").strip()
    if version.is_dir() and version.parent == store:
        return version
    raise MarketError(
        "market.store_broken",
        "The store points to a version that is not there.",
        where=str(pointer),
        remedy="Import the market files again into a new store.",
    )


def _read_findings(version: Path) -> tuple[Finding, ...]:
    path = version / "findings.json"
    if not path.is_file():
        return ()
    return tuple(Finding(**finding) for finding in json.loads(path.read_text(encoding="utf-8")))


def _publish(
    connection: duckdb.DuckDBPyConnection,
    store: Path,
    version: Path,
    findings: tuple[Finding, ...],
) -> None:
    incoming = store / f".incoming-{os.getpid()}"
    try:
        store.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir()
        write_tables(connection, "all_", incoming)
        text = json.dumps([finding.as_dict() for finding in findings], indent=1)
        (incoming / "findings.json").write_text(text, encoding="utf-8")
        for path in incoming.iterdir():
            _sync(path)
        # A version of this name is one that an earlier, killed import had not pointed to yet.
        shutil.rmtree(version, ignore_errors=True)
        incoming.rename(version)
        _point(store, version.name)
    except OSError as error:
        raise _write_failure(error, store) from error
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    _drop_others(store, version)


def _write_failure(error: OSError, store: Path) -> MarketError:
    if error.errno == errno.ENOSPC:
        return disk_full(store / POINTER)
    return MarketError(
        "market.write_failed",
        f"{error.strerror or error}. The store is as it was before.",
        where=str(store),
        remedy="Check that the folder may be written.",
    )


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _point(store: Path, name: str) -> None:
    fresh = store / f"{POINTER}.new"
    fresh.write_text(name + "\n", encoding="utf-8")
    _sync(fresh)
    fresh.replace(store / POINTER)


def _drop_others(store: Path, version: Path) -> None:
    """Drop older versions but the last one: a reader may just have read the pointer to it."""
    others = [path for path in store.glob("v-*") if path.is_dir() and path != version]
    others.sort(key=lambda path: path.stat().st_mtime)
    for path in others[:-1]:
        shutil.rmtree(path, ignore_errors=True)
