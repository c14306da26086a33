"""The exhaustive oracle: every legal set of trades of a tiny taxpayer, one by one, and the best.

Shares no code with the solver or with `check`: the wash rule is played share by share. Securities
of one identical group are enumerated together over all accounts, groups are combined by brute
force.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from opensma.construct.check import BareMoves
from opensma.construct.problem import Account, Limits, LotColumns, Taxpayer, Universe

AS_OF = 739_706
Sales = tuple[tuple[int, int], ...]  # (lot, shares) sold in one account


@dataclass(frozen=True)
class Option:
    """One way to trade all securities of a group in all accounts."""

    net: tuple[tuple[int, ...], ...]  # [account][member of the group] shares
    sold: tuple[Sales, ...]  # [account]
    tax: tuple[float, ...]
    gains: tuple[tuple[float, float], ...]  # [account] (short, long)


@dataclass(frozen=True)
class Best:
    """The optimum: total objective, trades of every account, and how many plans were legal."""

    objective: float
    moves: list[BareMoves]
    legal: int
    seen: int


def best(universe: Universe, taxpayer: Taxpayer) -> Best | None:
    """The cheapest legal plan, or None where there is none."""
    groups = [np.flatnonzero(universe.group == g).tolist() for g in np.unique(universe.group)]
    options = [_options(universe, taxpayer, group) for group in groups]
    sizes = [len(some) for some in options]
    seen = int(np.prod(sizes))
    assert seen < 4_000_000, sizes
    pick = np.stack(np.unravel_index(np.arange(seen), sizes))  # [group][combination]
    total, legal = np.zeros(seen), np.ones(seen, dtype=bool)
    for number, account in enumerate(taxpayer.accounts):
        objective, allowed = _account(universe, account, number, groups, options, pick)
        total += objective
        legal &= allowed
    if not legal.any():
        return None
    winner = int(np.argmin(np.where(legal, total, np.inf)))
    chosen = [options[g][pick[g, winner]] for g in range(len(groups))]
    moves = [_moves(universe, n, groups, chosen, a) for n, a in enumerate(taxpayer.accounts)]
    return Best(float(total[winner]), moves, int(legal.sum()), seen)


def _options(universe: Universe, taxpayer: Taxpayer, group: list[int]) -> list[Option]:
    barred = universe.group[group[0]] in taxpayer.loss_groups
    single = [
        _single(universe, account, security) for account in taxpayer.accounts for security in group
    ]
    found = []
    for choice in product(*single):
        bought = any(net > 0 for net, _ in choice)
        lost = any(
            universe.price[a.lots.security[lot]] * a.lots.quantity[lot] < a.lots.basis[lot] - 1e-9
            for (_, sales), a in zip(
                choice, [a for a in taxpayer.accounts for _ in group], strict=True
            )
            for lot, _ in sales
        )
        if bought and (lost or barred):
            continue
        split = [choice[i : i + len(group)] for i in range(0, len(choice), len(group))]
        sold = tuple(tuple(s for _, sales in part for s in sales) for part in split)
        net = tuple(tuple(n for n, _ in part) for part in split)
        tax, gains = _taxes(universe, taxpayer, group, sold)
        found.append(Option(net, sold, tax, gains))
    return found


def _single(universe: Universe, account: Account, security: int) -> list[tuple[int, Sales]]:
    """(net shares, sales) of one security in one account, as far as it decides alone."""
    price, limits, lots = universe.price[security], account.limits, account.lots
    mine = np.flatnonzero(lots.security == security).tolist()
    held = int(lots.quantity[mine].sum())
    value = account.cash + float((lots.quantity * universe.price[lots.security]).sum())
    ways: list[tuple[int, Sales]] = [(n, ()) for n in range(1, int(value / price) + 2)]
    for counts in product(*(range(int(lots.quantity[lot]) + 1) for lot in mine)):
        sales = tuple((lot, c) for lot, c in zip(mine, counts, strict=True) if c)
        ways.append((-sum(counts), sales))
    return [
        (net, sales)
        for net, sales in ways
        if not (limits.exclude[security] and held + net)
        and not (limits.no_buy[security] and net > 0)
        and not (limits.no_sell[security] and net < 0)
        and (held + net) * price <= (limits.max_weight[security] + 1e-9) * value
        and not (net and held + net and abs(net) * price < account.min_trade - 1e-9)
        and not (net and 0 < (held + net) * price < account.min_position * value - 1e-9)
    ]


def _taxes(
    universe: Universe, taxpayer: Taxpayer, group: list[int], sold: tuple[Sales, ...]
) -> tuple[tuple[float, ...], tuple[tuple[float, float], ...]]:
    """Tax and gains by account after the wash rule, share by share in order of acquisition."""
    window, losses = 0, []
    gains = [[0.0, 0.0] for _ in sold]
    for number, (account, sales) in enumerate(zip(taxpayer.accounts, sold, strict=True)):
        gone, lots = dict(sales), account.lots
        for lot in range(len(lots.quantity)):
            if lots.security[lot] not in group:
                continue
            if AS_OF - 30 <= lots.acquired_day[lot] <= AS_OF:
                window += int(lots.quantity[lot]) - gone.get(lot, 0)
            unit = lots.basis[lot] / lots.quantity[lot]
            gain = universe.price[lots.security[lot]] - unit
            term = int(lots.long_term[lot])
            for _ in range(gone.get(lot, 0)):
                if gain < -1e-9:
                    key = (lots.acquired_day[lot], number, lots.security[lot], -unit)
                    losses.append((key, number, term, gain))
                else:
                    gains[number][term] += gain
    for _, number, term, gain in sorted(losses)[window:]:
        gains[number][term] += gain
    tax = tuple(
        g[0] * a.st_rate + g[1] * a.lt_rate for g, a in zip(gains, taxpayer.accounts, strict=True)
    )
    return tax, tuple((g[0], g[1]) for g in gains)


def _account(
    universe: Universe,
    account: Account,
    number: int,
    groups: list[list[int]],
    options: list[list[Option]],
    pick: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Objective and legality of every combination for one account."""
    lots, price, n = account.lots, universe.price, len(universe.price)
    held = np.bincount(lots.security, lots.quantity, minlength=n)
    value = account.cash + float(held @ price)
    net = np.zeros((n, pick.shape[1]))
    tax, gains = np.zeros(pick.shape[1]), np.zeros((2, pick.shape[1]))
    for g, group in enumerate(groups):
        for position, security in enumerate(group):
            net[security] = np.array([o.net[number][position] for o in options[g]])[pick[g]]
        tax += np.array([o.tax[number] for o in options[g]])[pick[g]]
        for term in (0, 1):
            gains[term] += np.array([o.gains[number][term] for o in options[g]])[pick[g]]
    notional = np.abs(net) * price[:, None]
    cost = (notional * universe.cost_bps[:, None] / 1e4).sum(axis=0)
    cost += account.ticket_cost * (net != 0).sum(axis=0)
    weight = (held[:, None] + net) * price[:, None] / value
    active = weight - account.target[:, None]
    sigma = universe.loadings @ universe.factor_cov @ universe.loadings.T
    sigma = sigma + np.diag(universe.specific_var)
    variance = ((sigma @ active) * active).sum(axis=0)
    cash = (account.cash - price @ net - cost) / value
    legal = (cash >= account.cash_low - 2e-4) & (cash <= account.cash_high + 2e-4)
    for code in range(len(universe.sector_name)):
        reached = weight[universe.sector == code].sum(axis=0)
        legal &= reached <= account.limits.sector_max[code] + 5e-4
        legal &= reached >= account.limits.sector_min[code] - 5e-4
    if account.max_names is not None:
        legal &= (held[:, None] + net > 0.5).sum(axis=0) <= account.max_names
    if account.max_turnover is not None:
        legal &= notional.sum(axis=0) / 2 / value <= account.max_turnover + 1e-9
    for term, budget in enumerate((account.st_gain_budget, account.lt_gain_budget)):
        if budget is not None:
            legal &= gains[term] <= budget + 0.005
    if account.te_cap is not None:
        return tax + cost, legal & (variance <= (account.te_cap + 1e-9) ** 2)
    return tax + cost + value * (account.risk_aversion or 0.0) / 2 * variance, legal


