"""`opensma.rebalance`: any table in, the same kind out, an answer that adds up and explains."""

import subprocess
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import opensma
from opensma.construct.check import check_trades
from opensma.construct.saved import unpack
from opensma.errors import InputError
from opensma.rebalancing.answer import Rebalance

NAMES = [f"T{row:02d}" for row in range(12)]
DAY = date(2025, 6, 30)


def market() -> tuple[pd.Series, pd.DataFrame]:
    rng = np.random.default_rng(5)
    beta = rng.normal(1.0, 0.3, (12, 1))
    dense = beta @ beta.T * 0.03 + np.diag(rng.uniform(0.02, 0.09, 12))
    prices = pd.Series(rng.uniform(20.0, 200.0, 12).round(2), index=NAMES)
    return prices, pd.DataFrame(dense, index=NAMES, columns=NAMES)


PRICES, RISK = market()
TARGETS = dict.fromkeys(NAMES, 1.0 / 12)


def lots() -> pd.DataFrame:
    """Two lots of most names, one of them at a loss."""
    rng = np.random.default_rng(6)
    held = [NAMES[row % 10] for row in range(20)]
    shares = rng.integers(10, 60, 20).astype(float)
    worth = shares * PRICES[held].to_numpy()
    return pd.DataFrame(
        {
            "ticker": held,
            "shares": shares,
            "cost_basis": worth * rng.uniform(0.7, 1.4, 20),
            "acquired": pd.to_datetime("2022-01-03") + pd.to_timedelta(np.arange(20) * 61, "D"),
            "lot_id": [f"L{row}" for row in range(20)],
        }
    )


def ask(given: Any = None, **more: Any) -> Rebalance:
    arguments: dict[str, Any] = {"prices": PRICES, "as_of": DAY, "cash": 1500.0} | more
    risk, targets = arguments.pop("risk", RISK), arguments.pop("targets", TARGETS)
    found: Rebalance = opensma.rebalance(
        lots() if given is None else given, targets, risk, **arguments
    )
    return found


def rows(table: Any) -> list[tuple[Any, ...]]:
    """Rows of any table, empty as None."""
    if hasattr(table, "to_pydict"):
        columns = list(table.to_pydict().values())
    elif hasattr(table, "to_dict"):
        kind = "list" if hasattr(table, "iloc") else False
        columns = list((table.to_dict(kind) if kind else table.to_dict(as_series=False)).values())
    elif isinstance(table, list):
        columns = [[row[name] for row in table] for name in table[0]]
    elif isinstance(table, np.ndarray):
        columns = [table[name].tolist() for name in table.dtype.names or ()]
    else:
        columns = [values.tolist() for values in table.values()]
    return [tuple(None if v != v else v for v in row) for row in zip(*columns, strict=True)]


# --- the answer --------------------------------------------------------------------------------


def test_the_parts_of_the_objective_are_the_sums_over_the_trades() -> None:
    found = ask()
    assert found.status == "solved"
    change = found.objective.total - found.objective_before.total
    parts = found.trades[["risk", "tax", "cost"]].sum()
    assert change == pytest.approx(parts.sum(), abs=1e-6)
    assert found.objective.tax == pytest.approx(parts["tax"])
    assert found.objective.cost == pytest.approx(parts["cost"])
    assert float(found.objective) == found.objective.risk + parts["tax"] + parts["cost"]
    assert found.objective.total < found.objective_before.total


def test_the_bound_certifies_the_plan() -> None:
    found = ask()
    assert found.bound <= found.objective.total
    gap = (found.objective.total - found.bound) / found.value * 1e4
    assert found.gap_bps == pytest.approx(gap)
    assert 0.0 <= found.gap_bps < 100.0


def test_tracking_error_is_that_of_the_given_covariance() -> None:
    found = ask()
    held = lots()
    before = held.groupby("ticker")["shares"].sum().reindex(NAMES).fillna(0.0)
    after = before + found.trades.groupby("security")["shares"].sum().reindex(NAMES).fillna(0.0)
    value = 1500.0 + float((before * PRICES).sum())
    for shares, told in (
        (before, found.tracking_error_before),
        (after, found.tracking_error_after),
    ):
        active = (shares * PRICES / value - 1.0 / 12).to_numpy()
        assert told == pytest.approx(np.sqrt(active @ RISK.to_numpy() @ active))


