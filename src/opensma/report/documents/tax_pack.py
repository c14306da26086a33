"""A tax year of one account for its owner and their tax preparer, in finished words.

Realised sales in the order of Form 8949 with codes, wash sales, dividends, and the taxpayer's
carryforward. The same figures as `sma tax year`; not tax advice and not a Form 1099-B (P45).
"""

from __future__ import annotations

from datetime import date
from typing import Any

from opensma.book.master import Advisor, Owner, Program, Strategy, all_records
from opensma.book.rights import Viewer
from opensma.book.store import Book
from opensma.book.taxviews import TaxYear, tax_year
from opensma.errors import InputError
from opensma.report.documents.render import render
from opensma.report.words import counted, day_words, money, signed_money
from opensma.tax.forms import Form8949Row, box_totals


def tax_pack_pdf(book: Book, account_id: str, year: int, viewer: Viewer | None = None) -> bytes:
    """The pack as PDF, dated by the last day of the year; BookError account.unknown."""
    view = tax_year(book, account_id, year, viewer=viewer)
    return render("tax_pack", tax_pack_data(book, view), date(year, 12, 31))


def tax_pack_data(book: Book, view: TaxYear) -> dict[str, Any]:
    """Everything in the pack; InputError tax.pack_account for a whole taxpayer."""
    if view.account_id is None:
        raise InputError(
            "tax.pack_account",
            "A tax pack is of one account.",
            where=view.taxpayer.taxpayer_id,
            remedy="Name the account.",
        )
    own = view.shown()[0]
    names = {row.box for row in view.rows}
    final = view.final
    status = (
        f"final since {_day(final.processed)}"
        if final.final
        else (f"not final: purchases until {_day(final.last_purchase)} can still change it")
    )
    return {
        "title": f"Tax pack {view.year} of {view.account_id}",
        "year": str(view.year),
        "as_of": day_words(view.as_of.toordinal()),
        "status": status,
        "account": _person(book, view),
        "taxed": own.account.taxed,
        "figures": [
            ["Net short-term", signed_money(own.short_cents), "after wash sales"],
            ["Net long-term", signed_money(own.long_cents), "after wash sales"],
            ["Deferred by wash sales", money(own.deferred_cents), _permanent(own.permanent_cents)],
        ],
        "boxes": [_box(view, box) for box in sorted(names)],
        "wash": [_wash(row) for row in view.rows if "W" in row.code],
        "dividends": [
            ["Qualified, by days held", money(own.qualified_cents)],
            ["Ordinary", money(own.ordinary_dividend_cents)],
            ["Of both, a sale could still change", money(own.open_dividend_cents)],
        ],
        "carry": _carry(view),
        "rates": {
            "income": money(view.profile.taxable_income_cents),
            "filing": view.taxpayer.filing_status.replace("_", " "),
            "state": view.taxpayer.state,
        },
    }


def _permanent(cents: int) -> str:
    return f"and {money(cents)} lost for good" if cents else "added to other shares' basis"


def _person(book: Book, view: TaxYear) -> dict[str, str]:
    account = view.shown()[0].account
    with book.read() as connection:
        owners = {o.owner_id: o.name for o in all_records(connection, Owner)}
        advisors = {a.advisor_id: a for a in all_records(connection, Advisor)}
        strategies = {s.strategy_id: s for s in all_records(connection, Strategy)}
        programs = {p.program_id: p.name for p in all_records(connection, Program)}
    advisor = advisors[account.advisor_id]
    return {
        "id": account.account_id,
        "owner": owners[account.owner_id],
        "custodian": account.custodian,
        "advisor": advisor.name,
        "firm": advisor.firm,
        "program": programs[strategies[account.strategy_id].program_id],
        "taxpayer": view.taxpayer.name,
    }


_BOXES = {
    "A": "short-term, basis reported to the IRS",
    "B": "short-term, basis not reported to the IRS",
    "C": "short-term, no Form 1099-B",
    "D": "long-term, basis reported to the IRS",
    "E": "long-term, basis not reported to the IRS",
    "F": "long-term, no Form 1099-B",
}


def _box(view: TaxYear, box: str) -> dict[str, Any]:
    rows = [row for row in view.rows if row.box == box]
    total = next(t for t in box_totals(rows) if t.text == f"box {box}")
    sums = (total.proceeds_cents, total.basis_cents)
    return {
        "name": f"Box {box}: {_BOXES.get(box, '')}".rstrip(": "),
        "rows": [
            [
                row.description,
                _day(row.acquired),
                _day(row.sold),
                money(row.proceeds_cents),
                money(row.basis_cents),
                row.code,
                money(row.adjustment_cents) if row.code else "",
                signed_money(row.gain_cents),
            ]
            for row in rows
        ],
        "total": [
            counted(total.rows, "row"),
            *("", ""),
            *(money(cents) for cents in sums),
            "",
            money(total.adjustment_cents),
            signed_money(total.gain_cents),
        ],
    }


def _day(text: str) -> str:
    return text if not text[:1].isdigit() else day_words(text)


def _wash(row: Form8949Row) -> list[str]:
    return [row.description, _day(row.sold), row.lot, money(row.adjustment_cents)]


def _carry(view: TaxYear) -> dict[str, Any]:
    """The taxpayer's netting by year; a viewer who may not see every account is told."""
    if view.household is None:
        why = "Netting needs all accounts of the taxpayer; some are not yours to see."
        return {"rows": [], "note": why}
    rows = [
        [
            str(line.result.year),
            signed_money(line.result.short_cents),
            signed_money(line.result.long_cents),
            f"{money(line.short_in_cents)} / {money(line.long_in_cents)}",
            money(line.netting.used_cents),
            f"{money(line.netting.short_carry_cents)} / {money(line.netting.long_carry_cents)}",
        ]
        for line in view.household.ledger
    ]
    return {"rows": rows, "note": ""}
