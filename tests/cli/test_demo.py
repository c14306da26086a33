"""`sma demo` end to end: a book, a day, a summary; again it is the same, and nothing is lost."""

import json
import socket
import sqlite3
from pathlib import Path
from typing import Any

import pytest

import opensma.web
from opensma import cli


@pytest.fixture
def demo(small_market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run `sma demo` with these words on a small market; (exit code, standard output)."""

    def run(*words: str, book: str = "demo.db", market: bool = True) -> tuple[int, str]:
        where = ["--book", str(tmp_path / book), "--workers", "1"]
        where += ["--market", str(small_market)] if market else []
        code = cli.run(["demo", *where, *words])
        return code, capsys.readouterr().out

    return run


def document(demo: Any, *words: str, **where: Any) -> tuple[int, dict[str, Any]]:
    code, out = demo("--no-serve", "--json", *words, **where)
    return code, json.loads(out)


def test_a_small_demo_runs_from_nothing_to_the_summary(demo: Any, tmp_path: Path) -> None:
    code, done = document(demo, "--accounts", "8")
    assert code == 0
    assert done["accounts"] == 8 == done["solved"] + done["infeasible"] + done["failed"]
    assert done["solved"] >= 7
    assert done["trades"] == sum(done["trades_by_reason"].values()) > 0
    assert done["harvested_losses"] > 0
    assert done["tax_value"] > 0
    assert 0 < done["tracking_error_after"] < 0.2
    assert done["invariants"] == {"checked": True, "findings": 0}
    assert done["decide_accounts_per_second"] > 0
    assert list(done["stage_seconds"]) == ["open", "decide", "review", "trade", "post", "measure"]
    assert len(done["book_hash"]) == 64
    assert (tmp_path / "demo.db").exists()
    assert done["day"] == "2024-12-31"


def test_again_it_is_reused_and_elsewhere_it_is_the_same_book(demo: Any) -> None:
    _, first = document(demo, "--accounts", "5")
    code, again = document(demo, "--accounts", "5")
    _, elsewhere = document(demo, "--accounts", "5", book="other.db")
    assert code == 0
    assert (first["reused"], again["reused"], elsewhere["reused"]) == (False, True, False)
    assert first["book_hash"] == again["book_hash"] == elsewhere["book_hash"]
    for name in ("trades", "harvested_losses", "tax_value", "tracking_error_after"):
        assert first[name] == again[name] == elsewhere[name]


def test_the_summary_is_for_people_and_progress_stays_out_of_it(demo: Any) -> None:
    code, out = demo("--accounts", "5", "--no-serve")
    assert code == 0
    for words in ("harvested losses", "tracking error", "objective gap", "invariants", "all hold"):
        assert words in out
    assert "..." not in out


def test_another_demo_in_its_place_is_a_clear_error(demo: Any) -> None:
    document(demo, "--accounts", "5")
    code, error = document(demo, "--accounts", "6")
    assert code == 2
    assert error["error"]["code"] == "demo.book_exists"
    assert "5 accounts, seed 7" in error["error"]["message"]
    assert "--book" in error["error"]["remedy"]


def test_a_difference_found_by_the_verification_is_exit_code_1(demo: Any, tmp_path: Path) -> None:
    document(demo, "--accounts", "3")
    with sqlite3.connect(tmp_path / "demo.db") as connection:
        connection.execute("UPDATE journal SET body = '{\"cents\":1}' WHERE seq = 1")
    code, done = document(demo, "--accounts", "3")
    assert code == 1
    assert done["invariants"]["findings"] > 0
    assert done["findings"][0]["code"]


def test_the_market_is_generated_beside_the_book(demo: Any, tmp_path: Path) -> None:
    code, done = document(demo, "--accounts", "1", "--seed", "9", market=False)
    assert code == 0
    assert done["market"] == str(tmp_path / "demo.market")
    assert json.loads((tmp_path / "demo.market" / "generated.json").read_text())["seed"] == 9


def test_a_busy_port_is_told_before_anything_is_built(demo: Any, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, out = demo("--accounts", "3", "--port", str(taken.getsockname()[1]), "--json")
    assert code == 2
    assert json.loads(out)["error"]["code"] == "port.busy"
    assert not (tmp_path / "demo.db").exists()


def test_the_portal_is_served_on_the_book_and_its_market(
    demo: Any, small_market: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[object, ...]] = []
    monkeypatch.setattr(opensma.web, "serve", lambda *given: served.append(given[:4]))
    code, _ = demo("--accounts", "3", "--port", "18765")
    assert code == 0
    assert served == [(f"sqlite:///{tmp_path / 'demo.db'}", small_market, "127.0.0.1", 18765)]


@pytest.mark.parametrize("words", [("--accounts", "0"), ("--workers", "0"), ("--port", "0")])
def test_numbers_out_of_range_are_usage_errors(words: tuple[str, str], demo: Any) -> None:
    code, error = document(demo, *words)
    assert (code, error["error"]["code"]) == (2, "usage")
