"""What a check may say, and what it may ask: shared by all ad rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from opensma.growth.ads.facts import NO, Ad, Figure

Recompute = Callable[[Figure], tuple[float | None, str]]


@dataclass(frozen=True, slots=True)
class Said:
    """What a check has found: failures, and what a person has to see."""

    wrong: Sequence[str] = ()
    ask: Sequence[str] = ()
    fine: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """A rule's days of use, and how a figure is computed again (None: no book was given)."""

    uses: Sequence[date]
    recompute: Recompute | None


def recorded(ad: Ad, name: str) -> bool:
    """Whether a record is kept: it has an owner and is no denial."""
    return name in ad.facts and ad.said(name) != NO and bool(ad.facts[name].owner)
