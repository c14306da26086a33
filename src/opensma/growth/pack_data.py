"""The figures of the CFO pack, read from the warehouse; every one is a view that ties."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from statistics import median
from typing import TYPE_CHECKING, Any

from opensma.growth.economics import (
    AcquisitionCost,
    Bridge,
    acquisition_cost,
    annualised_impact_c,
    over,
    payback_month,
)
from opensma.growth.journeys import is_touch
from opensma.growth.privacy import SMALLEST_CELL
from opensma.growth.publish import SEGMENT_ORDER
from opensma.growth.warehouse.store import query, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

SMALL = f"(fewer than {SMALLEST_CELL} persons)"
COST_MODEL = "linear"  # whose weights divide spend among groups


@dataclass(frozen=True, slots=True)
class Options:
    """What the reader of the pack chooses."""

    servicing_c: int = 0  # for each account and month
    model: str = COST_MODEL
    discount: float = 0.10  # a year, of modelled fees


def billed_years(connection: Connection) -> list[dict[str, Any]]:
    """Fee lines as billed, by the year in which their period ends."""
    return query(
        connection,
        "SELECT year(period_end) AS year, count(*) AS lines, "
        "CAST(sum(amount_c) AS BIGINT) AS gross, "
        "CAST(sum(CASE WHEN reversal_of IS NULL THEN 0 ELSE amount_c END) AS BIGINT) AS reversed, "
        "CAST(sum(platform_share_c) AS BIGINT) AS share FROM fee_ledger GROUP BY ALL ORDER BY 1",
    )


def month_bridges(connection: Connection) -> list[tuple[date, Bridge]]:
    """The bridge of every month (E1)."""
    return [
        (
            row["month"],
            Bridge(row["begin_c"], row["new_c"], row["expansion_c"], row["contraction_c"],
                   row["lost_c"], row["market_c"], row["end_c"], row["acquired_c"]),
        )
        for row in query(connection, sql_text("bridge"))
    ]  # fmt: skip


def year_bridges(months: Sequence[tuple[date, Bridge]]) -> list[tuple[int, Bridge]]:
    """Months summed to calendar years."""
    years: dict[int, list[Bridge]] = defaultdict(list)
    for month, one in months:
        years[month.year].append(one)
    return [(year, over(some)) for year, some in sorted(years.items())]


def revenue_impact(connection: Connection) -> list[tuple[int, int, int]]:
    """By year: net flows, and their annualised revenue impact net of the platform's share (E2)."""
    flows: dict[int, list[tuple[int, Fraction]]] = defaultdict(list)
    # Months under one fee line have one rate: their flows are summed before they meet it.
    rows = query(
        connection,
        "SELECT year(month) AS year, CAST(sum(flow_c) AS BIGINT) AS flow_c, net_c, days, assets_c "
        f"FROM ({sql_text('fee_rate')}) GROUP BY year(month), account_id, net_c, days, assets_c",
    )
    for row in rows:
        rate = Fraction(row["net_c"] * 365, row["days"] * row["assets_c"])
        flows[row["year"]].append((row["flow_c"], rate))
    return [
        (year, sum(flow for flow, _ in some), annualised_impact_c(some))
        for year, some in sorted(flows.items())
    ]


# --- the cost of a new group ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Groups:
    """New funded groups, their credit at the first funding, and the median way to it."""

    starts: Sequence[Mapping[str, Any]]
    weights: Mapping[str, Sequence[tuple[str, str, float]]]  # event: channel, campaign, weight
    median_days: float | None

    @property
    def lag_months(self) -> int:
        """The sales cycle in whole months (E3)."""
        return round((self.median_days or 0) / 30.4375)


def new_groups(connection: Connection, model: str) -> Groups:
    """Groups at their first funding, with the chosen model's weights."""
    starts = query(connection, f"{sql_text('group_start')} ORDER BY ts, group_id")
    rows = query(
        connection,
        "SELECT c.event_id, coalesce(t.channel, c.touch_id) AS channel, "
        "coalesce(t.campaign_id, '') AS campaign, sum(c.weight) / 1e9 AS weight FROM credit c "
        f"LEFT JOIN touch t ON t.touch_id = c.touch_id JOIN ({sql_text('group_start')}) g "
        "ON g.event_id = c.event_id WHERE c.model = ? GROUP BY ALL", [model],
    )  # fmt: skip
    weights: dict[str, list[tuple[str, str, float]]] = defaultdict(list)
    for row in rows:
        weights[row["event_id"]].append((row["channel"], row["campaign"], row["weight"]))
    days = [s["first_touch"] for s in starts if s["first_touch"] is not None]
    return Groups(starts, weights, median(days) if days else None)


