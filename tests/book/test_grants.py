"""Giving and taking access: what does not fit is named, and what ended opens nothing (P28)."""

from dataclasses import replace
from datetime import date

import pytest

from opensma.book.grants import add_grant, add_user, end_grant, people
from opensma.book.master import Grant
from opensma.book.store import Book
from opensma.book.visible import find_viewer, visible_accounts
from opensma.errors import InputError

GRANT = Grant("g1", "cpa", "accountant", "taxpayer", "tp-00001", 2024, "2024-06-01", "2025-04-15",
              "owner")  # fmt: skip


def test_a_grant_opens_what_it_says_until_it_is_taken_back(after: Book) -> None:
    with after.write() as connection:
        add_user(connection, "cpa", "Carla Accountant")
        add_grant(connection, GRANT)
    with after.read() as connection:
        viewer = find_viewer(connection, "cpa", "2025-01-10")
        assert viewer is not None
        assert viewer.grants == (GRANT,)
        assert visible_accounts(connection, viewer) == []  # taxes alone
        assert ("cpa", (GRANT,)) in [(u.user_id, grants) for u, grants in people(connection)]
    with after.write() as connection:
        end_grant(connection, "g1", date(2025, 1, 10))
    with after.read() as connection:
        viewer = find_viewer(connection, "cpa", "2025-01-10")
        assert viewer is not None
        assert viewer.grants == ()
    with after.write() as connection, pytest.raises(InputError):
        end_grant(connection, "g1", date(2025, 1, 10))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "king"}, "access.role"),
        ({"scope": "galaxy"}, "access.scope"),
        ({"scope": "book", "scope_id": "book"}, "access.scope"),
        ({"scope_id": "tp-none"}, "access.scope_id"),
        ({"user_id": "nobody"}, "access.user"),
        ({"valid_to": None}, "access.valid_to"),
        ({"valid_to": "2024-01-01"}, "access.valid_to"),
        ({"valid_from": "soon"}, "access.day"),
    ],
)
def test_what_does_not_fit_is_named_and_nothing_is_given(
    after: Book, change: dict[str, object], code: str
) -> None:
    with after.write() as connection:
        add_user(connection, "cpa", "Carla Accountant")
    with pytest.raises(InputError) as caught, after.write() as connection:
        add_grant(connection, replace(GRANT, **change))
    assert caught.value.code == code
    with after.read() as connection:
        assert [grants for user, grants in people(connection) if user.user_id == "cpa"] == [()]


@pytest.mark.parametrize("user_id", ["owner", "", "a b", "<b>", "x" * 101, "jörg"])
def test_ids_that_cannot_be_used_are_refused(after: Book, user_id: str) -> None:
    with after.write() as connection, pytest.raises(InputError):
        add_user(connection, user_id, "Somebody")
