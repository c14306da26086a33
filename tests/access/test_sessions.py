"""Sessions: short, renewed by a step up, kept as digests only (P25)."""

from sqlalchemy import select

from opensma.access import schema, sessions
from opensma.access.store import Access

NOW = 1_700_000_000


def found(access: Access, secret: str, now: int) -> sessions.Session | None:
    with access.read() as connection:
        return sessions.find(connection, secret, now)


def begin(access: Access, secret: str, now: int = NOW) -> sessions.Session:
    with access.write() as connection:
        return sessions.begin(connection, secret, "owner", "password", now)


def test_a_session_stands_until_it_idles(access: Access) -> None:
    begin(access, "s1")
    assert found(access, "s1", NOW + sessions.IDLE_SECONDS) is not None
    assert found(access, "s1", NOW + sessions.IDLE_SECONDS + 1) is None
    assert found(access, "s2", NOW) is None


def test_being_there_prolongs_a_session_but_not_for_ever(access: Access) -> None:
    session, now = begin(access, "s1"), NOW
    while now + sessions.IDLE_SECONDS < NOW + sessions.LONGEST_SECONDS:
        now += sessions.IDLE_SECONDS
        assert sessions.wants_touch(session, now)
        with access.write() as connection:
            sessions.touch(connection, session, now)
    assert found(access, "s1", NOW + sessions.LONGEST_SECONDS) is not None
    assert found(access, "s1", NOW + sessions.LONGEST_SECONDS + 1) is None


def test_a_step_up_makes_it_fresh_and_the_old_cookie_worthless(access: Access) -> None:
    session, later = begin(access, "s1"), NOW + sessions.FRESH_SECONDS + 1
    assert session.fresh(NOW)
    assert not session.fresh(later)
    with access.write() as connection:
        renewed = sessions.renew(connection, "s1", "s2", "passkey", later)
    assert renewed.fresh(later)
    assert found(access, "s1", later) is None
    again = found(access, "s2", later)
    assert again is not None
    assert again.begun_at == NOW  # the longest time still counts from the first sign-in


def test_signing_out_ends_one_or_all(access: Access) -> None:
    for secret in ("s1", "s2", "s3"):
        begin(access, secret)
    with access.write() as connection:
        sessions.end(connection, "s1", NOW)
    assert [found(access, s, NOW) is None for s in ("s1", "s2", "s3")] == [True, False, False]
    with access.write() as connection:
        sessions.end_all(connection, "owner", NOW)
    assert all(found(access, s, NOW) is None for s in ("s1", "s2", "s3"))


def test_no_secret_is_kept(access: Access) -> None:
    begin(access, "a-secret-cookie")
    with access.read() as connection:
        rows = connection.execute(select(schema.sessions)).all()
    assert "a-secret-cookie" not in repr(rows)
