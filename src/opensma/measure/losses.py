"""What harvested losses are worth: in full, usable now, and carried forward (M58 to M61)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from opensma.measure.refusals import refuse
from opensma.tax.netting import Netting, net_year
from opensma.units import MICROS, round_half_up

ORDINARY_LIMIT = 3_000.0


@dataclass(frozen=True, slots=True)
class HarvestValue:
    """Potential and usable value are never shown apart; `carryforward` is losses, not tax."""

    potential: float
    usable_this_year: float
    carryforward: float


def harvest_value(
    net_losses: float,
    gains_elsewhere: float,
    rate: float,
    ordinary_limit: float = ORDINARY_LIMIT,
) -> HarvestValue:
    """Losses first meet gains elsewhere, then ordinary income up to the limit (M58)."""
    for name, value in (
        ("net_losses", net_losses),
        ("gains_elsewhere", gains_elsewhere),
        ("ordinary_limit", ordinary_limit),
        ("rate", rate),
    ):
        if not value >= 0:
            refuse(
                "harvest_input",
                f"{name} is {value}; it must be zero or more.",
                where=name,
                remedy="Give losses and gains as positive amounts.",
            )
    usable = min(net_losses, gains_elsewhere + ordinary_limit)
    return HarvestValue(net_losses * rate, usable * rate, net_losses - usable)


def harvest_yield(harvested_losses: float, average_value: float) -> float:
    """Losses harvested as a share of the average value of the account in the period."""
    if not average_value > 0:
        refuse("base_not_positive", "The average value must be above zero.", where="average_value")
    return harvested_losses / average_value


def net_deferred_base(embedded_gain: float, carryforward: float) -> tuple[float, float]:
    """Gain not covered by carryforward, and carryforward left over; never below 0 (M60)."""
    return max(embedded_gain - carryforward, 0.0), max(carryforward - embedded_gain, 0.0)


@dataclass(frozen=True, slots=True)
class TaxYear:
    """One year of one taxpayer: results of all accounts, in cents; losses negative."""

    year: int
    short_cents: int
    long_cents: int
    other_income_cents: int  # taxable income without capital gains
    short_rate_micros: int
    long_rate_micros: int


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """What a year's losses were worth, and what they left for the next (M59)."""

    year: int
    netting: Netting
    benefit_cents: int  # tax saved this year by losses of this year or carried into it


def carryforward_ledger(years: Sequence[TaxYear], status: str = "single") -> list[LedgerRow]:
    """Carryforwards by term from year to year, per taxpayer (M59).

    The benefit of a year is the tax on its gains alone less the tax after netting and deduction;
    the deduction is worth the short-term rate, which is that of other income.
    """
    rows: list[LedgerRow] = []
    short_carry = long_carry = 0
    for before, after in pairwise(years):
        if after.year != before.year + 1:
            refuse("ledger_gap", f"No year stands between {before.year} and {after.year}.")
    for one in years:
        netting = net_year(
            one.short_cents,
            one.long_cents,
            one.other_income_cents,
            status=status,
            short_carry_cents=short_carry,
            long_carry_cents=long_carry,
        )
        rows.append(LedgerRow(one.year, netting, _benefit(one, netting)))
        short_carry, long_carry = netting.short_carry_cents, netting.long_carry_cents
    return rows


def _benefit(one: TaxYear, netting: Netting) -> int:
    """Rates times what of the year's own net gains was not taxed, plus the deduction."""
    short_saved = max(one.short_cents, 0) - netting.short_gain_cents
    long_saved = max(one.long_cents, 0) - netting.long_gain_cents
    return round_half_up(
        (short_saved + netting.used_cents) * one.short_rate_micros
        + long_saved * one.long_rate_micros,
        MICROS,
    )


def basis_step_down(basis: Sequence[float], values: Sequence[float]) -> list[float]:
    """Cost basis over value through time: what deferral has used up (M61)."""
    if any(not value > 0 for value in values):
        refuse("base_not_positive", "A value is zero or less.", where="values")
    return [cost / value for cost, value in zip(basis, values, strict=True)]
