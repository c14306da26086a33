"""The Fees page of an account and the manager's Billing page: what was billed, how, and to whom.

Nothing is computed again: lines, sentences and payees are those of the released invoices (B30).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from opensma.billing.corrections import Correction, propose
from opensma.billing.cycle import parse_period
from opensma.book.feeviews import (
    Bill,
    PayeeRevenue,
    agreements_naming,
    billing_runs,
    bills_of,
    payee_revenue,
)
from opensma.book.invoices import InvoiceLineRow
from opensma.book.rights import Right
from opensma.book.visible import seen_account, visible_among
from opensma.errors import InputError
from opensma.report.documents.render import installed
from opensma.web.documents import Papers

if TYPE_CHECKING:
    from opensma.web.portal import Portal

# What an adjusting line is, in words; `base` lines are the fee itself.
LINE_NAMES = {
    "base": "Fee",
    "discount": "Discount",
    "flow": "Flow in the period",
    "minimum": "Minimum applied",
    "cap": "Cap applied",
    "credit": "Credit",
    "opening": "Days before the invoice",
    "refund": "Refund of days not served",
}
KINDS = {"fee": "Invoice", "refund": "Refund", "reversal": "Reversal"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A bill as the viewer may see it: the lines of accounts that are theirs to see."""

    bill: Bill
    lines: tuple[InvoiceLineRow, ...]
    payees: tuple[tuple[str, str, int], ...]  # role, payee, cents of the lines shown
    whole: bool  # every account of the invoice is visible
    own_cents: int  # of the page's account

    @property
    def shown_cents(self) -> int:
        """Sum of the lines shown."""
        return sum(line.amount_cents for line in self.lines)

    @property
    def yearly(self) -> float | None:
        """Effective annual rate on the billed value (B29); None where it would say nothing."""
        row = self.bill.invoice
        if not self.whole or row.kind != "fee" or row.value_cents <= 0 or row.amount_cents < 0:
            return None
        days = (_day(row.service_end) - _day(row.service_start)).days + 1
        return float(Fraction(row.amount_cents * 365, row.value_cents * days))


def shown_bills(bills: Iterable[Bill], account_id: str, seen: set[str]) -> list[Shown]:
    """Bills with what a viewer of these accounts may see of them."""
    found = []
    for bill in bills:
        lines = tuple(line for line in bill.lines if line.account_id in seen)
        if not lines:
            continue
        totals: dict[tuple[str, str], int] = {}
        for part in bill.parts:
            if part.account_id in seen:
                key = (part.role, part.payee)
                totals[key] = totals.get(key, 0) + part.amount_cents
        own = sum(line.amount_cents for line in lines if line.account_id == account_id)
        payees = tuple((role, payee, cents) for (role, payee), cents in sorted(totals.items()))
        found.append(Shown(bill, lines, payees, set(bill.accounts) <= seen, own))
    return found


def year_to_date(bills: Sequence[Shown], day: date) -> int:
    """Cents of the account's standing bills whose service ended this calendar year (B29)."""
    year, until = str(day.year), day.isoformat()
    return sum(
        b.own_cents
        for b in bills
        if b.bill.stands and b.bill.invoice.service_end[:4] == year
        and b.bill.invoice.service_end <= until
    )  # fmt: skip


def billed_through(bills: Sequence[Shown], account_id: str) -> str | None:
    """Last day served by a standing invoice that charges the account."""
    ends = [
        b.bill.invoice.service_end
        for b in bills
        if b.bill.stands
        and b.bill.invoice.kind == "fee"
        and any(line.account_id == account_id for line in b.lines)
    ]
    return max(ends, default=None)


def by_payee(rows: Sequence[PayeeRevenue]) -> list[tuple[str, str, int]]:
    """(role, payee, cents) over all periods, by role and name."""
    totals: dict[tuple[str, str], int] = {}
    for row in rows:
        totals[row.role, row.payee] = totals.get((row.role, row.payee), 0) + row.amount_cents
    return [(role, payee, cents) for (role, payee), cents in sorted(totals.items())]


@dataclass(frozen=True)
class Fees:
    """Pages of fees, for the portal's viewer."""

    portal: Portal
    papers: Papers

    def account(self, request: Request) -> Response:
        """Every invoice of one account and of its agreement, line by line."""
        name, viewer = request.path_params["account_id"], self.portal.viewer
        with self.portal.book.read() as connection:
            account = seen_account(connection, name, viewer, Right.FEES)
            bills = bills_of(connection, name)
            named = {n for bill in bills for n in bill.accounts}
            seen = {a.account_id for a in visible_among(connection, named, viewer, Right.FEES)}
            found = shown_bills(bills, name, seen)
            agreements = agreements_naming(connection, name)
        day = date.fromordinal(int(self.portal.market.days[-1]))
        return self.portal.page(
            "fees.html",
            account=account,
            bills=found,
            agreements=agreements,
            year=day.year,
            year_cents=year_to_date(found, day),
            through=billed_through(found, name),
            latest=next((b for b in found if b.bill.stands and b.yearly is not None), None),
            line_names=LINE_NAMES,
            kinds=KINDS,
            installed=installed(),
        )

    def billing(self, request: Request) -> Response:
        """Runs, what they held, revenue by payee, and corrections of a period when asked."""
        self.papers.must_see_all()
        with self.portal.book.read() as connection:
            runs = billing_runs(connection)
            revenue = payee_revenue(connection)
        asked = request.query_params.get("corrections", "")
        corrections = self._corrections(asked) if asked else None
        return self.portal.page(
            "billing.html",
            runs=runs,
            revenue=revenue,
            totals=by_payee(revenue),
            periods=sorted({run.period for run in runs}, reverse=True),
            asked=asked,
            corrections=corrections,
        )

    def _corrections(self, period: str) -> tuple[Correction, ...]:
        try:
            return propose(self.portal.book, parse_period(period))
        except InputError as error:
            if error.code != "billing.period":
                raise
            raise HTTPException(HTTPStatus.NOT_FOUND) from None


def _day(iso: str) -> date:
    return date.fromisoformat(iso)
