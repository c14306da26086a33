"""Bridge, revenue impact, cost of a new group, payback, retention (E1-E8)."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from tests.growth.programme import load_tables, programme

from opensma.errors import InvariantError
from opensma.growth.economics import (
    acquisition_cost,
    annualised_impact_c,
    bridge,
    over,
    payback_month,
    spread,
)
from opensma.growth.journeys import Rules
from opensma.growth.pack_data import (
    Options,
    cohorts,
    cost_by,
    month_bridges,
    new_groups,
    revenue_impact,
    spend_rows,
)
from opensma.growth.publish import publish
from opensma.growth.warehouse.store import open_warehouse, query, sql_text

ACCOUNTS = (
    (100_000_000, 5_000_000, -2_000_000, 103_000_000),
    (50_000_000, -51_000_000, 1_000_000, 0),
    (0, 25_000_000, 100_000, 25_100_000),
    (30_000_000, -3_000_000, 300_000, 27_300_000),
)


def test_the_bridge_names_every_cent_that_moved() -> None:
    """E1, E5, E6."""
    found = bridge(ACCOUNTS)
    assert (found.begin_c, found.new_c, found.expansion_c) == (180_000_000, 25_000_000, 5_000_000)
    assert (found.contraction_c, found.lost_c) == (-3_000_000, -51_000_000)
    assert (found.market_c, found.end_c) == (-600_000, 155_400_000)
    assert found.gross_retention == pytest.approx(0.7)
    assert found.net_retention == pytest.approx(0.7277777778)
    assert found.organic_growth == pytest.approx(-0.1333333333)


def test_a_month_that_does_not_tie_is_refused() -> None:
    with pytest.raises(InvariantError):
        bridge([(100, 5, 0, 104)])


def test_flows_out_can_raise_revenue() -> None:
    """E2: assets alone mislead in sign."""
    flows = [(20_000_000, Fraction(80, 10_000)), (-40_000_000, Fraction(25, 10_000))]
    assert sum(flow for flow, _ in flows) < 0
    assert annualised_impact_c(flows) == 60_000


SPEND = {"media": 4_000_000, "event": 2_500_000, "people": 12_000_000, "tech": 1_000_000,
         "platform_fee": 500_000, "promoter": 0}  # fmt: skip


def test_the_cost_of_a_new_group_is_fully_loaded() -> None:
    """E3."""
    cost = acquisition_cost(SPEND, 8)
    assert (cost.cac_c, cost.hard_dollar_cac_c, cost.people_share) == (2_500_000, 1_000_000, 0.6)
    assert acquisition_cost(SPEND, 0).cac_c is None


def test_payback_is_a_month_or_nothing_and_never_a_forecast() -> None:
    """E4."""
    margin = 300_000 - 60_000 - 40_000
    assert payback_month(2_500_000, [margin] * 24) == 13
    assert payback_month(2_500_000, [margin] * 12) is None


def test_the_spread_counts_a_channel_that_a_model_leaves_out() -> None:
    """E8."""
    found = spread({"first": {"a": 1.0}, "last": {"a": 0.25, "b": 0.75}})
    assert found == {"a": 0.75, "b": 0.75}


def test_a_programme_adds_up(tmp_path: Path) -> None:
    connection = open_warehouse(None)
    tables, given = programme(80, 36, seed=8)
    load_tables(connection, tmp_path, tables)
    publish(connection, given, Rules(given.as_of))
    months = month_bridges(connection)
    total = over([b for _, b in months])
    rows = query(connection, "SELECT beg_c, flow_c, mkt_c, end_c FROM account_month")
    everything = bridge([tuple(r.values()) for r in rows])
    assert (total.new_c, total.lost_c) == (everything.new_c, everything.lost_c)
    assert total.begin_c == 0
    for (_, before), (_, after) in pairwise(months):
        assert before.end_c == after.begin_c
    groups = new_groups(connection, "linear")
    spend = spend_rows(connection)
    channel = cost_by(groups, spend, 0, "channel")
    assert sum(c.spend_c for _, c in channel) == sum(r["amount_c"] for r in spend)
    assert sum(c.new_groups for _, c in channel) <= len(groups.starts) + 1e-6
    found = cohorts(connection, groups, spend, Options())
    assert sum(c.groups for c in found) == len(groups.starts)
    billed = query(connection, "SELECT sum(amount_c) AS c FROM fee_ledger")[0]["c"]
    assert sum(sum(c.revenue_c.values()) for c in found) == billed


def test_servicing_lowers_the_margin_and_never_the_revenue(tmp_path: Path) -> None:
    connection = open_warehouse(None)
    tables, given = programme(20, 24, seed=9)
    load_tables(connection, tmp_path, tables)
    publish(connection, given, Rules(given.as_of))
    groups, spend = new_groups(connection, "linear"), spend_rows(connection)
    plain = cohorts(connection, groups, spend, Options())
    served = cohorts(connection, groups, spend, Options(servicing_c=1_000))
    assert [c.revenue_c for c in plain] == [c.revenue_c for c in served]
    assert all(a.margin_to_date_c > b.margin_to_date_c for a, b in zip(plain, served, strict=True))


def test_the_revenue_impact_uses_the_accounts_own_rate(tmp_path: Path) -> None:
    """E2: whole quarters are billed at 60 bps of the last value, 51 of them net."""
    connection = open_warehouse(None)
    tables, given = programme(60, 36, seed=10)
    load_tables(connection, tmp_path, tables)
    publish(connection, given, Rules(given.as_of))
    rows = [r for r in query(connection, sql_text("fee_rate")) if r["days"] > 88]
    rates = [r["net_c"] * 365 / (r["days"] * r["assets_c"]) for r in rows]
    assert len(rates) > 20
    assert sorted(rates)[len(rates) // 2] == pytest.approx(0.0051, rel=0.08)
    flows = query(connection, "SELECT sum(flow_c) AS c FROM account_month")[0]["c"]
    assert sum(flow for _, flow, _ in revenue_impact(connection)) == flows
