"""The file contract of `sma construct solve`: there and back, and a named error for bad input."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from opensma.cli import run
from opensma.cli.construct_files.build import build_parts, build_problem
from opensma.cli.construct_files.reader import read_files
from opensma.cli.construct_files.writer import write_inputs
from opensma.construct.problem import Account, Taxpayer
from opensma.errors import InputError
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems

RECIPE = Recipe(30, 8, 90, 6, 4, wishes=0.5, losses=1.0)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    write_inputs(folder, *generate_problems(3, RECIPE), AS_OF_DAY)
    return folder


@pytest.fixture
def folder(generated: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(generated, tmp_path / "in"))


def sql(query: str) -> list[tuple[Any, ...]]:
    return duckdb.sql(query).fetchall()


def rewrite(folder: Path, name: str, query: str) -> None:
    """Replace a file by a query over itself, in which it is called `it`."""
    path = folder / f"{name}.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE it AS SELECT * FROM '{path}'")
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")


def solve(folder: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    code = run(["construct", "solve", str(folder), "--out", str(out), "--workers", "1", "--json"])
    return code, json.loads(capsys.readouterr().out)


# --- there and back ------------------------------------------------------------------------------


def test_what_is_read_is_what_was_written(generated: Path) -> None:
    universe, taxpayers = generate_problems(3, RECIPE)
    problem = build_problem(read_files(generated))
    assert problem.as_of_day == AS_OF_DAY
    assert problem.universe.security == universe.security
    for name in ("price", "cost_bps", "loadings", "specific_var"):
        np.testing.assert_array_equal(getattr(problem.universe, name), getattr(universe, name))
    np.testing.assert_allclose(problem.universe.factor_cov, universe.factor_cov, rtol=1e-12)
    same = universe.group[:, None] == universe.group[None, :]
    read = problem.universe.group[:, None] == problem.universe.group[None, :]
    np.testing.assert_array_equal(read, same)
    for was, now in zip(taxpayers, problem.taxpayers, strict=True):
        assert was.taxpayer_id == now.taxpayer_id
        assert lost(universe.group, was) == lost(problem.universe.group, now)
        for before, after in zip(was.accounts, now.accounts, strict=True):
            compare_accounts(before, after)


def lost(group: np.ndarray, taxpayer: Taxpayer) -> list[int]:
    return np.flatnonzero(np.isin(group, taxpayer.loss_groups)).tolist()


def compare_accounts(before: Account, after: Account) -> None:
    names = ("account_id", "cash", "cash_low", "cash_high", "st_rate", "lt_rate", "min_trade")
    names += ("whole_shares", "risk_aversion", "te_cap", "max_turnover")
    for name in (*names, "st_gain_budget", "lt_gain_budget"):
        assert getattr(before, name) == getattr(after, name), name
    np.testing.assert_array_equal(before.target, after.target)
    order = np.argsort(before.lots.acquired_day, kind="stable")
    for name in ("security", "quantity", "basis", "acquired_day", "long_term"):
        np.testing.assert_array_equal(
            getattr(before.lots, name)[order], getattr(after.lots, name), err_msg=name
        )
    for name in ("exclude", "no_buy", "no_sell", "max_weight"):
        np.testing.assert_array_equal(getattr(before.limits, name), getattr(after.limits, name))


def test_results_have_the_columns_and_types_of_the_contract(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, summary = solve(folder, tmp_path / "out", capsys)
    assert code == 0
    assert summary["accounts"] == 8
    assert summary["solved"] + summary["infeasible"] + summary["failed"] == 8
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "accounts.parquet", "trades.parquet",
    ]  # fmt: skip
    trades = sql(f"SELECT column_name, column_type FROM (DESCRIBE '{tmp_path}/out/trades.parquet')")
    numbers = ["shares", "notional", "tax", "cost", "risk"]
    assert trades == [
        *((name, "VARCHAR") for name in ("account_id", "lot_id", "security_id")),
        *((name, "DOUBLE") for name in numbers),
        ("reason", "VARCHAR"),
    ]
    found = sql(
        f"SELECT column_name, column_type FROM (DESCRIBE '{tmp_path}/out/accounts.parquet')"
    )
    assert [name for name, _ in found] == [
        *("account_id", "status", "message", "objective", "objective_before", "bound"),
        *("te_before", "te_after", "tax", "cost", "turnover", "cash_after", "binding", "seconds"),
    ]
    assert dict(found)["binding"] == "VARCHAR[]"


def test_trades_name_lots_of_the_input_and_add_up(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solve(folder, tmp_path / "out", capsys)
    joined = sql(f"""
        SELECT count(*), count(*) FILTER (l.quantity >= -t.shares)
        FROM '{tmp_path}/out/trades.parquet' t JOIN '{folder}/lots.parquet' l
        USING (account_id, lot_id, security_id)""")[0]
    sells = sql(f"SELECT count(*) FROM '{tmp_path}/out/trades.parquet' WHERE shares < 0")[0][0]
    assert joined == (sells, sells)
    assert sells > 0
    off = sql(f"""
        SELECT max(abs(t.change - (a.objective - a.objective_before)))
        FROM (SELECT account_id, sum(risk + tax + cost) AS change
              FROM '{tmp_path}/out/trades.parquet' GROUP BY ALL) t
        JOIN '{tmp_path}/out/accounts.parquet' a USING (account_id)""")[0][0]
    assert off < 0.005


def test_results_do_not_depend_on_the_order_of_rows(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    solve(folder, tmp_path / "first", capsys)
    for name in ("accounts", "lots", "targets", "securities", "restrictions", "loadings"):
        rewrite(folder, name, "SELECT * FROM it ORDER BY hash(it)")
    solve(folder, tmp_path / "second", capsys)
    order = "SELECT account_id, lot_id, security_id, shares, reason FROM '{}' ORDER BY ALL"
    assert sql(order.format(tmp_path / "first/trades.parquet")) == sql(
        order.format(tmp_path / "second/trades.parquet")
    )


def test_ids_may_be_whole_numbers_and_come_back_as_such(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    number = "CAST(substr({0}, 2, 5) AS BIGINT)"
    for name in ("securities", "loadings", "lots", "targets", "loss_sales"):
        rewrite(
            folder,
            name,
            f"SELECT * REPLACE ({number.format('security_id')} AS security_id) FROM it",
        )
    rewrite(folder, "securities", 'SELECT * REPLACE (NULL AS "group") FROM it')
    rewrite(folder, "lots", f"SELECT * REPLACE ({number.format('lot_id')} AS lot_id) FROM it")
    (folder / "restrictions.parquet").unlink()
    assert solve(folder, tmp_path / "out", capsys)[0] == 0
    types = dict(
        sql(f"SELECT column_name, column_type FROM (DESCRIBE '{tmp_path}/out/trades.parquet')")
    )
    assert (types["security_id"], types["lot_id"]) == ("BIGINT", "BIGINT")


def test_optional_files_may_be_absent(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "loss_sales.parquet").unlink()
    (folder / "restrictions.parquet").unlink()
    assert solve(folder, tmp_path / "out", capsys)[0] == 0


def test_targets_without_account_hold_for_every_account_without_its_own(folder: Path) -> None:
    rewrite(
        folder, "targets",
        "SELECT * FROM it WHERE account_id = 'A00000-1' UNION ALL SELECT NULL, security_id, 0.02 "
        "FROM it WHERE account_id = 'A00000-1'",
    )  # fmt: skip
    accounts = [a for t in build_problem(read_files(folder)).taxpayers for a in t.accounts]
    own = next(a for a in accounts if a.account_id == "A00000-1")
    others = [a for a in accounts if a is not own]
    assert own.target.max() > 0.02
    assert all(a.target.max() == pytest.approx(0.02) for a in others)


def test_a_group_named_like_a_security_joins_it(folder: Path) -> None:
    rewrite(
        folder, "securities",
        "SELECT * REPLACE (CASE security_id WHEN 'S0004' THEN 'S0007' END AS \"group\") FROM it",
    )  # fmt: skip
    group = build_problem(read_files(folder)).universe.group
    assert group[4] == group[7]
    assert len(set(group.tolist())) == len(group) - 1


@pytest.mark.parametrize(
    ("days", "quantity", "blocked"), [(30, 1, True), (31, 1, False), (5, 0, False)]
)
def test_loss_sales_block_their_group_for_30_days(
    folder: Path, days: int, quantity: int, blocked: bool
) -> None:
    rewrite(
        folder, "loss_sales",
        f"SELECT 'T00000' AS taxpayer_id, 'S0003' AS security_id, DATE '2026-03-31' - {days} AS "
        f"sold, {quantity}.0 AS quantity",
    )  # fmt: skip
    problem = build_problem(read_files(folder))
    codes = problem.taxpayers[0].loss_groups
    assert (problem.universe.group[3] in codes) is blocked


def test_lots_turn_long_term_the_day_after_a_year(folder: Path) -> None:
    rewrite(
        folder, "lots",
        "SELECT * REPLACE (CASE WHEN lot_id = 'L00001' THEN DATE '2025-03-31' ELSE "
        "DATE '2025-03-30' END AS acquired) FROM it",
    )  # fmt: skip
    for taxpayer in build_problem(read_files(folder)).taxpayers:
        for account in taxpayer.accounts:
            same_day = account.lots.acquired_day == AS_OF_DAY - 365
            np.testing.assert_array_equal(account.lots.long_term, ~same_day)


def test_an_infeasible_account_is_reported_with_its_conflict_and_never_traded(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing may be sold, yet half of the account must be cash: these two cannot hold together."""
    rewrite(
        folder, "accounts",
        "SELECT * REPLACE (0.5 AS cash_low, 0.6 AS cash_high, NULL::DOUBLE AS max_turnover) "
        "FROM it LIMIT 1",
    )  # fmt: skip
    keep = "SELECT * FROM it WHERE account_id = 'A00000-1'"
    rewrite(folder, "lots", keep)
    rewrite(folder, "targets", keep)
    rewrite(
        folder, "restrictions",
        "SELECT 'A00000-1' AS account_id, 'no_sell' AS kind, unnest(range(30)) AS number, "
        "format('S{:04d}', number) AS key, NULL::DOUBLE AS value",
    )  # fmt: skip
    code, summary = solve(folder, tmp_path / "out", capsys)
    assert code == 0, summary
    assert summary["infeasible"] == 1
    status, message = sql(f"SELECT status, message FROM '{tmp_path}/out/accounts.parquet'")[0]
    assert status == "infeasible"
    assert "cash_low" in message
    assert "no_sell" in message
    assert sql(f"SELECT count(*) FROM '{tmp_path}/out/trades.parquet'") == [(0,)]


