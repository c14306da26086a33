"""What it costs to cross half the spread, estimated from price, volume and volatility."""

import numpy as np
import numpy.typing as npt

from opensma.units import MICROS, Ints

HALF_TICK_DOLLARS = 0.005
IMPACT = 0.2  # basis points per basis point of daily volatility at $1m traded a day
LOWEST_BPS, HIGHEST_BPS = 0.5, 15.0


def half_spread_bps(close_micros: Ints, volume: Ints) -> npt.NDArray[np.float64]:
    """Half-spread (securities,) in basis points from (sessions, securities) closes and volumes.

    The larger of half a cent and a term that grows with volatility and falls with the root of the
    dollars traded; the constant puts the largest names near 0.5 and thin ones near 10.
    """
    close = np.where(close_micros > 0, close_micros / MICROS, np.nan)
    known = np.isfinite(close)
    traded = np.where(known, close * volume, 0.0)
    dollars = traded.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        move = np.abs(np.diff(np.log(close), axis=0))
        move = np.where(np.isfinite(move) & (move < 0.4), move, 0.0)  # splits are no volatility
        daily_bps = 1e4 * 1.2533 * move.sum(axis=0) / np.maximum((move > 0).sum(axis=0), 1)
        thin = IMPACT * np.where(daily_bps > 0, daily_bps, 200.0) / np.sqrt(dollars / 1e6)
        price = np.where(known, close, 0.0).max(axis=0, initial=0.0)
        tick = 1e4 * HALF_TICK_DOLLARS / price
    worst = np.where(np.isfinite(thin) & np.isfinite(tick), np.maximum(thin, tick), HIGHEST_BPS)
    return np.clip(worst, LOWEST_BPS, HIGHEST_BPS)
