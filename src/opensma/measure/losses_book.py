"""What a tax year's harvested losses are worth: in full and usable, with the carryforward (M58).

Potential and usable value never stand apart. The usable one is of the taxpayer's whole year; where
that cannot be had (accounts that the viewer may not see, no rate table) it is None with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from opensma.book.store import Book
from opensma.book.taxviews import TaxYear, tax_year
from opensma.measure.after_tax_book import TaxManagement
from opensma.measure.losses import net_deferred_base
from opensma.measure.performance import Performance


@dataclass(frozen=True, slots=True)
class LossesWorth:
    """One account's harvests of one tax year, and what its taxpayer carries on; cents."""

    year: int
    as_of: date
    harvested_short_cents: int
    harvested_long_cents: int
    potential_cents: int  # every dollar at the rate of its term
    usable_cents: int | None  # tax that these losses save the taxpayer this year
    deferred_cents: int | None  # of these losses carried on instead
    short_carry_cents: int | None  # all losses that the taxpayer carries to the next year (M59)
    long_carry_cents: int | None
    embedded_gain_share: float  # gains not realised, of the account's value; below zero a loss
    carryforward_share: float | None
    net_deferred_share: float | None  # gain that no carryforward covers (M60)
    missing: tuple[str, ...]


def account_losses(book: Book, found: Performance, managed: TaxManagement) -> LossesWorth:
    """For the tax year in which a measured period ends, until its last day."""
    end = found.time_weighted.end
    return losses_worth(tax_year(book, found.account_id, end.year, as_of=end), found, managed)


def losses_worth(view: TaxYear, found: Performance, managed: TaxManagement) -> LossesWorth:
    """The same from a year that has been read."""
    house = view.household
    shown = view.shown()
    embedded = managed.unrealised_share
    short = long = carried = base = usable = deferred = None
    missing: tuple[str, ...] = ()
    if house is None:
        missing = ("usable value of losses: not all accounts of the taxpayer may be seen",)
    else:
        netting = house.ledger[-1].netting
        short, long = netting.short_carry_cents, netting.long_carry_cents
        if found.end_cents > 0:
            carried = (short + long) / found.end_cents
            base, _ = net_deferred_base(max(embedded, 0.0), carried)
        if house.usable is None:
            missing = (f"usable value of losses: {house.missing}",)
        else:
            usable = house.usable.this_year.now_cents
            deferred = house.usable.short_carried_cents + house.usable.long_carried_cents
    return LossesWorth(
        view.year,
        view.as_of,
        sum(a.harvested_short_cents for a in shown),
        sum(a.harvested_long_cents for a in shown),
        view.full.now_cents,
        usable,
        deferred,
        short,
        long,
        embedded,
        carried,
        base,
        missing,
    )
