"""The generated market as seven Parquet tables, always in the same bytes."""

from __future__ import annotations

import errno
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.market.generator.companies import SECTORS, THEMES, Companies
from opensma.market.generator.lives import Lives
from opensma.market.generator.members import Span
from opensma.market.generator.prices import Paths
from opensma.market.panel import DEFAULT_BENCHMARK
from opensma.market.tables import connect, create_from, disk_full, fill_table, write_tables

if TYPE_CHECKING:
    import duckdb

Rows = list[tuple[Any, ...]]
MADE = "made_"
EXCHANGES = ("nyse", "nasdaq")


def write_market(
    out: Path,
    companies: Companies,
    lives: Lives,
    paths: Paths,
    spans: list[Span],
    days: list[date],
) -> None:
    """Write the seven tables of the import layout to `out`."""
    connection = connect()
    ids = companies.security_id
    _prices(connection, paths, ids, days)
    fill_table(connection, MADE, "securities", _securities(companies, lives, days))
    fill_table(connection, MADE, "symbols", _symbols(companies, lives, days))
    fill_table(connection, MADE, "shares_outstanding", _shares(paths, ids, days))
    members = [
        (DEFAULT_BENCHMARK, ids[i], days[first], None if last < 0 else days[last])
        for i, first, last in spans
    ]
    fill_table(connection, MADE, "constituents", members)
    fill_table(connection, MADE, "actions", _actions(paths, ids, days))
    fill_table(connection, MADE, "themes", _themes(companies))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_full(out / "x") if error.errno == errno.ENOSPC else error from error
    write_tables(connection, MADE, out)


def _prices(
    connection: duckdb.DuckDBPyConnection, paths: Paths, ids: tuple[str, ...], days: list[date]
) -> None:
    row, security = np.nonzero(np.isfinite(paths.close).T)[::-1]
    columns = {
        "security_id": np.array(ids, dtype=object)[security],
        "date": np.array(days, dtype="datetime64[us]")[row],
        "close": paths.close[row, security],
        "volume": paths.volume[row, security],
    }
    picks = "security_id, CAST(date AS DATE) AS date, close, volume"
    create_from(connection, f"{MADE}prices", picks, columns)


def _securities(companies: Companies, lives: Lives, days: list[date]) -> Rows:
    latest = list(companies.ticker)
    for rename in lives.renames:
        latest[rename.security] = rename.symbol
    return [
        (
            security_id,
            latest[i],
            companies.name[i],
            SECTORS[companies.sector[i]].name,
            companies.industry_name[companies.industry[i]],
            EXCHANGES[int(companies.cik[i]) % 2],
            "United States",
            int(companies.cik[i]),
            days[lives.first_row[i]],
            days[lives.last_row[i]],
        )
        for i, security_id in enumerate(companies.security_id)
    ]


def _symbols(companies: Companies, lives: Lives, days: list[date]) -> Rows:
    rows: Rows = []
    renamed = {rename.security: rename for rename in lives.renames}
    for i, security_id in enumerate(companies.security_id):
        first, last = days[lives.first_row[i]], days[lives.last_row[i]]
        if i in renamed:
            change = renamed[i]
            rows.append((security_id, companies.ticker[i], first, days[change.row - 1]))
            rows.append((security_id, change.symbol, days[change.row], last))
        else:
            rows.append((security_id, companies.ticker[i], first, last))
    return rows


def _shares(paths: Paths, ids: tuple[str, ...], days: list[date]) -> Rows:
    changed = paths.shares != np.vstack([np.zeros_like(paths.shares[:1]), paths.shares[:-1]])
    return [
        (ids[i], days[row], int(paths.shares[row, i]))
        for row, i in np.argwhere(changed & (paths.shares > 0))
    ]


def _actions(paths: Paths, ids: tuple[str, ...], days: list[date]) -> Rows:
    rows: Rows = [
        (ids[i], days[row], "cash_dividend", None, amount, None)
        for row, i, amount in paths.dividends
    ]
    rows += [(ids[i], days[row], "split", ratio, None, None) for row, i, ratio in paths.splits]
    rows += [
        (ids[event.parent], days[event.row], "spin_off", None, amount, event.child_symbol)
        for event, amount in paths.spin_offs
    ]
    return rows


def _themes(companies: Companies) -> Rows:
    rows: Rows = []
    for i, security_id in enumerate(companies.security_id):
        industry = companies.industry_name[companies.industry[i]]
        if industry in THEMES:
            rows.append((security_id, THEMES[industry], "industry"))
    return rows