def test_the_independent_check_finds_nothing_wrong() -> None:
    found = ask(exclude=["T03"], max_weight=0.12, turnover=0.4, min_trade=300.0)
    account = found.problem.taxpayer.accounts[0]
    universe = found.problem.universe
    row_of = {name: row for row, name in enumerate(universe.security)}
    by_id = {f"L{row}": lot for row, lot in enumerate(lots().itertuples())}
    table = found.trades

    class Moves:
        security = np.array([row_of[name] for name in table["security"]])
        shares = table["shares"].to_numpy()
        lot = np.array(
            [
                -1
                if shares > 0
                else int(
                    np.flatnonzero(
                        (account.lots.basis == by_id[name].cost_basis)
                        & (account.lots.quantity == by_id[name].shares)
                    )[0]
                )
                for name, shares in zip(table["lot"], table["shares"], strict=True)
            ]
        )

    assert check_trades(universe, found.problem.taxpayer, [Moves], DAY.toordinal()) == []


def test_why_has_a_sentence_per_trade_and_one_on_the_whole() -> None:
    found = ask(exclude=["T03"])
    told = found.why()
    assert sum(text.startswith(("Buy ", "Sell ")) for text in told) == len(found.trades)
    assert any("T03" in text and "because it is excluded" in text for text in told)
    assert any("of tax saved" in text for text in told)
    assert "no plan can be better by more than" in told[-1]
    assert "gap" in repr(found)


def test_restrictions_are_told_with_those_that_bind() -> None:
    found = ask(exclude=["T03"], max_weight={"T00": 0.05}, te_cap=0.03)
    by_name = {one.name: one for one in found.restrictions}
    assert by_name["exclude:T03"].binding
    assert by_name["max_weight:T00"].limit == 0.05
    assert by_name["te_cap"].limit == 0.03
    assert found.objective.risk == 0.0
    assert found.tracking_error_after <= 0.03


# --- limits ------------------------------------------------------------------------------------


def weights(found: Rebalance) -> pd.Series:
    before = lots().groupby("ticker")["shares"].sum().reindex(NAMES).fillna(0.0)
    change = found.trades.groupby("security")["shares"].sum().reindex(NAMES).fillna(0.0)
    made: pd.Series = (before + change) * PRICES / found.value
    return made


SECTORS = {name: "X" if row < 6 else "Y" for row, name in enumerate(NAMES)}


def test_wishes_hold_after_trading() -> None:
    found = ask(exclude=["T03"], no_buy="T10", no_sell=["T01"], max_weight={"T05": 0.04})
    after = weights(found)
    assert after["T03"] == pytest.approx(0.0, abs=1e-12)
    assert after["T10"] == 0.0  # not held, not bought
    sold = set(found.trades.loc[found.trades["shares"] < 0, "security"])
    assert "T01" not in sold
    assert after["T05"] <= 0.04
    assert weights(ask(max_weight=0.12)).max() <= 0.12


def test_sectors_turnover_smallest_trades_and_budgets_hold() -> None:
    found = ask(
        sectors=SECTORS, sector_max={"X": 0.55}, sector_min={"Y": 0.44}, min_trade=500.0,
        cash_band=(0.0, 0.03),
    )  # fmt: skip
    after = weights(found)
    assert after[NAMES[:6]].sum() <= 0.55 + 5e-4
    assert after[NAMES[6:]].sum() >= 0.44 - 5e-4
    assert ask(turnover=0.05).turnover <= 0.05
    gains = ask(lt_gain_budget=0.0, st_gain_budget=0.0, te_cap=0.08)
    assert gains.status == "solved"
    assert {"lt_gain_budget", "st_gain_budget"} <= {one.name for one in gains.restrictions}


def test_a_sector_can_be_excluded_by_its_name() -> None:
    found = ask(sectors=SECTORS, exclude=["X"], targets=dict.fromkeys(NAMES[6:], 1 / 6))
    assert weights(found)[NAMES[:6]].sum() == pytest.approx(0.0, abs=1e-12)


def test_a_loss_sold_in_the_last_30_days_bars_the_purchase() -> None:
    sold = pd.DataFrame({"ticker": ["T10", "T11"], "sold": ["2025-05-31", "2025-05-30"]})
    free = set(ask().trades.query("shares > 0")["security"])
    assert {"T10", "T11"} <= free
    bought = set(ask(loss_sales=sold).trades.query("shares > 0")["security"])
    assert "T10" not in bought  # day 30 counts
    assert "T11" in bought  # day 31 no longer
    assert "T11" not in set(ask(loss_sales=["T11"]).trades.query("shares > 0")["security"])


