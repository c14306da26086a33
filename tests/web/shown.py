"""What the portal's tests are given."""

from dataclasses import dataclass

import httpx

from opensma.book.store import Book
from opensma.book.views import ProgramView, account_decision
from opensma.market import Market

HOSTILE = "<script>alert('1')</script> & \"Söhne\""


@dataclass(frozen=True)
class Shown:
    """A portal that answers, and the book behind it."""

    address: str
    book: Book
    market: Market
    view: ProgramView
    client: httpx.Client

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers)

    @property
    def busiest(self) -> str:
        """The account with most trades today."""
        return max(self.view.rows, key=lambda r: r.trades).account.account_id

    def trades_of(self, account_id: str) -> list[str]:
        """Ids of the account's trades of the day."""
        return [trade.trade_id for trade in account_decision(self.book, account_id).trades]
