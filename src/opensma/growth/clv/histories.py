"""What is known of each customer: repeat days, the last of them, how long observed (V1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.growth.credit_paths import lines_of, number_of

if TYPE_CHECKING:
    from opensma.growth.credit_paths import Floats

DAYS_OF_UNIT = 7.0


@dataclass(frozen=True)
class Histories:
    """One entry for each customer; times in weeks."""

    x: Floats  # days with a purchase after the first one
    t_x: Floats  # from the first to the last
    t: Floats  # from the first to the end of observation
    mean_spend: Floats  # of a repeat day; 0 without one
    observation_end: date | None = None
    later_end: date | None = None  # last date of the file, where it lies after observation
    later: Floats | None = None  # purchase days after observation

    @property
    def n(self) -> int:
        """How many customers."""
        return len(self.x)


def read_transactions(file: Path, observation_end: date | None = None) -> Histories:
    """Histories from a CSV customer_id,date,amount; a customer's rows of one day are one (V1)."""
    days: dict[str, dict[int, float]] = {}
    for line, row in lines_of(file, ("customer_id", "date", "amount")):
        where = f"{file}:{line}"
        customer = row["customer_id"].strip()
        if not customer:
            raise InputError(
                "growth.customer", "A row has no customer_id.", where=where,
                remedy="Give every row a customer.",
            )  # fmt: skip
        day = parse_date(row["date"].strip(), where=where).toordinal()
        amount = number_of(row["amount"], "amount", where)
        own = days.setdefault(customer, {})
        own[day] = own.get(day, 0.0) + amount
    if not days:
        raise _nobody(str(file))
    last = max(max(own) for own in days.values())
    end = observation_end.toordinal() if observation_end else last
    known = [days[c] for c in sorted(days) if min(days[c]) <= end]
    if not known:
        raise _nobody("--observation-end")
    rows = [_history(own, end) for own in known]
    x, t_x, t, spend, later = np.array(rows, dtype=np.float64).T
    after = date.fromordinal(last) if last > end else None
    return Histories(x, t_x, t, spend, date.fromordinal(end), after, later if after else None)


def _nobody(where: str) -> InputError:
    return InputError(
        "growth.no_customers", "There is no customer with a purchase.", where=where,
        remedy="Give rows, and an end of observation after the first of them.",
    )  # fmt: skip


def _history(days: dict[int, float], end: int) -> tuple[float, float, float, float, float]:
    known = sorted(day for day in days if day <= end)
    first, repeats = known[0], known[1:]
    spend = sum(days[day] for day in repeats) / len(repeats) if repeats else 0.0
    unit = DAYS_OF_UNIT
    return (
        len(repeats), (known[-1] - first) / unit, (end - first) / unit, spend,
        len(days) - len(known),
    )  # fmt: skip


def read_summary(file: Path) -> Histories:
    """Histories from a CSV frequency,recency_weeks,T_weeks[,monetary_mean]."""
    rows = []
    for line, row in lines_of(file, ("frequency", "recency_weeks", "T_weeks")):
        where = f"{file}:{line}"
        names = ("frequency", "recency_weeks", "T_weeks")
        x, t_x, t = (number_of(row[name], name, where, least=0) for name in names)
        spend = number_of(row.get("monetary_mean", "0"), "monetary_mean", where)
        if t_x > t or (x == 0) != (t_x == 0) or x != int(x):
            raise InputError(
                "growth.history", f"frequency {x:g}, recency {t_x:g} and T {t:g} do not fit.",
                where=where, remedy="Recency is at most T, and 0 exactly without repeats.",
            )  # fmt: skip
        rows.append((x, t_x, t, spend))
    if not rows:
        raise _nobody(str(file))
    return Histories(*np.array(rows, dtype=np.float64).T)
