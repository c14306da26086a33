"""The dual of one account: a smooth semismooth Newton method in k factor prices and r row prices.

A loss lot makes a security's cost non-convex at today's weight: selling pays, buying back is cheap.
There the minimum of both sides is smoothed from below (`blur`), so the method sees no jump and
the names it leaves between both sides are the undecided ones. Sums run in a fixed order.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from opensma.construct.branch import Point, buy_side, sell_side, value_at
from opensma.construct.columns import Columns, Record, product
from opensma.construct.problem import Codes, Floats

FREE, NONE, SELL, BUY, EMPTY = 0, 1, 2, 3, 4  # what a security may do
STEPS = 60
_LANES = 16  # numbers that a processor adds at once, unrolled


@njit(cache=True)
def evaluate(
    data: Columns,
    aversion: float,
    mode: Codes,
    prices: Floats,
    blur: float,
    soft: float,
    centre: Floats,
    weight: Floats,
    stiff: Floats,
    gradient: Floats,
) -> float:
    """Dual value at `prices`; fills weight (n,), stiff (n,) = -dw/dpull and gradient (k + r,).

    Row r's level is held near `centre[r]` by `soft / 2 (level - centre)^2`; 0 gradient then means
    that the rows hold exactly. Where `soft` is 0 the rows are left out and their prices stay.
    """
    n, k = data.factor.shape
    factor, securities, lots = data.factor, data.security, data.lot
    total = 0.0
    for f in range(k):
        total -= 0.5 * prices[f] * prices[f] / aversion
        gradient[f] = -prices[f] / aversion
    for r in range(data.row_low.shape[0] if soft > 0.0 else 0):
        level = centre[r] + prices[k + r] / soft
        level = min(max(level, data.row_low[r]), data.row_high[r])
        away = level - centre[r]
        total -= prices[k + r] * level - 0.5 * soft * away * away
        gradient[k + r] = -level
    for i in range(n):
        exposure = product(factor, i, prices)
        name, pull = securities[i], exposure
        if name.row >= 0:
            pull += prices[k + name.row]
        w, v, s, traded = security(name, lots, aversion, mode[i], pull, float(prices[k]), blur)
        total += v - exposure * name.target
        weight[i], stiff[i] = w, s
        gap = w - name.target
        for f in range(k):
            gradient[f] += factor[i, f] * gap
        gradient[k] += w + name.cost * traded
        if name.row >= 0:
            gradient[k + name.row] += w
    if soft == 0.0:
        gradient[k:] = 0.0
    return total


@njit(cache=True, forceinline=True)
def security(
    name: Record,
    lots: Any,
    aversion: float,
    mode: int,
    pull: float,
    cash: float,
    blur: float,
) -> tuple[float, float, float, float]:
    """Weight, value, stiffness and traded weight of one security within its mode."""
    if name.keep > 0.0 and mode == FREE and name.low <= 0.0:
        return _or_nothing(name, lots, aversion, pull, cash, blur)
    return _held(name, lots, aversion, mode, pull, cash, blur)


@njit(cache=True, forceinline=True)
def _or_nothing(
    name: Record, lots: Any, aversion: float, pull: float, cash: float, blur: float
) -> tuple[float, float, float, float]:
    """The same where holding the security has a price: near a tie with nothing, a mixture."""
    w, v, s, traded = _held(name, lots, aversion, FREE, pull, cash, blur)
    none = value_at(name, lots, 0.0, name.target, aversion * name.specific, pull, cash)
    share = min(max(0.5 + (v + name.keep - none) / blur, 0.0), 1.0)
    away = share - 0.5
    v = share * none + (1.0 - share) * (v + name.keep) + (0.5 * away * away - 0.125) * blur
    s *= 1.0 - share
    if 0.0 < share < 1.0:
        s += w * w / blur
    return (1.0 - share) * w, v, s, share * name.held + (1.0 - share) * traded


@njit(cache=True, forceinline=True)
def _held(
    name: Record,
    lots: Any,
    aversion: float,
    mode: int,
    pull: float,
    cash: float,
    blur: float,
) -> tuple[float, float, float, float]:
    """The same at no price of holding it."""
    held = name.held
    centre, curve = name.target, aversion * name.specific
    can_sell = mode == SELL or (mode == FREE and name.low < held)
    can_buy = mode == BUY or (mode == FREE and name.high > held)
    if not (can_sell or can_buy):
        w = 0.0 if mode == EMPTY else held
        return w, value_at(name, lots, w, centre, curve, pull, cash), 0.0, held - w
    least = 0.0 if mode == FREE else name.least
    wl, vl, sl = held, 0.0, 0.0
    if can_sell:
        top = min(name.high, held - least)
        wl, vl, sl = sell_side(name, lots, centre, curve, pull, cash, top)
        if not can_buy or (wl < held and convex(name, lots)):
            return wl, vl, sl, held - wl
    wr, vr, sr = buy_side(name, lots, centre, curve, pull, cash, held + least)
    if not can_sell or convex(name, lots):
        return wr, vr, sr, wr - held
    return _either(name, lots, (wl, vl, sl), (wr, vr, sr), blur)


@njit(cache=True, forceinline=True)
def convex(name: Record, lots: Any) -> bool:
    """Whether no lot's loss pays for selling: convex at today's weight, whatever cash costs."""
    return bool(name.start == name.stop or -lots[name.start].guide <= name.toll)


@njit(cache=True, forceinline=True)
def _either(
    name: Record,
    lots: Any,
    sell: Point,
    buy: Point,
    blur: float,
) -> tuple[float, float, float, float]:
    """The better side; near a tie of two separate minima, a smooth mixture of both."""
    wl, vl, sl = sell
    wr, vr, sr = buy
    held = name.held
    share = min(max(0.5 + (vr - vl) / blur, 0.0), 1.0)
    away = share - 0.5
    v = share * vl + (1.0 - share) * vr + 0.5 * blur * away * away - 0.125 * blur
    w = share * wl + (1.0 - share) * wr
    s = share * sl + (1.0 - share) * sr
    if 0.0 < share < 1.0:
        s += (wr - wl) * (wr - wl) / blur
    return w, v, s, share * (held - wl) + (1.0 - share) * (wr - held)


@njit(cache=True)
def _hessian(
    data: Columns,
    aversion: float,
    prices: Floats,
    soft: float,
    centre: Floats,
    weight: Floats,
    stiff: Floats,
    ridge: float,
    matrix: Floats,
) -> None:
    """Minus the generalised Hessian of the dual, lower triangle."""
    n, k = data.factor.shape
    size = k + data.row_low.shape[0]
    matrix[:] = 0.0
    for f in range(k):
        matrix[f, f] = 1.0 / aversion
    for r in range(size - k):
        if soft == 0.0:
            matrix[k + r, k + r] = 1.0
            continue
        level = centre[r] + prices[k + r] / soft
        inside = data.row_low[r] < level < data.row_high[r]
        matrix[k + r, k + r] = (1.0 / soft if inside else 0.0) + ridge
    wide = (size + _LANES - 1) // _LANES * _LANES
    line, sums = np.zeros(wide), np.zeros((size, wide))
    for i in range(n):
        if stiff[i] == 0.0:
            continue
        line[k:] = 0.0
        name = data.security[i]
        line[:k] = data.factor[i]
        if soft > 0.0:
            line[k] = 1.0 - name.cost if weight[i] < name.held else 1.0 + name.cost
        if name.row >= 0 and soft > 0.0:
            line[k + name.row] = 1.0
        for p in range(size):
            scaled = stiff[i] * line[p]
            if scaled != 0.0:
                for q in range((p // _LANES + 1) * _LANES):  # past the diagonal: whole lanes
                    sums[p, q] += scaled * line[q]
    for p in range(size):
        for q in range(p + 1):
            matrix[p, q] += sums[p, q]


@njit(cache=True)
def _solve(matrix: Floats, right: Floats, step: Floats) -> None:
    """Cholesky in place and two substitutions; the lower triangle of `matrix` is read."""
    size = right.shape[0]
    for j in range(size):
        for q in range(j):
            factor = matrix[j, q]
            if factor != 0.0:
                for p in range(j, size):
                    matrix[p, j] -= matrix[p, q] * factor
        root = np.sqrt(max(matrix[j, j], 1e-14))
        for p in range(j, size):
            matrix[p, j] /= root
        matrix[j, j] = root
    for p in range(size):
        total = right[p]
        for q in range(p):
            total -= matrix[p, q] * step[q]
        step[p] = total / matrix[p, p]
    for p in range(size - 1, -1, -1):
        total = step[p]
        for q in range(p + 1, size):
            total -= matrix[q, p] * step[q]
        step[p] = total / matrix[p, p]


@njit(cache=True)
def climb(
    data: Columns,
    aversion: float,
    mode: Codes,
    prices: Floats,
    blur: float,
    soft: float,
    centre: Floats,
    weight: Floats,
    near: float,
) -> tuple[float, float, int]:
    """Maximise from `prices`, in place; returns dual value, largest residual and Newton steps."""
    n, k = data.factor.shape
    size = prices.shape[0]
    stiff, gradient = np.zeros(n), np.zeros(size)
    trial, step, matrix = np.zeros(size), np.zeros(size), np.zeros((size, size))
    height = evaluate(data, aversion, mode, prices, blur, soft, centre, weight, stiff, gradient)
    residual = np.max(np.abs(gradient))
    done = 0
    while done < STEPS and residual > near:
        done += 1
        ridge = 1e-9 + 0.1 * abs(float(gradient[k]))
        _hessian(data, aversion, prices, soft, centre, weight, stiff, ridge, matrix)
        _solve(matrix, gradient, step)
        rise = 0.0
        for p in range(size):
            rise += step[p] * gradient[p]
        close, far, length = 0.0, -1.0, 1.0
        for _ in range(25):
            for p in range(size):
                trial[p] = prices[p] + length * step[p]
            new = evaluate(data, aversion, mode, trial, blur, soft, centre, weight, stiff, gradient)
            if new >= height + 1e-4 * length * rise - 1e-15:
                break
            slope = 0.0
            for p in range(size):
                slope += step[p] * gradient[p]
            if slope < 0.0:
                far = length
                # The slope falls along the step: aim where it would be zero, if it were straight.
                length *= min(max(rise / (rise - slope), 0.1), 0.7)
            else:
                close = length
                length = 0.5 * (close + far) if far > 0.0 else 0.5 * length
        prices[:] = trial
        height = new
        residual = np.max(np.abs(gradient))
    return height, residual, done
