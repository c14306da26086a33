"""Charts as Vega-Lite specifications (Altair), drawn as SVG by vl-convert. No network, no CDN.

The same data gives the same bytes, and what was drawn is kept by the hash of its specification.
Colours are safe for colour-blind readers, and every line differs by its dash as well. Altair is
imported when the first chart is drawn: `warm` moves that second away from the first reader.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256
from html import escape
from threading import Lock
from typing import Any

from opensma.measure.returns import Floats
from opensma.units import Ints

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_KEPT = 256  # drawings of about 20 kB


@dataclass(frozen=True, slots=True)
class Scheme:
    """Colours of a drawing on a light or a dark page."""

    ink: str
    muted: str
    line: str
    series: tuple[str, str, str]


# Blue, orange and grey keep apart for every kind of colour blindness.
LIGHT = Scheme("#1c2126", "#565f6b", "#e4e5e1", ("#0a5a8c", "#b35309", "#6b7480"))
DARK = Scheme("#e9eae6", "#a9b1ba", "#30363c", ("#74bdf0", "#f2a65e", "#9aa3ad"))
_DASHES = ([1, 0], [6, 3], [2, 3])
NAMES = ("Account value", "Same flows in the benchmark", "Net contributions")


@dataclass(frozen=True, slots=True)
class ValueLines:
    """An account's value over time; every column (days,), cents, days as ordinals."""

    title: str
    description: str
    days: Ints
    value_cents: Ints
    benchmark_cents: Floats
    contributed_cents: Ints

    def digest(self) -> str:
        """Short name of the data, for addresses that may be kept for ever."""
        columns = (self.days, self.value_cents, self.benchmark_cents, self.contributed_cents)
        content = b"".join(column.tobytes() for column in columns)
        return sha256(self.title.encode() + content).hexdigest()[:16]


def value_chart(lines: ValueLines, *, width: int, height: int, dark: bool = False) -> str:
    """The value chart as an SVG document with title and description."""
    spec = value_spec(lines, width=width, height=height, scheme=DARK if dark else LIGHT)
    return drawn(spec, lines.title, lines.description)


def value_spec(lines: ValueLines, *, width: int, height: int, scheme: Scheme) -> dict[str, Any]:
    """Vega-Lite specification of the value chart."""
    look = Look(NAMES, _DASHES, "dollars", "$~s", from_zero=False)
    return lines_spec(_long(lines), look, width=width, height=height, scheme=scheme)


@dataclass(frozen=True, slots=True)
class Look:
    """What tells one line chart from another; `field` is the row's number for each day and line."""

    names: tuple[str, ...]
    dashes: tuple[list[int], ...]
    field: str
    number_format: str
    from_zero: bool | None = None  # None: as the drawing library decides


def lines_spec(
    rows: list[dict[str, object]], look: Look, *, width: int, height: int, scheme: Scheme
) -> dict[str, Any]:
    """Vega-Lite specification of lines over days: rows of day, line and the look's field."""
    import altair as alt

    names, narrow = list(look.names), width < 500
    colours = alt.Scale(domain=names, range=list(scheme.series[: len(names)]))
    dashes = alt.Scale(domain=names, range=[list(dash) for dash in look.dashes])
    legend = alt.Legend(
        title=None,
        orient="top",
        columns=1 if narrow else len(names),
        symbolSize=350,
        labelLimit=0,
        symbolStrokeWidth=2,
        columnPadding=36,  # the reader's font may be wider than the one measured with
    )
    day = alt.Axis(format="%b %Y", tickCount=4 if narrow else 8, title=None, labelOverlap=True)
    number = alt.Axis(format=look.number_format, tickCount=5, title=None)
    zero: dict[str, Any] = {} if look.from_zero is None else {"zero": look.from_zero}
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        # No clipping: its marks are numbered over the life of the engine.
        .mark_line(strokeWidth=1.75)
        .encode(
            x=alt.X("day:T", axis=day),
            y=alt.Y(f"{look.field}:Q", axis=number, scale=alt.Scale(nice=True, **zero)),
            color=alt.Color("line:N", scale=colours, legend=legend),
            strokeDash=alt.StrokeDash("line:N", scale=dashes, legend=legend),
        )
        .properties(width=width, height=height)
    )
    spec: dict[str, Any] = chart.to_dict()
    spec["config"] = axis_config(scheme)
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return spec


def _long(lines: ValueLines) -> list[dict[str, object]]:
    """One row per day and line; dollars to the cent."""
    columns = (lines.value_cents, lines.benchmark_cents, lines.contributed_cents)
    days = [date.fromordinal(day).isoformat() for day in lines.days.tolist()]
    return [
        {"day": day, "line": name, "dollars": round(cents / 100, 2)}
        for name, column in zip(NAMES, columns, strict=True)
        for day, cents in zip(days, column.tolist(), strict=True)
    ]


def axis_config(scheme: Scheme) -> dict[str, Any]:
    """How every chart of the portal looks: fonts, axes, legend."""
    axis = {
        "labelColor": scheme.muted,
        "labelFontSize": 12,
        "gridColor": scheme.line,
        "domainColor": scheme.line,
        "tickColor": scheme.line,
        "labelPadding": 6,
    }
    return {
        "background": "transparent",
        "font": _FONT,
        "padding": 2,
        "view": {"stroke": None},
        "axis": axis,
        "axisX": {"grid": False},
        "axisY": {"domain": False, "ticks": False},
        "legend": {"labelColor": scheme.ink, "labelFontSize": 12.5, "offset": 10},
    }


_drawings: OrderedDict[str, str] = OrderedDict()
_lock = Lock()  # one drawing at a time: the engine holds one JavaScript context


def drawn(spec: dict[str, Any], title: str, description: str) -> str:
    """A specification as an SVG document with a name; kept by its content."""
    text = json.dumps(spec, sort_keys=True)
    key = sha256(f"{title}\n{description}\n{text}".encode()).hexdigest()
    with _lock:
        if key not in _drawings:
            import vl_convert

            _drawings[key] = _named(vl_convert.vegalite_to_svg(spec), title, description)
            while len(_drawings) > _KEPT:
                _drawings.popitem(last=False)
        _drawings.move_to_end(key)
        return _drawings[key]


def _named(svg: str, title: str, description: str) -> str:
    """Give the drawing a name that screen readers speak."""
    head, body = svg.split(">", 1)
    words = f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
    return f'{head} role="img">{words}{body}'


def warm() -> None:
    """Import Altair and start the drawing engine, so that the first reader does not wait."""
    spec = {"data": {"values": [{"a": 1}]}, "mark": "point", "encoding": {}}
    import altair as alt

    alt.Chart(alt.InlineData(values=[{"a": 1}])).mark_point().to_dict()
    drawn(spec, "", "")


PRINT_FONT = "Libertinus Serif"  # inside every Typst, so a drawing is the same everywhere


def document_chart(lines: ValueLines, *, width: int, height: int) -> str:
    """The value chart for a printed page: the same specification in the document's font."""
    frame = _print_frame(width, height)
    return drawn(frame | {"data": {"values": _long(lines)}}, lines.title, lines.description)


@lru_cache(maxsize=8)
def _print_frame(width: int, height: int) -> dict[str, Any]:
    """The specification without its data: checking it takes longer than drawing it."""
    look = Look(NAMES, _DASHES, "dollars", "$~s", from_zero=False)
    spec = lines_spec([], look, width=width, height=height, scheme=LIGHT)
    spec["config"]["font"] = PRINT_FONT
    return spec
