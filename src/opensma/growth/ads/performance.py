"""Performance in an ad: net beside gross, standard periods, and every figure computed again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from opensma.growth.ads.facts import Ad, Figure
from opensma.growth.ads.said import Context, Said
from opensma.measure.length import years_later

TOLERANCE = 0.00005  # half a basis point: what two decimals of a percentage can show
NET = ("net", "model_net")
STANDARD_YEARS = (1, 5, 10)


def net_with_gross(ad: Ad, context: Context) -> Said:
    """AD-D1: a net figure of the same period, as prominent; all figures from the book again."""
    if not ad.figures:
        return Said(["the ad holds performance, and no figure of it is on record"])
    if ad.yes("extracted_performance") and ad.yes("extract_labelled_gross"):
        pairs: list[str] = []  # AD-D5 says what stands beside an extract
    else:
        pairs = [text for f in ad.figures if f.basis == "gross" for text in _pair(ad, f)]
    wrong, ask, right = _recomputed(ad.figures, context)
    fine = f"{right} figures computed again from the book." if right else ""
    return Said([*pairs, *wrong], ask, fine)


def _pair(ad: Ad, gross: Figure) -> list[str]:
    nets = [f for f in ad.figures if f.basis in NET and f.period == gross.period]
    if not nets:
        return [f"no net figure of the same period stands with {gross.words}"]
    if any(not _less_prominent(net, gross) for net in nets):
        return []
    return [f"net is less prominent than gross: {_less_prominent(nets[0], gross)} ({gross.words})"]


def _less_prominent(one: Figure, other: Figure) -> str:
    """How a figure stands behind another, or nothing."""
    for name in ("font_px", "weight", "contrast"):
        a, b = getattr(one, name), getattr(other, name)
        if a is not None and b is not None and a < b:
            return f"{name} {a} against {b}"
    return ""


def _recomputed(figures: Sequence[Figure], context: Context) -> tuple[list[str], list[str], int]:
    if context.recompute is None:
        return [], ["the figures were not computed again: give the book (--recompute)"], 0
    wrong, ask, right = [], [], 0
    for figure in figures:
        value, why = context.recompute(figure)
        if value is None:
            ask.append(f"{figure.words} cannot be computed: {why}")
        elif abs(value - figure.value) > TOLERANCE:
            shown = f"{figure.value:.4%} is shown, the book gives {value:.4%}"
            wrong.append(f"{figure.words}: {shown}")
        else:
            right += 1
    return wrong, ask, right


def standard_periods(ad: Ad, context: Context) -> Said:
    """AD-D2: 1, 5 and 10 years or life, not older than the last year-end, equally prominent."""
    wrong: list[str] = []
    ask: list[str] = []
    expiry = []
    for name in sorted({f.composite_id for f in ad.figures}):
        mine = [f for f in ad.figures if f.composite_id == name]
        found = _periods(ad, name, mine, ask)
        wrong += found[0]
        if found[1]:
            end = min(f.end for f in found[1])
            expiry.append(date(end.year + _year_end(end), 12, 31))
            wrong += _stale(name, end, context.uses)
            wrong += _uneven(name, found[1])
    fine = f"The figures serve until {min(expiry)}." if expiry else ""
    return Said(wrong, ask, fine)


def _year_end(day: date) -> bool:
    return (day.month, day.day) == (12, 31)


def _periods(
    ad: Ad, name: str, mine: Sequence[Figure], ask: list[str]
) -> tuple[list[str], list[Figure]]:
    """What is missing, and the standard figures that are there."""
    end = max(f.end for f in mine)
    born = ad.said("composite_inception")
    if born is None:
        ask.append(f"the inception of {name} is not on record, so its life is not known")
    life = date.fromisoformat(born) if born else None
    missing, there = [], []
    for years in STANDARD_YEARS:
        start = years_later(end + timedelta(days=1), -years)
        whole = life is not None and life > start
        wanted = life if whole else start
        some = [f for f in mine if f.start == wanted and f.end == end]
        there += some
        if not some and wanted is not None:
            label = "its life" if whole else f"{years} years" if years > 1 else "1 year"
            text = f"{name} shows nothing for {label}, {wanted} to {end}"
            missing += [] if text in missing else [text]
    return missing, there


def _stale(name: str, end: date, uses: Sequence[date]) -> list[str]:
    return [
        f"{name} ends on {end}, before the last year-end at its use on {use}"
        for use in uses
        if end < date(use.year - 1, 12, 31)
    ]


def _uneven(name: str, some: Sequence[Figure]) -> list[str]:
    """Periods of one basis are shown alike."""
    for basis in sorted({f.basis for f in some}):
        mine = [f for f in some if f.basis == basis]
        for one in mine:
            if behind := _less_prominent(one, mine[0]) or _less_prominent(mine[0], one):
                return [f"{name}, {basis}: the periods are not equally prominent ({behind})"]
    return []


def extract(ad: Ad, context: Context) -> Said:
    """AD-D5: gross and net of the whole cover the extract's period."""
    gross = [f for f in ad.figures if f.basis == "gross"]
    nets = [f for f in ad.figures if f.basis in NET]
    if not gross or not nets:
        return Said(["gross and net of the whole portfolio do not stand beside the extract"])
    bare = [f for f in gross if not any(n.period == f.period for n in nets)]
    return Said([
        f"nothing of the whole covers {f.words}"
        for f in bare if not any(n.start <= f.start and n.end >= f.end for n in nets)
    ])  # fmt: skip


def audience_fee(ad: Ad, context: Context) -> Said:
    """AD-D8: where the fee in the figures is below the reader's, show the reader's."""
    fee = ad.number("audience_fee_bps")
    if fee is None:
        return Said(ask=["the fee of the audience is not on record"])
    low = [f for f in ad.figures if f.basis == "net" and (f.fee_bps or 0) < fee]
    model = any(f.basis == "model_net" and (f.fee_bps or 0) >= fee for f in ad.figures)
    if low and not model and not ad.yes("model_fee_disclosed"):
        text = f"{low[0].words} bears {low[0].fee_bps or 0} bp, the audience pays {fee} bp, "
        return Said([text + "and neither a model fee nor a sentence says so"])
    return Said()
