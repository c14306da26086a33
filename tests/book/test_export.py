"""An export proves itself: chains, lots and files can be checked without opensma."""

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from opensma.book.export import export_book
from opensma.book.ledger import load_states
from opensma.book.proof import book_hash
from opensma.book.store import Book
from opensma.errors import BookError


def rows(path: Path, columns: str = "*") -> list[tuple[Any, ...]]:
    return duckdb.connect().execute(f"SELECT {columns} FROM '{path}'").fetchall()


def journal(folder: Path, account: str) -> list[dict[str, Any]]:
    text = (folder / "journal" / f"{account}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def digest(entry: dict[str, Any]) -> str:
    """The recipe of docs/book.md, with nothing of opensma."""
    days = [date.fromisoformat(entry[name]).toordinal() for name in ("trade_day", "settle_day")]
    parts = [entry["previous_hash"], entry["account_key"], entry["seq"], entry["kind"], *days]
    parts += [entry["source_id"], entry["recorded_at"], entry["body"]]
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()


def test_every_chain_can_be_checked_with_the_files_alone(after: Book, tmp_path: Path) -> None:
    manifest = export_book(after, tmp_path / "out")
    assert len(manifest["accounts"]) == 10
    for account in manifest["accounts"]:
        previous = None
        for entry in journal(tmp_path / "out", account):
            assert digest(entry) == entry["hash"]
            assert previous in (None, entry["previous_hash"])
            previous = entry["hash"]
        assert previous is not None


def test_the_manifest_names_every_file_with_its_hash_and_the_books_own(
    after: Book, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    manifest = export_book(after, out)
    assert json.loads((out / "export.json").read_text()) == manifest
    assert manifest["book_hash"] == book_hash(after)
    files = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()} - {"export.json"}
    assert {entry["file"] for entry in manifest["files"]} == files
    for entry in manifest["files"]:
        content = (out / entry["file"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == entry["sha256"]
        counted = (
            content.count(b"\n")
            if entry["file"].endswith("jsonl")
            else len(rows(out / entry["file"]))
        )
        assert counted == entry["rows"]


def test_lots_are_decoded_and_complete(after: Book, tmp_path: Path) -> None:
    export_book(after, tmp_path / "out")
    with after.read() as connection:
        states = load_states(connection)
    found = rows(
        tmp_path / "out" / "lots.parquet", "sum(quantity_micros), sum(basis_cents), count(*)"
    )
    lots = [state.lots for state in states.values()]
    assert found == [
        (
            sum(int(x.quantity_micros.sum()) for x in lots),
            sum(int(x.basis_cents.sum()) for x in lots),
            sum(len(x) for x in lots),
        )
    ]
    acquired = rows(tmp_path / "out" / "lots.parquet", "min(acquired)")[0][0]
    assert acquired == date.fromordinal(min(int(x.acquired_day.min()) for x in lots if len(x)))


def test_one_account_goes_alone_and_takes_nothing_of_the_others(
    after: Book, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    manifest = export_book(after, out, ["A000002"])
    assert manifest["accounts"] == ["A000002"]
    assert manifest["book_hash"] is None
    names = {entry["file"] for entry in manifest["files"]}
    assert "tables/users.parquet" not in names
    everything = "".join(
        str(rows(out / name)) if name.endswith("parquet") else (out / name).read_text()
        for name in names
    )
    assert "A000002" in everything
    assert not [n for n in range(1, 11) if n != 2 and f"A{n:06d}" in everything]
    assert len(rows(out / "tables" / "taxpayers.parquet")) == 1
    assert {row[0] for row in rows(out / "tables" / "account_days.parquet", "account_key")} == {2}


def test_the_same_book_gives_the_same_bytes(after: Book, tmp_path: Path) -> None:
    one, two = (export_book(after, tmp_path / name) for name in ("one", "two"))
    assert one == two


def test_nothing_is_overwritten_and_nothing_half_written_stays(
    filled: Book, tmp_path: Path
) -> None:
    out = tmp_path / "here"
    out.mkdir()
    with pytest.raises(BookError) as caught:
        export_book(filled, out)
    assert caught.value.code == "export.exists"
    with pytest.raises(BookError) as caught:
        export_book(filled, tmp_path / "out", ["A000002", "nobody"])
    assert caught.value.code == "account.unknown"
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["here"]
