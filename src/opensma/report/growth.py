"""The chart of a return: account and benchmark from zero, the same style as the value chart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

from opensma.measure.returns import Floats
from opensma.report.charts import DARK, LIGHT, Scheme, axis_config, drawn
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
    import altair as alt

    narrow = width < 500
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=1 if narrow else 2,
        symbolSize=350,
        labelLimit=0,
        symbolStrokeWidth=2,
        columnPadding=36,
    )
    colours = alt.Scale(domain=list(NAMES), range=list(scheme.series[:2]))
    dashes = alt.Scale(domain=list(NAMES), range=[list(dash) for dash in _DASHES])
    day = alt.Axis(format="%b %Y", tickCount=4 if narrow else 8, title=None, labelOverlap=True)
    share = alt.Axis(format=".0%", tickCount=5, title=None)
    chart = (
        alt.Chart(alt.InlineData(values=_long(lines)))
        .mark_line(strokeWidth=1.75)
        .encode(
            x=alt.X("day:T", axis=day),
            y=alt.Y("return:Q", axis=share, scale=alt.Scale(nice=True)),
            color=alt.Color("line:N", scale=colours, legend=legend),
            strokeDash=alt.StrokeDash("line:N", scale=dashes, legend=legend),
        )
        .properties(width=width, height=height)
    )
    spec: dict[str, Any] = chart.to_dict()
    spec["config"] = axis_config(scheme)
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return spec


def _long(lines: GrowthLines) -> list[dict[str, object]]:
    """One row per day and line."""
    days = [date.fromordinal(day).isoformat() for day in lines.days.tolist()]
    return [
        {"day": day, "line": name, "return": round(value, 6)}
        for name, column in zip(NAMES, (lines.account, lines.benchmark), strict=True)
        for day, value in zip(days, column.tolist(), strict=True)
    ]
