"""An invoice from terms and values: every step a line, exact until one rounding (B16, B17, B30).

The order is fixed: base by tier, discount, flows, minimum, cap, credits, floor at zero, rounding,
accounts, payees. Household values decide tiers; every line belongs to one account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum
from fractions import Fraction

from opensma.billing.bases import ValuedBase
from opensma.billing.cycle import Period
from opensma.billing.exact import largest_remainder, refuse, share_out, to_cents
from opensma.billing.periods import DayBasis, FlowMethod
from opensma.billing.terms import Agreement, FeeSchedule, HouseholdMethod, Member, segments
from opensma.units import CENTS, dollars


class LineKind(Enum):
    """The step that a line comes from."""

    BASE = "base"
    DISCOUNT = "discount"
    FLOW = "flow"
    MINIMUM = "minimum"
    CAP = "cap"
    CREDIT = "credit"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Line:
    """One amount with all it was computed from; `exact` in dollars, `cents` as billed."""

    account_id: str
    kind: LineKind
    exact: Fraction
    base: Fraction = Fraction(0)
    rate: Fraction = Fraction(0)  # a year
    days: int = 0
    tier: int = 0
    schedule: str = ""
    schedule_version: int = 0
    flow_day: date | None = None
    reason: str = ""
    of_days: int = 0  # in the period it belongs to; 0 means the invoice's own
    base_cents: int = 0
    cents: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """An account in the period: its days, its value, and flows after its first day."""

    member: Member
    first: date
    last: date
    base: ValuedBase
    flows: tuple[tuple[date, Fraction], ...] = ()

    @property
    def days(self) -> int:
        """Days served, both ends counted (B9)."""
        return (self.last - self.first).days + 1


@dataclass(frozen=True, slots=True)
class Payout:
    """What a payee gets of one account's part."""

    account_id: str
    payee: str
    role: str
    cents: int


@dataclass(frozen=True, slots=True)
class Invoice:
    """What an agreement is billed for a period; lines and payouts both sum to `cents`."""

    agreement: Agreement
    period: Period
    served: tuple[Served, ...]
    lines: tuple[Line, ...]
    payouts: tuple[Payout, ...]
    cents: int
    credit_left: Fraction

    def account_cents(self, account_id: str) -> int:
        """The account's part."""
        return sum(line.cents for line in self.lines if line.account_id == account_id)


def draw_up(
    agreement: Agreement,
    schedules: Sequence[FeeSchedule],
    period: Period,
    served: Sequence[Served],
    carried_credit: Fraction = Fraction(0),
    earlier: Sequence[Line] = (),
) -> Invoice:
    """The invoice of one agreement for one period; the same inputs give the same invoice.

    `earlier` are flow lines of the period before, which advance billing could not know then.
    """
    if not served:
        refuse("nothing_served", "No account was served.", where=agreement.name)
    served = sorted(served, key=lambda s: s.member.account_id)
    lines = [line for one in served for line in _base(agreement, schedules, period, one, served)]
    lines += _discounts(agreement, served, lines)
    lines += [*_flows(agreement, period, served, lines), *earlier]
    lines += _limits(agreement, period, served, lines)
    credits, left = _credits(agreement, period, served, lines, carried_credit)
    rounded = _round(agreement, [*lines, *credits], served)
    cents = sum(line.cents for line in rounded)
    payouts = pay_out(agreement, rounded)
    return Invoice(agreement, period, tuple(served), tuple(rounded), payouts, cents, left)


def _base(
    agreement: Agreement,
    schedules: Sequence[FeeSchedule],
    period: Period,
    one: Served,
    served: Sequence[Served],
) -> list[Line]:
    """Lines by schedule version and tier of one account, at whose value the household decides."""
    method = agreement.method
    together = served if method is not HouseholdMethod.INDIVIDUAL else [one]
    total = sum((s.base.billed for s in together), Fraction(0))
    weight = one.base.billed / total if total else Fraction(1, len(together))
    own = method is not HouseholdMethod.AGGREGATE and one.member.schedule
    name = one.member.schedule if own else agreement.schedule
    found = []
    for version, first, last in segments(schedules, name, one.first, one.last):
        days = (last - first).days + 1
        time = agreement.time(days, period.days)
        for tier, row in version.rows(total):
            base = row.base * weight
            found.append(
                Line(
                    one.member.account_id, LineKind.BASE, row.fee * weight * time,
                    base, row.rate, days, tier, version.name, version.version,
                )
            )  # fmt: skip
    return found


