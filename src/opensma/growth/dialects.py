"""Our queries for other warehouses, by sqlglot: the same rows, as far as their integers go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.warehouse.schema import TABLES, Kind, Table
from opensma.growth.warehouse.store import sql_text

if TYPE_CHECKING:
    from collections.abc import Sequence

DIALECTS = (
    "duckdb", "postgres", "snowflake", "spark", "databricks", "redshift", "bigquery", "sqlite",
)  # fmt: skip
# In the order in which they are run; a name with a second one fills a table of that name.
QUERIES: tuple[tuple[str, str], ...] = (
    ("split_breaks", ""),
    ("touch_group", "touch_group"),
    ("event", "event"),
    ("journey", "journey"),
    ("credit", "credit_touched"),
    ("credit_rest", ""),
    ("split_weight", "split_weight"),
    ("split_weight_by_days", ""),
    ("line_split", "line_split"),
    ("revenue", "revenue"),
    ("tie", ""),
    ("bridge", ""),
    ("channel_revenue", ""),
    ("cohort", ""),
    ("group_start", ""),
    ("fee_rate", ""),
)
_TYPES = {
    "postgres": {Kind.TEXT: "TEXT", Kind.REAL: "DOUBLE PRECISION"},
    "redshift": {Kind.REAL: "DOUBLE PRECISION"},
}


def transpiled(name: str, dialect: str) -> str:
    """One query in a dialect; InputError growth.dialect for one that we do not know."""
    check_dialect(dialect)
    text = sql_text(name)
    if dialect == "duckdb":
        return text
    import sqlglot

    return sqlglot.transpile(text, read="duckdb", write=dialect, pretty=True)[0]


def check_dialect(dialect: str) -> None:
    """InputError growth.dialect for a dialect that we do not know."""
    if dialect not in DIALECTS:
        raise InputError(
            "growth.dialect",
            f"'{dialect}' is no dialect that we write.",
            where="--dialect",
            remedy=f"Known are {', '.join(DIALECTS)}.",
        )


def create_tables(dialect: str) -> list[str]:
    """CREATE TABLE for every table of the warehouse."""
    check_dialect(dialect)
    return [_create(table, dialect) for table in TABLES]


def _create(table: Table, dialect: str) -> str:
    quote = "`" if dialect in {"bigquery", "spark", "databricks"} else '"'
    types = _TYPES.get(dialect, {})
    columns = ", ".join(
        f"{quote}{c.name}{quote} {types.get(c.kind, c.kind.value)}{' NOT NULL' if c.needed else ''}"
        for c in table.columns
    )
    made = f"CREATE TABLE {quote}{table.name}{quote} ({columns})"
    if dialect in {"duckdb", "postgres", "redshift"}:
        return made
    import sqlglot

    read = "bigquery" if dialect == "bigquery" else "spark" if "`" in made else "duckdb"
    return sqlglot.transpile(made.replace("BIGINT", "INT64") if read == "bigquery" else made,
                             read=read, write=dialect)[0]  # fmt: skip


def script(dialect: str, names: Sequence[str] = ()) -> str:
    """Queries one after the other, each under its name."""
    known = [name for name, _ in QUERIES]
    if unknown := [name for name in names if name not in known]:
        raise InputError(
            "growth.query_unknown",
            f"There is no query '{unknown[0]}'.",
            where=unknown[0],
            remedy=f"Known are {', '.join(known)}.",
        )
    chosen = [name for name in known if not names or name in names]
    return "\n\n".join(f"-- {name}\n{transpiled(name, dialect)};" for name in chosen) + "\n"