def test_a_conflict_is_named_and_nothing_is_traded() -> None:
    found = ask(exclude=["T01"], no_sell=["T01"])
    assert found.status == "infeasible"
    assert "exclude T01" in found.message
    assert len(found.trades) == 0
    assert found.objective == found.objective_before
    assert "infeasible" in repr(found)
    assert found.why() == [f"Nothing is traded (infeasible): {found.message}"]


def test_the_problem_can_be_saved_for_replay(tmp_path: Path) -> None:
    found = ask()
    found.save(tmp_path / "one.problem.npz")
    there = unpack((tmp_path / "one.problem.npz").read_bytes(), "one")
    assert there.taxpayer.accounts[0].cash == 1500.0
    assert there.version == opensma.__version__


# --- tables ------------------------------------------------------------------------------------


def as_records(frame: pd.DataFrame) -> np.ndarray:
    kinds = [(c, "O" if frame[c].dtype.kind in "OUT" else frame[c].dtype) for c in frame.columns]
    made = np.empty(len(frame), dtype=kinds)
    for column in frame.columns:
        made[column] = frame[column].to_numpy()
    return made


def as_polars(frame: pd.DataFrame) -> Any:
    polars = pytest.importorskip("polars", reason="polars is not installed: its tables untested")
    return polars.DataFrame(frame.to_dict("list"))


def as_arrow(frame: pd.DataFrame) -> Any:
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed: its tables untested")
    return arrow.table(frame.to_dict("list"))


