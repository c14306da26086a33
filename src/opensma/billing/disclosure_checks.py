"""Checks of an invoice against what was disclosed and what is known of its accounts.

`F11` and so on are explained in docs/billing.md. They look at the same finished invoice as the
checks of its arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from opensma.billing.disclosed import AccountFacts, Brochure, Offset
from opensma.billing.exact import to_cents
from opensma.billing.invoice import Invoice, LineKind
from opensma.billing.terms import FeeSchedule, RefundRule, Timing, in_force
from opensma.errors import Finding
from opensma.units import dollars

_OLD_VALUE = timedelta(days=35)  # where the agreement names no other limit


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What these checks compare an invoice with; `earlier_flows` are due from the last bill."""

    brochures: Mapping[str, Sequence[Brochure]] = field(default_factory=dict)
    facts: Mapping[str, Sequence[AccountFacts]] = field(default_factory=dict)
    earlier_flows: Sequence[tuple[str, date]] = ()


def check_disclosed(
    invoice: Invoice, schedules: Sequence[FeeSchedule], known: Disclosed
) -> list[Finding]:
    """Everything that brochure and account facts say against one invoice."""
    found = [*_flow_lines(invoice, known)]
    brochure = None
    name = invoice.agreement.brochure
    if name:
        brochure = in_force(known.brochures.get(name, ()), invoice.period.end)
        if brochure is None:
            what = f"No version of the brochure '{name}' holds on {invoice.period.end}."
            remedy = "Load it with sma bill schedules."
            found.append(Finding("error", "F18", invoice.agreement.name, what, remedy))
        else:
            found += _terms(invoice, brochure, schedules)
    for one in invoice.served:
        account = one.member.account_id
        facts = in_force(known.facts.get(account, ()), invoice.period.end)
        if facts is not None:
            found += _flags(invoice, account, facts, one.first)
            found += _sources(invoice, account, facts)
            found += _charges(invoice, account, facts, brochure, one.days)
    return [*found, *_offsets(invoice, known)]


def _terms(invoice: Invoice, brochure: Brochure, schedules: Sequence[FeeSchedule]) -> list[Finding]:
    """F14, F15, F18: the brochure's terms are those that the engine works with."""
    agreement, found = invoice.agreement, []
    names = {(x.schedule, x.schedule_version) for x in invoice.lines}
    used = [s for s in schedules if (s.name, s.version) in names and s.tiers]
    top = max((s.top_rate for s in used), default=Fraction(0))
    if agreement.timing is Timing.ADVANCE and brochure.refund not in (
        None, agreement.refund
    ):  # fmt: skip
        what = (
            f"The brochure refunds by '{brochure.refund.value}', the agreement by "
            f"'{agreement.refund.value}'."
        )
        remedy = "Let both state the same rule."
        found.append(Finding("warning", "F14", agreement.name, what, remedy))
    if agreement.timing is Timing.ADVANCE and agreement.refund is not RefundRule.UNEARNED_DAYS:
        what = f"The agreement refunds by '{agreement.refund.value}', the run by unearned days."
        remedy = "Write the rule that is followed into the agreement's next version."
        found.append(Finding("warning", "F14", agreement.name, what, remedy))
    pairs = [
        ("F18", "timing", brochure.timing, agreement.timing),
        ("F18", "frequency", brochure.frequency, agreement.frequency),
        ("F18", "basis", brochure.basis, agreement.basis),
        ("F18", "day_basis", brochure.day_basis, agreement.day_basis),
        ("F18", "household_method", brochure.method, agreement.method),
        ("F18", "minimum", brochure.annual_minimum, agreement.annual_minimum),
        ("F15", "flow_threshold", brochure.flow_threshold, agreement.flow_threshold),
    ]
    for code, field_name, told, done in pairs:
        if field_name in brochure.stated and told != done:
            what = f"The brochure states {field_name} {_shown(told)}, the engine {_shown(done)}."
            remedy = "Bring agreement and brochure to the same terms."
            found.append(Finding("error", code, agreement.name, what, remedy))
    if brochure.highest_rate is not None and top > brochure.highest_rate:
        what = (
            f"The schedule charges up to {float(top):.4%}, the brochure states at most "
            f"{float(brochure.highest_rate):.4%}."
        )
        remedy = "Bring schedule and brochure to the same rates."
        found.append(Finding("error", "F18", agreement.name, what, remedy))
    return found


