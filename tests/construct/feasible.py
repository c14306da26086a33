"""A legal plan by mixed-integer programming (HiGHS through scipy), for accounts nobody could solve.

Conservative: losses of a group with purchases in the window count nothing towards a gain budget,
and a tracking-error cap is aimed at by the distance from the target, then checked. So a plan found
proves that one exists; none found proves nothing.
"""

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from opensma.construct.check import BareMoves, check_trades
from opensma.construct.problem import Account, Taxpayer, Universe

Line = dict[int, float]


class Model:
    """Columns with bounds, rows as dictionaries: just enough to write the rules down."""

    def __init__(self) -> None:
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[int] = []
        self.price: list[float] = []
        self.rows: list[Line] = []
        self.sides: list[tuple[float, float]] = []

    def columns(self, count: int, high: float, whole: bool, price: float = 0.0) -> list[int]:
        first = len(self.low)
        self.low += [0.0] * count
        self.high += [high] * count
        self.whole += [int(whole)] * count
        self.price += [price] * count
        return list(range(first, first + count))

    def row(self, line: Line, low: float, high: float) -> None:
        self.rows.append(line)
        self.sides.append((low, high))

    def solve(self, seconds: float) -> np.ndarray | None:
        matrix = sparse.lil_matrix((len(self.rows), len(self.low)))
        for number, line in enumerate(self.rows):
            for column, factor in line.items():
                matrix[number, column] = factor
        low, high = (np.array(side) for side in zip(*self.sides, strict=True))
        done = milp(
            np.array(self.price),
            constraints=LinearConstraint(matrix.tocsr(), low, high),
            bounds=Bounds(np.array(self.low), np.array(self.high)),
            integrality=np.array(self.whole),
            options={"time_limit": seconds, "mip_rel_gap": 0.2},
        )
        return None if done.x is None else np.asarray(done.x)


def find_plan(
    universe: Universe, taxpayer: Taxpayer, account: Account, as_of: int, seconds: float = 5.0
) -> BareMoves | None:
    """Trades of one account, alone with its taxpayer's blocked groups, that pass the check."""
    alone = Taxpayer(taxpayer.taxpayer_id, (account,), taxpayer.loss_groups)
    model, lots, n = Model(), account.lots, len(universe.price)
    sold = model.columns(len(lots.quantity), 0.0, account.whole_shares)
    for lot, column in enumerate(sold):
        model.high[column] = float(lots.quantity[lot])
    value = account.cash + float(lots.quantity @ universe.price[lots.security])
    bought = model.columns(n, 0.0, account.whole_shares)
    for i, column in enumerate(bought):
        # A whole bound: HiGHS calls some models infeasible whose integer columns end between two.
        model.high[column] = float(np.floor(value / float(universe.price[i])))
    _sides(model, universe, taxpayer, account, sold, bought)
    _bands(model, universe, account, sold, bought, value)
    _gains(model, universe, account, sold, as_of)
    _towards_target(model, universe, account, sold, bought, value)
    found = model.solve(seconds)
    if found is None:
        return None
    moves = _moves(account, found, sold, bought)
    return moves if not check_trades(universe, alone, [moves], as_of) else None


def _sides(
    model: Model,
    universe: Universe,
    taxpayer: Taxpayer,
    account: Account,
    sold: list[int],
    bought: list[int],
) -> None:
    lots, limits, n = account.lots, account.limits, len(universe.price)
    held = np.bincount(lots.security, lots.quantity, minlength=n)
    buys, sells = model.columns(n, 1.0, True), model.columns(n, 1.0, True)
    lost = {int(g): model.columns(1, 1.0, True)[0] for g in np.unique(universe.group)}
    for i in range(n):
        mine = {sold[lot]: 1.0 for lot in np.flatnonzero(lots.security == i)}
        price, most = float(universe.price[i]), model.high[bought[i]]
        model.row({bought[i]: 1.0, buys[i]: -most}, -np.inf, 0.0)
        model.row({bought[i]: price, buys[i]: -account.min_trade}, 0.0, np.inf)
        model.row({**mine, sells[i]: -held[i]}, -np.inf, 0.0)
        least = min(account.min_trade / price, held[i])
        model.row({**mine, sells[i]: -least}, 0.0, np.inf)
        model.row({buys[i]: 1.0, sells[i]: 1.0}, 0.0, 1.0)
        model.row({buys[i]: 1.0, lost[int(universe.group[i])]: 1.0}, 0.0, 1.0)
        value = account.cash + float(held @ universe.price)
        cap = min(limits.max_weight[i], 10.0) * (1.0 - 1e-12) * value / price - held[i]
        model.row({bought[i]: 1.0, **dict.fromkeys(mine, -1.0)}, -np.inf, cap)
        if limits.exclude[i]:
            model.row({**mine, bought[i]: -1.0}, held[i], held[i])
        if limits.no_buy[i] or universe.group[i] in taxpayer.loss_groups:
            model.high[buys[i]] = 0.0
        if limits.no_sell[i]:
            model.high[sells[i]] = 0.0
    for lot, column in enumerate(sold):
        if universe.price[lots.security[lot]] * lots.quantity[lot] < lots.basis[lot] - 1e-9:
            group = int(universe.group[lots.security[lot]])
            model.row({column: 1.0, lost[group]: -float(lots.quantity[lot])}, -np.inf, 0.0)


