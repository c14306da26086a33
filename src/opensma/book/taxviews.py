"""A taxpayer's year as people read it: realised by term, netting, harvests, tax, calendar, forms.

Everything is computed from the journals by the reference engine (`opensma.book.law`) as of a day,
so that a year can be asked for as it stood. Only one taxpayer is read. Figures of the household
are shown to a viewer who may see all of its accounts; others get what is theirs, and are told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy import Connection

from opensma.book import runs
from opensma.book.facts import History, read_history
from opensma.book.law import Reading, reading_of
from opensma.book.master import (
    AccountRecord,
    Security,
    TaxpayerRecord,
    TaxProfile,
    all_records,
)
from opensma.book.rights import Right, Viewer
from opensma.book.store import Book
from opensma.book.taxcalendar import (
    DividendLot,
    OpenLoss,
    RecentPurchase,
    dividend_lots,
    is_harvest,
    open_losses,
    recent_purchases,
)
from opensma.book.views import securities_by_key
from opensma.book.visible import visible_accounts
from opensma.errors import BookError, InputError
from opensma.tax.forms import Finality, Form8949Row, finality, form_8949
from opensma.tax.jurisdiction import OWN_BASIS, BasisDifference, compare, year_gains
from opensma.tax.liability import Income, Liability, NextDollar, next_dollar, tax_on
from opensma.tax.loss_value import Assumptions, LossValue, UsableValue, in_full, usable
from opensma.tax.netting import LedgerYear, YearResult, carry_ledger
from opensma.tax.replay import Policy
from opensma.tax.replay.lots import Closed

DEFAULT_HORIZON_YEARS = 10
DEFAULT_DISCOUNT_BPS = 500


@dataclass(frozen=True, slots=True)
class AccountYear:
    """Recognised results of one account in a year; gains and losses after wash sales."""

    account: AccountRecord
    sales: int  # slices
    short_gain_cents: int
    short_loss_cents: int  # positive, as all losses here
    long_gain_cents: int
    long_loss_cents: int
    deferred_cents: int  # disallowed, now in the basis of other shares (W9)
    permanent_cents: int  # disallowed and gone (W14)
    harvested_short_cents: int  # losses allowed of sales made to harvest
    harvested_long_cents: int
    qualified_cents: int  # dividends; shares still in their window count as kept
    ordinary_dividend_cents: int
    open_dividend_cents: int  # of both, what a sale could still change (Q3)

    @property
    def short_cents(self) -> int:
        """Net short-term result."""
        return self.short_gain_cents - self.short_loss_cents

    @property
    def long_cents(self) -> int:
        """Net long-term result."""
        return self.long_gain_cents - self.long_loss_cents


@dataclass(frozen=True, slots=True)
class HouseholdTax:
    """What only the whole household has: netting, carryforward, tax, and the value of harvests."""

    ledger: tuple[LedgerYear, ...]  # every year of the book until this one
    liability: Liability | None  # None where `missing` says why
    without: Liability | None  # the same year without these accounts
    next_dollar: NextDollar | None
    usable: UsableValue | None
    missing: str
    own_basis: tuple[BasisDifference, ...]  # where the state has another basis (W26)
    state_results: tuple[int, int] | None  # short, long of the year in such a state

    @property
    def added_cents(self) -> int | None:
        """Estimated tax because of these accounts; negative where their losses save tax."""
        if self.liability is None or self.without is None:
            return None
        return self.liability.total_cents - self.without.total_cents


@dataclass(frozen=True, slots=True)
class TaxYear:
    """One year of one taxpayer, or of one account with its taxpayer beside it."""

    year: int
    as_of: date
    taxpayer: TaxpayerRecord
    profile: TaxProfile
    account_id: str | None  # None: the whole taxpayer
    years: tuple[int, ...]  # with anything booked, newest first
    accounts: tuple[AccountYear, ...]  # that the viewer may see
    hidden: int  # accounts of the taxpayer that the viewer may not see
    household: HouseholdTax | None  # None where accounts are hidden
    full: LossValue  # harvests of the accounts shown, if every dollar nets a gain of its term
    assumed: Assumptions
    losses: tuple[OpenLoss, ...]
    purchases: tuple[RecentPurchase, ...]
    dividends: tuple[DividendLot, ...]
    rows: tuple[Form8949Row, ...]
    final: Finality
    policy: Mapping[str, str]

    def shown(self) -> tuple[AccountYear, ...]:
        """The account asked for, or all of them."""
        return tuple(a for a in self.accounts if self.account_id in (None, a.account.account_id))


def tax_year(
    book: Book,
    name: str,
    year: int | None = None,
    as_of: date | None = None,
    viewer: Viewer | None = None,
    assumed: Assumptions | None = None,
) -> TaxYear:
    """The year of an account or a taxpayer; by default the year and day of the newest run.

    BookError account.unknown, also when not the viewer's; InputError tax.as_of, tax.year.
    """
    with book.read() as connection:
        account_id, taxpayer, seen = _subject(connection, name, viewer, year)
        history = read_history(connection, taxpayer.taxpayer_id)
        securities = securities_by_key(connection)
        day = _as_of(connection, history, as_of)
        profiles = _profiles(connection, taxpayer.taxpayer_id)
    year = day.year if year is None else year
    if day < date(year, 1, 1):
        raise InputError(
            "tax.as_of",
            f"On {day} the year {year} has not begun.",
            where="--as-of",
            remedy="Ask for an earlier year or a later day.",
        )
    return _Maker(history, securities, taxpayer, profiles, seen, account_id, year, day).make(
        assumed
    )


def _subject(
    connection: Connection, name: str, viewer: Viewer | None, year: int | None
) -> tuple[str | None, TaxpayerRecord, frozenset[str]]:
    """The account (or None), its taxpayer, and which accounts of it the viewer may see."""
    visible = visible_accounts(connection, viewer, Right.TAXES, year)
    account = next((a for a in visible if a.account_id == name), None)
    wanted = account.taxpayer_id if account else name
    seen = frozenset(a.account_id for a in visible if a.taxpayer_id == wanted)
    if not seen:
        raise BookError(
            "account.unknown",
            f"The book has no account or taxpayer '{name}'.",
            where=name,
            remedy="sma account list shows the accounts; sma account show ID names the taxpayer.",
        )
    taxpayers = all_records(connection, TaxpayerRecord)
    taxpayer = next(t for t in taxpayers if t.taxpayer_id == wanted)
    return (account.account_id if account else None), taxpayer, seen


def _as_of(connection: Connection, history: History, as_of: date | None) -> date:
    run = runs.latest_run(connection)
    booked = max((fact.entry.trade_day for fact in history.facts), default=0)
    newest = max(booked, date.fromisoformat(run.day).toordinal() if run else 0)
    if as_of is None and not newest:
        raise InputError(
            "tax.as_of",
            "Nothing is booked for this taxpayer, so there is no day to go by.",
            where="--as-of",
            remedy="Name a day with --as-of.",
        )
    return date.fromordinal(newest) if as_of is None else as_of


def _profiles(connection: Connection, taxpayer_id: str) -> list[TaxProfile]:
    own = [p for p in all_records(connection, TaxProfile) if p.taxpayer_id == taxpayer_id]
    if not own:
        raise BookError(
            "book.no_tax_profile",
            "No tax rates are on file.",
            where=taxpayer_id,
            remedy="Add a tax profile.",
        )
    return sorted(own, key=lambda p: p.valid_from)


@dataclass(frozen=True)
class _Maker:
    """What a year is made from; every method answers one part of the view."""

    history: History
    securities: Mapping[int, Security]
    taxpayer: TaxpayerRecord
    profiles: Sequence[TaxProfile]
    seen: frozenset[str]
    account_id: str | None
    year: int
    day: date

    def make(self, assumed: Assumptions | None) -> TaxYear:
        """Run the history in the views needed and put the parts together."""
        history = _until(self.history, self.day.toordinal())
        reading = reading_of(history, dividends=True)
        broker = reading_of(history, Policy(view="broker"))
        dividends = dividend_lots(reading, self.securities, self.day.toordinal())
        profile = self._profile(self.year)
        assumed = assumed or Assumptions(
            DEFAULT_HORIZON_YEARS, DEFAULT_DISCOUNT_BPS, profile.long_rate_micros
        )
        everything = [self._account(reading, a, self.year, dividends) for a in history.accounts]
        accounts = [a for a in everything if a.account.account_id in self.seen]
        hidden = len(everything) - len(accounts)
        shown = [a for a in accounts if self.account_id in (None, a.account.account_id)]
        harvested = (
            sum(a.harvested_short_cents for a in shown),
            sum(a.harvested_long_cents for a in shown),
        )
        scope = {a.account.account_id for a in shown}
        day = self.day.toordinal()
        rows = form_8949(reading.state, self.year, broker.state)
        return TaxYear(
            year=self.year,
            as_of=self.day,
            taxpayer=self.taxpayer,
            profile=profile,
            account_id=self.account_id,
            years=_years(reading, dividends, self.year),
            accounts=tuple(accounts),
            hidden=hidden,
            household=None
            if hidden
            else self._household(reading, history, dividends, harvested, assumed),
            full=in_full(*harvested, profile.short_rate_micros, profile.long_rate_micros, assumed),
            assumed=assumed,
            losses=tuple(
                r for r in open_losses(reading, self.securities, day) if r.account_id in self.seen
            ),
            purchases=tuple(
                r
                for r in recent_purchases(reading, self.securities, day)
                if r.account_id in self.seen
            ),
            dividends=tuple(
                d for d in dividends if d.account_id in scope and d.ex_date.year == self.year
            ),
            rows=tuple(self._named(row) for row in rows if row.account in scope),
            final=finality(reading.state, self.year, self.day),
            policy=reading.state.policy.as_dict(),
        )

    def _profile(self, year: int) -> TaxProfile:
        """In force at the year's end, or today if that is earlier; else the first there is."""
        last = min(self.day, date(year, 12, 31)).isoformat()
        valid = [p for p in self.profiles if p.valid_from <= last]
        return valid[-1] if valid else self.profiles[0]

    def _named(self, row: Form8949Row) -> Form8949Row:
        """A row with the ticker where the law has the book's key."""
        symbol = self.securities[int(row.security)].symbol
        shares = row.description.split(" ")[0]
        return replace(row, description=f"{shares} {symbol}", security=symbol)

    def _account(
        self,
        reading: Reading,
        account: AccountRecord,
        year: int,
        dividends: Sequence[DividendLot],
    ) -> AccountYear:
        rows = [
            row
            for row in reading.state.closed
            if reading.account_key(row) == account.account_key
            and date.fromordinal(row.sold_day).year == year
        ]
        taxed = rows if account.taxed else []
        paid = [
            d for d in dividends if d.account_id == account.account_id and d.ex_date.year == year
        ]
        harvests = [row for row in taxed if row.gain_cents < 0 and is_harvest(reading, row.event)]
        disallowed = sum(row.disallowed_cents for row in taxed)
        permanent = sum(row.permanent_cents for row in taxed)
        qualified = sum(d.cents for d in paid if d.qualified)
        return AccountYear(
            account=account,
            sales=len(rows),
            short_gain_cents=_gains(taxed, long=False),
            short_loss_cents=_losses(taxed, long=False),
            long_gain_cents=_gains(taxed, long=True),
            long_loss_cents=_losses(taxed, long=True),
            deferred_cents=disallowed - permanent,
            permanent_cents=permanent,
            harvested_short_cents=_losses(harvests, long=False),
            harvested_long_cents=_losses(harvests, long=True),
            qualified_cents=qualified,
            ordinary_dividend_cents=sum(d.cents for d in paid) - qualified,
            open_dividend_cents=sum(d.cents for d in paid if not d.final),
        )

    def _household(
        self,
        reading: Reading,
        history: History,
        dividends: Sequence[DividendLot],
        harvested: tuple[int, int],
        assumed: Assumptions,
    ) -> HouseholdTax:
        ledger = self._ledger(reading, dividends)
        differs = self.taxpayer.state in OWN_BASIS
        state = reading_of(history, Policy(jurisdiction=self.taxpayer.state)) if differs else None
        own = compare(reading.state, state.state) if state else ()
        results = year_gains(state.state, self.year) if state else None
        income = self._income(ledger[-1], dividends, results)
        nothing = replace(
            income,
            ordinary_cents=income.ordinary_cents - income.investment_cents,
            short_cents=0,
            long_cents=0,
            qualified_cents=0,
            investment_cents=0,
            short_carry_cents=0,
            long_carry_cents=0,
            state_short_cents=None,
            state_long_cents=None,
        )
        try:
            return HouseholdTax(
                ledger=ledger,
                liability=tax_on(income),
                without=tax_on(nothing),
                next_dollar=next_dollar(income),
                usable=usable(income, *harvested, assumed),
                missing="",
                own_basis=own,
                state_results=results,
            )
        except InputError as error:  # no table for the year, status or state: said, not guessed
            return HouseholdTax(ledger, None, None, None, None, error.message, own, results)

    def _ledger(self, reading: Reading, dividends: Sequence[DividendLot]) -> tuple[LedgerYear, ...]:
        """Every year from the first with anything booked, since each may use the deduction (R6).

        Losses from before the book are not known and count as none.
        """
        first = min(_years(reading, dividends, self.year))
        results = [
            YearResult(
                year,
                *year_gains(reading.state, year),
                self._profile(year).taxable_income_cents
                + sum(d.cents for d in dividends if d.ex_date.year == year),
            )
            for year in range(first, self.year + 1)
        ]
        return carry_ledger(results, status=self.taxpayer.filing_status)

    def _income(
        self,
        line: LedgerYear,
        dividends: Sequence[DividendLot],
        state_results: tuple[int, int] | None,
    ) -> Income:
        """The year of the household: income on file, and what its accounts here add."""
        paid = [d for d in dividends if d.ex_date.year == self.year]
        qualified = sum(d.cents for d in paid if d.qualified)
        ordinary = sum(d.cents for d in paid) - qualified
        short, long = state_results or (None, None)
        return Income(
            year=self.year,
            status=self.taxpayer.filing_status,
            state=self.taxpayer.state,
            ordinary_cents=self._profile(self.year).taxable_income_cents + ordinary,
            short_cents=line.result.short_cents,
            long_cents=line.result.long_cents,
            qualified_cents=qualified,
            investment_cents=ordinary,
            short_carry_cents=line.short_in_cents,
            long_carry_cents=line.long_in_cents,
            state_short_cents=short,
            state_long_cents=long,
        )


def _until(history: History, day: int) -> History:
    """What had happened by the end of a day; a window of the future holds no purchase yet."""
    naming = history.naming
    facts = [fact for fact in naming.facts if fact.entry.trade_day <= day]
    return replace(history, naming=replace(naming, facts=facts))


def _years(reading: Reading, dividends: Sequence[DividendLot], year: int) -> tuple[int, ...]:
    sold = {date.fromordinal(row.sold_day).year for row in reading.state.closed}
    return tuple(sorted({*sold, *(d.ex_date.year for d in dividends), year}, reverse=True))


def _gains(rows: Sequence[Closed], *, long: bool) -> int:
    return sum(max(0, row.gain_cents) for row in rows if row.long_term == long)


def _losses(rows: Sequence[Closed], *, long: bool) -> int:
    return sum(max(0, -row.gain_cents) for row in rows if row.long_term == long)
