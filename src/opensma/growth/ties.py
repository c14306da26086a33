"""Whether every attributed cent is a billed cent: by model, month and line (R2, R5, R7, E1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.warehouse.store import first_row, query, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection


_MOVEMENTS = ("begin_c", "new_c", "expansion_c", "contraction_c", "lost_c", "acquired_c",
              "market_c")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Check:
    """One figure from two sides; they are equal or something is wrong."""

    name: str
    expected_c: int
    actual_c: int

    @property
    def difference_c(self) -> int:
        """Actual less expected."""
        return self.actual_c - self.expected_c

    def as_dict(self) -> dict[str, object]:
        """The row of the contract."""
        return {
            "name": self.name,
            "expected_c": self.expected_c,
            "actual_c": self.actual_c,
            "difference_c": self.difference_c,
        }


def tie_checks(connection: Connection, period: str | None = None) -> list[Check]:
    """All checks, or those of the months in which a period's lines end.

    InputError growth.not_published before anything is published, growth.period for a period
    without lines.
    """
    if not query(connection, "SELECT 1 FROM account LIMIT 1"):
        raise InputError(
            "growth.not_published",
            "The book has not been published into this warehouse.",
            where="fee_ledger",
            remedy="Run sma growth publish --book URL.",
        )
    months = _months(connection, period)
    found = []
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE credit_model AS SELECT DISTINCT model FROM credit"
    )
    for row in query(connection, sql_text("tie")):
        if row["month"] not in months:
            continue
        name = f"revenue {row['model']} {row['month']:%Y-%m}"
        gross = (row["expected_gross_c"], row["actual_gross_c"])
        share = (row["expected_platform_c"], row["actual_platform_c"])
        net = (gross[0] - share[0], gross[1] - share[1])
        for kind, (expected, actual) in (("gross", gross), ("platform", share), ("net", net)):
            found.append(Check(f"{name} {kind}", expected, actual))
    found += _line_checks(connection, months)
    return [*found, *_bridge_checks(connection, months)]


def broken(checks: Sequence[Check]) -> list[Check]:
    """Checks with a difference."""
    return [check for check in checks if check.difference_c]


def _months(connection: Connection, period: str | None) -> set[date]:
    rows = query(
        connection,
        "SELECT DISTINCT CAST(date_trunc('month', period_end) AS DATE) AS month, period "
        "FROM fee_ledger",
    )
    chosen = {r["month"] for r in rows if period in (None, r["period"], f"{r['month']:%Y-%m}")}
    if period is not None and not chosen:
        known = sorted({r["period"] for r in rows})
        raise InputError(
            "growth.period",
            f"No fee line is of the period '{period}'.",
            where="--period",
            remedy=f"Known are {', '.join(known) or 'none'}, or a month as 2024-12.",
        )
    return chosen


def _line_checks(connection: Connection, months: set[date]) -> list[Check]:
    """Sums may hide what lines do not: every line by itself, and no line that was not billed."""
    rows = query(
        connection,
        "SELECT m.model, CAST(date_trunc('month', f.period_end) AS DATE) AS month, "
        "CAST(sum(abs(f.amount_c - coalesce(r.a, 0)) "
        " + abs(f.platform_share_c - coalesce(r.p, 0))) AS BIGINT) AS off "
        "FROM fee_ledger f CROSS JOIN credit_model m LEFT JOIN (SELECT model, line_id, "
        "sum(amount_c) AS a, sum(platform_share_c) AS p FROM revenue GROUP BY ALL) r "
        "ON r.line_id = f.line_id AND r.model = m.model GROUP BY ALL",
    )
    off: dict[str, int] = {}
    for row in rows:
        if row["month"] in months:
            off[row["model"]] = off.get(row["model"], 0) + row["off"]
    found = [Check(f"lines {model}", 0, cents) for model, cents in sorted(off.items())]
    stray = first_row(
        connection,
        "SELECT CAST(coalesce(sum(abs(amount_c)), 0) AS BIGINT) FROM revenue "
        "WHERE line_id NOT IN (SELECT line_id FROM fee_ledger)",
    )
    return [*found, Check("revenue without a fee line", 0, int(stray[0]) if stray else 0)]


def _bridge_checks(connection: Connection, months: set[date]) -> list[Check]:
    """E1: begin and movements make the end, and a month's end is the next one's begin."""
    found = []
    before: int | None = None
    for row in query(connection, sql_text("bridge")):
        moved = sum(row[name] for name in _MOVEMENTS)
        if row["month"] in months:
            found.append(Check(f"assets {row['month']:%Y-%m}", row["end_c"], moved))
            if before is not None:
                found.append(Check(f"begin {row['month']:%Y-%m}", before, row["begin_c"]))
        before = row["end_c"]
    return found
