"""Drafts of a period: for every agreement its invoice or the reason why there is none, refunds.

Nothing is written here. The same book gives the same drafts, and each draft the same id (B19).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from opensma.billing.bases import advance_base, base_of
from opensma.billing.checks import Known, check
from opensma.billing.cycle import Period
from opensma.billing.disclosure_checks import Disclosed, check_disclosed
from opensma.billing.exact import largest_remainder, refuse, to_cents
from opensma.billing.invoice import (
    Invoice,
    Line,
    Served,
    draw_up,
    flow_line,
    refund,
    sentence,
)
from opensma.billing.sources import Sources
from opensma.billing.terms import Agreement, Member, Timing, closed_versions
from opensma.book.invoices import FeeLedgerRow, InvoiceLineRow, InvoiceRow
from opensma.book.journal import canonical
from opensma.book.master import AccountRecord
from opensma.errors import Finding, InputError
from opensma.units import CENTS, dollars

_ENGINE = "1"  # part of every id: another arithmetic makes other invoices
_E8 = 10**8


@dataclass(frozen=True, slots=True)
class Draft:
    """An invoice ready to be released, with what the checks say; no invoice when it is held."""

    agreement: str
    findings: tuple[Finding, ...]
    invoice: InvoiceRow | None = None
    lines: tuple[InvoiceLineRow, ...] = ()
    ledger: tuple[FeeLedgerRow, ...] = ()
    cleared_by: str = ""  # the second person, where one let a hold through (F26)

    @property
    def held(self) -> bool:
        """Whether a person must act before it may be released."""
        return any(f.severity == "error" for f in self.findings)


@dataclass(frozen=True, slots=True)
class Drafts:
    """All of a period: new drafts, and invoices that were released before."""

    period: Period
    drafts: tuple[Draft, ...]
    already: tuple[InvoiceRow, ...]


def draft_period(sources: Sources) -> Drafts:
    """Every agreement of the period's frequency, in order of name; refunds after invoices."""
    period = sources.period
    drafts, already = [], []
    chosen = _agreements(sources)
    memberships: dict[str, list[str]] = {}
    for name, versions in chosen.items():
        for member in versions[-1].members:
            known_account = member.account_id in sources.accounts
            if known_account and _days(sources, versions[-1], member):
                memberships.setdefault(member.account_id, []).append(name)
    billed = sources.billed_days()
    households: dict[str, list[AccountRecord]] = {}
    for account in sources.accounts.values():
        households.setdefault(account.taxpayer_id, []).append(account)
    for name, versions in chosen.items():
        done = [r for r in sources.fee_invoices(name) if r.period == period.name]
        already += done
        if not done:
            known = Known(
                sources.schedules, sources.accounts, billed, _billed_to(sources, name),
                memberships, _last_rate(sources, name), households,
            )  # fmt: skip
            drafts += _draft(sources, versions, known)
    return Drafts(period, (*drafts, *_refunds(sources, chosen)), tuple(already))


def _agreements(sources: Sources) -> dict[str, list[Agreement]]:
    """By name the versions that hold on some day of the period, and bill by its frequency."""
    period, found = sources.period, {}
    for name, versions in sorted(sources.agreements.items()):
        ordered = closed_versions(versions)
        ends = [v.dates.first - timedelta(days=1) for v in ordered[1:]] + [date.max]
        held = [
            replace(v, dates=replace(v.dates, last=min(v.dates.last or end, end)))
            for v, end in zip(ordered, ends, strict=True)
        ]
        inside = [
            v for v in held
            if v.dates.first <= period.end and (v.dates.last or date.max) >= period.start
        ]  # fmt: skip
        if inside and inside[-1].frequency is period.frequency:
            found[name] = inside
    return found


