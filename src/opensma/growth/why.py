"""Where a fee line came from: line, shares of persons, tranche, event, touches with weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.journeys import MODELS
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection


def check_model(model: str) -> None:
    """InputError growth.model_unknown for a model that divides no revenue."""
    if model not in MODELS:
        raise InputError(
            "growth.model_unknown",
            f"There is no model '{model}'.",
            where="--model",
            remedy=f"Known are {', '.join(MODELS)}.",
        )


def why_line(connection: Connection, line_id: str, model: str) -> dict[str, Any]:
    """A fee line walked down to its touches under one model; cents sum at every step.

    InputError growth.line_unknown or growth.model_unknown.
    """
    check_model(model)
    lines = query(connection, "SELECT * FROM fee_ledger WHERE line_id = ?", [line_id])
    if not lines:
        raise InputError(
            "growth.line_unknown",
            "There is no such fee line.",
            where=line_id,
            remedy=f"A line is INVOICE:ACCOUNT, as {_example(connection)}.",
        )
    line = lines[0]
    rows = query(
        connection,
        "SELECT r.*, t.ts, t.channel, t.campaign_id, t.kind AS touch_kind, c.weight "
        "FROM revenue r JOIN credit c ON c.event_id = r.event_id AND c.touch_id = r.touch_id "
        "AND c.model = r.model LEFT JOIN touch t ON t.touch_id = r.touch_id "
        "WHERE r.line_id = ? AND r.model = ? ORDER BY r.person_id, r.tranche, t.ts, r.touch_id",
        [line_id, model],
    )
    links = {
        r["person_id"]: r["split_bps"]
        for r in query(
            connection,
            "SELECT l.person_id, l.split_bps FROM account_link l JOIN account a USING (account_id) "
            "WHERE l.account_id = ? AND l.valid_from <= least(?, coalesce(a.closed, ?)) "
            "AND coalesce(l.valid_to, DATE '9999-12-31') >= least(?, coalesce(a.closed, ?))",
            [line["account_id"], *[line["period_end"]] * 4],
        )
    }  # fmt: skip
    return {"line": line, "model": model, "splits": _splits(connection, rows, links)}


def _splits(
    connection: Connection, rows: list[dict[str, Any]], links: dict[str, int]
) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        split = found.setdefault(
            row["person_id"],
            {"person_id": row["person_id"], "split_bps": links.get(row["person_id"]),
             "amount_c": 0, "platform_share_c": 0, "tranches": {}},
        )  # fmt: skip
        tranche = split["tranches"].setdefault(
            (row["tranche"], row["event_id"]),
            {"tranche": row["tranche"], "amount_c": 0, "platform_share_c": 0,
             "event": _event(connection, row["event_id"]), "touches": []},
        )  # fmt: skip
        for part in (split, tranche):
            part["amount_c"] += row["amount_c"]
            part["platform_share_c"] += row["platform_share_c"]
        tranche["touches"].append({
            "touch_id": row["touch_id"], "ts": row["ts"],
            "channel": row["channel"] or row["touch_id"],
            "campaign_id": row["campaign_id"], "weight": row["weight"],
            "amount_c": row["amount_c"], "platform_share_c": row["platform_share_c"],
        })  # fmt: skip
    for split in found.values():
        split["tranches"] = list(split["tranches"].values())
    return list(found.values())


def _event(connection: Connection, event_id: str) -> dict[str, Any]:
    rows = query(
        connection,
        "SELECT e.event_id, e.kind, e.ts, e.group_id, e.firm_id, e.amount_c, q.basis AS acquired "
        "FROM event e LEFT JOIN acquisition q ON q.account_id = e.account_id "
        "AND e.kind = 'funding' WHERE e.event_id = ?", [event_id],
    )  # fmt: skip
    return rows[0] if rows else {"event_id": event_id, "kind": "none"}


def _example(connection: Connection) -> str:
    rows = query(connection, "SELECT min(line_id) AS line FROM fee_ledger")
    return str(rows[0]["line"] or "none is published yet")
