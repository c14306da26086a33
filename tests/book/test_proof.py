"""The book's hash: equal for equal content on every store, different for any other content."""

from pathlib import Path

from sqlalchemy import text

from opensma.book.market_link import link_market
from opensma.book.proof import book_hash, table_hashes
from opensma.book.store import Book, open_book, put_setting
from opensma.day import run_day
from opensma.market import Market
from opensma.simulate.demo import build_book


def built(url: str, market: Market, *, workers: int = 1, batch: int = 50) -> Book:
    build_book(url, market, market.day(-1), accounts=6, seed=7, workers=workers)
    book = open_book(url)
    run_day(book, market, market.day(-1), recorded_at="t", workers=workers, batch=batch)
    return book


def test_it_is_the_same_on_sqlite_and_postgresql(
    postgres_url: str, book_url: str, tmp_path: Path, market: Market
) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    assert book_hash(built(book_url, market)) == book_hash(built(other, market))


def test_it_does_not_depend_on_workers_or_batches(
    book_url: str, tmp_path: Path, market: Market
) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    one, two = built(book_url, market), built(other, market, workers=2, batch=1)
    assert book_hash(one) == book_hash(two)


def test_any_other_content_gives_another_hash_in_its_table(filled: Book) -> None:
    before = book_hash(filled)
    with filled.read() as connection:
        tables = table_hashes(connection)
    with filled.write() as connection:
        connection.execute(text("UPDATE owners SET name = 'X' WHERE owner_id = 'own-00001-1'"))
    with filled.read() as connection:
        changed = {n for n, digest in table_hashes(connection).items() if tables[n] != digest}
    assert changed == {"owners"}
    assert book_hash(filled) != before


def test_the_place_of_the_market_is_no_content_but_other_settings_are(
    filled: Book, tmp_path: Path
) -> None:
    before = book_hash(filled)
    link_market(filled, tmp_path)
    assert book_hash(filled) == before
    with filled.write() as connection:
        put_setting(connection, "something", "else")
    assert book_hash(filled) != before
