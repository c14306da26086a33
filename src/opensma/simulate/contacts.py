"""The contact log of invented owners: most were asked in time, one in nine is due a review."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from opensma.access.contacts import Contact, Kind, Means
from opensma.book.master import AccountRecord

_FORGOTTEN = 9  # every so many accounts lack the last yearly review
_NOTES = (
    "Nothing has changed.",
    "Retires in three years; keeps the strategy.",
    "Bought a house: may need cash next spring.",
    "Asked to keep the restrictions as they are.",
)


def invented_contacts(accounts: Sequence[AccountRecord], day: date) -> list[Contact]:
    """Openings, yearly reviews and quarterly notices of accounts up to a day."""
    return [one for account in accounts for one in _of(account, day)]


def _of(account: AccountRecord, day: date) -> Iterator[Contact]:
    opened, number = date.fromisoformat(account.opened), account.account_key
    yield _contact(account, Kind.OPENING, opened, Means.MEETING, "Intake with all answers.", 0)
    years = (day - opened).days // 365
    for year in range(1, years + 1):
        if year == years and number % _FORGOTTEN == 0:
            continue
        note = _NOTES[(number + year) % len(_NOTES)]
        at = opened + timedelta(days=360 * year)
        yield _contact(account, Kind.ANNUAL, at, Means.TELEPHONE, note, year)
    for quarter in range(opened.year * 4 + (opened.month + 2) // 3, day.year * 4 + 4):
        sent = date(quarter // 4, quarter % 4 * 3 + 1, 12)
        if opened < sent <= day:
            yield _contact(account, Kind.NOTICE, sent, Means.STATEMENT, "", quarter)


def _contact(
    account: AccountRecord, kind: Kind, day: date, means: Means, note: str, number: int
) -> Contact:
    at = int(datetime(day.year, day.month, day.day, 15, tzinfo=UTC).timestamp())
    return Contact(
        f"ct-{account.account_id}-{kind}-{number}", account.account_id, kind, day.isoformat(),
        means, False, note, account.advisor_id, at,
    )  # fmt: skip
