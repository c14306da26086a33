"""What leaves the warehouse: media-mix tables, ad platforms' uploads, packages for dbt and metrics.

Cells of fewer than ten persons are merged (P5); uploads hold hashed ids and allowed fields of
persons who agreed to ads, never of investors, and every row sent is logged (P6, P7).
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.dialects import QUERIES
from opensma.growth.funnel import today_of
from opensma.growth.next_steps import next_steps
from opensma.growth.privacy import SMALLEST_CELL, lawful_sql
from opensma.growth.warehouse.schema import CORE, LOADED
from opensma.growth.warehouse.store import query, setting, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

OLDEST_UPLOAD_DAYS = 90  # older milestones are refused by the platforms (B5)
_MILESTONES = ("meeting", "proposal", "approved", "opened", "funded")
_UPLOAD_FIELDS = ("event", "event_time", "event_id", "hashed_email")


@dataclass(frozen=True, slots=True)
class Exported:
    """Files that were written, with their rows, and what was left out for which reason."""

    kind: str
    files: Mapping[str, int]
    left_out: Mapping[str, int]


def export(connection: Connection, kind: str, folder: Path) -> Exported:
    """Write one kind of export; InputError growth.export_unknown for another."""
    kinds = {
        "mmm": _media_mix,
        "linkedin": _uploads,
        "google": _uploads,
        "crm": _crm,
        "dbt": _dbt,
        "metricflow": _metricflow,
    }
    if kind not in kinds:
        raise InputError(
            "growth.export_unknown",
            f"'{kind}' is not exported.",
            where="KIND",
            remedy=f"Known are {', '.join(kinds)}.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    return kinds[kind](connection, kind, folder)


def _write(path: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> int:
    with path.open("w", newline="", encoding="utf-8") as out:
        writer = csv.DictWriter(out, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def _media_mix(connection: Connection, kind: str, folder: Path) -> Exported:
    """Spend, touches and fundings by week and channel (B6): their model is somebody else's."""
    rows = query(
        connection,
        "SELECT CAST(date_trunc('week', day) AS DATE) AS week, channel, "
        "CAST(sum(spend_c) AS BIGINT) AS spend_cents, CAST(sum(touched) AS BIGINT) AS touches, "
        "count(DISTINCT person_id) AS persons FROM ("
        "SELECT date AS day, channel, amount_c AS spend_c, 0 AS touched, NULL AS person_id "
        "FROM spend UNION ALL "
        "SELECT CAST(ts AS DATE), channel, 0, 1, person_id FROM touch) GROUP BY ALL ORDER BY ALL",
    )
    found = [cell for week in sorted({r["week"] for r in rows}) for cell in _week(rows, week)]
    fundings = query(
        connection,
        "SELECT CAST(date_trunc('week', ts) AS DATE) AS week, count(*) AS fundings, "
        "CAST(sum(amount_c) AS BIGINT) AS funded_cents FROM event WHERE kind = 'funding' "
        "GROUP BY ALL ORDER BY 1",
    )
    tests = query(
        connection,
        "SELECT exp_id, channel, start, effect, effect_low, effect_high FROM experiment "
        "WHERE effect IS NOT NULL ORDER BY exp_id",
    )
    columns = ("week", "channel", "spend_cents", "touches", "persons")
    files = {
        "media.csv": _write(folder / "media.csv", columns, found),
        "outcome.csv": _write(
            folder / "outcome.csv", ("week", "fundings", "funded_cents"), fundings
        ),
        "lift_tests.csv": _write(
            folder / "lift_tests.csv",
            ("exp_id", "channel", "start", "effect", "effect_low", "effect_high"), tests,
        ),
    }  # fmt: skip
    return Exported(kind, files, {})


def _week(rows: Sequence[Mapping[str, Any]], week: date) -> list[dict[str, Any]]:
    """Cells of a week; spend is no person's, touches of too few persons are one cell (P5)."""
    mine = [dict(row) for row in rows if row["week"] == week]
    cells = []
    few = 0
    for row in mine:
        if row["persons"] < SMALLEST_CELL:
            few += row["touches"]
            row |= {"touches": None, "persons": None}
        if row["spend_cents"] or row["touches"]:
            cells.append(row)
    if few:
        name = f"(fewer than {SMALLEST_CELL} persons)"
        cells.append({"week": week, "channel": name, "spend_cents": 0, "touches": few,
                      "persons": None})  # fmt: skip
    return cells


