"""The reliability plot of a score: what was promised beside what happened, tenth by tenth (L3)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from opensma.errors import InputError
from opensma.growth.pack_charts import drawn_on_paper
from opensma.growth.scoring_measures import RELIABLE
from opensma.report.charts import LIGHT

_SIDE = 330


def write_plot(path: Path, document: Mapping[str, Any]) -> None:
    """Write the plot of a score's document as SVG, on white."""
    if path.suffix != ".svg":
        raise InputError("growth.plot", f"'{path.name}' is no name of a drawing.",
                         where="--plot", remedy="Give a name that ends with .svg.")  # fmt: skip
    if document["model"] != "logistic":
        raise InputError(
            "growth.plot", "Points by rules are no chances: there is nothing to plot.",
            where="--plot", remedy="Leave it out until a model speaks (L5).",
        )  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(reliability_plot(document), encoding="utf-8")


def reliability_plot(document: Mapping[str, Any]) -> str:
    """Tenths with 90 % intervals about the diagonal, as trained and with moved weights, as SVG."""
    import altair as alt

    parts = {"As trained": document["test"], "Weights moved by later outcomes": document["moved"]}
    panels = [_panel(name, judged) for name, judged in parts.items() if judged is not None]
    title = "Reliability: predicted chance and what happened"
    words = "; ".join(
        f"{name}: largest gap {judged['largest_gap']:.3f}"
        for name, judged in parts.items()
        if judged is not None
    )
    return drawn_on_paper(alt.hconcat(*panels, spacing=46), title, f"{title}. {words}.", "white")


def _panel(name: str, judged: Mapping[str, Any]) -> Any:
    import altair as alt

    share = alt.Scale(domain=[0, 1], nice=False)
    axis = alt.Axis(format=".0%", tickCount=5, titleFontWeight="normal", titleColor=LIGHT.muted)
    x = alt.X("predicted:Q", scale=share, axis=axis, title="predicted chance, mean of the tenth")
    y = alt.Y("observed:Q", scale=share, axis=axis, title="share that came to the next stage")
    rows = [
        {"predicted": r["predicted"], "observed": r["observed"],
         "low": r["interval"][0], "high": r["interval"][1]}
        for r in judged["reliability"]
    ]  # fmt: skip
    band = [{"predicted": at, "low": max(0, at - RELIABLE), "high": min(1, at + RELIABLE),
             "observed": at} for at in (0, RELIABLE, 1 - RELIABLE, 1)]  # fmt: skip
    perfect = alt.Chart(alt.InlineData(values=band)).encode(x=x)
    tenths = alt.Chart(alt.InlineData(values=rows)).encode(x=x)
    low, high = alt.Y("low:Q", scale=share), alt.Y2("high:Q")
    layers = (
        perfect.mark_area(color=LIGHT.line, opacity=0.7).encode(y=low, y2=high)
        + perfect.mark_line(color=LIGHT.muted, strokeWidth=1).encode(y=y)
        + tenths.mark_rule(color=LIGHT.series[0], strokeWidth=1.6).encode(y=low, y2=high)
        + tenths.mark_point(filled=True, size=70, opacity=1, color=LIGHT.series[0]).encode(y=y)
    )
    subtitle = (
        f"{judged['rows']:,} leads, Brier {judged['brier']:.3f}, "
        f"largest gap {judged['largest_gap']:.3f}, mean {judged['mean_gap']:.3f}"
    )
    heading = alt.Title(name, subtitle=subtitle, anchor="start", color=LIGHT.ink, fontSize=14,
                        subtitleColor=LIGHT.muted, offset=10)  # fmt: skip
    return layers.properties(width=_SIDE, height=_SIDE, title=heading)
