"""The tables of rates, dated and with their sources (R1 to R4, R8, R9).

`data/federal.csv` has the thresholds of the Revenue Procedures 2021 to 2026 (a rate applies above
`over_dollars`), `data/states.csv` the parts of each state's treatment of gains from a year on, and
`data/constants.csv` what is not indexed. An empty `checked` means that nobody has compared the row
with its source. No rate stands in the code. Rates are millionths: 238000 = 23.8%.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from opensma.errors import InputError, ensure
from opensma.units import CENTS, MICROS

TABLE_VERSION = "2026-11-24"  # a run states the table it used (R9)
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
class Step:
    """One bracket: the rate in millionths on income above a threshold."""

    rate: int
    over_cents: int
    verified: bool


@dataclass(frozen=True, slots=True)
class FederalTable:
    """The steps of one year and status: ordinary (R2), long-term (R1), investment income (R3)."""

    ordinary: tuple[Step, ...]
    long_term: tuple[Step, ...]
    investment: tuple[Step, ...]
    collectibles_rate: int  # R4
    section_1250_rate: int

    @property
    def verified(self) -> bool:
        """Whether every row was compared with its source."""
        return all(s.verified for s in (*self.ordinary, *self.long_term, *self.investment))


@dataclass(frozen=True, slots=True)
class StatePart:
    """One part of a state's treatment; `kind` is one of `STATE_PARTS`."""

    kind: str
    rate: int  # or share, in millionths
    over_cents: int
    note: str
    source: str
    checked: str  # ISO date, empty where nobody has


STATE_PARTS = {
    "none": "no tax on gains",
    "ordinary": "income of every kind at this rate: the top one, since brackets are not kept",
    "short": "short-term gain at this rate instead",
    "long": "long-term gain at this rate instead",
    "exclude_long": "this share of net long-term gain is left out",
    "exclude_gain": "this share of all gain is left out",
    "surtax": "added on taxable income above",
    "surtax_if": "added on all gain when the income of the federal return is above",
    "surtax_gain": "added on gains and dividends above",
    "excise_deduction": "comes off long-term gain before the excise",
    "excise": "on long-term gain alone, above",
    "own_year": "losses offset gains of the year only; nothing carries forward",
}


@dataclass(frozen=True, slots=True)
class StateRules:
    """How one state taxes gains in one year (R8)."""

    state: str
    parts: tuple[StatePart, ...]

    @property
    def verified(self) -> bool:
        """Whether every part was compared with its source."""
        return all(part.checked for part in self.parts)

    @property
    def carries(self) -> bool:
        """Whether the federal carryforward and deduction of losses are followed."""
        return not any(part.kind in ("own_year", "none", "excise") for part in self.parts)

    def of(self, kind: str) -> tuple[StatePart, ...]:
        """The parts of one kind."""
        return tuple(part for part in self.parts if part.kind == kind)

    def rate(self, kind: str) -> int:
        """The rate or share of the only part of a kind, 0 where there is none."""
        found = self.of(kind)
        return found[0].rate if found else 0

    def term_rates(self) -> tuple[int, int]:
        """Rates on short- and long-term gain in millionths, exclusions taken off, surtaxes not."""
        kept = MICROS - self.rate("exclude_gain")
        short = (self.rate("short") or self.rate("ordinary")) * kept
        long = (self.rate("long") or self.rate("ordinary")) * kept
        long *= MICROS - self.rate("exclude_long")
        exact = not short % MICROS and not long % MICROS**2
        ensure(exact, "a share of a rate is no millionth", state=self.state)
        return short // MICROS, long // MICROS**2


def marginal_rates(
    year: int, status: str, taxable_income_cents: int, magi_cents: int, state: str = ""
) -> MarginalRates:
    """Rates on the last dollar of the given incomes; an income at a threshold is still below it.

    Gains count in both incomes, because they stack on top of other income (R1). State tax is the
    state's top rate. InputError rates.unknown_year, rates.unknown_status, rates.unknown_state.
    """
    table = federal_table(year, status)
    ordinary = _step(table.ordinary, taxable_income_cents)
    long_term = _step(table.long_term, taxable_income_cents)
    investment = _step(table.investment, magi_cents)
    rules = state_rules(year, state)
    short, long = rules.term_rates()
    kinds = ("surtax", "surtax_if", "surtax_gain")
    surtax = sum(rules.rate(kind) for kind in kinds)
    excise = max((part.rate for part in rules.of("excise")), default=0)
    return MarginalRates(
        year=year,
        status=status,
        state=state,
        federal_short=ordinary.rate,
        federal_long=long_term.rate,
        investment=investment.rate,
        state_short=short + surtax,
        state_long=long + surtax + excise,
        verified=ordinary.verified
        and long_term.verified
        and investment.verified
        and rules.verified,
    )


