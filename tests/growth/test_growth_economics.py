"""Bridge, revenue impact, cost of a new group, payback, retention (E1-E8)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import load_tables, programme

from opensma.errors import InvariantError
from opensma.growth.economics import (
    AccountMonth,
    acquisition_cost,
    annualised_impact_c,
    bridge,
    over,
    payback_month,
    spread,
)
from opensma.growth.journeys import Rules
from opensma.growth.pack import make_pack
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
from opensma.growth.ties import broken, tie_checks
from opensma.growth.warehouse.store import open_warehouse, query, sql_text

ACCOUNTS = (
    AccountMonth(100_000_000, 5_000_000, -2_000_000, 103_000_000),
    AccountMonth(50_000_000, -51_000_000, 1_000_000, 0),
    AccountMonth(0, 25_000_000, 100_000, 25_100_000),
    AccountMonth(30_000_000, -3_000_000, 300_000, 27_300_000),
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
        bridge([AccountMonth(100, 5, 0, 104)])


def test_what_moves_between_accounts_of_one_owner_is_no_flow_of_the_firm() -> None:
    """E1: nothing is lost, won, kept or grown by it."""
    moved = (
        AccountMonth(50_000, -50_000, 0, 0, -50_000),  # closed into the next
        AccountMonth(0, 50_000, 1_000, 51_000, 50_000),
        AccountMonth(80_000, -20_000, 0, 60_000, -20_000),  # and 5,000 more from outside
        AccountMonth(10_000, 25_000, 0, 35_000, 20_000),
    )
    found = bridge(moved)
    assert (found.new_c, found.lost_c, found.contraction_c) == (0, 0, 0)
    assert found.expansion_c == 5_000
    assert found.gross_retention == 1.0
    assert found.begin_c + found.expansion_c + found.market_c == found.end_c
    with pytest.raises(InvariantError):
        bridge(moved[:1])


def test_a_book_that_was_bought_is_a_line_of_its_own() -> None:
    """E1: and no organic growth."""
    bought = AccountMonth(0, 40_000, 0, 40_000, acquired=True)
    found = bridge([AccountMonth(100_000, 1_000, 0, 101_000), bought])
    assert (found.acquired_c, found.new_c) == (40_000, 0)
    assert found.organic_growth == pytest.approx(0.01)


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
    everything = bridge([AccountMonth(*r.values()) for r in rows])
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


def bought_and_moved(tmp_path: Path) -> Any:
    """A programme whose first account was bought, and two of whose accounts exchanged money."""
    connection = open_warehouse(None)
    tables, given = programme(80, 36, seed=8)
    first = min(given.accounts, key=lambda a: a[5])
    tables["acquisition"] = [(first[0], first[5], "the book of an adviser who retired")]
    months = list(given.months)
    out, into = [i for i, m in enumerate(months) if m[1] == date(2021, 9, 1) and m[2] > 0][:2]
    for place, cents in ((out, -700_000), (into, 700_000)):
        name, month, begin, flow, market, end, _ = months[place]
        months[place] = (name, month, begin, flow + cents, market, end + cents, cents)
        place += 1
        while place < len(months) and months[place][0] == name:
            row = months[place]
            months[place] = (*row[:2], row[2] + cents, row[3], row[4], row[5] + cents, 0)
            place += 1
    load_tables(connection, tmp_path, tables)
    publish(connection, replace(given, months=months), Rules(given.as_of, inflow_threshold_c=1))
    return connection, first[0], months[into][0]


def test_in_the_warehouse_a_bought_account_was_won_by_no_touch(tmp_path: Path) -> None:
    connection, bought, _ = bought_and_moved(tmp_path)
    total = over([b for _, b in month_bridges(connection)])
    assert total.acquired_c > 0
    moved = total.organic_c + total.acquired_c + total.market_c
    assert total.begin_c + moved == total.end_c
    groups = new_groups(connection, "linear")
    assert bought not in {s["account_id"] for s in groups.starts}
    credit = query(
        connection,
        "SELECT DISTINCT c.touch_id FROM credit c JOIN event e USING (event_id) "
        "WHERE e.account_id = ? AND e.kind = 'funding'", [bought],
    )  # fmt: skip
    assert [row["touch_id"] for row in credit] == ["(unattributed)"]
    assert not broken(tie_checks(connection))
    pack = make_pack(connection, Options())
    (bridges,) = [table for table in pack.tables if table.name == "aum_bridge"]
    assert sum(row[6] for row in bridges.rows) == total.acquired_c


def test_in_the_warehouse_a_move_inside_is_no_event(tmp_path: Path) -> None:
    connection, _, into = bought_and_moved(tmp_path)
    rows = query(
        connection,
        "SELECT flow_c, internal_c FROM account_month WHERE account_id = ? AND internal_c > 0",
        [into],
    )
    found = query(
        connection,
        "SELECT amount_c FROM event WHERE account_id = ? AND month = DATE '2021-09-01' "
        "AND kind = 'inflow'", [into],
    )  # fmt: skip
    outside = rows[0]["flow_c"] - rows[0]["internal_c"]
    assert [row["amount_c"] for row in found] == ([outside] if outside > 0 else [])
    bridges = dict(month_bridges(connection))
    month = query(
        connection,
        "SELECT sum(flow_c) AS c FROM account_month WHERE month = DATE '2021-09-01'",
    )[0]["c"]
    september = bridges[date(2021, 9, 1)]
    assert september.organic_c + september.acquired_c == month
