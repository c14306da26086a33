"""The regulator's published list of fee errors as checks of an invoice before it is released.

`F01` and so on are explained in docs/billing.md. An `error` holds the agreement, a `warning` is
shown. Each check reads the finished invoice, so a mistake of the engine is found as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from opensma.billing.exact import to_cents
from opensma.billing.invoice import Invoice, LineKind, Served
from opensma.billing.schedules import Style
from opensma.billing.terms import FeeSchedule, HouseholdMethod, in_force
from opensma.book.master import AccountRecord
from opensma.errors import Finding
from opensma.units import CENTS, dollars

_HIGHEST_RATE = Fraction(3, 100)
_LARGE_CHANGE = Fraction(1, 10)
_NEAR_A_BOUND = Fraction(1, 100)


@dataclass(frozen=True, slots=True)
class Known:
    """What the checks compare an invoice with; days billed are those of invoices that stand."""

    schedules: Sequence[FeeSchedule]
    accounts: Mapping[str, AccountRecord]
    billed_days: Mapping[str, Sequence[tuple[date, date]]] = field(default_factory=dict)
    billed_to: date | None = None  # the last day that this agreement was billed for before
    agreements_of: Mapping[str, Sequence[str]] = field(default_factory=dict)  # in the period
    last_rate: Fraction | None = None  # fee for a dollar and day, on the invoice before
    households: Mapping[str, Sequence[AccountRecord]] = field(default_factory=dict)  # by taxpayer


def check(invoice: Invoice, known: Known) -> list[Finding]:
    """Everything the checks say about one invoice."""
    found = [
        *_rates(invoice, known),
        *_days(invoice, known),
        *_members(invoice, known),
        *_amounts(invoice, known),
        *_inversions(invoice, known),
    ]
    return sorted(found, key=lambda f: (f.code, f.where, f.what))


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding("error", code, where, what, remedy)


def _warning(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding("warning", code, where, what, remedy)


def slow_fee(invoice: Invoice, schedules: Sequence[FeeSchedule]) -> Fraction:
    """The fee before discount, day by day and by another formula than the engine's (F06)."""
    total = Fraction(0)
    agreement, served = invoice.agreement, invoice.served
    aggregate = agreement.method is HouseholdMethod.AGGREGATE
    for one in served:
        alone = agreement.method is HouseholdMethod.INDIVIDUAL
        others = [one] if alone else served
        value = sum((s.base.billed for s in others), Fraction(0))
        part = one.base.billed / value if value else Fraction(1, len(others))
        name = agreement.schedule if aggregate else one.member.schedule or agreement.schedule
        versions = [s for s in schedules if s.name == name]
        yearly: dict[int, Fraction] = {}
        for offset in range(one.days):
            version = in_force(versions, one.first + timedelta(days=offset))
            if version is None:
                continue  # the amount then differs, and the check says so
            if version.version not in yearly:
                yearly[version.version] = _slow_year(version, value) * part
            total += yearly[version.version]
    return total * agreement.time(1, invoice.period.days)


def _slow_year(version: FeeSchedule, value: Fraction) -> Fraction:
    """Steps between neighbouring rates times the value below each bound."""
    if version.tiers is None:
        return version.amount or Fraction(0)
    tiers = version.tiers.tiers
    if version.style is Style.CLIFF:
        below = [t for t in tiers if t.up_to is not None and t.up_to < value]
        return value * tiers[len(below)].rate
    fee = value * tiers[-1].rate
    for i, tier in enumerate(tiers[:-1]):
        fee += (tier.rate - tiers[i + 1].rate) * min(value, tier.up_to or Fraction(0))
    return fee


def _rates(invoice: Invoice, known: Known) -> list[Finding]:
    agreement, found = invoice.agreement, []
    base = [line for line in invoice.lines if line.kind is LineKind.BASE]
    slow = slow_fee(invoice, known.schedules)
    fast = sum((line.exact for line in base), Fraction(0))
    if slow != fast:
        found.append(
            _error(
                "F06", agreement.name,
                f"The fee by tier is {dollars(to_cents(fast))}, recomputed by the day "
                f"{dollars(to_cents(slow))}.",
                "Please report this: the engine and its check disagree.",
            )
        )  # fmt: skip
    for line in base:
        if line.tier and line.rate > _HIGHEST_RATE:
            what = f"Tier {line.tier} of '{line.schedule}' charges {float(line.rate):.4%} a year."
            found.append(_error("F03", agreement.name, what, "Correct the rate in a new version."))
    names = {(x.schedule, x.schedule_version) for x in base}
    tops = [s.top_rate for s in known.schedules if (s.name, s.version) in names and s.tiers]
    weight = sum((s.base.billed * s.days for s in invoice.served), Fraction(0))
    if tops and weight:
        effective = Fraction(invoice.cents, CENTS) / weight
        top = max(tops) * agreement.time(1, invoice.period.days)
        lifted = any(line.kind is LineKind.MINIMUM for line in invoice.lines)
        slack = Fraction(len(invoice.served), CENTS) / weight
        if lifted and effective > top + slack:
            what = "The minimum lifts the fee above the schedule's highest rate."
            found.append(_warning("F17", agreement.name, what, "Check that it was disclosed."))
        flows = any(line.kind is LineKind.FLOW for line in invoice.lines)
        if not lifted and not flows and effective > top + slack:
            what = "The effective rate is above the schedule's highest rate."
            found.append(_error("F03", agreement.name, what, "Look at the invoice's lines."))
    return found