def _uploads(connection: Connection, kind: str, folder: Path) -> Exported:
    """Milestones of the last 90 days for persons who agreed to ads (B5, P6, P7)."""
    as_of = date.fromisoformat(setting(connection, "as_of") or "1970-01-01")
    oldest = as_of - timedelta(days=OLDEST_UPLOAD_DAYS)
    allowed = lawful_sql("p.person_id", f"TIMESTAMP '{as_of} 23:59:59'", "ads")
    agreed = (
        "EXISTS (SELECT 1 FROM consent c WHERE c.person_id = p.person_id AND c.purpose = 'ads') "
        f"AND {allowed}"
    )
    stages = ", ".join(f"'{stage}'" for stage in _MILESTONES)
    rows = query(
        connection,
        "SELECT s.stage AS event, s.ts AS event_time, s.opp_id || ':' || s.stage AS event_id, "
        "a.id_value AS hashed_email, p.role, s.ts < CAST(? AS TIMESTAMP) AS old, "
        f"({agreed}) AS agreed FROM stage_event s JOIN opportunity o USING (opp_id) "
        "JOIN person p ON p.office_id = o.office_id "
        "LEFT JOIN alias a ON a.person_id = p.person_id AND a.id_type = 'email_hmac' "
        f"WHERE s.stage IN ({stages}) ORDER BY s.ts, s.opp_id, p.person_id", [oldest],
    )  # fmt: skip
    left: dict[str, int] = {}
    sent = []
    for row in rows:
        reason = _refusal(row)
        if reason:
            left[reason] = left.get(reason, 0) + 1
        else:
            sent.append(row)
    count = _write(folder / f"{kind}.csv", _UPLOAD_FIELDS, sent)
    log = [{"platform": kind, "event_id": r["event_id"], "as_of": as_of} for r in sent]
    _write(folder / f"{kind}_log.csv", ("platform", "event_id", "as_of"), log)
    return Exported(kind, {f"{kind}.csv": count, f"{kind}_log.csv": len(log)}, left)


def _crm(connection: Connection, kind: str, folder: Path) -> Exported:
    """Source with confidence and basis for each opportunity, to be written back; next steps.

    The source is the channel with the most touches of the firm in the look-back before the
    opportunity opened; its share of them is the confidence. What was there is never overwritten.
    """
    days = int(setting(connection, "lookback_days", "730"))
    rows = query(
        connection,
        "WITH people AS (SELECT person_id, arg_max(firm_id, valid_from) AS firm_id FROM person "
        "GROUP BY 1), before AS (SELECT o.opp_id, t.channel, t.touch_id, t.rules_version "
        "FROM opportunity o JOIN (SELECT t.*, coalesce(t.firm_id, p.firm_id) AS of_firm "
        "FROM touch t LEFT JOIN people p USING (person_id)) t ON t.of_firm = o.firm_id "
        f"AND t.ts <= o.opened_at AND t.ts > o.opened_at - INTERVAL {days} DAY), "
        "counted AS (SELECT opp_id, channel, count(*) AS n, max(rules_version) AS version, "
        "sum(count(*)) OVER (PARTITION BY opp_id) AS total, row_number() OVER (PARTITION BY "
        "opp_id ORDER BY count(*) DESC, channel) AS place FROM before GROUP BY 1, 2) "
        "SELECT o.opp_id, coalesce(c.channel, '(unattributed)') AS source, "
        "CAST(c.n AS DOUBLE) / c.total AS confidence, coalesce(CAST(c.n AS VARCHAR) || ' of ' || "
        "CAST(c.total AS VARCHAR) || ' touches before opening', 'no touch on record') AS basis, "
        "c.version AS rules_version FROM opportunity o LEFT JOIN counted c "
        "ON c.opp_id = o.opp_id AND c.place = 1 ORDER BY o.opp_id",
    )
    steps, _ = next_steps(connection, today_of(connection))
    listed = [
        {"firm_id": s.firm_id, "opp_id": s.opp_id, "action": s.action, "rule": s.rule,
         "score": s.score, "confidence": s.confidence, "reasons": "; ".join(s.reasons)}
        for s in steps
    ]  # fmt: skip
    sources = ("opp_id", "source", "confidence", "basis", "rules_version")
    columns = ("firm_id", "opp_id", "action", "rule", "score", "confidence", "reasons")
    files = {
        "crm_sources.csv": _write(folder / "crm_sources.csv", sources, rows),
        "crm_next_steps.csv": _write(folder / "crm_next_steps.csv", columns, listed),
    }
    return Exported(kind, files, {})


def _refusal(row: Mapping[str, Any]) -> str:
    if row["role"] == "investor":
        return "investor"
    if row["old"]:
        return "older than 90 days"
    if not row["agreed"]:
        return "no consent to ads"
    return "" if row["hashed_email"] else "no hashed address"


