"""Every family of generated accounts, decided by the command and judged from its files alone."""

import json
import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.construct.file_checker import check_files, rows

from opensma.cli import run
from opensma.simulate.families import FAMILIES

SIZES = dict.fromkeys(FAMILIES, (6, 100, 350)) | {"large": (1, 3_000, 10_500)}
PLAIN = ("base", "small", "fractional", "few", "large")  # nothing there can make a plan impossible


def example(folder: Path, family: str, accounts: int, names: int, lots: int, seed: int = 5) -> Path:
    words = ["construct", "example", "--family", family, "--out", str(folder)]
    words += ["--accounts", str(accounts), "--names", str(names), "--lots", str(lots)]
    assert run([*words, "--seed", str(seed)]) == 0
    return folder


def solve(folder: Path, out: Path, workers: int = 1) -> Path:
    words = ["construct", "solve", str(folder), "--out", str(out), "--workers", str(workers)]
    assert run([*words, "--json"]) == 0
    return out


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """By family the folder of its inputs; the plans are in `plans` below it."""
    folders = {}
    for family, (accounts, names, lots) in SIZES.items():
        folder = example(tmp_path_factory.mktemp(family), family, accounts, names, lots)
        solve(folder, folder / "plans")
        folders[family] = folder
    return folders


# --- what families are ---------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plan_keeps_the_contract_as_read_from_the_files_alone(
    family: str, solved: dict[str, Path]
) -> None:
    folder = solved[family]
    assert check_files(folder, folder / "plans") == []
    statuses = [row["status"] for row in rows(folder / "plans" / "accounts.parquet")]
    assert "solved" in statuses
    if family in PLAIN:
        assert set(statuses) == {"solved"}
    assert rows(folder / "plans" / "trades.parquet")


def test_families_are_what_their_names_say(solved: dict[str, Path]) -> None:
    accounts = {name: rows(folder / "accounts.parquet") for name, folder in solved.items()}
    owners = {name: {row["taxpayer_id"] for row in found} for name, found in accounts.items()}
    for name in set(FAMILIES) - {"household"}:
        assert len(owners[name]) == len(accounts[name])
    assert len(owners["household"]) < len(accounts["household"])
    assert any(row["st_rate"] == 0.0 for row in accounts["household"])  # an untaxed account
    assert not any(row["whole_shares"] for row in accounts["fractional"])
    assert all(row["whole_shares"] for row in accounts["base"])
    assert len(rows(solved["large"] / "securities.parquet")) == 3_000
    assert len(rows(solved["large"] / "factor_cov.parquet")) == 70
    kinds = {row["kind"] for row in rows(solved["hard"] / "restrictions.parquet")}
    assert kinds == {"exclude", "no_buy", "no_sell", "max_weight", "sector_max", "sector_min"}


def test_an_account_of_the_small_family_holds_about_100_000_dollars(
    solved: dict[str, Path],
) -> None:
    query = (
        "SELECT any_value(cash) + sum(quantity * price) FROM '{0}/lots.parquet' "
        "JOIN '{0}/securities.parquet' USING (security_id) "
        "JOIN '{0}/accounts.parquet' USING (account_id) GROUP BY account_id"
    )
    values = [value for (value,) in duckdb.sql(query.format(solved["small"])).fetchall()]
    assert values == pytest.approx([100_000.0] * len(values), rel=0.2)


def test_an_unknown_family_is_refused_with_the_names_of_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["construct", "example", "--family", "none", "--out", str(tmp_path / "out")]
    assert run(words) == 2
    said = capsys.readouterr().err
    assert all(name in said for name in FAMILIES)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("family", ["household", "hard"])
def test_two_workers_write_what_one_writes(family: str, tmp_path: Path) -> None:
    folder = example(tmp_path / "in", family, 20, 30, 90)  # two shards
    one, two = (solve(folder, tmp_path / str(workers), workers) for workers in (1, 2))
    for name in ("trades.parquet", "accounts.parquet"):
        left, right = (
            [{k: v for k, v in row.items() if k != "seconds"} for row in rows(out / name)]
            for out in (one, two)
        )
        assert left == right


# --- the checker itself: every planted fault is found --------------------------------------------


