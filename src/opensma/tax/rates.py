"""What one more dollar of gain costs in tax: federal, net investment income, state (R1 to R3).

Rates are data (R9): `data/federal.csv` (thresholds of the Revenue Procedures 2021 to 2026; a rate
applies above `over_dollars`) and `data/states.csv` (the top rate of each state from a year on: an
upper bound, most not verified). No rate stands in the code. Rates are millionths: 238000 = 23.8%.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from opensma.errors import InputError
from opensma.units import CENTS

TABLE_VERSION = "2026-11"  # a run states the table it used (R9)
STATUSES = ("single", "joint", "separate", "head", "trust")


@dataclass(frozen=True, slots=True)
class MarginalRates:
    """Rates in millionths on the last dollar of income, and the parts they are the sum of.

    `verified` is False when any part comes from a figure that nobody has checked against its
    primary source; a person approves rates once a year.
    """

    year: int
    status: str
    state: str  # "" when none was asked for
    federal_short: int
    federal_long: int
    investment: int  # net investment income tax (R3)
    state_short: int
    state_long: int
    verified: bool
    table: str = TABLE_VERSION

    @property
    def short_millionths(self) -> int:
        """Rate on a short-term gain."""
        return self.federal_short + self.investment + self.state_short

    @property
    def long_millionths(self) -> int:
        """Rate on a long-term gain."""
        return self.federal_long + self.investment + self.state_long


@dataclass(frozen=True, slots=True)
class _Step:
    """One bracket: the rate on income above a threshold."""

    rate: int
    over_cents: int
    verified: bool


def marginal_rates(
    year: int, status: str, taxable_income_cents: int, magi_cents: int, state: str = ""
) -> MarginalRates:
    """Rates on the last dollar of the given incomes; an income at a threshold is still below it.

    Gains count in both incomes, because they stack on top of other income (R1). State tax is the
    state's top rate. InputError rates.unknown_year, rates.unknown_status, rates.unknown_state.
    """
    tables = _tables(year, status)
    ordinary = _step(tables["ordinary"], taxable_income_cents)
    long_term = _step(tables["long_term"], taxable_income_cents)
    investment = _step(tables["niit"], magi_cents)
    short, long, checked = _state(year, state)
    return MarginalRates(
        year=year,
        status=status,
        state=state,
        federal_short=ordinary.rate,
        federal_long=long_term.rate,
        investment=investment.rate,
        state_short=short,
        state_long=long,
        verified=ordinary.verified and long_term.verified and investment.verified and checked,
    )


def _step(steps: list[_Step], income_cents: int) -> _Step:
    below = [step for step in steps if step.over_cents < income_cents]
    return below[-1] if below else steps[0]


def _tables(year: int, status: str) -> dict[str, list[_Step]]:
    if status not in STATUSES:
        raise InputError(
            "rates.unknown_status",
            f"'{status}' is no filing status.",
            where="status",
            remedy=f"Use one of {', '.join(STATUSES)}.",
        )
    federal = _federal()
    if (year, status) not in federal:
        years = sorted({known for known, _ in federal})
        raise InputError(
            "rates.unknown_year",
            f"There are no federal rates for {year}; the table has {years[0]} to {years[-1]}.",
            where="year",
            remedy="Add the year's Revenue Procedure to the rate table.",
        )
    return federal[(year, status)]


def _state(year: int, state: str) -> tuple[int, int, bool]:
    if not state:
        return 0, 0, True
    if state not in _states():
        raise InputError(
            "rates.unknown_state",
            f"'{state}' is no state of the rate table.",
            where="state",
            remedy="Use the two-letter postal code, such as NY.",
        )
    known = [row for row in _states()[state] if row[0] <= year]
    if not known:
        raise InputError(
            "rates.unknown_year",
            f"There is no rate of {state} for {year}.",
            where="year",
            remedy="Add the year to the table of states.",
        )
    return known[-1][1:]


@cache
def _federal() -> dict[tuple[int, str], dict[str, list[_Step]]]:
    tables: dict[tuple[int, str], dict[str, list[_Step]]] = {}
    for row in _rows("federal.csv"):
        kinds = tables.setdefault((int(row["year"]), row["status"]), {})
        over_cents = int(row["over_dollars"]) * CENTS
        step = _Step(int(row["rate_millionths"]), over_cents, row["verified"] == "1")
        kinds.setdefault(row["kind"], []).append(step)
    for kinds in tables.values():
        for steps in kinds.values():
            steps.sort(key=lambda step: step.over_cents)
    return tables


@cache
def _states() -> dict[str, list[tuple[int, int, int, bool]]]:
    tables: dict[str, list[tuple[int, int, int, bool]]] = {}
    for row in _rows("states.csv"):
        rates = (int(row["short_millionths"]), int(row["long_millionths"]))
        tables.setdefault(row["state"], []).append(
            (int(row["from_year"]), *rates, row["verified"] == "1")
        )
    for rows in tables.values():
        rows.sort()
    return tables


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("opensma.tax") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
