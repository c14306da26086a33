"""The value a fee is charged on: which days count, what is excluded, what is missing (B11, B12).

End-of-day values are known on sessions; a day without a session has the value of the one before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import NoReturn

from opensma.billing.cycle import month_ends
from opensma.billing.exact import refuse, to_cents
from opensma.billing.terms import Basis, Exclusion
from opensma.calendar import is_session, previous_session, sessions
from opensma.units import CENTS, dollars


@dataclass(frozen=True, slots=True)
class ValuedBase:
    """Billed value, and what was left out of it, in dollars."""

    billed: Fraction
    excluded: Fraction


@dataclass(frozen=True, slots=True)
class AccountValues:
    """One account's end-of-day values in cents by session, and what of them is not billed."""

    account_id: str
    cents: Mapping[date, int]
    exclusions: Sequence[Exclusion] = ()

    def on(self, day: date) -> ValuedBase:
        """Value and exclusions on a day. InputError where it is missing or below zero."""
        value = Fraction(self._cents(day), CENTS)
        excluded = Fraction(0)
        for exclusion in self.exclusions:
            if exclusion.account_id == self.account_id and exclusion.dates.holds(day):
                excluded += value - excluded if exclusion.amount is None else exclusion.amount
        if value - excluded < 0:
            self._negative(day, value, excluded)
        return ValuedBase(value - excluded, excluded)

    def _cents(self, day: date) -> int:
        """The value of the last session until the day; zero or more."""
        session = day if is_session(day) else previous_session(day)
        cents = self.cents.get(session)
        if cents is None:
            refuse(
                "valuation_missing",
                f"{self.account_id} has no value on {session}.",
                where=self.account_id,
                remedy=f"Run or import the day {session}, then bill.",
            )
        if cents < 0:
            self._negative(session, Fraction(cents, CENTS), Fraction(0))
        return cents

    def _negative(self, day: date, value: Fraction, excluded: Fraction) -> NoReturn:
        refuse(
            "negative_base",
            f"{self.account_id} is worth {dollars(to_cents(value))} on {day}, and "
            f"{dollars(to_cents(excluded))} of it is excluded: the base would be below zero.",
            where=self.account_id,
            remedy="Correct the value or the exclusions of the agreement.",
        )

    def average(self, first: date, last: date) -> ValuedBase:
        """Mean over the calendar days of a range; every session of it must have a value."""
        changes = sorted({first, *sessions(first, last), *self._exclusion_days(first, last)})
        spans = list(zip(changes, [*changes[1:], last + timedelta(days=1)], strict=True))
        whole = (last - first).days + 1
        if not self.exclusions:  # whole cents: the usual case, ten times faster
            cents = sum(self._cents(start) * (end - start).days for start, end in spans)
            return ValuedBase(Fraction(cents, CENTS * whole), Fraction(0))
        billed = excluded = Fraction(0)
        for start, end in spans:
            base, days = self.on(start), (end - start).days
            billed += base.billed * days
            excluded += base.excluded * days
        return ValuedBase(billed / whole, excluded / whole)

    def _exclusion_days(self, first: date, last: date) -> list[date]:
        edges = [e.dates.first for e in self.exclusions]
        edges += [e.dates.last + timedelta(days=1) for e in self.exclusions if e.dates.last]
        return [day for day in edges if first <= day <= last]


def base_of(
    values: AccountValues, basis: Basis, first: date, last: date, period_start: date
) -> ValuedBase:
    """The billed value of an account served from `first` to `last` of a period in arrears."""
    if basis is Basis.PERIOD_END:
        return values.on(last)
    if basis is Basis.PERIOD_START:
        return values.on(max(first, period_start))
    if basis is Basis.AVERAGE_DAILY:
        return values.average(first, last)
    days = month_ends(first, last)
    if basis is Basis.FOUR_MONTH_ENDS and first == period_start and _known(values, first):
        days = [first - timedelta(days=1), *days]
    bases = [values.on(day) for day in days or [last]]
    return ValuedBase(
        sum((b.billed for b in bases), Fraction(0)) / len(bases),
        sum((b.excluded for b in bases), Fraction(0)) / len(bases),
    )


def _known(values: AccountValues, first: date) -> bool:
    """Whether the account has a history before the day."""
    days = sorted(values.cents)
    return bisect_right(days, first - timedelta(days=1)) > 0


def advance_base(values: AccountValues, first: date) -> ValuedBase:
    """The value before service begins; of a new account the value at the end of its first day."""
    before = first - timedelta(days=1)
    return values.on(before if _known(values, first) else first)
