"""The invented contact log: entries in the past, and few reviews that are due."""

from datetime import date
from pathlib import Path

import pytest

from opensma.access.contacts import Kind, due
from opensma.book.master import AccountRecord, all_records
from opensma.book.store import open_book
from opensma.simulate.contacts import invented_contacts


@pytest.fixture
def accounts(_demo_book: Path) -> list[AccountRecord]:
    with open_book(str(_demo_book)).read() as connection:
        return all_records(connection, AccountRecord)


def test_most_owners_were_asked_in_time_and_some_are_due(accounts: list[AccountRecord]) -> None:
    day = date(2024, 12, 31)
    found = invented_contacts(accounts, day)
    assert len({one.contact_id for one in found}) == len(found)
    assert all(one.day <= day.isoformat() for one in found)
    late = due([(a.account_id, a.opened) for a in accounts], found, day, ahead=0)
    assert {one.kind for one in late} <= {Kind.ANNUAL}
    assert len(late) <= len(accounts) // 9 + 1
