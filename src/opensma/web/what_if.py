"""The what-if page: what an address asks to try, the day prepared once, rows for the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Lock

from opensma.book.rights import Viewer
from opensma.book.runs import RatesUsed
from opensma.book.store import Book
from opensma.construct.warm import compile_kernel
from opensma.errors import InputError
from opensma.market import Market
from opensma.tax.marginal import CARRIED_SHARE_MICROS
from opensma.trade.change_text import FIELDS, read_change
from opensma.trade.marginal import NETTING
from opensma.trade.restriction_prices import RestrictionPrices, restriction_prices
from opensma.trade.standing import ReadyDay, Standing, ready_day, standing, standing_day
from opensma.trade.what_if import Change, Comparison, what_if

ON_FILE = RatesUsed()


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands in the form, the change it means, or why it means nothing."""

    fields: Mapping[str, str]
    change: Change
    error: InputError | None = None
    rates: RatesUsed = ON_FILE  # as a day without the option


def read_asked(given: Mapping[str, str]) -> Asked:
    """The form in an address; a text that cannot be read stays in its field, with the error."""
    fields = {name: given.get(name, "")[:400] for name in FIELDS}
    netted = given.get("rates") == NETTING
    rates = RatesUsed(NETTING, CARRIED_SHARE_MICROS) if netted else RatesUsed()
    try:
        return Asked(fields, read_change(fields), rates=rates)
    except InputError as error:
        return Asked(fields, Change(), error, rates)


@dataclass
class Desk:
    """The newest day's universe and risk model, kept until the book has a newer day."""

    book: Book
    market: Market
    _lock: Lock = field(default_factory=Lock)
    _ready: ReadyDay | None = None

    def ready(self) -> ReadyDay:
        """The day prepared; made once for all accounts."""
        day = standing_day(self.book, self.market)
        with self._lock:
            if self._ready is None or self._ready.ordinal != day:
                self._ready = ready_day(self.book, self.market, day)
            return self._ready

    def warm(self) -> None:
        """Prepare the day and load the decision's kernel ahead of the first question."""
        compile_kernel()
        self.ready()

    def standing(self, account_id: str, viewer: Viewer | None, rates: RatesUsed) -> Standing:
        """The account as it stands now; BookError where the viewer may not see it."""
        return standing(self.book, self.ready(), account_id, viewer, rates)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page shows below the form."""

    told: Comparison | None
    prices: RestrictionPrices
    error: InputError | None


def answer(stands: Standing, asked: Asked) -> Answer:
    """Try the change, if there is one, and price the restrictions that stand."""
    told, error = None, asked.error
    if error is None and not asked.change.empty:
        try:
            told = what_if(stands, asked.change)
        except InputError as refused:
            error = refused
    return Answer(told, restriction_prices(stands), error)


# Rows of the comparison: words, the outlook's figure, what a tooltip adds.
FIGURES: tuple[tuple[str, str, str], ...] = (
    (
        "Tax of the plan",
        "tax_cents",
        "At the taxpayer's marginal rates; negative is a loss's value",
    ),
    ("Trading costs", "cost_cents", "Estimated half-spread"),
    ("Short-term gain realised", "short_gain_cents", "Net, before wash sales"),
    ("Long-term gain realised", "long_gain_cents", "Net, before wash sales"),
    ("Cash left", "cash_cents", "After trading and after what is paid out"),
)
