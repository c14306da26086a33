"""The second wall: PostgreSQL itself shows a person only what grants reach (P22)."""

import pytest
from sqlalchemy import select, text
from tests.viewers import viewer

from opensma.book import schema, views
from opensma.book.master import AccountRecord, Grant, User, add_records, all_records
from opensma.book.rights import Role, Scope, Viewer
from opensma.book.store import Book, init_book
from opensma.book.visible import find_viewer
from opensma.book.walls import READER
from opensma.errors import BookError
from opensma.market import Market

DAY = "2024-12-31"
USERS = ("manager", "advisor", "owner", "household", "accountant", "growth", "operations")


postgresql = pytest.mark.parametrize("templates", ["postgresql"], indirect=True)


@pytest.fixture
def walled(after: Book) -> Book:
    return after


def found(book: Book, user_id: str, day: str = DAY) -> Viewer:
    with book.read() as connection:
        user = find_viewer(connection, user_id, day)
    assert user is not None
    return user


def tables() -> list[str]:
    personal = {"account_id", "account_key", "taxpayer_id", "invoice_id", "debit_id"}
    return sorted(
        t.name for t in schema.metadata.sorted_tables if personal & {c.name for c in t.columns}
    )


@postgresql
@pytest.mark.parametrize("user_id", USERS)
def test_a_person_reads_the_rows_of_households_in_reach_and_no_others(
    walled: Book, user_id: str
) -> None:
    user = found(walled, user_id)
    (grant,) = user.grants
    with walled.read() as connection:
        accounts = all_records(connection, AccountRecord)
    reached = {
        a.taxpayer_id
        for a in accounts
        if (grant.scope == "program" and grant.role != "growth")
        or (grant.scope == "advisor" and a.advisor_id == grant.scope_id)
        or (grant.scope == "owner" and a.owner_id == grant.scope_id)
        or (grant.scope == "taxpayer" and a.taxpayer_id == grant.scope_id)
    }
    with walled.seen_by(user).read() as connection:
        seen = all_records(connection, AccountRecord)
        keys = set(connection.execute(select(schema.journal.c.account_key)).scalars())
        plans = set(connection.execute(select(schema.plans.c.account_id)).scalars())
        payers = set(connection.execute(select(schema.taxpayers.c.taxpayer_id)).scalars())
    assert {a.account_id for a in seen} == {
        a.account_id for a in accounts if a.taxpayer_id in reached
    }
    assert keys <= {a.account_key for a in seen}
    assert plans <= {a.account_id for a in seen}
    assert payers == reached


@postgresql
@pytest.mark.parametrize("table", tables())
def test_every_table_about_somebody_is_empty_for_a_stranger(walled: Book, table: str) -> None:
    stranger = viewer(Role.MANAGER, Scope.BOOK, "book")  # says so, but the book knows no grant
    with walled.seen_by(stranger).read() as connection:
        assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0


@postgresql
def test_a_grant_that_ended_opens_nothing(walled: Book) -> None:
    owner = found(walled, "owner").grants[0].scope_id
    grant = Grant("g2", "u2", Role.OWNER, Scope.OWNER, owner, None, "2024-01-01", DAY, "test")
    with walled.write() as connection:
        add_records(connection, [User("u2", "Former"), grant])
    seen = [
        len(views.program_rows(walled.seen_by(found(walled, "u2", day)), None))
        for day in ("2023-12-31", DAY, "2025-01-01")
    ]
    assert seen[0] == seen[2] == 0 < seen[1]


@postgresql
def test_pages_read_the_same_behind_the_wall(walled: Book, market: Market) -> None:
    user = found(walled, "owner")
    bound = walled.seen_by(user)
    rows = views.program_rows(bound, user)
    assert rows == views.program_rows(walled, user) != []
    name = rows[0].account.account_id
    assert views.account_decision(bound, name, user) == views.account_decision(walled, name, user)
    seen, direct = (views.account_view(b, market, name, user) for b in (bound, walled))
    assert (seen.holdings, seen.account) == (direct.holdings, direct.account)
    with pytest.raises(BookError):
        views.account_view(bound, market, "nobody", user)


@postgresql
def test_a_reader_writes_nothing_and_the_wall_can_be_raised_again(walled: Book) -> None:
    with walled.seen_by(found(walled, "manager")).read() as connection:
        assert connection.execute(text("SELECT current_user")).scalar_one() == READER
        refused = connection.execute(
            text("SELECT has_table_privilege(current_user, 'journal', 'INSERT')")
        ).scalar_one()
        assert refused is False
    init_book(walled.url)


def test_on_sqlite_the_same_call_reads_the_same_book(after: Book) -> None:
    user = found(after, "owner")
    assert views.program_rows(after.seen_by(user), user) == views.program_rows(after, user)
