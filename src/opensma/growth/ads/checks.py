"""What only code can compare, outside performance: words, placement, pay, retention, approval."""

from __future__ import annotations

import re
from datetime import date

from opensma.errors import InputError
from opensma.growth.ads.adv import answers_of
from opensma.growth.ads.facts import NO, Ad
from opensma.growth.ads.said import Context, Said, recorded
from opensma.measure.length import years_later

LEAST_PAY_CENTS = 100_000  # $1,000 in 12 months (AD-B3)
MOST_RETAIL = 25  # AD-F1

# --- AD-A, AD-B: claims, testimonials, promoters -------------------------------------------------

_SUPERLATIVE = re.compile(
    r"\b(best|safest|leading|unrivalled|unmatched|guaranteed?|risk[- ]free|number one|#1)\b", re.I
)
_BENEFIT = re.compile(r"\b(tax alpha|outperform\w*|tax savings?|higher after-tax)\b", re.I)
_RISK = re.compile(r"\b(risks?|may lose|loss(es)? of|no guarantee|not guaranteed)\b", re.I)
_APPROVAL = re.compile(
    r"\b(SEC|Securities and Exchange Commission|the Commission)\b[- ](approved|endorsed|reviewed)"
    r"|(approved|endorsed|reviewed|recommended) by the (SEC|Securities|Commission)", re.I,
)  # fmt: skip
_NEAR = 400  # characters


def general(ad: Ad, context: Context) -> Said:
    """AD-A1-7: words that need a person; the text itself must be the one that was approved."""
    if ad.text is None:
        return Said(ask=["the text was not given, so its words were not read"])
    wrong = []
    if ad.text_sha256 != ad.sha256:
        wrong.append("the text is not the one on record: its SHA-256 differs")
    ask = [f"the text says '{m[0]}'" for m in _SUPERLATIVE.finditer(ad.text)]
    for hit in _BENEFIT.finditer(ad.text):
        around = ad.text[max(0, hit.start() - _NEAR) : hit.end() + _NEAR]
        if not _RISK.search(around):
            ask.append(f"no risk is named within {_NEAR} characters of '{hit[0]}'")
    return Said(wrong, ask)


def approval(ad: Ad, context: Context) -> Said:
    """AD-D3: a phrase list that only flags."""
    if ad.text is None:
        return Said(ask=["the text was not given, so its words were not read"])
    return Said(ask=[f"the text says '{m[0]}'" for m in _APPROVAL.finditer(ad.text)])


def placed(ad: Ad, context: Context) -> Said:
    """AD-B1: in the same piece, no smaller and no lighter than the testimonial."""
    wrong = []
    place = ad.said("disclosure_placement")
    if place is not None and place != "same_piece":
        wrong.append(f"the disclosure is placed as '{place}', not in the same piece")
    for what in ("font_px", "weight"):
        own, other = ad.number(f"disclosure_{what}"), ad.number(f"testimonial_{what}")
        if own is not None and other is not None and own < other:
            word = "smaller" if what == "font_px" else "lighter"
            wrong.append(f"the disclosure is {word} than the testimonial ({own} against {other})")
    sized = ad.said("disclosure_font_px") and ad.said("testimonial_font_px")
    return Said(wrong, [] if sized else ["the sizes of disclosure and testimonial are not known"])


def terms(ad: Ad, context: Context) -> Said:
    """AD-B2: an amount, a percentage or a value, not merely that somebody is paid."""
    terms = ad.said("compensation_terms")
    if terms is not None and not re.search(r"\d", terms):
        return Said([f"the terms '{terms}' state no amount, percentage or value"])
    return Said()


def _paid(ad: Ad) -> int | None:
    """Pay of 12 months: what the spend shows, or the larger amount on record."""
    amounts = [a for a in (ad.promoter_paid_c, ad.number("promoter_paid_c")) if a is not None]
    return max(amounts) if amounts else None