def _bands(
    model: Model,
    universe: Universe,
    account: Account,
    sold: list[int],
    bought: list[int],
    value: float,
) -> None:
    lots, limits = account.lots, account.limits
    price, cost = universe.price, universe.cost_bps / 1e4
    slack = (1.9e-4, 4.9e-4) if account.whole_shares else (9e-7, 9e-7)
    cash: Line = {}
    for lot, column in enumerate(sold):
        i = int(lots.security[lot])
        cash[column] = float(price[i] * (1.0 - cost[i]))
    for i, column in enumerate(bought):
        cash[column] = -float(price[i] * (1.0 + cost[i]))
    low, high = account.cash_low - slack[0], account.cash_high + slack[0]
    model.row(cash, low * value - account.cash, high * value - account.cash)
    for code in range(len(universe.sector_name)):
        inside = np.flatnonzero(universe.sector == code)
        line = {bought[i]: float(price[i]) for i in inside}
        mine = [lot for lot in range(len(sold)) if universe.sector[lots.security[lot]] == code]
        line |= {sold[lot]: -float(price[lots.security[lot]]) for lot in mine}
        now = float(sum(lots.quantity[lot] * price[lots.security[lot]] for lot in mine))
        most = (min(limits.sector_max[code], 10.0) + slack[1]) * value - now
        model.row(line, (limits.sector_min[code] - slack[1]) * value - now, most)
    if account.max_turnover is not None:
        line = {sold[lot]: float(price[lots.security[lot]]) for lot in range(len(sold))}
        line |= {bought[i]: float(price[i]) for i in range(len(bought))}
        model.row(line, 0.0, 2.0 * account.max_turnover * value)


def _gains(model: Model, universe: Universe, account: Account, sold: list[int], as_of: int) -> None:
    lots = account.lots
    gain = universe.price[lots.security] - lots.basis / lots.quantity
    group = universe.group[lots.security]
    recent = np.unique(group[lots.acquired_day >= as_of - 30])
    counted = np.where((gain < 0.0) & np.isin(group, recent), 0.0, gain)
    for term, budget in ((False, account.st_gain_budget), (True, account.lt_gain_budget)):
        if budget is not None:
            mine = np.flatnonzero(lots.long_term == term)
            model.row({sold[lot]: float(counted[lot]) for lot in mine}, -np.inf, budget)


def _towards_target(
    model: Model,
    universe: Universe,
    account: Account,
    sold: list[int],
    bought: list[int],
    value: float,
) -> None:
    """Distance from the target in weights, the only objective."""
    lots = account.lots
    for i, above in enumerate(model.columns(len(bought), 2.0, False, price=1.0)):
        share = float(universe.price[i]) / value
        mine = np.flatnonzero(lots.security == i)
        line = {bought[i]: share, **{sold[lot]: -share for lot in mine}}
        gap = float(account.target[i]) - float(lots.quantity[mine].sum()) * share
        model.row({**line, above: -1.0}, -np.inf, gap)
        model.row({**line, above: 1.0}, gap, np.inf)


def _moves(account: Account, found: np.ndarray, sold: list[int], bought: list[int]) -> BareMoves:
    def amount(column: int) -> float:
        return float(np.rint(found[column])) if account.whole_shares else float(found[column])

    rows = [(int(account.lots.security[lot]), lot, -amount(c)) for lot, c in enumerate(sold)]
    rows += [(i, -1, amount(c)) for i, c in enumerate(bought)]
    rows = [row for row in rows if abs(row[2]) > 1e-7]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return BareMoves(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
    )
