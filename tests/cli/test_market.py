"""`sma market` as people type it: tables for eyes, one JSON document for programs, errors plain."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from opensma import cli


@pytest.fixture
def market(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `sma market` with these words; (exit code, standard output, standard error)."""

    def run(*words: object) -> tuple[int, str, str]:
        code = cli.run(["market", *map(str, words)])
        done = capsys.readouterr()
        return code, done.out, done.err

    return run


@pytest.fixture
def tables(market: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    words = ("--seed", 3, "--securities", 40, "--from", "2023-10-02", "--to", "2024-12-31")
    assert market("generate", "--out", folder, *words)[0] == 0
    return folder


def test_generate_import_and_show(market: Any, tables: Path, tmp_path: Path) -> None:
    store = tmp_path / "sma.market"
    code, out, err = market("import", tables, "--store", store)
    assert code == 0
    assert "40 securities, 315 sessions from 2023-10-02 to 2024-12-31" in err
    assert "No findings." in err
    code, out, _ = market("import", tables, "--store", store, "--json")
    again = json.loads(out)
    assert code == 0
    assert set(again["added"].values()) == {0}
    code, out, _ = market("show", "--store", store, "--json")
    shown = json.loads(out)
    assert (shown["securities"], shown["sessions"]) == (40, 315)
    assert shown["content_hash"] == again["content_hash"]
    assert "315" in market("show", "--store", store)[1]


def test_errors_of_an_import_are_listed_and_nothing_is_written(
    market: Any, tables: Path, tmp_path: Path
) -> None:
    (tables / "actions.parquet").unlink()
    code, out, _ = market("import", tables, "--store", tmp_path / "s", "--json")
    assert code == 2
    assert "file.missing at actions.parquet" in json.loads(out)["error"]["message"]
    assert not (tmp_path / "s").exists()


def test_compare_prints_one_market_or_two(market: Any, tables: Path) -> None:
    code, out, _ = market("compare", tables)
    assert code == 0
    assert "index volatility, annual" in out
    code, out, _ = market("compare", tables, tables, "--json")
    rows = json.loads(out)["statistics"]
    assert code == 0
    assert {row["ratio"] for row in rows} <= {1.0, None}


def test_risk_prints_both_models_for_each_kind_of_portfolio(market: Any, tables: Path) -> None:
    code, out, _ = market("risk", tables, "--portfolios", 5, "--step", 30, "--json")
    rows = json.loads(out)["bias"]
    assert code == 0
    assert {(row["model"], row["family"]) for row in rows} == {
        (model, family)
        for model in ("risk model", "sample")
        for family in ("random", "benchmark-relative", "optimised")
    }
    assert all(0.2 < row["mean_bias"] < 5 for row in rows if row["model"] == "risk model")
    code, out, _ = market("risk", tables, "--portfolios", 5, "--step", 30)
    assert code == 0
    assert "QLIKE" in out


def test_fetch_without_its_extra_says_what_to_install(
    market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    words = ("--from", "2024-01-02", "--to", "2024-02-01", "--out", tmp_path / "out")
    code, _, err = market("fetch", "ALF", *words)
    assert code == 2
    assert "pip install 'opensma[fetch]'" in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "--store", "nowhere"), "market.missing"),
        (("import", "nowhere"), "market.folder_missing"),
        (("generate", "--out", "x", "--from", "2024"), "date.invalid"),
        (("generate", "--out", "x", "--securities", "3"), "usage"),
    ],
)
def test_what_is_typed_wrong_is_named(
    words: tuple[str, ...], code: str, market: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    status, out, _ = market(*words, "--json")
    assert status == 2
    assert json.loads(out)["error"]["code"] == code
    assert not list(tmp_path.iterdir())
