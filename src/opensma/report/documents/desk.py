"""What all statements of one period share: people, prices, securities, invoices. Read once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from opensma.billing.cycle import Period
from opensma.billing.termfile import stored
from opensma.billing.terms import Agreement, in_force
from opensma.book import runs
from opensma.book.invoices import (
    InvoiceLineRow,
    InvoiceRow,
    all_terms,
    lines_of,
    live_invoices,
)
from opensma.book.master import (
    AccountRecord,
    Advisor,
    Owner,
    Program,
    Restriction,
    Security,
    Strategy,
    TaxpayerRecord,
    TaxProfile,
    all_records,
)
from opensma.book.store import Book, Connection
from opensma.book.views import securities_by_key
from opensma.errors import InputError
from opensma.market import Market
from opensma.measure.bridge import Prices, book_prices
from opensma.measure.fees_book import BookedFee, booked_fees


@dataclass(frozen=True)
class Desk:
    """One period of one book, ready for any number of accounts."""

    book: Book
    market: Market
    period: Period
    prices: Prices
    securities: dict[int, Security]
    accounts: dict[str, AccountRecord]
    owners: dict[str, Owner]
    advisors: dict[str, Advisor]
    strategies: dict[str, Strategy]
    programs: dict[str, Program]
    taxpayers: dict[str, TaxpayerRecord]
    profiles: dict[str, list[TaxProfile]]  # by taxpayer
    restrictions: dict[str, list[Restriction]]  # by account, in force at the end
    invoices: dict[str, list[tuple[InvoiceRow, InvoiceLineRow]]]  # by account: lines that stand
    charges: dict[str, list[BookedFee]]  # by account: every fee that was ever invoiced for it
    owing: dict[str, str]  # by account: the agreement that bills it at least once a period

    def person(self, account: AccountRecord) -> dict[str, str]:
        """Who stands on a document's first page."""
        strategy = self.strategies[account.strategy_id]
        advisor = self.advisors[account.advisor_id]
        return {
            "id": account.account_id,
            "name": account.name,
            "owner": self.owners[account.owner_id].name,
            "registration": _REGISTRATIONS.get(account.registration, account.registration),
            "custodian": account.custodian,
            "advisor": advisor.name,
            "firm": advisor.firm,
            "strategy": strategy.name,
            "program": self.programs[strategy.program_id].name,
        }


_REGISTRATIONS = {
    "individual": "Individual",
    "joint": "Joint",
    "trust": "Trust",
    "ira": "Traditional IRA",
    "roth_ira": "Roth IRA",
}


def open_desk(book: Book, market: Market, period: Period) -> Desk:
    """Read what every statement of a period needs; the book must have come past its last day.

    InputError statement.period_open while the period still has sessions to come.
    """
    _must_be_over(book, market, period)
    with book.read() as connection:
        prices = book_prices(connection, market)
        profiles: dict[str, list[TaxProfile]] = {}
        for profile in all_records(connection, TaxProfile):
            profiles.setdefault(profile.taxpayer_id, []).append(profile)
        lines: dict[str, list[tuple[InvoiceRow, InvoiceLineRow]]] = {}
        first, last = period.start.isoformat(), period.end.isoformat()
        for row in live_invoices(connection):
            if first <= row.service_end <= last:
                for line in lines_of(connection, row.invoice_id):
                    lines.setdefault(line.account_id, []).append((row, line))
        accounts = {a.account_id: a for a in all_records(connection, AccountRecord)}
        charges: dict[str, list[BookedFee]] = {}
        for fee in booked_fees(connection, list(accounts)):
            if fee.debit_day <= period.end.toordinal():
                charges.setdefault(fee.account_id, []).append(fee)
        wishes: dict[str, list[Restriction]] = {}
        for wish in all_records(connection, Restriction):
            if wish.valid_from <= last and (wish.valid_to is None or last <= wish.valid_to):
                wishes.setdefault(wish.account_id, []).append(wish)
        return Desk(
            book,
            market,
            period,
            prices,
            securities_by_key(connection),
            accounts,
            {o.owner_id: o for o in all_records(connection, Owner)},
            {a.advisor_id: a for a in all_records(connection, Advisor)},
            {s.strategy_id: s for s in all_records(connection, Strategy)},
            {p.program_id: p for p in all_records(connection, Program)},
            {t.taxpayer_id: t for t in all_records(connection, TaxpayerRecord)},
            profiles,
            wishes,
            lines,
            charges,
            _owing(connection, period),
        )


def _owing(connection: Connection, period: Period) -> dict[str, str]:
    """Accounts that an agreement in force on the last day bills for this period."""
    versions: dict[str, list[Agreement]] = {}
    for row in all_terms(connection):
        made = stored(row.kind, row.body)
        if isinstance(made, Agreement):
            versions.setdefault(made.name, []).append(made)
    found = {}
    for name, known in sorted(versions.items()):
        agreement = in_force(known, period.end)
        if agreement is None or agreement.frequency.per_year < period.frequency.per_year:
            continue
        for member in agreement.members:
            if member.dates.holds(period.end):
                found[member.account_id] = name
    return found


def last_whole_period(book: Book, market: Market, period: Period) -> bool:
    """Whether the book has come past the last session of a period."""
    with book.read() as connection:
        run = runs.latest_run(connection)
    newest = min(
        int(market.days[-1]),
        int(market.days[-1]) if run is None else date.fromisoformat(run.day).toordinal(),
    )
    return newest >= last_session(period.end).toordinal()


def last_session(day: date) -> date:
    """The last trading session until a day."""
    from opensma.calendar import is_session

    while not is_session(day):
        day -= timedelta(days=1)
    return day


def _must_be_over(book: Book, market: Market, period: Period) -> None:
    if last_whole_period(book, market, period):
        return
    raise InputError(
        "statement.period_open",
        f"The period ends on {period.end}, and the book has not come to its last session "
        f"{last_session(period.end)} yet.",
        where=period.name,
        remedy="Run the days that are missing (sma day run), or name an earlier period.",
    )
