"""The funnel by stage, gates apart from it, accounts by firm, and how much of it is logged (B1-B4).

Counts come from what the customer system recorded; nothing is filled in. An approval is a gate: it
has a yield and a time of its own, and is no channel (B2).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from opensma.growth.warehouse.store import first_row, query, setting

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

# The way in, in its order; `won` and `lost` are how a customer system closes a deal.
WAY = ("targeted", "meeting", "proposal", "approved", "opened", "funded")
COVERED_WITHIN_DAYS = 7  # a meeting counts as logged with a touch this near to it (B4)

_ORDER = "CASE s.stage " + " ".join(f"WHEN '{s}' THEN {i}" for i, s in enumerate(WAY)) + " END"
_FIRST = "SELECT s.opp_id, s.stage, min(s.ts) AS ts FROM stage_event s GROUP BY s.opp_id, s.stage"


def today_of(connection: Connection) -> date:
    """The day of the last publication, or of the newest event on record without one."""
    if kept := setting(connection, "as_of"):
        return date.fromisoformat(kept)
    row = first_row(
        connection,
        "SELECT CAST(max(ts) AS DATE) FROM (SELECT ts FROM stage_event UNION ALL "
        "SELECT ts FROM touch UNION ALL SELECT opened_at FROM opportunity)",
    )
    return row[0] if row and row[0] else date(1970, 1, 1)


def stages(connection: Connection) -> list[dict[str, Any]]:
    """Per stage: opportunities, those of them that came further, days since the stage before."""
    return query(
        connection,
        f"WITH first AS ({_FIRST}), way AS (SELECT s.opp_id, s.stage, s.ts, {_ORDER} AS place "
        "FROM first s), stepped AS (SELECT *, lag(ts) OVER (PARTITION BY opp_id ORDER BY place) "
        "AS before, max(place) OVER (PARTITION BY opp_id) AS furthest FROM way "
        "WHERE place IS NOT NULL) SELECT stage, count(*) AS opportunities, "
        "count(*) FILTER (furthest > place) AS further, "
        "CAST(count(*) FILTER (furthest > place) AS DOUBLE) / count(*) AS yield, "
        "median(date_diff('day', before, ts)) AS median_days_from_before, "
        "median(date_diff('day', o.opened_at, ts)) AS median_days_from_opening "
        "FROM stepped JOIN opportunity o USING (opp_id) GROUP BY stage, place ORDER BY place",
    )


def outcomes(connection: Connection, by: str = "") -> list[dict[str, Any]]:
    """Won, lost and open opportunities, win rate and days to the end; by a column if named.

    A funded opportunity is won. The rate is won over won and lost: open ones are in neither.
    """
    column = {"": "'all'", "firm": "o.firm_id", "strategy": "o.strategy_id",
              "platform": "o.platform_id"}[by]  # fmt: skip
    return query(
        connection,
        "WITH ended AS (SELECT opp_id, min(ts) FILTER (stage IN ('won', 'funded')) AS won, "
        "min(ts) FILTER (stage = 'lost') AS lost FROM stage_event GROUP BY opp_id), "
        f"each AS (SELECT coalesce({column}, '(none)') AS label, o.opened_at, e.won, "
        "CASE WHEN e.won IS NULL THEN e.lost END AS lost "
        "FROM opportunity o LEFT JOIN ended e USING (opp_id)) "
        "SELECT label, count(*) AS opportunities, count(won) AS won, count(lost) AS lost, "
        "count(*) - count(won) - count(lost) AS open, "
        "CAST(count(won) AS DOUBLE) / nullif(count(won) + count(lost), 0) AS win_rate, "
        "median(date_diff('day', opened_at, won)) AS median_days_to_won, "
        "avg(date_diff('day', opened_at, won)) AS mean_days_to_won, "
        "median(date_diff('day', opened_at, lost)) AS median_days_to_lost "
        "FROM each GROUP BY label ORDER BY opportunities DESC, label",
    )


def channel_mix(connection: Connection) -> list[dict[str, Any]]:
    """Touches by channel with their share."""
    return query(
        connection,
        "SELECT channel, count(*) AS touches, CAST(count(*) AS DOUBLE) / sum(count(*)) OVER () "
        "AS share FROM touch GROUP BY channel ORDER BY touches DESC, channel",
    )


def gates(connection: Connection) -> list[dict[str, Any]]:
    """Yield and days of each gate; asked and not answered yet is neither (B2)."""
    return query(
        connection,
        "WITH asked AS (SELECT firm_id, platform_id, strategy_id, "
        "min(ts) FILTER (status = 'requested') AS requested, "
        "min(ts) FILTER (status = 'approved') AS approved, "
        "min(ts) FILTER (status IN ('declined', 'withdrawn')) AS refused, sum(cost_c) AS cost_c "
        "FROM gate GROUP BY ALL) SELECT platform_id, strategy_id, count(*) AS asked, "
        "count(approved) AS approved, count(*) FILTER (approved IS NULL AND refused IS NOT NULL) "
        "AS refused, count(*) FILTER (approved IS NULL AND refused IS NULL) AS waiting, "
        "CAST(count(approved) AS DOUBLE) / nullif(count(approved) + count(*) FILTER "
        "(approved IS NULL AND refused IS NOT NULL), 0) AS yield, "
        "median(date_diff('day', requested, approved)) AS median_days, "
        "CAST(coalesce(sum(cost_c), 0) AS BIGINT) AS cost_c "
        "FROM asked GROUP BY ALL ORDER BY ALL",
    )


def firms(connection: Connection) -> list[dict[str, Any]]:
    """One row for each firm: people, touches, pipeline, accounts, assets, revenue as billed (R1).

    Assets and revenue go to the firm of the account's links; account ids and sums, no holdings.
    """
    return query(
        connection,
        "WITH touched AS (SELECT coalesce(t.firm_id, p.firm_id) AS firm_id, t.touch_id, t.ts "
        "FROM touch t LEFT JOIN (SELECT person_id, arg_max(firm_id, valid_from) AS firm_id "
        "FROM person GROUP BY 1) p USING (person_id)), "
        "t AS (SELECT firm_id, count(*) AS touches, max(ts) AS last_touch FROM touched "
        "GROUP BY 1), people AS (SELECT firm_id, count(DISTINCT person_id) AS persons "
        "FROM person GROUP BY 1), o AS (SELECT o.firm_id, count(*) AS opportunities, "
        "count(*) FILTER (coalesce(e.won, false)) AS won, "
        "count(*) FILTER (NOT coalesce(e.won, false) AND NOT coalesce(e.lost, false)) AS open "
        "FROM opportunity o LEFT JOIN (SELECT opp_id, bool_or(stage IN ('won', 'funded')) AS won, "
        "bool_or(stage = 'lost') AS lost FROM stage_event GROUP BY 1) e USING (opp_id) GROUP BY 1),"
        " linked AS (SELECT account_id, arg_max(firm_id, (valid_from, split_bps, person_id)) "
        "AS firm_id FROM account_link GROUP BY 1), worth AS (SELECT account_id, "
        "arg_max(end_c, month) AS end_c FROM account_month GROUP BY 1), billed AS (SELECT "
        "account_id, sum(amount_c - platform_share_c) AS net_c FROM fee_ledger GROUP BY 1), "
        "a AS (SELECT l.firm_id, count(*) AS accounts, sum(w.end_c) AS assets_c, "
        "sum(b.net_c) AS net_c FROM linked l LEFT JOIN worth w USING (account_id) "
        "LEFT JOIN billed b USING (account_id) GROUP BY 1) "
        "SELECT f.firm_id, any_value(f.kind) AS kind, any_value(people.persons) AS persons, "
        "any_value(t.touches) AS touches, any_value(t.last_touch) AS last_touch, "
        "any_value(o.opportunities) AS opportunities, any_value(o.open) AS open, "
        "any_value(o.won) AS won, any_value(a.accounts) AS accounts, "
        "CAST(any_value(a.assets_c) AS BIGINT) AS assets_c, "
        "CAST(any_value(a.net_c) AS BIGINT) AS net_billed_c FROM firm f "
        "LEFT JOIN people USING (firm_id) LEFT JOIN t USING (firm_id) LEFT JOIN o USING (firm_id) "
        "LEFT JOIN a USING (firm_id) GROUP BY f.firm_id "
        "ORDER BY net_billed_c DESC NULLS LAST, f.firm_id",
    )


def coverage(connection: Connection) -> list[dict[str, Any]]:
    """Meetings on record near to which a wholesaler logged something, by wholesaler (B4).

    A wholesaler is the `source` of touches of that channel; their firms are those they touched.
    """
    return query(
        connection,
        "WITH people AS (SELECT person_id, arg_max(firm_id, valid_from) AS firm_id FROM person "
        "GROUP BY 1), logged AS (SELECT coalesce(t.source, '(not named)') AS wholesaler, "
        "coalesce(t.firm_id, p.firm_id) AS firm_id, t.ts FROM touch t "
        "LEFT JOIN people p USING (person_id) WHERE t.channel = 'wholesaler'), "
        "theirs AS (SELECT DISTINCT wholesaler, firm_id FROM logged WHERE firm_id IS NOT NULL), "
        "met AS (SELECT DISTINCT w.wholesaler, s.opp_id, s.ts, EXISTS (SELECT 1 FROM logged l "
        "WHERE l.wholesaler = w.wholesaler AND l.firm_id = w.firm_id AND "
        f"abs(date_diff('day', l.ts, s.ts)) <= {COVERED_WITHIN_DAYS}) AS covered "
        "FROM theirs w JOIN opportunity o USING (firm_id) JOIN stage_event s USING (opp_id) "
        "WHERE s.stage = 'meeting'), totals AS (SELECT wholesaler, count(*) AS touches, "
        "count(DISTINCT firm_id) AS firms, count(*) FILTER (firm_id IS NULL) AS without_firm, "
        "max(ts) AS last_touch FROM logged GROUP BY 1) "
        "SELECT wholesaler, any_value(touches) AS touches, any_value(firms) AS firms, "
        "any_value(without_firm) AS without_firm, any_value(last_touch) AS last_touch, "
        "count(opp_id) AS meetings, count(*) FILTER (covered) AS covered, "
        "CAST(count(*) FILTER (covered) AS DOUBLE) / nullif(count(opp_id), 0) AS coverage "
        "FROM totals LEFT JOIN met USING (wholesaler) GROUP BY wholesaler ORDER BY wholesaler",
    )
