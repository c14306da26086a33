"""What must hold over the tables together; the first break is named and nothing is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.warehouse.store import query, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

# Table, column, table that must have it.
_REFERENCES = (
    ("touch", "person_id", "person"),
    ("touch", "firm_id", "firm"),
    ("person", "firm_id", "firm"),
    ("office", "firm_id", "firm"),
    ("consent", "person_id", "person"),
    ("account_link", "person_id", "person"),
    ("account_link", "firm_id", "firm"),
    ("stage_event", "opp_id", "opportunity"),
    ("opportunity", "firm_id", "firm"),
    ("gate", "firm_id", "firm"),
    ("assignment", "exp_id", "experiment"),
    ("account_link", "account_id", "account"),
    ("acquisition", "account_id", "account"),
)


def check_all(connection: Connection) -> None:
    """Every rule over several rows; InputError growth.... for the first break."""
    for table, column, other in _REFERENCES:
        _check_reference(connection, table, column, other)
    _check_stages(connection)
    _check_versions(connection)
    check_splits(connection)
    _check_alias(connection)


def _check_reference(connection: Connection, table: str, column: str, other: str) -> None:
    if other == "account" and not query(connection, "SELECT 1 FROM account LIMIT 1"):
        return  # the book has not been published yet
    rows = query(
        connection,
        f"SELECT {column} AS id FROM {table} WHERE {column} IS NOT NULL AND {column} NOT IN "
        f"(SELECT {column} FROM {other}) ORDER BY 1 LIMIT 1",
    )
    if rows:
        raise InputError(
            "growth.unknown_reference",
            f"{table}.{column} names '{rows[0]['id']}', which the table {other} does not have.",
            where=str(rows[0]["id"]),
            remedy=f"Load its {other} in the same folder, or correct the id."
            if other != "account"
            else "The book that was published has no such account: correct the id.",
        )


def _check_stages(connection: Connection) -> None:
    """An opportunity's stages come after its opening."""
    rows = query(
        connection,
        "SELECT s.opp_id, s.stage, s.ts, o.opened_at FROM stage_event s JOIN opportunity o "
        "ON o.opp_id = s.opp_id WHERE s.ts < o.opened_at ORDER BY s.ts, s.opp_id LIMIT 1",
    )
    if rows:
        row = rows[0]
        raise InputError(
            "growth.closed_before_opened",
            f"Opportunity '{row['opp_id']}' is {row['stage']} on {row['ts']:%Y-%m-%d}, before it "
            f"was opened on {row['opened_at']:%Y-%m-%d}.",
            where=str(row["opp_id"]),
            remedy="Correct one of the two dates at the source.",
        )


def _check_versions(connection: Connection) -> None:
    for table, key in (("firm", "firm_id"), ("person", "person_id"), ("office", "office_id")):
        rows = query(
            connection,
            f"SELECT a.{key} AS id, b.valid_from AS day FROM {table} a JOIN {table} b "
            f"ON a.{key} = b.{key} AND a.valid_from < b.valid_from "
            "AND COALESCE(a.valid_to, DATE '9999-12-31') >= b.valid_from AND a.valid_to IS NOT NULL"
            " ORDER BY 1 LIMIT 1",
        )
        if rows:
            raise InputError(
                "growth.overlap",
                f"Two versions of the {table} hold on {rows[0]['day']}.",
                where=str(rows[0]["id"]),
                remedy="End the earlier version the day before the later one begins.",
            )


def check_splits(connection: Connection) -> None:
    """S1: the shares of an account sum to 10,000 on every day it lives."""
    rows = query(connection, sql_text("split_breaks") + " ORDER BY account_id, day LIMIT 1")
    if rows:
        row = rows[0]
        raise InputError(
            "growth.splits",
            f"The shares of account '{row['account_id']}' sum to {row['total']:,} on "
            f"{row['day']}, not to 10,000.",
            where=str(row["account_id"]),
            remedy="Give links whose split_bps sum to 10,000 on every day from funding to closing.",
        )


def _check_alias(connection: Connection) -> None:
    rows = query(
        connection,
        "SELECT id_value FROM alias WHERE (person_id IS NULL) = (firm_id IS NULL) LIMIT 1",
    )
    if rows:
        raise InputError(
            "growth.alias_of_nobody",
            "An alias names one person or one firm, not both and not none.",
            where=str(rows[0]["id_value"]),
            remedy="Give person_id or firm_id.",
        )
