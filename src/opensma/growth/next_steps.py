"""What to do next for whom: open opportunities scored, rules that somebody can read, reasons.

The score is the chance of the next stage within the horizon, from the opportunities of the past;
with fewer than 100 of those steps only the rules speak, and the list says so (L1, L5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.growth import scoring
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

HORIZON_DAYS = 90
_QUIET_DAYS, _PROPOSAL_DAYS, _GATE_DAYS, _FRESH_DAYS = 45, 14, 60, 120
_ENDS = "('won', 'lost', 'funded')"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `score` is a chance by the model, None where only a rule speaks."""

    firm_id: str
    opp_id: str | None
    action: str
    rule: str
    score: float | None
    reasons: Sequence[str] = field(default=())

    @property
    def confidence(self) -> str:
        """What stands behind it."""
        return "rule" if self.score is None else "rule and score"


def next_steps(connection: Connection, as_of: date) -> tuple[list[Step], str]:
    """Steps, the likeliest first, and which kind of score ordered them."""
    rows = _stage_rows(connection, as_of)
    scores, label = _scores(rows)
    found: list[Step] = []
    for index, row in enumerate(rows):
        if row["open"]:
            found += _of_opportunity(row, scores.get(index))
    found += _of_gates(connection, as_of)
    found += _of_outflows(connection, as_of)
    found.sort(key=lambda s: (-(s.score or 0.0), s.rule, s.firm_id, s.opp_id or ""))
    return found, label


def _stage_rows(connection: Connection, as_of: date) -> list[dict[str, Any]]:
    """One row per opportunity and stage entered, with what was known on that day only (L2)."""
    return query(
        connection,
        "WITH entered AS (SELECT opp_id, 'new' AS stage, opened_at AS ts FROM opportunity "
        f"UNION ALL SELECT opp_id, stage, min(ts) FROM stage_event WHERE stage NOT IN {_ENDS} "
        "GROUP BY opp_id, stage), "
        f"ended AS (SELECT opp_id, min(ts) AS ts FROM stage_event WHERE stage IN {_ENDS} "
        "GROUP BY 1), won AS (SELECT opp_id, min(ts) AS ts FROM stage_event "
        "WHERE stage IN ('won', 'funded') GROUP BY 1), "
        "stepped AS (SELECT e.*, lead(e.ts) OVER (PARTITION BY e.opp_id ORDER BY e.ts, e.stage) "
        "AS following FROM entered e), people AS (SELECT person_id, "
        "arg_max(firm_id, valid_from) AS firm_id FROM person GROUP BY 1), "
        "touched AS (SELECT coalesce(t.firm_id, p.firm_id) AS firm_id, t.ts, t.channel "
        "FROM touch t LEFT JOIN people p USING (person_id)), "
        "joined AS (SELECT s.opp_id, s.stage, s.ts, o.firm_id, o.strategy_id, o.platform_id, "
        "coalesce(s.following, w.ts) AS next_ts, "
        "s.following IS NULL AND d.ts IS NULL AS open FROM stepped s "
        "JOIN opportunity o USING (opp_id) LEFT JOIN ended d USING (opp_id) "
        "LEFT JOIN won w USING (opp_id)) "
        "SELECT CAST(? AS DATE) AS as_of, j.opp_id, j.stage, j.ts, j.firm_id, "
        "j.strategy_id, j.platform_id, j.next_ts, "
        "j.open, any_value(f.kind) AS kind, "
        "count(t.ts) FILTER (t.ts <= j.ts AND t.ts > j.ts - INTERVAL 90 DAY) AS recent, "
        "arg_max(t.channel, t.ts) FILTER (t.ts <= j.ts) AS channel, "
        "max(t.ts) FILTER (t.ts < CAST(? AS DATE) + 1) AS last_touch "
        "FROM joined j LEFT JOIN touched t ON t.firm_id = j.firm_id "
        "LEFT JOIN (SELECT firm_id, arg_max(kind, valid_from) AS kind FROM firm GROUP BY 1) f "
        "ON f.firm_id = j.firm_id WHERE j.ts < CAST(? AS DATE) + 1 "
        "GROUP BY ALL ORDER BY j.ts, j.opp_id, j.stage", [as_of, as_of, as_of],
    )  # fmt: skip


_FEATURES = ("stage", "kind", "strategy_id", "platform_id", "recent", "channel")


