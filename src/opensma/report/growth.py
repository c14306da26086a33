"""The chart of a return: account and benchmark from zero, the same style as the value chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from opensma.measure.returns import Floats
from opensma.report.charts import DARK, LIGHT, Look, Scheme, drawn, lines_spec
from opensma.units import Ints

NAMES = ("Account, time-weighted", "Benchmark, total return")
_DASHES = ([1, 0], [6, 3])


@dataclass(frozen=True, slots=True)
class GrowthLines:
    """Cumulative returns over a period; every column (days,), the first day at zero."""

    title: str
    description: str
    days: Ints
    account: Floats
    benchmark: Floats

    def digest(self) -> str:
        """Short name of the data, for addresses that may be kept for ever."""
        content = b"".join(c.tobytes() for c in (self.days, self.account, self.benchmark))
        return sha256(self.title.encode() + content).hexdigest()[:16]


def growth_chart(lines: GrowthLines, *, width: int, height: int, dark: bool = False) -> str:
    """The chart as an SVG document with title and description."""
    spec = growth_spec(lines, width=width, height=height, scheme=DARK if dark else LIGHT)
    return drawn(spec, lines.title, lines.description)


def growth_spec(lines: GrowthLines, *, width: int, height: int, scheme: Scheme) -> dict[str, Any]:
    """Vega-Lite specification of the chart."""
    look = Look(NAMES, _DASHES, "return", ".0%")
    return lines_spec(_long(lines), look, width=width, height=height, scheme=scheme)


def _long(lines: GrowthLines) -> list[dict[str, object]]:
    """One row per day and line."""
    days = [date.fromordinal(day).isoformat() for day in lines.days.tolist()]
    return [
        {"day": day, "line": name, "return": round(value, 6)}
        for name, column in zip(NAMES, (lines.account, lines.benchmark), strict=True)
        for day, value in zip(days, column.tolist(), strict=True)
    ]
