"""A proposal to leave behind with a prospect: where they stand, the choices, what each would cost.

All of it is hypothetical and says so: prices of one day that stand still, the prospect's own
figures, taxes as estimates. Nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from opensma.construct.motion.transition import Path
from opensma.report.documents.render import render
from opensma.report.words import day_words, money, percent
from opensma.tax.rates import MarginalRates
from opensma.trade.study import Study

_SUPPOSED = (
    "Every figure is hypothetical: it supposes the closing prices of one day for all years, the "
    "holdings, costs and dates as they were given, and the tax rates above for all years."
)
_TAXES = (
    "Taxes are estimates of federal and state tax on gains and losses; a loss counts in full, as "
    "if it could be used against other gains in its year. This is not tax advice."
)
ASSUMPTIONS = (
    _SUPPOSED,
    _TAXES,
    "Tracking error is expected, by the risk model of the day; what happens can be far from it.",
    "Results differ with every use and over time. No account has done what is shown here.",
)


@dataclass(frozen=True, slots=True)
class ProposalFacts:
    """Who it is for and from, and what was asked."""

    prospect: str
    firm: str
    strategy: str
    day: date  # whose closes are used
    state: str
    status: str
    years: int


def proposal_pdf(facts: ProposalFacts, found: Study, rates: MarginalRates) -> bytes:
    """The proposal as PDF, dated by the day of its prices."""
    return render("proposal", proposal_data(facts, found, rates), facts.day)


def proposal_data(facts: ProposalFacts, found: Study, rates: MarginalRates) -> dict[str, Any]:
    """Everything on the page and in the document, in finished words."""
    best = chosen(found.paths)
    short, long = (percent(r / 1e6) for r in (rates.short_millionths, rates.long_millionths))
    losses = _dollars(-found.losses)
    return {
        "title": f"Proposal for {facts.prospect}",
        "words": f"Prices of {day_words(facts.day.toordinal())}",
        "account": {"firm": facts.firm, "program": "Proposal"},
        "who": facts.prospect,
        "facts": [
            ["Strategy", facts.strategy],
            ["Taxes", f"{facts.status.replace('_', ' ')}, {facts.state or 'no state tax'}"],
            ["Rates", f"{short} short-term, {long} long-term"],
            ["Horizon", f"{facts.years} years"],
        ],
        "figures": [
            ["Holdings", _dollars(found.value), "as given, at one day's closes"],
            ["Gains not realised", _dollars(found.gains), f"and losses of {losses}"],
            ["Tracking error today", percent(found.te_before), "to the strategy, a year"],
            ["Losses to harvest now", _dollars(-found.harvested), _worth(found)],
        ],
        "paths": [_path(one, found, one is best) for one in found.paths],
        "years": [] if best is None else [_year(i, one) for i, one in enumerate(best.years, 1)],
        "best": "" if best is None else _named(best),
        "prices": [
            [p.sector, f"{p.te_bps:+,.0f} bp", _signed(p.tax), _signed(p.cost)]
            for p in found.prices
        ],
        "assumptions": list(ASSUMPTIONS),
    }  # fmt: skip


def chosen(paths: Sequence[Path]) -> Path | None:
    """The path that costs least in tax, trading and tracking error together."""
    return min(paths, key=lambda p: p.total, default=None)


def _path(one: Path, found: Study, best: bool) -> list[str]:
    mark = "least in all" if best else ""
    return [
        _named(one), _dollars(one.tax), _dollars(one.cost), percent(found.te_before),
        percent(one.te_end), _dollars(one.total), mark,
    ]  # fmt: skip


def _named(one: Path) -> str:
    return "as much as pays" if one.budget is None else f"{_dollars(one.budget)} of gains a year"


def _year(number: int, one: Any) -> list[str]:
    return [
        str(number), f"{one.trades:,}", _dollars(one.st_gain), _dollars(one.lt_gain),
        _dollars(one.tax), percent(one.te_after), _dollars(one.gain_left),
    ]  # fmt: skip


def _worth(found: Study) -> str:
    if found.harvest_tax >= 0.0:
        return "without a net gain"
    return f"worth up to {_dollars(-found.harvest_tax)} at these rates"


def _dollars(value: float) -> str:
    return money(round(value) * 100).removesuffix(".00")


def _signed(value: float) -> str:
    return ("+" if value > 0 else "") + _dollars(value)
