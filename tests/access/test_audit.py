"""The audit log: a chain that any change breaks, on both stores (P27)."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import delete, update

from opensma.access import schema
from opensma.access.audit import Action, Line, length, lines_of, record, verify
from opensma.access.store import Access


def line(number: int, account: str = "A1") -> Line:
    return Line(1_700_000_000 + number, "owner", Action.VIEW, "account", account, f"n={number}")


def test_lines_follow_each_other_and_the_newest_come_first(access: Access) -> None:
    for number in range(5):
        record(access, line(number, f"A{number % 2}"))
    assert verify(access) == []
    assert [one.seq for one in lines_of(access)] == [5, 4, 3, 2, 1]
    assert [one.seq for one in lines_of(access, ["A0"])] == [5, 3, 1]
    assert [one.seq for one in lines_of(access, before=3, size=1)] == [2]


@pytest.mark.parametrize(
    ("change", "seq"),
    [
        (update(schema.audit).where(schema.audit.c.seq == 3).values(screen="taxes"), 3),
        (update(schema.audit).where(schema.audit.c.seq == 3).values(at=1), 3),
        (delete(schema.audit).where(schema.audit.c.seq == 3), 4),
    ],
)
def test_what_is_changed_or_removed_is_found(access: Access, change: object, seq: int) -> None:
    for number in range(5):
        record(access, line(number))
    with access.write() as connection:
        connection.execute(change)  # type: ignore[call-overload]
    assert {broken.seq for broken in verify(access)} == {seq}


def test_many_writers_make_one_chain(access: Access) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: record(access, line(number)), range(40)))
    assert length(access) == 40
    assert verify(access) == []
