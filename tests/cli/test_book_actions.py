"""`sma book actions` as a person and as a script would use it."""

import json
import shutil
from pathlib import Path

import pytest

from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, Security, all_records
from opensma.book.store import open_book
from opensma.cli import run


@pytest.fixture
def book(_demo_book: Path, tmp_path: Path) -> Path:
    path = tmp_path / "book.db"
    shutil.copyfile(_demo_book, path)
    return path


@pytest.fixture
def split(book: Path, tmp_path: Path) -> Path:
    """A file with one split of something that the first account holds."""
    with open_book(str(book)).read() as connection:
        account = all_records(connection, AccountRecord)[0]
        held = load_states(connection, [account.account_key])[account.account_key].lots.security[0]
        symbols = {s.security_key: s.symbol for s in all_records(connection, Security)}
    path = tmp_path / "actions.csv"
    lines = ["action,kind,date,security,ratio", f"ca-1,split,2025-01-02,{symbols[int(held)]},2"]
    path.write_text("\n".join(lines))
    return path


def sma(book: Path, *words: str) -> int:
    return run(["book", "actions", *words, "--book", str(book)])


def test_look_book_know_and_undo(
    book: Path, split: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sma(book, "preview", str(split)) == 0
    assert "Would book 1" in capsys.readouterr().out
    assert sma(book, "post", str(split), "--json") == 0
    posted = json.loads(capsys.readouterr().out)
    assert (posted["written"], posted["actions"][0]["status"]) == (True, "new")
    change = posted["actions"][0]["accounts"][0]["lots"][0]
    assert change["after"]["quantity_micros"] == 2 * change["before"]["quantity_micros"]
    assert change["after"]["basis_cents"] == change["before"]["basis_cents"]
    assert sma(book, "post", str(split)) == 0
    assert "known 1" in capsys.readouterr().out
    assert sma(book, "reverse", str(split), "--action", "ca-1", "--reason", "wrong file") == 0
    assert "reversed" in capsys.readouterr().out
    assert sma(book, "reverse", str(split), "--action", "ca-9") == 2


def test_every_problem_of_a_file_is_one_row_and_the_exit_code_is_2(
    book: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("action,kind,date,security,ratio\na,split,never,X,2\nb,split,2025-01-02,X,0\n")
    assert sma(book, "post", str(path)) == 2
    told = capsys.readouterr().out
    assert "2 problems; nothing was booked" in told
    assert "line 2" in told
    assert "line 3" in told
    assert sma(book, "post", str(path), "--json") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["error"]["code"] == "actions.refused"
    assert [f["where"] for f in document["findings"]] == ["line 2", "line 3"]
