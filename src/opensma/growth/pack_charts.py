"""Drawings of the CFO pack: the bridge, how far models disagree, what cohorts have paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opensma.growth.economics import Bridge
from opensma.growth.pack_tables import MINUS, channel_words
from opensma.report.charts import LIGHT, axis_config, drawn

_WIDTH = 1000
_UP, _DOWN, _TOTAL = "#2f7d4f", "#b35309", "#0a5a8c"
_DOTS = ("#0a5a8c", "#b35309", "#6b7480", "#2f7d4f", "#8a5aa8", "#c0a020", "#1c2126")


def bridge_chart(bridge: Bridge, title: str) -> str:
    """A waterfall from begin to end; contraction and lost go down."""
    import altair as alt

    steps = (
        ("New", bridge.new_c), ("Expansion", bridge.expansion_c),
        ("Contraction", bridge.contraction_c), ("Lost", bridge.lost_c),
        *([("Acquired", bridge.acquired_c)] if bridge.acquired_c else []),
        ("Market", bridge.market_c),
    )  # fmt: skip
    rows: list[dict[str, Any]] = [_bar("Begin", 0, bridge.begin_c, _TOTAL, bridge.begin_c)]
    at = bridge.begin_c
    for name, moved in steps:
        rows.append(_bar(name, at, at + moved, _UP if moved >= 0 else _DOWN, moved))
        at += moved
    rows.append(_bar("End", 0, bridge.end_c, _TOTAL, bridge.end_c))
    base = alt.Chart(alt.InlineData(values=rows)).encode(
        x=alt.X("step:N", sort=None, title=None, axis=alt.Axis(labelAngle=0))
    )
    bars = base.mark_bar(size=52).encode(
        y=alt.Y("low:Q", title=None, axis=alt.Axis(format="$~s", tickCount=5)),
        y2="high:Q",
        color=alt.Color("colour:N", scale=None),
    )
    words = base.mark_text(dy=-7, fontSize=11.5, color=LIGHT.ink).encode(
        y=alt.Y("top:Q"), text="label:N"
    )
    return drawn_on_paper((bars + words).properties(width=_WIDTH, height=230), title, title)


def _bar(step: str, start: int, end: int, colour: str, moved: int) -> dict[str, Any]:
    low, high = sorted((start / 100, end / 100))
    if not moved and step not in ("Begin", "End"):
        return {"step": step, "low": low, "high": high, "top": high, "colour": colour, "label": "0"}
    sign = MINUS if moved < 0 else "" if step in ("Begin", "End") else "+"
    label = f"{sign}${abs(moved) / 1e8:,.1f}m"
    return {"step": step, "low": low, "high": high, "top": high, "colour": colour, "label": label}


def spread_chart(
    shares: Mapping[str, Mapping[str, float]], channels: Sequence[str], title: str
) -> str:
    """Every channel's share under each model as a dot; the line is the spread (E8)."""
    import altair as alt

    rows = [
        {"channel": channel_words(channel), "model": model, "share": by.get(channel, 0.0)}
        for model, by in shares.items()
        for channel in channels
    ]
    models = list(shares)
    data = alt.Chart(alt.InlineData(values=rows))
    y = alt.Y(
        "channel:N",
        sort=[channel_words(c) for c in channels],
        title=None,
        axis=alt.Axis(labelLimit=220),
    )
    line = data.mark_rule(strokeWidth=2, color=LIGHT.line).encode(
        y=y, x=alt.X("min(share):Q"), x2="max(share):Q"
    )
    shapes = [
        "circle",
        "square",
        "triangle-up",
        "diamond",
        "cross",
        "triangle-down",
        "triangle-left",
    ]
    dots = data.mark_point(filled=True, size=62, opacity=0.9).encode(
        y=y,
        x=alt.X("share:Q", title=None, axis=alt.Axis(format=".0%", grid=True, tickCount=8)),
        color=alt.Color("model:N", scale=alt.Scale(domain=models, range=list(_DOTS)),
                        legend=alt.Legend(title=None, orient="top", columns=len(models))),
        shape=alt.Shape("model:N", scale=alt.Scale(domain=models, range=shapes)),
    )  # fmt: skip
    height = 24 * len(channels)
    return drawn_on_paper((line + dots).properties(width=_WIDTH - 160, height=height), title, title)


def cohort_chart(lines: Sequence[tuple[str, Sequence[tuple[int, float]]]], title: str) -> str:
    """Cumulative billed margin of a group by year of funding, over months; shading by age."""
    import altair as alt

    names = [name for name, _ in lines]
    rows = [
        {"cohort": name, "month": month, "dollars": dollars}
        for name, points in lines
        for month, dollars in points
    ]
    dashes = [[1, 0], [6, 3], [2, 3], [8, 3, 2, 3], [4, 2], [1, 2]]
    colour = alt.Color(
        "cohort:N", scale=alt.Scale(domain=names, range=list(_DOTS[: len(names)])),
        legend=alt.Legend(title=None, orient="top", symbolSize=350),
    )  # fmt: skip
    scale = alt.Scale(domain=names, range=[dashes[i % len(dashes)] for i in range(len(names))])
    chart = (
        alt.Chart(alt.InlineData(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(
                "month:Q",
                title="months since the quarter of funding began",
                axis=alt.Axis(titleFontWeight="normal"),
            ),
            y=alt.Y("dollars:Q", title=None, axis=alt.Axis(format="$~s", tickCount=5)),
            color=colour,
            strokeDash=alt.StrokeDash("cohort:N", scale=scale),
        )
        .properties(width=_WIDTH, height=210)
    )
    return drawn_on_paper(chart, title, title)


def drawn_on_paper(chart: Any, title: str, description: str, ground: str = "transparent") -> str:
    """A chart of the pack's look as SVG, with room at its edges."""
    spec: dict[str, Any] = chart.to_dict()
    spec["config"] = axis_config(LIGHT) | {"background": ground}
    spec["padding"] = {"left": 24, "right": 12, "top": 4, "bottom": 2}
    return drawn(spec, title, description)
