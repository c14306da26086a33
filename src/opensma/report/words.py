"""How figures are written for people: money, shares, percentages, days. The same everywhere.

Money has two decimals and thousands separators, percentages two decimals, days are long. Where a
figure is missing the words say so; a missing figure is never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from opensma.units import dollars

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MISSING = "not available"


def money(cents: int) -> str:
    """`$1,210.00`, with a minus in front where negative."""
    text = dollars(abs(cents))
    return f"-${text}" if cents < 0 else f"${text}"


def signed_money(cents: int) -> str:
    """`+$1,210.00` or `-$1,210.00`; zero has no sign."""
    return f"+{money(cents)}" if cents > 0 else money(cents)


def percent(value: float | None, decimals: int = 2) -> str:
    """`0.92%`; words where the figure is missing or no number."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{abs(value) * 100:.{decimals}f}%"
    return f"-{text}" if value < 0 and text.strip("0.%") else text


def signed_percent(value: float | None, decimals: int = 2) -> str:
    """`+0.92%` or `-0.92%`; zero has no sign."""
    text = percent(value, decimals)
    positive = value is not None and math.isfinite(value) and value > 0
    return f"+{text}" if positive and text.strip("0.%") else text


def day_words(day: int | str) -> str:
    """An ordinal or ISO day as `3 Feb 2025`."""
    when = date.fromordinal(day) if isinstance(day, int) else date.fromisoformat(day)
    return f"{when.day} {_MONTHS[when.month - 1]} {when.year}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """`A`, `A and B`, `A, B and C`, `A, B, C and 4 more`."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 lot`, `2 lots`, `1,204 lots`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
