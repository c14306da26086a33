"""Closing a period: hashes of what went in and came out; a restatement is a new row (R8)."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.warehouse.store import one_transaction, query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

_INPUTS = (
    "SELECT f.* FROM fee_ledger f WHERE f.period = ? ORDER BY line_id",
    """SELECT c.* FROM credit c WHERE event_id IN (SELECT event_id FROM line_part l
    JOIN fee_ledger f USING (line_id) WHERE f.period = ?) ORDER BY ALL""",
)
_OUTPUT = (
    "SELECT r.model, r.touch_id, CAST(sum(r.amount_c) AS BIGINT) AS amount_c, "
    "CAST(sum(r.platform_share_c) AS BIGINT) AS platform_share_c FROM revenue r "
    "JOIN fee_ledger f USING (line_id) WHERE f.period = ? GROUP BY ALL ORDER BY ALL"
)


def close_period(connection: Connection, period: str, closed_at: str) -> dict[str, Any]:
    """Freeze a period; where it was closed with other figures, restate it with the difference.

    InputError growth.period for a period without lines.
    """
    if not query(connection, "SELECT 1 FROM fee_ledger WHERE period = ? LIMIT 1", [period]):
        raise InputError(
            "growth.period",
            f"No fee line is of the period '{period}'.",
            where="--close",
            remedy="Bill and publish it first.",
        )
    inputs = _digest([query(connection, sql, [period]) for sql in _INPUTS])
    rows = query(connection, _OUTPUT, [period])
    outputs = _digest(rows)
    before = query(
        connection, "SELECT * FROM close WHERE period = ? ORDER BY sequence DESC LIMIT 1", [period]
    )
    if before and (before[0]["inputs_sha256"], before[0]["outputs_sha256"]) == (inputs, outputs):
        return before[0]
    now = {f"{r['model']} {r['touch_id']}": r["amount_c"] for r in rows}
    then = json.loads(before[0]["figures"]) if before else {}
    changes = {
        key: now.get(key, 0) - then.get(key, 0)
        for key in sorted(set(now) | set(then))
        if now.get(key, 0) != then.get(key, 0)
    }
    difference = json.dumps(changes, sort_keys=True) if before else "first close"
    sequence = before[0]["sequence"] + 1 if before else 1
    with one_transaction(connection):
        connection.execute(
            "INSERT INTO close VALUES (?, ?, ?, ?, ?, ?, ?)",
            [period, sequence, inputs, outputs, closed_at, difference, json.dumps(now)],
        )
    return {
        "period": period, "sequence": sequence, "inputs_sha256": inputs,
        "outputs_sha256": outputs, "closed_at": closed_at, "difference": difference,
    }  # fmt: skip


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, default=str, sort_keys=True).encode()).hexdigest()
