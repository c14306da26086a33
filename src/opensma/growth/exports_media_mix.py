"""Tables for somebody else's media-mix model: spend, touches, outcomes, lift tests (B6).

By territory, week and channel. Money and impressions are nobody's and stay as they are. Touches and
outcomes are people's: a cell of fewer than ten is merged with others of its kind, over territories,
then over the month and the quarter; what is still too few is left out and counted (P5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensma.growth.exports_files import Exported, write_rows
from opensma.growth.privacy import SMALLEST_CELL
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

UNKNOWN = "(unknown)"  # no territory is on record
MERGED = "(merged)"  # territories with too few persons by themselves
_WEEK = "CAST(date_trunc('week', day) AS DATE)"
_QUARTER = "CAST(date_trunc('quarter', day) AS DATE)"
_MONTH = "CAST(date_trunc('month', day) AS DATE)"


@dataclass(frozen=True, slots=True)
class _Cells:
    """Rows to be counted in cells: a query with `day`, `territory`, `kind`, `unit` and sums."""

    kind: str  # what a cell is of, besides time and territory
    source: str
    sums: tuple[str, ...]


# Offices and territories are those of the day; a touch without a person has no territory.
_TOUCHES = _Cells(
    "channel",
    f"SELECT day, coalesce(territory, '{UNKNOWN}') AS territory, kind, unit, 1 AS touches FROM ("
    "SELECT CAST(t.ts AS DATE) AS day, o.territory, t.channel AS kind, t.person_id AS unit, "
    "row_number() OVER (PARTITION BY t.touch_id ORDER BY p.valid_from DESC, o.valid_from DESC) "
    "AS choice FROM touch t LEFT JOIN person p ON p.person_id = t.person_id "
    "AND p.valid_from <= CAST(t.ts AS DATE) LEFT JOIN office o ON o.office_id = p.office_id "
    "AND o.valid_from <= CAST(t.ts AS DATE) "
    "AND coalesce(o.valid_to, DATE '9999-12-31') >= CAST(t.ts AS DATE)) WHERE choice = 1",
    ("touches",),
)
_OUTCOMES = _Cells(
    "outcome",
    f"SELECT day, coalesce(territory, '{UNKNOWN}') AS territory, kind, unit, 1 AS events, cents "
    "FROM (SELECT x.*, o.territory, row_number() OVER (PARTITION BY x.row ORDER BY o.valid_from "
    "DESC) AS choice FROM (SELECT event_id AS row, CAST(ts AS DATE) AS day, kind, account_id AS "
    "unit, group_id AS office_id, amount_c AS cents FROM event UNION ALL SELECT s.opp_id || ':' "
    "|| s.stage || ':' || CAST(s.ts AS VARCHAR), CAST(s.ts AS DATE), s.stage, s.opp_id, "
    "p.office_id, NULL FROM stage_event s JOIN opportunity p USING (opp_id)) x "
    "LEFT JOIN office o ON o.office_id = x.office_id AND o.valid_from <= x.day "
    "AND coalesce(o.valid_to, DATE '9999-12-31') >= x.day) WHERE choice = 1",
    ("events", "cents"),
)
# From the finest cells to the coarsest: the period's name, its start, the territory.
_LEVELS = (("week", _WEEK, "territory"), ("week", _WEEK, f"'{MERGED}'"),
           ("month", _MONTH, f"'{MERGED}'"), ("quarter", _QUARTER, f"'{MERGED}'"))  # fmt: skip


def media_mix(connection: Connection, folder: Path) -> Exported:
    """media.csv, touches.csv, outcome.csv and lift_tests.csv; what is in too small cells."""
    media = query(
        connection,
        f"SELECT 'week' AS period, {_WEEK} AS start, territory, channel, CAST(sum(amount_c) AS "
        "BIGINT) AS spend_cents, CAST(sum(impressions) AS BIGINT) AS impressions FROM (SELECT "
        f"date AS day, coalesce(territory, '{UNKNOWN}') AS territory, channel, amount_c, "
        "impressions FROM spend) GROUP BY ALL ORDER BY ALL",
    )
    tests = query(
        connection,
        "SELECT exp_id, channel, start, effect, effect_low, effect_high FROM experiment "
        "WHERE effect IS NOT NULL ORDER BY exp_id",
    )
    place = ("period", "start", "territory")
    paid = (*place, "channel", "spend_cents", "impressions")
    lifts = ("exp_id", "channel", "start", "effect", "effect_low", "effect_high")
    files = {
        "media.csv": write_rows(folder / "media.csv", paid, media),
        "lift_tests.csv": write_rows(folder / "lift_tests.csv", lifts, tests),
    }
    left: dict[str, int] = {}
    for name, cells in (("touches.csv", _TOUCHES), ("outcome.csv", _OUTCOMES)):
        rows, few = _merged(connection, cells)
        files[name] = write_rows(folder / name, (*place, cells.kind, *cells.sums, "units"), rows)
        if few:
            left[f"{cells.sums[0]} in cells of fewer than {SMALLEST_CELL}"] = few
    return Exported("mmm", files, left)


def _merged(connection: Connection, cells: _Cells) -> tuple[list[dict[str, Any]], int]:
    """Cells with enough units each, finest first; how many rows are in none."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE cell_rest AS {cells.source}")
    found: list[dict[str, Any]] = []
    for period, start, territory in _LEVELS:
        found += _level(connection, cells, period, (start, territory, "kind"))
    row = query(connection, "SELECT count(*) AS n FROM cell_rest")[0]
    connection.execute("DROP TABLE cell_rest")
    found.sort(key=lambda r: (r["start"], r["period"], r["territory"], r[cells.kind]))
    return found, int(row["n"])


def _level(
    connection: Connection, cells: _Cells, period: str, keys: Sequence[str]
) -> list[dict[str, Any]]:
    """Cells of one level that are large enough; their rows leave the rest."""
    start, territory, kind = keys
    sums = ", ".join(f"CAST(sum({name}) AS BIGINT) AS {name}" for name in cells.sums)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE cell_enough AS SELECT {start} AS a, {territory} AS b, "
        f"{kind} AS c, {sums}, count(DISTINCT unit) AS units FROM cell_rest GROUP BY 1, 2, 3 "
        f"HAVING count(DISTINCT unit) >= {SMALLEST_CELL}"
    )
    connection.execute(
        f"DELETE FROM cell_rest WHERE ({start}, {territory}, {kind}) IN "
        "(SELECT (a, b, c) FROM cell_enough)"
    )
    rows = query(
        connection,
        f"SELECT '{period}' AS period, a AS start, b AS territory, c AS {cells.kind}, "
        f"{', '.join(cells.sums)}, units FROM cell_enough",
    )
    connection.execute("DROP TABLE cell_enough")
    return rows
