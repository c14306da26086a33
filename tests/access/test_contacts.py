"""The contact log of rule 3a-4: what is due when, and that nothing half true is written down."""

from datetime import date
from itertools import count
from typing import Any

import pytest

from opensma.access import contacts
from opensma.access.audit import lines_of
from opensma.access.contacts import Contact, Kind, Means
from opensma.access.store import Access
from opensma.errors import InputError

TODAY, NUMBERS = date(2026, 6, 30), count()


def contact(day: str, kind: Kind = Kind.ANNUAL, **more: Any) -> Contact:
    given = {
        "contact_id": f"ct-{next(NUMBERS)}", "account_id": "A1", "means": Means.MEETING,
        "changed": False, "note": "", "user_id": "advisor", "at": 1,
    } | more  # fmt: skip
    return Contact(kind=kind, day=day, **given)


def due(*known: Contact, opened: str = "2025-01-02") -> list[tuple[str, str]]:
    return [(d.kind.value, d.by) for d in contacts.due([("A1", opened)], known, TODAY)]


def test_an_account_that_was_never_asked_is_due_everything() -> None:
    assert due() == [
        ("opening", "2025-01-02"), ("notice", "2025-04-04"), ("annual", "2026-01-03"),
    ]  # fmt: skip


def test_a_year_counts_from_the_last_review_or_the_opening() -> None:
    opening, notice = contact("2026-01-02", Kind.OPENING), contact("2026-06-01", Kind.NOTICE)
    assert due(opening, notice) == []
    assert due(contact("2025-01-02", Kind.OPENING), notice) == [("annual", "2026-01-03")]
    assert due(contact("2025-01-02", Kind.OPENING), contact("2026-01-01"), notice) == []


def test_a_notice_counts_for_a_quarter_and_is_announced_a_month_ahead() -> None:
    fresh = contact("2026-06-20", Kind.OPENING)
    assert due(fresh, contact("2026-03-15", Kind.NOTICE)) == [("notice", "2026-06-15")]
    assert due(fresh, contact("2026-05-01", Kind.NOTICE)) == []  # due on 1 August
    assert due(fresh, contact("2026-04-15", Kind.NOTICE)) == [("notice", "2026-07-16")]


def test_days_late_are_counted_from_the_day_it_was_due() -> None:
    late = contacts.due([("A1", "2026-06-28")], [], TODAY)[0]
    assert (late.kind, late.late_by(TODAY)) == (Kind.OPENING, 2)


def test_what_was_written_down_comes_back_and_is_in_the_log(access: Access) -> None:
    one = contact("2026-06-01", changed=True, note="Retires in May.")
    other = contact("2026-06-02", account_id="A2")
    contacts.add(access, [one, other], TODAY)
    assert contacts.of_accounts(access, ["A1"]) == [one]
    assert [c.account_id for c in contacts.of_accounts(access, ["A1", "A2"])] == ["A2", "A1"]
    assert contacts.of_accounts(access, []) == []
    assert [line.line.screen for line in lines_of(access, ["A1"])] == ["contact"]


def test_a_log_is_brought_along_once(access: Access) -> None:
    one = contact("2020-01-01", Kind.OPENING)
    assert contacts.bring_along(access, [one])
    assert not contacts.bring_along(access, [contact("2021-01-01")])
    assert contacts.of_accounts(access, ["A1"]) == [one]
    assert [line.line.screen for line in lines_of(access)] == ["contacts-brought"]


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"day": "yesterday"}, "day"),
        ({"day": "2026-07-01"}, "day"),
        ({"note": "x" * 2001}, "note"),
        ({"changed": True}, "note"),
        ({"means": Means.STATEMENT}, "means"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    access: Access, change: dict[str, Any], where: str
) -> None:
    wrong = contact(**({"day": "2026-06-01"} | change))
    with pytest.raises(InputError) as caught:
        contacts.add(access, [contact("2026-06-01"), wrong], TODAY)
    assert caught.value.where == where
    assert contacts.of_accounts(access, ["A1"]) == []
