"""The table of accounts: search, filter, sort and page, all read from the address.

Pure. Whatever an address says gives a page: an unknown word falls back to the default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from opensma.book.views import ProgramRow

PER_PAGE = 50
_LONGEST_SEARCH = 100
_MOST_DIGITS = 9

# What an account's day came to, the word for it, and what it means.
OUTCOMES: dict[str, tuple[str, str]] = {
    "exception": ("Needs a person", "something stopped this account today"),
    "held": ("Held", "the plan waits for a person's release"),
    "traded": ("Traded", "today's plan was approved and traded"),
    "kept": ("No trades", "today's plan found nothing worth trading"),
    "waiting": ("Not run", "no plan was made for this account yet"),
}
REGISTRATIONS: dict[str, str] = {
    "individual": "Individual",
    "joint": "Joint",
    "trust": "Trust",
    "ira": "IRA",
    "roth_ira": "Roth IRA",
}


def outcome(row: ProgramRow) -> str:
    """Which of OUTCOMES an account's newest day came to."""
    if row.plan is not None and row.plan.review == "held":
        return "held"
    if row.exceptions:
        return "exception"
    if row.plan is None:
        return "waiting"
    return "traded" if row.trades else "kept"


def tracking_error(row: ProgramRow) -> float | None:
    """Expected tracking error after today's plan, None without a solved plan."""
    solved = row.plan is not None and row.plan.status == "solved"
    return row.plan.te_after if row.plan is not None and solved else None


def active_return(row: ProgramRow) -> float | None:
    """Time-weighted return since the start less the benchmark's, None before the first day."""
    return None if row.measures is None else row.measures.twr - row.measures.benchmark_twr


Key = Callable[[ProgramRow], str | float | None]
SORTS: dict[str, Key] = {
    "account": lambda r: r.account.account_id,
    "owner": lambda r: r.owner.casefold(),
    "registration": lambda r: r.account.registration,
    "value": lambda r: r.measures.value_cents if r.measures else None,
    "return": lambda r: r.measures.twr if r.measures else None,
    "active": active_return,
    "te": tracking_error,
    "harvested": lambda r: (
        r.measures.harvested_year_cents if r.measures and r.account.taxed else None
    ),
    "taxvalue": lambda r: (
        r.measures.tax_value_year_cents if r.measures and r.account.taxed else None
    ),
    "lots": lambda r: r.measures.lots if r.measures else None,
    "trades": lambda r: r.trades,
    "outcome": lambda r: list(OUTCOMES).index(outcome(r)),
}
_TEXT = ("account", "owner", "registration")  # these begin with A, figures with the largest


@dataclass(frozen=True, slots=True)
class Choice:
    """What the reader asked to see."""

    q: str = ""
    registration: str = ""
    outcome: str = ""
    advisor: str = ""
    sort: str = "account"
    descending: bool = False
    page: int = 1

    @property
    def narrowed(self) -> bool:
        """Whether anything is filtered away."""
        return bool(self.q or self.registration or self.outcome or self.advisor)

    def query(self) -> str:
        """This choice as the query of an address; defaults are left out."""
        values = {
            "q": self.q,
            "registration": self.registration,
            "outcome": self.outcome,
            "advisor": self.advisor,
            "sort": self.sort if self.sort != "account" else "",
            "dir": _direction(self) if self.descending != _falls(self.sort) else "",
            "page": str(self.page) if self.page > 1 else "",
        }
        return urlencode({name: value for name, value in values.items() if value})

    def sorted_by(self, sort: str) -> str:
        """The query that sorts by a column; the same column again turns the order round."""
        again = sort == self.sort
        descending = not self.descending if again else _falls(sort)
        return replace(self, sort=sort, descending=descending, page=1).query()

    def at(self, page: int) -> str:
        """The query of another page."""
        return replace(self, page=page).query()


def _direction(choice: Choice) -> str:
    return "desc" if choice.descending else "asc"


def _falls(sort: str) -> bool:
    return sort not in _TEXT


def read_choice(given: Mapping[str, str]) -> Choice:
    """The choice in an address; words that mean nothing here are ignored."""
    sort = given.get("sort", "")
    sort = sort if sort in SORTS else "account"
    direction = given.get("dir", "")
    descending = direction == "desc" if direction in ("asc", "desc") else _falls(sort)
    registration, outcome_ = given.get("registration", ""), given.get("outcome", "")
    return Choice(
        q=given.get("q", "").strip()[:_LONGEST_SEARCH],
        registration=registration if registration in REGISTRATIONS else "",
        outcome=outcome_ if outcome_ in OUTCOMES else "",
        advisor=given.get("advisor", "")[:_LONGEST_SEARCH],
        sort=sort,
        descending=descending,
        page=page_number(given.get("page", "")),
    )