def _shown(value: object) -> str:
    if isinstance(value, Fraction):
        return dollars(to_cents(value))
    return "none" if value is None else f"'{getattr(value, 'value', value)}'"


def _flow_lines(invoice: Invoice, known: Disclosed) -> list[Finding]:
    """F15: every flow above the threshold has its line."""
    agreement = invoice.agreement
    if agreement.flow_threshold is None:
        return []
    due = list(known.earlier_flows)
    for one in invoice.served:
        due += [
            (one.member.account_id, day)
            for day, amount in one.flows
            if abs(amount) > agreement.flow_threshold
        ]
    billed = {(x.account_id, x.flow_day) for x in invoice.lines if x.kind is LineKind.FLOW}
    return [
        Finding(
            "error", "F15", account,
            f"The flow of {day} is above the threshold and has no line.",
            "Please report this: the engine left a flow out.",
        )
        for account, day in due if (account, day) not in billed
    ]  # fmt: skip


def _flags(invoice: Invoice, account: str, facts: AccountFacts, first: date) -> list[Finding]:
    """F25: deceased, frozen or disputed on a day that is billed, or still when it is billed."""
    return [
        Finding(
            "error", "F25", account,
            f"The client is marked as {status.flag.value} from {status.dates.first}: "
            f"{status.reason}.",
            "Clear it with the firm's counsel, then end the mark or release the agreement.",
        )
        for status in facts.statuses
        if status.dates.first <= invoice.period.end
        and (status.dates.last is None or status.dates.last >= first)
    ]  # fmt: skip


def _sources(invoice: Invoice, account: str, facts: AccountFacts) -> list[Finding]:
    """F11: a value with no source, or one older than agreed on the day it is billed."""
    found = []
    allowed = invoice.agreement.source_days
    oldest = timedelta(days=allowed) if allowed is not None else _OLD_VALUE
    day = invoice.period.end
    if invoice.agreement.timing is Timing.ADVANCE:
        day = invoice.period.start - timedelta(days=1)
    for source in facts.sources:
        if not source.source or source.day is None:
            what = f"The value of '{source.asset}' has no source."
        elif day - source.day > oldest:
            what = f"'{source.asset}' is valued by {source.source} on {source.day}, not near {day}."
        elif source.day > day:
            what = f"'{source.asset}' has no source before {day}: the first is of {source.day}."
        else:
            continue
        remedy = "Get a value with a source, or exclude the asset."
        found.append(Finding("warning", "F11", account, what, remedy))
    return found


def _charges(
    invoice: Invoice, account: str, facts: AccountFacts, brochure: Brochure | None, days: int
) -> list[Finding]:
    """F27: in a wrap account nothing beside the fee but the trade-away that was disclosed."""
    if not invoice.agreement.wrap:
        return []
    start, end = invoice.period.start, invoice.period.end
    paid = sum((c.amount for c in facts.charges if start <= c.day <= end), Fraction(0))
    told = (brochure.trade_away if brochure else Fraction(0)) * Fraction(days, 365)
    if paid <= told:
        return []
    what = (
        f"The wrap account paid {dollars(to_cents(paid))} of commissions and custody charges, "
        f"disclosed are {dollars(to_cents(told))}."
    )
    return [Finding("warning", "F27", account, what, "Credit the difference or disclose it.")]


def _offsets(invoice: Invoice, known: Disclosed) -> list[Finding]:
    """F16: what funds paid for the client's money comes back as a credit with a line."""
    agreement, period, found = invoice.agreement, invoice.period, []
    for kind in Offset:
        due = Fraction(0)
        for one in invoice.served:
            facts = in_force(known.facts.get(one.member.account_id, ()), period.end)
            rows = facts.received if facts else ()
            due += sum((r.amount for r in rows if (r.kind, r.period) == (kind, period.name)), 0)
        if not due:
            continue
        given = [
            c.amount for c in agreement.credits if (c.offset, c.period) == (kind.value, period.name)
        ]
        credited = sum(given, Fraction(0))
        shown = any(x.kind is LineKind.CREDIT for x in invoice.lines) or invoice.credit_left > 0
        if given and credited >= due and shown:
            continue
        what = (
            f"Funds paid {dollars(to_cents(due))} of {kind.value}, credited are "
            f"{dollars(to_cents(credited))}."
        )
        remedy = f"Add a credit with offset '{kind.value}' to the agreement's next version."
        found.append(Finding("error", "F16", agreement.name, what, remedy))
    return found
