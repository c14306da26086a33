"""What is over goes: tickets after a day, failures after an hour, sessions after a month."""

from sqlalchemy import Table, func, select

from opensma.access import attempts, schema, sessions, tickets
from opensma.access.store import Access

NOW, DAY = 1_750_000_000, 86_400


def count(access: Access, table: Table) -> int:
    with access.read() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_old_tickets_go_when_a_new_one_comes(access: Access) -> None:
    def issue(word: str, at: int) -> None:
        with access.write() as connection:
            tickets.issue(connection, word, tickets.Ticket(tickets.CHALLENGE, "", ""), at)

    issue("first", NOW)
    issue("second", NOW + 3600)
    assert count(access, schema.tickets) == 2  # over, and on record for a day
    issue("third", NOW + 2 * DAY)
    assert count(access, schema.tickets) == 1


def test_forgotten_failures_go_when_another_is_counted(access: Access) -> None:
    with access.write() as connection:
        attempts.failed(connection, ("address 10.0.0.1",), NOW)
        attempts.failed(connection, ("address 10.0.0.2",), NOW + 3601)
    assert count(access, schema.attempts) == 1


def test_sessions_go_a_month_after_they_were_seen(access: Access) -> None:
    with access.write() as connection:
        sessions.begin(connection, "one", "owner", "password", NOW)
        sessions.begin(connection, "two", "owner", "password", NOW + 31 * DAY)
        found = sessions.standing(connection, NOW + 31 * DAY)
    assert count(access, schema.sessions) == 1
    assert [one.session_id for one in found] == [sessions.digest("two")[:12]]
