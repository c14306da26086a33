"""Attributed revenue is billed revenue, to the cent: every month, model and line (R2, R7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import load_tables, programme

from opensma.errors import InputError
from opensma.growth.closing import close_period
from opensma.growth.journeys import MODELS, Rules
from opensma.growth.publish import publish
from opensma.growth.ties import broken, tie_checks
from opensma.growth.warehouse.store import open_warehouse, query
from opensma.growth.why import why_line


@pytest.fixture(scope="module", params=["funding", "tranches"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """120 accounts over four years: closed ones, outflows, reversals and refunds among them."""
    path = tmp_path_factory.mktemp("ties") / "w.growth"
    connection = open_warehouse(path, create=True)
    tables, given = programme(120, 48, seed=11)
    load_tables(connection, path.parent / "files", tables)
    publish(connection, given, Rules(given.as_of, by_tranches=request.param == "tranches"))
    connection.close()
    return path


@pytest.fixture
def published(source: Path, tmp_path: Path) -> Any:
    """A copy that a test may harm."""
    copy = tmp_path / "copy.growth"
    copy.write_bytes(source.read_bytes())
    return open_warehouse(copy)


def test_every_month_and_model_ties_with_reversals_and_closed_accounts(published: Any) -> None:
    counts = query(
        published,
        "SELECT (SELECT count(*) FROM account WHERE closed IS NOT NULL) AS closed, "
        "(SELECT count(*) FROM fee_ledger WHERE reversal_of IS NOT NULL) AS turned, "
        "(SELECT count(DISTINCT date_trunc('month', period_end)) FROM fee_ledger) AS months",
    )[0]
    assert counts["closed"] > 10
    assert counts["turned"] > 10
    checks = tie_checks(published)
    assert broken(checks) == []
    names = {c.name for c in checks}
    assert sum(n.startswith("revenue ") and n.endswith(" net") for n in names) == (
        counts["months"] * len(MODELS)
    )
    assert sum(c.expected_c for c in checks if c.name.startswith("revenue linear")) > 0


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE revenue SET amount_c = amount_c + 1 WHERE rowid = (SELECT min(rowid) FROM revenue)",
        "DELETE FROM revenue WHERE rowid = (SELECT min(rowid) FROM revenue WHERE amount_c <> 0)",
        (
            "UPDATE revenue SET platform_share_c = platform_share_c - 1 "
            "WHERE rowid = (SELECT max(rowid) FROM revenue)"
        ),
        (
            "UPDATE fee_ledger SET amount_c = amount_c + 1 "
            "WHERE line_id = (SELECT min(line_id) FROM fee_ledger)"
        ),
        "DELETE FROM fee_ledger WHERE line_id = (SELECT max(line_id) FROM fee_ledger)",
        (
            "UPDATE account_month SET end_c = end_c + 1 "
            "WHERE rowid = (SELECT min(rowid) FROM account_month)"
        ),
    ],
)
def test_one_cent_moved_on_purpose_is_found(published: Any, harm: str) -> None:
    published.execute(harm)
    assert broken(tie_checks(published))


def test_two_lines_of_a_month_that_trade_a_cent_are_found(published: Any) -> None:
    """The month's sum does not see it; the lines do."""
    pair = query(
        published,
        "SELECT min(f.line_id) AS a, max(f.line_id) AS b FROM fee_ledger f "
        "WHERE reversal_of IS NULL GROUP BY period_end HAVING count(*) > 1 LIMIT 1",
    )[0]
    for line, cents in ((pair["a"], 1), (pair["b"], -1)):
        published.execute(
            "UPDATE revenue SET amount_c = amount_c + ? WHERE rowid = (SELECT min(rowid) FROM "
            "revenue WHERE line_id = ? AND model = 'linear')", [cents, line],
        )  # fmt: skip
    found = broken(tie_checks(published))
    assert [(c.name, c.difference_c) for c in found] == [("lines linear", 2)]


def test_a_period_can_be_checked_alone_and_an_unknown_one_is_named(published: Any) -> None:
    whole = tie_checks(published)
    one = tie_checks(published, "2023-06")
    assert 0 < len(one) < len(whole)
    with pytest.raises(InputError, match="No fee line is of the period") as caught:
        tie_checks(published, "1999Q1")
    assert caught.value.code == "growth.period"


def test_before_publishing_there_is_nothing_to_tie() -> None:
    with pytest.raises(InputError) as caught:
        tie_checks(open_warehouse(None))
    assert caught.value.code == "growth.not_published"


@pytest.mark.parametrize("model", MODELS)
def test_a_line_is_walked_down_to_touches_and_every_step_sums(published: Any, model: str) -> None:
    lines = query(
        published,
        "SELECT line_id, amount_c, platform_share_c FROM fee_ledger "
        "USING SAMPLE reservoir(25 ROWS) REPEATABLE (3)",
    )
    for line in lines:
        found = why_line(published, line["line_id"], model)
        assert sum(s["amount_c"] for s in found["splits"]) == line["amount_c"]
        assert sum(s["platform_share_c"] for s in found["splits"]) == line["platform_share_c"]
        for split in found["splits"]:
            assert sum(t["amount_c"] for t in split["tranches"]) == split["amount_c"]
            for tranche in split["tranches"]:
                assert sum(t["weight"] for t in tranche["touches"]) == 1_000_000_000
                assert sum(t["amount_c"] for t in tranche["touches"]) == tranche["amount_c"]


def test_publishing_again_gives_the_same_rows(tmp_path: Path) -> None:
    tables, given = programme(40, 24, seed=2)
    prints = []
    for turn in range(2):
        connection = open_warehouse(None)
        if turn:
            tables = {name: rows[::-1] for name, rows in tables.items()}
        load_tables(connection, tmp_path, tables)
        for _ in range(turn + 1):
            publish(connection, given, Rules(given.as_of))
        prints.append(query(connection, "SELECT * FROM revenue ORDER BY ALL"))
    assert prints[0] == prints[1]


def test_a_closed_period_is_restated_by_a_new_row_with_the_difference(tmp_path: Path) -> None:
    """R8."""
    connection = open_warehouse(None)
    tables, given = programme(30, 24, seed=5)
    load_tables(connection, tmp_path, tables)
    publish(connection, given, Rules(given.as_of))
    period = given.fees[-1][2]
    first = close_period(connection, period, "2025-01-05 09:00:00")
    assert (first["sequence"], first["difference"]) == (1, "first close")
    assert close_period(connection, period, "2025-01-06 09:00:00")["sequence"] == 1
    publish(connection, given, Rules(given.as_of, lookback_days=90))
    again = close_period(connection, period, "2025-02-01 09:00:00")
    assert again["sequence"] == 2
    assert again["difference"] not in ("first close", "{}")
    kept = query(connection, "SELECT sequence, outputs_sha256 FROM close ORDER BY 1")
    assert [r["sequence"] for r in kept] == [1, 2]
    assert kept[0]["outputs_sha256"] == first["outputs_sha256"]