def _draft(sources: Sources, versions: Sequence[Agreement], known: Known) -> list[Draft]:
    agreement = versions[-1]
    findings = _terms_findings(sources, versions)
    served = []
    for member in agreement.members:
        try:
            served += _served(sources, agreement, member)
        except InputError as error:
            findings.append(_finding(error, agreement.name))
    if findings:
        return [Draft(agreement.name, tuple(findings))]
    if not served:
        return []
    try:
        invoice = draw_up(
            agreement, sources.schedules, sources.period, served,
            _carried(sources, agreement.name), _earlier_flows(sources, agreement, served),
        )  # fmt: skip
    except InputError as error:
        return [Draft(agreement.name, (_finding(error, agreement.name),))]
    disclosed = Disclosed(sources.brochures, sources.facts, _flows_due(sources, agreement, served))
    findings = check(invoice, known) + check_disclosed(invoice, sources.schedules, disclosed)
    ordered = sorted(findings, key=lambda f: (f.code, f.where, f.what))
    return [_kept(sources, invoice, tuple(ordered))]


def _finding(error: InputError, agreement: str) -> Finding:
    return Finding("error", error.code, error.where or agreement, error.message, error.remedy)


def _terms_findings(sources: Sources, versions: Sequence[Agreement]) -> list[Finding]:
    """F01: one version a period; every schedule and account that the agreement names exists."""
    agreement, found = versions[-1], []
    if len(versions) > 1:
        days = " and ".join(str(v.dates.first) for v in versions[1:])
        found.append(
            Finding(
                "error", "F01", agreement.name,
                f"The agreement changes inside {sources.period.name}, on {days}.",
                "Let versions begin on the first day of a period; rates may change any day.",
            )
        )  # fmt: skip
    known = {s.name for s in sources.schedules}
    for name in sorted({agreement.schedule, *(m.schedule for m in agreement.members)} - {""}):
        if name not in known:
            what, remedy = f"There is no schedule '{name}'.", "Load it with sma bill schedules."
            found.append(Finding("error", "F02", agreement.name, what, remedy))
    return found


def _days(sources: Sources, agreement: Agreement, member: Member) -> tuple[date, date] | None:
    """First and last day of the period that the account is served; None where it is not (B9)."""
    account = sources.accounts.get(member.account_id)
    if account is None:
        refuse(
            "member_unknown",
            f"The member '{member.account_id}' has no account in the book.",
            where=agreement.name,
            remedy="Correct the agreement's members, or open the account.",
        )
    first = max(
        sources.period.start, agreement.dates.first, member.dates.first,
        date.fromisoformat(account.opened),
    )  # fmt: skip
    last = min(sources.period.end, agreement.dates.last or date.max, member.dates.last or date.max)
    return (first, last) if first <= last else None


def _served(sources: Sources, agreement: Agreement, member: Member) -> list[Served]:
    days = _days(sources, agreement, member)
    if days is None:
        return []
    first, last = days
    values = sources.account_values(member.account_id, agreement.exclusions)
    if agreement.timing is Timing.ADVANCE:
        return [Served(member, first, last, advance_base(values, first))]
    base = base_of(values, agreement.basis, first, last, sources.period.start)
    flows = tuple(sources.flows(member.account_id, first, last))
    return [Served(member, first, last, base, flows)]


def _previous(sources: Sources, agreement: str) -> InvoiceRow | None:
    start = sources.period.start.isoformat()
    earlier = [r for r in sources.fee_invoices(agreement) if r.service_end < start]
    return earlier[-1] if earlier else None


def _billed_to(sources: Sources, agreement: str) -> date | None:
    row = _previous(sources, agreement)
    return None if row is None else date.fromisoformat(row.service_end)


def _carried(sources: Sources, agreement: str) -> Fraction:
    row = _previous(sources, agreement)
    return Fraction(row.credit_left_cents, CENTS) if row else Fraction(0)


def _last_rate(sources: Sources, agreement: str) -> Fraction | None:
    """Fee of the last invoice for a dollar and day."""
    row = _previous(sources, agreement)
    lines = sources.lines.get(row.invoice_id, ()) if row else ()
    weight = sum(x.base_cents * x.days for x in lines if x.kind == "base")
    return Fraction(row.amount_cents, weight) if row and weight else None


