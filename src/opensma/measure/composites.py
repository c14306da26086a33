"""Composite returns by three methods, dispersion of members, counts, fees inside (M29 to M32).

Figures and records that a firm can use when it prepares its own reports; nothing here claims more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.measure.conventions import CompositeMethod, FlowWeight, ModelFeeMethod
from opensma.measure.dietz import flow_weights, modified_dietz
from opensma.measure.refusals import Floats, as_numbers, as_returns, positive_base, refuse
from opensma.measure.risk import deviation

FIVE_OR_FEWER = 5
DISPERSION_FROM = 6


@dataclass(frozen=True, slots=True)
class Member:
    """One portfolio of a composite in one period: a known return, or values and flows."""

    member_id: str
    begin: float
    end: float | None = None
    flow_days: tuple[float, ...] = ()
    flows: tuple[float, ...] = ()
    known_return: float | None = None

    def __post_init__(self) -> None:
        if (self.end is None) == (self.known_return is None):
            refuse(
                "member",
                "A member has either a return or an ending value.",
                where=self.member_id,
                remedy="Supply the missing valuation, or the return of the period.",
            )
        if not self.begin >= 0:
            refuse("member_begin", "A beginning value is zero or more.", where=self.member_id)

    def member_return(self, days: int, weight: FlowWeight) -> float:
        """The return given, or Modified Dietz."""
        if self.known_return is not None:
            return float(as_returns([self.known_return], self.member_id)[0])
        found = modified_dietz(
            self.begin, self.end or 0.0, days, self.flow_days, self.flows, weight
        )
        return float(found.returns)

    def ending(self) -> float:
        """The ending value; from the return where only that is known, so without flows."""
        if self.known_return is not None:
            return self.begin * (1.0 + self.known_return)
        return float(self.end or 0.0)

    def weighted(self, days: int, weight: FlowWeight) -> float:
        """Beginning value plus weighted flows."""
        shares = flow_weights(self.flow_days, days, weight)
        return self.begin + float((shares * np.array(self.flows, dtype=np.float64)).sum())


@dataclass(frozen=True, slots=True)
class CompositeReturn:
    """Returns of the members and of all of them together, by each method asked for."""

    member_returns: dict[str, float]
    composite: dict[CompositeMethod, float]


def composite_return(
    members: Sequence[Member],
    days: int,
    methods: Sequence[CompositeMethod],
    weight: FlowWeight = FlowWeight.END_OF_DAY,
) -> CompositeReturn:
    """One period of a composite (M29). The last two methods agree when members use Dietz."""
    if not members:
        refuse("no_members", "A composite without members has no return.", where="members")
    if len({m.member_id for m in members}) != len(members):
        refuse("member_twice", "A member is listed twice.", where="members")
    returns = {m.member_id: m.member_return(days, weight) for m in members}
    found: dict[CompositeMethod, float] = {}
    for method in methods:
        if method is CompositeMethod.AGGREGATE:
            found[method] = _aggregate(members, days, weight)
        else:
            plain = method is CompositeMethod.BEGINNING
            bases = np.array([m.begin if plain else m.weighted(days, weight) for m in members])
            found[method] = float(weighted_mean(np.array(list(returns.values())), bases))
    return CompositeReturn(returns, found)


def _aggregate(members: Sequence[Member], days: int, weight: FlowWeight) -> float:
    """All members as one portfolio."""
    total = modified_dietz(
        sum(m.begin for m in members),
        sum(m.ending() for m in members),
        days,
        [day for m in members for day in m.flow_days],
        [flow for m in members for flow in m.flows],
        weight,
    )
    return float(total.returns)


def weighted_mean(returns: Floats, bases: Floats) -> Floats:
    """Members (..., members) weighted by their bases; the sum must be above zero."""
    total = positive_base(as_numbers(bases, "begin").sum(axis=-1), "composite")
    found: Floats = (returns * bases).sum(axis=-1) / total
    return found


def composite_series(returns: Floats, begin: Floats, included: npt.NDArray[np.bool_]) -> Floats:
    """Beginning-weighted composite returns (periods,) from (accounts, periods) and membership."""
    bases = np.where(included, begin, 0.0)
    return weighted_mean(np.where(included, returns, 0.0).T, bases.T)


# --- dispersion and counts ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spread:
    """Internal dispersion of members that were in for the full year (M30, M32)."""

    dispersion_required: bool
    high: float
    low: float
    range: float
    iqr: float
    equal_weighted_std: float | None  # None where too few members are left for its ddof
    asset_weighted_mean: float
    asset_weighted_std: float


def dispersion(returns: Sequence[float], begin: Sequence[float], ddof: int = 1) -> Spread:
    """Every measure at once; which one a report shows is the firm's choice."""
    r, base = as_returns(list(returns)), as_numbers(list(begin), "begin")
    if len(r) != len(base) or not len(r):
        refuse("no_members", "Dispersion needs members with a return and a value.", where="members")
    if base.min() < 0:
        refuse("member_begin", "A beginning value is zero or more.", where="members")
    mean = float(weighted_mean(r, base))
    variance = float(weighted_mean((r - mean) ** 2, base))
    low, high = float(r.min()), float(r.max())
    quarters = np.quantile(r, [0.25, 0.75], method="linear")
    return Spread(
        dispersion_required=len(r) >= DISPERSION_FROM,
        high=high,
        low=low,
        range=high - low,
        iqr=float(quarters[1] - quarters[0]),
        equal_weighted_std=float(deviation(r, ddof)) if len(r) > ddof else None,
        asset_weighted_mean=mean,
        asset_weighted_std=float(np.sqrt(variance)),
    )


