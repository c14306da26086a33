"""`sma construct` from the outside: the benchmark's figures, examples, and help."""

import json
from pathlib import Path
from typing import Any

import pytest

from opensma.cli import run
from opensma.simulate import peer
from opensma.simulate.families import FAMILIES


def bench(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    words = ["construct", "bench", "--accounts", "6", "--names", "40", "--lots", "120"]
    words += ["--peers", "3", "--family-accounts", "0", "--workers", "1", "--json"]
    assert run([*words, *more]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_the_benchmark_reports_speed_gaps_rules_and_the_ratio(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("clarabel", reason="clarabel is not installed: no ratio to look at")
    found = bench(capsys)
    assert found["accounts_per_second"] > 0
    assert (found["cores"], found["accounts"], found["names"]) == (1, 6, 40)
    assert found["solved"] + found["infeasible"] + found["failed"] == 6
    assert found["ratio_to_clarabel"] > 1
    assert 0 <= found["median_gap_bps"] <= found["p95_gap_bps"]
    assert found["violations"] == 0
    assert found["largest_violation_bps"] <= 5  # the widest tolerance of the contract
    assert found["largest_objective_difference"] < 1e-6


def test_without_clarabel_the_benchmark_says_so_and_leaves_the_ratio_empty(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer, "find_spec", lambda name: None)
    words = ["construct", "bench", "--accounts", "2", "--names", "30", "--lots", "60"]
    assert run([*words, "--family-accounts", "0", "--workers", "1", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["ratio_to_clarabel"] is None
    assert "Clarabel is not installed" in captured.err


def test_the_benchmark_tells_families_apart(capsys: pytest.CaptureFixture[str]) -> None:
    families = bench(capsys, "--family-accounts", "3")["families"]
    assert set(families) == set(FAMILIES)
    for found in families.values():
        assert found["accounts_per_second"] > 0
        assert found["p99_decision_ms"] > 0
        assert found["violations"] == 0
        assert found["solved"] + found["infeasible"] + found["failed"] == found["accounts"]
    for name in ("base", "small", "fractional", "large"):
        assert 0 <= families[name]["median_gap_bps"] <= families[name]["p95_gap_bps"]
    assert families["large"]["names"] == 6 * families["base"]["names"]


def test_the_benchmark_finds_the_same_with_two_workers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one, two = (bench(capsys, "--accounts", "20", "--workers", number) for number in "12")
    for name in ("solved", "failed", "median_gap_bps", "p95_gap_bps", "largest_violation_bps"):
        assert one[name] == two[name]


def test_examples_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("one", "two"):
        words = ["construct", "example", "--out", str(tmp_path / name), "--accounts", "2"]
        assert run([*words, "--names", "20", "--lots", "40"]) == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert "params.json" in files
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
