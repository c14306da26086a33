"""Documents of many accounts at once, as one ZIP: for who serves them, or an owner of several.

The same book gives the same bytes: names in order, no clock inside. What could not be made is in
the index with its reason.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from opensma.billing.cycle import newest_quarters, parse_period
from opensma.book.invoices import lines_of, live_invoices
from opensma.book.master import AccountRecord
from opensma.book.rights import Right
from opensma.book.visible import visible_accounts
from opensma.errors import InputError
from opensma.report.documents.desk import open_desk
from opensma.report.documents.invoice import invoice_pdf
from opensma.report.documents.render import installed, render
from opensma.report.documents.statement import statement_data
from opensma.report.documents.tax_pack import tax_pack_pdf
from opensma.web.portal import Portal

MOST = 100  # accounts at once: about half a second each
KINDS = {"statements": Right.DOCUMENTS, "tax-packs": Right.TAXES, "invoices": Right.DOCUMENTS}
_QUARTERS = 8
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP can say


@dataclass(frozen=True, slots=True)
class Made:
    """One document of a batch, or why there is none."""

    account_id: str
    file: str
    pdf: bytes
    why: str = ""


@dataclass
class Batch:
    """The page and its download, for the portal's viewer."""

    portal: Portal

    def page(self, request: Request) -> Response:
        """What can be made for which accounts."""
        words = request.query_params.get("q", "").strip()[:100]
        names = self._chosen(words, Right.DOCUMENTS)
        newest = date.fromordinal(int(self.portal.market.days[-1]))
        periods = [one.name for one in newest_quarters(newest, _QUARTERS)]
        years = [str(newest.year - n) for n in range(4)]
        return self.portal.page(
            "batch.html", q=words, count=len(names), most=MOST, installed=installed(),
            offers=[("statements", periods), ("invoices", periods), ("tax-packs", years)],
        )  # fmt: skip

    def file(self, request: Request) -> Response:
        """The documents of one kind and period; refused where there would be too many."""
        kind, period = request.path_params["kind"], request.path_params["period"]
        if kind not in KINDS:
            raise HTTPException(404)
        words = request.query_params.get("q", "").strip()[:100]
        names = self._chosen(words, KINDS[kind])
        if not names:
            raise HTTPException(404)
        if len(names) > MOST:
            return self.portal.page(
                "batch_large.html", count=len(names), most=MOST, kind=kind, period=period
            )
        body = zipped(self._made(kind, period, names))
        headers = {
            "Content-Disposition": f'attachment; filename="{kind}-{period}.zip"',
            "Digest": f"sha-256={sha256(body).hexdigest()}",
        }
        return Response(body, media_type="application/zip", headers=headers)

    def _chosen(self, words: str, right: Right) -> list[str]:
        """Accounts of the viewer that match every word: id, owner, household."""
        rows = {row.account.account_id: row for row in self.portal.program_seen().rows}
        with self.portal.book.read() as connection:
            seen = visible_accounts(connection, self.portal.viewer, right)

        def matches(account: AccountRecord) -> bool:
            row = rows.get(account.account_id)
            more = "" if row is None else f"{row.owner} {row.taxpayer} {row.advisor}"
            text = f"{account.account_id} {account.taxpayer_id} {more}".casefold()
            return all(word in text for word in words.casefold().split())

        return [account.account_id for account in seen if matches(account)]

    def _made(self, kind: str, period: str, names: list[str]) -> list[Made]:
        try:
            if kind == "statements":
                return self._statements(period, names)
            if kind == "tax-packs":
                return self._tax_packs(period, names)
            return self._invoices(period, names)
        except InputError as error:
            if error.code not in ("billing.period", "statement.period_open"):
                raise
            raise HTTPException(404) from None

    def _statements(self, name: str, names: list[str]) -> list[Made]:
        period = parse_period(name)
        desk = open_desk(self.portal.book, self.portal.market, period)

        def make(account: str) -> bytes:
            return render("statement", statement_data(desk, account), period.end)

        return _each(names, make, "statement", name)

    def _tax_packs(self, year: str, names: list[str]) -> list[Made]:
        if not (year.isascii() and year.isdigit() and len(year) == 4):
            raise HTTPException(404)

        def make(account: str) -> bytes:
            return tax_pack_pdf(self.portal.book, account, int(year), self.portal.viewer)

        return _each(names, make, "tax-pack", year)

    def _invoices(self, name: str, names: list[str]) -> list[Made]:
        """Invoices of the period that name nobody but these accounts."""
        mine, period, found = set(names), parse_period(name).name, []
        with self.portal.book.read() as connection:
            live = [row for row in live_invoices(connection) if row.period == period]
            named = {
                row.invoice_id: sorted({x.account_id for x in lines_of(connection, row.invoice_id)})
                for row in live
            }
        for row in live:
            accounts = named[row.invoice_id]
            if accounts and set(accounts) <= mine:
                pdf = invoice_pdf(self.portal.book, row.invoice_id)
                found.append(Made(accounts[0], f"invoice-{row.invoice_id}.pdf", pdf))
        billed = {account for made in found for account in named[made.file[8:-4]]}
        rest = [Made(name, "", b"", "No invoice of the period.") for name in names]
        return found + [made for made in rest if made.account_id not in billed]


def _each(names: list[str], make: Callable[[str], bytes], kind: str, period: str) -> list[Made]:
    """One document for each account, or why there is none."""
    found = []
    for account in names:
        try:
            pdf = make(account)
        except InputError as error:
            found.append(Made(account, "", b"", error.message))
        else:
            found.append(Made(account, f"{kind}-{account}-{period}.pdf", pdf))
    return found


def zipped(made: list[Made]) -> bytes:
    """The files and an index with the hash of each, in order of their names."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(("account", "file", "sha256", "why not"))
    out = io.BytesIO()
    with ZipFile(out, "w", ZIP_STORED) as archive:
        for one in sorted(made, key=lambda m: (m.account_id, m.file)):
            digest = sha256(one.pdf).hexdigest() if one.file else ""
            writer.writerow((one.account_id, one.file, digest, one.why))
            if one.file:
                archive.writestr(ZipInfo(one.file, _EPOCH), one.pdf)
        archive.writestr(ZipInfo("index.csv", _EPOCH), table.getvalue())
    return out.getvalue()