def count_labels(portfolios: int) -> list[str]:
    """How the number of portfolios may be written (M30)."""
    if portfolios < 0:
        refuse("portfolio_count", "A count is zero or more.", where="portfolio_count")
    return [str(portfolios), *(["five or fewer"] if portfolios <= FIVE_OR_FEWER else [])]


def dispersion_required(full_year_members: int, required_from: int = DISPERSION_FROM) -> bool:
    """By members of the full year, whatever the number at its end (M30)."""
    if full_year_members < 0:
        refuse("portfolio_count", "A count is zero or more.", where="full_year_count")
    return full_year_members >= required_from


# --- fees inside returns -----------------------------------------------------------------------


def model_fee_net(
    gross: npt.ArrayLike, annual_fee: float, periods_per_year: float, method: ModelFeeMethod
) -> Floats:
    """Net of a model fee, period by period; any shape (M23)."""
    g = as_returns(gross, "gross_return")
    if not (periods_per_year > 0 and 0 <= annual_fee < periods_per_year):
        refuse(
            "model_fee",
            "A model fee is a yearly fraction of zero or more, over a positive number of periods.",
            where="annual_fee",
            remedy="Give 1.25 % as 0.0125.",
        )
    fee = annual_fee / periods_per_year
    net: Floats
    if method is ModelFeeMethod.ARITHMETIC:
        net = g - fee
    elif method is ModelFeeMethod.GEOMETRIC:
        net = (1.0 + g) * (1.0 - fee) - 1.0
    else:
        net = (1.0 + g) / (1.0 + annual_fee) ** (1.0 / periods_per_year) - 1.0
    return net


@dataclass(frozen=True, slots=True)
class WrapGross:
    """What of a wrap fee may be added back to a gross return, in basis points (M22)."""

    portion_with_transaction_costs_bp: float
    addable_bp: float


def wrap_gross(wrap_fee_bp: float, management_fee_bp: float) -> WrapGross:
    """Only the identified management fee, and only for clients of that sponsor (M21, M22)."""
    if not 0 <= management_fee_bp <= wrap_fee_bp:
        refuse(
            "wrap_fee",
            "The management fee lies between zero and the whole wrap fee.",
            where="investment_management_fee_bp",
            remedy="Check which fees the bundle contains.",
        )
    return WrapGross(wrap_fee_bp - management_fee_bp, management_fee_bp)


def by_sponsor(
    members: Sequence[Member], sponsors: Mapping[str, str], days: int, weight: FlowWeight
) -> tuple[list[Member], list[Member]]:
    """Carve wrap accounts out: each sponsor's together as one portfolio, and the others (M35).

    A sponsor's portfolio has the aggregate return of its accounts and their beginning value.
    """
    groups: dict[str, list[Member]] = {}
    for member in members:
        if member.member_id in sponsors:
            groups.setdefault(sponsors[member.member_id], []).append(member)
    wrapped = [
        Member(name, sum(m.begin for m in some), known_return=_aggregate(some, days, weight))
        for name, some in groups.items()
    ]
    return wrapped, [m for m in members if m.member_id not in sponsors]