def _earlier_flows(sources: Sources, agreement: Agreement, served: Sequence[Served]) -> list[Line]:
    """Flows of the period before, which was billed in advance and could not know them (B14)."""
    row = _previous(sources, agreement.name)
    past = sources.period.previous
    threshold = agreement.flow_threshold
    advance = agreement.timing is Timing.ADVANCE and row and row.timing == Timing.ADVANCE.value
    if row is None or not advance or threshold is None or row.period != past.name:
        return []
    spans = {
        part.account_id: (
            date.fromisoformat(part.service_start), date.fromisoformat(part.service_end)
        )
        for part in sources.ledger.get(row.invoice_id, ())
    }  # fmt: skip
    found = []
    for account in (s.member.account_id for s in served):
        if account not in spans:
            continue
        mine = [x for x in sources.lines.get(row.invoice_id, ()) if x.account_id == account]
        base = [x for x in mine if x.kind == "base"]
        weight = sum(x.base_cents * x.days for x in base)
        rates = sum(x.rate_e8 * x.base_cents * x.days for x in base)
        rate = Fraction(rates, weight * _E8) * (1 - agreement.discount) if weight else Fraction(0)
        found += [
            flow_line(agreement, past, account, spans[account], flow, rate)
            for flow in sources.flows(account, *spans[account])
            if abs(flow[1]) > threshold
        ]
    return found


def _flows_due(
    sources: Sources, agreement: Agreement, served: Sequence[Served]
) -> list[tuple[str, date]]:
    """Flows of the last advance bill that are due on this one, counted anew for F15."""
    row = _previous(sources, agreement.name)
    past, limit = sources.period.previous, agreement.flow_threshold
    advance = row is not None and {row.timing, agreement.timing.value} == {Timing.ADVANCE.value}
    if row is None or not advance or limit is None or row.period != past.name:
        return []
    here = {one.member.account_id for one in served}
    found = set()
    for part in sources.ledger.get(row.invoice_id, ()):
        first, last = date.fromisoformat(part.service_start), date.fromisoformat(part.service_end)
        if part.account_id in here:
            flows = sources.flows(part.account_id, first, last)
            found |= {(part.account_id, day) for day, amount in flows if abs(amount) > limit}
    return sorted(found)


# --- refunds -------------------------------------------------------------------------------------


def _refunds(sources: Sources, chosen: dict[str, list[Agreement]]) -> list[Draft]:
    """What was billed in advance for days after a member's last one goes back unasked (B10)."""
    given = {
        (row.follows, part.account_id)
        for row in sources.live
        if row.kind == "refund"
        for part in sources.ledger.get(row.invoice_id, ())
    }
    found = []
    for row in sources.advance_invoices():
        versions = sources.agreements.get(row.agreement, ())
        ordered = closed_versions(list(versions))
        parts = sources.ledger.get(row.invoice_id, ())
        for account in sorted({part.account_id for part in parts}):
            mine = [part for part in parts if part.account_id == account]
            last = _last_day(ordered, account)
            late = last is not None and last.isoformat() < mine[0].service_end
            if last and late and (row.invoice_id, account) not in given:
                found.append(_refund(sources, row, mine, last))
    return found


def _last_day(versions: Sequence[Agreement], account: str) -> date | None:
    """The last day an account is served under the newest version; None while it goes on."""
    following: Agreement | None = None
    for version in reversed(versions):
        for member in version.members:
            if member.account_id != account:
                continue
            left_out = following.dates.first - timedelta(days=1) if following else None
            ends = [d for d in (member.dates.last, version.dates.last, left_out) if d]
            return min(ends) if ends else None
        following = version
    return None


