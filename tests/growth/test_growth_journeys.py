"""Journeys: which touches come before an event, and who gets credit under which model (J1-J6)."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import load_tables

from opensma.growth.journeys import MODELS, Rules
from opensma.growth.publish import Published, publish
from opensma.growth.warehouse.store import open_warehouse, query

AS_OF = date(2024, 12, 31)


class World:
    """One firm; office o1 with two persons; account A1 funded on 2024-03-20."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.touches: list[tuple[Any, ...]] = []
        self.tables: dict[str, list[tuple[Any, ...]]] = {
            "firm": [("f1", None, None, "ria", None, "2020-01-01", None)],
            "person": [
                (p, "f1", office, None, "advisor", "granted", "2020-01-01", None)
                for p, office in (("p1", "o1"), ("p2", "o1"), ("p3", "o2"))
            ],
            "account_link": [
                ("A1", "f1", "p1", None, None, 10_000, "2024-03-20", None, "agreement")
            ],
        }
        self.months = [
            ("A1", date(2024, m, 1), 10**8 if m > 3 else 0, 10**8 if m == 3 else 0, 0, 10**8, 0)
            for m in range(3, 13)
        ]

    def touch(self, name: str, ts: str, channel: str, person: str | None = "p1") -> None:
        ts = ts if " " in ts else f"{ts} 12:00:00"
        self.touches.append(
            (name, ts, person, "f1", channel, None, None, None, "visit", "utm", None, None)
        )

    def inflow(self, month: int, cents: int, *, inside: int = 0) -> None:
        """Money in a month, some of it from another account of the owner; later months carry it."""
        self.months = [
            (a, day, b + (cents if day.month > month else 0),
             f + (cents if day.month == month else 0), k, e + (cents if day.month >= month else 0),
             i + (inside if day.month == month else 0))
            for a, day, b, f, k, e, i in self.months
        ]  # fmt: skip

    def derive(self, **rules: Any) -> Any:
        connection = open_warehouse(None)
        tables = self.tables | ({"touch": self.touches} if self.touches else {})
        load_tables(connection, self.folder, tables)
        account = ("A1", "f1", "adv", "s", "x", date(2024, 3, 20), None)
        fee = ("F1", "A1", "2024Q4", "fee", 1000, 150, None, date(2024, 10, 1), AS_OF)
        publish(connection, Published([account], self.months, [fee]), Rules(AS_OF, **rules))
        return connection


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def journey(connection: Any, kind: str = "funding") -> list[str]:
    rows = query(
        connection,
        "SELECT touch_id FROM journey j JOIN event e USING (event_id) WHERE e.kind = ? "
        "ORDER BY position", [kind],
    )  # fmt: skip
    return [r["touch_id"] for r in rows]


def weights(connection: Any, model: str, kind: str = "funding") -> dict[str, int]:
    rows = query(
        connection,
        "SELECT touch_id, weight FROM credit c JOIN event e USING (event_id) "
        "WHERE c.model = ? AND e.kind = ? ORDER BY 1", [model, kind],
    )  # fmt: skip
    return {r["touch_id"]: r["weight"] for r in rows}


def test_the_groups_touches_count_until_the_event_and_within_the_look_back(world: World) -> None:
    """J2, J3: 2024-03-20 less 30 days is 2024-02-19, which is outside."""
    world.touch("b", "2024-03-01", "email", "p2")
    world.touch("a", "2024-03-01", "webinar")
    world.touch("late", "2024-03-21", "email")
    world.touch("old", "2024-02-18", "email")
    world.touch("other", "2024-03-02", "email", "p3")
    world.touch("firm", "2024-03-03", "conference", None)
    assert journey(world.derive(lookback_days=30)) == ["a", "b", "firm"]


def test_a_strategy_may_look_back_further_than_others(world: World) -> None:
    """J2; the account's strategy is `s`."""
    world.touch("old", "2024-01-20", "email")
    assert journey(world.derive(lookback_days=30)) == []
    rules = {"lookback_days": 30, "lookback_by_strategy": (("s", 90), ("other", 10))}
    connection = world.derive(**rules)
    assert journey(connection) == ["old"]
    assert sum(weights(connection, "time-decay").values()) == 1_000_000_000
    assert journey(world.derive(lookback_days=90, lookback_by_strategy=(("s", 30),))) == []