def agreement(ad: Ad, context: Context) -> Said:
    """AD-B3: over $1,000 in 12 months a written agreement is needed."""
    paid = _paid(ad)
    if paid is None:
        return Said(ask=["what the promoter was paid in 12 months is not known"])
    if paid <= LEAST_PAY_CENTS:
        return Said(fine=f"Paid ${paid / 100:,.2f} in 12 months: no agreement is needed.")
    if ad.said("promoter_agreement") in (None, NO):
        return Said([f"the promoter was paid ${paid / 100:,.2f} in 12 months without an agreement"])
    return Said(fine=f"Paid ${paid / 100:,.2f} in 12 months under an agreement.")


def ineligible(ad: Ad, context: Context) -> Said:
    """AD-B4: a check not older than 12 months at each use; not needed at the least pay."""
    paid = _paid(ad)
    if paid is not None and paid <= LEAST_PAY_CENTS:
        return Said(fine="At the least pay no check is needed.")
    if ad.yes("ineligible_person") and not recorded(ad, "sro_only_reason"):
        return Said(["the promoter is an ineligible person"])
    if "ineligible_check" not in ad.facts:
        return Said(ask=["no record of a check for ineligible persons"])
    day = ad.facts["ineligible_check"].recorded_on
    late = [use for use in context.uses if not years_later(use, -1) <= day <= use]
    return Said([f"the check of {day} is not of the 12 months before {use}" for use in late])


# --- AD-F, AD-R: broker-dealers, retention -------------------------------------------------------


def retention(ad: Ad, context: Context) -> Said:
    """AD-R1: five years after the end of the fiscal year of the last use."""
    text = ad.said("fiscal_year_end") or "12-31"
    try:
        end = date.fromisoformat(f"{ad.last_use.year}-{text}")
    except ValueError as error:
        raise InputError(
            "growth.ad_fact", f"'{text}' is no end of a fiscal year.", where=f"ad {ad.ad_id}",
            remedy="Write month and day, as 12-31.",
        ) from error  # fmt: skip
    if end < ad.last_use:
        end = years_later(end)
    until = years_later(end, 5)
    if ad.retention_until is None:
        return Said([f"no day is on record until which it is kept; {until} is the least"])
    if ad.retention_until < until:
        return Said([f"it is kept until {ad.retention_until}, {until} is the least"])
    return Said(fine=f"Kept until {ad.retention_until}; {until} is the least.")


def principal(ad: Ad, context: Context) -> Said:
    """AD-F1: a principal approves what goes to more than 25 retail investors."""
    if ad.audience == "institutional":
        return Said(fine="Institutional communication.")
    count = ad.number("retail_investors")
    if count is not None and count <= MOST_RETAIL:
        return Said(fine=f"{count} retail investors in 30 days: correspondence.")
    return Said([] if ad.approver else ["retail communication without the approval of a principal"])


def projection(ad: Ad, context: Context) -> Said:
    """AD-F3: banned but for exceptions that somebody put on record."""
    if recorded(ad, "projection_exception"):
        return Said(ask=["an exception is on record: see that it still holds"])
    return Said(["projected or hypothetical performance through a broker-dealer"])


def related(ad: Ad, context: Context) -> Said:
    """AD-D4: the result as shown is not above the one with everything in it."""
    shown, whole = ad.number("related_shown_bps"), ad.number("related_all_bps")
    if shown is None or whole is None:
        return Said(ask=["the result with and without what was left out is not on record"])
    if shown > whole:
        return Said([f"leaving portfolios out raises the result: {shown} bp against {whole} bp"])
    return Said()


def adv(ad: Ad, context: Context) -> Said:
    """AD-R2: nothing to fail; which answers the ad stands behind."""
    names = answers_of(ad)
    return Said(fine=f"Behind the answers {', '.join(names)}." if names else "Behind no answer.")


def scope(ad: Ad, context: Context) -> Said:
    """AD-A0: what is known about the audience."""
    known = ad.number("audience_size")
    return Said(fine="In scope." if known else "In scope: the size of the audience is not known.")
