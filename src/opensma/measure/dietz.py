"""Modified Dietz where daily values are missing, and what a large flow inside a period does to it.

Days of a period are numbered 1 to `days`. A flow at the end of day d weighs (days - d) / days, at
the start of it one day more. Flows are positive when they enter the account.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from opensma.measure.conventions import FlowWeight, LargeFlow
from opensma.measure.refusals import Floats, as_numbers, as_returns, positive_base, refuse
from opensma.measure.returns import subperiod_returns


@dataclass(frozen=True, slots=True)
class Dietz:
    """Returns and what they divide by; shape (accounts,), or () for one account."""

    returns: Floats
    denominator: Floats


def flow_weights(flow_days: npt.ArrayLike, days: int, weight: FlowWeight) -> Floats:
    """The share of the period in which each flow was there; any shape."""
    when = as_numbers(flow_days, "flow day")
    if days < 1 or (when.size and (when.min() < 1 or when.max() > days)):
        refuse(
            "flow_day",
            f"A flow's day must lie between 1 and {days}.",
            where="flows",
            remedy="Number the days of the period from 1, or move the flow to its own period.",
        )
    found: Floats = (days - when + (weight is FlowWeight.START_OF_DAY)) / days
    return found


def modified_dietz(
    begin: npt.ArrayLike,
    end: npt.ArrayLike,
    days: int,
    flow_days: npt.ArrayLike,
    flows: npt.ArrayLike,
    weight: FlowWeight = FlowWeight.END_OF_DAY,
) -> Dietz:
    """`(end - begin - sum of flows) / (begin + sum of weight x flow)` (M9).

    `begin` and `end` (accounts,); `flows` (accounts, flows) with 0 where an account has none,
    `flow_days` the same or (flows,).
    """
    first, amounts = as_numbers(begin, "begin"), as_numbers(flows, "flows")
    weights = flow_weights(flow_days, days, weight)
    base = positive_base(first + (weights * amounts).sum(axis=-1), "begin + weighted flows")
    gain = as_numbers(end, "end") - first - amounts.sum(axis=-1)
    return Dietz(as_returns(gain / base, "modified Dietz"), base)


@dataclass(frozen=True, slots=True)
class LargeFlowEffect:
    """What is lost when a period is not broken at a large flow."""

    true_twr: float
    modified_dietz: float
    flow_share: float
    revalue_required: bool

    @property
    def difference_bp(self) -> float:
        """Modified Dietz less the true return, in basis points."""
        return (self.modified_dietz - self.true_twr) * 10_000


def large_flow_effect(
    begin: float,
    value_before_flow: float,
    flow: float,
    flow_day: int,
    end: float,
    days: int,
    policy: LargeFlow,
    weight: FlowWeight = FlowWeight.END_OF_DAY,
) -> LargeFlowEffect:
    """A period with one flow, broken at it and not broken at it (M10)."""
    legs = subperiod_returns([begin, value_before_flow], [0.0, flow], [value_before_flow, end])
    dietz = modified_dietz(begin, end, days, [flow_day], [flow], weight)
    return LargeFlowEffect(
        true_twr=float((1.0 + legs[0]) * (1.0 + legs[1]) - 1.0),
        modified_dietz=float(dietz.returns),
        flow_share=abs(flow) / begin,
        revalue_required=is_large(flow, begin, policy),
    )


def is_large(flow: float, begin: float, policy: LargeFlow) -> bool:
    """True from the threshold on (greater or equal); exact on the numbers as written."""
    size = abs(Decimal(repr(float(flow))))
    if policy.amount is not None:
        return size >= Decimal(repr(float(policy.amount)))
    share = Decimal(repr(float(policy.share or 0.0)))
    return size >= share * Decimal(repr(float(begin)))


def periods_to_break(
    begin: npt.ArrayLike, flows: npt.ArrayLike, policy: LargeFlow
) -> npt.NDArray[np.bool_]:
    """Which flows (accounts, days) need a valuation on their day; `begin` (accounts,) (M10)."""
    size = np.abs(as_numbers(flows, "flows"))
    if policy.amount is not None:
        return np.asarray(size >= policy.amount)
    start = as_numbers(begin, "begin")[..., None]
    return np.asarray((size > 0) & (size >= (policy.share or 0.0) * start))


def significant_months(
    begin: npt.ArrayLike, net_flows: npt.ArrayLike, share: float
) -> npt.NDArray[np.bool_]:
    """Months (accounts, months) in which an account leaves its composite for a while (M11).

    A significant flow is not a large one: the account is removed, nothing is revalued.
    """
    start, size = as_numbers(begin, "begin"), np.abs(as_numbers(net_flows, "net_flows"))
    if share <= 0:
        refuse("significant_flow_policy", "A significant flow is a positive share of the value.")
    return np.asarray((size > 0) & (size >= share * start))
