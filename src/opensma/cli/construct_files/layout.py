"""Files and columns of the contract, in and out: names, kinds, and what may be empty."""

from __future__ import annotations

from dataclasses import dataclass

from opensma.errors import InputError


@dataclass(frozen=True, slots=True)
class Column:
    """One column: `kind` is id, text, date, number or flag."""

    name: str
    kind: str
    nullable: bool = False
    optional: bool = False  # a file may lack it: empty throughout


@dataclass(frozen=True, slots=True)
class Table:
    """One file `name.parquet`; `factors` says that columns f0, f1, … follow."""

    name: str
    columns: tuple[Column, ...]
    required: bool = True
    factors: bool = False


def _numbers(names: str, *, nullable: bool = False) -> tuple[Column, ...]:
    return tuple(Column(name, "number", nullable) for name in names.split())


_MAY_LACK = ("max_names", "ticket_cost", "min_position")

INPUTS = (
    Table(
        "accounts",
        (
            Column("account_id", "id"),
            Column("taxpayer_id", "id"),
            *_numbers("cash cash_low cash_high"),
            *_numbers("risk_aversion te_cap", nullable=True),
            *_numbers("st_rate lt_rate min_trade"),
            *_numbers("max_turnover st_gain_budget lt_gain_budget", nullable=True),
            Column("whole_shares", "flag"),
            *(Column(name, "number", True, True) for name in _MAY_LACK),
        ),
    ),
    Table(
        "lots",
        (
            Column("account_id", "id"),
            Column("lot_id", "id"),
            Column("security_id", "id"),
            Column("acquired", "date"),
            *_numbers("quantity basis"),
        ),
    ),
    Table(
        "loss_sales",
        (
            Column("taxpayer_id", "id"),
            Column("security_id", "id"),
            Column("sold", "date"),
            *_numbers("quantity"),
        ),
        required=False,
    ),
    Table(
        "securities",
        (
            Column("security_id", "id"),
            *_numbers("price cost_bps"),
            Column("sector", "text"),
            Column("group", "text", nullable=True),
            *_numbers("specific_var"),
        ),
    ),
    Table("loadings", (Column("security_id", "id"),), factors=True),
    Table("factor_cov", (), factors=True),
    Table(
        "targets",
        (Column("account_id", "id", True), Column("security_id", "id"), *_numbers("weight")),
    ),
    Table(
        "restrictions",
        (
            Column("account_id", "id"),
            Column("kind", "text"),
            Column("key", "id"),
            *_numbers("value", nullable=True),
        ),
        required=False,
    ),
)

_WHOLE = (
    *("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"),
    *("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"),
)

# Types a file may use for each kind. Whole numbers are welcome as ids and come back as such.
ACCEPTED = {
    "id": ("VARCHAR", "ENUM", "UUID", *_WHOLE),
    "text": ("VARCHAR", "ENUM", *_WHOLE),
    "date": ("DATE", "TIMESTAMP"),
    "number": ("DOUBLE", "FLOAT", "DECIMAL", *_WHOLE),
    "flag": ("BOOLEAN",),
}
SQL_TYPE = {
    "id": "VARCHAR",
    "text": "VARCHAR",
    "date": "DATE",
    "number": "DOUBLE",
    "flag": "BOOLEAN",
}

# Columns of the results with their SQL types; ids take the type that the input used.
TRADES = (
    ("account_id", "account_id"),
    ("lot_id", "lot_id"),
    ("security_id", "security_id"),
    *((name, "DOUBLE") for name in ("shares", "notional", "tax", "cost", "risk")),
    ("reason", "VARCHAR"),
)
ACCOUNT_FIGURES = (
    *("objective", "objective_before", "bound", "te_before", "te_after"),
    *("tax", "cost", "turnover", "cash_after"),
)
ACCOUNTS = (
    ("account_id", "account_id"),
    ("status", "VARCHAR"),
    ("message", "VARCHAR"),
    *((name, "DOUBLE") for name in ACCOUNT_FIGURES),
    ("binding", "VARCHAR[]"),
    ("seconds", "DOUBLE"),
)


def bad(code: str, message: str, where: str, remedy: str) -> InputError:
    """An error about the input; `code` is its last word."""
    return InputError(f"construct.{code}", message, where=where, remedy=remedy)
