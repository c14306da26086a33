"""What leaves the warehouse: media-mix tables, uploads to ad networks, dbt and metrics."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.dialects import QUERIES
from opensma.growth.exports_files import Exported, write_rows
from opensma.growth.exports_media_mix import media_mix
from opensma.growth.exports_uploads import NETWORKS, Matching, uploads
from opensma.growth.funnel import today_of
from opensma.growth.next_steps import next_steps
from opensma.growth.warehouse.schema import CORE, LOADED
from opensma.growth.warehouse.store import query, setting, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection


def export(
    connection: Connection, kind: str, folder: Path, matching: Matching | None = None
) -> Exported:
    """Write one kind of export; InputError growth.export_unknown for another.

    `matching` is for the uploads alone: what turns their rows into a network's own format.
    """
    kinds = {"mmm": media_mix, "crm": _crm, "dbt": _dbt, "metricflow": _metricflow}
    if kind not in kinds and kind not in NETWORKS:
        raise InputError(
            "growth.export_unknown",
            f"'{kind}' is not exported.",
            where="KIND",
            remedy=f"Known are {', '.join(sorted((*kinds, *NETWORKS)))}.",
        )
    if matching is not None and kind not in NETWORKS:
        raise InputError(
            "growth.export_matching",
            f"Addresses are for uploads, and '{kind}' is none.",
            where="--contacts",
            remedy=f"Uploads are {', '.join(sorted(NETWORKS))}.",
        )
    folder.mkdir(parents=True, exist_ok=True)
    if kind in NETWORKS:
        return uploads(connection, kind, folder, matching)
    return kinds[kind](connection, folder)


def _crm(connection: Connection, folder: Path) -> Exported:
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
        "crm_sources.csv": write_rows(folder / "crm_sources.csv", sources, rows),
        "crm_next_steps.csv": write_rows(folder / "crm_next_steps.csv", columns, listed),
    }
    return Exported("crm", files, {})


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


def _dbt(connection: Connection, folder: Path) -> Exported:
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
        files[f"seeds/{seed}.csv"] = write_rows(folder / "seeds" / f"{seed}.csv", names, rows)
    sources = "".join(f"      - name: {table}\n" for table in tables)
    (folder / "models" / "sources.yml").write_text(
        f"version: 2\nsources:\n  - name: growth\n    tables:\n{sources}", encoding="utf-8"
    )
    (folder / "dbt_project.yml").write_text(
        "name: growth\nversion: '1.0'\nconfig-version: 2\nmodel-paths: [models]\n"
        "seed-paths: [seeds]\nmodels:\n  growth:\n    +materialized: table\n",
        encoding="utf-8",
    )
    return Exported("dbt", files | {"dbt_project.yml": 1, "models/sources.yml": len(tables)}, {})


def _refer(text: str, table: str, reference: str) -> str:
    """Put a reference where a table is read: after FROM or JOIN, as a whole word."""
    return re.sub(rf"\b(FROM|JOIN) {table}\b", lambda m: f"{m.group(1)} {reference}", text)


def _metricflow(connection: Connection, folder: Path) -> Exported:
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
    return Exported("metricflow", {path.name: 1}, {})
