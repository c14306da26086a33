"""Fee terms of the demo book and the billing of its quarters, with one correction."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from opensma.billing.cycle import Frequency, Period
from opensma.billing.desk import load_terms, release, take_back
from opensma.book.invoices import live_invoices
from opensma.book.master import AccountRecord, Advisor, all_records
from opensma.book.store import Book, get_setting
from opensma.errors import BookError
from opensma.simulate.demo import DEMO

_TIERS = (("500000", "0.006"), ("2000000", "0.0045"), (None, "0.003"))
_PAYEES = (
    ("opensma", "platform", 800),
    ("Sponsor", "sponsor", 700),
    ("Direct Indexing", "manager", 8500),
)
_LEAVERS = 40  # one household in so many leaves
_TAKEN_BACK = 2  # invoices that were billed, taken back and billed again


@dataclass(frozen=True, slots=True)
class Billed:
    """What the quarters came to."""

    quarters: int
    invoices: int
    reversed: int


def demo_people(book: Book) -> tuple[list[AccountRecord], list[Advisor], date]:
    """Accounts, advisors and the last day of a demo book; BookError for any other book."""
    with book.read() as connection:
        recipe = get_setting(connection, DEMO)
        accounts = all_records(connection, AccountRecord)
        advisors = all_records(connection, Advisor)
    if recipe is None:
        raise BookError(
            "demo.no_demo",
            "This book is no demo: nothing is invented into it.",
            where=book.label,
            remedy="Make one with sma demo, or load real files with sma growth load.",
        )
    return accounts, advisors, date.fromisoformat(json.loads(recipe)["day"])


def bill_demo(
    book: Book, accounts: Sequence[AccountRecord], last: date, folder: Path,
    progress: Callable[[int], None] = lambda _done: None,
) -> Billed:  # fmt: skip
    """Load terms for every household and bill all whole quarters; running it again adds nothing."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "terms.json"
    path.write_text(json.dumps(demo_terms(accounts, last), indent=1) + "\n", encoding="utf-8")
    quarters = _quarters(min(date.fromisoformat(a.opened) for a in accounts), last)
    load_terms(book, path, _recorded(quarters[0].start))
    before = _live(book)
    invoices = 0
    for quarter in quarters:
        invoices += len(release(book, quarter, _recorded(quarter.end)).invoices)
        progress(1)
    reversed_ = 0
    if not before and len(quarters) > 2:
        reversed_ = _correct(book, quarters[-3])
    return Billed(len(quarters), invoices, reversed_)


def _quarters(first: date, last: date) -> list[Period]:
    quarter = Period(first.year, Frequency.QUARTERLY, (first.month + 2) // 3)
    found = []
    while quarter.end <= last:
        found.append(quarter)
        quarter = quarter.next
    return found


def _recorded(day: date) -> str:
    """The morning after: a demo has no clock of its own."""
    return datetime.combine(day + timedelta(days=1), time(9), UTC).isoformat()


def _live(book: Book) -> int:
    with book.read() as connection:
        return len(live_invoices(connection))


def _correct(book: Book, quarter: Period) -> int:
    """Two invoices are taken back, and billed again."""
    at = _recorded(quarter.end + timedelta(days=20))
    with book.read() as connection:
        chosen = [r.invoice_id for r in live_invoices(connection) if r.period == quarter.name]
    pairs = take_back(book, quarter, at, sorted(chosen)[:_TAKEN_BACK]).pairs if chosen else ()
    release(book, quarter, at)
    return len(pairs)


def demo_terms(accounts: Sequence[AccountRecord], last: date) -> dict[str, Any]:
    """One schedule, and an agreement for each household."""
    households: dict[str, list[AccountRecord]] = {}
    for account in accounts:
        households.setdefault(account.taxpayer_id, []).append(account)
    tiers = [{"up_to": top, "rate": rate} for top, rate in _TIERS]
    start = "2021-01-01"
    schedule = {"schedule": "demo", "version": 1, "valid_from": start, "style": "tiered",
                "tiers": tiers}  # fmt: skip
    payees = [{"payee": name, "role": role, "bps": bps} for name, role, bps in _PAYEES]
    agreements = [
        {"agreement": f"fee-{name}", "version": 1, "valid_from": start, "schedule": "demo",
         "timing": "arrears", "frequency": "quarterly", "basis": "average_daily",
         "members": _members(number, members, last), "payees": payees}
        for number, (name, members) in enumerate(sorted(households.items()))
    ]  # fmt: skip
    return {"schedules": [schedule], "agreements": agreements}


def _members(number: int, accounts: Sequence[AccountRecord], last: date) -> list[dict[str, str]]:
    """A household that leaves is served until a day of the last year."""
    members = []
    leaves = date(last.year, 5, 15).isoformat()
    for account in accounts:
        member = {"account": account.account_id, "from": account.opened}
        if number % _LEAVERS == _LEAVERS - 1 and account.opened < leaves:
            member["to"] = leaves
        members.append(member)
    return members
