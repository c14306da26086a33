"""Checks that need the whole panel: gaps, stale prices, splits against prices, members."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

import numpy as np

from opensma.errors import Finding
from opensma.market.actions import ActionKind
from opensma.market.checks import as_findings
from opensma.market.panel import FOREVER, Floats, Market
from opensma.units import Ints

STALE_SESSIONS = 10
SPLIT_RATIOS = np.array([2, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 50], float)
SPLIT_WITHIN = 0.02
CALM_VOLUME = (
    3.0  # a crash that halves a price trades far more dollars than usual, a split does not
)
OUTSIDE_LISTING = 5  # sessions of membership without a listing before it is worth a word

Rows = list[tuple[str, str]]


def check_panel(market: Market) -> list[Finding]:
    """Findings about prices, splits and members of a whole market."""
    factor = _split_factors(market)
    missing = "Import the missing prices; until then the last one is carried."
    return [
        *as_findings("warning", "price.gap", missing, _gaps(market)),
        *as_findings("warning", "price.stale", "Check the vendor's feed.", _stale(market)),
        *as_findings(
            "warning",
            "split.unrecorded",
            "If the shares were split, add the split to actions.parquet.",
            _unrecorded_splits(market, factor),
        ),
        *as_findings(
            "error",
            "split.no_move",
            "Drop the split, or import unadjusted closes.",
            _splits_without_move(market, factor),
        ),
        *_member_findings(market),
    ]


def _place(market: Market, security: int, row: int) -> str:
    return f"{market.security_id[security]} {market.day(row)}"


def _gaps(market: Market) -> Rows:
    rows: Rows = []
    priced = market.close_micros > 0
    first = np.argmax(priced, axis=0)
    end = np.searchsorted(market.days, market.listed_until, side="right")
    for security in range(len(market.security_id)):
        inside = np.flatnonzero(~priced[first[security] : end[security], security])
        if not priced[:, security].any() or not len(inside):
            continue
        rows.append(
            (
                _place(market, security, int(first[security] + inside[0])),
                f"{len(inside)} sessions inside the listing have no price.",
            )
        )
    return rows


def _stale(market: Market) -> Rows:
    """Runs of at least STALE_SESSIONS equal closes with volume, ending at the last change."""
    close = market.close_micros
    same = (close[1:] == close[:-1]) & (close[1:] > 0) & (market.volume[1:] > 0)
    rows: Rows = []
    # Only securities with enough unchanged sessions can have a run; that leaves almost none.
    for security in np.flatnonzero(same.sum(axis=0) >= STALE_SESSIONS):
        breaks = np.flatnonzero(~np.concatenate([[False], same[:, security], [False]]))
        for start, stop in pairwise(breaks):
            length = int(stop - start - 1)
            if length >= STALE_SESSIONS:
                what = f"The close did not change for {length} sessions with volume."
                rows.append((_place(market, int(security), int(start + 1)), what))
    return rows


def _split_factors(market: Market) -> Floats:
    factor = np.ones(market.close_micros.shape)
    for action in market.recorded:
        row = int(np.searchsorted(market.days, action.ex_day))
        if row >= len(market.days):
            continue
        if action.kind is ActionKind.SPLIT:
            factor[row, action.security] *= action.numerator / action.denominator
        elif action.kind is ActionKind.SPIN_OFF:
            factor[row, action.security] = np.nan  # a price drop that is explained
    return factor


def _price_ratio(market: Market) -> Floats:
    close = np.where(market.close_micros > 0, market.close_micros, np.nan)
    return np.asarray(close[:-1] / close[1:])


def _unrecorded_splits(market: Market, factor: Floats) -> Rows:
    ratio = _price_ratio(market)
    size = np.maximum(ratio, 1 / ratio)
    jumped = np.argwhere((size > 1.9) & (factor[1:] == 1.0))
    rows: Rows = []
    for row, security in jumped:
        near = SPLIT_RATIOS[np.argmin(np.abs(SPLIT_RATIOS / size[row, security] - 1))]
        if abs(near / size[row, security] - 1) > SPLIT_WITHIN:
            continue
        if _dollars_surged(market, int(row) + 1, int(security)):
            continue
        way = "fell" if ratio[row, security] > 1 else "rose"
        what = f"The close {way} by about {near:g} to 1 and no split is recorded."
        rows.append((_place(market, int(security), int(row) + 1), what))
    return rows


def _dollars_surged(market: Market, row: int, security: int) -> bool:
    past = slice(max(0, row - 20), row)
    usual = market.close_micros[past, security] * (market.volume[past, security] / 1e6)
    today = market.close_micros[row, security] * (market.volume[row, security] / 1e6)
    return bool(today > CALM_VOLUME * float(np.median(usual)) > 0)


def _splits_without_move(market: Market, factor: Floats) -> Rows:
    ratio = _price_ratio(market)
    rows: Rows = []
    for row, security in np.argwhere(np.abs(np.log(np.nan_to_num(factor[1:], nan=1.0))) > 0.3):
        moved = abs(np.log(ratio[row, security]))
        if moved < 0.3 * abs(np.log(factor[row + 1, security])):
            size = factor[row + 1, security]
            what = f"A split of {size:g} to 1 is recorded, the close hardly moved."
            rows.append((_place(market, int(security), int(row) + 1), what))
    return rows


def _member_findings(market: Market) -> list[Finding]:
    priced = market.close_micros > 0
    begins = np.where(priced.any(axis=0), market.days[np.argmax(priced, axis=0)], FOREVER)
    first_shares = _first_shares(market)
    no_price: Rows = []
    outside: Rows = []
    no_shares: Rows = []
    table = market.memberships
    for security, first, last in zip(table.security, table.first_day, table.last_day, strict=True):
        begin = max(int(first), int(market.days[0]))
        place = f"{market.security_id[security]} {date.fromordinal(int(first))}"
        if begins[security] == FOREVER:
            no_price.append((place, "The member has no price at all."))
            continue
        missing = _sessions_outside(market, begin, int(last), int(security), int(begins[security]))
        if missing > OUTSIDE_LISTING:
            outside.append((place, f"The member has no listing on {missing} sessions."))
        if first_shares[security] > max(begin, int(begins[security])):
            no_shares.append((place, "The member has no shares outstanding when it enters."))
    return [
        *as_findings("error", "member.no_price", "Import its prices or drop it.", no_price),
        *as_findings("warning", "member.unlisted", "Correct the membership's dates.", outside),
        *as_findings(
            "warning", "member.no_shares", "Import shares_outstanding; it has no weight.", no_shares
        ),
    ]


def _first_shares(market: Market) -> Ints:
    first = np.full(len(market.security_id), FOREVER, np.int64)
    table = market.shares_outstanding
    np.minimum.at(first, table.security, table.day)
    return first


def _sessions_outside(market: Market, begin: int, last: int, security: int, listed: int) -> int:
    """Sessions of a membership before the first price or after the listing's end."""
    rows = np.searchsorted(market.days, [begin, min(last, int(market.days[-1])) + 1])
    days = market.days[rows[0] : rows[1]]
    return int(np.count_nonzero((days < listed) | (days > market.listed_until[security])))
