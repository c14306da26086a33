"""From values to HTML: one template environment, and the filters that write figures."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from opensma.report import words
from opensma.report.activity import activity_words, kind_label, settles
from opensma.report.reasons import label, limit_words
from opensma.units import MICROS, dollars, shares
from opensma.web.assets import Asset
from opensma.web.listing import OUTCOMES, REGISTRATIONS
from opensma.web.person import CURRENT

_WORD = re.compile(r"[\w.]*\w")
_MINUS = "\u2212"  # as wide as a digit, and spoken as "minus"


def _true_minus(text: str) -> str:
    return text.replace("-", _MINUS, 1) if text.startswith("-") else text


def money(cents: int) -> str:
    """`$1,210.00`, with a true minus that stays on its figure's line."""
    text = _true_minus(words.money(cents))
    return Markup('<span class="m">{}</span>').format(text) if cents < 0 else text


def signed_money(cents: int) -> str:
    """As `money`, with a plus where positive."""
    return f"+{money(cents)}" if cents > 0 else money(cents)


def figure(cents: int) -> str:
    """Cents for a column whose head names the unit: `1,210.00`."""
    return _true_minus(dollars(cents))


def signed_figure(cents: int) -> str:
    """As `figure`, with a plus where positive."""
    return f"+{figure(cents)}" if cents > 0 else figure(cents)


def percent(value: float, decimals: int = 2) -> str:
    """`0.92%`."""
    return _true_minus(words.percent(value, decimals))


def signed_percent(value: float, decimals: int = 2) -> str:
    """`+0.92%`."""
    return _true_minus(words.signed_percent(value, decimals))


def price(micros: int) -> str:
    """Dollars of a price with two decimals, more where the price has more."""
    text = f"{micros // MICROS:,}.{micros % MICROS:06d}"
    while text.endswith("0") and len(text.rpartition(".")[2]) > 2:
        text = text[:-1]
    return text


def basis_points(value: float | None) -> str:
    """`0.08 bp`; a gap too small for two decimals is called that, not zero."""
    if value is None:
        return words.MISSING
    return "under 0.01 bp" if 0 < value < 0.01 else f"{value:.2f} bp"


def tone(value: float) -> str:
    """Class of a signed figure; what is written as zero has no colour."""
    shown = round(value, 4)  # percentages have two decimals, cents none
    return "up" if shown > 0 else "down" if shown < 0 else "flat"


def moment(seconds: int) -> str:
    """`2026-11-25 09:12 UTC` of seconds of the epoch."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def stage_words(outcome: Mapping[str, Any]) -> str:
    """What a stage reports, in words: `60 solved, 1 held`; what did not occur is left out."""
    parts = []
    for name, value in outcome.items():
        if name == "seconds" or value in (0, "", [], {}, None):
            continue
        if name.endswith("_cents"):
            parts.append(f"{name.removesuffix('_cents')} {money(int(value))}")
        elif isinstance(value, int):
            parts.append(f"{value:,} {name.replace('_', ' ')}")
    return ", ".join(parts) or "nothing to do"


def with_symbols(text: str, symbols: Mapping[str, str]) -> str:
    """A message of the decision with tickers where it names securities by their ids."""
    return _WORD.sub(lambda found: symbols.get(found[0], found[0]), text)


def environment(assets: Mapping[str, Asset], symbols: Mapping[str, str]) -> Environment:
    """The portal's templates; everything is escaped, and a missing value is an error."""
    env = Environment(
        loader=PackageLoader("opensma.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters |= {
        "money": money,
        "signed_money": signed_money,
        "figure": figure,
        "signed": signed_figure,
        "percent": percent,
        "signed_percent": signed_percent,
        "bp": basis_points,
        "price": price,
        "shares": shares,
        "day": lambda day: words.day_words(day if isinstance(day, int) else str(day)),
        "tone": tone,
        "moment": moment,
        "reason": label,
        "kind": kind_label,
        "activity": activity_words,
        "settles": settles,
        "limit": lambda name: with_symbols(limit_words(name), symbols),
        "symbols": lambda text: with_symbols(text, symbols),
        "plain_name": lambda name: name.removesuffix(" Common Stock"),
        "stage": stage_words,
        "listed": words.listed,
    }
    env.globals |= {
        "asset": lambda name: f"/assets/{assets[name].address}",
        "person": CURRENT.get,
        "OUTCOMES": OUTCOMES,
        "REGISTRATIONS": REGISTRATIONS,
        "counted": words.counted,
    }
    return env
