"""Master data: who owns what, under which program, taxed how, with which wishes.

Frozen records with the column names of the schema; written once by id, read whole for a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, select

from opensma.book import schema
from opensma.book.store import insert_rows, row_of
from opensma.errors import BookError


@dataclass(frozen=True, slots=True)
class Program:
    """A sponsor's or firm's SMA program."""

    program_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Strategy:
    """A model that accounts follow, with its benchmark."""

    strategy_id: str
    program_id: str
    name: str
    benchmark_id: str


@dataclass(frozen=True, slots=True)
class Advisor:
    """Who brought the account and speaks with its owner."""

    advisor_id: str
    name: str
    firm: str


@dataclass(frozen=True, slots=True)
class TaxpayerRecord:
    """The unit of tax: a person, couple or trust."""

    taxpayer_id: str
    taxpayer_key: int
    name: str
    filing_status: str
    state: str


@dataclass(frozen=True, slots=True)
class TaxProfile:
    """Marginal rates from a date on, in millionths (0.238 = 238,000)."""

    taxpayer_id: str
    valid_from: str
    taxable_income_cents: int
    short_rate_micros: int
    long_rate_micros: int


@dataclass(frozen=True, slots=True)
class Owner:
    """A person or trust that owns accounts."""

    owner_id: str
    taxpayer_id: str
    name: str


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """One account: registration, custodian, strategy and how it is run."""

    account_id: str
    account_key: int
    taxpayer_id: str
    owner_id: str
    strategy_id: str
    advisor_id: str
    name: str
    registration: str
    custodian: str
    opened: str
    status: str
    whole_shares: int
    risk_aversion_micros: int | None
    te_cap_bps: int | None
    cash_low_bps: int
    cash_high_bps: int
    min_trade_cents: int

    @property
    def taxed(self) -> bool:
        """False for retirement accounts: their losses are no losses (W14)."""
        return self.registration not in ("ira", "roth_ira")


CASH_RESERVE = "cash_reserve"  # kept on top of the cash band, to be paid out


@dataclass(frozen=True, slots=True)
class Restriction:
    """A client's or manager's wish, valid from a day to a day (open while None)."""

    restriction_id: str
    account_id: str
    kind: str
    scope: str
    scope_key: str
    value_bps: int | None
    valid_from: str
    valid_to: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class User:
    """Someone who may sign in; what they see is a matter of their grants."""

    user_id: str
    name: str


@dataclass(frozen=True, slots=True)
class Grant:
    """A role of a user over a scope, between two days (see `rights.py`)."""

    grant_id: str
    user_id: str
    role: str
    scope: str  # book, program, advisor, taxpayer, owner or account
    scope_id: str
    tax_year: int | None  # the only year that is seen, None for all
    valid_from: str
    valid_to: str | None  # the last day; open while None
    granted_by: str


@dataclass(frozen=True, slots=True)
class Security:
    """The book's internal key of a security of the market."""

    security_key: int
    security_id: str
    symbol: str
    name: str
    sector: str
    group_id: str


Record = (
    Program
    | Strategy
    | Advisor
    | TaxpayerRecord
    | TaxProfile
    | Owner
    | AccountRecord
    | Restriction
    | User
    | Grant
    | Security
)
_TABLES: dict[type, Table] = {
    Program: schema.programs,
    Strategy: schema.strategies,
    Advisor: schema.advisors,
    TaxpayerRecord: schema.taxpayers,
    TaxProfile: schema.tax_profiles,
    Owner: schema.owners,
    AccountRecord: schema.accounts,
    Restriction: schema.restrictions,
    User: schema.users,
    Grant: schema.grants,
    Security: schema.securities,
}
R = TypeVar("R")
_CHUNK = 500  # values per statement: below every driver's limit of parameters


def add_records(connection: Connection, records: Iterable[Record]) -> None:
    """Append records of any kinds, grouped by table in the order of their references."""
    groups: dict[type, list[tuple[Any, ...]]] = {kind: [] for kind in _TABLES}
    for record in records:
        groups[type(record)].append(row_of(record))
    for kind, rows in groups.items():
        insert_rows(connection, _TABLES[kind], rows)


def all_records(connection: Connection, kind: type[R]) -> list[R]:
    """Every record of one kind, in order of its first column (bytewise, on both stores)."""
    table = _TABLES[kind]
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    rows = connection.execute(select(*(table.c[name] for name in names)))
    return sorted((kind(*row) for row in rows), key=lambda record: str(getattr(record, names[0])))


def some_records(
    connection: Connection, kind: type[R], column: str, values: Iterable[Any]
) -> list[R]:
    """The records of one kind whose column holds one of these values, in the same order."""
    table, wanted = _TABLES[kind], list(values)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    query = select(*(table.c[name] for name in names))
    found: list[R] = []
    for start in range(0, len(wanted), _CHUNK):
        where = table.c[column].in_(wanted[start : start + _CHUNK])
        found += [kind(*row) for row in connection.execute(query.where(where))]
    return sorted(found, key=lambda record: str(getattr(record, names[0])))


