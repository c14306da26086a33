"""Privacy: keys instead of addresses, consent as of a time, erasure, masks, small cells (P1-P5).

Whoever holds the secret decides who can be found again; it is never written into the warehouse.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.warehouse.schema import LAWFUL, LOADED
from opensma.growth.warehouse.store import changed, first_row, query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

SMALLEST_CELL = 10  # persons (P5)
RAW_TOUCH_MONTHS = 25  # P4
COOKIE_MONTHS = 13
SHORTEST_SECRET = 16

# What people type into notes: addresses, telephone numbers, social security numbers.
MASKS = (
    ("[email]", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}"),
    ("[ssn]", r"\b\d{3}-\d{2}-\d{4}\b"),
    ("[phone]", r"(\+?\d{1,3}[ .-]?)?(\(\d{3}\)[ ]?|\d{3}[ .-])\d{3}[ .-]\d{4}\b"),
)
PERSONAL = "|".join(f"({pattern})" for _, pattern in MASKS)


def email_key(address: str, secret: bytes) -> str:
    """HMAC-SHA-256 of a normalised address (P1, I1): trimmed, lower case."""
    if len(secret) < SHORTEST_SECRET:
        raise InputError(
            "growth.secret_short",
            f"The secret has {len(secret)} bytes; {SHORTEST_SECRET} are needed.",
            where="--secret-file",
            remedy="Keep a file of random bytes outside the warehouse.",
        )
    return hmac.new(secret, address.strip().lower().encode(), hashlib.sha256).hexdigest()


def masked(text: str) -> str:
    """Free text with personal data replaced by what it was."""
    for word, pattern in MASKS:
        text = re.sub(pattern, word, text)
    return text


def mask_sql(column: str) -> str:
    """The same masks as an expression over a column."""
    expression = column
    for word, pattern in MASKS:
        expression = f"regexp_replace({expression}, '{pattern}', '{word}', 'g')"
    return expression


def lawful_sql(person: str, moment: str, purpose: str = "analytics") -> str:
    """Condition: the person's newest statement at a moment allows a purpose (P2).

    Without a statement the state of the person's own row holds.
    """
    lawful = ", ".join(f"'{state}'" for state in LAWFUL)
    said = (
        f"SELECT arg_max(c.state, c.ts) FROM consent c WHERE c.person_id = {person} "
        f"AND c.purpose = '{purpose}' AND c.ts <= {moment}"
    )
    own = (
        f"SELECT arg_max(p.consent_state, p.valid_from) FROM person p WHERE p.person_id = {person}"
    )
    return f"COALESCE(({said}), ({own}), 'unknown') IN ({lawful})"


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure removed, proved by counts (P3, P4)."""

    person_id: str
    token: str
    removed: Mapping[str, int]
    kept: Mapping[str, int]


def erase(connection: Connection, person_id: str) -> Erased:
    """Remove a person's aliases, statements and link; totals and ledger credit stay (P3).

    Rows that carry credit keep a token that says nothing about the person.
    """
    known = first_row(connection, "SELECT count(*) FROM person WHERE person_id = ?", [person_id])
    if not known or not known[0]:
        raise InputError(
            "growth.person_unknown",
            "There is no such person in the warehouse.",
            where=person_id,
            remedy="Ids are those of the person table; an erased person has none.",
        )
    row = first_row(
        connection, "SELECT count(DISTINCT person_id) FROM person WHERE person_id LIKE 'erased-%'"
    )
    token = f"erased-{(row[0] if row else 0) + 1:06d}"
    captured = changed(
        connection,
        "DELETE FROM capture WHERE email_hmac IN (SELECT id_value FROM alias "
        "WHERE id_type = 'email_hmac' AND person_id = ?)",
        [person_id],
    )
    removed = {"capture": captured} | {
        table: changed(connection, f"DELETE FROM {table} WHERE person_id = ?", [person_id])
        for table in ("alias", "consent", "person_of")
    }
    removed["alias_conflict"] = changed(
        connection,
        "DELETE FROM alias_conflict WHERE kept = ? OR refused = ?",
        (person_id, person_id),
    )
    for table in ("event", "null_journey"):  # a person without an office is a group of one
        changed(
            connection, f"UPDATE {table} SET group_id = ? WHERE group_id = ?", (token, person_id)
        )
    removed["person"] = changed(
        connection,
        "UPDATE person SET person_id = ?, firm_id = NULL, office_id = NULL, crd = NULL "
        "WHERE person_id = ?",
        (token, person_id),
    )
    kept = {
        table: changed(
            connection, f"UPDATE {table} SET person_id = ? WHERE person_id = ?", (token, person_id)
        )
        for table in ("touch", "account_link", "journey", "line_part", "revenue")
    }
    return Erased(person_id, token, removed, kept)


def purge(connection: Connection, as_of: date) -> dict[str, int]:
    """Drop raw touches after 25 months and cookies after 13, and count them (P4).

    Touches that carry credit stay as they are: journeys reach back two years.
    """
    touches = (
        f"DELETE FROM touch WHERE ts < CAST(? AS DATE) - INTERVAL {RAW_TOUCH_MONTHS} MONTH "
        "AND touch_id NOT IN (SELECT touch_id FROM journey)"
    )
    cookies = (
        f"DELETE FROM alias WHERE id_type = 'cookie' "
        f"AND recorded_at < CAST(? AS DATE) - INTERVAL {COOKIE_MONTHS} MONTH"
    )
    return {
        "touches": changed(connection, touches, [as_of]),
        "cookies": changed(connection, cookies, [as_of]),
    }


def without_small_cells(
    rows: Sequence[Mapping[str, object]], count: str, label: str, sums: Sequence[str]
) -> list[dict[str, object]]:
    """Rows of fewer than ten persons become one row, so that sums stay what they were (P5)."""
    large = [dict(row) for row in rows if int(str(row[count])) >= SMALLEST_CELL]
    small = [row for row in rows if int(str(row[count])) < SMALLEST_CELL]
    if not small:
        return large
    merged: dict[str, object] = dict.fromkeys(small[0], None)
    merged[label] = f"(fewer than {SMALLEST_CELL} persons)"
    merged.update({name: sum(int(str(row[name] or 0)) for row in small) for name in sums})
    merged[count] = None
    return [*large, merged]


def personal_data(connection: Connection) -> list[dict[str, object]]:
    """Columns that hold an address or number after all, with how many rows; empty when clean."""
    found: list[dict[str, object]] = []
    for table in LOADED:
        for column in (c.name for c in table.columns if c.kind.value == "VARCHAR"):
            sql = f'SELECT count(*) AS n FROM {table.name} WHERE regexp_matches("{column}", ?)'
            if (n := query(connection, sql, [PERSONAL])[0]["n"]) > 0:
                found.append({"table": table.name, "column": column, "rows": n})
    return found
