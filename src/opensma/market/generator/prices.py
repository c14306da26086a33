"""Closes, splits, dividends, shares outstanding and volume along given total returns."""

from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from opensma.market.generator.companies import SECTORS, Companies, Floats, Ints
from opensma.market.generator.lives import Lives, SpinOff, is_growth_sector

MEDIAN_PRICE, PRICE_SPREAD = 95.0, 0.80
PAYERS = 0.80
SPLIT_RATIOS = np.array([1.5, 2.0, 3.0, 4.0, 5.0, 10.0, 20.0, 50.0])
SPLIT_HAZARD = 0.0017  # per session above the price at which a company splits
CRASH, CRASH_VOLUME = 0.25, 1.6  # a fall or jump beyond it, and the log of what trades more then
TURNOVER, TURNOVER_SPREAD = 0.0056, 0.5  # shares traded a day over shares outstanding


@dataclass(frozen=True, slots=True)
class Paths:
    """What was printed on the tape; rows are sessions, closes are NaN outside the listing."""

    close: Floats  # (sessions, securities), dollars and cents
    volume: Ints
    shares: Ints  # (sessions, securities)
    dividends: list[tuple[int, int, float]]  # session, security, dollars per share
    splits: list[tuple[int, int, float]]  # session, security, new shares per old
    spin_offs: list[tuple[SpinOff, float]]  # event, dollars distributed per parent share


@dataclass(slots=True)
class _Tape:
    """State of the walk: one value per security, and the events printed so far."""

    price: Floats
    shares: Floats
    dividend: Floats  # annual dollars per share
    offset: Ints  # session of the quarter on which the dividend goes ex
    split_above: Floats
    dividends: list[tuple[int, int, float]] = field(default_factory=list)
    splits: list[tuple[int, int, float]] = field(default_factory=list)
    spin_offs: list[tuple[SpinOff, float]] = field(default_factory=list)


def walk_prices(
    random: np.random.Generator, companies: Companies, lives: Lives, moves: Floats, days: list[date]
) -> Paths:
    """Print closes session by session so that total returns are `moves`."""
    sessions, count = moves.shape
    tape = _start(random, companies)
    close = np.full((sessions, count), np.nan)
    shares = np.zeros((sessions, count), np.int64)
    spin_at = {spin_off.row: spin_off for spin_off in lives.spin_offs}
    second = (companies.twin >= 0) & (companies.twin < np.arange(count))
    for row in range(sessions):
        if row:
            tape.price *= np.where(row > lives.first_row, np.exp(moves[row]), 1.0)
            _split(random, tape, lives, row, sessions, companies.twin)
            _pay(tape, lives, row)
        if row in spin_at:
            _spin(tape, spin_at[row])
        if row % 63 == 31:
            tape.shares *= 1 + random.normal(-0.002, 0.006, count)
        tape.price[second] = np.maximum(tape.price[second], 0.01)
        listed = (lives.first_row <= row) & (row <= lives.last_row)
        close[row] = np.where(listed, np.maximum(np.round(tape.price, 2), 0.01), np.nan)
        shares[row] = np.where(listed, np.round(tape.shares, -3), 0)
    volume = _volume(random, moves, shares, companies)
    return Paths(close, volume, shares, tape.dividends, tape.splits, tape.spin_offs)


def _start(random: np.random.Generator, companies: Companies) -> _Tape:
    count = len(companies.security_id)
    price = MEDIAN_PRICE * np.exp(PRICE_SPREAD * random.standard_normal(count))
    price = np.where(random.random(count) < 0.006, price * 25, np.maximum(price, 8.0))
    second = np.flatnonzero((companies.twin >= 0) & (companies.twin < np.arange(count)))
    price[second] = price[companies.twin[second]] * 1.01
    typical = np.array([SECTORS[s].dividend for s in companies.sector])
    wild = companies.specific / np.median(companies.specific)
    pays = random.random(count) < PAYERS - 0.45 * (wild - 1.1)
    paid = np.where(pays, typical * np.exp(0.35 * random.standard_normal(count)), 0.0)
    growth = np.array([is_growth_sector(int(s)) for s in companies.sector])
    willing = random.random(count) < np.where(growth, 0.5, 0.25)
    above = np.where(willing, 190.0 * np.exp(0.5 * random.standard_normal(count)), np.inf)
    offset = random.integers(3, 60, count)
    for values in (paid, above, offset):
        values[second] = values[companies.twin[second]]
    above[companies.twin >= 0] = np.inf
    return _Tape(price, companies.size / price, paid * price, offset, above)


