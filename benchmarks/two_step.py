"""The plain way: relax, fix the side of every name, solve again, round, repair the cash.

This is what a convex solver gives without knowing about lots as choices: Clarabel solves both
steps, shares are rounded to the nearest whole one, cash is brought into its band share by share.
The relaxation sells losses and buys the names back, so its net trade is a poor guide; the second
step is solved for two rules (the sign of the net trade; every loss is taken) and the better plan
kept. Purchases in groups sold at a loss are barred before each step, so that the plan is legal.
"""

import time
from dataclasses import replace

import numpy as np

from opensma.construct.check import BareMoves, check_trades, evaluate
from opensma.construct.problem import Account, Taxpayer, Universe
from opensma.simulate.peer import solve_with_clarabel

Vector = np.ndarray
SMALL = 1e-7  # weight below which a trade of the relaxation is none


def two_step(
    universe: Universe, taxpayer: Taxpayer, account: Account, as_of_day: int
) -> tuple[BareMoves, float]:
    """Trades of one account in whole shares, and the seconds of all solves and the rounding."""
    n = len(universe.price)
    barred = np.isin(universe.group, taxpayer.loss_groups)
    weight = _weight(universe, account)
    relaxed = solve_with_clarabel(universe, _barring(account, barred), np.zeros(n, dtype=np.int64))
    net = relaxed.weight - weight
    seconds = relaxed.seconds
    losing = _losing(universe, account)
    found = []
    for sold in (net < -SMALL, (net < -SMALL) | losing):
        moves, more = _second_step(universe, account, net, sold, losing & sold, barred)
        seconds += more
        worth = evaluate(universe, taxpayer, [moves], as_of_day)[0].objective
        broken = len(check_trades(universe, taxpayer, [moves], as_of_day))
        found.append((broken, worth, moves))
    return min(found, key=lambda one: one[:2])[2], seconds


def _second_step(
    universe: Universe,
    account: Account,
    net: Vector,
    sold: Vector,
    harvested: Vector,
    barred: Vector,
) -> tuple[BareMoves, float]:
    """Solve with the sides fixed and round; names in groups of a loss are not bought."""
    barred = barred | np.isin(universe.group, universe.group[harvested])
    side = np.where((net > SMALL) & ~sold & ~barred, 1, -1).astype(np.int64)
    again = solve_with_clarabel(universe, _barring(account, barred), side)
    started = time.perf_counter()
    lots, weight = account.lots, _weight(universe, account)
    value = account.cash + float(lots.quantity @ universe.price[lots.security])
    held = np.bincount(lots.security, lots.quantity, minlength=len(weight))
    shares = (again.weight - weight) * value / universe.price
    shares[np.abs(again.weight - weight) < SMALL] = 0.0
    moves = _rounded(universe, account, shares, held, value, barred)
    return moves, again.seconds + time.perf_counter() - started


def _weight(universe: Universe, account: Account) -> Vector:
    lots = account.lots
    worth = lots.quantity * universe.price[lots.security]
    held = np.bincount(lots.security, worth, minlength=len(universe.price))
    return held / (account.cash + float(worth.sum()))


def _barring(account: Account, barred: Vector) -> Account:
    limits = replace(account.limits, no_buy=account.limits.no_buy | barred)
    return replace(account, limits=limits)


def _losing(universe: Universe, account: Account) -> Vector:
    """Securities that hold a lot at a loss."""
    lots = account.lots
    gain = lots.quantity * universe.price[lots.security] - lots.basis
    return np.bincount(lots.security, gain < 0.0, minlength=len(universe.price)) > 0.0


def _rounded(
    universe: Universe, account: Account, wish: Vector, held: Vector, value: float, barred: Vector
) -> BareMoves:
    whole = np.rint(wish)
    small = (np.abs(whole) * universe.price < account.min_trade) & (held + whole > 0.0)
    whole[small] = 0.0
    whole = np.maximum(whole, -held)
    _repair_cash(universe, account, wish, whole, held, value, barred)
    return _by_lot(universe, account, whole)


def _repair_cash(
    universe: Universe,
    account: Account,
    wish: Vector,
    whole: Vector,
    held: Vector,
    value: float,
    barred: Vector,
) -> None:
    """One share at a time of what rounding moved most, until cash is in its band."""
    low, high = account.cash_low * value, account.cash_high * value
    for _ in range(10_000):
        cash = account.cash - float(whole @ universe.price)
        cash -= float(np.abs(whole) @ (universe.price * universe.cost_bps)) / 1e4
        step = 1.0 if cash > high else -1.0 if cash < low else 0.0
        if step == 0.0:
            return
        after = whole + step
        legal = (held + after >= 0.0) & ~((after > 0.0) & barred) & (whole != 0.0)
        legal &= (after == 0.0) | (np.abs(after) * universe.price >= account.min_trade)
        legal &= (np.sign(after) == np.sign(whole)) | (after == 0.0)
        legal &= universe.price <= max(cash - low, high - cash, 0.0)  # does not jump over the band
        if not legal.any():
            return
        gap = np.where(legal, (wish - whole) * step * universe.price, -np.inf)
        whole[int(np.argmax(gap))] += step


def _by_lot(universe: Universe, account: Account, whole: Vector) -> BareMoves:
    """Sales taken from lots in order of tax per dollar, the cheapest first."""
    lots = account.lots
    rate = np.where(lots.long_term, account.lt_rate, account.st_rate)
    tax = rate * (universe.price[lots.security] - lots.basis / lots.quantity)
    security, lot, shares = [], [], []
    for i in np.flatnonzero(whole):
        if whole[i] > 0.0:
            security.append(i)
            lot.append(-1)
            shares.append(whole[i])
            continue
        left = -whole[i]
        mine = np.flatnonzero(lots.security == i)
        for row in mine[np.argsort(tax[mine])]:
            taken = min(left, lots.quantity[row])
            if taken > 0.0:
                security.append(i)
                lot.append(row)
                shares.append(-taken)
                left -= taken
    return BareMoves(
        np.array(security, dtype=np.int64), np.array(lot, dtype=np.int64), np.array(shares)
    )
