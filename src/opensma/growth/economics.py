"""What a finance chief asks of growth: bridge, impact, cost of a new group, payback (E1-E10).

Billed figures come from the ledger only; a figure that is not known is None, never a forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from opensma.errors import ensure

CASH_KINDS = ("media", "event", "tech", "platform_fee", "promoter")  # all but people


@dataclass(frozen=True, slots=True)
class Bridge:
    """How assets came from begin to end, in cents; contraction and lost are negative (E1).

    Acquired is what came with a book that was bought; it is no growth of the programme's own.
    """

    begin_c: int
    new_c: int
    expansion_c: int
    contraction_c: int
    lost_c: int
    market_c: int
    end_c: int
    acquired_c: int = 0

    @property
    def gross_retention(self) -> float | None:
        """E5, ex-market."""
        return _ratio(self.begin_c + self.contraction_c + self.lost_c, self.begin_c)

    @property
    def net_retention(self) -> float | None:
        """E5 with expansion."""
        kept = self.begin_c + self.contraction_c + self.lost_c + self.expansion_c
        return _ratio(kept, self.begin_c)

    @property
    def organic_growth(self) -> float | None:
        """E6."""
        return _ratio(self.organic_c, self.begin_c)

    @property
    def organic_c(self) -> int:
        """Net flows that were won or lost."""
        return self.new_c + self.expansion_c + self.contraction_c + self.lost_c


@dataclass(frozen=True, slots=True)
class AccountMonth:
    """One account over a month, in cents: begin + flow + market = end.

    `internal_c` is the part of the flow that came from other accounts of the owner, or went there.
    """

    begin_c: int
    flow_c: int
    market_c: int
    end_c: int
    internal_c: int = 0
    acquired: bool = False  # with a book that was bought in this month


def bridge(months: Iterable[AccountMonth]) -> Bridge:
    """The bridge of account-months (E1): each must tie, and what moved inside must net to zero."""
    begin = new = expansion = contraction = lost = market = end = acquired = inside = 0
    for m in months:
        tied = m.begin_c + m.flow_c + m.market_c == m.end_c
        ensure(tied, "an account-month does not tie", begin=m.begin_c, end=m.end_c)
        begin, market, end = begin + m.begin_c, market + m.market_c, end + m.end_c
        inside += m.internal_c
        flow = m.flow_c - m.internal_c
        if flow > 0 and m.acquired:
            acquired += flow
        elif flow > 0 and m.begin_c == 0:
            new += flow
        elif flow > 0:
            expansion += flow
        elif flow < 0 and m.end_c == 0:
            lost += flow
        else:
            contraction += flow
    ensure(inside == 0, "internal moves do not net to zero", cents=inside)
    return Bridge(begin, new, expansion, contraction, lost, market, end, acquired)


def over(bridges: Sequence[Bridge]) -> Bridge:
    """Consecutive bridges as one: the first begin, all movements, the last end."""
    ensure(bool(bridges), "no bridge to sum")
    return Bridge(
        bridges[0].begin_c, sum(b.new_c for b in bridges), sum(b.expansion_c for b in bridges),
        sum(b.contraction_c for b in bridges), sum(b.lost_c for b in bridges),
        sum(b.market_c for b in bridges), bridges[-1].end_c, sum(b.acquired_c for b in bridges),
    )  # fmt: skip


def annualised_impact_c(flows: Iterable[tuple[int, Fraction]]) -> int:
    """E2: flows in cents at their yearly net rates; half a cent rounds to even, once."""
    return round(sum((flow * rate for flow, rate in flows), Fraction(0)))


@dataclass(frozen=True, slots=True)
class AcquisitionCost:
    """E3; None where nobody was funded."""

    spend_c: int
    cash_c: int  # without people's time
    new_groups: float  # credited groups may be fractions
    net_new_c: int

    @property
    def cac_c(self) -> float | None:
        """Fully loaded cost of a new funded group."""
        return _ratio(self.spend_c, self.new_groups)

    @property
    def hard_dollar_cac_c(self) -> float | None:
        """The same without people."""
        return _ratio(self.cash_c, self.new_groups)

    @property
    def people_share(self) -> float | None:
        """Part of the cost that is people's time."""
        return _ratio(self.spend_c - self.cash_c, self.spend_c)

    @property
    def per_net_new_dollar(self) -> float | None:
        """Dollars spent for a dollar of net new assets."""
        return _ratio(self.spend_c, self.net_new_c) if self.net_new_c > 0 else None


def acquisition_cost(
    spend_c: Mapping[str, int], new_groups: float, net_new_c: int = 0
) -> AcquisitionCost:
    """Cost by kinds of spend over new funded groups (E3)."""
    cash = sum(cents for kind, cents in spend_c.items() if kind in CASH_KINDS)
    return AcquisitionCost(sum(spend_c.values()), cash, new_groups, net_new_c)


def payback_month(cost_c: float, margins_c: Sequence[int]) -> int | None:
    """E4: the first month, from 1, whose cumulative margin covers the cost; None: not reached."""
    total = 0
    for number, margin in enumerate(margins_c, 1):
        total += margin
        if total >= cost_c:
            return number
    return None


def spread(shares: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """E8: by channel, the largest minus the smallest share over all models."""
    channels = sorted({channel for by_channel in shares.values() for channel in by_channel})
    found = {}
    for channel in channels:
        values = [by_channel.get(channel, 0.0) for by_channel in shares.values()]
        found[channel] = max(values) - min(values)
    return found


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
