"""Lifetime value beside the cost of a group: modelled, named as such, and never called revenue.

V6 on every account's own value and rate; closures are those that happened, not a guess. Where none
did, the 95 % upper bound is taken: three over the account-months that were watched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.growth.clv.fees import fee_value
from opensma.growth.economics import AcquisitionCost
from opensma.growth.experiments.spec import Spec
from opensma.growth.warehouse.store import query, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

HORIZON_MONTHS = 360
_RULE_OF_THREE = 3


@dataclass(frozen=True, slots=True)
class Closure:
    """How often accounts close in a month, and what that rests on."""

    monthly: float
    closed: int
    account_months: int


@dataclass(frozen=True, slots=True)
class SegmentValue:
    """A segment's groups: billed so far, modelled ex-market from here on, and their cost."""

    segment: str
    groups: int
    assets_c: int
    net_year_c: int  # fees of a year at today's value and each account's own rate
    margin_c: int  # billed so far, net of the platform's share
    value_c: int  # billed and modelled
    cost_c: int | None

    @property
    def to_cost(self) -> float | None:
        """LTV:CAC."""
        return self.value_c / self.cost_c if self.cost_c else None


def closure(connection: Connection) -> Closure:
    """Accounts that emptied, over the account-months in which they could have."""
    row = query(
        connection,
        "SELECT count(*) FILTER (WHERE beg_c > 0) AS months, "
        "count(*) FILTER (WHERE beg_c > 0 AND end_c = 0 AND coalesce(internal_c, 0) >= 0) "
        "AS closed FROM account_month",
    )[0]
    months, closed = int(row["months"]), int(row["closed"])
    share = max(closed, 0 if closed else _RULE_OF_THREE) / months if months else 0.0
    return Closure(min(1.0, share), closed, months)


def segment_values(
    connection: Connection, costs: Sequence[tuple[str, AcquisitionCost]], discount: float
) -> list[SegmentValue]:
    """Every segment of groups by their first funding, with LTV and CAC."""
    rows = query(
        connection,
        f"SELECT g.group_id, g.segment, e.account_id, m.end_c, r.net_c, r.days, r.assets_c, "
        "b.billed_c FROM "
        f"({sql_text('group_start')}) g JOIN event e ON e.group_id = g.group_id "
        "AND e.kind = 'funding' JOIN (SELECT account_id, arg_max(end_c, month) AS end_c "
        "FROM account_month GROUP BY ALL) m ON m.account_id = e.account_id "
        "LEFT JOIN (SELECT account_id, arg_max(net_c, month) AS net_c, arg_max(days, month) "
        f"AS days, arg_max(assets_c, month) AS assets_c FROM ({sql_text('fee_rate')}) "
        "GROUP BY ALL) r ON r.account_id = e.account_id LEFT JOIN (SELECT account_id, "
        "CAST(sum(amount_c - platform_share_c) AS BIGINT) AS billed_c FROM fee_ledger "
        "GROUP BY ALL) b ON b.account_id = e.account_id ORDER BY ALL",
    )
    monthly = closure(connection).monthly
    by_segment: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for row in rows:
        by_segment[str(row["segment"] or "(none)")].append(row)
    found = []
    for segment, cost in costs:
        mine = by_segment.get(segment, [])
        year = [_yearly(row) for row in mine]
        modelled = round(sum(year) * _factor(monthly, discount))
        margin = sum(int(str(row["billed_c"] or 0)) for row in mine)
        found.append(
            SegmentValue(
                segment, round(cost.new_groups), sum(int(str(row["end_c"])) for row in mine),
                round(sum(year)), margin, margin + modelled, cost.spend_c or None,
            )
        )  # fmt: skip
    return found


def _yearly(row: Mapping[str, object]) -> float:
    """Fees of a year at today's value and the account's own newest net rate."""
    if not row["assets_c"] or not row["days"]:
        return 0.0
    rate = int(str(row["net_c"])) * 365 / (int(str(row["days"])) * int(str(row["assets_c"])))
    return int(str(row["end_c"])) * rate


def _factor(monthly_closure: float, discount: float) -> float:
    """What a yearly fee of one is worth, by the model that `sma growth clv --model fee` prints."""
    fields = {
        "aum": 1.0, "flat_bps": 10_000.0, "monthly_closure": monthly_closure,
        "annual_discount": discount, "horizon_months": HORIZON_MONTHS,
    }  # fmt: skip
    return float(fee_value(Spec(fields, "pack", Path()))["ex_market"])