@pytest.fixture(scope="module")
def household(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = example(tmp_path_factory.mktemp("planted"), "household", 6, 40, 140, seed=2)
    solve(folder, folder / "plans")
    assert check_files(folder, folder / "plans") == []
    return folder


@pytest.fixture
def folder(household: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(household, tmp_path / "in"))


def change(path: Path, query: str) -> None:
    """Replace a Parquet file by a query over itself, in which it is called `it`."""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE it AS SELECT * FROM '{path}'")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def found(folder: Path) -> set[str]:
    return {fault.rule for fault in check_files(folder, folder / "plans")}


def a_loss(folder: Path) -> dict[str, Any]:
    """A sale at a loss in an account that pays tax, and that no recent purchase washes."""
    for trade in rows(folder / "plans" / "trades.parquet"):
        if trade["tax"] < -1.0:
            return trade
    raise AssertionError("nothing is harvested in the example")


def a_buy(folder: Path) -> dict[str, Any]:
    return next(t for t in rows(folder / "plans" / "trades.parquet") if t["shares"] > 1.0)


def a_gain(folder: Path) -> dict[str, Any]:
    return next(t for t in rows(folder / "plans" / "trades.parquet") if t["tax"] > 0.01)


def sibling(folder: Path, account: str) -> str:
    """Another account of the same taxpayer."""
    owner = {row["account_id"]: row["taxpayer_id"] for row in rows(folder / "accounts.parquet")}
    return next(n for n in owner if n != account and owner[n] == owner[account])


def replaced(column: str, value: str, trade: dict[str, Any]) -> str:
    lot = "lot_id IS NULL" if trade["lot_id"] is None else f"lot_id = '{trade['lot_id']}'"
    where = f"account_id = '{trade['account_id']}' AND security_id = '{trade['security_id']}'"
    case = f"CASE WHEN {where} AND {lot} THEN {value} ELSE {column} END"
    return f"SELECT * REPLACE ({case} AS {column}) FROM it"


def in_account(column: str, value: str, account: str) -> str:
    case = f"CASE WHEN account_id = '{account}' THEN {value} ELSE {column} END"
    return f"SELECT * REPLACE ({case} AS {column}) FROM it"


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("shares", "shares + 1", "trade_notional"),
        ("notional", "notional + 1", "trade_notional"),
        ("cost", "cost + 1", "trade_cost"),
        ("risk", "risk + 1", "trade_risk"),
        ("risk", "risk + 1", "adds_up"),
        ("reason", "'because'", "reason"),
        ("shares", "0.0", "shape"),
        ("shares", "-shares", "shape"),
        ("shares", "shares - 0.5", "whole_shares"),
        ("security_id", "'NONE'", "shape"),
    ],
)
def test_a_changed_purchase_is_found(column: str, value: str, rule: str, folder: Path) -> None:
    change(folder / "plans" / "trades.parquet", replaced(column, value, a_buy(folder)))
    assert rule in found(folder)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("tax", "tax - 1", "trade_tax"),
        ("tax", "0.0", "trade_tax"),
        ("shares", "shares - 1000000", "oversold"),
        ("shares", "shares - 1000000", "short"),
        ("lot_id", "NULL", "shape"),
    ],
)
def test_a_changed_sale_is_found(column: str, value: str, rule: str, folder: Path) -> None:
    change(folder / "plans" / "trades.parquet", replaced(column, value, a_loss(folder)))
    assert rule in found(folder)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("objective", "objective - 1", "objective"),
        ("objective_before", "objective_before + 1", "objective_before"),
        ("bound", "objective + 1", "bound"),
        ("bound", "NULL", "bound"),
        ("tax", "tax + 1", "tax"),
        ("cost", "cost + 1", "cost"),
        ("cash_after", "cash_after + 1", "cash_after"),
        ("te_after", "te_after + 0.0001", "te_after"),
        ("te_before", "te_before + 0.0001", "te_before"),
        ("turnover", "turnover + 0.0001", "turnover"),
        ("status", "'infeasible'", "untouched"),
        ("status", "'failed'", "message"),
        ("status", "'perhaps'", "status"),
        ("account_id", "'NOBODY'", "no_row"),
        ("account_id", "'NOBODY'", "no_such_account"),
    ],
)
def test_a_changed_result_is_found(column: str, value: str, rule: str, folder: Path) -> None:
    account = a_loss(folder)["account_id"]
    change(folder / "plans" / "accounts.parquet", in_account(column, value, account))
    assert rule in found(folder)


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("cash_low", "0.9", "cash_low"),
        ("cash_high", "-0.1", "cash_high"),
        ("max_turnover", "0.0", "max_turnover"),
        ("te_cap", "0.00001", "te_cap"),
        ("st_gain_budget", "-1e9", "st_gain_budget"),
        ("lt_gain_budget", "-1e9", "lt_gain_budget"),
        ("min_trade", "1e9", "min_trade"),
    ],
)
def test_a_limit_that_the_plan_did_not_know_is_found_broken(
    column: str, value: str, rule: str, folder: Path
) -> None:
    account = a_loss(folder)["account_id"]
    change(folder / "accounts.parquet", in_account(column, value, account))
    assert rule in found(folder)


