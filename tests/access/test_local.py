"""Passwords with codes, tickets, failed tries (P25): each code counts once, waits are bounded."""

import pyotp
import pytest

from opensma.access import attempts, local, tickets
from opensma.access.store import Access
from opensma.errors import InputError

NOW, SECRET, PASSWORD = 1_700_000_010, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "four words not related"


@pytest.fixture
def owner(access: Access) -> Access:
    with access.write() as connection:
        local.set_password(connection, "owner", PASSWORD, NOW)
        local.set_authenticator(connection, "owner", SECRET, NOW)
        local.set_recovery_codes(connection, "owner", ["abcd-efgh-jkmn", "pqrs-tuvw-xyz2"])
    return access


def proves(access: Access, password: str, code: str, now: int = NOW, user: str = "owner") -> bool:
    with access.write() as connection:
        return local.proves(connection, user, password, code, now)


def code(now: int = NOW) -> str:
    return pyotp.TOTP(SECRET).at(now)


def test_password_and_code_together_let_in_and_each_alone_does_not(owner: Access) -> None:
    assert not proves(owner, "something else entirely", code())
    assert not proves(owner, PASSWORD, "000000")
    assert not proves(owner, PASSWORD, "")
    assert not proves(owner, PASSWORD, code(), user="nobody")
    assert proves(owner, PASSWORD, code())


def test_a_code_counts_once_and_older_ones_no_more(owner: Access) -> None:
    assert proves(owner, PASSWORD, code())
    assert not proves(owner, PASSWORD, code())
    assert not proves(owner, PASSWORD, code(NOW - 30))
    assert proves(owner, PASSWORD, code(NOW + 30), NOW + 30)


def test_a_wrong_password_uses_no_code_up(owner: Access) -> None:
    assert not proves(owner, "something else entirely", code())
    assert proves(owner, PASSWORD, code())


@pytest.mark.parametrize("drift", [-30, 30])
def test_a_clock_may_be_one_code_off_and_no_more(owner: Access, drift: int) -> None:
    assert not proves(owner, PASSWORD, code(NOW + 2 * drift))
    assert proves(owner, PASSWORD, code(NOW + drift))


def test_a_recovery_code_counts_once_however_it_is_typed(owner: Access) -> None:
    assert proves(owner, PASSWORD, "ABCD efgh-jkmn")
    assert not proves(owner, PASSWORD, "abcd-efgh-jkmn")
    with owner.read() as connection:
        assert local.ways_of(connection, "owner") == local.Ways(True, True, 0, 1)


@pytest.mark.parametrize(
    "password",
    ["short", "x" * 300, "passwordpassword", "QwertyQwerty12!", "opensma opensma", "12345678901234",
     "p@ssw0rdp@ssw0rd", "harborlight42 harborlight42"],
)  # fmt: skip
def test_passwords_that_are_guessed_soon_are_refused(password: str) -> None:
    with pytest.raises(InputError) as caught:
        local.check_password(password, ("harborlight42",))
    assert caught.value.code == "access.password"


def test_a_ticket_counts_once_for_its_purpose_and_not_for_long(access: Access) -> None:
    ticket = tickets.Ticket(tickets.CHALLENGE, "owner", "add")
    for word in ("w1", "w2", "w3"):
        with access.write() as connection:
            tickets.issue(connection, word, ticket, NOW)

    def redeem(
        word: str, purpose: str = tickets.CHALLENGE, now: int = NOW
    ) -> tickets.Ticket | None:
        with access.write() as connection:
            return tickets.redeem(connection, word, purpose, now)

    assert redeem("w1", tickets.INVITATION) is None
    assert redeem("w1") == ticket
    assert redeem("w1") is None
    assert redeem("w2", now=NOW + tickets.LASTS[tickets.CHALLENGE] + 1) is None
    assert redeem("other") is None


def test_failures_make_the_next_try_wait_but_never_for_ever(access: Access) -> None:
    waits, now = [], NOW
    for _ in range(20):
        with access.write() as connection:
            attempts.failed(connection, ("user owner",), now)
            waits.append(attempts.wait(connection, ("user owner", "address x"), now))
        now += waits[-1]
    assert waits[: attempts.FREE_TRIES - 1] == [0] * (attempts.FREE_TRIES - 1)
    assert waits == sorted(waits)
    assert waits[-1] == attempts.LONGEST_WAIT
    with access.write() as connection:
        attempts.forgive(connection, ("user owner",))
        assert attempts.wait(connection, ("user owner",), now) == 0
