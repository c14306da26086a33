"""Local search over whole units: one trade at a time, then pairs, with exact differences.

The state carries active factor exposures, row levels and gains, so that a trade's effect costs
O(k). Limits enter as a penalty far above any gain, which makes repair and improvement one thing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from opensma.construct.columns import Columns, Limits, Record
from opensma.construct.grid import CANDIDATES, candidates, empties, holds, stub, weight_of
from opensma.construct.problem import Codes, Floats, Mask
from opensma.construct.wash import group_parts, parts_of, tax_alone

VARIANCE, TAX, TRADED, SHORT, LONG, NAMES = 0, 1, 2, 3, 4, 5  # places in `State.total`
TOTALS = 6
PENALTY = 300.0  # per weight: a basis point of a broken limit costs 3 % of account value
GAIN = 5e-10  # of V: half a cent on ten million dollars
_FAR = 3e-7  # of V: trades further from helping than this wait for the last sweep
NAME = 0.02  # weight that a name too many counts as
SWEEPS = 12
_PASSES = 6  # of single trades, before pairs are tried
_PAIRS = 24
_WORTH = 3  # pairs made, from which another round pays
_FIELDS = 10  # of a `Change`, as a row of a table


class State(NamedTuple):
    """Trades and what follows from them; changed in place."""

    units: Codes  # (n,)
    exposure: Floats  # (k,) F'(w - b)
    level: Floats  # (r,) cash use and sector weights
    total: Floats  # (6,) variance, tax with tolls, traded weight, short gains, long gains, names
    buys: Codes  # (G,) members that are bought
    losses: Codes  # (G,) members that are sold at a loss
    loss: Mask  # (n,) this security is


class Goal(NamedTuple):
    """What the search minimises: risk, tax and toll, with the prices that guide it."""

    aversion: float  # of variance in the objective
    guide: float  # of variance in the proposals
    cash: float  # price of cash use in the proposals
    turnover: float  # prices of limits over the account, to rank pairs by
    short_gain: float
    long_gain: float
    names: float


class Change(NamedTuple):
    """One trade replaced by another: the differences."""

    weight: float
    use: float
    variance: float
    tax: float
    traded: float
    short: float
    long: float
    outside: float  # how far the security's own bounds are exceeded
    loss: bool
    names: int  # held after trading


@njit(cache=True)
def part_groups(data: Columns, units: Codes, kept: Mask) -> None:
    """Nothing is bought in a group that is sold at a loss: drop the losses where `kept` (G,)."""
    groups = data.washed.shape[0]
    losses, buys = np.zeros(groups, dtype=np.bool_), np.zeros(groups, dtype=np.bool_)
    for i in range(units.shape[0]):
        name = data.security[i]
        losses[name.group] |= parts_of(name, data.lot, units[i])[3]
        buys[name.group] |= units[i] > 0
    for i in range(units.shape[0]):
        name = data.security[i]
        if losses[name.group] and buys[name.group]:
            dropped = units[i] < 0 if kept[name.group] else units[i] > 0
            if dropped:
                units[i] = 0


@njit(cache=True)
def start(data: Columns, units: Codes) -> State:
    """The state of these trades."""
    n, k = data.factor.shape
    groups = data.washed.shape[0]
    exposure, level = np.zeros(k), np.zeros(data.row_low.shape[0])
    total = np.zeros(TOTALS)
    buys, losses = np.zeros(groups, dtype=np.int64), np.zeros(groups, dtype=np.int64)
    sold_low = np.zeros(n, dtype=np.bool_)
    for i in range(n):
        name = data.security[i]
        w = weight_of(name, units[i])
        gap, traded = w - name.target, abs(w - name.held)
        exposure += data.factor[i] * gap
        ticket = name.ticket if units[i] != 0 else 0.0
        level[0] += w + name.cost * traded + ticket
        if name.row >= 0:
            level[name.row] += w
        total[VARIANCE] += name.specific * gap * gap
        total[TRADED] += traded
        total[NAMES] += holds(name, w)
        g = name.group
        tax, short, long, loss = parts_of(name, data.lot, units[i])
        buys[g] += units[i] > 0
        losses[g] += loss
        sold_low[i] = loss
        total[TAX] += name.toll * traded + ticket
        if not data.washed[g]:
            _add_parts(total, tax, short, long)
    for f in range(k):
        total[VARIANCE] += exposure[f] * exposure[f]
    for g in range(groups):
        if data.washed[g] and data.wash_start[g] < data.wash_start[g + 1]:
            tax, short, long, _ = group_parts(data, units, g, -1, 0)
            _add_parts(total, tax, short, long)
    return State(units, exposure, level, total, buys, losses, sold_low)


@njit(cache=True)
def _add_parts(total: Floats, tax: float, short: float, long: float) -> None:
    total[TAX] += tax
    total[SHORT] += short
    total[LONG] += long


@njit(cache=True, forceinline=True)
def slope_of(data: Columns, state: State, i: int, w: float) -> float:
    """Half of d variance / d weight."""
    exposure, name = 0.0, data.security[i]
    for f in range(state.exposure.shape[0]):
        exposure += data.factor[i, f] * state.exposure[f]
    return float(exposure + name.specific * (w - name.target))


@njit(cache=True, forceinline=True)
def _outside(name: Record, weight: float) -> float:
    return float(max(weight - name.high, 0.0) + max(name.low - weight, 0.0))


@njit(cache=True, forceinline=True)
def inside(name: Record, units: int) -> bool:
    """Whether a trade keeps the security's own bounds."""
    return bool(_outside(name, weight_of(name, units)) <= 0.0)