@pytest.mark.parametrize(
    ("kind", "value"),
    [("exclude", None), ("no_buy", None), ("max_weight", 0.0), ("sector_max", 0.0),
     ("sector_min", 1.0), ("no_sell", None)],
)  # fmt: skip
def test_a_wish_that_the_plan_did_not_know_is_found_broken(
    kind: str, value: float | None, folder: Path
) -> None:
    trade = a_loss(folder) if kind == "no_sell" else a_buy(folder)
    sectors = {r["security_id"]: r["sector"] for r in rows(folder / "securities.parquet")}
    key = sectors[trade["security_id"]] if kind.startswith("sector") else trade["security_id"]
    number = "NULL" if value is None else str(value)
    row = f"SELECT '{trade['account_id']}', '{kind}', '{key}', CAST({number} AS DOUBLE)"
    change(folder / "restrictions.parquet", f"SELECT * FROM it UNION ALL {row}")
    assert kind in found(folder)


# --- washes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "washes"), [(0, True), (1, True), (30, True), (31, False)])
def test_a_loss_that_a_purchase_elsewhere_in_the_household_replaces_counts_nothing(
    days: int, washes: bool, folder: Path
) -> None:
    loss = a_loss(folder)
    other = sibling(folder, loss["account_id"])
    as_of = json.loads((folder / "params.json").read_text())["as_of"]
    row = (
        f"SELECT '{other}', 'NEW', '{loss['security_id']}', DATE '{as_of}' - {days}, "
        f"{-loss['shares']}, 1.0"
    )
    change(folder / "lots.parquet", f"SELECT * FROM it UNION ALL {row}")
    faults = check_files(folder, folder / "plans")
    claims = {f.rule for f in faults if f.account_id == loss["account_id"]}
    assert ("trade_tax" in claims) is washes


@pytest.mark.parametrize(("days", "blocks"), [(0, True), (30, True), (31, False)])
def test_a_purchase_in_the_window_of_an_earlier_loss_is_found(
    days: int, blocks: bool, folder: Path
) -> None:
    buy = a_buy(folder)
    owner = {r["account_id"]: r["taxpayer_id"] for r in rows(folder / "accounts.parquet")}
    as_of = json.loads((folder / "params.json").read_text())["as_of"]
    row = (
        f"SELECT '{owner[buy['account_id']]}', '{buy['security_id']}', DATE '{as_of}' - {days}, 1.0"
    )
    change(folder / "loss_sales.parquet", f"SELECT * FROM it UNION ALL {row}")
    assert ("bought_in_window" in found(folder)) is blocks


def test_a_purchase_of_what_another_account_of_the_household_sells_at_a_loss_is_found(
    folder: Path,
) -> None:
    loss = a_loss(folder)
    other = sibling(folder, loss["account_id"])
    row = f"SELECT '{other}', NULL, '{loss['security_id']}', 1.0, 0.0, 0.0, 0.0, 0.0, 'cash_invest'"
    change(folder / "plans" / "trades.parquet", f"SELECT * FROM it UNION ALL {row}")
    assert "bought_in_window" in found(folder)


def test_both_sides_of_a_security_in_one_plan_are_found(folder: Path) -> None:
    gain = a_gain(folder)
    row = (
        f"SELECT '{gain['account_id']}', NULL, '{gain['security_id']}', "
        "1.0, 0.0, 0.0, 0.0, 0.0, 'cash_invest'"
    )
    change(folder / "plans" / "trades.parquet", f"SELECT * FROM it UNION ALL {row}")
    assert "both_sides" in found(folder)


# --- what is judged for the whole household ------------------------------------------------------


def test_a_plan_that_is_worse_than_doing_nothing_is_found(folder: Path) -> None:
    worthless = (
        "0.0 AS st_rate, 0.0 AS lt_rate, 1e-9 AS risk_aversion, 0.0 AS cash_low, 1.0 AS cash_high"
    )
    change(folder / "accounts.parquet", f"SELECT * REPLACE ({worthless}) FROM it")
    assert "worse_than_nothing" in found(folder)


def test_a_lot_that_is_younger_than_the_plan_believes_is_found(folder: Path) -> None:
    old = next(
        trade
        for trade in rows(folder / "plans" / "trades.parquet")
        if trade["lot_id"] and abs(trade["tax"]) > 1.0 and is_long_term(folder, trade)
    )
    young = replaced("acquired", "DATE '2026-02-01'", old)
    change(folder / "lots.parquet", young)
    assert "trade_tax" in found(folder)


def is_long_term(folder: Path, trade: dict[str, Any]) -> bool:
    """Bought years ago: what the day of the year is does not matter."""
    key = (trade["account_id"], trade["lot_id"])
    lots = {(r["account_id"], r["lot_id"]): r["acquired"] for r in rows(folder / "lots.parquet")}
    return bool(lots[key].year < 2025)
