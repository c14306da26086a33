"""A billed copy of the portal's book: two accounts of two owners under one agreement."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient
from tests.web.shown import Shown

from opensma.billing.cycle import parse_period
from opensma.billing.desk import load_terms, release, take_back
from opensma.book.invoices import InvoiceRow, live_invoices
from opensma.book.rights import Viewer
from opensma.book.store import Book, open_book
from opensma.market import Market
from opensma.web import create_app

PERIODS = ("2024Q3", "2024Q4")
AT = "2025-01-02T09:00:00+00:00"
SCHEDULE = {
    "schedule": "core", "version": 1, "valid_from": "2000-01-01", "style": "tiered",
    "tiers": [{"up_to": "100000", "rate": "0.01"}, {"up_to": None, "rate": "0.005"}],
}  # fmt: skip


@dataclass(frozen=True)
class Billed:
    """The book after two quarters, of which the first was taken back."""

    book: Book
    market: Market
    members: tuple[str, str]
    unbilled: str

    def client(self, viewer: Viewer | None = None) -> TestClient:
        app = create_app(self.book, self.market, viewer)
        return TestClient(app, base_url="http://127.0.0.1")

    def invoices(self) -> list[InvoiceRow]:
        with self.book.read() as connection:
            return live_invoices(connection)


def bill(portal: Shown, folder: Path) -> Billed:
    """Copy the book, load terms, bill two quarters and take the first back."""
    assert portal.book.path is not None
    with portal.book.read() as connection:  # the copy must hold what is still in the log beside it
        target = folder / "book.db"
        connection.exec_driver_sql("SELECT 1")
        for ending in ("", "-wal"):
            source = Path(f"{portal.book.path}{ending}")
            if source.exists():
                shutil.copy(source, f"{target}{ending}")
    book = open_book(str(target))
    accounts = [row.account for row in portal.view.rows if row.account.opened < "2024-07-01"]
    first = accounts[0]
    second = next(a for a in accounts if a.owner_id != first.owner_id)
    third = next(a for a in accounts if a not in (first, second))
    agreement = {
        "agreement": "=HYPERLINK(1)", "version": 1, "valid_from": "2024-07-01", "schedule": "core",
        "timing": "arrears", "frequency": "quarterly", "basis": "period_end", "minimum": "90000",
        "members": [first.account_id, second.account_id],
        "payees": [{"payee": "Harbor", "role": "sponsor", "bps": 4000},
                   {"payee": "Direct", "role": "manager", "bps": 6000}],
    }  # fmt: skip
    terms = folder / "terms.json"
    terms.write_text(json.dumps({"schedules": [SCHEDULE], "agreements": [agreement]}))
    load_terms(book, terms, AT)
    for period in PERIODS:
        made = release(book, parse_period(period), AT)
        assert made.invoices, [f.what for d in made.held for f in d.findings]
    take_back(book, parse_period("2024Q3"), "2025-01-03T09:00:00+00:00")
    return Billed(book, portal.market, (first.account_id, second.account_id), third.account_id)