# --- bad inputs ----------------------------------------------------------------------------------


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def put(name: str, query: str) -> Callable[[Path], None]:
    return lambda folder: rewrite(folder, name, query)


def value(name: str, column: str, new: str, where: str = "rowid = 0") -> Callable[[Path], None]:
    replaced = f'CASE WHEN {where} THEN {new} ELSE "{column}" END AS "{column}"'
    return put(name, f"SELECT * REPLACE ({replaced}) FROM it")


def wish(kind: str, key: str, weight: str) -> Callable[[Path], None]:
    query = f"SELECT 'A00000-1' AS account_id, '{kind}' AS kind, '{key}' AS key"
    return put("restrictions", f"{query}, {weight}::DOUBLE AS value")


def write(name: str, text: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / name).write_text(text, encoding="utf-8")

    return change


BAD: dict[str, tuple[Callable[[Path], None], str, str]] = {
    "missing file": (drop("lots.parquet"), "file_missing", "lots.parquet"),
    "no params": (drop("params.json"), "file_missing", "params.json"),
    "no parquet": (write("lots.parquet", "no"), "file_unreadable", "lots.parquet"),
    "no json": (write("params.json", "{"), "params", "params.json"),
    "no as_of": (write("params.json", "{}"), "params", "params.json"),
    "bad as_of": (write("params.json", '{"as_of": "31/3/2026"}'), "params", "params.json:as_of"),
    "missing column": (
        put("lots", "SELECT * EXCLUDE (basis) FROM it"),
        "column_missing",
        "lots.parquet:basis",
    ),
    "wrong type": (
        put("accounts", "SELECT * REPLACE (CAST(cash AS VARCHAR) AS cash) FROM it"),
        "column_type",
        "accounts.parquet:cash",
    ),
    "date as text": (
        put("lots", "SELECT * REPLACE (CAST(acquired AS VARCHAR) AS acquired) FROM it"),
        "column_type",
        "lots.parquet:acquired",
    ),
    "lot of an unknown security": (
        value("lots", "security_id", "'NONE'"),
        "unknown_security",
        "lots.parquet:security_id, row 1",
    ),
    "lot of an unknown account": (
        value("lots", "account_id", "'NONE'"),
        "unknown_account",
        "lots.parquet:account_id, row 1",
    ),
    "target of an unknown security": (
        value("targets", "security_id", "'NONE'"),
        "unknown_security",
        "targets.parquet:security_id, row 1",
    ),
    "loadings of an unknown security": (
        value("loadings", "security_id", "'NONE'"),
        "unknown_security",
        "loadings.parquet:security_id, row 1",
    ),
    "loss sale of an unknown security": (
        value("loss_sales", "security_id", "'NONE'"),
        "unknown_security",
        "loss_sales.parquet:security_id, row 1",
    ),
    "no loadings": (
        put("loadings", "SELECT * FROM it WHERE security_id <> 'S0003'"),
        "loadings_missing",
        "loadings.parquet:security_id",
    ),
    "restriction of an unknown security": (
        value("restrictions", "key", "'NONE'", "kind = 'exclude'"),
        "unknown_security",
        "restrictions.parquet:key",
    ),
    "restriction of an unknown sector": (
        wish("sector_max", "NONE", "0.1"),
        "unknown_sector",
        "restrictions.parquet:key, row 1",
    ),
    "unknown kind": (
        value("restrictions", "kind", "'avoid'"),
        "unknown_kind",
        "restrictions.parquet:kind, row 1",
    ),
    "restriction without value": (
        wish("max_weight", "S0001", "NULL"),
        "value_range",
        "restrictions.parquet:value, row 1",
    ),
    "two accounts of one id": (
        put("accounts", "SELECT * FROM it UNION ALL (SELECT * FROM it LIMIT 1)"),
        "duplicate",
        "accounts.parquet:account_id, row 9",
    ),
    "two lots of one id": (
        value("lots", "lot_id", "'L00001'", "rowid = 1"),
        "duplicate",
        "lots.parquet:account_id,lot_id, row 2",
    ),
    "two securities of one id": (
        value("securities", "security_id", "'S0000'", "rowid = 1"),
        "duplicate",
        "securities.parquet:security_id, row 2",
    ),
    "no price": (
        value("securities", "price", "0"),
        "value_range",
        "securities.parquet:price, row 1",
    ),
    "negative quantity": (
        value("lots", "quantity", "-1"),
        "value_range",
        "lots.parquet:quantity, row 1",
    ),
    "no specific variance": (
        value("securities", "specific_var", "0"),
        "value_range",
        "securities.parquet:specific_var, row 1",
    ),
    "not a number": (
        value("lots", "basis", "'nan'::DOUBLE"),
        "value_missing",
        "lots.parquet:basis, row 1",
    ),
    "infinite": (
        value("accounts", "cash", "'inf'::DOUBLE"),
        "value_infinite",
        "accounts.parquet:cash, row 1",
    ),
    "null": (value("accounts", "cash", "NULL"), "value_missing", "accounts.parquet:cash, row 1"),
    "weights above 1": (
        put("targets", "SELECT * REPLACE (weight * 1.5 AS weight) FROM it"),
        "targets_sum",
        "targets.parquet:weight",
    ),
    "account without targets": (
        put("targets", "SELECT * FROM it WHERE account_id <> 'A00000-1'"),
        "targets_missing",
        "targets.parquet",
    ),
    "aversion and cap": (
        put("accounts", "SELECT * REPLACE (5.0 AS risk_aversion, 0.02 AS te_cap) FROM it"),
        "risk_choice",
        "accounts.parquet:risk_aversion,te_cap, row 1",
    ),
    "neither aversion nor cap": (
        put("accounts", "SELECT * REPLACE (NULL AS risk_aversion, NULL AS te_cap) FROM it"),
        "risk_choice",
        "accounts.parquet:risk_aversion,te_cap, row 1",
    ),
    "cash band upside down": (
        value("accounts", "cash_high", "0.0", "true"),
        "value_range",
        "accounts.parquet:cash_high",
    ),
    "covariance not symmetric": (
        value("factor_cov", "f1", "f1 + 0.01"),
        "factor_cov",
        "factor_cov.parquet",
    ),
    "covariance not positive semidefinite": (
        value("factor_cov", "f0", "-1.0"),
        "factor_cov",
        "factor_cov.parquet",
    ),
    "covariance not square": (
        put("factor_cov", "SELECT * FROM it LIMIT 3"),
        "factor_cov",
        "factor_cov.parquet",
    ),
    "factors differ": (
        put("loadings", "SELECT * EXCLUDE (f2) FROM it"),
        "factors",
        "loadings.parquet, factor_cov.parquet",
    ),
    "lot of the future": (
        value("lots", "acquired", "DATE '2026-04-01'"),
        "acquired_after",
        "lots.parquet:acquired, row 1",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_is_named_and_nothing_is_written(
    case: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change, error, where = BAD[case]
    change(folder)
    code, document = solve(folder, tmp_path / "out", capsys)
    assert code == 2
    assert document["error"]["code"] == f"construct.{error}", document
    assert document["error"]["where"].startswith(where), document
    assert document["error"]["message"]
    assert document["error"]["remedy"]
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_and_a_file_as_out_are_named(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = solve(tmp_path / "nowhere", tmp_path / "out", capsys)
    assert (code, document["error"]["code"]) == (2, "construct.folder_missing")
    (tmp_path / "taken").write_text("")
    code, document = solve(folder, tmp_path / "taken", capsys)
    assert (code, document["error"]["code"]) == (2, "construct.out")


# --- in parts ------------------------------------------------------------------------------------


def test_parts_hold_the_same_as_the_whole(generated: Path, tmp_path: Path) -> None:
    whole = build_problem(read_files(generated))
    parts = list(build_parts(read_files(generated, tmp_path), 3))
    assert len(parts) > 2
    taxpayers = [taxpayer for part in parts for taxpayer in part.taxpayers]
    assert [t.taxpayer_id for t in taxpayers] == [t.taxpayer_id for t in whole.taxpayers]
    for mine, theirs in zip(taxpayers, whole.taxpayers, strict=True):
        assert mine.loss_groups.tolist() == theirs.loss_groups.tolist()
        for one, other in zip(mine.accounts, theirs.accounts, strict=True):
            compare_accounts(other, one)
    lots = {name: ids.tolist() for part in parts for name, ids in part.lot_ids.items()}
    assert lots == {name: ids.tolist() for name, ids in whole.lot_ids.items()}


@pytest.mark.parametrize(
    ("name", "values", "row"),
    [
        ("lots", "'NOBODY', 'L1', 'S0001', DATE '2020-01-01', 1.0, 1.0", "account_id"),
        ("targets", "'NOBODY', 'S0001', 0.1", "account_id"),
        ("restrictions", "'NOBODY', 'exclude', 'S0001', NULL", "account_id"),
        ("loss_sales", "'NOBODY', 'NONE', DATE '2026-03-30', 1.0", "security_id"),
    ],
)
def test_a_wrong_row_keeps_its_number_in_the_file_whatever_the_part(
    name: str, values: str, row: str, folder: Path, tmp_path: Path
) -> None:
    rewrite(folder, name, f"SELECT * FROM it UNION ALL SELECT {values}")
    last = sql(f"SELECT count(*) FROM '{folder}/{name}.parquet'")[0][0]
    with pytest.raises(InputError) as caught:
        list(build_parts(read_files(folder, tmp_path), 3))
    assert caught.value.where == f"{name}.parquet:{row}, row {last}"
