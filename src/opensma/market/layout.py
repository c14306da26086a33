"""The import layout: seven Parquet tables, their columns and what identifies a row.

Dollars are decimal numbers at this border and become integer millionths inside. Optional columns
may be absent and nullable ones empty; everything else is demanded by the checks.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `kind` is text, date, number or count."""

    name: str
    kind: str
    nullable: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """One file `name.parquet`; `key` columns identify a row and give the order on disk."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]


SQL_TYPE = {"text": "VARCHAR", "date": "DATE", "number": "DOUBLE", "count": "BIGINT"}

# Types a vendor may use for each kind; anything else is a finding, never a silent cast.
ACCEPTED_TYPES = {
    "text": ("VARCHAR", "ENUM"),
    "date": ("DATE", "TIMESTAMP"),
    "number": ("DOUBLE", "FLOAT", "DECIMAL", "TINYINT", "SMALLINT", "INTEGER", "BIGINT"),
    "count": (
        "BIGINT",
        "INTEGER",
        "UBIGINT",
        "UINTEGER",
        "SMALLINT",
        "TINYINT",
        "HUGEINT",
        "DOUBLE",
        "FLOAT",
        "DECIMAL",
    ),
}

ACTION_KINDS = ("cash_dividend", "split", "spin_off")

TABLES = (
    Table(
        "securities",
        (
            Column("security_id", "text"),
            Column("symbol", "text"),
            Column("name", "text"),
            Column("sector", "text"),
            Column("industry", "text", nullable=True, optional=True),
            Column("exchange", "text", nullable=True, optional=True),
            Column("country", "text", nullable=True, optional=True),
            Column("cik", "count", nullable=True, optional=True),
            Column("first_date", "date"),
            Column("last_date", "date"),
        ),
        ("security_id",),
    ),
    Table(
        "symbols",
        (
            Column("security_id", "text"),
            Column("symbol", "text"),
            Column("valid_from", "date"),
            Column("valid_to", "date"),
        ),
        ("security_id", "symbol", "valid_from"),
    ),
    Table(
        "prices",
        (
            Column("security_id", "text"),
            Column("date", "date"),
            Column("close", "number"),
            Column("volume", "count", nullable=True),
        ),
        ("security_id", "date"),
    ),
    Table(
        "shares_outstanding",
        (
            Column("security_id", "text"),
            Column("date", "date"),
            Column("shares_outstanding", "count"),
        ),
        ("security_id", "date"),
    ),
    Table(
        "constituents",
        (
            Column("benchmark_id", "text"),
            Column("security_id", "text"),
            Column("valid_from", "date"),
            Column("valid_to", "date", nullable=True),
        ),
        ("benchmark_id", "security_id", "valid_from"),
    ),
    Table(
        "actions",
        (
            Column("security_id", "text"),
            Column("ex_date", "date"),
            Column("kind", "text"),
            Column("split_ratio", "number", nullable=True),
            Column("amount_per_share", "number", nullable=True),
            Column("child_symbol", "text", nullable=True, optional=True),
        ),
        ("security_id", "ex_date", "kind", "split_ratio", "amount_per_share"),
    ),
    Table(
        "themes",
        (
            Column("security_id", "text"),
            Column("theme", "text"),
            Column("basis", "text", nullable=True, optional=True),
        ),
        ("security_id", "theme"),
    ),
)

TABLE = {table.name: table for table in TABLES}
