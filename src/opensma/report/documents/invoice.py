"""What an invoice says: whose fee, on which value, by which terms, and every line in words.

Everything comes from the invoice's own rows and the versions of terms that it names, so the same
invoice gives the same document for ever (B19, B29, B30).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from opensma.billing.termfile import stored
from opensma.billing.terms import Agreement, FeeSchedule
from opensma.book.invoices import (
    FeeLedgerRow,
    InvoiceLineRow,
    InvoiceRow,
    all_invoices,
    all_terms,
    find_invoice,
    ledger_of,
    lines_of,
    live_invoices,
)
from opensma.book.master import AccountRecord, Advisor, Owner, Program, Strategy, all_records
from opensma.book.store import Book, Connection
from opensma.errors import ensure
from opensma.report.documents.render import render
from opensma.report.words import day_words, listed, money, percent

_KINDS = {"fee": "Invoice", "refund": "Refund", "reversal": "Reversal of an invoice"}


def invoice_pdf(book: Book, invoice_id: str) -> bytes:
    """The invoice as PDF, dated by its last day of service; BookError invoice.unknown."""
    with book.read() as connection:
        data, last = invoice_data(connection, invoice_id)
    return render("invoice", data, last)


def invoice_data(connection: Connection, invoice_id: str) -> tuple[dict[str, Any], date]:
    """Everything on an invoice, and the day that dates it."""
    row = find_invoice(connection, invoice_id)
    lines, ledger = lines_of(connection, invoice_id), ledger_of(connection, invoice_id)
    agreement, schedules = _terms(connection, row, lines)
    kind = _KINDS.get(row.kind, row.kind)
    served = f"{_day(row.service_start)} to {_day(row.service_end)}"
    data = {
        "title": f"{kind} {row.agreement}, {row.period}",
        "kind": kind,
        "id": row.invoice_id,
        "served": served,
        "account": _people(connection, ledger),
        "terms": {
            "agreement": f"{row.agreement}, version {row.agreement_version}",
            "timing": _timing(agreement),
            "method": agreement.method.value.replace("_", " "),
            "hash": row.agreement_hash[:16],
        },
        "figures": [
            ["Billed value", money(row.value_cents), agreement.basis.value.replace("_", " ")],
            ["Excluded value", money(row.excluded_cents), _excluded(agreement)],
            ["Amount", money(row.amount_cents), _effective(row)],
        ],
        "tiers": [_tiers(schedule) for schedule in schedules],
        "accounts": _accounts(connection, lines, ledger),
        "total": money(row.amount_cents),
        "payees": _payees(ledger),
        "conditions": _conditions(agreement),
        "year": _year(connection, row, {line.account_id for line in lines}),
        "notes": _notes(connection, row),
    }
    return data, date.fromisoformat(row.service_end)


def _day(iso: str) -> str:
    return day_words(iso)


def _terms(
    connection: Connection, row: InvoiceRow, lines: Sequence[InvoiceLineRow]
) -> tuple[Agreement, list[FeeSchedule]]:
    wanted = {(line.schedule, line.schedule_version) for line in lines if line.schedule}
    agreement: Agreement | None = None
    schedules = []
    for terms in all_terms(connection):
        made = stored(terms.kind, terms.body)
        if isinstance(made, FeeSchedule):
            if (made.name, made.version) in wanted:
                schedules.append(made)
        elif (made.name, made.version) == (row.agreement, row.agreement_version):
            agreement = made
    ensure(agreement is not None, "an invoice without its agreement", invoice=row.invoice_id)
    assert agreement is not None
    return agreement, schedules


def _people(connection: Connection, ledger: Sequence[FeeLedgerRow]) -> dict[str, str]:
    accounts = {a.account_id: a for a in all_records(connection, AccountRecord)}
    own = [accounts[name] for name in sorted({part.account_id for part in ledger})]
    first = own[0]
    advisors = {a.advisor_id: a for a in all_records(connection, Advisor)}
    owners = {o.owner_id: o.name for o in all_records(connection, Owner)}
    strategies = {s.strategy_id: s for s in all_records(connection, Strategy)}
    programs = {p.program_id: p.name for p in all_records(connection, Program)}
    return {
        "id": listed([a.account_id for a in own], 4),
        "owner": listed(list(dict.fromkeys(owners[a.owner_id] for a in own)), 3),
        "custodian": listed(list(dict.fromkeys(a.custodian for a in own)), 3),
        "advisor": advisors[first.advisor_id].name,
        "firm": advisors[first.advisor_id].firm,
        "program": programs[strategies[first.strategy_id].program_id],
    }


def _timing(agreement: Agreement) -> str:
    basis = agreement.day_basis.value.replace("_", " ")
    return f"{agreement.frequency.value}, in {agreement.timing.value}, {basis}"


def _excluded(agreement: Agreement) -> str:
    reasons = list(dict.fromkeys(e.reason for e in agreement.exclusions))
    return listed(reasons, 2) if reasons else "nothing is excluded"


def _effective(row: InvoiceRow) -> str:
    """The yearly rate that the amount comes to on the billed value (B29)."""
    days = (date.fromisoformat(row.service_end) - date.fromisoformat(row.service_start)).days + 1
    if not row.value_cents or row.amount_cents < 0:
        return f"{days} days"
    yearly = Fraction(row.amount_cents * 365, row.value_cents * days)
    return f"{percent(float(yearly), 3)} a year, {days} days"


def _tiers(schedule: FeeSchedule) -> dict[str, Any]:
    rows = []
    if schedule.tiers is None:
        rows = [["each account", f"{_money(schedule.amount or Fraction(0))} a year"]]
    else:
        low = Fraction(0)
        for tier in schedule.tiers.tiers:
            bound = "above" if tier.up_to is None else f"to {_money(Fraction(tier.up_to))}"
            text = f"{_money(low)} {bound}" if tier.up_to is not None else f"above {_money(low)}"
            rows.append([text, f"{percent(float(tier.rate), 4)} a year"])
            low = low if tier.up_to is None else Fraction(tier.up_to)
    style = schedule.style.value.replace("_", " ")
    return {"name": f"{schedule.name}, version {schedule.version}, {style}", "rows": rows}


def _money(amount: Fraction) -> str:
    return money(int(amount * 100))


def _accounts(
    connection: Connection, lines: Sequence[InvoiceLineRow], ledger: Sequence[FeeLedgerRow]
) -> list[dict[str, Any]]:
    """Lines of each account with their sentence, its part, and the account that pays."""
    custodians = {a.account_id: a.custodian for a in all_records(connection, AccountRecord)}
    found = []
    for account in sorted({line.account_id for line in lines}):
        own = [line for line in lines if line.account_id == account]
        paying = sorted({p.paying_account_id for p in ledger if p.account_id == account})
        rows = [[_label(line), line.sentence, money(line.amount_cents)] for line in own]
        found.append(
            {
                "id": account,
                "paying": f"{listed(paying)} at {custodians[paying[0]]}" if paying else "",
                "rows": rows,
                "total": money(sum(line.amount_cents for line in own)),
            }
        )
    return found


def _label(line: InvoiceLineRow) -> str:
    tier = f", tier {line.tier}" if line.tier else ""
    flow = f" of {_day(line.flow_day)}" if line.flow_day else ""
    return f"{line.kind.capitalize()}{tier}{flow}"


def _payees(ledger: Sequence[FeeLedgerRow]) -> list[list[str]]:
    totals: dict[tuple[str, str], int] = {}
    for part in ledger:
        key = (part.role, part.payee)
        totals[key] = totals.get(key, 0) + part.amount_cents
    return [[payee, role, money(cents)] for (role, payee), cents in sorted(totals.items())]


def _conditions(agreement: Agreement) -> list[str]:
    """What else the terms say, in sentences."""
    found = []
    if agreement.discount:
        found.append(f"Negotiated discount of {percent(float(agreement.discount))}.")
    if agreement.annual_minimum is not None:
        found.append(f"Least fee {_money(agreement.annual_minimum)} a year, by days served.")
    if agreement.annual_cap is not None:
        found.append(f"Largest fee {_money(agreement.annual_cap)} a year; it wins over the least.")
    if agreement.flow_threshold is not None:
        found.append(
            f"Deposits and withdrawals above {_money(agreement.flow_threshold)} are adjusted by "
            "the days that the billed value missed them."
        )
    found.append(
        "When the service ends early, the fee of the days not served is given back without a "
        "request."
    )
    return found


def _year(connection: Connection, row: InvoiceRow, accounts: set[str]) -> str:
    """Fees of the calendar year so far that stand, of the same accounts."""
    year, until = row.service_end[:4], row.service_end
    cents = 0
    for other in live_invoices(connection):
        if other.service_end[:4] == year and other.service_end <= until:
            lines = lines_of(connection, other.invoice_id)
            cents += sum(line.amount_cents for line in lines if line.account_id in accounts)
    return f"Fees of {year} for these accounts so far, this document included: {money(cents)}."


def _notes(connection: Connection, row: InvoiceRow) -> list[str]:
    found = []
    if row.credit_left_cents:
        left = money(abs(row.credit_left_cents))
        found.append(f"A credit of {left} is carried to the next period.")
    if row.reversal_of is not None:
        found.append(f"Takes back invoice {row.reversal_of}.")
    if row.follows is not None:
        found.append(f"Follows invoice {row.follows}.")
    taken = [r.invoice_id for r in all_invoices(connection) if r.reversal_of == row.invoice_id]
    if taken:
        found.append(f"This invoice was taken back by {taken[0]} and is no longer due.")
    return found
