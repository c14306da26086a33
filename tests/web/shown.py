"""What the portal's tests are given."""

from dataclasses import dataclass

import httpx

from opensma.book.store import Book
from opensma.book.views import ProgramView
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