def _moves(
    universe: Universe,
    number: int,
    groups: list[list[int]],
    chosen: list[Option],
    account: Account,
) -> BareMoves:
    rows = []
    for group, option in zip(groups, chosen, strict=True):
        for security, net in zip(group, option.net[number], strict=True):
            if net > 0:
                rows.append((security, -1, net))
        rows += [(int(account.lots.security[lot]), lot, -c) for lot, c in option.sold[number]]
    columns = list(zip(*rows, strict=True)) if rows else [(), (), ()]
    return BareMoves(
        np.array(columns[0], dtype=np.int64),
        np.array(columns[1], dtype=np.int64),
        np.array(columns[2], dtype=np.float64),
    )


# --- tiny problems -----------------------------------------------------------------------------


def tiny_problem(seed: int) -> tuple[Universe, Taxpayer]:
    """Few names, few shares, every kind of limit now and then; odd seeds of five are households."""
    rng = np.random.default_rng([seed, 77])
    accounts = 2 if seed % 5 == 4 else 1
    n = 3 if accounts == 2 else int(rng.integers(3, 5))
    group = np.arange(n)
    if rng.random() < 0.4:
        group[1] = 0
    universe = Universe(
        security=tuple(f"S{i}" for i in range(n)),
        price=np.round(rng.uniform(60.0, 140.0, n), 2),
        cost_bps=np.round(rng.uniform(1.0, 20.0, n), 1),
        sector=np.arange(n) % 2,
        sector_name=("X", "Y"),
        group=group,
        loadings=np.column_stack([rng.normal(1.0, 0.2, n), rng.normal(0.0, 1.0, n)]),
        factor_cov=np.array([[0.03, 0.001], [0.001, 0.002]]),
        specific_var=rng.uniform(0.03, 0.15, n),
    )
    rates = (0.45, 0.25)
    made = []
    for number in range(accounts):
        untaxed = number == 1 and rng.random() < 0.5
        made.append(_tiny_account(rng, universe, number, (0.0, 0.0) if untaxed else rates))
    lost = rng.choice(group, size=1) if rng.random() < 0.25 else np.zeros(0, dtype=np.int64)
    return universe, Taxpayer(f"tiny-{seed}", tuple(made), lost.astype(np.int64))