# Models that are no query of ours: what the derivation does between them.
_BETWEEN = {
    "credit": "SELECT event_id, touch_id, model, weight FROM credit_touched\nUNION ALL\n"
    "SELECT event_id, touch_id, model, weight FROM credit_rest",
    "line_part": "SELECT s.line_id, s.person_id, e.month AS tranche, e.event_id, s.amount_c, "
    "s.platform_share_c\nFROM line_split s\nJOIN fee_ledger f ON f.line_id = s.line_id\n"
    "JOIN event e ON e.account_id = f.account_id AND e.kind = 'funding'",
    "revenue": "SELECT * FROM revenue_billed\nUNION ALL\nSELECT r.model, v.line_id, r.person_id, "
    "r.tranche, r.event_id, r.touch_id, -r.amount_c, -r.platform_share_c\nFROM fee_ledger v\n"
    "JOIN revenue_billed r ON r.line_id = v.reversal_of",
}
_SEEDS = ("setting", "person_of", "no_basis", "credit_model", "decay", "channel_strength")


def _dbt(connection: Connection, kind: str, folder: Path) -> Exported:
    """A dbt package: sources, seeds, and every query as a model that refers to what it reads."""
    for name in ("models", "seeds"):
        (folder / name).mkdir(exist_ok=True)
    texts = {fills or name: sql_text(name) for name, fills in QUERIES}
    texts["revenue_billed"] = texts.pop("revenue")
    texts |= _BETWEEN
    tables = [t.name for t in (*LOADED, *CORE)]
    files = {}
    for target, text in sorted(texts.items()):
        for table in tables:
            text = _refer(text, table, f"{{{{ source('growth', '{table}') }}}}")
        for other in (*texts, *_SEEDS):
            text = _refer(text, other, f"{{{{ ref('{other}') }}}}")
        (folder / "models" / f"{target}.sql").write_text(text + "\n", encoding="utf-8")
        files[f"models/{target}.sql"] = text.count("\n") + 1
    for seed in _SEEDS:
        rows = query(connection, f"SELECT * FROM {seed} ORDER BY ALL")
        names = [row[0] for row in connection.execute(f"DESCRIBE {seed}").fetchall()]
        files[f"seeds/{seed}.csv"] = _write(folder / "seeds" / f"{seed}.csv", names, rows)
    sources = "".join(f"      - name: {table}\n" for table in tables)
    (folder / "models" / "sources.yml").write_text(
        f"version: 2\nsources:\n  - name: growth\n    tables:\n{sources}", encoding="utf-8"
    )
    (folder / "dbt_project.yml").write_text(
        "name: growth\nversion: '1.0'\nconfig-version: 2\nmodel-paths: [models]\n"
        "seed-paths: [seeds]\nmodels:\n  growth:\n    +materialized: table\n",
        encoding="utf-8",
    )
    return Exported(kind, files | {"dbt_project.yml": 1, "models/sources.yml": len(tables)}, {})


def _refer(text: str, table: str, reference: str) -> str:
    """Put a reference where a table is read: after FROM or JOIN, as a whole word."""
    return re.sub(rf"\b(FROM|JOIN) {table}\b", lambda m: f"{m.group(1)} {reference}", text)


def _metricflow(connection: Connection, kind: str, folder: Path) -> Exported:
    """Billed revenue as a semantic model; YAML is a superset of the JSON that is written."""
    document = {
        "semantic_models": [{
            "name": "attributed_revenue",
            "model": "ref('channel_revenue')",
            "defaults": {"agg_time_dimension": "month"},
            "dimensions": [
                {"name": "month", "type": "time", "type_params": {"time_granularity": "month"}},
                *({"name": n, "type": "categorical"}
                  for n in ("model", "channel", "campaign_id", "segment")),
            ],
            "measures": [
                {"name": "billed_cents", "agg": "sum", "expr": "amount_c"},
                {"name": "net_cents", "agg": "sum", "expr": "amount_c - platform_share_c"},
            ],
        }],
        "metrics": [
            {"name": name, "label": label, "type": "simple", "type_params": {"measure": measure},
             "description": "Billed, not modelled. Filter one credit model before you sum."}
            for name, label, measure in (
                ("billed_revenue", "Billed revenue, cents", "billed_cents"),
                ("net_revenue", "Net revenue, cents", "net_cents"),
            )
        ],
    }  # fmt: skip
    path = folder / "metrics.yml"
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return Exported(kind, {path.name: 1}, {})
