"""Grants: a right is there only where a grant in force gives it (P21, P28)."""

from dataclasses import replace

import pytest
from tests.viewers import viewer

from opensma.book.master import AccountRecord
from opensma.book.rights import REACHES, RIGHTS, Right, Role, Scope, allowed, in_force

ACCOUNT = AccountRecord(
    "A1", 1, "tp-1", "own-1", "core", "adv-1", "One", "individual", "Custodian", "2024-01-02",
    "active", 1, 20_000_000, None, 0, 200, 0,
)  # fmt: skip
PROGRAM = "direct"
KEYS = {
    Scope.BOOK: "book", Scope.PROGRAM: PROGRAM, Scope.ADVISOR: "adv-1", Scope.TAXPAYER: "tp-1",
    Scope.OWNER: "own-1", Scope.ACCOUNT: "A1",
}  # fmt: skip


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("scope", Scope)
def test_a_role_has_its_rights_where_it_may_reach_and_none_elsewhere(
    role: Role, scope: Scope
) -> None:
    for right in Right:
        expected = scope in REACHES[role] and right in RIGHTS[role]
        assert allowed(viewer(role, scope, KEYS[scope]), ACCOUNT, PROGRAM, right) == expected
        if scope is not Scope.BOOK:
            assert not allowed(viewer(role, scope, "other"), ACCOUNT, PROGRAM, right)
        assert not allowed(viewer(role, scope, ""), ACCOUNT, PROGRAM, right)


def test_an_unknown_role_or_scope_gives_nothing() -> None:
    own = viewer(Role.OWNER, Scope.OWNER, "own-1")
    (grant,) = own.grants
    for wrong in ({"role": "root"}, {"role": ""}, {"scope": "galaxy"}, {"scope": ""}):
        stranger = replace(own, grants=(replace(grant, **wrong),))
        assert not allowed(stranger, ACCOUNT, PROGRAM, Right.HOLDINGS)


def test_an_accountant_sees_the_year_of_the_grant_and_nothing_else() -> None:
    one = viewer(Role.ACCOUNTANT, Scope.TAXPAYER, "tp-1", 2024)
    assert allowed(one, ACCOUNT, PROGRAM, Right.TAXES, 2024)
    assert not allowed(one, ACCOUNT, PROGRAM, Right.TAXES, 2023)
    assert not allowed(one, ACCOUNT, PROGRAM, Right.TAXES)
    assert not any(allowed(one, ACCOUNT, PROGRAM, r, 2024) for r in Right if r is not Right.TAXES)


def test_a_grant_holds_from_its_first_to_its_last_day() -> None:
    (grant,) = viewer(Role.OWNER, Scope.OWNER, "own-1").grants
    dated = replace(grant, valid_from="2024-02-01", valid_to="2024-02-29")
    days = ["2024-01-31", "2024-02-01", "2024-02-29", "2024-03-01"]
    assert [bool(in_force([dated], day)) for day in days] == [False, True, True, False]
    assert in_force([grant], "2999-01-01") == (grant,)


def test_the_operator_at_the_machine_may_do_everything() -> None:
    assert all(allowed(None, ACCOUNT, PROGRAM, right) for right in Right)
