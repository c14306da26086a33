"""`sma book`, `day`, `account` and `why`, used as a person and as a script would use them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from opensma.book.store import HEAD, open_book
from opensma.cli import run


@pytest.fixture(scope="module")
def evening(_demo_book: Path, small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo book that knows its market, before its day."""
    path = tmp_path_factory.mktemp("cli") / "evening.db"
    shutil.copyfile(_demo_book, path)
    assert run(["book", "init", "--book", str(path), "--market", str(small_market)]) == 0
    return path


@pytest.fixture(scope="module")
def done(evening: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same book after its day."""
    path = tmp_path_factory.mktemp("cli") / "done.db"
    shutil.copyfile(evening, path)
    assert run(["day", "run", "--book", str(path), "--date", "2024-12-31", "--workers", "1"]) == 0
    return path


class Sma:
    """Runs commands against one book and gives what they print."""

    def __init__(self, book: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.book, self.capsys = book, capsys

    def __call__(self, *arguments: str, code: int = 0) -> str:
        self.capsys.readouterr()
        assert run([*arguments, "--book", str(self.book)]) == code
        self.printed = self.capsys.readouterr()
        return self.printed.out

    def json(self, *arguments: str, code: int = 0) -> dict[str, Any]:
        """The one JSON document that the command prints; nothing else is on standard output."""
        document: dict[str, Any] = json.loads(self(*arguments, "--json", code=code))
        return document

    def error(self, *arguments: str) -> dict[str, str]:
        """The error of a command that fails with exit code 2."""
        error: dict[str, str] = self.json(*arguments, code=2)["error"]
        assert set(error) == {"code", "message", "where", "remedy"}
        assert all(error.values())
        return error


@pytest.fixture
def sma(done: Path, capsys: pytest.CaptureFixture[str]) -> Sma:
    return Sma(done, capsys)


@pytest.fixture
def own(tmp_path: Path, done: Path, capsys: pytest.CaptureFixture[str]) -> Sma:
    """A copy of the book after its day that a test may damage."""
    shutil.copyfile(done, tmp_path / "own.db")
    return Sma(tmp_path / "own.db", capsys)


# --- the day -------------------------------------------------------------------------------------


def test_a_day_is_run_and_told_by_stage(
    evening: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copyfile(evening, tmp_path / "b.db")
    sma = Sma(tmp_path / "b.db", capsys)
    told = sma.json("day", "run", "--date", "2024-12-31", "--workers", "1")
    assert list(told["stages"]) == ["open", "decide", "review", "trade", "post", "measure"]
    assert (told["day"], told["accounts"], told["run"]["status"]) == ("2024-12-31", 12, "done")
    assert told["run"]["recorded_at"].endswith("Z")
    again = sma.json("day", "run", "--date", "2024-12-31")
    assert again == told
    assert "done" in sma("day", "show")
    assert sma.json("day", "show")["stages"] == told["stages"]


def test_what_the_day_needs_and_has_not_got_is_named(
    evening: Path, small_book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    linked, unlinked = (
        Sma(evening, capsys),
        Sma(Path(small_book.removeprefix("sqlite:///")), capsys),
    )
    assert linked.error("day", "run", "--date", "2025-06-30")["code"] == "day.no_prices"
    assert linked.error("day", "run", "--date", "2024-12-30")["code"] == "day.past"
    assert linked.error("day", "show")["code"] == "day.unknown"
    error = unlinked.error("day", "run", "--date", "2024-12-31")
    assert error["code"] == "book.no_market"
    assert "--market" in error["remedy"]
    gone = str(tmp_path / "gone.market")
    error = linked.error("day", "run", "--date", "2024-12-31", "--market", gone)
    assert (error["code"], error["where"]) == ("market.missing", gone)
    missing = Sma(tmp_path / "none.db", capsys)
    assert missing.error("day", "run", "--date", "2024-12-31")["code"] == "book.missing"
    assert not (tmp_path / "none.db").exists()


def test_ray_and_workers_exclude_each_other_and_a_missing_ray_names_its_remedy(
    evening: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from importlib.util import find_spec

    shutil.copyfile(evening, tmp_path / "b.db")
    sma = Sma(tmp_path / "b.db", capsys)
    both = ("--ray", "auto", "--workers", "2")
    assert sma.error("day", "run", "--date", "2024-12-31", *both)["code"] == "usage"
    if find_spec("ray") is not None:
        pytest.skip("Ray is installed: its absence cannot be shown")
    error = sma.error("day", "run", "--date", "2024-12-31", "--ray", "auto")
    assert error["code"] == "workers.no_ray"
    assert "pip install 'opensma[ray]'" in error["remedy"]


# --- the book ------------------------------------------------------------------------------------


def test_init_makes_a_book_that_verify_finds_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sma = Sma(tmp_path / "new" / "sma.db", capsys)
    assert sma.json("book", "init")["schema"] == HEAD
    assert sma.json("book", "init")["market"] is None
    assert sma.json("book", "verify")["findings"] == []
    assert sma.json("account", "list") == {"accounts": []}


def test_a_market_that_is_not_there_makes_no_book(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sma = Sma(tmp_path / "sma.db", capsys)
    assert sma.error("book", "init", "--market", str(tmp_path / "x"))["code"] == "market.missing"
    assert not (tmp_path / "sma.db").exists()


def test_verify_ends_with_1_where_something_differs_and_rebuild_cures_a_state(own: Sma) -> None:
    assert "no difference" in own("book", "verify")
    with open_book(str(own.book)).write() as connection:
        connection.execute(text("UPDATE account_state SET checksum = 'x' WHERE account_key = 4"))
    found = own.json("book", "verify", code=1)["findings"]
    assert [(f["code"], f["where"]) for f in found] == [("snapshot.corrupt", "A000004")]
    assert "snapshot.corrupt" in own("book", "verify", code=1)
    assert own.error("account", "lots", "A000004")["code"] == "book.snapshot_corrupt"
    assert own.json("book", "rebuild", "--account", "A000004")["changed"] == ["A000004"]
    assert own.json("book", "verify")["findings"] == []


def test_the_hash_is_printed_alone_and_by_table(sma: Sma) -> None:
    digest = sma("book", "hash").strip()
    assert len(digest) == 64
    told = sma.json("book", "hash", "--tables")
    assert told["hash"] == digest
    assert "journal" in told["tables"]


def test_export_writes_what_its_manifest_says(sma: Sma, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = sma.json("book", "export", "--out", str(out), "--account", "A000002")
    assert told["accounts"] == ["A000002"]
    assert all((out / entry["file"]).is_file() for entry in told["files"])
    assert sma.error("book", "export", "--out", str(out))["code"] == "export.exists"
    assert sma.error("book", "rebuild", "--account", "nobody")["code"] == "account.unknown"


# --- accounts and trades -------------------------------------------------------------------------


def test_the_list_names_every_account_with_figures(sma: Sma) -> None:
    listed = sma.json("account", "list")["accounts"]
    assert [row["account"]["account_id"] for row in listed] == [f"A{n:06d}" for n in range(1, 13)]
    assert all(row["measures"]["value_cents"] > 0 for row in listed)
    assert sma("account", "list").count("A0000") == 12


def test_an_accounts_figures_agree_between_its_views(sma: Sma) -> None:
    shown = sma.json("account", "show", "A000002")
    lots = sma.json("account", "lots", "A000002")
    holdings = shown["holdings"]
    assert holdings["value_cents"] == holdings["cash_cents"] + lots["value_cents"]
    assert sum(p["value_cents"] for p in holdings["positions"]) == lots["value_cents"]
    assert len(lots["open"]) == holdings["lots"]
    for lot in lots["open"]:
        assert lot["gain_cents"] == lot["value_cents"] - lot["basis_cents"]
        assert lot["long_term"] == (lot["long_from"] <= lots["day"])
    words = sma("account", "show", "A000002")
    assert "value on 2024-12-31" in words
    assert "certified" in words


def trades(sma: Sma) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for number in range(1, 13):
        decision = sma.json("account", "why", f"A{number:06d}")
        own = decision["trades"]
        if decision["plan"] is not None and decision["plan"]["status"] == "solved":
            assert sum(t["total_cents"] for t in own) == decision["change_cents"]
        found += [own[0], own[-1]] if own else []
    assert found
    return found


def test_every_trade_has_a_reason_and_a_record_that_agrees_with_it(sma: Sma) -> None:
    for trade in trades(sma):
        assert trade["symbol"] in trade["why"]
        record = sma.json("why", trade["trade_id"])
        assert record["why"] == trade["why"]
        assert record["trade"]["total_cents"] == trade["total_cents"]
        words = sma("why", trade["trade_id"])
        assert "change of the objective" in words
        if trade["posted"]:
            assert record["entries"][0]["hash"][:16] in words
        if trade["side"] == "sell":
            assert str(trade["lot"]["acquired"]) in words


def test_why_shows_the_wash_window_that_a_loss_opens(sma: Sma) -> None:
    losses = [t for t in trades(sma) if t["lot"] and t["lot"]["wash_until"]]
    if not losses:
        pytest.skip("the plans of this book realise no loss")
    assert losses[0]["lot"]["wash_until"] == "2025-01-30"
    assert "2025-01-30" in sma("why", losses[0]["trade_id"])


@pytest.mark.parametrize("verb", ["show", "lots", "why"])
def test_an_unknown_account_is_told_with_its_remedy(sma: Sma, verb: str) -> None:
    error = sma.error("account", verb, "nobody")
    assert (error["code"], error["where"]) == ("account.unknown", "nobody")
    assert "sma account list" in error["remedy"]


def test_an_unknown_trade_is_told_with_its_remedy(sma: Sma) -> None:
    assert sma.error("why", "nothing")["code"] == "trade.unknown"
