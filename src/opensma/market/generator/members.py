"""The benchmark's changes: quarterly reviews by size, and a successor for each name that goes."""

from datetime import date

import numpy as np
import numpy.typing as npt

from opensma.market.generator.companies import Companies
from opensma.market.generator.lives import Lives
from opensma.market.generator.prices import Paths

REVIEW_LEAVERS = 2.9  # names a quarter that have become too small, for 500 members
SEASONING = 60  # sessions of listing before a name may enter

Span = tuple[int, int, int]  # security, first session, last session or -1 while it stays


def choose_members(
    companies: Companies, lives: Lives, paths: Paths, days: list[date]
) -> list[Span]:
    """Stretches of membership, by security and session."""
    value = np.nan_to_num(paths.close) * paths.shares
    since = np.where(companies.member, 0, -1).astype(np.int64)
    was = companies.member.copy()
    spans: list[Span] = []
    leavers = max(1, round(REVIEW_LEAVERS * int(companies.member.sum()) / 503))
    for row in range(len(days) - 1):
        gone = np.flatnonzero((since >= 0) & (lives.last_row == row))
        if _is_review(days, row):
            # A listing may end on the day of a review: who goes for both reasons goes once.
            gone = np.union1d(gone, _smallest(companies, since, value[row], leavers))
        for security in gone:
            spans.append((int(security), int(since[security]), row))
            since[security] = -1
            successor = _largest_outside(lives, was, value[row], row)
            if successor >= 0:
                since[successor], was[successor] = row + 1, True
    spans += [(int(i), int(since[i]), -1) for i in np.flatnonzero(since >= 0)]
    return sorted(spans)


def _is_review(days: list[date], row: int) -> bool:
    """The third Friday of March, June, September and December, or the session before a holiday."""
    day, after = days[row], days[row + 1]
    third_friday = 15 <= day.day <= 21 and day.month % 3 == 0
    return third_friday and day.weekday() >= 3 and after.weekday() < day.weekday()


def _smallest(
    companies: Companies,
    since: npt.NDArray[np.int64],
    value: npt.NDArray[np.float64],
    count: int,
) -> npt.NDArray[np.int64]:
    members = np.flatnonzero((since >= 0) & (companies.twin < 0))
    return members[np.argsort(value[members], kind="stable")][:count]


def _largest_outside(
    lives: Lives, was: npt.NDArray[np.bool_], value: npt.NDArray[np.float64], row: int
) -> int:
    seasoned = (lives.first_row + SEASONING <= row) | (lives.first_row == 0)
    able = ~was & seasoned & (lives.last_row > row + SEASONING) & (value > 0)
    return int(np.argmax(np.where(able, value, -1.0))) if able.any() else -1