def _days(invoice: Invoice, known: Known) -> list[Finding]:
    """No day twice, none left out, none outside the period."""
    found = []
    for one in invoice.served:
        account = one.member.account_id
        if one.first < invoice.period.start or one.last > invoice.period.end:
            what = f"{one.first} to {one.last} is not inside {invoice.period.name}."
            found.append(_error("F19", account, what, "Please report this."))
        ranges = known.billed_days.get(account, ())
        for first, last in ranges:
            if first <= one.last and one.first <= last:
                what = f"The days {max(first, one.first)} to {min(last, one.last)} are billed."
                remedy = "Reverse the other invoice, or correct the agreement's dates."
                found.append(_error("F04", account, what, remedy))
        found += _gap(invoice, known, one, [last for _, last in ranges if last < one.first])
    return found


def _gap(invoice: Invoice, known: Known, one: Served, ends: Sequence[date]) -> list[Finding]:
    """Days of service before this period that nobody billed: a switch of mode, a late opening."""
    opened = date.fromisoformat(known.accounts[one.member.account_id].opened)
    began = max(opened, one.member.dates.first)
    since = max(ends) + timedelta(days=1) if ends else began
    if one.member.dates.first > invoice.agreement.dates.first:
        since = max(since, began)  # a membership of its own: it may begin after a break
    never = known.billed_to is None or since > known.billed_to
    if since >= one.first or (never and not ends):
        return []
    code = "F05" if ends else "F12"
    what = f"The days {since} to {one.first - timedelta(days=1)} were served and never billed."
    remedy = "Reverse the earlier period and run it again: its invoice then holds these days."
    return [_error(code, one.member.account_id, what, remedy)]


def _members(invoice: Invoice, known: Known) -> list[Finding]:
    found = []
    inside = {one.member.account_id for one in invoice.served}
    for one in invoice.served:
        member, account = one.member, known.accounts[one.member.account_id]
        others = known.agreements_of.get(member.account_id, ())
        if len(others) > 1:
            what = f"The account is a member of {' and '.join(others)} in this period."
            found.append(_error("F08", member.account_id, what, "End one of the memberships."))
        if account.status == "closed" and one.last == invoice.period.end:
            what = "The account is closed, and its membership goes on."
            remedy = "Give the membership its last day."
            found.append(_error("F08", member.account_id, what, remedy))
        payer = known.accounts.get(member.pays_from)
        if payer is None:
            what = f"The paying account '{member.pays_from}' is not in the book."
            found.append(_error("F24", member.account_id, what, "Name an account of the book."))
        elif payer.account_id != member.account_id and not payer.taxed:
            what = f"The retirement account {payer.account_id} would pay for another account."
            found.append(_error("F24", member.account_id, what, "Name another paying account."))
    taxpayers = {known.accounts[name].taxpayer_id for name in inside}
    near = [
        a.account_id
        for taxpayer in taxpayers
        for a in known.households.get(taxpayer, ())
        if a.account_id not in inside and a.status != "closed"
    ]
    if near:
        what = f"Accounts of the same household are billed apart: {', '.join(sorted(near))}."
        remedy = "Check whether they belong to this agreement's breakpoints."
        found.append(_warning("F07", invoice.agreement.name, what, remedy))
    return found


def _amounts(invoice: Invoice, known: Known) -> list[Finding]:
    name, found = invoice.agreement.name, []
    paid = sum(payout.cents for payout in invoice.payouts)
    lines = sum(line.cents for line in invoice.lines)
    if not paid == lines == invoice.cents:
        what = f"Payees get {dollars(paid)}, lines sum to {dollars(lines)}, billed is " + dollars(
            invoice.cents
        )
        found.append(_error("F22", name, what, "Please report this."))
    below = [o.member.account_id for o in invoice.served
             if invoice.account_cents(o.member.account_id) < 0]  # fmt: skip
    for account in below:
        what = "The account's fee is negative."
        found.append(_error("F20", account, what, "Turn the flow into a credit, or bill alone."))
    value = sum((one.base.billed for one in invoice.served), Fraction(0))
    waived = any(x.kind is LineKind.CREDIT for x in invoice.lines)
    waived = waived or invoice.agreement.discount == 1
    if invoice.cents == 0 and value >= 1 and not waived:
        what = f"Nothing is billed on {dollars(to_cents(value))}, and no credit says why."
        found.append(_error("F20", name, what, "Correct the schedule, or give a credit."))
    weight = sum((s.base.billed * s.days for s in invoice.served), Fraction(0))
    if known.last_rate and weight:
        change = Fraction(invoice.cents, CENTS) / weight / known.last_rate - 1
        if abs(change) > _LARGE_CHANGE:
            what = f"The fee for a dollar and day moved by {float(change):+.1%}."
            found.append(_warning("F21", name, what, "Look for its cause in terms and flows."))
    return found


def _inversions(invoice: Invoice, known: Known) -> list[Finding]:
    """A cliff within one per cent of the value: a little more or less would cost less (B1)."""
    names = {(x.schedule, x.schedule_version) for x in invoice.lines}
    alone = invoice.agreement.method is HouseholdMethod.INDIVIDUAL
    bases = [one.base.billed for one in invoice.served]
    found = []
    for version in known.schedules:
        if (version.name, version.version) not in names or version.style is not Style.CLIFF:
            continue
        for bound, at, above in version.tiers.inversions() if version.tiers else []:
            for value in bases if alone else [sum(bases, Fraction(0))]:
                if abs(value - bound) <= bound * _NEAR_A_BOUND:
                    what = (
                        f"The value is within 1 % of {dollars(to_cents(bound))}: a year costs "
                        f"{dollars(at)} there and {dollars(above)} one cent above."
                    )
                    remedy = "Tell the client, or choose a tiered schedule."
                    found.append(_warning("F28", invoice.agreement.name, what, remedy))
    return found