def page_number(text: str) -> int:
    """A page number from an address, 1 where it is none."""
    digits = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return max(int(text), 1) if digits else 1


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the table."""

    choice: Choice
    rows: tuple[ProgramRow, ...]
    matching: int
    total: int
    pages: int
    size: int = PER_PAGE

    @property
    def first(self) -> int:
        """Number of the first row shown, 0 where there is none."""
        return (self.choice.page - 1) * self.size + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """Number of the last row shown."""
        return self.first + len(self.rows) - 1 if self.rows else 0


def page_of(rows: Sequence[ProgramRow], choice: Choice, size: int = PER_PAGE) -> Page:
    """The rows that match, sorted, and the page asked for (the last one when there are fewer)."""
    words = choice.q.casefold().split()
    found = [r for r in rows if _matches(r, choice) and all(w in _text(r) for w in words)]
    return _cut(_ordered(found, choice), choice, len(rows), size)


def _ordered(rows: Sequence[ProgramRow], choice: Choice) -> Sequence[ProgramRow]:
    """Rows in the order of a choice; what has no value comes last in either order."""
    key = SORTS[choice.sort]
    known = [(value, r) for r in rows if (value := key(r)) is not None]
    known.sort(key=lambda pair: pair[0], reverse=choice.descending)
    missing = [r for r in rows if key(r) is None]
    return [r for _, r in known] + missing


def _cut(ordered: Sequence[ProgramRow], choice: Choice, total: int, size: int) -> Page:
    pages = max(1, -(-len(ordered) // size))
    choice = replace(choice, page=min(choice.page, pages))
    start = (choice.page - 1) * size
    return Page(choice, tuple(ordered[start : start + size]), len(ordered), total, pages, size)


class Overview:
    """Rows of one state of the book with what every visit needs of all of them, made once."""

    def __init__(self, rows: Sequence[ProgramRow]) -> None:
        self.rows = rows
        self.totals = totals(rows)
        self.advisors = sorted({(r.advisor, r.account.advisor_id) for r in rows})
        self._orders: dict[tuple[str, bool], Sequence[ProgramRow]] = {}

    def page_of(self, choice: Choice, size: int = PER_PAGE) -> Page:
        """As `page_of`; an order that was asked for before is not sorted again."""
        if choice.narrowed:
            return page_of(self.rows, choice, size)
        key = (choice.sort, choice.descending)
        if key not in self._orders:
            self._orders[key] = _ordered(self.rows, choice)
        return _cut(self._orders[key], choice, len(self.rows), size)


def _matches(row: ProgramRow, choice: Choice) -> bool:
    account = row.account
    return (
        (not choice.registration or account.registration == choice.registration)
        and (not choice.advisor or account.advisor_id == choice.advisor)
        and (not choice.outcome or outcome(row) == choice.outcome)
    )


def _text(row: ProgramRow) -> str:
    account = row.account
    parts = (account.account_id, account.name, row.owner, row.taxpayer, row.advisor)
    return "\n".join((*parts, account.custodian)).casefold()


@dataclass(frozen=True, slots=True)
class Totals:
    """Figures over all accounts that the viewer may see; None where nothing was measured."""

    accounts: int
    value_cents: int | None
    harvested_cents: int | None
    tax_value_cents: int | None
    tracking_error: float | None
    active_return: float | None
    trades: int
    stopped: int  # accounts that need a person


def totals(rows: Sequence[ProgramRow]) -> Totals:
    """Sums and plain means over accounts; retirement accounts harvest nothing (W14)."""
    measured = [r.measures for r in rows if r.measures is not None]
    errors = [e for r in rows if (e := tracking_error(r)) is not None]
    active = [a for r in rows if (a := active_return(r)) is not None]
    return Totals(
        len(rows),
        sum(m.value_cents for m in measured) if measured else None,
        sum(m.harvested_year_cents for m in measured) if measured else None,
        sum(m.tax_value_year_cents for m in measured) if measured else None,
        sum(errors) / len(errors) if errors else None,
        sum(active) / len(active) if active else None,
        sum(r.trades for r in rows),
        sum(1 for r in rows if outcome(r) in ("exception", "held")),
    )