def test_models_weigh_the_same_journey_in_their_own_way(world: World) -> None:
    """C1-C5, C7: email 110 and 20 days before, a webinar 80 days before."""
    world.touch("t1", "2023-12-01", "email")
    world.touch("t2", "2023-12-31", "webinar")
    world.touch("t3", "2024-02-29", "email")
    connection = world.derive(half_life_days=30)
    assert weights(connection, "first") == {"t1": 1_000_000_000}
    assert weights(connection, "last") == {"t3": 1_000_000_000}
    linear = {"t1": 333_333_334, "t2": 333_333_333, "t3": 333_333_333}
    assert weights(connection, "linear") == linear
    assert weights(connection, "position") == {
        "t1": 400_000_000, "t2": 200_000_000, "t3": 400_000_000,
    }  # fmt: skip
    assert weights(connection, "shapley") == {
        "t1": 250_000_000, "t2": 500_000_000, "t3": 250_000_000,
    }  # fmt: skip
    raw = [2.0 ** (-days / 30) for days in (110, 80, 20)]
    decay = weights(connection, "time-decay")
    for touch, part in zip(("t1", "t2", "t3"), raw, strict=True):
        assert decay[touch] / 1e9 == pytest.approx(part / sum(raw), abs=2e-8)


def test_a_later_inflow_takes_the_touches_since_the_event_before(world: World) -> None:
    """J4; one without touches takes the funding's credit, and small money is no event."""
    world.touch("before", "2024-03-01", "conference")
    world.touch("after", "2024-05-10", "wholesaler")
    world.inflow(6, 5_000_000)
    connection = world.derive()
    assert journey(connection, "inflow") == ["after"]
    world.touches.pop()
    connection = world.derive()
    assert weights(connection, "last", "inflow") == {"before": 1_000_000_000}
    connection = world.derive(inflow_threshold_c=5_000_001)
    assert query(connection, "SELECT count(*) AS n FROM event") == [{"n": 1}]


def test_no_touch_is_unattributed_and_a_platform_needs_evidence(world: World) -> None:
    """J5."""
    connection = world.derive()
    for model in MODELS:
        assert weights(connection, model) == {"(unattributed)": 1_000_000_000}
    gate = ("f1", "causeway", "s", "approved", "2024-04-01 00:00:00", None)
    world.tables["gate"] = [gate]
    assert weights(world.derive(), "first") == {"(unattributed)": 1_000_000_000}, "approved later"
    world.tables["gate"] = [(*gate[:4], "2024-03-01 00:00:00", None)]
    assert weights(world.derive(), "first") == {"platform:causeway": 1_000_000_000}
    world.touch("t", "2024-03-01", "email")
    assert weights(world.derive(), "first") == {"t": 1_000_000_000}, "a gate is no channel"


def test_a_group_without_an_event_is_null_only_after_a_quiet_year(world: World) -> None:
    """J6."""
    world.touch("t", "2023-12-30", "email", "p3")
    states = "SELECT group_id, state FROM null_journey"
    assert query(world.derive(), states) == [{"group_id": "o2", "state": "null"}]
    world.touch("u", "2024-02-01", "email", "p3")
    assert query(world.derive(), states) == [{"group_id": "o2", "state": "open"}]


def test_a_person_who_withdraws_leaves_every_journey_and_the_totals_still_tie(
    world: World,
) -> None:
    """P2: the touch stays in the totals of touches, its credit goes to what is left."""
    world.touch("t1", "2024-02-01", "email")
    world.touch("t2", "2024-03-01", "webinar", "p2")
    assert journey(world.derive()) == ["t1", "t2"]
    world.tables["consent"] = [("p1", "analytics", "withdrawn", "page", "2024-08-01 00:00:00")]
    connection = world.derive()
    assert journey(connection) == ["t2"]
    total = "SELECT sum(amount_c) AS c FROM revenue WHERE model = 'linear'"
    assert query(connection, total) == [{"c": 1000}]
    assert query(connection, "SELECT count(*) AS n FROM touch") == [{"n": 2}]
