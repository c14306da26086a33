"""Sample re-performance: chosen accounts billed again from the book by a slow decimal path (B32).

It shares no arithmetic with the engine: decimals instead of fractions, one day at a time, tiers
cent range by cent range, and its own reading of days, values and flows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext
from fractions import Fraction

from opensma.billing.cycle import month_ends
from opensma.billing.drafts import Draft
from opensma.billing.periods import DayBasis
from opensma.billing.schedules import Style
from opensma.billing.sources import Sources
from opensma.billing.terms import (
    Agreement,
    Basis,
    FeeSchedule,
    HouseholdMethod,
    Member,
    Timing,
    in_force,
)
from opensma.calendar import is_session, previous_session

_LEAST = 25
_SHARE = 20  # one account of twenty
_PRECISION = Context(prec=60)
_NOISE = Decimal(1).scaleb(-30)  # far above what 60 digits lose, far below any tie
_CENT = Decimal("0.01")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an account was billed, and what the slow path makes of it."""

    account_id: str
    agreement: str
    invoice_id: str
    billed_cents: int
    recomputed_cents: int
    base: str  # dollars, as recomputed
    days: int


@dataclass(frozen=True, slots=True)
class SlowAccount:
    """One account as the slow path sees it; amounts in dollars."""

    account_id: str
    schedule: str
    first: date
    last: date
    base: Decimal
    flows: tuple[tuple[date, Decimal], ...] = ()

    @property
    def days(self) -> int:
        """Both ends counted."""
        return (self.last - self.first).days + 1


