"""Merging a new set of tables into an old one: later facts are added, past facts never change.

Prices, shares and actions are keyed by security and day; the same key with another value is a
conflict. Names and sectors are attributes: the set with the later listing date wins. Constituents
state the whole membership of their own window, so a member that they leave out has left.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from opensma.calendar import next_session
from opensma.errors import Finding
from opensma.market.checks import as_findings
from opensma.market.layout import TABLE

if TYPE_CHECKING:
    import duckdb

Interval = tuple[date, date | None]

_PRICE_CONFLICT = """
    SELECT n.security_id || ' ' || n.date, 'The close is ' || n.close || ', before it was '
           || o.close || '.'
    FROM {new}prices n JOIN {old}prices o USING (security_id, date)
    WHERE round(n.close * 1000000) <> round(o.close * 1000000)"""

_SHARES_CONFLICT = """
    SELECT n.security_id || ' ' || n.date, n.shares_outstanding || ' shares, before it was '
           || o.shares_outstanding || '.'
    FROM {new}shares_outstanding n JOIN {old}shares_outstanding o USING (security_id, date)
    WHERE n.shares_outstanding <> o.shares_outstanding"""

_ACTION_CONFLICT = """
    WITH n AS (SELECT security_id, ex_date, kind, list_sort(list(coalesce(split_ratio, 0)
                      + coalesce(amount_per_share, 0))) AS facts FROM {new}actions GROUP BY ALL),
         o AS (SELECT security_id, ex_date, kind, list_sort(list(coalesce(split_ratio, 0)
                      + coalesce(amount_per_share, 0))) AS facts FROM {old}actions GROUP BY ALL)
    SELECT security_id || ' ' || ex_date, kind || ' is ' || n.facts::VARCHAR || ', before it was '
           || o.facts::VARCHAR || '.'
    FROM n JOIN o USING (security_id, ex_date, kind) WHERE n.facts <> o.facts"""

_CONFLICTS = (
    ("price.conflict", _PRICE_CONFLICT),
    ("shares.conflict", _SHARES_CONFLICT),
    ("action.conflict", _ACTION_CONFLICT),
)


def merge_tables(
    connection: duckdb.DuckDBPyConnection, old: str, new: str, out: str
) -> list[Finding]:
    """Create the `out` tables from `old` and `new` ones; findings name every conflict."""
    findings: list[Finding] = []
    for code, query in _CONFLICTS:
        rows = connection.execute(query.format(old=old, new=new)).fetchall()
        remedy = "Past facts stay as they are: import a corrected history into a new store."
        findings += as_findings("error", code, remedy, rows)
    _merge_prices(connection, old, new, out)
    _merge_securities(connection, old, new, out)
    _merge_shares(connection, old, new, out)
    _merge_keyed(connection, "actions", ("security_id", "ex_date", "kind"), old, new, out)
    _merge_keyed(connection, "themes", TABLE["themes"].key, new, old, out)
    _merge_symbols(connection, old, new, out)
    return findings + _merge_members(connection, old, new, out)


def _merge_keyed(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    key: tuple[str, ...],
    first: str,
    second: str,
    out: str,
) -> None:
    """All rows of `first`, and those of `second` whose key it does not have."""
    same = " AND ".join(f"f.{column} = s.{column}" for column in key)
    connection.execute(
        f"CREATE OR REPLACE TABLE {out}{name} AS SELECT * FROM {first}{name} UNION ALL "
        f"SELECT * FROM {second}{name} s WHERE NOT EXISTS "
        f"(SELECT 1 FROM {first}{name} f WHERE {same})"
    )


def _merge_prices(connection: duckdb.DuckDBPyConnection, old: str, new: str, out: str) -> None:
    _merge_keyed(connection, "prices", TABLE["prices"].key, old, new, out)


def _merge_securities(connection: duckdb.DuckDBPyConnection, old: str, new: str, out: str) -> None:
    connection.execute(
        f"""CREATE OR REPLACE TABLE {out}securities AS
        WITH ends AS (SELECT security_id, max(date) AS last_price FROM {out}prices GROUP BY 1),
        both_sets AS (SELECT *, 0 AS age FROM {new}securities
                      UNION ALL SELECT *, 1 AS age FROM {old}securities)
        SELECT security_id, arg_max(symbol, rank) AS symbol, arg_max(name, rank) AS name,
               arg_max(sector, rank) AS sector, arg_max(industry, rank) AS industry,
               arg_max(exchange, rank) AS exchange, arg_max(country, rank) AS country,
               arg_max(cik, rank) AS cik, min(first_date) AS first_date,
               greatest(max(last_date), max(last_price)) AS last_date
        FROM (SELECT *, epoch(last_date) * 2 - age AS rank FROM both_sets)
        LEFT JOIN ends USING (security_id) GROUP BY security_id"""
    )


def _merge_shares(connection: duckdb.DuckDBPyConnection, old: str, new: str, out: str) -> None:
    """One row per change: a report that repeats the one before it is dropped."""
    connection.execute(
        f"""CREATE OR REPLACE TABLE {out}shares_outstanding AS
        SELECT security_id, date, shares_outstanding FROM (
            SELECT *, lag(shares_outstanding) OVER
                      (PARTITION BY security_id ORDER BY date) AS before
            FROM (SELECT * FROM {old}shares_outstanding
                  UNION SELECT * FROM {new}shares_outstanding))
        WHERE shares_outstanding IS DISTINCT FROM before"""
    )


def _merge_symbols(connection: duckdb.DuckDBPyConnection, old: str, new: str, out: str) -> None:
    """Ranges of one security and ticker that overlap or touch become one range."""
    rows = connection.execute(
        f"SELECT security_id, symbol, valid_from, valid_to FROM {old}symbols "
        f"UNION SELECT security_id, symbol, valid_from, valid_to FROM {new}symbols ORDER BY ALL"
    ).fetchall()
    spans: dict[tuple[str, str], list[Interval]] = {}
    for security_id, symbol, first, last in rows:
        spans.setdefault((security_id, symbol), []).append((first, last))
    merged: list[list[object]] = [
        [*key, first, last] for key, found in spans.items() for first, last in _join(found)
    ]
    _fill(connection, f"{out}symbols", f"{new}symbols", merged)


def _fill(
    connection: duckdb.DuckDBPyConnection, table: str, like: str, rows: list[list[object]]
) -> None:
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {like} LIMIT 0")
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _merge_members(
    connection: duckdb.DuckDBPyConnection, old: str, new: str, out: str
) -> list[Finding]:
    stored = _memberships(connection, old)
    given = _memberships(connection, new)
    known = _window(connection, old)
    window = _window(connection, new)
    names = {benchmark for benchmark, _ in given}
    merged: list[list[object]] = []
    conflicts: list[tuple[str, str]] = []
    for key in sorted({*stored, *given}):
        spans, problem = _merge_spans(
            stored.get(key, []), given.get(key, []), known, window, key[0] in names
        )
        if problem:
            conflicts.append((f"{key[0]} {key[1]}", problem))
        merged += [[*key, first, last] for first, last in spans]
    _fill(connection, f"{out}constituents", f"{new}constituents", merged)
    remedy = "Past membership stays as it is: import a corrected history into a new store."
    return as_findings("error", "member.conflict", remedy, conflicts)


def _memberships(
    connection: duckdb.DuckDBPyConnection, prefix: str
) -> dict[tuple[str, str], list[Interval]]:
    rows = connection.execute(
        "SELECT benchmark_id, security_id, valid_from, valid_to "
        f"FROM {prefix}constituents ORDER BY ALL"
    ).fetchall()
    spans: dict[tuple[str, str], list[Interval]] = {}
    for benchmark, security, first, last in rows:
        spans.setdefault((benchmark, security), []).append((first, last))
    return spans


def _window(connection: duckdb.DuckDBPyConnection, prefix: str) -> Interval:
    row = connection.execute(f"SELECT min(date), max(date) FROM {prefix}prices").fetchone()
    first, last = row if row and row[0] else (date.max, None)
    return first, last


def _merge_spans(
    stored: list[Interval], given: list[Interval], known: Interval, window: Interval, stated: bool
) -> tuple[list[Interval], str]:
    """One security's memberships from both sets; the text names a contradiction, if any.

    Inside the stored window both must say the same; after it the new set is right.
    """
    if known[1] is None or window[1] is None:
        return (given or stored), ""
    end = known[1]
    both = (max(known[0], window[0]), min(end, window[1]))
    if stated and _clip(stored, *both) != _clip(given, *both):
        return stored, f"The membership between {both[0]} and {both[1]} differs."
    if not stated or (window[1] <= end and window[0] >= known[0]):
        return stored, ""
    outside = [
        *_clip(given, window[0], known[0] - timedelta(days=1)),
        *_clip(stored, known[0], end),
    ]
    later = max(end + timedelta(days=1), window[0])
    outside += [(max(first, later), last) for first, last in given if last is None or last >= later]
    return _join(outside), ""


def _clip(spans: list[Interval], first: date, last: date) -> list[Interval]:
    """The parts of the spans between two days, with every end made a day."""
    parts = [(max(begin, first), min(end or date.max, last)) for begin, end in spans]
    return [part for part in parts if part[0] <= part[1]]


def _join(spans: list[Interval]) -> list[Interval]:
    joined: list[Interval] = []
    for first, last in sorted(spans, key=lambda span: span[0]):
        if joined:
            begin, end = joined[-1]
            if end is None or first <= next_session(end):
                joined[-1] = (begin, None if end is None or last is None else max(end, last))
                continue
        joined.append((first, last))
    return joined