def _sum(lines: Sequence[Line], account_id: str | None = None) -> Fraction:
    kept = (x.exact for x in lines if account_id is None or x.account_id == account_id)
    return sum(kept, Fraction(0))


def _discounts(agreement: Agreement, served: Sequence[Served], lines: Sequence[Line]) -> list[Line]:
    if not agreement.discount:
        return []
    reason = f"negotiated discount of {_percent(agreement.discount)}"
    return [
        Line(account, LineKind.DISCOUNT, -_sum(lines, account) * agreement.discount, reason=reason)
        for account in (s.member.account_id for s in served)
    ]


def _flows(
    agreement: Agreement, period: Period, served: Sequence[Served], lines: Sequence[Line]
) -> list[Line]:
    """Flows above the threshold, at the account's own effective rate (B14)."""
    found = []
    for one in served:
        value = one.base.billed * agreement.time(one.days, period.days)
        rate = _sum(lines, one.member.account_id) / value if value else Fraction(0)
        found += [
            flow_line(agreement, period, one.member.account_id, (one.first, one.last), flow, rate)
            for flow in one.flows
            if agreement.flow_threshold is not None and abs(flow[1]) > agreement.flow_threshold
        ]
    return found


def flow_line(
    agreement: Agreement,
    period: Period,
    account_id: str,
    served: tuple[date, date],
    flow: tuple[date, Fraction],
    rate: Fraction,
) -> Line:
    """A flow at a yearly rate for the days that its value missed or counted too much (B14)."""
    (first, last), (day, amount) = served, flow
    arrears = agreement.flow_method is FlowMethod.ARREARS_ELAPSED
    days = (day - first).days if arrears else (last - day).days + 1
    due = amount * rate * agreement.time(days, period.days)
    exact = -due if arrears else due
    return Line(
        account_id, LineKind.FLOW, exact, amount, rate, days, flow_day=day, of_days=period.days
    )


def _limits(
    agreement: Agreement, period: Period, served: Sequence[Served], lines: Sequence[Line]
) -> list[Line]:
    """Minimum, then cap, both for the days served: the cap wins (B16)."""
    days = max(s.days for s in served)
    time, fee, found = agreement.time(days, period.days), _sum(lines), []
    for kind, yearly, chosen in (
        (LineKind.MINIMUM, agreement.annual_minimum, max),
        (LineKind.CAP, agreement.annual_cap, min),
    ):
        if yearly is None or chosen(fee, yearly * time) == fee:
            continue
        reason = f"{kind.value} of {dollars(to_cents(yearly))} a year for {days} days"
        found += _shared(kind, yearly * time - fee, served, reason)
        fee = yearly * time
    return found


def _shared(kind: LineKind, amount: Fraction, served: Sequence[Served], reason: str) -> list[Line]:
    """An amount of the household by billed value and days (B5)."""
    weights = [s.base.billed * s.days for s in served]
    total = sum(weights, Fraction(0))
    parts = [w / total if total else Fraction(1, len(served)) for w in weights]
    return [
        Line(s.member.account_id, kind, amount * part, reason=reason)
        for s, part in zip(served, parts, strict=True)
    ]


def _credits(
    agreement: Agreement,
    period: Period,
    served: Sequence[Served],
    lines: Sequence[Line],
    carried: Fraction,
) -> tuple[list[Line], Fraction]:
    """Credits down to a fee of zero; what is left is carried to the next period (B16)."""
    fee = _sum(lines)
    given = [(c.amount, c.reason) for c in agreement.credits if c.period == period.name]
    if carried:
        given.insert(0, (carried, "credit carried from an earlier period"))
    if fee < 0:
        # Flows took more than the period's whole fee: lift to zero, and give the rest next time.
        return _shared(LineKind.CREDIT, -fee, served, "carried to the next period"), -fee + sum(
            (amount for amount, _ in given), Fraction(0)
        )
    found, left = [], Fraction(0)
    for amount, reason in given:
        used = min(amount, fee)
        fee, left = fee - used, left + amount - used
        if used:
            found += _shared(LineKind.CREDIT, -used, served, reason)
    return found, left