def _tiny_account(
    rng: np.random.Generator, universe: Universe, number: int, rates: tuple[float, float]
) -> Account:
    n = len(universe.price)
    security = np.repeat(np.arange(n), rng.integers(0, 3, n))
    m = len(security)
    quantity = rng.integers(1, 4, m).astype(np.float64)
    age = rng.choice([3, 29, 30, 31, 200, 900], size=m)
    acquired = (AS_OF - age).astype(np.int64)
    ratio = np.where(rng.random(m) < 0.5, rng.uniform(0.7, 0.98, m), rng.uniform(1.0, 1.6, m))
    basis = np.round(quantity * universe.price[security] / ratio, 2)
    held = float(quantity @ universe.price[security])
    cash = round(held * rng.uniform(0.0, 0.2) + rng.uniform(0.0, 150.0), 2)
    value = held + cash
    target = rng.dirichlet(np.full(n, 3.0)) * 0.93

    def sometimes(amount: float, chance: float = 0.25) -> float | None:
        return round(amount, 4) if rng.random() < chance else None

    capped = rng.random() < 0.3
    return Account(
        account_id=f"a{number}",
        lots=LotColumns(security.astype(np.int64), quantity, basis, acquired, age > 366),
        cash=cash,
        cash_low=0.0,
        cash_high=round(rng.uniform(0.2, 0.4), 3),
        target=target,
        limits=_tiny_limits(rng, universe),
        st_rate=rates[0],
        lt_rate=rates[1],
        min_trade=float(rng.choice([0.0, 90.0, 150.0])),
        whole_shares=True,
        risk_aversion=None if capped else round(float(np.exp(rng.uniform(1.0, 4.0))), 2),
        te_cap=round(rng.uniform(0.06, 0.2), 4) if capped else None,
        max_turnover=sometimes(rng.uniform(0.2, 0.6)),
        st_gain_budget=sometimes(value * rng.uniform(0.0, 0.02)),
        lt_gain_budget=sometimes(value * rng.uniform(0.0, 0.05)),
    )


def _tiny_limits(rng: np.random.Generator, universe: Universe) -> Limits:
    n = len(universe.price)
    masks = [np.zeros(n, dtype=bool) for _ in range(3)]
    for mask in masks:
        if rng.random() < 0.2:
            mask[rng.integers(0, n)] = True
    masks[2] &= ~masks[0]
    max_weight = np.full(n, np.inf)
    if rng.random() < 0.2:
        max_weight[rng.integers(0, n)] = round(rng.uniform(0.1, 0.5), 3)
    sector_max, sector_min = np.full(2, np.inf), np.zeros(2)
    if rng.random() < 0.2:
        sector_max[0] = round(rng.uniform(0.4, 0.8), 3)
    elif rng.random() < 0.2:
        sector_min[1] = round(rng.uniform(0.1, 0.4), 3)
    return Limits(masks[0], masks[1], masks[2], max_weight, sector_max, sector_min)
