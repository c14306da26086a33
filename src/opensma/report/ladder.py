"""The ladder from benchmark to account for people: steps in words, and the waterfall chart."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import Any

from opensma.measure.attribution_book import AccountAttribution
from opensma.report.charts import DARK, LIGHT, Scheme, axis_config, drawn
from opensma.report.words import signed_percent

CLIENT = "Client-directed"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the ladder; `whole` marks the sum at its end."""

    name: str
    effect: float
    meaning: str
    whole: bool = False


def ladder_steps(found: AccountAttribution) -> list[Step]:
    """From the benchmark to the account, with the sum at the end (M65)."""
    ladder = found.ladder
    return [
        Step(
            "Manager",
            ladder.manager,
            "the model keeps each month's opening weights while the index changes",
        ),
        Step(
            CLIENT,
            ladder.client_directed,
            "the owner's wishes: the model inside them against the model",
        ),
        Step(
            "Tax",
            ladder.tax_trading,
            "names kept with a gain, sold at a loss, or held instead of those",
        ),
        Step("Cash", ladder.cash, "money that was not invested when months began"),
        Step("Positions", ladder.positions, "other names off target when months began"),
        Step("Trading", ladder.trading, "trades, their costs and flows within months"),
        Step("Active return", found.active, "the account less its benchmark", whole=True),
    ]


def wish_rows(found: AccountAttribution) -> list[tuple[str, float, str]]:
    """Each wish, its effect, what it is; and what only all of them together did (M65)."""
    rows = [
        (wish.words, wish.effect, "the target with this wish against the one without it")
        for wish in found.wishes
    ]
    if len(rows) > 1:
        rows.append(("together", found.together, "what only their combination did"))
    return rows


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Steps that add up, and what the drawing is called."""

    title: str
    description: str
    steps: tuple[Step, ...]

    def digest(self) -> str:
        """Short name of the data, for addresses that may be kept for ever."""
        content = json.dumps([self.title, [(s.name, s.effect) for s in self.steps]])
        return sha256(content.encode()).hexdigest()[:16]


def waterfall(account_id: str, found: AccountAttribution) -> Waterfall:
    """The ladder of an account as a drawing."""
    steps = ladder_steps(found)
    parts = ", ".join(f"{s.name.lower()} {signed_percent(s.effect)}" for s in steps[:-1])
    active = signed_percent(steps[-1].effect)
    return Waterfall(
        f"From the benchmark's return to that of {account_id}",
        f"The active return of {active} is made of: {parts}.",
        tuple(steps),
    )


def waterfall_chart(found: Waterfall, *, width: int, height: int, dark: bool = False) -> str:
    """The chart as an SVG document with title and description."""
    spec = waterfall_spec(found, width=width, height=height, scheme=DARK if dark else LIGHT)
    return drawn(spec, found.title, found.description)


def waterfall_spec(found: Waterfall, *, width: int, height: int, scheme: Scheme) -> dict[str, Any]:
    """Vega-Lite specification: floating bars, each with its figure in signed percent."""
    import altair as alt

    rows = _rows(found.steps, 1 if width < 500 else 2)
    kinds = ["adds", "takes away", "sum"]
    colours = alt.Scale(domain=kinds, range=list(scheme.series))
    names = [step.name for step in found.steps]
    narrow = width < 500
    angle = -90 if narrow else 0  # level words would cover each other
    x = alt.X("step:N", sort=names, axis=alt.Axis(title=None, labelAngle=angle, labelLimit=0))
    y = alt.Y("from:Q", axis=alt.Axis(format=".1%", tickCount=5, title=None))
    base = alt.Chart(alt.InlineData(values=rows))
    bars = base.mark_bar().encode(
        x=x, y=y, y2="to:Q", color=alt.Color("kind:N", scale=colours, legend=None)
    )
    words = base.mark_text(dy=-7, fontSize=10 if narrow else 12, color=scheme.ink).encode(
        x=x, y="top:Q", text="figure:N"
    )
    zero = (
        alt.Chart(alt.InlineData(values=[{"zero": 0}]))
        .mark_rule(color=scheme.muted)
        .encode(y="zero:Q")
    )
    chart = alt.layer(bars, zero, words).properties(width=width, height=height)
    spec: dict[str, Any] = chart.to_dict()
    spec["config"] = axis_config(scheme)
    # The reader's font may be wider than the one that the words were measured with.
    spec["padding"] = {"left": 8, "right": 2, "top": 6, "bottom": 14 if narrow else 2}
    spec["autosize"] = {"type": "fit", "contains": "padding"}
    return spec


def _rows(steps: Sequence[Step], decimals: int) -> list[dict[str, object]]:
    """Each bar from the sum before it to the sum after; the last one from zero."""
    ends = [0.0, *accumulate(step.effect for step in steps if not step.whole)]
    rows: list[dict[str, object]] = []
    for place, step in enumerate(steps):
        start = 0.0 if step.whole else ends[place]
        end = step.effect if step.whole else ends[place + 1]
        kind = "sum" if step.whole else "adds" if step.effect >= 0 else "takes away"
        rows.append(
            {
                "step": step.name,
                "from": round(start, 6),
                "to": round(end, 6),
                "top": round(max(start, end), 6),
                "kind": kind,
                "figure": signed_percent(step.effect, decimals).replace("-", "\u2212"),
            }
        )
    return rows
