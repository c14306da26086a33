"""An owner's first page: what the accounts are worth and why that changed, returns, tax, answers.

Each figure is the one of the page it leads to. The value of a year's start plus money in and out,
income and the market less fees is the value today, to the cent.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from threading import Lock

from starlette.requests import Request as WebRequest
from starlette.responses import Response

from opensma.access import requests
from opensma.access.requests import Request
from opensma.access.store import Access
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord
from opensma.book.rights import Right
from opensma.book.visible import visible_accounts
from opensma.errors import OpensmaError
from opensma.measure.after_tax_book import TaxManagement, account_tax_management
from opensma.measure.bridge import Bridge, Prices, book_prices, bridge
from opensma.measure.losses_book import LossesWorth, account_losses
from opensma.measure.performance import Performance, account_performance
from opensma.web.kept import version_of
from opensma.web.performance import Figure, figures, opening
from opensma.web.person import CURRENT
from opensma.web.portal import Portal

MOST_ACCOUNTS = 12  # more are a list, not a home
_SHOWN = ("Time-weighted, gross", "Time-weighted, net", "Personal (money-weighted)",
          "After-tax, pre-liquidation", "Benchmark, total return")  # fmt: skip


@dataclass(frozen=True, slots=True)
class AccountHome:
    """One account this year; `why` says what could not be measured."""

    account: AccountRecord
    bridge: Bridge | None
    returns: tuple[Figure, ...]
    worth: LossesWorth | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the accounts that could be measured, cents."""

    start: int
    flows: int
    income: int
    market: int
    fees: int
    end: int


@dataclass
class Home:
    """The page, for the portal's viewer."""

    portal: Portal
    access: Access
    _prices: Prices | None = None
    _kept: dict[str, tuple[object, AccountHome]] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def show(self, request: WebRequest) -> Response:
        """An owner's home; the program's list for who serves accounts or has very many."""
        if CURRENT.get().may(Right.EXCEPTIONS.value):
            return self.portal.program(request)
        with self.portal.book.read() as connection:
            accounts = visible_accounts(connection, self.portal.viewer, Right.PERFORMANCE)
        if not 0 < len(accounts) <= MOST_ACCOUNTS:
            return self.portal.program(request)
        homes = [self._kept_home(account) for account in accounts]
        asked = requests.of_accounts(self.access, [a.account_id for a in accounts])
        return self.portal.page(
            "home.html", homes=homes, totals=totals(homes), asked=asked[:5], news=news(asked)
        )

    def _kept_home(self, account: AccountRecord) -> AccountHome:
        """Measured again only when the book has changed."""
        version, kept = version_of(self.portal.book), self._kept.get(account.account_id)
        if kept is None or version is None or kept[0] != version:
            kept = version, self._home(account)
            self._kept[account.account_id] = kept
        return kept[1]

    def _home(self, account: AccountRecord) -> AccountHome:
        book, market, name = self.portal.book, self.portal.market, account.account_id
        newest = date.fromordinal(int(market.days[-1]))
        try:
            made = self._bridge(account, newest)
            series = self.portal.series(name)
            first = None if series is None else opening("year", series)
            found: Performance = account_performance(book, market, name, first, None)
            managed: TaxManagement | None = account_tax_management(book, market, found)
            worth = None if managed is None else account_losses(book, found, managed)
        except OpensmaError as error:
            return AccountHome(account, None, (), None, error.message)
        shown = {one.name: one for one in figures(found, managed)}
        return AccountHome(account, made, tuple(shown[n] for n in _SHOWN if n in shown), worth)

    def _bridge(self, account: AccountRecord, newest: date) -> Bridge:
        with self.portal.book.read() as connection:
            with self._lock:
                if self._prices is None:
                    self._prices = book_prices(connection, self.portal.market)
            journal = read_journal(connection, [account.account_key])
        first, last = date(newest.year, 1, 1).toordinal(), newest.toordinal()
        return bridge(account.account_key, journal, self._prices, first, last)


def totals(homes: list[AccountHome]) -> Totals:
    """Start + flows + income + market - fees = end, over all accounts."""
    made = [home.bridge for home in homes if home.bridge is not None]
    return Totals(
        sum(b.start_cents for b in made),
        sum(b.flows_cents for b in made),
        sum(b.income_cents for b in made),
        sum(b.market_cents for b in made),
        sum(b.fees_cents for b in made),
        sum(b.end_cents for b in made),
    )


def news(asked: list[Request]) -> list[Request]:
    """Requests that were answered, the last first."""
    answered = [one for one in asked if one.decided_at is not None]
    return sorted(answered, key=lambda one: -(one.decided_at or 0))[:3]