@njit(cache=True, forceinline=True)
def change_of(data: Columns, state: State, i: int, trade: int, slope: float) -> Change:
    """What changes when security i trades `trade` instead of what it does now."""
    name = data.security[i]
    old = weight_of(name, state.units[i])
    new = weight_of(name, trade)
    delta, held = new - old, name.held
    traded = abs(new - held) - abs(old - held)
    variance = (2.0 * slope + (name.factor_square + name.specific) * delta) * delta
    g = name.group
    if data.washed[g]:
        before = group_parts(data, state.units, g, i, state.units[i])
        after = group_parts(data, state.units, g, i, trade)
    else:
        before = parts_of(name, data.lot, state.units[i])
        after = parts_of(name, data.lot, trade)
    ticket = 0.0
    if name.ticket > 0.0:
        ticket = name.ticket * (int(trade != 0) - int(state.units[i] != 0))
    return Change(
        delta,
        delta + name.cost * traded + ticket,
        variance,
        after[0] - before[0] + name.toll * traded + ticket,
        traded,
        after[1] - before[1],
        after[2] - before[2],
        _outside(name, new) - _outside(name, old),
        after[3],
        int(holds(name, new)) - int(holds(name, old)),
    )


@njit(cache=True, forceinline=True)
def least_gain(
    data: Columns, goal: Goal, i: int, now: int, tax: float, slope: float, trade: int
) -> tuple[float, float]:
    """Change of risk, tax and toll alone, in a group that nothing washes; and of cash use.

    `tax` is that of the trade made now. A trade that gains nothing here need not be looked at.
    """
    name = data.security[i]
    old, new, held = weight_of(name, now), weight_of(name, trade), name.held
    delta, traded = new - old, abs(new - held) - abs(old - held)
    variance = (2.0 * slope + (name.factor_square + name.specific) * delta) * delta
    ticket = 0.0
    if name.ticket > 0.0:
        ticket = name.ticket * (int(trade != 0) - int(now != 0))
    cost = tax_alone(name, data.lot, trade) - tax + name.toll * traded + ticket
    return goal.aversion * 0.5 * variance + cost, delta + name.cost * traded + ticket


@njit(cache=True, forceinline=True)
def legal(data: Columns, state: State, i: int, trade: int, loss: bool) -> bool:
    """Nothing is bought in a group that is sold at a loss (W27)."""
    g, now = data.security[i].group, state.units[i]
    if trade > 0 and state.losses[g] - state.loss[i] > 0:
        return False
    return not (loss and state.buys[g] - (now > 0) > 0)