def _step(steps: tuple[Step, ...], income_cents: int) -> Step:
    below = [step for step in steps if step.over_cents < income_cents]
    return below[-1] if below else steps[0]


def federal_table(year: int, status: str) -> FederalTable:
    """The federal steps of a year. InputError rates.unknown_year, rates.unknown_status."""
    check_status(status)
    federal = _federal()
    if (year, status) not in federal:
        years = sorted({known for known, _ in federal})
        raise InputError(
            "rates.unknown_year",
            f"There are no federal rates for {year}; the table has {years[0]} to {years[-1]}.",
            where="year",
            remedy="Add the year's Revenue Procedure to the rate table.",
        )
    kinds = federal[(year, status)]
    return FederalTable(
        kinds["ordinary"],
        kinds["long_term"],
        kinds["niit"],
        _constant("collectibles", year, "all"),
        _constant("section_1250", year, "all"),
    )


def known_years() -> tuple[int, ...]:
    """Years with federal rates, in order."""
    return tuple(sorted({year for year, _ in _federal()}))


def loss_limit_cents(status: str, year: int) -> int:
    """What of a net loss offsets other income in a year (R6). InputError rates.unknown_status."""
    check_status(status)
    return _constant("loss_limit", year, status) * CENTS


def check_status(status: str) -> None:
    """InputError rates.unknown_status for what is no filing status."""
    if status not in STATUSES:
        raise InputError(
            "rates.unknown_status",
            f"'{status}' is no filing status.",
            where="status",
            remedy=f"Use one of {', '.join(STATUSES)}.",
        )


def state_rules(year: int, state: str) -> StateRules:
    """A state's parts in force in a year; "" is no state.

    InputError rates.unknown_state, rates.unknown_year.
    """
    if not state:
        return StateRules("", ())
    tables = _states()
    if state not in tables:
        raise InputError(
            "rates.unknown_state",
            f"'{state}' is no state of the rate table.",
            where="state",
            remedy="Use the two-letter postal code, such as NY.",
        )
    known = [since for since in tables[state] if since <= year]
    if not known:
        raise InputError(
            "rates.unknown_year",
            f"There is no rate of {state} for {year}.",
            where="year",
            remedy="Add the year to the table of states.",
        )
    return StateRules(state, tables[state][max(known)])


@cache
def _federal() -> dict[tuple[int, str], dict[str, tuple[Step, ...]]]:
    tables: dict[tuple[int, str], dict[str, list[Step]]] = {}
    for row in _rows("federal.csv"):
        kinds = tables.setdefault((int(row["year"]), row["status"]), {})
        over_cents = int(row["over_dollars"]) * CENTS
        step = Step(int(row["rate_millionths"]), over_cents, bool(row["checked"]))
        kinds.setdefault(row["kind"], []).append(step)
    return {
        key: {
            kind: tuple(sorted(steps, key=lambda step: step.over_cents))
            for kind, steps in kinds.items()
        }
        for key, kinds in tables.items()
    }


@cache
def _states() -> dict[str, dict[int, tuple[StatePart, ...]]]:
    """Parts by state and first year; a state's parts of one year replace all earlier ones."""
    tables: dict[str, dict[int, tuple[StatePart, ...]]] = {}
    for row in _rows("states.csv"):
        ensure(row["part"] in STATE_PARTS, "a state has an unknown part", part=row["part"])
        since, over_cents = int(row["from_year"]), int(row["over_dollars"]) * CENTS
        words = (row["note"], row["source"], row["checked"])
        part = StatePart(row["part"], int(row["rate_millionths"]), over_cents, *words)
        years = tables.setdefault(row["state"], {})
        years[since] = (*years.get(since, ()), part)
    return tables


@cache
def _constant(name: str, year: int, status: str) -> int:
    found = [
        (int(row["from_year"]), int(row["value"]))
        for row in _rows("constants.csv")
        if row["name"] == name and row["status"] == status and int(row["from_year"]) <= year
    ]
    ensure(bool(found), "a constant has no value for the year", name=name, year=year)
    return max(found)[1]


def _rows(name: str) -> list[dict[str, str]]:
    text = (files("opensma.tax") / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