KINDS = {
    "pandas": lambda frame: frame,
    "polars": as_polars,
    "arrow": as_arrow,
    "numpy records": as_records,
    "columns": lambda frame: {name: frame[name].to_numpy() for name in frame},
    "rows": lambda frame: frame.to_dict("records"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_table_gives_the_same_answer_in_a_table_of_its_kind(kind: str) -> None:
    make = KINDS[kind]
    targets = make(pd.DataFrame({"security": NAMES, "weight": 1 / 12}))
    prices = make(pd.DataFrame({"symbol": NAMES, "close": PRICES.to_numpy()}))
    given = make(lots())
    found = ask(given, targets=targets, prices=prices)
    assert type(found.trades) is type(given)
    assert rows(found.trades) == rows(ask().trades)


class Capsule:
    """A table of which nothing is known but the Arrow PyCapsule interface."""

    def __init__(self, table: Any) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self.table.__arrow_c_stream__(requested_schema)


def test_anything_with_the_arrow_capsule_is_a_table_and_gets_columns_back() -> None:
    found = ask(Capsule(as_polars(lots())))
    assert isinstance(found.trades, dict)
    assert rows(found.trades) == rows(ask().trades)


def test_plain_arrays_go_by_the_order_of_the_names_given() -> None:
    found = ask(
        risk=RISK.to_numpy(), prices=PRICES.to_numpy(), targets=np.full(12, 1 / 12),
        securities=NAMES,
    )  # fmt: skip
    assert rows(found.trades) == rows(ask().trades)


def test_the_order_of_rows_never_matters() -> None:
    shuffled = lots().sample(frac=1.0, random_state=3)
    flipped = RISK.iloc[::-1, ::-1]
    found = ask(shuffled, prices=PRICES[::-1])
    assert rows(found.trades) == rows(ask().trades)
    turned = ask(risk=flipped)
    assert turned.objective.total == pytest.approx(ask().objective.total, rel=1e-6)


@pytest.mark.parametrize(
    "day", ["2025-06-30", DAY, datetime(2025, 6, 30, 17, 0), np.datetime64("2025-06-30"),
            pd.Timestamp("2025-06-30")],
)  # fmt: skip
def test_dates_of_any_kind(day: Any) -> None:
    assert ask(as_of=day).problem.as_of_day == DAY.toordinal()


def test_a_unit_cost_stands_for_a_total_basis() -> None:
    given = lots()
    given["unit_cost"] = given.pop("cost_basis") / given["shares"]
    assert ask(given).objective.total == pytest.approx(ask().objective.total)


# --- households --------------------------------------------------------------------------------


def test_accounts_of_a_household_are_decided_together() -> None:
    given = lots()
    given["account"] = ["taxable" if row % 2 else "ira" for row in range(20)]
    found = ask(
        given,
        accounts=[
            {"account_id": "taxable", "cash": 1000.0},
            {"account_id": "ira", "cash": 500.0, "st_rate": 0.0, "lt_rate": 0.0},
        ],
    )
    assert list(found.accounts) == ["taxable", "ira"]
    assert set(found.trades["account_id"]) == {"taxable", "ira"}
    assert found.accounts["ira"].objective.tax == 0.0
    total = sum(one.objective.total for one in found.accounts.values())
    assert found.objective.total == pytest.approx(total)
    losses = found.trades.query("tax < 0")["security"]
    bought = found.trades.query("shares > 0")["security"]
    assert len(losses)
    assert not set(losses) & set(bought)  # in no account of the taxpayer


def test_a_lot_of_an_account_that_is_not_there_is_refused() -> None:
    given = lots().assign(account_id="other")
    with pytest.raises(InputError) as caught:
        ask(given, accounts={"one": {"cash": 10.0}, "two": {"cash": 10.0}})
    assert caught.value.code == "rebalance.unknown_account"


# --- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "code", "where"),
    [
        ({"given": lots().drop(columns="shares")}, "column_missing", "lots"),
        ({"given": lots().assign(shares=-1.0)}, "value_range", "lots: quantity, row 0"),
        ({"given": lots().assign(shares="many")}, "value_number", "lots: quantity"),
        ({"given": lots().assign(ticker=None)}, "value_missing", "lots: security"),
        ({"given": lots().assign(ticker="GHOST")}, "price_missing", "lots"),
        ({"given": lots().assign(acquired="2026-01-01")}, "acquired_after", "lots: acquired"),
        ({"given": 17}, "table", "lots"),
        ({"targets": {"T00": 0.9, "T01": 0.2}}, "targets_sum", "targets"),
        ({"targets": {"T00": -0.1}}, "value_range", "targets: T00"),
        ({"targets": {"GHOST": 0.5}}, "price_missing", "targets"),
        ({"targets": [0.5, 0.5]}, "order", "targets"),
        ({"prices": {**PRICES, "T05": 0.0}}, "value_range", "prices"),
        ({"prices": {**PRICES, "T05": float("nan")}}, "value_number", "prices"),
        ({"risk": RISK.iloc[:5, :5]}, "risk_missing", "lots"),
        ({"risk": RISK / 252}, "risk_unit", "risk"),
        ({"exclude": ["GHOST"]}, "unknown_name", "exclude"),
        ({"sector_max": {"Z": 0.1}}, "unknown_sector", "sector_max"),
        ({"max_weight": 5.0}, "value_range", "max_weight"),
        ({"cash": -1.0}, "value_range", "cash"),
        ({"cash_band": 0.1}, "cash_band", "cash_band"),
        ({"cash_band": (0.3, 0.1)}, "value_range", "cash_band"),
        ({"st_rate": 40.8}, "value_range", "st_rate"),
        ({"te_cap": 0.02, "risk_aversion": 5.0}, "risk_choice", "risk_aversion, te_cap"),
        ({"risk_aversion": 0.0}, "value_range", "risk_aversion"),
        ({"turnover": "lots"}, "value_number", "turnover"),
        ({"excludes": ["T00"]}, "unknown_argument", "excludes"),
        ({"accounts": []}, "accounts", "accounts"),
        ({"as_of": "30/06/2025"}, "", "as_of"),
    ],
)
def test_a_wrong_argument_is_refused_by_name_with_a_remedy(
    more: dict[str, Any], code: str, where: str
) -> None:
    with pytest.raises(InputError) as caught:
        ask(**more)
    assert caught.value.code == (f"rebalance.{code}" if code else "date.invalid")
    assert where in caught.value.where
    assert caught.value.message
    assert caught.value.remedy


# --- the package -------------------------------------------------------------------------------


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = "{'numpy', 'numba', 'pandas', 'polars', 'duckdb', 'sqlalchemy'}"
    code = f"import sys, opensma; assert not {heavy} & set(sys.modules)"
    code += "; assert 'rebalance' in dir(opensma)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'rebalanced'"):
        _ = opensma.rebalanced


def test_the_documents_example_runs_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "rebalance.md"
    code = page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    exec(compile(code, str(page), "exec"), {})
    shown = capsys.readouterr().out
    assert "<Rebalance solved" in shown
    assert "no plan can be better by more than" in shown