def _scores(rows: Sequence[Mapping[str, Any]]) -> tuple[dict[int, tuple[float, list[str]]], str]:
    """Chances of the open rows that still are within the horizon, with reasons; or none."""
    newest = max((row["as_of"] for row in rows), default=None)
    if newest is None:
        return {}, "rules only: no opportunity"
    targets = [
        scoring.next_stage_within(
            row["ts"].date(), row["next_ts"].date() if row["next_ts"] else None, newest,
            HORIZON_DAYS,
        )
        for row in rows
    ]  # fmt: skip
    known = [i for i, target in enumerate(targets) if target is not None]
    events = sum(bool(targets[i]) for i in known)
    if events < scoring.FEWEST_EVENTS or events == len(known):
        return {}, f"rules only: {events} steps on record, {scoring.FEWEST_EVENTS} are needed"
    told = {name: [rows[i][name] for i in known] for name in _FEATURES}
    model = scoring.fit_score(told, np.array([float(bool(targets[i])) for i in known]))
    asked = [
        i for i, row in enumerate(rows)
        if row["open"] and (newest - row["ts"].date()).days <= HORIZON_DAYS
    ]  # fmt: skip
    columns = {name: [rows[i][name] for i in asked] for name in _FEATURES}
    chances = model.scores(columns) if asked else np.zeros(0)
    reasons = model.reasons(columns) if asked else []
    found = {
        i: (float(chance), [str(r["reason"]) for r in why])
        for i, chance, why in zip(asked, chances, reasons, strict=True)
    }
    return found, f"chance of the next stage within {HORIZON_DAYS} days, from {len(known):,} steps"


def _of_opportunity(row: Mapping[str, Any], scored: tuple[float, list[str]] | None) -> list[Step]:
    """The first rule that fits an open opportunity; one step each."""
    quiet = (row["as_of"] - row["last_touch"].date()).days if row["last_touch"] else None
    waits = (row["as_of"] - row["ts"].date()).days
    words = "never a touch on record" if quiet is None else f"last touch {quiet} days ago"
    here = f"{row['stage']} for {waits} days"
    if row["stage"] == "proposal" and waits >= _PROPOSAL_DAYS:
        rule, action = "proposal_waits", "Ask for the decision on the proposal"
    elif quiet is None or quiet >= _QUIET_DAYS:
        rule, action = "quiet", "Call: the firm has gone quiet"
    elif row["stage"] in ("new", "targeted"):
        rule, action = "no_meeting", "Offer a meeting with a transition study"
    elif row["stage"] == "meeting":
        rule, action = "no_proposal", "Send the proposal"
    else:
        rule, action = "open", "Help to open and fund the account"
    chance, reasons = scored if scored else (None, [])
    return [Step(row["firm_id"] or "(no firm)", row["opp_id"], action, rule, chance,
                 (here, words, *reasons))]  # fmt: skip


def _of_gates(connection: Connection, as_of: date) -> list[Step]:
    """Approvals without an opportunity after them, and requests that nobody answered (B2)."""
    rows = query(
        connection,
        "SELECT g.firm_id, g.platform_id, g.strategy_id, "
        "min(g.ts) FILTER (g.status = 'requested') AS requested, "
        "max(g.ts) FILTER (g.status = 'approved') AS approved, "
        "count(*) FILTER (g.status IN ('declined', 'withdrawn')) AS refused, "
        "(SELECT count(*) FROM opportunity o WHERE o.firm_id = g.firm_id AND "
        "o.strategy_id IS NOT DISTINCT FROM g.strategy_id) AS opportunities "
        "FROM gate g WHERE g.ts < CAST(? AS DATE) + 1 GROUP BY ALL ORDER BY ALL", [as_of],
    )  # fmt: skip
    found = []
    for row in rows:
        what = f"{row['strategy_id']} on {row['platform_id']}"
        if row["approved"] and not row["refused"]:
            days = (as_of - row["approved"].date()).days
            if days <= _FRESH_DAYS and not row["opportunities"]:
                why = (f"approved {days} days ago, no opportunity yet",)
                step = Step(row["firm_id"], None, f"Introduce {what}", "approved_unused", None, why)
                found.append(step)
        elif row["requested"] and not row["refused"]:
            days = (as_of - row["requested"].date()).days
            if days >= _GATE_DAYS:
                found.append(Step(row["firm_id"], None, f"Ask the gatekeeper about {what}",
                                  "gate_waits", None, (f"asked {days} days ago",)))  # fmt: skip
    return found


def _of_outflows(connection: Connection, as_of: date) -> list[Step]:
    """Firms whose accounts lost a tenth or more by outflows over the last three months."""
    start = (as_of - timedelta(days=92)).replace(day=1)
    rows = query(
        connection,
        "WITH linked AS (SELECT account_id, arg_max(firm_id, (valid_from, split_bps, person_id)) "
        "AS firm_id FROM account_link GROUP BY 1) SELECT firm_id, "
        "CAST(sum(outside_c) AS BIGINT) AS flow_c, "
        "CAST(sum(beg_c) FILTER (month = first_month) AS BIGINT) AS beg_c FROM (SELECT *, "
        "flow_c - coalesce(internal_c, 0) AS outside_c, "
        "min(month) OVER (PARTITION BY account_id) AS first_month FROM account_month "
        "WHERE month >= ? AND month <= ?) JOIN linked USING (account_id) "
        "WHERE firm_id IS NOT NULL GROUP BY firm_id "
        "HAVING sum(outside_c) < 0 "
        "AND -10 * sum(outside_c) >= sum(beg_c) FILTER (month = first_month) "
        "ORDER BY 2, 1", [start, as_of],
    )  # fmt: skip
    return [
        Step(row["firm_id"], None, "Ask why money leaves", "outflows", None,
             (f"${-row['flow_c'] / 100:,.0f} of ${row['beg_c'] / 100:,.0f} left since {start}",))
        for row in rows
    ]  # fmt: skip
