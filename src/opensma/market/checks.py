"""Row checks of new tables in SQL: what is wrong, where, and what to do about it.

Each check is one query that returns (where, what); its severity, code and remedy stand beside it
and in the table of docs/market.md. Checks of the price panel are in `panel_checks`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensma.calendar import is_session
from opensma.errors import Finding
from opensma.market.layout import ACTION_KINDS, TABLES, Table

if TYPE_CHECKING:
    import duckdb

SHOWN_PER_CODE = 200  # a broken file must not print a line per row


@dataclass(frozen=True, slots=True)
class Check:
    """One query over `{new}` tables whose rows (where, what) are findings."""

    severity: str
    code: str
    remedy: str
    query: str


_KINDS = ", ".join(f"'{kind}'" for kind in ACTION_KINDS)

ROW_CHECKS = (
    Check(
        "error",
        "price.not_positive",
        "Drop the row or correct the close.",
        """SELECT security_id || ' ' || date, 'The close is ' || close || '.'
           FROM {new}prices WHERE close <= 0""",
    ),
    Check(
        "error",
        "price.not_a_number",
        "Drop the row or correct the close.",
        """SELECT security_id || ' ' || date, 'The close is not a finite number.'
           FROM {new}prices WHERE close IS NOT NULL AND NOT isfinite(close)""",
    ),
    Check(
        "error",
        "price.too_large",
        "Correct the close; prices go up to $1,000,000,000.",
        """SELECT security_id || ' ' || date, 'The close is ' || close || '.'
           FROM {new}prices WHERE isfinite(close) AND close > 1e9""",
    ),
    Check(
        "error",
        "volume.negative",
        "Correct the volume.",
        """SELECT security_id || ' ' || date, 'The volume is ' || volume || '.'
           FROM {new}prices WHERE volume < 0""",
    ),
    Check(
        "error",
        "shares.not_positive",
        "Correct the shares outstanding.",
        """SELECT security_id || ' ' || date, shares_outstanding || ' shares outstanding.'
           FROM {new}shares_outstanding WHERE shares_outstanding <= 0""",
    ),
    Check(
        "error",
        "action.kind_unknown",
        f"Use one of {', '.join(ACTION_KINDS)}.",
        f"""SELECT security_id || ' ' || ex_date, 'The kind is ''' || kind || '''.'
            FROM {{new}}actions WHERE kind NOT IN ({_KINDS})""",
    ),
    Check(
        "error",
        "action.ratio_bad",
        "Give new shares per old share, between 0.0001 and 10,000.",
        """SELECT security_id || ' ' || ex_date,
                  'The split ratio is ' || coalesce(split_ratio::VARCHAR, 'missing') || '.'
           FROM {new}actions WHERE kind = 'split' AND
           NOT coalesce(isfinite(split_ratio) AND split_ratio BETWEEN 0.0001 AND 10000, false)""",
    ),
    Check(
        "error",
        "action.amount_bad",
        "Give dollars per share as paid, above zero.",
        """SELECT security_id || ' ' || ex_date,
                  'The amount is ' || coalesce(amount_per_share::VARCHAR, 'missing') || '.'
           FROM {new}actions WHERE kind IN ('cash_dividend', 'spin_off') AND
           NOT coalesce(isfinite(amount_per_share) AND amount_per_share > 0
                        AND amount_per_share < 1e7, false)""",
    ),
    Check(
        "error",
        "range.reversed",
        "Put the earlier day into valid_from.",
        """SELECT 'symbols ' || security_id || ' ' || valid_from, 'It ends before it begins.'
           FROM {new}symbols WHERE valid_to < valid_from
           UNION ALL
           SELECT 'constituents ' || security_id || ' ' || valid_from, 'It ends before it begins.'
           FROM {new}constituents WHERE valid_to < valid_from
           UNION ALL
           SELECT 'securities ' || security_id || ' ' || first_date, 'It ends before it begins.'
           FROM {new}securities WHERE last_date < first_date""",
    ),
    Check(
        "error",
        "member.overlap",
        "Keep one row per stretch of membership.",
        """SELECT security_id || ' ' || valid_from,
                  'The row before it ends on ' || coalesce(ends::VARCHAR, 'no day') || '.'
           FROM (SELECT *, lag(coalesce(valid_to, DATE '9999-12-31')) OVER w AS ends
                 FROM {new}constituents
                 WINDOW w AS (PARTITION BY benchmark_id, security_id ORDER BY valid_from))
           WHERE ends >= valid_from""",
    ),
)


def check_rows(connection: duckdb.DuckDBPyConnection, new: str, old: str) -> list[Finding]:
    """Findings about the rows of the `new` tables; ids may be known from the `old` ones."""
    findings: list[Finding] = []
    for table in TABLES:
        findings += _nulls(connection, table, new)
        findings += _duplicates(connection, table, new)
        findings += _unknown(connection, table, new, old)
    for check in ROW_CHECKS:
        rows = connection.execute(check.query.format(new=new)).fetchall()
        findings += as_findings(check.severity, check.code, check.remedy, rows)
    return findings + _off_calendar(connection, new)


def as_findings(
    severity: str, code: str, remedy: str, rows: list[tuple[str, str]]
) -> list[Finding]:
    """Rows (where, what) as findings, sorted; beyond SHOWN_PER_CODE only their number is told."""
    rows = sorted(rows)
    shown = [Finding(severity, code, where, what, remedy) for where, what in rows[:SHOWN_PER_CODE]]
    more = len(rows) - SHOWN_PER_CODE
    if more > 0:
        shown.append(Finding(severity, code, "more rows", f"{more:,} more like these.", remedy))
    return shown


def _nulls(connection: duckdb.DuckDBPyConnection, table: Table, new: str) -> list[Finding]:
    rows: list[tuple[str, str]] = []
    for column in table.columns:
        if column.nullable:
            continue
        count = _one(
            connection, f"SELECT count(*) FROM {new}{table.name} WHERE {column.name} IS NULL"
        )
        if count:
            rows.append((f"{table.name}:{column.name}", f"{count:,} rows have no value."))
    return as_findings("error", "value.missing", "Fill the column or drop the rows.", rows)


def _duplicates(connection: duckdb.DuckDBPyConnection, table: Table, new: str) -> list[Finding]:
    key = ", ".join(table.key)
    rows = connection.execute(
        f"SELECT '{table.name} ' || concat_ws(' ', {key}), "
        "'The row stands ' || count(*) || ' times.' "
        f"FROM {new}{table.name} GROUP BY {key} HAVING count(*) > 1"
    ).fetchall()
    return as_findings("error", "rows.duplicate", "Keep one of the rows.", rows)


def _unknown(
    connection: duckdb.DuckDBPyConnection, table: Table, new: str, old: str
) -> list[Finding]:
    if table.name in ("securities", "themes"):  # themes: see `check_merged`
        return []
    rows = connection.execute(
        f"SELECT '{table.name} ' || security_id, count(*) || ' rows name it.' "
        f"FROM {new}{table.name} WHERE security_id NOT IN (SELECT security_id FROM {new}securities "
        f"WHERE security_id IS NOT NULL UNION SELECT security_id FROM {old}securities) "
        "GROUP BY security_id"
    ).fetchall()
    remedy = "Add the security to securities.parquet or drop its rows."
    return as_findings("error", "security.unknown", remedy, rows)


def check_merged(connection: duckdb.DuckDBPyConnection, prefix: str) -> list[Finding]:
    """Warnings about the merged tables: themes of unknown securities, closes without volume."""
    bare = connection.execute(
        f"SELECT security_id || ' ' || min(date), count(*) || ' closes have no volume.' "
        f"FROM {prefix}prices WHERE volume IS NULL GROUP BY security_id"
    ).fetchall()
    findings = as_findings("warning", "volume.missing", "Import the volume; it counts as 0.", bare)
    rows = connection.execute(
        f"SELECT 'themes ' || security_id, 'Theme ' || theme || ' names it; it has no effect.' "
        f"FROM {prefix}themes WHERE security_id NOT IN (SELECT security_id FROM {prefix}securities)"
    ).fetchall()
    remedy = "Add the security to securities.parquet or drop the row."
    return findings + as_findings("warning", "security.unknown", remedy, rows)


def _off_calendar(connection: duckdb.DuckDBPyConnection, new: str) -> list[Finding]:
    days = connection.execute(
        f"SELECT date, count(*) FROM {new}prices WHERE date IS NOT NULL GROUP BY date"
    ).fetchall()
    rows = [
        (str(day), f"The exchange was shut on this day; {count:,} prices are dated on it.")
        for day, count in days
        if isinstance(day, date) and not is_session(day)
    ]
    return as_findings("error", "price.not_session", "Drop the rows or correct the date.", rows)


def _one(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