def spend_rows(connection: Connection) -> list[dict[str, Any]]:
    """Every row of spend."""
    return query(connection, "SELECT date, channel, campaign_id, kind, amount_c FROM spend")


def cost_by(
    groups: Groups,
    spend: Sequence[Mapping[str, Any]],
    column: int,
    name: str,
    small: Collection[str] = (),
) -> list[tuple[str, AcquisitionCost]]:
    """Cost of a credited group by channel (column 0) or campaign (1), small ones as one (P5)."""
    credited: dict[str, float] = defaultdict(float)
    for start in groups.starts:
        for part in groups.weights[start["event_id"]]:
            if is_touch(part[0]) and part[column]:
                credited[SMALL if part[column] in small else str(part[column])] += part[2]
    spent: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in spend:
        if row[name]:
            spent[SMALL if row[name] in small else row[name]][row["kind"]] += row["amount_c"]
    keys = sorted(
        set(credited) | set(spent), key=lambda k: (k == SMALL, -sum(spent[k].values()), k)
    )
    return [(key, acquisition_cost(spent[key], round(credited[key], 9))) for key in keys]


def cost_by_segment(
    groups: Groups,
    channels: Sequence[tuple[str, AcquisitionCost]],
    small: Collection[str] = (),
) -> list[tuple[str, AcquisitionCost]]:
    """Each group bears its channels' cost of a credited group, by its weights."""
    unit = {channel: (c.cac_c or 0.0, c.hard_dollar_cac_c or 0.0) for channel, c in channels}
    borne: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for start in groups.starts:
        mine = borne[start["segment"] or "(none)"]
        mine[2] += 1
        for channel, _, weight in groups.weights[start["event_id"]]:
            full, cash = unit.get(SMALL if channel in small else channel, (0.0, 0.0))
            mine[0] += full * weight
            mine[1] += cash * weight
    return [
        (segment, AcquisitionCost(round(full), round(cash), count, 0))
        for segment, (full, cash, count) in sorted(borne.items(), key=_by_size)
    ]


def _by_size(item: tuple[str, object]) -> tuple[int, str]:
    order = {name: i for i, name in enumerate(SEGMENT_ORDER)}
    return order.get(item[0], len(order)), item[0]


def _quarter(day: date) -> date:
    return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)