def _refund(sources: Sources, row: InvoiceRow, parts: Sequence[FeeLedgerRow], last: date) -> Draft:
    first, end = (date.fromisoformat(d) for d in (parts[0].service_start, parts[0].service_end))
    days, served = (end - first).days + 1, max(0, (last - first).days + 1)
    billed = sum(part.amount_cents for part in parts)
    cents = refund(billed, days, served)
    account = parts[0].account_id
    before = sorted(r.invoice_id for r in sources.refunds.get(row.invoice_id, ()))
    identity = _digest("refund", row.invoice_id, account, last.isoformat(), cents, before, _ENGINE)
    start = max(first, last + timedelta(days=1)).isoformat()
    words = (
        f"{dollars(billed)} billed, {days - served} of {days} days after {last} unearned "
        f"= {dollars(-cents)}"
    )
    line = InvoiceLineRow(
        identity, 1, account, "refund", billed, 0, days - served, days, 0,
        "", 0, None, -cents, words,
    )  # fmt: skip
    split = largest_remainder(cents, [Fraction(part.amount_cents) for part in parts])
    ledger = tuple(
        replace(part, invoice_id=identity, service_start=start, amount_cents=-back)
        for part, back in zip(parts, split, strict=True)
    )
    invoice = replace(
        row, invoice_id=identity, kind="refund", period=sources.period.name,
        service_start=start, amount_cents=-cents, value_cents=0, excluded_cents=0,
        credit_left_cents=0, follows=row.invoice_id, run_id="",
    )  # fmt: skip
    return Draft(row.agreement, (), invoice, (line,), ledger)


# --- rows ----------------------------------------------------------------------------------------


def _digest(*facts: object) -> str:
    return hashlib.sha256(canonical(list(facts)).encode()).hexdigest()[:24]


def _kept(sources: Sources, invoice: Invoice, findings: tuple[Finding, ...]) -> Draft:
    """The rows of an invoice; a correction names the invoice that was reversed (B18)."""
    agreement, period = invoice.agreement, invoice.period
    before = [
        r for r in sources.taken_back.get(agreement.name, ()) if r.period == period.name
    ]  # fmt: skip
    lines = [_line_row(agreement, line, period) for line in invoice.lines]
    identity = _digest(
        agreement.hash, period.name, _ENGINE, sorted(r.invoice_id for r in before),
        [(s.member.account_id, str(s.first), str(s.last), str(s.base.billed))
         for s in invoice.served],
        [(x.account_id, x.schedule, x.schedule_version, x.amount_cents) for x in lines],
    )  # fmt: skip
    spans = {s.member.account_id: s for s in invoice.served}
    row = InvoiceRow(
        identity, "", "fee", agreement.name, agreement.version, agreement.hash, period.name,
        min(s.first for s in invoice.served).isoformat(),
        max(s.last for s in invoice.served).isoformat(),
        agreement.timing.value,
        to_cents(sum((s.base.billed for s in invoice.served), Fraction(0))),
        to_cents(sum((s.base.excluded for s in invoice.served), Fraction(0))),
        invoice.cents, to_cents(invoice.credit_left), None, _newest(before),
    )  # fmt: skip
    ledger = tuple(
        FeeLedgerRow(
            identity, p.account_id, p.payee, p.role, spans[p.account_id].member.pays_from,
            spans[p.account_id].first.isoformat(), spans[p.account_id].last.isoformat(), p.cents,
        )
        for p in invoice.payouts
    )  # fmt: skip
    numbered = tuple(
        replace(line, invoice_id=identity, position=n) for n, line in enumerate(lines, 1)
    )
    return Draft(agreement.name, findings, row, numbered, ledger)


def _newest(before: Sequence[InvoiceRow]) -> str | None:
    """Of the reversed invoices of a period the one that no other one follows."""
    followed = {r.follows for r in before}
    return next((r.invoice_id for r in before if r.invoice_id not in followed), None)


def _line_row(agreement: Agreement, line: Line, period: Period) -> InvoiceLineRow:
    rate = line.rate * _E8
    return InvoiceLineRow(
        "", 0, line.account_id, line.kind.value, line.base_cents,
        (2 * rate.numerator + rate.denominator) // (2 * rate.denominator), line.days,
        line.of_days or period.days, line.tier, line.schedule, line.schedule_version,
        line.flow_day.isoformat() if line.flow_day else None, line.cents,
        sentence(agreement, line, period),
    )  # fmt: skip