def _round(agreement: Agreement, lines: Sequence[Line], served: Sequence[Served]) -> list[Line]:
    """One rounding: of the household's fee, or of each account's where each stands alone."""
    exact = {s.member.account_id: _sum(lines, s.member.account_id) for s in served}
    largest = max(served, key=lambda s: s.base.billed).member.account_id
    parts = {name: to_cents(amount) for name, amount in exact.items()}
    if agreement.method is not HouseholdMethod.INDIVIDUAL:
        parts = share_out(to_cents(sum(exact.values(), Fraction(0))), exact, largest)
    found = []
    for one in served:
        account = one.member.account_id
        mine = [line for line in lines if line.account_id == account]
        found += _spread(mine, parts[account])
    return found


def _spread(lines: Sequence[Line], cents: int) -> list[Line]:
    """Lines in cents that sum to the account's part, each within a cent of its exact amount."""
    floors = [(x.exact * CENTS).__floor__() for x in lines]
    rests = [x.exact * CENTS - floor for x, floor in zip(lines, floors, strict=True)]
    extra = cents - sum(floors)
    order = sorted(range(len(lines)), key=lambda i: (-rests[i], i))
    for step in range(abs(extra)):  # a residual of B5 may pass the number of lines
        floors[order[step % len(order)] if extra > 0 else order[-1 - step % len(order)]] += (
            1 if extra > 0 else -1
        )
    bases = _base_cents(lines)
    return [
        replace(line, cents=amount, base_cents=base)
        for line, amount, base in zip(lines, floors, bases, strict=True)
    ]


def _base_cents(lines: Sequence[Line]) -> list[int]:
    """Shown bases; the slices of one schedule version sum to the billed value."""
    found = [to_cents(line.base) for line in lines]
    groups: dict[tuple[str, int], list[int]] = {}
    for i, line in enumerate(lines):
        if line.kind is LineKind.BASE:
            groups.setdefault((line.schedule, line.schedule_version), []).append(i)
    for group in groups.values():
        slices = [lines[i].base for i in group]
        shown = largest_remainder(to_cents(sum(slices, Fraction(0))), slices)
        for i, cents in zip(group, shown, strict=True):
            found[i] = cents
    return found


def pay_out(agreement: Agreement, lines: Sequence[Line]) -> tuple[Payout, ...]:
    """Every account's part split among the payees, to the cent (B20, B21)."""
    parts: dict[str, int] = {}
    for line in lines:
        parts[line.account_id] = parts.get(line.account_id, 0) + line.cents
    weights = [Fraction(p.bps) for p in agreement.payees]
    found = []
    for account, cents in sorted(parts.items()):
        split = largest_remainder(abs(cents), weights)
        for payee, part in zip(agreement.payees, split, strict=True):
            signed = part if cents >= 0 else -part
            found.append(Payout(account, payee.name, payee.role.value, signed))
    return tuple(found)


def refund(billed_cents: int, days_billed: int, days_served: int) -> int:
    """What goes back when the service ended early; refund and earned are what was billed (B10)."""
    if not 0 <= days_served <= days_billed or days_billed < 1:
        refuse("days", f"{days_served} days served do not fit {days_billed} billed.", where="days")
    unearned = Fraction(billed_cents * (days_billed - days_served), days_billed * CENTS)
    return to_cents(unearned)


def sentence(agreement: Agreement, line: Line, period: Period) -> str:
    """The line in plain words, from the same record (B30)."""
    amount, shown = dollars(line.cents), dollars(line.base_cents)
    share = f"{line.days} of 365 days"
    if agreement.day_basis is DayBasis.DIVIDE_BY_FREQUENCY:
        share = f"{line.days} of {line.of_days or period.days} days"
        if agreement.frequency.per_year > 1:
            share += f" of 1/{agreement.frequency.per_year} year"
    if line.kind is LineKind.BASE and line.tier == 0:
        return f"flat amount for {share} = {amount}"
    if line.kind is LineKind.BASE:
        return f"{shown} at {_percent(line.rate)} for {share} = {amount}"
    if line.kind is LineKind.FLOW:
        return f"flow of {shown} on {line.flow_day} at {_percent(line.rate)} for {share} = {amount}"
    return f"{line.reason} = {amount}"


def _percent(rate: Fraction) -> str:
    scaled = to_cents(rate * 1_000_000)  # hundred-millionths
    text = f"{scaled // 1_000_000}.{scaled % 1_000_000:06d}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"{whole}.{part.ljust(2, '0')} %"
