"""What can go wrong between the book and its database, told in words that help."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

from opensma.book.export import export_book
from opensma.book.master import find_account
from opensma.book.migrations import versions
from opensma.book.proof import book_hash
from opensma.book.rebuild import rebuild
from opensma.book.store import HEAD, Book, init_book, open_book
from opensma.book.verify import verify
from opensma.book.views import account_view
from opensma.day import run_day
from opensma.errors import BookError, InputError
from opensma.market import Market

HOLD = """
import sys
from opensma.book.store import open_book
with open_book(sys.argv[1]).only_run():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_an_unknown_account_is_told_the_same_way_everywhere(
    filled: Book, market: Market, tmp_path: Path
) -> None:
    with filled.read() as connection, pytest.raises(BookError) as caught:
        find_account(connection, "nobody")
    told = caught.value.as_dict()
    assert told["code"] == "account.unknown"
    for ask in (
        lambda: rebuild(filled, ["nobody"]),
        lambda: export_book(filled, tmp_path / "out", ["nobody"]),
        lambda: account_view(filled, market, "nobody"),
    ):
        with pytest.raises(BookError) as caught:
            ask()
        assert caught.value.as_dict() == told


def test_one_day_run_at_a_time_and_the_lock_falls_with_its_process(
    filled: Book, market: Market
) -> None:
    url = filled.url.replace("+psycopg", "")
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    digest = book_hash(filled)
    with pytest.raises(BookError) as caught:
        run_day(filled, market, market.day(-1), recorded_at="t")
    assert caught.value.code == "book.locked"
    assert book_hash(filled) == digest
    holder.kill()
    holder.communicate()
    for _ in range(100):  # a server notices a dead client a moment later
        try:
            run_day(filled, market, market.day(-1), recorded_at="t")
            break
        except BookError as error:
            assert error.code == "book.locked"  # noqa: PT017
    assert verify(filled) == []


def day_with_room(url: str, market: Market, pages: int | None) -> str:
    """Run the day where the file may grow by some pages; the code of the error, empty when done."""
    book = open_book(url)
    with book.read() as connection:
        now = connection.execute(text("PRAGMA page_count")).scalar_one()

    def limit(connection: Any, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={now + (pages or 0)}")

    if pages is not None:
        event.listen(book.engine, "connect", limit)
    try:
        run_day(book, market, market.day(-1), recorded_at="t", batch=1)
    except BookError as error:
        return error.code
    return ""


def test_a_full_disk_keeps_what_was_committed_and_the_day_goes_on_later(
    small_book: str, market: Market, tmp_path: Path
) -> None:
    """A limit on the pages of the file stands for the full disk; only SQLite has one."""
    undisturbed = tmp_path / "undisturbed.db"
    shutil.copyfile(small_book.removeprefix("sqlite:///"), undisturbed)
    assert day_with_room(str(undisturbed), market, None) == ""
    ended = [day_with_room(small_book, market, pages) for pages in (0, 4, 8, 16, 32)]
    assert "book.disk_full" in ended
    assert set(ended) <= {"book.disk_full", ""}
    assert day_with_room(small_book, market, None) == ""
    assert verify(open_book(small_book)) == []
    assert book_hash(open_book(small_book)) == book_hash(open_book(str(undisturbed)))


def test_there_is_no_book_where_none_was_made(book_url: str) -> None:
    with pytest.raises(BookError) as caught:
        open_book(book_url)
    assert caught.value.code == "book.missing"
    with pytest.raises(BookError), Book(book_url).read() as connection:
        find_account(connection, "nobody")
    if book_url.startswith("sqlite"):
        assert not Path(book_url.removeprefix("sqlite:///")).exists()


def test_a_file_that_is_no_book_is_told_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear reader, " * 1000)
    with pytest.raises(BookError) as caught:
        open_book(str(path))
    assert caught.value.code == "book.corrupt"


def test_an_older_book_asks_for_its_migration(filled: Book) -> None:
    with filled.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    with pytest.raises(BookError) as caught:
        open_book(filled.url.replace("+psycopg", ""))
    assert caught.value.code == "book.schema"
    assert "sma book init" in caught.value.remedy


def test_init_may_be_repeated_and_loses_nothing(filled: Book) -> None:
    digest = book_hash(filled)
    init_book(filled.url.replace("+psycopg", ""))
    assert book_hash(filled) == digest


def test_the_newest_migration_is_the_one_that_the_code_needs() -> None:
    folder = Path(str(versions.__file__)).parent
    newest = max(path.name for path in folder.glob("v*.py"))
    assert newest.startswith(f"v{HEAD}")


@pytest.mark.parametrize("url", ["mysql://host/book", "http://host/book"])
def test_other_stores_are_refused(url: str) -> None:
    with pytest.raises(InputError, match="no store"):
        Book(url)


def test_a_server_that_does_not_answer_is_told_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(BookError) as caught:
        open_book("postgresql://ada:secret@127.0.0.1:1/book")
    assert caught.value.code == "book.unreachable"
    assert "secret" not in str(caught.value)


def break_off(book: Book) -> None:
    with book.write() as connection:
        connection.execute(text("DELETE FROM grants"))
        find_account(connection, "nobody")


def test_a_failed_transaction_leaves_no_trace(filled: Book) -> None:
    digest = book_hash(filled)
    with pytest.raises(BookError):
        break_off(filled)
    assert book_hash(filled) == digest


def test_nothing_can_be_written_through_a_read(filled: Book) -> None:
    digest = book_hash(filled)
    if filled.is_sqlite:
        with filled.read() as connection:
            connection.execute(text("DELETE FROM grants"))
    else:
        with pytest.raises(BookError), filled.read() as connection:
            connection.execute(text("DELETE FROM grants"))
    assert book_hash(filled) == digest