def sample(sources: Sources, drafts: Sequence[Draft], run_id: str) -> tuple[Evidence, ...]:
    """5 % of the accounts on fee invoices, at least 25, by hash of run and account."""
    fees = [d for d in drafts if d.invoice is not None and d.invoice.kind == "fee"]
    where = {p.account_id: d for d in fees for p in d.ledger}
    count = min(len(where), max(_LEAST, -(-len(where) // _SHARE)))
    order = sorted(where, key=lambda a: hashlib.sha256(f"{run_id} {a}".encode()).hexdigest())
    known: dict[str, dict[str, tuple[int, SlowAccount]]] = {}
    found = []
    for account in order[:count]:
        draft = where[account]
        if draft.agreement not in known:
            known[draft.agreement] = _again(sources, draft)
        billed = sum(p.amount_cents for p in draft.ledger if p.account_id == account)
        assert draft.invoice is not None
        cents, slow = known[draft.agreement][account]
        found.append(
            Evidence(
                account, draft.agreement, draft.invoice.invoice_id, billed, cents,
                str(slow.base.quantize(_CENT)), slow.days,
            )
        )  # fmt: skip
    return tuple(found)


def _again(sources: Sources, draft: Draft) -> dict[str, tuple[int, SlowAccount]]:
    """The whole invoice once more: cents and inputs by account."""
    assert draft.invoice is not None
    version = draft.invoice.agreement_version
    agreement = next(a for a in sources.agreements[draft.agreement] if a.version == version)
    with localcontext(_PRECISION):
        served = [s for m in agreement.members if (s := _account(sources, agreement, m))]
        fees = sources.fee_invoices(agreement.name)
        before = [r for r in fees if r.service_end < sources.period.start.isoformat()]
        carried = Decimal(before[-1].credit_left_cents) / 100 if before else Decimal(0)
        extra = {}
        if before and before[-1].period == sources.period.previous.name:
            last = before[-1].invoice_id
            extra = {s.account_id: _late_flow(sources, agreement, s, last) for s in served}
        cents = slow_cents(
            agreement, sources.schedules, sources.period.days, served,
            carried + _given(agreement, sources.period.name), extra,
        )  # fmt: skip
    return {s.account_id: (cents[s.account_id], s) for s in served}


def _given(agreement: Agreement, period: str) -> Decimal:
    return sum((_dec(c.amount) for c in agreement.credits if c.period == period), Decimal(0))


def _dec(amount: Fraction) -> Decimal:
    return Decimal(amount.numerator) / Decimal(amount.denominator)


def _account(sources: Sources, agreement: Agreement, member: Member) -> SlowAccount | None:
    opened = date.fromisoformat(sources.accounts[member.account_id].opened)
    day, served = sources.period.start, []
    while day <= sources.period.end:
        if day >= opened and member.dates.holds(day) and day >= agreement.dates.first:
            served.append(day)
        day += _DAY
    if not served:
        return None
    key = sources.accounts[member.account_id].account_key
    cents = {date.fromisoformat(d): value for d, value, _ in sources.values.get(key, ())}
    days = _base_days(agreement, served, sources.period.start, min(cents))
    values = [_value(agreement, member.account_id, cents, d) for d in days]
    flows = tuple(
        (d, _dec(amount)) for d, amount in sources.flows(member.account_id, served[0], served[-1])
    )
    base = sum(values, Decimal(0)) / len(values)
    advance = agreement.timing is Timing.ADVANCE
    return SlowAccount(
        member.account_id, member.schedule, served[0], served[-1], base, () if advance else flows
    )


def _base_days(
    agreement: Agreement, served: Sequence[date], start: date, known: date
) -> Sequence[date]:
    first, last = served[0], served[-1]
    if agreement.timing is Timing.ADVANCE:
        return [first - _DAY if known < first else first]
    if agreement.basis is Basis.PERIOD_END:
        return [last]
    if agreement.basis is Basis.PERIOD_START:
        return [first]
    if agreement.basis is Basis.AVERAGE_DAILY:
        return served
    ends = month_ends(first, last)
    if agreement.basis is Basis.FOUR_MONTH_ENDS and first == start and known < first:
        ends = [first - _DAY, *ends]
    return ends or [last]


def _value(agreement: Agreement, account: str, cents: dict[date, int], day: date) -> Decimal:
    session = day if is_session(day) else previous_session(day)
    left = Decimal(cents[session]) / 100
    for exclusion in agreement.exclusions:
        if exclusion.account_id == account and exclusion.dates.holds(day):
            left -= left if exclusion.amount is None else _dec(exclusion.amount)
    return left


def _late_flow(
    sources: Sources, agreement: Agreement, one: SlowAccount, invoice_id: str
) -> Decimal:
    """What flows of the advance bill before add to this one (B14)."""
    if agreement.timing is not Timing.ADVANCE or agreement.flow_threshold is None:
        return Decimal(0)
    lines = [x for x in sources.lines.get(invoice_id, ()) if x.account_id == one.account_id]
    spans = [x for x in sources.ledger.get(invoice_id, ()) if x.account_id == one.account_id]
    weight = sum(x.base_cents * x.days for x in lines if x.kind == "base")
    if not spans or not weight:
        return Decimal(0)
    rates = sum(x.rate_e8 * x.base_cents * x.days for x in lines if x.kind == "base")
    rate = Decimal(rates) / weight / 10**8 * (1 - _dec(agreement.discount))
    first, last = (
        date.fromisoformat(spans[0].service_start),
        date.fromisoformat(spans[0].service_end),
    )
    total = Decimal(0)
    for day, amount in sources.flows(one.account_id, first, last):
        if abs(amount) > agreement.flow_threshold:
            days = (last - day).days + 1
            total += _dec(amount) * rate * _year(agreement, days, sources.period.previous.days)
    return total


def _year(agreement: Agreement, days: int, period_days: int) -> Decimal:
    if agreement.day_basis is DayBasis.ACTUAL_365:
        return Decimal(days) / 365
    return Decimal(days) / period_days / agreement.frequency.per_year


def slow_cents(
    agreement: Agreement,
    schedules: Sequence[FeeSchedule],
    period_days: int,
    served: Sequence[SlowAccount],
    credit: Decimal,
    late_flows: dict[str, Decimal],
) -> dict[str, int]:
    """What every account is billed in cents, by the order of operations of docs/billing.md."""
    with localcontext(_PRECISION):
        served = sorted(served, key=lambda s: s.account_id)
        fees = {}
        for one in served:
            fee = _by_day(agreement, schedules, period_days, one, served)
            fee *= 1 - _dec(agreement.discount)
            rate = fee / one.base / _year(agreement, one.days, period_days) if one.base else fee * 0
            for day, amount in one.flows:
                if agreement.flow_threshold is None or abs(amount) <= agreement.flow_threshold:
                    continue
                days = (day - one.first).days
                fee -= amount * rate * _year(agreement, days, period_days)
            fees[one.account_id] = fee + late_flows.get(one.account_id, Decimal(0))
        _limited(agreement, period_days, served, fees, credit)
        return _rounded(agreement, served, fees)


def _by_day(
    agreement: Agreement,
    schedules: Sequence[FeeSchedule],
    period_days: int,
    one: SlowAccount,
    served: Sequence[SlowAccount],
) -> Decimal:
    together = [one] if agreement.method is HouseholdMethod.INDIVIDUAL else served
    value = sum((s.base for s in together), Decimal(0))
    part = one.base / value if value else 1 / Decimal(len(together))
    own = agreement.method is not HouseholdMethod.AGGREGATE and one.schedule
    mine = [s for s in schedules if s.name == (own or agreement.schedule)]
    yearly: dict[int, Decimal] = {}
    total, day = Decimal(0), one.first
    while day <= one.last:
        version = in_force(mine, day)
        if version is not None:
            if version.version not in yearly:
                yearly[version.version] = _year_fee(version, value)
            total += yearly[version.version]
        day += _DAY
    return total * part * _year(agreement, 1, period_days)


def _year_fee(version: FeeSchedule, value: Decimal) -> Decimal:
    if version.tiers is None:
        return _dec(version.amount or Fraction(0))
    left, below, fee = value, Decimal(0), Decimal(0)
    for tier in version.tiers.tiers:
        bound = None if tier.up_to is None else _dec(tier.up_to)
        if version.style is Style.CLIFF:
            if bound is None or value <= bound:
                return value * _dec(tier.rate)
            continue
        piece = left if bound is None else min(left, bound - below)
        fee, left, below = fee + piece * _dec(tier.rate), left - piece, bound or below
    return fee


def _limited(
    agreement: Agreement,
    period_days: int,
    served: Sequence[SlowAccount],
    fees: dict[str, Decimal],
    credit: Decimal,
) -> None:
    """Minimum, cap and credits of the household, shared by value and days."""
    before = total = sum(fees.values(), Decimal(0))
    year = _year(agreement, max(s.days for s in served), period_days)
    if agreement.annual_minimum is not None:
        total = max(total, _dec(agreement.annual_minimum) * year)
    if agreement.annual_cap is not None:
        total = min(total, _dec(agreement.annual_cap) * year)
    total = max(total - credit, Decimal(0)) if total > 0 else Decimal(0)
    weights = [s.base * s.days for s in served]
    whole = sum(weights, Decimal(0))
    for one, weight in zip(served, weights, strict=True):
        part = weight / whole if whole else 1 / Decimal(len(served))
        fees[one.account_id] += (total - before) * part


def _rounded(
    agreement: Agreement, served: Sequence[SlowAccount], fees: dict[str, Decimal]
) -> dict[str, int]:
    cents = {name: _cents(fee) for name, fee in fees.items()}
    if agreement.method is not HouseholdMethod.INDIVIDUAL:
        largest = max(served, key=lambda s: s.base).account_id
        cents[largest] += _cents(sum(fees.values(), Decimal(0))) - sum(cents.values())
    return cents


def _cents(amount: Decimal) -> int:
    clean = amount.quantize(_NOISE, rounding=ROUND_HALF_UP)
    return int((clean * 100).quantize(Decimal(1), rounding=ROUND_HALF_UP))
