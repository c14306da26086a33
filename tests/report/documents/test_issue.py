"""Tax packs in batch: the same bytes for any number of workers, an index, reasons for refusals."""

import json
from pathlib import Path

import pytest
from tests.report.documents.papers import TYPST

from opensma.book.master import AccountRecord, all_records
from opensma.book.store import open_book
from opensma.cli import run as sma
from opensma.report.documents.issue import issue_tax_packs, read_index
from opensma.report.documents.tax_pack import tax_pack_pdf

pytest.importorskip("typst", reason=TYPST)


def _files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_any_number_of_workers_writes_the_same_packs(small_book: str, tmp_path: Path) -> None:
    for workers in (1, 2):
        made = issue_tax_packs(small_book, 2024, (), tmp_path / str(workers), workers)
        assert made.rows
        assert not made.refused
    assert _files(tmp_path / "1") == _files(tmp_path / "2")
    with open_book(small_book).read() as connection:
        accounts = all_records(connection, AccountRecord)
    assert len(made.rows) + len(made.not_funded) == len(accounts)


def test_a_pack_of_a_batch_is_the_pack_alone(small_book: str, tmp_path: Path) -> None:
    made = issue_tax_packs(small_book, 2024, ["A000001"], tmp_path)
    (row,) = made.rows
    assert row.document == "tax-pack/2024/A000001"
    assert row.file == "tax-pack-A000001-2024.pdf"
    assert (tmp_path / row.file).read_bytes() == tax_pack_pdf(
        open_book(small_book), "A000001", 2024
    )
    again = issue_tax_packs(small_book, 2024, ["A000001"], tmp_path)
    assert (again.rows, again.unchanged) == ((), (row,))
    assert read_index(tmp_path) == [row]


def test_the_command_tells_what_it_made_and_what_it_did_not(
    small_book: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["statements", "tax-packs", "--book", small_book, "--workers", "1"]
    words += ["--out", str(tmp_path / "out")]
    assert sma([*words, "2024", "--account", "A000001", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["rows"]) == 1
    assert sma([*words, "2024", "--account", "nobody"]) == 2
    assert "account.unknown" in capsys.readouterr().err
    assert sma([*words, "2031", "--account", "A000001"]) == 1
    assert "Not issued" in capsys.readouterr().out
