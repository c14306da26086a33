"""What a table of the CFO pack is: columns, rows, a note; as CSV it keeps whole cents."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

MINUS, DASH, TIMES = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


class Kind(Enum):
    """How a column is read."""

    TEXT = "text"
    CENTS = "cents"  # shown in dollars
    EXACT = "exact"  # cents, shown to the cent
    SHARE = "share"  # of one, shown in percent
    POINTS = "points"  # difference of shares
    COUNT = "count"
    NUMBER = "number"  # with one decimal
    TIMES = "times"
    PVALUE = "p"
    CHANNEL = "channel"  # an id, shown in words


@dataclass(frozen=True, slots=True)
class Column:
    """One column; `heat` shades its cells by size, `group` is a heading over several."""

    label: str
    kind: Kind
    heat: bool = False
    group: str = ""

    @property
    def heading(self) -> str:
        """A group's name and the label in one, where a header has one row."""
        return f"{self.group}: {self.label}" if self.group else self.label


Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """One table; the last row is a total where `total` says so."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    total: bool = False
    shown: int = 0  # rows on the page; 0: all

    @property
    def on_page(self) -> tuple[tuple[Cell, ...], ...]:
        """The rows that stand on the page."""
        return self.rows[: self.shown] if self.shown else self.rows

    @property
    def footnote(self) -> str:
        """The note, and where the rest of the rows is."""
        more = len(self.rows) - len(self.on_page)
        rest = f" {more:,} more rows are in {self.name}.csv." if more else ""
        return f"{self.note}{rest}".strip()

    def write(self, folder: Path) -> Path:
        """The table as CSV: cents as whole cents, shares of one, nothing where nothing is known."""
        path = folder / f"{self.name}.csv"
        with path.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow([_header(column) for column in self.columns])
            writer.writerows(["" if c is None else _exact(c) for c in row] for row in self.rows)
        return path


def _header(column: Column) -> str:
    words = f"{column.group} {column.label}".strip().lower().replace(" ", "_").replace("-", "_")
    return f"{words}_cents" if column.kind in (Kind.CENTS, Kind.EXACT) else words


def _exact(value: str | int | float) -> str:
    return repr(value) if isinstance(value, float) else str(value)


def columns(*specs: str) -> tuple[Column, ...]:
    """Columns from `label:kind` words; a `!` shades, a `group|` before the label groups."""
    found = []
    for spec in specs:
        label, kind = spec.rsplit(":", 1)
        group, _, name = label.rpartition("|")
        found.append(Column(name, Kind(kind.rstrip("!")), kind.endswith("!"), group))
    return tuple(found)


def cell(value: Cell, kind: Kind) -> str:
    """A value as a reader sees it; a dash where it is not known."""
    if value is None:
        return DASH
    if isinstance(value, str):
        return channel_words(value) if kind is Kind.CHANNEL else value
    if kind is Kind.CENTS:
        text = f"{abs(value) / 100:,.0f}"
        return f"{MINUS}{text}" if value < 0 and text != "0" else text
    if kind is Kind.EXACT:
        return f"{value / 100:,.2f}".replace("-", MINUS)
    if kind in (Kind.SHARE, Kind.POINTS):
        return f"{value * 100:.1f}{' %' if kind is Kind.SHARE else ''}".replace("-", MINUS)
    if kind is Kind.PVALUE:
        return f"{value:.3f}"
    if kind is Kind.COUNT:
        return f"{value:,.0f}"
    return f"{value:,.1f}{TIMES if kind is Kind.TIMES else ''}".replace("-", MINUS)


def channel_words(channel: str) -> str:
    """A channel's id as words: `paid_search` is Paid search."""
    if channel.startswith("platform:"):
        return "Platform " + channel.removeprefix("platform:").replace("-", " ").title()
    words = channel.replace("_", " ")
    return "AI assistant" if words == "ai assistant" else words[:1].upper() + words[1:]


def sums(rows: Sequence[tuple[Cell, ...]], wanted: Sequence[int]) -> dict[int, int]:
    """Sums of some columns."""
    return {i: sum(int(row[i] or 0) for row in rows) for i in wanted}