@dataclass(frozen=True, slots=True)
class Household:
    """A taxpayer with everything that is decided together."""

    taxpayer: TaxpayerRecord
    profile: TaxProfile
    accounts: tuple[AccountRecord, ...]  # in order of account key
    restrictions: dict[str, tuple[Restriction, ...]]  # by account id, valid on the day


def households(
    connection: Connection, day: str, taxpayer_keys: Sequence[int] | None = None
) -> list[Household]:
    """Households with open accounts on `day` (ISO), in order of taxpayer key."""
    taxpayers = _chosen(connection, TaxpayerRecord, "taxpayer_key", taxpayer_keys)
    names = None if taxpayer_keys is None else [t.taxpayer_id for t in taxpayers]
    members = _members(connection, day, names)
    profiles: dict[str, TaxProfile] = {}
    dated = _chosen(connection, TaxProfile, "taxpayer_id", names)
    for profile in sorted(dated, key=lambda p: p.valid_from):
        if profile.valid_from <= day:
            profiles[profile.taxpayer_id] = profile
    own = [a.account_id for accounts in members.values() for a in accounts]
    wishes = _wishes(connection, day, None if names is None else own)
    found = []
    for taxpayer in sorted(taxpayers, key=lambda t: t.taxpayer_key):
        accounts = members.get(taxpayer.taxpayer_id)
        if not accounts:
            continue
        found.append(
            Household(
                taxpayer,
                _profile(profiles, taxpayer.taxpayer_id, day),
                tuple(accounts),
                {a.account_id: tuple(wishes.get(a.account_id, ())) for a in accounts},
            )
        )
    return found


def _chosen(
    connection: Connection, kind: type[R], column: str, values: Sequence[Any] | None
) -> list[R]:
    """Those records, or all of the kind where no values are given."""
    if values is None:
        return all_records(connection, kind)
    return some_records(connection, kind, column, values)


def _members(
    connection: Connection, day: str, taxpayers: Sequence[str] | None
) -> dict[str, list[AccountRecord]]:
    members: dict[str, list[AccountRecord]] = {}
    accounts = _chosen(connection, AccountRecord, "taxpayer_id", taxpayers)
    for account in sorted(accounts, key=lambda a: a.account_key):
        if account.status == "active" and account.opened <= day:
            members.setdefault(account.taxpayer_id, []).append(account)
    return members


def _wishes(
    connection: Connection, day: str, accounts: Sequence[str] | None
) -> dict[str, list[Restriction]]:
    wishes: dict[str, list[Restriction]] = {}
    for wish in _chosen(connection, Restriction, "account_id", accounts):
        if wish.valid_from <= day and (wish.valid_to is None or day <= wish.valid_to):
            wishes.setdefault(wish.account_id, []).append(wish)
    return wishes


def _profile(profiles: dict[str, TaxProfile], taxpayer_id: str, day: str) -> TaxProfile:
    if taxpayer_id not in profiles:
        raise BookError(
            "book.no_tax_profile",
            f"No tax rates are on file for {day}.",
            where=taxpayer_id,
            remedy="Add a tax profile that is valid from that day or earlier.",
        )
    return profiles[taxpayer_id]


def find_account(connection: Connection, account_id: str) -> AccountRecord:
    """One account by id; BookError when the book does not know it."""
    names = [field.name for field in fields(AccountRecord)]
    query = select(*(schema.accounts.c[name] for name in names)).where(
        schema.accounts.c.account_id == account_id
    )
    row = connection.execute(query).first()
    if row is None:
        raise unknown_account(account_id)
    return AccountRecord(*row)


def unknown_account(account_id: str) -> BookError:
    """What is said of an account that is not there, or that the viewer may not see."""
    return BookError(
        "account.unknown",
        f"The book has no account '{account_id}'.",
        where=account_id,
        remedy="sma account list shows the accounts.",
    )


def end_restriction(connection: Connection, restriction_id: str, last_day: str) -> None:
    """An ISO day becomes the last on which a restriction holds; an earlier end stays."""
    table = schema.restrictions
    where = (table.c.restriction_id == restriction_id) & (
        table.c.valid_to.is_(None) | (table.c.valid_to > last_day)
    )
    connection.execute(table.update().where(where).values(valid_to=last_day))


def set_risk(
    connection: Connection, account_id: str, te_cap_bps: int | None, aversion_micros: int | None
) -> None:
    """Give an account a cap on tracking error or a price on it; nothing where neither is given."""
    if te_cap_bps is None and aversion_micros is None:
        return
    table = schema.accounts
    change = table.update().where(table.c.account_id == account_id)
    values = {"te_cap_bps": te_cap_bps, "risk_aversion_micros": aversion_micros}
    connection.execute(change.values(values))
