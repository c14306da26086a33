"""What happens to companies: listings, takeovers, failures, spin-offs and new tickers."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from opensma.market.generator.companies import SECTORS, Companies, Ints
from opensma.market.generator.names import invent_ticker

# Events per year for the 595 securities of the measured market.
TAKEOVERS, FAILURES, SPIN_OFFS, RENAMES, OFFERINGS = 5.4, 0.8, 4.3, 5.0, 2.5
MEASURED = 595

Take = Callable[[npt.NDArray[np.bool_], int], Ints]


@dataclass(frozen=True, slots=True)
class SpinOff:
    """A parent gives its holders part of itself; `child` is -1 when it is not in the tables."""

    parent: int
    child: int
    row: int
    part: float  # of the parent's value
    ratio: float  # child shares per parent share
    child_symbol: str


@dataclass(frozen=True, slots=True)
class Rename:
    """A security bears `symbol` from session `row` on."""

    security: int
    row: int
    symbol: str


@dataclass(frozen=True, slots=True)
class Lives:
    """Listing and fate per security; rows are sessions."""

    first_row: Ints
    last_row: Ints  # last session with a price
    announced: Ints  # session of a takeover's announcement, -1 for none
    failing: Ints  # session on which a collapse begins, -1 for none
    spin_offs: tuple[SpinOff, ...]
    renames: tuple[Rename, ...]


def plan_lives(random: np.random.Generator, companies: Companies, days: list[date]) -> Lives:
    """Draw every event of the window; each company has at most one fate."""
    count, sessions = len(companies.security_id), len(days)
    years = sessions / 252
    free = companies.twin < 0
    first = np.zeros(count, np.int64)
    last = np.full(count, sessions - 1, np.int64)
    announced = np.full(count, -1, np.int64)
    failing = np.full(count, -1, np.int64)

    def number(per_year: float) -> int:
        return max(1, round(per_year * years * count / MEASURED))

    def take(pool: npt.NDArray[np.bool_], wanted: int) -> Ints:
        rows = np.flatnonzero(pool & free)
        chosen = random.permutation(rows)[:wanted]
        free[chosen] = False
        return chosen

    middle = companies.member & (np.arange(count) > 0.2 * count)
    banks = np.array(
        [
            companies.industry_name[i] in ("Regional Banks", "Diversified Banks")
            for i in companies.industry
        ]
    )
    for row in take(middle & banks, number(FAILURES)):
        failing[row] = random.integers(70, sessions - 45)
        last[row] = failing[row] + random.integers(8, 40)
    for row in take(middle, number(TAKEOVERS)):
        announced[row] = random.integers(5, sessions - 30)
        last[row] = min(announced[row] + random.integers(45, 240), sessions - 2)
    spin_offs = _spin_offs(random, companies, take, number(SPIN_OFFS), sessions, first)
    for row in take(~companies.member, number(OFFERINGS)):
        first[row] = random.integers(10, sessions - 70)
    renames = _renames(random, companies, free, number(RENAMES), sessions, last, spin_offs)
    return Lives(first, last, announced, failing, spin_offs, renames)


def _spin_offs(
    random: np.random.Generator,
    companies: Companies,
    take: Take,
    wanted: int,
    sessions: int,
    first: Ints,
) -> tuple[SpinOff, ...]:
    count = len(companies.security_id)
    parents = take(companies.member & (np.arange(count) < 0.8 * count), wanted)
    children = take(~companies.member, wanted // 2)
    taken = set(companies.taken)
    result = []
    for position, parent in enumerate(parents):
        row = int(random.integers(15, sessions - 15))
        part = float(random.uniform(0.03, 0.30))
        ratio = float(random.choice([1 / 3, 1 / 4, 1 / 10, 1 / 2, 1.0, 1 / 5]))
        child, symbol = -1, ""
        if position < len(children):
            child = int(children[position])
            first[child] = row
            symbol = companies.ticker[child]
            part, ratio = (
                float(random.uniform(0.10, 0.30)),
                float(random.choice([1 / 3, 1 / 4, 0.5])),
            )
        else:
            symbol = invent_ticker(random, companies.name[parent] + "spin", taken)
        result.append(SpinOff(int(parent), child, row, part, ratio, symbol))
    return tuple(result)


def _renames(
    random: np.random.Generator,
    companies: Companies,
    free: npt.NDArray[np.bool_],
    wanted: int,
    sessions: int,
    last: Ints,
    spin_offs: tuple[SpinOff, ...],
) -> tuple[Rename, ...]:
    taken = set(companies.taken) | {spin_off.child_symbol for spin_off in spin_offs}
    rows = random.permutation(np.flatnonzero(free & (last == sessions - 1)))[: max(2, wanted)]
    when = np.sort(random.integers(20, sessions - 40, len(rows)))
    renames = [
        Rename(int(security), int(row), invent_ticker(random, companies.name[security], taken))
        for security, row in zip(rows, when, strict=True)
    ]
    # The last one to change takes the ticker that the first one left behind.
    renames[-1] = Rename(renames[-1].security, renames[-1].row, companies.ticker[int(rows[0])])
    return tuple(renames)


def is_growth_sector(code: int) -> bool:
    """Sectors whose companies split their shares most."""
    return SECTORS[code].growth > 0
