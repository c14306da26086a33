"""What the taxes page shows besides the view: its address, slices of its tables, rates. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from opensma.book.taxviews import AccountYear, HouseholdTax, TaxYear
from opensma.tax.forms import Form8949Row, Total, box_totals
from opensma.tax.liability import Change
from opensma.tax.loss_value import LossValue
from opensma.web.listing import page_number

ROWS_PER_PAGE = 15
_YEARS = range(1990, 2101)


@dataclass(frozen=True, slots=True)
class TaxLook:
    """What the reader of a taxes page asked to see."""

    year: int | None = None  # None: the newest
    page: int = 1  # of Form 8949

    def query(self, **changes: int) -> str:
        """The address of the same look with some changes."""
        after = replace(self, **changes)
        given = {"year": after.year, "page": after.page if after.page > 1 else None}
        return urlencode({name: value for name, value in given.items() if value is not None})


def read_look(given: Mapping[str, str]) -> TaxLook:
    """The look in an address; words that mean nothing here are ignored."""
    year = page_number(given.get("year", ""))
    return TaxLook(year if year in _YEARS else None, page_number(given.get("page", "")))


@dataclass(frozen=True, slots=True)
class PartRow:
    """One part of the estimated tax, with these accounts and without them."""

    name: str
    with_cents: int
    without_cents: int


def tax_parts(house: HouseholdTax) -> list[PartRow]:
    """The parts of the estimate in the order of the return; empty where there is none."""
    if house.liability is None or house.without is None:
        return []
    names = (
        *("Federal, ordinary income", "Federal, long-term gain and dividends"),
        *("Net investment income tax", "State, on gains and dividends"),
    )
    parts = zip(names, house.liability.parts_cents, house.without.parts_cents, strict=True)
    return [PartRow(*part) for part in parts]


def next_dollars(house: HouseholdTax) -> list[tuple[str, Change]]:
    """What one more dollar of gain costs, by term."""
    if house.next_dollar is None:
        return []
    more = house.next_dollar
    return [("Short-term", more.short), ("Long-term", more.long)]


def value_rows(view: TaxYear) -> list[tuple[str, int, int | None]]:
    """(what, in full, usable this year): the value of the harvests by part (R7)."""
    use = view.household.usable if view.household is not None else None
    return [
        (words, _part(view.full, name), None if use is None else _part(use.this_year, name))
        for words, name in (
            ("Tax avoided now", "now_cents"),
            ("Tax later, at its present value", "later_present_cents"),
            ("Value", "value_cents"),
            ("Of it deferral", "deferral_cents"),
            ("Of it difference of rates", "rate_difference_cents"),
        )
    ]


def _part(value: LossValue, name: str) -> int:
    return int(getattr(value, name))


def summed(accounts: tuple[AccountYear, ...]) -> dict[str, int]:
    """Columns of the accounts added up."""
    names = (
        *("short_gain_cents", "short_loss_cents", "long_gain_cents", "long_loss_cents"),
        *("short_cents", "long_cents", "deferred_cents", "permanent_cents"),
        *("harvested_short_cents", "harvested_long_cents"),
        *("qualified_cents", "ordinary_dividend_cents", "open_dividend_cents"),
    )
    return {name: sum(getattr(a, name) for a in accounts) for name in names}


def form_page(
    view: TaxYear, page: int, size: int = ROWS_PER_PAGE
) -> tuple[int, int, tuple[Form8949Row, ...]]:
    """(page, pages, rows of that page) of the year's Form 8949."""
    pages = max(1, -(-len(view.rows) // size))
    page = min(page, pages)
    return page, pages, view.rows[(page - 1) * size : page * size]


def form_totals(view: TaxYear) -> list[Total]:
    """Sums of every box of Form 8949."""
    return box_totals(view.rows)
