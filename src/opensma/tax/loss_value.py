"""What a harvested loss is worth: tax avoided now less the present value of tax later (R7).

The loss comes back when the replacement, whose basis is lower by it, is sold. So its value has two
parts: deferral, the time value of the tax that comes back, and rate difference, what the rate now
is above the rate later. Everything assumed is a parameter and stands beside the result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from opensma.errors import InputError
from opensma.tax.liability import Income, Liability, tax_on
from opensma.units import MICROS, round_half_up

BPS = 10_000
_MOST_YEARS = 100


@dataclass(frozen=True, slots=True)
class Assumptions:
    """When and at which rate the lower basis is taxed, and what money costs until then."""

    horizon_years: int  # 0: the same year
    discount_bps: int  # a year
    later_rate_millionths: int  # on the gain that the lower basis adds

    def __post_init__(self) -> None:
        wrong = not 0 <= self.horizon_years <= _MOST_YEARS or not 0 <= self.discount_bps <= BPS
        if wrong or not 0 <= self.later_rate_millionths <= MICROS:
            raise InputError(
                "value.assumption",
                f"An assumption is out of range: {self.horizon_years} years, "
                f"{self.discount_bps} bps, rate {self.later_rate_millionths} millionths.",
                where="assumptions",
                remedy=f"Years are 0 to {_MOST_YEARS}, bps 0 to {BPS}, the rate 0 to {MICROS}.",
            )

    def present_cents(self, cents: int, years: int | None = None) -> int:
        """An amount of the horizon (or of another year) in money of today."""
        years = self.horizon_years if years is None else years
        return round_half_up(cents * BPS**years, (BPS + self.discount_bps) ** years)


@dataclass(frozen=True, slots=True)
class LossValue:
    """`value = tax now - present value of tax later = deferral + rate difference`, in cents."""

    short_loss_cents: int  # positive
    long_loss_cents: int
    now_cents: int  # tax avoided
    later_cents: int  # tax on the lower basis, in money of the horizon
    later_present_cents: int

    @property
    def value_cents(self) -> int:
        """What the harvest is worth today."""
        return self.now_cents - self.later_present_cents

    @property
    def deferral_cents(self) -> int:
        """Use of the money until the tax comes back."""
        return self.later_cents - self.later_present_cents

    @property
    def rate_difference_cents(self) -> int:
        """Saved at one rate, paid back at another."""
        return self.now_cents - self.later_cents


@dataclass(frozen=True, slots=True)
class UsableValue:
    """What the loss does in this taxpayer's year: tax avoided, and what must wait.

    The part that waits is carried forward by term; `carried_present_cents` is what years after
    this one save with it until the horizon, when nothing but the annual limit uses it.
    """

    this_year: LossValue
    short_carried_cents: int  # more carryforward because of the loss
    long_carried_cents: int
    carried_present_cents: int
    table: str
    verified: bool

    @property
    def value_cents(self) -> int:
        """This year and the years until the horizon together."""
        return self.this_year.value_cents + self.carried_present_cents


def in_full(
    short_loss_cents: int,
    long_loss_cents: int,
    short_rate_millionths: int,
    long_rate_millionths: int,
    assumed: Assumptions,
) -> LossValue:
    """The value if every dollar of the loss nets a gain of its own term at the rates given."""
    now = short_loss_cents * short_rate_millionths + long_loss_cents * long_rate_millionths
    return _value(short_loss_cents, long_loss_cents, round_half_up(now, MICROS), assumed)


def usable(
    income: Income, short_loss_cents: int, long_loss_cents: int, assumed: Assumptions
) -> UsableValue:
    """The value in a year whose results include the loss: the year with it against without it."""
    without = tax_on(
        replace(
            income,
            short_cents=income.short_cents + short_loss_cents,
            long_cents=income.long_cents + long_loss_cents,
            state_short_cents=_plus(income.state_short_cents, short_loss_cents),
            state_long_cents=_plus(income.state_long_cents, long_loss_cents),
        )
    )
    with_loss = tax_on(income)
    now = round_half_up(without.total_microcents - with_loss.total_microcents, MICROS)
    after, before = with_loss.netting, without.netting
    return UsableValue(
        this_year=_value(short_loss_cents, long_loss_cents, now, assumed),
        short_carried_cents=after.short_carry_cents - before.short_carry_cents,
        long_carried_cents=after.long_carry_cents - before.long_carry_cents,
        carried_present_cents=_later_use(without, with_loss, assumed),
        table=with_loss.table,
        verified=with_loss.verified,
    )


def _value(short: int, long: int, now: int, assumed: Assumptions) -> LossValue:
    later = round_half_up((short + long) * assumed.later_rate_millionths, MICROS)
    return LossValue(short, long, now, later, assumed.present_cents(later))


def _later_use(without: Liability, with_loss: Liability, assumed: Assumptions) -> int:
    """Tax that the carryforward saves by the annual limit alone, in money of today.

    Rates, income and dividends stay those of the year; no gain is assumed.
    """
    saved = 0
    first, second = without, with_loss
    for years in range(1, assumed.horizon_years + 1):
        if first.netting == second.netting:
            break
        first, second = _next_year(first), _next_year(second)
        cents = round_half_up(first.total_microcents - second.total_microcents, MICROS)
        saved += assumed.present_cents(cents, years)
    return saved


def _next_year(year: Liability) -> Liability:
    return tax_on(
        replace(
            year.income,
            short_cents=0,
            long_cents=0,
            state_short_cents=None,
            state_long_cents=None,
            collectibles_cents=0,
            section_1250_cents=0,
            short_carry_cents=year.netting.short_carry_cents,
            long_carry_cents=year.netting.long_carry_cents,
        )
    )


def _plus(cents: int | None, loss_cents: int) -> int | None:
    return None if cents is None else cents + loss_cents
