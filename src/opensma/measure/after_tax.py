"""Returns after tax: realised, at liquidation, against an after-tax benchmark (M41 to M49, M55).

Amounts may be arrays over accounts. Taxes are paid outside the account; a loss counts in full,
which assumes that it can be used: say so beside the figure (M42). Without rates there is no
after-tax return (M50).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.measure.conventions import EmbeddedGainBase, FlowWeight
from opensma.measure.dietz import modified_dietz
from opensma.measure.refusals import Floats, as_numbers, as_returns, refuse


@dataclass(frozen=True, slots=True)
class TaxRates:
    """Rates by character, as fractions; state and investment income tax are inside them (M42)."""

    short: float
    long: float
    qualified: float
    ordinary: float = 0.0

    def __post_init__(self) -> None:
        for name in ("short", "long", "qualified", "ordinary"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                refuse(
                    "tax_rate",
                    f"A {name} rate of {getattr(self, name)} is no fraction of an amount.",
                    where=f"rates.{name}",
                    remedy="Give 37 % as 0.37.",
                )


@dataclass(frozen=True, slots=True)
class Realised:
    """What a period realised, by character, from the lot ledger on trade dates (M48, M51)."""

    short: npt.ArrayLike
    long: npt.ArrayLike
    qualified_dividends: npt.ArrayLike = 0.0
    ordinary_income: npt.ArrayLike = 0.0

    def tax(self, rates: TaxRates) -> Floats:
        """Tax of the period; negative where losses outweigh, counted in full (M42)."""
        found: Floats = (
            as_numbers(self.short, "realised_short") * rates.short
            + as_numbers(self.long, "realised_long") * rates.long
            + as_numbers(self.qualified_dividends, "qualified_dividends") * rates.qualified
            + as_numbers(self.ordinary_income, "ordinary_income") * rates.ordinary
        )
        return found


@dataclass(frozen=True, slots=True)
class Unrealised:
    """Gains not yet realised at the beginning and at the end, by term."""

    long_begin: npt.ArrayLike
    long_end: npt.ArrayLike
    short_begin: npt.ArrayLike
    short_end: npt.ArrayLike

    def tax_change(self, rates: TaxRates) -> Floats:
        """Change, not level, of the tax that liquidation would cost (M43)."""
        long = as_numbers(self.long_end, "unrealised_long_end") - as_numbers(
            self.long_begin, "unrealised_long_begin"
        )
        short = as_numbers(self.short_end, "unrealised_short_end") - as_numbers(
            self.short_begin, "unrealised_short_begin"
        )
        return long * rates.long + short * rates.short


@dataclass(frozen=True, slots=True)
class AfterTax:
    """One period before and after tax; arrays (accounts,)."""

    denominator: Floats
    pre_tax: Floats
    tax: Floats
    pre_liquidation: Floats
    mark_to_liquidation: Floats


def after_tax_dietz(
    begin: npt.ArrayLike,
    end: npt.ArrayLike,
    days: int,
    flow_days: npt.ArrayLike,
    flows: npt.ArrayLike,
    realised: Realised,
    unrealised: Unrealised,
    rates: TaxRates,
    weight: FlowWeight = FlowWeight.END_OF_DAY,
) -> AfterTax:
    """Pre-liquidation and mark-to-liquidation return on the Modified Dietz base (M41 to M43)."""
    dietz = modified_dietz(begin, end, days, flow_days, flows, weight)
    tax = realised.tax(rates)
    pre_liquidation = dietz.returns - tax / dietz.denominator
    overhang = unrealised.tax_change(rates) / dietz.denominator
    return AfterTax(
        dietz.denominator, dietz.returns, tax, pre_liquidation, pre_liquidation - overhang
    )


def after_tax_days(
    pre_tax: npt.ArrayLike, base: npt.ArrayLike, realised: Realised, rates: TaxRates
) -> Floats:
    """Daily pre-liquidation returns: the day's return less its tax over its base (M41).

    All (accounts, days); a day without a base taxes nothing.
    """
    tax, held = realised.tax(rates), as_numbers(base, "base")
    r = as_returns(pre_tax, "pre_tax")
    share = np.divide(
        tax, held, out=np.zeros(np.broadcast_shapes(tax.shape, held.shape)), where=held > 0
    )
    found: Floats = r - share
    return found


def post_liquidation(
    after_tax_returns: npt.ArrayLike,
    embedded_gain: float,
    rate: float,
    base: EmbeddedGainBase = EmbeddedGainBase.ENDING_VALUE,
) -> float:
    """Yearly return had everything been sold at the end; one return per year (M44)."""
    returns = as_returns(after_tax_returns, "after_tax_returns")
    if not len(returns):
        refuse("too_few_returns", "There is no year to annualise.", where="after_tax_returns")
    value = float(np.prod(1.0 + returns))
    due = embedded_gain * rate
    left = value * (1.0 - due) if base is EmbeddedGainBase.ENDING_VALUE else value - due
    if left < 0:
        refuse(
            "return_below_minus_100",
            "The tax on the embedded gain is more than the account.",
            where="embedded_gain",
            remedy="Give the gain as a share of the named base.",
        )
    growth: float = left ** (1.0 / len(returns))
    return growth - 1.0


@dataclass(frozen=True, slots=True)
class TaxAlpha:
    """What tax management added: excess after tax less excess before (M55); may be negative."""

    excess_after: float
    excess_pre: float

    @property
    def tax_alpha(self) -> float:
        """The difference of both."""
        return self.excess_after - self.excess_pre


def tax_alpha(
    after_tax_portfolio: float,
    after_tax_benchmark: float,
    pre_tax_portfolio: float,
    pre_tax_benchmark: float,
) -> TaxAlpha:
    """Four returns of the same period, linking and flow convention (M55)."""
    after = as_returns([after_tax_portfolio, after_tax_benchmark], "after_tax")
    before = as_returns([pre_tax_portfolio, pre_tax_benchmark], "pre_tax")
    return TaxAlpha(float(after[0] - after[1]), float(before[0] - before[1]))


def unrealised_share(unrealised_gain: float, after_tax_assets: float) -> float:
    """Unrealised gain as a share of after-tax assets, required at each year end (M46)."""
    if not after_tax_assets > 0:
        refuse(
            "base_not_positive", "After-tax assets must be above zero.", where="after_tax_assets"
        )
    return unrealised_gain / after_tax_assets


def by_direction(amounts: Sequence[float], client_directed: Sequence[bool]) -> tuple[float, float]:
    """Realised amounts the manager chose, and those the client asked for; both are shown (M49)."""
    values = as_numbers(list(amounts), "amounts")
    asked = np.asarray(client_directed, dtype=bool)
    return float(values[~asked].sum()), float(values[asked].sum())
