"""Who may do what on which accounts: roles with their rights, and grants of a role with a scope.

Deny by default (P21): a right is there only where a grant in force gives it. A grant names a role,
what it reaches (`Scope`), perhaps one tax year, and the days from and to which it holds. Roles that
act are not roles that only look; an accountant sees taxes, growth sees no account at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from opensma.book.master import AccountRecord, Grant


class Right(StrEnum):
    """What a page or an operation asks for."""

    HOLDINGS = "holdings"  # account, lots, trades with their reasons, what-if
    PERFORMANCE = "performance"
    TAXES = "taxes"
    FEES = "fees"
    DOCUMENTS = "documents"
    PERSONALISE = "personalise"  # ask for restrictions, budgets, cash, gifts
    DECIDE = "decide"  # answer such requests
    REVIEW = "review"  # approve, hold or override plans; try a model change
    EXCEPTIONS = "exceptions"  # what needs a person, and who has it
    SEE_AS = "see-as"  # see the portal as the owner does, read-only
    PROPOSE = "propose"  # proposals for prospects
    COMPOSITES = "composites"
    BILLING = "billing"  # whole billing runs and payouts
    RELEASE = "release"  # release a billing run, let a hold through
    OPERATIONS = "operations"  # the day's stages, the register of reports
    GROWTH = "growth"
    ACCESS = "access"  # who looked at an account; grant and revoke access to it
    REGISTER = "register"  # the audit log of everything in scope


class Scope(StrEnum):
    """What a grant reaches."""

    BOOK = "book"  # every account
    PROGRAM = "program"
    ADVISOR = "advisor"
    TAXPAYER = "taxpayer"
    OWNER = "owner"
    ACCOUNT = "account"


class Role(StrEnum):
    """Who a person is to the accounts in scope; trustees and joint owners are owners."""

    OWNER = "owner"
    HOUSEHOLD = "household"
    ACCOUNTANT = "accountant"
    ADVISOR = "advisor"
    SPONSOR = "sponsor"
    MANAGER = "manager"
    OPERATIONS = "operations"
    GROWTH = "growth"
    AUDITOR = "auditor"


_LOOK = frozenset(
    {Right.HOLDINGS, Right.PERFORMANCE, Right.TAXES, Right.FEES, Right.DOCUMENTS},
)
_SERVE = _LOOK | {Right.PERSONALISE, Right.DECIDE, Right.EXCEPTIONS, Right.SEE_AS}

RIGHTS: dict[Role, frozenset[Right]] = {
    Role.OWNER: _LOOK | {Right.PERSONALISE, Right.ACCESS},
    Role.HOUSEHOLD: _LOOK,
    Role.ACCOUNTANT: frozenset({Right.TAXES}),
    Role.ADVISOR: _SERVE | {Right.PROPOSE},
    Role.SPONSOR: frozenset({Right.HOLDINGS, Right.PERFORMANCE, Right.FEES, Right.COMPOSITES}),
    Role.MANAGER: _SERVE | {Right.REVIEW, Right.PROPOSE, Right.COMPOSITES, Right.OPERATIONS},
    Role.OPERATIONS: _LOOK
    | {Right.EXCEPTIONS, Right.REVIEW, Right.OPERATIONS, Right.BILLING, Right.REGISTER}
    | {Right.RELEASE},
    Role.GROWTH: frozenset({Right.GROWTH}),
    Role.AUDITOR: _LOOK | {Right.COMPOSITES, Right.BILLING, Right.OPERATIONS, Right.REGISTER},
}
# A role reaches no further than this, whatever a grant says.
REACHES: dict[Role, frozenset[Scope]] = {
    Role.OWNER: frozenset({Scope.OWNER, Scope.ACCOUNT, Scope.TAXPAYER}),
    Role.HOUSEHOLD: frozenset({Scope.TAXPAYER, Scope.ACCOUNT}),
    Role.ACCOUNTANT: frozenset({Scope.TAXPAYER, Scope.OWNER, Scope.ACCOUNT}),
    Role.ADVISOR: frozenset({Scope.ADVISOR, Scope.ACCOUNT}),
    Role.SPONSOR: frozenset({Scope.PROGRAM}),
    Role.MANAGER: frozenset({Scope.PROGRAM, Scope.BOOK}),
    Role.OPERATIONS: frozenset({Scope.PROGRAM, Scope.BOOK}),
    Role.GROWTH: frozenset({Scope.PROGRAM, Scope.BOOK}),
    Role.AUDITOR: frozenset({Scope.PROGRAM, Scope.BOOK}),
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """A person with the grants in force on the day of asking."""

    user_id: str
    name: str
    grants: tuple[Grant, ...]
    day: str = ""  # the ISO day of asking

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles held, each once, in order of name."""
        return tuple(sorted({grant.role for grant in self.grants}))

    @property
    def only_year(self) -> int | None:
        """The tax year that all grants name, None where they name several or some name none."""
        years = {grant.tax_year for grant in self.grants}
        return years.pop() if len(years) == 1 else None

    def has(self, right: Right) -> bool:
        """Whether any grant gives this right on anything."""
        return any(right in rights_of(grant) for grant in self.grants)


def rights_of(grant: Grant) -> frozenset[Right]:
    """What a grant gives; nothing for a role that is none or may not reach so far."""
    if grant.role not in list(Role) or grant.scope not in list(Scope) or not grant.scope_id:
        return frozenset()
    role = Role(grant.role)
    return RIGHTS[role] if Scope(grant.scope) in REACHES[role] else frozenset()


def in_force(grants: Iterable[Grant], day: str) -> tuple[Grant, ...]:
    """Grants that hold on an ISO day, the last day included (P28)."""
    return tuple(
        g for g in grants if g.valid_from <= day and (g.valid_to is None or day <= g.valid_to)
    )


def allowed(
    viewer: Viewer | None,
    account: AccountRecord,
    program_id: str,
    right: Right,
    year: int | None = None,
) -> bool:
    """The predicate (P21). `year`: the tax year asked for, where a grant may name one.

    None stands for the operator at the machine, who may do everything.
    """
    if viewer is None:
        return True
    return any(
        right in rights_of(grant)
        and _reaches(grant, account, program_id)
        and grant.tax_year in (None, year)
        for grant in viewer.grants
    )


def _reaches(grant: Grant, account: AccountRecord, program_id: str) -> bool:
    own = {
        Scope.PROGRAM: program_id,
        Scope.ADVISOR: account.advisor_id,
        Scope.TAXPAYER: account.taxpayer_id,
        Scope.OWNER: account.owner_id,
        Scope.ACCOUNT: account.account_id,
    }
    scope = Scope(grant.scope)
    return scope is Scope.BOOK or own[scope] == grant.scope_id
