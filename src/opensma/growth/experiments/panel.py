"""Files of values by unit and date: territories or offices over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.growth.credit_paths import lines_of, number_of


@dataclass(frozen=True)
class Cell:
    """One row of a panel."""

    unit: str
    day: date
    values: tuple[float, ...]


def read_panel(file: Path, unit: str, day: str, values: Sequence[str]) -> list[Cell]:
    """The rows of a file; a unit and date may come once; InputError names file and line."""
    seen: dict[tuple[str, date], int] = {}
    cells = []
    for line, row in lines_of(file, (unit, day, *values)):
        where = f"{file}:{line}"
        key = (row[unit].strip(), parse_date(row[day].strip(), where=where))
        if key in seen:
            raise InputError(
                "growth.panel_twice", f"{key[0]} on {key[1]} stands in line {seen[key]} already.",
                where=where, remedy="Give one row for each unit and date.",
            )  # fmt: skip
        seen[key] = line
        cells.append(Cell(*key, tuple(number_of(row[name], name, where) for name in values)))
    return cells