@njit(cache=True, forceinline=True)
def _broken(data: Columns, limits: Limits, level: Floats, total: Floats) -> float:
    """How far limits are exceeded, as weights."""
    broken = 0.0
    for r in range(level.shape[0]):
        broken += max(level[r] - data.row_high[r], 0.0) + max(data.row_low[r] - level[r], 0.0)
    if total[VARIANCE] > limits.max_variance:
        broken += np.sqrt(total[VARIANCE]) - np.sqrt(limits.max_variance)
    broken += max(0.5 * total[TRADED] - limits.max_turnover, 0.0)
    broken += max(total[SHORT] - limits.short_gain, 0.0)
    broken += NAME * max(total[NAMES] - limits.max_names, 0.0)
    return float(broken + max(total[LONG] - limits.long_gain, 0.0))


@njit(cache=True, forceinline=True)
def broken_after(
    data: Columns, limits: Limits, state: State, i: int, c: Change, scratch: Floats, sums: Floats
) -> float:
    """The same after one change."""
    scratch[:] = state.level
    sums[:] = state.total
    scratch[0] += c.use
    row = data.security[i].row
    if row >= 0:
        scratch[row] += c.weight
    sums[VARIANCE] += c.variance
    sums[TRADED] += c.traded
    sums[SHORT] += c.short
    sums[LONG] += c.long
    sums[NAMES] += c.names
    return c.outside + _broken(data, limits, scratch, sums)


@njit(cache=True)
def apply(data: Columns, state: State, i: int, trade: int, c: Change) -> None:
    """Make the trade."""
    g, now = data.security[i].group, state.units[i]
    state.losses[g] += int(c.loss) - int(state.loss[i])
    state.loss[i] = c.loss
    state.buys[g] += int(trade > 0) - int(now > 0)
    for f in range(state.exposure.shape[0]):
        state.exposure[f] += data.factor[i, f] * c.weight
    state.level[0] += c.use
    row = data.security[i].row
    if row >= 0:
        state.level[row] += c.weight
    state.total[VARIANCE] += c.variance
    state.total[TAX] += c.tax
    state.total[TRADED] += c.traded
    state.total[SHORT] += c.short
    state.total[LONG] += c.long
    state.total[NAMES] += c.names
    state.units[i] = trade


@njit(cache=True, forceinline=True)
def propose(data: Columns, state: State, goal: Goal, i: int, slope: float, out: Codes) -> int:
    """Candidate trades of one security while the others stay, one unit either way included."""
    name = data.security[i]
    w = weight_of(name, state.units[i])
    curve = goal.guide * (name.factor_square + name.specific)
    centre = w - goal.guide * slope / curve
    return candidates(name, data.lot, centre, curve, 0.0, goal.cash, out)


@njit(cache=True)
def repair(data: Columns, limits: Limits, goal: Goal, state: State) -> None:
    """Bring rounded trades back inside the limits by single units, so that no choice is undone."""
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    for _ in range(SWEEPS):
        broken, changed = _broken(data, limits, state.level, state.total), False
        if broken <= 0.0:
            return
        for i in range(data.security.shape[0]):
            now, name = state.units[i], data.security[i]
            if now == 0 or (now < 0 and empties(name, now)):
                continue
            slope = slope_of(data, state, i, weight_of(name, now))
            best, trade = -GAIN, now
            for other in (now - 1, now + 1):
                if abs(other) * name.step < name.least or other < -name.part_units or other == 0:
                    continue
                w = weight_of(name, other)
                if stub(name, other):
                    continue
                if w > name.high + 1e-12 or w < name.low - 1e-12:
                    continue
                change = change_of(data, state, i, other, slope)
                worse = broken_after(data, limits, state, i, change, scratch, sums) - broken
                gain = goal.aversion * 0.5 * change.variance + change.tax + PENALTY * worse
                if gain < best and legal(data, state, i, other, change.loss):
                    best, trade = gain, other
            if trade != now:
                apply(data, state, i, trade, change_of(data, state, i, trade, slope))
                broken, changed = _broken(data, limits, state.level, state.total), True
                if broken <= 0.0:
                    return
        if not changed:
            return


