"""Form ADV part 1A, item 5.L: the answers that the ads give, with the ads behind each (AD-R2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from opensma.growth.ads.facts import NO, YES, Ad

# Our words for the parts of the item; each is answered yes if one ad in use in the year is behind.
QUESTIONS: Mapping[str, tuple[str, Callable[[Ad], bool]]] = {
    "5.L(1)(a)": ("performance results", lambda ad: ad.flags["performance"]),
    "5.L(1)(b)": ("specific investment advice", lambda ad: ad.yes("specific_advice")),
    "5.L(1)(c)": (
        "testimonials", lambda ad: ad.flags["testimonial"] and ad.said("endorser_client") != NO,
    ),
    "5.L(1)(d)": (
        "endorsements", lambda ad: ad.flags["testimonial"] and ad.said("endorser_client") == NO,
    ),
    "5.L(1)(e)": ("third-party ratings", lambda ad: ad.flags["rating"]),
    "5.L(2)": (
        "pay for testimonials, endorsements or ratings",
        lambda ad: (ad.flags["testimonial"] and ad.said("endorser_paid") == YES)
        or (ad.flags["rating"] and ad.said("rating_pay") not in (None, NO)),
    ),
    "5.L(3)": ("hypothetical performance", lambda ad: ad.flags["hypothetical"]),
    "5.L(4)": ("predecessor performance", lambda ad: ad.yes("predecessor_performance")),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Answer:
    """One part of the item. `unknown` ads could change a no into a yes."""

    item: str
    question: str
    answer: bool
    ads: Sequence[str]
    unknown: Sequence[str]


def answers_of(ad: Ad) -> list[str]:
    """The parts that one ad stands behind."""
    return [item for item, (_, behind) in QUESTIONS.items() if behind(ad)]


def adv_5l(ads: Sequence[Ad], start: date, end: date) -> list[Answer]:
    """Answers from the ads that were in use at some time of the year that ends on `end`."""
    used = [ad for ad in ads if ad.first_use <= end and ad.last_use >= start]
    found = []
    for item, (question, behind) in QUESTIONS.items():
        names = [f"{ad.ad_id} version {ad.version}" for ad in used if behind(ad)]
        open_ones = [f"{ad.ad_id} version {ad.version}" for ad in used if _unknown(item, ad)]
        found.append(Answer(item, question, bool(names), names, open_ones))
    return found


def _unknown(item: str, ad: Ad) -> bool:
    """Whether a fact that the part asks for is not on record."""
    if item == "5.L(1)(b)":
        return ad.said("specific_advice") is None
    if item == "5.L(2)" and ad.flags["testimonial"]:
        return ad.said("endorser_paid") is None
    if item in ("5.L(1)(c)", "5.L(1)(d)") and ad.flags["testimonial"]:
        return ad.said("endorser_client") is None
    return False
