"""The Documents page of an account, downloads, and the composite's page.

Documents are made when they are asked for: the same book gives the same bytes, so nothing has to
be kept. Every address asks first whether the viewer may see the account.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from opensma.access.audit import Logged, exports_of
from opensma.access.store import Access
from opensma.billing.cycle import Frequency, Period, parse_period
from opensma.book.invoices import InvoiceRow, all_invoices, lines_of
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, Program, all_records
from opensma.book.rights import Right
from opensma.book.store import Book, Connection
from opensma.book.visible import seen_account, visible_accounts
from opensma.errors import InputError
from opensma.measure.composite_book import OUTLIER_CODE, record_of
from opensma.measure.composite_record import CompositeRecord
from opensma.report.documents.composite import composite_data, composite_pdf
from opensma.report.documents.desk import last_whole_period, open_desk
from opensma.report.documents.invoice import invoice_pdf
from opensma.report.documents.render import installed, render
from opensma.report.documents.statement import statement_data
from opensma.report.documents.tax_pack import tax_pack_pdf
from opensma.web.kept import version_of

if TYPE_CHECKING:
    from opensma.web.portal import Portal

_QUARTERS_SHOWN = 20
_OUTLIERS_SHOWN = 50
TAKEN = ("statement", "tax-pack", "invoice")  # screens of the log


@dataclass(frozen=True, slots=True)
class Offered:
    """What the page of an account offers, the newest first."""

    quarters: tuple[Period, ...]
    years: tuple[int, ...]
    invoices: tuple[InvoiceRow, ...]


@dataclass(frozen=True)
class Papers:
    """Pages and downloads of documents, for the portal's viewer."""

    portal: Portal
    whole: Book  # not only what the viewer may read
    access: Access
    _kept: dict[str, tuple[object, CompositeRecord]] = field(default_factory=dict)

    def page(self, request: Request) -> Response:
        """What there is for one account, with a link for each document."""
        account_id = request.path_params["account_id"]
        with self.portal.book.read() as connection:
            account = seen_account(connection, account_id, self.portal.viewer, Right.DOCUMENTS)
            offered = self._offered(connection, account)
        return self.portal.page(
            "documents.html", account=account, offered=offered, installed=installed(),
            taken=self._taken(account_id),
        )  # fmt: skip

    def _taken(self, account_id: str) -> dict[str, Logged]:
        """The newest download of each document of an account, by kind and detail (P19)."""
        found: dict[str, Logged] = {}
        for one in exports_of(self.access, account_id, TAKEN):
            found.setdefault(f"{one.line.screen} {one.line.detail}", one)
        return found

    def statement(self, request: Request) -> Response:
        """A statement as PDF; a period that is not over, or not the account's, is not there."""
        account = self._seen(request)
        try:
            period = parse_period(request.path_params["period"])
            desk = open_desk(self.portal.book, self.portal.market, period)
            data = statement_data(desk, account.account_id)
        except InputError as error:
            if error.code not in _ABSENT:
                raise
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
        pdf = render("statement", data, period.end)
        return _file(pdf, f"statement-{account.account_id}-{period.name}.pdf")

    def tax_pack(self, request: Request) -> Response:
        """A tax year as PDF."""
        account, year = self._seen(request), int(request.path_params["year"])
        try:
            pdf = tax_pack_pdf(self.portal.book, account.account_id, year, self.portal.viewer)
        except InputError as error:
            if error.code not in ("tax.as_of", "tax.year"):
                raise
            raise HTTPException(HTTPStatus.NOT_FOUND) from None
        return _file(pdf, f"tax-pack-{account.account_id}-{year}.pdf")

    def invoice(self, request: Request) -> Response:
        """An invoice as PDF; the viewer must see every account that it names."""
        account, invoice_id = self._seen(request), request.path_params["invoice_id"]
        with self.portal.book.read() as connection:
            seen = {
                a.account_id
                for a in visible_accounts(connection, self.portal.viewer, Right.DOCUMENTS)
            }
            named = {line.account_id for line in lines_of(connection, invoice_id)}
        if account.account_id not in named or not named <= seen:
            raise HTTPException(HTTPStatus.NOT_FOUND)
        return _file(invoice_pdf(self.portal.book, invoice_id), f"invoice-{invoice_id}.pdf")

    def composite(self, _request: Request) -> Response:
        """The composite's definition, years, disclosures and corrections."""
        self.must_see_all()
        data = composite_data(self._record(), self._firm())
        apart = [e for e in self.portal.program_seen().exceptions if e.code == OUTLIER_CODE]
        return self.portal.page(
            "composite.html", data=data, installed=installed(), outliers=apart[:_OUTLIERS_SHOWN],
            outliers_total=len(apart),
        )  # fmt: skip

    def _record(self) -> CompositeRecord:
        """Made again only when the book has changed."""
        version, kept = version_of(self.whole), self._kept.get("record")
        if kept is None or version is None or kept[0] != version:
            kept = version, record_of(self.portal.book, self.portal.market, None)
            self._kept["record"] = kept
        return kept[1]

    def composite_file(self, _request: Request) -> Response:
        """The same as PDF."""
        self.must_see_all()
        record = self._record()
        return _file(composite_pdf(record, self._firm()), f"composite-{record.rules.name}.pdf")

    def _seen(self, request: Request) -> AccountRecord:
        name = request.path_params["account_id"]
        with self.portal.book.read() as connection:
            return seen_account(connection, name, self.portal.viewer, Right.DOCUMENTS)

    def must_see_all(self) -> None:
        """A composite adds up every account, so it is for those who may see every account."""
        viewer = self.portal.viewer
        with self.whole.read() as connection:
            seen = len(visible_accounts(connection, viewer))
            if seen < len(all_records(connection, AccountRecord)):
                raise HTTPException(HTTPStatus.NOT_FOUND)

    def _firm(self) -> str:
        with self.portal.book.read() as connection:
            return ", ".join(p.name for p in all_records(connection, Program))

    def _offered(self, connection: Connection, account: AccountRecord) -> Offered:
        journal = read_journal(connection, [account.account_key])
        if not journal:
            return Offered((), (), ())
        funded = date.fromordinal(journal[0].entry.trade_day)
        newest = date.fromordinal(int(self.portal.market.days[-1]))
        quarter = Period(newest.year, Frequency.QUARTERLY, (newest.month + 2) // 3)
        quarters: list[Period] = []
        while quarter.end >= funded and len(quarters) < _QUARTERS_SHOWN:
            if last_whole_period(self.portal.book, self.portal.market, quarter):
                quarters.append(quarter)
            quarter = quarter.previous
        years = tuple(range(newest.year, funded.year - 1, -1))
        return Offered(tuple(quarters), years, self._invoices(connection, account))

    def _invoices(self, connection: Connection, account: AccountRecord) -> tuple[InvoiceRow, ...]:
        seen = {
            a.account_id for a in visible_accounts(connection, self.portal.viewer, Right.DOCUMENTS)
        }
        found = []
        for row in reversed(all_invoices(connection)):
            named = {line.account_id for line in lines_of(connection, row.invoice_id)}
            if account.account_id in named and named <= seen:
                found.append(row)
        return tuple(found)


_ABSENT = ("billing.period", "statement.period_open", "statement.not_funded", "measure.no_prices")


def _file(pdf: bytes, name: str) -> Response:
    headers = {
        "Content-Disposition": f'attachment; filename="{name}"',
        "Digest": f"sha-256={sha256(pdf).hexdigest()}",
    }
    return Response(pdf, media_type="application/pdf", headers=headers)