@njit(cache=True)
def singles(
    data: Columns, limits: Limits, goal: Goal, state: State, margin: Floats, full: bool
) -> int:
    """Improve one trade at a time until nothing helps; returns how many were changed.

    `margin[i]` is how far security i was from a better trade; after the first sweep (or at once,
    unless `full`) only those that were near are looked at.
    """
    out = np.zeros(CANDIDATES, dtype=np.int64)
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    changed, n = 0, data.security.shape[0]
    broken = _broken(data, limits, state.level, state.total)
    for sweep in range(_PASSES):
        before = changed
        for i in range(n):
            name = data.security[i]
            if name.low >= name.held and name.high <= name.held:
                continue
            if margin[i] > _FAR and not (full and sweep == 0):
                continue
            slope = slope_of(data, state, i, weight_of(name, state.units[i]))
            best, trade, found, nearest = -GAIN, 0, False, np.inf
            now = state.units[i]
            plain = broken <= 0.0 and not data.washed[name.group] and inside(name, now)
            tax = tax_alone(name, data.lot, now) if plain else 0.0
            count = propose(data, state, goal, i, slope, out)
            for c in range(count):
                if out[c] == now:
                    continue
                if plain:
                    least, _ = least_gain(data, goal, i, now, tax, slope, out[c])
                    if least >= best:
                        nearest = min(nearest, least)
                        continue
                change = change_of(data, state, i, out[c], slope)
                worse = broken_after(data, limits, state, i, change, scratch, sums) - broken
                gain = goal.aversion * 0.5 * change.variance + change.tax + PENALTY * worse
                nearest = min(nearest, gain)
                if gain < best and legal(data, state, i, out[c], change.loss):
                    best, trade, found = gain, out[c], True
            margin[i] = nearest
            if found:
                apply(data, state, i, trade, change_of(data, state, i, trade, slope))
                broken = _broken(data, limits, state.level, state.total)
                changed += 1
        if changed == before:
            break
    return changed


@njit(cache=True)
def _best_moves(
    data: Columns,
    goal: Goal,
    state: State,
    security: Codes,
    trade: Codes,
    near: Floats,
    most: float,
) -> tuple[int, int]:
    """The most promising trades that use cash (first half) and free it (second half).

    `near[i]` is how promising security i was when it was looked at; above `most` it is passed by.
    """
    half = security.shape[0] // 2
    score = np.full(security.shape[0], np.inf)
    out = np.zeros(CANDIDATES + 2, dtype=np.int64)
    unpriced = goal.turnover == goal.names == goal.short_gain == goal.long_gain == 0.0
    for i in range(data.security.shape[0]):
        name = data.security[i]
        if near[i] > most or (name.low >= name.held and name.high <= name.held):
            continue
        near[i] = np.inf
        slope = slope_of(data, state, i, weight_of(name, state.units[i]))
        now = state.units[i]
        plain = unpriced and not data.washed[name.group] and inside(name, now)
        tax = tax_alone(name, data.lot, now) if plain else 0.0
        count = propose(data, state, goal, i, slope, out)
        for c in range(count):
            if out[c] == now:
                continue
            if plain:
                gain, use = least_gain(data, goal, i, now, tax, slope, out[c])
                gain += goal.cash * use
                if gain >= score[(half if use > 0.0 else 2 * half) - 1]:
                    near[i] = min(near[i], gain)
                    continue
            change = change_of(data, state, i, out[c], slope)
            gain = goal.aversion * 0.5 * change.variance + change.tax + goal.cash * change.use
            gain += goal.turnover * change.traded + PENALTY * change.outside
            gain += goal.short_gain * change.short + goal.long_gain * change.long
            gain += goal.names * change.names
            near[i] = min(near[i], gain)
            side = 0 if change.use > 0.0 else half
            if legal(data, state, i, out[c], change.loss):
                _insert(score, security, trade, side, half, gain, i, out[c])
    up = np.sum(score[:half] < np.inf)
    return int(up), int(np.sum(score[half:] < np.inf))


