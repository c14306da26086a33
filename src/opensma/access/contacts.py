"""The contact log of rule 3a-4: what was asked of a client when, and who is due to be asked.

At the opening, at least once a year, and a written notice every quarter. Entries are never changed;
a wrong one is followed by another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import Connection, select

from opensma.access import schema
from opensma.access.audit import Action, Line, append
from opensma.access.store import Access
from opensma.book.store import insert_rows
from opensma.errors import InputError

LONGEST_NOTE = 2_000
YEAR, QUARTER = timedelta(days=366), timedelta(days=92)


class Kind(StrEnum):
    """What a contact was for."""

    OPENING = "opening"  # the client's situation and objectives, and the chance to restrict
    ANNUAL = "annual"  # at least once a year: has anything changed, anything to restrict
    NOTICE = "notice"  # written, every quarter: how to tell us of changes
    OTHER = "other"


class Means(StrEnum):
    """How it was made."""

    MEETING = "meeting"
    TELEPHONE = "telephone"
    MAIL = "mail"
    STATEMENT = "statement"  # the notice stands in the quarterly statement
    PORTAL = "portal"


@dataclass(frozen=True, slots=True)
class Contact:
    """One entry; `day` is the ISO day of the contact, `at` when it was written down."""

    contact_id: str
    account_id: str
    kind: Kind
    day: str
    means: Means
    changed: bool  # the client reported a change, or a restriction
    note: str
    user_id: str
    at: int


@dataclass(frozen=True, slots=True)
class Due:
    """One contact that an account is due, by its last day in time."""

    account_id: str
    kind: Kind
    last: str | None  # when it was last done
    by: str

    def late_by(self, today: date) -> int:
        """Days since it was due; negative while there is time."""
        return (today - date.fromisoformat(self.by)).days


def add(access: Access, contacts: Sequence[Contact], today: date) -> None:
    """Write contacts down, all of them or none; InputError names what is wrong."""
    for one in contacts:
        _check(one, today)
    with access.lock, access.write() as connection:
        _put(connection, contacts)
        for one in contacts:
            line = Line(
                one.at, one.user_id, Action.CHANGE, "contact", one.account_id, one.contact_id
            )
            append(access, connection, line)


def bring_along(access: Access, contacts: Sequence[Contact]) -> bool:
    """The log of another system, into an empty one; whether it was empty. One line in the audit."""
    table = schema.contacts
    with access.lock, access.write() as connection:
        if not contacts or connection.execute(select(table.c.contact_id).limit(1)).first():
            return False
        _put(connection, contacts)
        at = max(one.at for one in contacts)
        line = Line(at, "operator", Action.CHANGE, "contacts-brought", "", str(len(contacts)))
        append(access, connection, line)
    return True


def _put(connection: Connection, contacts: Sequence[Contact]) -> None:
    rows = [
        (one.contact_id, one.account_id, one.kind.value, one.day, one.means.value,
         int(one.changed), one.note, one.user_id, one.at)
        for one in contacts
    ]  # fmt: skip
    insert_rows(connection, schema.contacts, rows)


def of_accounts(access: Access, account_ids: Sequence[str]) -> list[Contact]:
    """Contacts of these accounts, the newest first."""
    table, wanted = schema.contacts, set(account_ids)
    query = select(table).order_by(table.c.day.desc(), table.c.at.desc(), table.c.contact_id)
    if len(wanted) == 1:
        query = query.where(table.c.account_id == next(iter(wanted)))
    with access.read() as connection:
        return [
            Contact(
                row.contact_id, row.account_id, Kind(row.kind), row.day, Means(row.means),
                bool(row.changed), row.note, row.user_id, row.at,
            )
            for row in connection.execute(query) if row.account_id in wanted
        ]  # fmt: skip


def due(
    opened: Sequence[tuple[str, str]], contacts: Sequence[Contact], today: date, ahead: int = 30
) -> list[Due]:
    """What accounts (id, day of opening) are due by `ahead` days from today, the latest first.

    A year or a quarter counts from the last contact of the kind, else from the day of opening; the
    intake at the opening is also the first yearly review.
    """
    last: dict[tuple[str, Kind], str] = {}
    for one in contacts:
        key = one.account_id, one.kind
        last[key] = max(last.get(key, one.day), one.day)
    found = []
    for account_id, day in opened:
        asked = last.get((account_id, Kind.OPENING))
        if asked is None:
            found.append(Due(account_id, Kind.OPENING, None, day))
        annual = max(filter(None, (last.get((account_id, Kind.ANNUAL)), asked)), default=None)
        notice = last.get((account_id, Kind.NOTICE))
        for kind, done, after in ((Kind.ANNUAL, annual, YEAR), (Kind.NOTICE, notice, QUARTER)):
            by = date.fromisoformat(done or day) + after
            if by <= today + timedelta(days=ahead):
                found.append(Due(account_id, kind, done, by.isoformat()))
    return sorted(found, key=lambda one: (one.by, one.account_id, one.kind))


def _check(one: Contact, today: date) -> None:
    try:
        day = date.fromisoformat(one.day)
    except ValueError:
        raise _wrong("day", f"'{one.day}' is no day.", "Write it as 2026-12-31.") from None
    if day > today:
        raise _wrong("day", f"{one.day} is not over yet.", "Write down what has happened.")
    if len(one.note) > LONGEST_NOTE:
        raise _wrong("note", "The note is too long.", f"Use at most {LONGEST_NOTE:,} characters.")
    if one.changed and not one.note.strip():
        raise _wrong("note", "The client reported a change.", "Write what changed.")
    if one.kind is not Kind.NOTICE and one.means is Means.STATEMENT:
        raise _wrong("means", "A statement can carry the notice only.", "Choose how you spoke.")


def _wrong(where: str, what: str, remedy: str) -> InputError:
    return InputError(f"contact.{where}", what, where=where, remedy=remedy)
