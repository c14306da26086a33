"""The CFO pack: one page without scripts, tables beside it, small cells merged, in seconds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.growth.programme import load_tables, programme

from opensma.growth.journeys import MODELS, Rules
from opensma.growth.pack import Pack, make_pack
from opensma.growth.pack_data import Options
from opensma.growth.pack_revenue import (
    DRAWS,
    SEED,
    Revenue,
    channel_revenue,
    resampled,
    share_tables,
)
from opensma.growth.privacy import SMALLEST_CELL, erase, personal_data, purge, without_small_cells
from opensma.growth.publish import publish
from opensma.growth.ties import broken, tie_checks
from opensma.growth.warehouse.schema import TABLES, Kind
from opensma.growth.warehouse.store import open_warehouse, query


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("pack") / "w.growth"
    connection = open_warehouse(path, create=True)
    tables, given = programme(240, 48, seed=31)
    load_tables(connection, path.parent / "files", tables)
    publish(connection, given, Rules(given.as_of))
    connection.close()
    return path


@pytest.fixture
def warehouse(source: Path, tmp_path: Path) -> Any:
    copy = tmp_path / "copy.growth"
    copy.write_bytes(source.read_bytes())
    return open_warehouse(copy)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_page_is_whole_in_itself_and_says_what_credit_is_not(
    warehouse: Any, tmp_path: Path
) -> None:
    page = make_pack(warehouse, Options()).write(tmp_path / "out")[0].read_text()
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "https://" not in page
    assert "does not say what caused it" in page
    assert "unattributed" in page
    for title in ("Assets", "Revenue by channel", "Tested effects", "Cost and value of a group",
                  "Cohorts", "Ties", "Coverage and limits"):  # fmt: skip
        assert f". {title}</h2>" in page
    assert page.count("<svg") == 3


def test_every_model_sums_to_what_was_billed(warehouse: Any, tmp_path: Path) -> None:
    make_pack(warehouse, Options()).write(tmp_path / "out")
    rows = read(tmp_path / "out" / "revenue_by_channel.csv")
    billed = query(
        warehouse, "SELECT CAST(sum(amount_c - platform_share_c) AS BIGINT) AS c FROM fee_ledger"
    )[0]["c"]
    for model in MODELS:
        column = f"model_{model.replace('-', '_')}_cents"
        assert sum(int(r[column]) for r in rows[:-1]) == int(rows[-1][column]) == billed
    ties = read(tmp_path / "out" / "ties.csv")
    assert {r["difference_cents"] for r in ties} == {"0"}
    assert len(ties) > 100


def test_the_cost_of_a_net_new_dollar_is_told(warehouse: Any) -> None:
    """E3."""
    table = next(t for t in make_pack(warehouse, Options()).tables if t.name == "cac_by_channel")
    flows, spend = query(
        warehouse,
        "SELECT (SELECT sum(flow_c) FROM account_month), (SELECT sum(amount_c) FROM spend)",
    )[0].values()
    assert f"{100 * int(spend) / int(flows):.2f} cents for each net new dollar" in table.note


def test_a_modelled_value_stands_apart_from_what_was_billed(warehouse: Any) -> None:
    """V6, R1: nothing modelled is called revenue."""
    table = next(t for t in make_pack(warehouse, Options()).tables if t.name == "ltv_to_cac")
    billed = query(
        warehouse, "SELECT CAST(sum(amount_c - platform_share_c) AS BIGINT) AS c FROM fee_ledger"
    )[0]["c"]
    assert sum(int(str(row[4])) for row in table.rows) == billed
    for row in table.rows:
        assert int(str(row[4])) + int(str(row[5])) == row[6]
        assert row[8] is None or row[8] == pytest.approx(int(str(row[6])) / int(str(row[7])))
    dear = next(
        t for t in make_pack(warehouse, Options(discount=0.2)).tables if t.name == "ltv_to_cac"
    )
    for cheap, costly in zip(table.rows, dear.rows, strict=True):
        assert int(str(cheap[5])) > int(str(costly[5]))
    assert "Modelled is no revenue" in table.note


def test_the_same_figures_give_the_same_bytes(warehouse: Any, tmp_path: Path) -> None:
    pages = []
    for name in ("a", "b"):
        make_pack(warehouse, Options()).write(tmp_path / name)
        pages.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert pages[0] == pages[1]


def test_what_groups_have_is_what_channels_have(warehouse: Any) -> None:
    """The resampled cells are the billed ones, but for rounding: half a cent a line and touch."""
    revenue = channel_revenue(warehouse)
    lines = query(warehouse, "SELECT count(*) AS n FROM fee_ledger")[0]["n"]
    for model in MODELS:
        found: dict[str, float] = {}
        for of, _, channel, cents in revenue.by_group:
            if of == model:
                found[channel] = found.get(channel, 0.0) + cents
        net = revenue.net(model)
        assert {c for c, cents in found.items() if cents} == {
            c for c, cents in net.items() if cents
        }
        assert all(abs(found[c] - net[c]) <= 2 * lines for c in net)
        assert sum(found.values()) == pytest.approx(sum(net.values()), abs=1)


def test_under_a_hundred_groups_nothing_is_ranked(tmp_path: Path) -> None:
    """N2: rows stand by name then, and the page says why."""
    connection = open_warehouse(None)
    tables, given = programme(240, 24, seed=3)
    load_tables(connection, tmp_path, tables)
    publish(connection, given, Rules(given.as_of))
    pack = make_pack(connection, Options())
    table = next(t for t in pack.tables if t.name == "revenue_by_channel")
    names = [str(r[0]) for r in table.rows[:-1] if not str(r[0]).startswith(("(", "platform:"))]
    assert names == sorted(names)
    sure = next(t for t in pack.tables if t.name == "revenue_shares")
    assert "too few to rank" in sure.note
    assert {row[4] for row in sure.rows} == {None}
    assert all(row[2] is not None and row[3] is not None for row in sure.rows)  # N2: they stay


def test_shares_have_the_interval_of_groups_drawn_again_and_ranks_that_chance_cannot_turn() -> None:
    """N1, N3, against plain loops over the same draws."""
    rows = [("linear", f"g{g}", channel, cents)
            for g in range(30)
            for channel, cents in (("email", 900 + 90 * (g % 2)), ("webinar", 938 + 7 * (g % 3)),
                                   ("rfp", 100 + g), ("(unattributed)", 50))]  # fmt: skip
    channels = ["email", "webinar", "rfp", "(unattributed)"]
    same = [(model, *row[1:]) for model in MODELS for row in rows]
    total = {c: sum(r[3] for r in rows if r[2] == c) for c in channels}
    revenue = Revenue(dict.fromkeys(MODELS, total),
                      dict.fromkeys(MODELS, dict.fromkeys(channels, 0)), same)  # fmt: skip
    drawn = resampled(revenue, channels)["linear"]
    random = np.random.default_rng(SEED)
    groups = sorted({r[1] for r in rows})
    for i, counts in enumerate(random.multinomial(30, [1 / 30] * 30, size=DRAWS)[:50]):
        times = dict(zip(groups, counts.tolist(), strict=True))
        sums = [sum(times[r[1]] * r[3] for r in rows if r[2] == c) for c in channels]
        assert drawn.shares[i] == pytest.approx([x / sum(sums) for x in sums])
    shown, everything = share_tables(revenue, channels, 200)
    for row in shown.rows:
        assert row[2] < row[1] < row[3]  # type: ignore[operator]
        assert row[7] == 0  # all models agree here
    assert [row[4] for row in shown.rows] == [1, 1, 3, None]  # two that chance could exchange
    assert len(everything.rows) == len(MODELS) * len(channels)


def test_a_channel_of_fewer_than_ten_persons_has_no_cell_of_its_own(warehouse: Any) -> None:
    """P5."""
    warehouse.execute("UPDATE journey SET channel = 'rfp' WHERE touch_id IN "
                      "(SELECT touch_id FROM journey ORDER BY 1 LIMIT 1)")  # fmt: skip
    warehouse.execute("UPDATE touch SET channel = 'webinar' WHERE channel = 'rfp'")
    warehouse.execute("UPDATE touch SET channel = 'rfp' WHERE touch_id = "
                      "(SELECT touch_id FROM journey ORDER BY 1 LIMIT 1)")  # fmt: skip
    warehouse.execute("UPDATE journey SET channel = (SELECT channel FROM touch t "
                      "WHERE t.touch_id = journey.touch_id)")  # fmt: skip
    table = next(
        t for t in make_pack(warehouse, Options()).tables if t.name == "revenue_by_channel"
    )
    names = [row[0] for row in table.rows]
    assert "rfp" not in names
    assert f"(fewer than {SMALLEST_CELL} persons)" in names


def test_small_cells_of_any_table_become_one_row_with_their_sum() -> None:
    rows = [{"k": "a", "n": 12, "c": 5}, {"k": "b", "n": 3, "c": 7}, {"k": "d", "n": 9, "c": 1}]
    assert without_small_cells(rows, "n", "k", ["c"]) == [
        {"k": "a", "n": 12, "c": 5},
        {"k": "(fewer than 10 persons)", "n": None, "c": 8},
    ]


def test_a_break_shows_in_the_pack(warehouse: Any) -> None:
    warehouse.execute(
        "UPDATE revenue SET amount_c = amount_c + 1 WHERE rowid = (SELECT min(rowid) FROM revenue)"
    )
    pack: Pack = make_pack(warehouse, Options())
    assert broken(pack.checks)
    assert any(figure.good is False for figure in pack.page.figures)


def test_erasure_removes_the_person_and_keeps_totals_and_credit(warehouse: Any) -> None:
    """P3, proved by counts."""
    person = query(
        warehouse, "SELECT person_id FROM journey WHERE person_id IS NOT NULL ORDER BY 1 LIMIT 1"
    )[0]["person_id"]
    warehouse.execute("UPDATE event SET group_id = ? WHERE rowid = 0", [person])
    warehouse.execute(
        "INSERT INTO alias_conflict VALUES "
        "('crm', 'x', 'other', ?, 'a', 'b', 'two_persons', '2024-01-01')",
        [person],
    )
    before = query(
        warehouse, "SELECT model, sum(amount_c) AS c FROM revenue GROUP BY ALL ORDER BY 1"
    )
    done = erase(warehouse, person)
    assert (done.removed["person"], done.removed["alias_conflict"]) == (1, 1)
    assert done.kept["touch"] > 0
    for table in TABLES:  # whatever the column is called
        for column in (c.name for c in table.columns if c.kind is Kind.TEXT):
            where = f'SELECT 1 FROM "{table.name}" WHERE "{column}" = ?'
            assert query(warehouse, where, [person]) == [], f"{table.name}.{column}"
    after = query(
        warehouse, "SELECT model, sum(amount_c) AS c FROM revenue GROUP BY ALL ORDER BY 1"
    )
    assert after == before
    assert broken(tie_checks(warehouse)) == []


def test_old_raw_touches_go_unless_they_carry_credit(warehouse: Any) -> None:
    """P4."""
    from datetime import date

    kept = query(warehouse, "SELECT count(DISTINCT touch_id) AS n FROM journey")[0]["n"]
    all_before = query(warehouse, "SELECT count(*) AS n FROM touch")[0]["n"]
    gone = purge(warehouse, date(2030, 1, 1))["touches"]
    assert gone == all_before - kept > 0
    assert broken(tie_checks(warehouse)) == []


def test_the_warehouse_holds_no_address_of_anybody(warehouse: Any) -> None:
    """P1."""
    assert personal_data(warehouse) == []
    warehouse.execute("UPDATE touch SET source = 'jane@harbor.com' WHERE rowid = 1")
    assert [r["column"] for r in personal_data(warehouse)] == ["source"]


@pytest.mark.slow
def test_three_thousand_accounts_over_sixty_months_tie(tmp_path: Path) -> None:
    """Their time is measured by `benchmarks/growth.py --part pack`."""
    connection = open_warehouse(tmp_path / "w.growth", create=True)
    tables, given = programme(3_000, 60, seed=3)
    load_tables(connection, tmp_path / "files", tables)
    publish(connection, given, Rules(given.as_of))
    pack = make_pack(connection, Options())
    assert pack.write(tmp_path / "out")[0].stat().st_size > 10_000
    assert len(pack.checks) > 1_000
    assert broken(pack.checks) == []