@njit(cache=True)
def _cutoff(near: Floats, wanted: int) -> float:
    """How promising a security must be to be looked at again: those listed, and as many more."""
    if near.shape[0] <= wanted:
        return np.inf
    return float(np.partition(near, wanted)[wanted])


@njit(cache=True, forceinline=True)
def _insert(
    score: Floats,
    security: Codes,
    trade: Codes,
    first: int,
    room: int,
    gain: float,
    i: int,
    units: int,
) -> None:
    """Keep the list of the best moves in order."""
    if gain >= score[first + room - 1]:
        return
    place = first + room - 1
    while place > first and score[place - 1] > gain:
        score[place] = score[place - 1]
        security[place] = security[place - 1]
        trade[place] = trade[place - 1]
        place -= 1
    score[place], security[place], trade[place] = gain, i, units


@njit(cache=True)
def pairs(
    data: Columns, limits: Limits, goal: Goal, state: State, rounds: int, near: Floats
) -> int:
    """Two trades at once, one that frees cash and one that uses it; returns how many pairs.

    `near` (n,) remembers how promising each security is; start with minus infinity.
    """
    security = np.zeros(2 * _PAIRS, dtype=np.int64)
    trade = np.zeros(2 * _PAIRS, dtype=np.int64)
    product = np.zeros((2 * _PAIRS, 2 * _PAIRS))
    one = np.zeros((2 * _PAIRS, _FIELDS))
    scratch, sums = np.zeros(state.level.shape[0]), np.zeros(TOTALS)
    made = 0
    for _ in range(rounds):
        most = _cutoff(near, 6 * _PAIRS)
        up, down = _best_moves(data, goal, state, security, trade, near, most)
        before = made
        _products(data, security, up, down, product)
        for m in range(2 * _PAIRS):
            if m < up or _PAIRS <= m < _PAIRS + down:
                _look(data, state, security, trade, one, m)
        while made < before + _PAIRS:
            left, right = _best_pair(
                data, limits, goal, state, security, trade, product, one, up, down, scratch, sums
            )
            if left < 0:
                break
            _make(data, state, security, trade, product, one, up, down, left, right)
            made += 1
        if made == before:
            break
    return made


@njit(cache=True)
def _look(data: Columns, state: State, security: Codes, trade: Codes, one: Floats, m: int) -> None:
    """Fill a row with what changes when a listed move is made."""
    i = security[m]
    slope = slope_of(data, state, i, weight_of(data.security[i], state.units[i]))
    _write(one, m, change_of(data, state, i, trade[m], slope))


@njit(cache=True)
def _products(data: Columns, security: Codes, up: int, down: int, product: Floats) -> None:
    """Factor covariance of all listed securities."""
    for a in range(2 * _PAIRS):
        if up <= a < _PAIRS or a >= _PAIRS + down:
            continue
        for b in range(a + 1):
            if up <= b < _PAIRS:
                continue
            total, i, j = 0.0, security[a], security[b]
            for f in range(data.factor.shape[1]):
                total += data.factor[i, f] * data.factor[j, f]
            product[a, b] = product[b, a] = total


@njit(cache=True)
def _make(
    data: Columns,
    state: State,
    security: Codes,
    trade: Codes,
    product: Floats,
    one: Floats,
    up: int,
    down: int,
    left: int,
    right: int,
) -> None:
    """Make a pair, and bring what the other listed moves would change up to date."""
    first, second = one[left, 0], one[right, 0]
    for m in (left, right):
        i = security[m]
        slope = slope_of(data, state, i, weight_of(data.security[i], state.units[i]))
        apply(data, state, i, trade[m], change_of(data, state, i, trade[m], slope))
    one_group = data.security[security[left]].group
    two_group = data.security[security[right]].group
    for m in range(2 * _PAIRS):
        if up <= m < _PAIRS or m >= _PAIRS + down:
            continue
        group = data.security[security[m]].group
        if group in (one_group, two_group):
            _look(data, state, security, trade, one, m)
        else:
            moved = product[m, left] * first + product[m, right] * second
            one[m, 2] += 2.0 * one[m, 0] * moved