def _split(
    random: np.random.Generator, tape: _Tape, lives: Lives, row: int, sessions: int, twin: Ints
) -> None:
    quiet = (lives.announced < 0) & (lives.failing < 0) & (lives.first_row < row - 60)
    chance = random.random(len(tape.price)) < SPLIT_HAZARD
    for security in np.flatnonzero(quiet & chance & (tape.price > tape.split_above)):
        wanted = tape.price[security] / random.uniform(55, 130)
        ratio = float(SPLIT_RATIOS[np.argmin(np.abs(np.log(SPLIT_RATIOS / wanted)))])
        _apply_split(tape, row, int(security), ratio)
    if row == sessions // 8:  # one fallen name raises its price by a reverse split
        alone = quiet & (twin < 0)
        _apply_split(tape, row, int(np.argmin(np.where(alone, tape.price, np.inf))), 0.125)


def _apply_split(tape: _Tape, row: int, security: int, ratio: float) -> None:
    tape.price[security] /= ratio
    tape.dividend[security] /= ratio
    tape.shares[security] *= ratio
    tape.split_above[security] *= 1.15
    tape.splits.append((row, security, ratio))


def _pay(tape: _Tape, lives: Lives, row: int) -> None:
    due = (row % 63 == tape.offset) & (tape.dividend > 0)
    due &= (lives.first_row < row) & (row < lives.last_row)
    due &= (lives.failing < 0) | (row < lives.failing)
    for security in np.flatnonzero(due):
        if tape.dividend[security] > 0.09 * tape.price[security]:
            tape.dividend[security] *= 0.4  # a payout that the price no longer supports is cut
        amount = max(0.01, round(float(tape.dividend[security]) / 4, 2))
        if row // 63 % 4 == 0:
            tape.dividend[security] *= 1.06
        if amount < 0.1 * tape.price[security]:
            tape.price[security] -= amount
            tape.dividends.append((row, int(security), amount))


def _spin(tape: _Tape, event: SpinOff) -> None:
    value = event.part * float(tape.price[event.parent])
    child_close = max(0.5, round(value / event.ratio, 2))
    amount = round(child_close * event.ratio, 4)
    tape.price[event.parent] -= amount
    if event.child >= 0:
        tape.price[event.child] = child_close
        tape.shares[event.child] = tape.shares[event.parent] * event.ratio
        tape.dividend[event.child] = 0.012 * child_close
    tape.dividend[event.parent] *= 1 - event.part
    tape.spin_offs.append((event, amount))


def _volume(
    random: np.random.Generator, moves: Floats, shares: Ints, companies: Companies
) -> npt.NDArray[np.int64]:
    count = moves.shape[1]
    big = np.log(companies.size) - np.log(companies.size).mean()
    usual = TURNOVER * np.exp(TURNOVER_SPREAD * random.standard_normal(count) - 0.06 * big)
    usual *= companies.specific / np.median(companies.specific)
    surprise = np.abs(moves) / (companies.specific / 252**0.5)
    busy = 0.25 * random.standard_normal(moves.shape) + 0.22 * np.minimum(surprise, 8) - 0.2
    busy += np.where(np.abs(moves) > CRASH, CRASH_VOLUME, 0.0)
    return np.asarray(np.maximum(1, shares * usual * np.exp(busy)), dtype=np.int64)