def _later(month: date, months: int) -> date:
    index = month.year * 12 + month.month - 1 + months
    return date(index // 12, index % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Cohort:
    """Groups of one funding quarter: what they cost, and what they were billed since."""

    quarter: date
    groups: int
    cost: AcquisitionCost | None  # None: its spend is from before anything is on record
    revenue_c: Mapping[int, int]  # gross, by months since the quarter began
    margin_c: Mapping[int, int]  # billed - platform share - servicing
    months: int  # observed
    payback: int | None

    @property
    def margin_to_date_c(self) -> int:
        """All margin that was billed so far."""
        return sum(self.margin_c.values())

    @property
    def ltv_to_cac(self) -> float | None:
        """Billed margin so far over its cost: realised, nothing forecast."""
        if self.cost is None or not self.cost.spend_c:
            return None
        return self.margin_to_date_c / self.cost.spend_c


def cohorts(
    connection: Connection, groups: Groups, spend: Sequence[Mapping[str, Any]], options: Options
) -> list[Cohort]:
    """Cohorts by quarter of the first funding; spend lagged by the sales cycle (E3, E4)."""
    start_of = {s["group_id"]: _quarter(s["month"]) for s in groups.starts}
    spent: dict[date, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in spend:
        bucket = _quarter(_later(row["date"].replace(day=1), groups.lag_months))
        spent[bucket][row["kind"]] += row["amount_c"]
    billed: dict[date, dict[int, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    first = min(spent, default=None)
    last = date.min
    for row in _billed_by_group(connection):
        if (quarter := start_of.get(row["group_id"])) is None:
            continue  # came with a book that was bought
        number = _months_between(quarter, row["month"])
        billed[quarter][number][0] += row["amount_c"]
        billed[quarter][number][1] += (
            row["amount_c"] - row["platform_share_c"] - row["served"] * options.servicing_c
        )
        last = max(last, row["month"])
    found = []
    for quarter in sorted(set(start_of.values())):
        count = sum(1 for q in start_of.values() if q == quarter)
        known = first is not None and first <= quarter
        cost = acquisition_cost(spent[quarter], count) if known else None
        observed = max(0, _months_between(quarter, last))
        margin = {n: cells[1] for n, cells in sorted(billed[quarter].items())}
        margins = [margin.get(n, 0) for n in range(1, observed + 1)]
        found.append(
            Cohort(quarter, count, cost, {n: c[0] for n, c in sorted(billed[quarter].items())},
                   margin, observed, payback_month(cost.spend_c, margins) if cost else None)
        )  # fmt: skip
    return found


def _months_between(first: date, last: date) -> int:
    """Months from the first day of a quarter to the end of a month."""
    return (last.year - first.year) * 12 + last.month - first.month + 1


def _billed_by_group(connection: Connection) -> list[dict[str, Any]]:
    """Billed cents by group and month; a line serves the months of its period."""
    return query(
        connection,
        "SELECT e.group_id, CAST(date_trunc('month', f.period_end) AS DATE) AS month, "
        "CAST(sum(f.amount_c) AS BIGINT) AS amount_c, "
        "CAST(sum(f.platform_share_c) AS BIGINT) AS platform_share_c, "
        "CAST(sum(CASE WHEN f.reversal_of IS NULL THEN 1 ELSE -1 END * (1 + date_diff('month', "
        "f.period_start, f.period_end))) AS BIGINT) AS served "
        "FROM fee_ledger f JOIN event e ON e.account_id = f.account_id AND e.kind = 'funding' "
        "GROUP BY ALL ORDER BY ALL",
    )


# --- the rest ------------------------------------------------------------------------------------


def logo_retention(connection: Connection) -> list[tuple[int, int, int]]:
    """By year: groups with assets at its begin, and those of them with assets at its end (E5)."""
    rows = query(
        connection,
        "SELECT e.group_id, m.month, sum(m.beg_c) AS b, sum(m.end_c) AS f FROM account_month m "
        "JOIN event e ON e.account_id = m.account_id AND e.kind = 'funding' "
        "WHERE month(m.month) IN (1, 12) GROUP BY ALL",
    )
    begin: dict[int, set[str]] = defaultdict(set)
    end: dict[int, set[str]] = defaultdict(set)
    for row in rows:
        if row["month"].month == 1 and row["b"] > 0:
            begin[row["month"].year].add(row["group_id"])
        if row["month"].month == 12 and row["f"] > 0:
            end[row["month"].year].add(row["group_id"])
    return [(y, len(some), len(some & end[y])) for y, some in sorted(begin.items()) if y in end]


def stages(connection: Connection) -> list[dict[str, Any]]:
    """E10: opportunities that reached each stage, and the median days from opening."""
    return query(
        connection,
        "SELECT s.stage, count(DISTINCT s.opp_id) AS n, "
        "CAST(median(date_diff('day', o.opened_at, s.ts)) AS BIGINT) AS median_days "
        "FROM stage_event s JOIN opportunity o USING (opp_id) GROUP BY s.stage",
    )


def tested(connection: Connection) -> list[dict[str, Any]]:
    """E9: finished experiments with their effect and interval."""
    return query(
        connection,
        "SELECT exp_id, channel, primary_metric, effect, effect_low, effect_high, p_value, "
        "(SELECT count(*) FROM assignment a WHERE a.exp_id = e.exp_id) AS units "
        "FROM experiment e WHERE effect IS NOT NULL ORDER BY exp_id",
    )


def coverage(connection: Connection) -> dict[str, int]:
    """Counts that say how much of the story is on record (B4, J5, J6, P2)."""
    return query(
        connection,
        "SELECT (SELECT count(*) FROM touch) AS touches, "
        "(SELECT count(*) FROM touch WHERE person_id IS NULL AND firm_id IS NULL) AS nameless, "
        "(SELECT CAST(coalesce(max(value), '0') AS BIGINT) FROM setting "
        " WHERE name = 'without_basis') AS without_basis, "
        "(SELECT count(*) FROM event WHERE kind = 'funding') AS fundings, "
        "(SELECT count(DISTINCT j.event_id) FROM journey j JOIN event e USING (event_id) "
        " WHERE e.kind = 'funding') AS touched, "
        "(SELECT count(*) FROM event WHERE kind = 'inflow') AS inflows, "
        "(SELECT count(*) FROM null_journey WHERE state = 'null') AS nulls, "
        "(SELECT count(*) FROM null_journey WHERE state = 'open') AS open, "
        "(SELECT count(*) FROM alias_conflict) AS conflicts, "
        "(SELECT count(*) FROM fee_ledger) AS lines, "
        "(SELECT count(*) FROM fee_ledger WHERE reversal_of IS NOT NULL) AS reversals, "
        "(SELECT count(*) FROM account) AS accounts, "
        "(SELECT count(*) FROM account WHERE closed IS NOT NULL) AS closed",
    )[0]


def small_cells(connection: Connection, column: str) -> set[str]:
    """Channels or campaigns whose journeys name fewer than ten persons: no own cell (P5)."""
    rows = query(
        connection,
        f"SELECT {column} AS name, count(DISTINCT person_id) AS persons FROM journey "
        f"WHERE {column} IS NOT NULL GROUP BY ALL",
    )
    return {row["name"] for row in rows if row["persons"] < SMALLEST_CELL}