@njit(cache=True)
def _best_pair(
    data: Columns,
    limits: Limits,
    goal: Goal,
    state: State,
    security: Codes,
    trade: Codes,
    product: Floats,
    one: Floats,
    up: int,
    down: int,
    scratch: Floats,
    sums: Floats,
) -> tuple[int, int]:
    """The best pair of the listed moves; -1 when none helps."""
    broken = _broken(data, limits, state.level, state.total)
    best, left, right = -GAIN, -1, -1
    for a in range(up):
        i = security[a]
        if state.units[i] == trade[a]:
            continue
        for b in range(_PAIRS, _PAIRS + down):
            j = security[b]
            cross = 2.0 * product[a, b] * one[a, 0] * one[b, 0]
            gain = goal.aversion * 0.5 * (one[a, 2] + one[b, 2] + cross) + one[a, 3] + one[b, 3]
            if gain >= best and broken <= 0.0 and one[a, 8] + one[b, 8] >= 0.0:
                continue
            if state.units[j] == trade[b] or data.security[i].group == data.security[j].group:
                continue
            _shift(data, state, i, one[a], scratch, sums, True)
            _shift(data, state, j, one[b], scratch, sums, False)
            sums[VARIANCE] += cross
            gain += PENALTY * (_broken(data, limits, scratch, sums) - broken)
            gain += PENALTY * (one[a, 8] + one[b, 8])
            if gain < best and _both_legal(data, state, i, trade[a], one[a], j, trade[b], one[b]):
                best, left, right = gain, a, b
    return left, right


@njit(cache=True)
def _both_legal(
    data: Columns, state: State, i: int, buy: int, one: Floats, j: int, sale: int, other: Floats
) -> bool:
    first = legal(data, state, i, buy, one[7] > 0.0)
    return bool(first and legal(data, state, j, sale, other[7] > 0.0))


@njit(cache=True)
def _write(table: Floats, m: int, c: Change) -> None:
    table[m, 0], table[m, 1], table[m, 2], table[m, 3] = c.weight, c.use, c.variance, c.tax
    table[m, 4], table[m, 5], table[m, 6] = c.traded, c.short, c.long
    table[m, 7], table[m, 8] = 1.0 if c.loss else 0.0, c.outside
    table[m, 9] = c.names


@njit(cache=True, forceinline=True)
def _shift(
    data: Columns, state: State, i: int, c: Floats, scratch: Floats, sums: Floats, anew: bool
) -> None:
    """Row levels and totals after one more change."""
    if anew:
        scratch[:] = state.level
        sums[:] = state.total
    scratch[0] += c[1]
    row = data.security[i].row
    if row >= 0:
        scratch[row] += c[0]
    sums[VARIANCE] += c[2]
    sums[TRADED] += c[4]
    sums[SHORT] += c[5]
    sums[LONG] += c[6]
    sums[NAMES] += c[9]


@njit(cache=True)
def improve(data: Columns, limits: Limits, goal: Goal, state: State) -> float:
    """Singles and pairs until neither helps; returns by how much limits are still broken."""
    margin, near = np.zeros(data.security.shape[0]), np.full(data.security.shape[0], -np.inf)
    repair(data, limits, goal, state)
    for _ in range(3):
        for again in range(2):
            singles(data, limits, goal, state, margin, again == 0)
            if pairs(data, limits, goal, state, 3, near) < _WORTH:
                break
        if singles(data, limits, goal, state, margin, True) == 0:
            break
    return excess(data, limits, state)


@njit(cache=True)
def excess(data: Columns, limits: Limits, state: State) -> float:
    """By how much limits and the securities' own bounds are exceeded, as weights."""
    broken = _broken(data, limits, state.level, state.total)
    for i in range(data.security.shape[0]):
        name = data.security[i]
        broken += max(_outside(name, weight_of(name, state.units[i])) - 1e-9, 0.0)
    return broken


@njit(cache=True)
def broken_by(data: Columns, limits: Limits, state: State) -> float:
    """How far limits over the whole account are exceeded, as weights."""
    return _broken(data, limits, state.level, state.total)
